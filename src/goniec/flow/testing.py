"""Trying a rule out by hand: a test send of one of its webhooks, and a run for a contact.

A test send is made by the same serializer and the same sender as a real one and is a row in the log of deliveries, but
it stays outside every queue and is sent once. Called by the API, the panel and the commands.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from goniec.core.composing import EXAMPLE, Composer, Unwritable
from goniec.core.decide import Call, Happening
from goniec.core.endpoint import MAIL, Endpoint
from goniec.core.identity import Who
from goniec.core.ids import EVENT, delivery_id, prefixed
from goniec.core.mailing import sealed
from goniec.core.matching import type_of
from goniec.core.messages import Message
from goniec.core.model import Attempt, Contact, Delivery, Failure, Status
from goniec.core.occurring import can_occur, doubts
from goniec.core.payload import body
from goniec.core.problems import Invalid, Problem
from goniec.core.retry import check_address
from goniec.core.rules import Rule
from goniec.core.times import MINUTE, Millis
from goniec.flow.configure import Conflict, Missing, Refusal
from goniec.flow.credentials import unsealed
from goniec.flow.explain import known_to
from goniec.flow.messages import preview
from goniec.flow.rules import webhooks
from goniec.ports import Changes, Clock, DeliveryFilter, Dice, Finished, Page, Queries, Store, Tx, Vault

T = TypeVar("T")

INTERRUPTED: Final[Millis] = 10 * MINUTE
"""After so long nobody waits for the answer to a test send any more: no attempt may take as long."""

TryOut = Callable[[Endpoint, Delivery], Awaitable[Attempt]]
"""Makes one attempt, outside every queue; raises `ValueError` when no key at hand opens the endpoint's secrets."""


class Trial(Struct, frozen=True):
    """A test send as it ended.

    `can_occur` says whether anything can set the rule off while it is on; `hints` say why real events would not get as
    far, one sentence for each reason.
    """

    delivery: Delivery
    attempt: Attempt
    endpoint: Endpoint
    rule: Rule
    can_occur: bool
    hints: tuple[str, ...]


_under_way: Final[set[asyncio.Future[Any]]] = set()
"""Held, for the loop itself holds tasks only weakly."""


class Workbench(Struct, frozen=True):
    """What test sends lean on."""

    store: Store
    vault: Vault
    clock: Clock
    dice: Dice
    try_out: TryOut


class MailTrial(Struct, frozen=True):
    """A test send of a message as it ended."""

    delivery: Delivery
    attempt: Attempt


async def send_mail_test(
    bench: Workbench, message: Message, contact_id: str | None, to: str, composer: Composer
) -> MailTrial | Refusal:
    """Send a message once to an address, as it would be for a contact, or for an example of one.

    Nothing in it is counted, and nobody can opt out by it.

    Raises:
        Invalid: it is no address, or the message cannot be made for this contact.

    """
    queries = bench.store.queries
    contact = EXAMPLE if contact_id is None else await queries.contact(contact_id)
    if contact is None:
        return Missing("contact")
    try:
        check_address(to)
    except ValueError:
        raise Invalid(Problem("/to", "an e-mail address is expected, such as jan@example.com")) from None
    try:
        envelope = await asyncio.to_thread(preview, composer, message, contact, bench.clock.now())
    except Unwritable as error:
        raise Invalid(Problem("", str(error))) from None
    endpoint = await queries.endpoint(MAIL)
    assert endpoint is not None, "it is there since the first message was made"  # noqa: S101 - see `set_up`
    body = sealed(replace(envelope, to=to, marketing=False))  # of no message, so nobody can opt out by it
    delivery = await bench.store.transact(partial(_begin_mail, bench, contact, body))
    if delivery is None:
        return Missing("contact")

    async def through() -> MailTrial:
        attempt = await bench.try_out(endpoint, delivery)
        ended = _after(delivery, attempt)
        await bench.store.transact(lambda tx: tx.finish([Finished(ended, attempt)]))
        return MailTrial(ended, attempt)

    return await _through(through())


async def send_test(
    bench: Workbench, rule_id: str, contact_id: str | None, pointer: str | None, finishing: Store | None = None
) -> Trial | Refusal:
    """Send one webhook of a rule, on or off, about a contact, or about an example of one.

    `pointer` says which (`/actions/0`, `/otherwise/2`); None means the first. The last transaction, which writes down
    how it ended and gives what is returned, is made by `finishing`, if given.

    Raises:
        Invalid: the pointer leads to no webhook.

    """
    queries = bench.store.queries
    rule = await queries.rule(rule_id)
    if rule is None:
        return Missing("rule")
    contact = EXAMPLE if contact_id is None else await queries.contact(contact_id)
    if contact is None:
        return Missing("contact")
    place, endpoint_id = _chosen(rule, pointer)
    if endpoint_id is None:
        return Conflict("noWebhook", "the rule has no action of the type webhook; add one and save the rule")
    endpoint = await queries.endpoint(endpoint_id)
    if endpoint is None:
        return Missing("endpoint")
    try:
        unsealed(endpoint, bench.vault)
    except ValueError:
        detail = f"no key at hand opens the secrets of the endpoint {endpoint_id}; give it its password and secret anew"
        return Conflict("secretsUnreadable", detail)
    known = await known_to(queries)
    hints = (*doubts(rule, known, bench.clock.now()), *_endpoint_doubts(endpoint))
    delivery = await bench.store.transact(partial(_begin, bench, rule, contact, endpoint_id, place))
    if delivery is None:
        return Missing("contact")

    async def through() -> Trial:
        attempt = await bench.try_out(endpoint, delivery)
        work = partial(_end, Trial(_after(delivery, attempt), attempt, endpoint, rule, can_occur(rule, known), hints))
        return await (finishing or bench.store).transact(work)

    return await _through(through())


async def _through(sending: Coroutine[None, None, T]) -> T:
    """Who asked may go away meanwhile; what is on its way is written down all the same."""
    way = asyncio.ensure_future(sending)
    _under_way.add(way)
    way.add_done_callback(_over)
    return await asyncio.shield(way)


def _over(way: "asyncio.Future[Any]") -> None:
    _under_way.discard(way)
    with suppress(asyncio.CancelledError):
        way.exception()  # who asked is told, if still there; else `end_interrupted` ends what could not be written down


async def end_interrupted(store: Store, now: Millis) -> int:
    """End the test sends that were begun long ago and not ended, for their process has died; gives how many."""
    found = await store.queries.deliveries(DeliveryFilter(statuses=(Status.HELD,), test=True), Page())
    lost = [one.id for one in found if one.created_at < now - INTERRUPTED]
    return await store.transact(partial(_end_lost, lost)) if lost else 0


async def asked_run(queries: Queries, rule_id: str, contact_id: str, by: str) -> Call | Refusal:
    """Give the call that asks for a run of a rule for a contact: its event sets off this rule, and no other."""
    rule = await queries.rule(rule_id)
    if rule is None:
        return Missing("rule")
    if not rule.active:
        detail = "the rule is off, and nothing runs it; activate it, or let explain say what it would do"
        return Conflict("ruleInactive", detail)
    happening = Happening("rule.requested", {"rule": rule_id, "by": by})
    return Call(who=Who(id=contact_id), happenings=(happening,), source_key=by, create=False)


def _chosen(rule: Rule, pointer: str | None) -> tuple[str, str | None]:
    found = {place: webhook.endpoint_id for place, webhook in webhooks(rule)}
    if pointer is not None:
        if pointer not in found:
            have = ", ".join(found) or "none"
            raise Invalid(Problem("/action", f"leads to no webhook of this rule; its webhooks: {have}"))
        return pointer, found[pointer]
    return next(iter(found.items()), ("", None))


def _endpoint_doubts(endpoint: Endpoint) -> Iterator[str]:
    if endpoint.paused is not None:
        yield f"the endpoint is paused ({endpoint.paused.value}): real deliveries wait until it is resumed"


async def _begin(
    bench: Workbench, rule: Rule, contact: Contact, endpoint_id: str, place: str, tx: Tx
) -> Delivery | None:
    """Write the delivery that a real run would make here; its event's id is one that no event has.

    None: the contact has been erased meanwhile, or merged, and what was read of it is not to be written any more.
    """
    if not await _stands(contact, tx):
        return None
    moment = await tx.moment(bench.clock.now(), 0)
    event_id = prefixed(EVENT, moment.floor, bench.dice.bits(80))
    delivery = _delivery(event_id, rule, contact, endpoint_id, place, moment.at)
    await tx.save(Changes(deliveries=[delivery]))
    return delivery


async def _begin_mail(bench: Workbench, contact: Contact, content: bytes, tx: Tx) -> Delivery | None:
    if not await _stands(contact, tx):
        return None
    moment = await tx.moment(bench.clock.now(), 0)
    delivery = Delivery(
        id=delivery_id(prefixed(EVENT, moment.floor, bench.dice.bits(80)), 0, "", "test"),
        endpoint_id=MAIL,
        contact_id=contact.id,
        rule_id="",
        event_type="email.sent",
        seq=contact.seq,
        body=content,
        created_at=moment.at,
        status=Status.HELD,
        test=True,
    )
    await tx.save(Changes(deliveries=[delivery]))
    return delivery


async def _stands(contact: Contact, tx: Tx) -> bool:
    """Lock the contact, so that what is recorded about it stands in one order, and tell whether it is still there."""
    return contact is EXAMPLE or contact.id in await tx.contacts([contact.id])


def _delivery(event_id: str, rule: Rule, contact: Contact, endpoint_id: str, place: str, now: Millis) -> Delivery:
    return Delivery(
        id=delivery_id(event_id, 0, rule.id, place),
        endpoint_id=endpoint_id,
        contact_id=contact.id,
        rule_id=rule.id,
        event_type=type_of(rule.triggers[0]),
        seq=contact.seq,
        body=body(rule.id, rule.name, contact.id, rule.description, contact.email, contact.phone, contact.company),
        created_at=now,
        status=Status.HELD,
        test=True,
    )


def _after(delivery: Delivery, attempt: Attempt) -> Delivery:
    delivered = attempt.failure is None
    return replace(
        delivery,
        status=Status.DELIVERED if delivered else Status.FAILED,
        counted=1,
        attempts=1,
        first_at=attempt.at,
        last_at=attempt.at,
        delivered_at=attempt.at + attempt.millis if delivered else None,
    )


async def _end(trial: Trial, tx: Tx) -> Trial:
    await tx.finish([Finished(trial.delivery, trial.attempt)])
    return trial


async def _end_lost(ids: Sequence[str], tx: Tx) -> int:
    lost = [one for id in ids if (one := await tx.delivery(id)) is not None and one.status is Status.HELD]
    await tx.finish([Finished(_after(one, attempt), attempt) for one in lost for attempt in (_interrupted(one),)])
    return len(lost)


def _interrupted(delivery: Delivery) -> Attempt:
    detail = "Goniec ended before it had written down the answer; nobody knows whether the message arrived"
    return Attempt(
        delivery_id=delivery.id, number=1, at=delivery.created_at, millis=0, failure=Failure.INTERNAL, detail=detail
    )
