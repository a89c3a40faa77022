"""The workspace: settings that hold for all rules, changed in the panel or by API, and the users whom notices reach.

Called by `record`, which lets rules lean on them, and by the API and the panel.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from goniec.core.composing import Colleague
from goniec.core.model import User
from goniec.core.problems import Invalid
from goniec.core.quiet import NO_LIMITS, MailLimits, limit_problems
from goniec.flow.configure import Outside
from goniec.ports import Store, Tx

MAIL_LIMITS: Final = "mail.limits"
"""The mark under which the limits on mail stand."""

_decode: Final = msgspec.json.Decoder(MailLimits).decode


def limits_of(kept: bytes | None) -> MailLimits:
    """Read the limits as they are kept."""
    return NO_LIMITS if kept is None else _decode(kept)


def colleagues(users: Iterable[User]) -> list[Colleague]:
    """Give whom notices can reach: who has been shut out learns nothing of contacts any more."""
    return [Colleague(user.id, user.email, user.language) for user in users if user.disabled_at is None]


async def mail_limits(store: Store) -> MailLimits:
    """Give the workspace's limits on mail."""

    async def work(tx: Tx) -> MailLimits:
        return limits_of(await tx.mark(MAIL_LIMITS))

    return await store.transact(work)


async def change_mail_limits(outside: Outside, limits: MailLimits) -> MailLimits:
    """Set them; what waits for the end of quiet hours already keeps its time.

    Raises:
        Invalid: they make no sense.

    """
    if problems := limit_problems(limits, ""):
        raise Invalid(*problems)

    async def work(tx: Tx) -> MailLimits:
        await tx.put_mark(MAIL_LIMITS, msgspec.json.encode(limits))
        await tx.changed()
        return limits

    return await outside.store.transact(work)
