"""What the calls about contacts and events share: where a request comes from, and how a refusal looks."""

from collections.abc import Sequence
from typing import Final

from goniec.core.identity import Refusal
from goniec.core.model import Contact
from goniec.core.problems import Problem
from goniec.flow.batch import Recorded, Result
from goniec.flow.ingest import Origin
from goniec.web.operation import Ask
from goniec.web.problems import Fault, missing, problem
from goniec.web.reply import Reply
from goniec.web.shown import ContactOut, contact_out

STATUSES: Final = {
    "conflict": 409,
    "ambiguousPhone": 409,
    "unknownContact": 422,
    "noKey": 422,
    "preconditionFailed": 412,
    "contactTooLarge": 422,
    "internalError": 500,
}


async def origin(ask: Ask) -> Origin:
    """Where a request comes from; with the funnels, when it may name stages."""
    context = ask.context
    funnels = await context.store.queries.funnels() if b"stage" in ask.raw else ()
    return Origin(
        now=context.clock.now(),
        country=context.country,
        source="api",
        source_key=ask.key.name,
        cause=ask.cause,
        funnels={funnel.name: funnel.stages for funnel in funnels},
    )


def refused(refusal: Refusal, at: str = "") -> Fault:
    """Give the answer to what the recorder refused; `at` is where the contact stands in the body."""
    return Fault(
        STATUSES[refusal.code],
        refusal.detail,
        code=refusal.code,
        errors=[Problem(at + refusal.pointer, refusal.detail)],
        extra={"contacts": list(refusal.contacts)} if refusal.contacts else None,
    )


def expected_seq(ask: Ask) -> int | None:
    """The contact's seq that `If-Match` names; one that cannot be any is -1, which fits no contact."""
    if ask.expected is None:
        return None
    if len(ask.expected) > 1:
        raise Fault(400, "If-Match: name one version of the contact, the ETag as it came")
    (tag,) = ask.expected
    return int(tag) if tag.isascii() and tag.isdigit() and len(tag) <= len(str(2**63)) else -1


def tell_contact(ask: Ask, results: Sequence[Result], *, by_path: bool = False) -> Reply:
    """Give the answer to one call about one contact; `by_path` says that the path names it."""
    (result,) = results
    if isinstance(result, Recorded):
        return contact_reply(ask, result.contact, created=result.created)
    assert isinstance(result, Refusal), "only events have dedup keys"  # noqa: S101 - tells the type checker
    fault = missing("contact") if by_path and result.code == "unknownContact" else refused(result)
    return problem(fault, ask.context.dice, ask.method, ask.target)


def contact_reply(ask: Ask, contact: Contact, *, created: bool = False) -> Reply:
    """Show a contact with its `ETag`. Whoever may only send is not shown what was not sent."""
    shown = ContactOut(id=contact.id, seq=contact.seq) if ask.key.scope == "ingest" else contact_out(contact)
    tag = ("etag", f'"{contact.seq}"')
    if created:
        return Reply(201, shown, (tag, ("location", f"/api/v1/contacts/{contact.id}")))
    return Reply(200, shown, (tag,))
