"""What a rule's actions on mail lean on: that there are its messages and users, and that mail is set up.

Called by `rules` whenever one is saved or switched on.
"""

from collections.abc import Iterator

from goniec.core.actions import NotifyUser, SendEmail
from goniec.core.composing import EXAMPLE, OWNER, Composer
from goniec.core.problems import Problem
from goniec.core.rules import RuleDraft
from goniec.flow.workspace import colleagues
from goniec.ports import Tx

NOT_SET_UP = (
    "mail is not set up, so a rule with this action cannot be switched on:"
    " an operator sets GONIEC_SMTP_URL and GONIEC_MAIL_FROM"
)


def mail_actions(rule: RuleDraft) -> Iterator[tuple[str, SendEmail | NotifyUser]]:
    """The actions of a rule that send mail, each with its pointer."""
    for branch, actions in (("actions", rule.actions), ("otherwise", rule.otherwise)):
        for n, action in enumerate(actions):
            if isinstance(action, SendEmail | NotifyUser):
                yield f"/{branch}/{n}", action


async def mail_problems(tx: Tx, rule: RuleDraft, *, ready: bool) -> list[Problem]:
    """Tell what keeps a rule from sending mail; `ready` says that there is a mail server to send it to."""
    found = list(mail_actions(rule))
    if not found:
        return []
    composer = Composer(await tx.messages(), colleagues(await tx.users()))
    problems = []
    for pointer, action in found:
        if isinstance(action, SendEmail):
            if action.message not in composer.messages:
                problems.append(Problem(f"{pointer}/message", f"there is no message {action.message[:100]}"))
        elif action.user != OWNER and composer.colleague(action.user, EXAMPLE) is None:
            detail = (
                f"there is no user {action.user[:100]}: the id or e-mail of one, or {OWNER} for the contact's owner"
            )
            problems.append(Problem(f"{pointer}/user", detail))
        if rule.active and not ready:
            problems.append(Problem(pointer, NOT_SET_UP))
    return problems
