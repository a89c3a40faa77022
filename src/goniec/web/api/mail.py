"""What providers that carry our mail tell of it."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from msgspec import Struct, to_builtins

from goniec.core.decide import Call
from goniec.core.identity import Refusal
from goniec.core.problems import Problem
from goniec.core.tokens import PURPOSE
from goniec.flow.batch import Duplicate, Recorded, Result
from goniec.flow.feedback import FeedbackListIn, Heard, feedback_calls, read_feedback
from goniec.web.once import recorded
from goniec.web.operation import Ask, operation
from goniec.web.problems import Fault, problem
from goniec.web.reply import Reply


class FeedbackRefused(Struct, rename="camel"):
    """What was not taken: its place in the list, what is wrong and where (a pointer into it)."""

    index: int
    detail: str
    pointer: str
    code: str


class FeedbackTaken(Struct, rename="camel"):
    """What became of what was told. All that was accepted is on disk.

    `ids` has an entry for each: the id of its event, the first one's for a duplicate, null where nothing had to be
    recorded or it was refused.
    """

    accepted: int
    duplicates: int
    refused: list[FeedbackRefused]
    ids: list[str | None]


_BOUNCE: Final = {
    "type": "bounce",
    "messageId": "<dlv_….…@example.com>",
    "email": "jan@example.pl",
    "code": "5.1.1",
    "reason": "550 5.1.1 no such user",
    "at": "2026-11-25T04:36:00+01:00",
}
_COMPLAINT: Final = {"type": "complaint", "email": "anna@example.pl"}

Outcome = Call | Refusal | Sequence[Problem] | None


@operation(
    "POST",
    "/mail/feedback",
    scope="ingest",
    tag="mail",
    summary="Tell what became of mail",
    answers={202: FeedbackTaken},
    examples={"a bounce and a complaint": {"events": [_BOUNCE, _COMPLAINT]}},
    raw=FeedbackListIn,
)
async def send_feedback(ask: Ask) -> Reply:
    """Tell of up to 1000 mails that they came back, arrived, or were called spam.

    **202 means that it is on disk.** A hard bounce stops further mail to the address, a complaint opts the contact out
    of mail. The same bounce of a mail twice is one event (`email.bounced`). What cannot be taken is told under
    `refused`, and the rest goes on; when all of it is refused, the whole is an error (422).
    """
    context = ask.context
    items = read_feedback(ask.raw, context.vault.derived(PURPOSE), context.clock.now())
    heard = {n: one for n, one in enumerate(items) if isinstance(one, Heard)}
    outcomes: dict[int, Outcome] = {n: one for n, one in enumerate(items) if not isinstance(one, Heard)}
    calls = await feedback_calls(context.store.queries, list(heard.values()), ask.key.name)
    outcomes |= dict(zip(heard, calls, strict=True))
    wanted = {n: one for n, one in outcomes.items() if isinstance(one, Call)}
    refused = sum(isinstance(one, Refusal | list) for one in outcomes.values())
    return await recorded(ask, list(wanted.values()), partial(_tell, ask, outcomes, list(wanted)), refused=refused)


def _tell(ask: Ask, outcomes: Mapping[int, Outcome], places: Sequence[int], results: Sequence[Result]) -> Reply:
    """Give the answer, once all is on disk."""
    ended: dict[int, Outcome | Result] = {**outcomes, **dict(zip(places, results, strict=True))}
    taken = FeedbackTaken(0, 0, [], [None] * len(ended))
    for n, one in sorted(ended.items()):
        match one:
            case Recorded():
                taken.accepted += 1
                taken.ids[n] = next(iter(one.happened or one.events), None)
            case Duplicate():
                taken.duplicates += 1
                taken.ids[n] = one.event_id
            case Refusal():
                taken.refused.append(FeedbackRefused(n, one.detail, one.pointer, one.code))
            case list():
                taken.refused += [FeedbackRefused(n, fault.detail, fault.pointer, "invalid") for fault in one]
            case _:
                taken.accepted += 1
    if taken.accepted or taken.duplicates:
        return Reply(202, taken)
    errors = [Problem(f"/events/{one.index}{one.pointer}", one.detail) for one in taken.refused]
    status = 500 if all(one.code == "internalError" for one in taken.refused) else 422
    fault = Fault(status, "none of this was taken", code="nothingTaken", errors=errors, extra=to_builtins(taken))
    return problem(fault, ask.context.dice, ask.method, ask.target)
