"""What providers that carry our mail tell of it."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, to_builtins

from goniec.core.decide import Call
from goniec.core.identity import Refusal
from goniec.core.problems import Problem
from goniec.core.tokens import PURPOSE
from goniec.flow.batch import Duplicate, Recorded, Result
from goniec.flow.feedback import FeedbackListIn, Heard, feedback_calls, read_feedback, read_provider
from goniec.ports import Remembered
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


class FeedbackQuery(Struct, frozen=True):
    """In whose words the body is written."""

    format: Annotated[
        Literal["goniec", "mailgun", "postmark", "sendgrid", "ses"],
        Meta(description="The provider that sends it; `ses` is Amazon SES by way of SNS."),
    ] = "goniec"


_BOUNCE: Final = {
    "type": "bounce",
    "messageId": "<dlv_….…@example.com>",
    "email": "jan@example.pl",
    "code": "5.1.1",
    "reason": "550 5.1.1 no such user",
    "at": "2026-11-25T04:36:00+01:00",
}
_COMPLAINT: Final = {"type": "complaint", "email": "anna@example.pl"}

PIECE: Final = 500
"""So many are recorded at a time, so that nobody else waits for all of a provider's thousands."""

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
    foreign=True,
)
async def send_feedback(ask: Ask, query: FeedbackQuery) -> Reply:
    """Tell of up to 1000 mails that they came back, arrived, or were called spam.

    **202 means that it is on disk.** A hard bounce stops further mail to the address, a complaint opts the contact out
    of mail. The same bounce of a mail twice is one event (`email.bounced`). What cannot be taken is told under
    `refused`, and the rest goes on; when all of it is refused, the whole is an error (422).

    With `format` the body is what that provider sends by itself, of up to 5000 mails, and the answer to what can be
    read is always 202, for it may tell of mail that is none of Goniec's. Who can only put credentials into a URL gives
    the key as the password of any user: `https://goniec:KEY@…`.
    """
    context = ask.context
    keys, now = context.vault.derived(PURPOSE), context.clock.now()
    if query.format == "goniec":
        items = await asyncio.to_thread(read_feedback, ask.raw, keys, now)
    else:
        items = await asyncio.to_thread(read_provider, ask.raw, query.format, keys, now)
    heard = {n: one for n, one in enumerate(items) if isinstance(one, Heard)}
    outcomes: dict[int, Outcome] = {n: one for n, one in enumerate(items) if not isinstance(one, Heard)}
    calls = await feedback_calls(context.store.queries, list(heard.values()), ask.key.name)
    outcomes |= dict(zip(heard, calls, strict=True))
    wanted = {n: one for n, one in outcomes.items() if isinstance(one, Call)}
    refused = sum(isinstance(one, Refusal | list) for one in outcomes.values())
    before: list[Result] = []
    left = list(wanted.values())
    while len(left) > PIECE and ask.idempotency_key is None:  # an answer is remembered with all that it tells
        piece, left = left[:PIECE], left[PIECE:]
        results = await context.recorder.record(piece)
        assert not isinstance(results, Remembered), "nothing was to be remembered"  # noqa: S101 - tells the type checker
        before += results
    return await recorded(ask, left, partial(_tell, ask, query, outcomes, list(wanted), before), refused=refused)


def _tell(
    ask: Ask,
    query: FeedbackQuery,
    outcomes: Mapping[int, Outcome],
    places: Sequence[int],
    before: Sequence[Result],
    results: Sequence[Result],
) -> Reply:
    """Give the answer, once all is on disk: `results` and those of the pieces `before`."""
    ended: dict[int, Outcome | Result] = {**outcomes, **dict(zip(places, (*before, *results), strict=True))}
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
    faulty = [one.code == "internalError" for one in taken.refused]
    if taken.accepted or taken.duplicates or (query.format != "goniec" and not any(faulty)):
        return Reply(202, taken)
    errors = [Problem(f"/events/{one.index}{one.pointer}", one.detail) for one in taken.refused]
    status = 500 if all(faulty) else 422
    fault = Fault(status, "none of this was taken", code="nothingTaken", errors=errors, extra=to_builtins(taken))
    return problem(fault, ask.context.dice, ask.method, ask.target)
