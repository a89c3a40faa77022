"""Mails: handed to the mail server, unless nobody wants them any more, and what is told once one has gone or come back.

`sending` calls `Mails` for what is for the mail server; `record` asks `may_tell` what a result has to tell. Whether a
contact still wants a mail, and at this hour of this day, is asked at every attempt: between the decision and now lie
quiet hours, an outage, a pause. `claim` asks of the hour before that, for what has to be put off is to take no turn
from others.
"""

from collections.abc import Iterable
from math import inf
from typing import Final

from msgspec import Struct

from goniec.core.bounces import status_of
from goniec.core.decide import Call, Happening
from goniec.core.endpoint import MAIL, Endpoint
from goniec.core.identity import Who
from goniec.core.mailing import Envelope, opened
from goniec.core.model import BOUNCES, OF_RECIPIENT, Contact, Delivery, Failure, Status
from goniec.core.quiet import NO_LIMITS, MailLimits, day_of, midnight
from goniec.core.text import email_key
from goniec.core.times import Millis
from goniec.flow.days import Days
from goniec.flow.workspace import MAIL_LIMITS, limits_of
from goniec.ports import Answer, Clock, Finished, MailSender, Moved, Posting, Queries, Unavailable

LIMITS_SECONDS: Final = 1.0
"""For so long the workspace's limits are known once they were asked for."""

REASON_MOST: Final = 1_000

_SKIPPED: Final = {
    Failure.OPTED_OUT: "The contact has opted out since this was decided; nothing was sent.",
    Failure.BOUNCED: "An earlier mail to this address came back; nothing was sent.",
    Failure.MOVED: "The contact has another address, or none, since this was decided; nothing was sent.",
}
_OFF: Final = Answer(Failure.MAIL_OFF, "No mail server is set: GONIEC_SMTP_URL and GONIEC_MAIL_FROM.")
_EMPTY: Final = Answer(Failure.INTERNAL, "The mail's texts are gone, so there is nothing to send.")
_AWAY: Final = Answer(Failure.INTERNAL, "Whether the contact still wants it could not be asked: the store is away.")


class Later(Struct, frozen=True):
    """A mail was not tried: it has to wait until then: for the hours are quiet, or the day has had enough."""

    until: Millis


class Mails:
    """Hands mails in; without a sender none goes."""

    def __init__(self, queries: Queries, sender: MailSender | None, clock: Clock) -> None:
        self._queries = queries
        self._sender = sender
        self._clock = clock
        self._days = Days(queries, clock)
        self._limits = NO_LIMITS
        self._stale_at = -inf

    async def waits(self, deliveries: Iterable[Delivery]) -> dict[str, Millis]:
        """Give those that are about to go at a wrong time, by their ids, and the right one. Raises `Unavailable`."""
        found: dict[str, Millis] = {}
        for delivery in deliveries:
            envelope = opened(delivery.body)
            if envelope is None or not envelope.marketing or delivery.test:
                continue
            limits = await self._limits_now()
            if limits.quiet_hours is None and envelope.hours is None and not envelope.rationed(limits):
                continue
            contact = await self._queries.contact(delivery.contact_id)
            until = None if contact is None else await self._until(delivery, envelope, contact, limits)
            if until is not None:
                found[delivery.id] = until
        return found

    async def send(self, endpoint: Endpoint, delivery: Delivery) -> Answer | Later:
        """Make one attempt, unless it has to wait."""
        if self._sender is None:
            return _OFF
        envelope = opened(delivery.body)
        if envelope is None:
            return _EMPTY
        if envelope.message and not delivery.test and (said := await self._asked(delivery, envelope)) is not None:
            return said
        policy = endpoint.policy
        answer = await self._sender.post(
            Posting(
                delivery.id,
                delivery.contact_id,
                delivery.created_at,
                delivery.body,
                policy.timeout,
                policy.connect_timeout,
            )
        )
        if answer.failure is not None:
            self._days.drop(delivery)
        return answer

    async def _asked(self, delivery: Delivery, envelope: Envelope) -> Answer | Later | None:
        """Say why a mail is not to go, or not yet; None: it is to go, and counts from now on."""
        try:
            contact = await self._queries.contact(delivery.contact_id)
            limits = await self._limits_now() if envelope.marketing else NO_LIMITS
            why = unwanted(contact, envelope, delivery.contact_id)
            if why is not None:
                return Answer(why, _SKIPPED[why])
            assert contact is not None, "else it is unwanted"  # noqa: S101 - for the types
            until = await self._until(delivery, envelope, contact, limits)
        except Unavailable:
            return _AWAY
        if until is not None:
            return Later(until)
        if envelope.rationed(limits):  # nothing else has had its turn since it was asked of the day
            self._days.hold(delivery, day_of(self._clock.now(), envelope.zone_for(contact)), envelope.day)
        return None

    async def _until(
        self, delivery: Delivery, envelope: Envelope, contact: Contact, limits: MailLimits
    ) -> Millis | None:
        """Give the instant for which it has to wait; None: it may go. Raises `Unavailable`."""
        now = self._clock.now()
        until = envelope.wait(contact, now, limits)
        if until is not None or not envelope.rationed(limits):
            return until
        zone = envelope.zone_for(contact)
        today = day_of(now, zone)
        if envelope.day == today and contact.mailed.keys() <= {today}:
            return None  # it has had nothing on another day that could come today
        gone = await self._days.gone(delivery, contact.id, today, midnight(now, zone))
        return None if envelope.fits(contact, today, limits, gone) else envelope.tomorrow(contact, now, limits)

    async def _limits_now(self) -> MailLimits:
        mono = self._clock.monotonic()
        if mono >= self._stale_at:
            self._limits = limits_of(await self._queries.mark(MAIL_LIMITS))
            self._stale_at = mono + LIMITS_SECONDS
        return self._limits


def unwanted(contact: Contact | None, envelope: Envelope, decided_for: str) -> Failure | None:
    """Say why a contact as it is now is to get a mail no more; None: it is to get it.

    One that the mail's own contact was merged into has both addresses, though it shows one.
    """
    if contact is None or (envelope.marketing and contact.subscriptions.get("email") is False):
        return Failure.OPTED_OUT
    to = email_key(envelope.to)[1]
    if contact.bounced == to:
        return Failure.BOUNCED
    moved = contact.id == decided_for and (contact.email is None or email_key(contact.email)[1] != to)
    return Failure.MOVED if moved else None


def may_tell(one: Finished) -> Call | None:
    """Give what a result tells unless it comes too late: that a mail was sent or came back, that a webhook failed."""
    delivery, failure = one.delivery, one.attempt.failure
    if delivery.endpoint_id != MAIL:
        return _failed(delivery) if delivery.status is Status.FAILED else None
    envelope = opened(delivery.body)
    if envelope is None or not envelope.message or delivery.test:
        return None
    if delivery.status is Status.DELIVERED and failure is None:
        return _event(delivery, "email.sent", {"message": envelope.message, "subject": envelope.subject})
    # one that had arrived before is as it was once sending it again is given up; that its recipient is gone is news
    if delivery.status in {Status.FAILED, Status.DELIVERED} and failure in OF_RECIPIENT:
        return _event(
            delivery,
            "email.bounced",
            {
                "message": envelope.message,
                "kind": "hard" if failure in BOUNCES else "soft",
                "reason": one.attempt.detail[:REASON_MOST],
                **({"code": code} if (code := status_of(one.attempt.detail)) else {}),
                "email": email_key(envelope.to)[1],
            },
        )
    return None


def is_given_up(one: Finished) -> bool:
    """Tell whether the endpoint's owner is to hear of it: whom a mail is for is nothing that an owner can mend."""
    return one.delivery.status is Status.FAILED and one.attempt.failure not in OF_RECIPIENT


def has_come(one: Finished, found: Moved) -> bool:
    """Tell whether it is this result that has brought its delivery to where it stands."""
    said, now = one.delivery, found.delivery
    if said.status is not now.status or now.test:
        return False
    if one.attempt.failure is not None and now.status is Status.DELIVERED:
        return found.was is Status.PENDING
    if now.status is Status.DELIVERED:  # of a webhook that tells nothing
        first = now.delivered_at == one.attempt.at + one.attempt.millis
        return now.endpoint_id == MAIL and first and found.was is not Status.DELIVERED
    return now.status is Status.FAILED is not found.was


def _failed(delivery: Delivery) -> Call:
    """The event that tells of a delivery given up; it descends from the run that wrote it, so it cannot feed itself."""
    return _event(delivery, "webhook.failed", {"endpoint": delivery.endpoint_id, "rule": delivery.rule_id})


def _event(delivery: Delivery, kind: str, data: dict[str, str]) -> Call:
    defaults = {} if kind == "webhook.failed" else {"machine": False, "first": False}
    return Call(
        who=Who(id=delivery.contact_id),
        happenings=(Happening(kind, {"delivery": delivery.id, **data, **defaults}),),
        source="rule",
        source_key=delivery.rule_id,
        cause=delivery.run_id,
        create=False,
    )
