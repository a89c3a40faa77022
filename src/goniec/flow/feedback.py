"""What providers tell of the mail that they carried: from the bytes of a request to calls that `record` can decide.

Called by the API for `POST /mail/feedback`. A mail is found by its Message-ID or its delivery; where it is none that is
known any more, its contact is found by the address.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from goniec.core.bounces import kind_of, one_line, sharper, token_in
from goniec.core.decide import Call
from goniec.core.identity import Refusal, Who
from goniec.core.ids import DELIVERY, is_id
from goniec.core.problems import Invalid, Problem
from goniec.core.shapes import faults, shaped
from goniec.core.text import email_key
from goniec.core.times import Millis
from goniec.core.tokens import Keys, read_bounce
from goniec.flow.bounces import Mailed, Told, find_mails, told_call
from goniec.flow.decoding import FAULTS_LIMIT, plainly
from goniec.flow.ingest import instant
from goniec.flow.providers import PROVIDERS, to_confirm
from goniec.observe import log
from goniec.ports import Queries

FEEDBACK_LIMIT: Final = 1_000
"""How many things one call may tell."""

PROVIDER_LIMIT: Final = 5_000
"""How many a provider may tell at once: they fill up to 768 KiB before they send."""

SAID: Final = 1_000
"""Characters of what a provider says that are looked at."""

Text = Annotated[str, Meta(max_length=10_000)]


class FeedbackIn(Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What became of one mail."""

    type: Annotated[
        Literal["bounce", "complaint", "delivered"],
        Meta(description="It came back; somebody calls it spam; it arrived, which is taken and not recorded."),
    ]
    message_id: Annotated[
        Annotated[str, Meta(max_length=1_000)] | None,
        Meta(description="The mail's Message-ID, or the sender on its envelope."),
    ] = None
    delivery: Annotated[str | None, Meta(description="The mail's delivery, `dlv_…`.")] = None
    email: Annotated[
        str | None,
        Meta(description="The address that it is about. Alone it finds the contact that has it now."),
    ] = None
    kind: Annotated[
        Literal["hard", "soft"] | None,
        Meta(description="Whether the address is dead; from `code` and `reason`, unless given."),
    ] = None
    code: Annotated[
        Annotated[str, Meta(pattern=r"^[245]\.[0-9]{1,3}\.[0-9]{1,3}$")] | None,
        Meta(description="The status, as in RFC 3463.", examples=["5.1.1"]),
    ] = None
    reason: Annotated[Text | None, Meta(description="What the server said; 300 characters of it are kept.")] = None
    at: Annotated[
        str | None, Meta(description="When, with an offset; now, unless given.", examples=["2026-11-25T03:36:00Z"])
    ] = None


class FeedbackListIn(Struct, kw_only=True, forbid_unknown_fields=True):
    """What became of several mails. What is wrong with one does not hold up the others."""

    events: Annotated[list[FeedbackIn], Meta(min_length=1, max_length=FEEDBACK_LIMIT)]


class Heard(Struct, frozen=True):
    """One thing that was told, read: of which delivery, and of whom where that is none that is known."""

    told: Told
    delivery_id: str | None
    who: Who | None


class _Elements(Struct, forbid_unknown_fields=True):
    events: list[Any]


def read_feedback(raw: bytes, keys: Keys, now: Millis) -> list[Heard | list[Problem]]:
    """Read the list: each element, or what is wrong with it.

    Raises:
        Malformed: the body is no JSON.
        Invalid: it is no list of 1 to `FEEDBACK_LIMIT`.

    """
    elements = shaped(plainly(raw), _Elements).events
    if not 0 < len(elements) <= FEEDBACK_LIMIT:
        raise Invalid(Problem("/events", f"give 1 to {FEEDBACK_LIMIT} events, and this has {len(elements)}"))
    return [_element(one, keys, now) for one in elements]


def read_provider(raw: bytes, provider: str, keys: Keys, now: Millis) -> list[Heard | list[Problem]]:
    """Read what one of the `PROVIDERS` sends: what it tells of bounces, complaints and arrivals.

    Raises:
        Malformed: the body is no JSON.
        Invalid: it tells of more than `PROVIDER_LIMIT` mails.

    """
    plain = plainly(raw)
    if (asked := to_confirm(plain)) is not None:
        topic, url = asked
        log.warning("feedback.to_confirm", topic=topic, advice=f"open {url}, if this topic is yours")
    told = list(islice(PROVIDERS[provider](plain), PROVIDER_LIMIT + 1))
    if len(told) > PROVIDER_LIMIT:
        detail = f"this tells of more than {PROVIDER_LIMIT:,} mails, and nothing of it was taken; send fewer at a time"
        raise Invalid(Problem("", detail))
    given = [{name: value for name, value in one.items() if value} for one in told]
    return [_element({**one, "reason": one.get("reason", "")[:SAID]}, keys, now) for one in given]


async def feedback_calls(queries: Queries, heard: Sequence[Heard], source_key: str) -> list[Call | Refusal | None]:
    """Give what each comes to: a call, None where there is nothing to record, a refusal where nobody knows the mail."""
    known = await find_mails(queries, sorted({one.delivery_id for one in heard if one.delivery_id is not None}))
    return [_call(one, known, source_key) for one in heard]


def _call(one: Heard, known: dict[str, Mailed | None], source_key: str) -> Call | Refusal | None:
    mail = None if one.delivery_id is None else known[one.delivery_id]
    who = one.who if mail is None else Who(id=mail.contact_id)
    if who is None:
        return Refusal("unknownContact", "no mail of a message is known by this; an email would find the contact")
    return told_call(one.told, mail, who, source_key)


def _element(plain: object, keys: Keys, now: Millis) -> Heard | list[Problem]:
    if found := list(islice(faults(plain), FAULTS_LIMIT)):
        return found
    try:
        given = shaped(plain, FeedbackIn)
    except Invalid as error:
        return list(error.problems)
    heard = read_one(given, keys, now, found)
    return found or heard


def read_one(given: FeedbackIn, keys: Keys, now: Millis, found: list[Problem]) -> Heard:
    """Read what became of one mail; what is wrong with it goes to `found`."""
    delivery_id = given.delivery
    if delivery_id is not None and not is_id(DELIVERY, delivery_id):
        found.append(Problem("/delivery", "is no id of a delivery: it begins with dlv_"))
    if given.message_id is not None and delivery_id is None:
        token = token_in(given.message_id, f"{given.message_id}@")
        delivery_id = None if token is None else read_bounce(keys, token)
    who = None
    if given.email is not None:
        try:
            address, key = email_key(given.email)
        except ValueError as error:
            found.append(Problem("/email", str(error)))
        else:
            who = Who(email=address, email_key=key)
    if given.delivery is None and given.message_id is None and given.email is None:
        found.append(Problem("", "name the mail by messageId or delivery, or the contact by email"))
    at = None if given.at is None else instant(given.at, now, found, "/at")
    return Heard(_told(given, None if who is None else who.email_key, at), delivery_id, who)


def _told(given: FeedbackIn, email: str | None, at: Millis | None) -> Told:
    if given.type != "bounce":
        return Told(kind=given.type, email=email, at=at)
    reason = one_line(given.reason or "")
    code = sharper(given.code or "", reason)
    return Told(kind=given.kind or kind_of(code, reason), code=code, reason=reason, email=email, at=at)
