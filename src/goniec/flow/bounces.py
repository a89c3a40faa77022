"""Bounces and complaints: from a mailbox, or told by whoever carries our mail, to what is recorded.

`Bounces` reads the mailbox, of several processes one; the API calls `find_mail` and `told_call` for what providers
tell. A hard bounce becomes `email.bounced`, which stops further mail to the address, a soft one the same event without
that; a complaint opts the contact out of mail. The same thing told twice is recorded once.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, Final

from msgspec import Struct

from goniec.core import actions as a
from goniec.core.bounces import Kind, Report, one_line
from goniec.core.decide import Call, Happening
from goniec.core.endpoint import MAIL
from goniec.core.identity import Refusal, Who
from goniec.core.mailing import opened
from goniec.core.model import Delivery
from goniec.core.text import email_key
from goniec.core.times import Millis
from goniec.core.tokens import Keys, read_bounce
from goniec.flow.leases import DUTY, Alone, Leases
from goniec.flow.record import Overloaded, Recorder
from goniec.observe import log
from goniec.ports import Clock, Mailbox, Queries, Remembered, Store, Unavailable, Unread

BATCH: Final = 50
"""Mails that are read together."""

LOOK_SECONDS: Final = 15.0
"""How often it is asked whether the mailbox is ours to read; it is read every `EVERY_SECONDS`."""

EVERY_SECONDS: Final = 60.0


class Mailed(Struct, frozen=True):
    """A mail that went out to a contact: which delivery of which run, whose, of which message.

    `email` is the address that it went to, in its compared form, and `attempts` says how often it was handed in.
    """

    delivery_id: str
    run_id: str
    contact_id: str
    message: str
    email: str
    attempts: int = 0


class Told(Struct, frozen=True, kw_only=True):
    """What became of a mail: `email` at which address (compared form; None: nobody said), `at` when (None: now)."""

    kind: Kind
    code: str = ""
    reason: str = ""
    email: str | None = None
    at: Millis | None = None


async def find_mail(queries: Queries, delivery_id: str) -> Mailed | None:
    """Find a mail of a message by its delivery.

    None: there is none any more, or it was a test, or a notice to a user, which says nothing about a contact.
    """
    return (await find_mails(queries, (delivery_id,)))[delivery_id]


async def find_mails(queries: Queries, delivery_ids: Sequence[str]) -> dict[str, Mailed | None]:
    """Find mails of messages by their deliveries, as `find_mail` does."""
    found: dict[str, Mailed | None] = dict.fromkeys(delivery_ids)
    for start in range(0, len(delivery_ids), BATCH):  # with their bodies they are large
        some = await queries.deliveries_by_id(delivery_ids[start : start + BATCH])
        found |= {id: _mailed(delivery) for id, delivery in some.items()}
    return found


def _mailed(delivery: Delivery) -> Mailed | None:
    if delivery.endpoint_id != MAIL or delivery.test:
        return None
    envelope = opened(delivery.body)
    if envelope is None or not envelope.message:
        return None
    to = email_key(envelope.to)[1]
    return Mailed(delivery.id, delivery.run_id, delivery.contact_id, envelope.message, to, delivery.attempts)


def told_call(told: Told, mail: Mailed | None, who: Who, source_key: str | None = None) -> Call | None:
    """Give the call that records what was told of a mail (None: of none that we know, only of its contact).

    `source_key` names the API key of whoever told it. None for what is nothing to record: that it arrived. An address
    is dead only where it is the one that the mail went to: one behind it, of a list or of whoever it is sent on to,
    says less.
    """
    if told.kind == "delivered":
        return None
    if told.kind == "complaint":
        left = None if mail is None else a.LeaveByMail(mail.message, mail.delivery_id, complaint=True)
        return Call(
            who=who, changes=(left or a.OptOut("email"),), source="tracking", source_key=source_key, create=False
        )
    kind = told.kind
    data: dict[str, Any] = {"machine": False, "first": False, "reason": one_line(told.reason)}
    email = told.email
    if mail is not None:
        if email is not None and email != mail.email:
            kind = "soft"
        email = mail.email
        data |= {"message": mail.message, "delivery": mail.delivery_id, "first": True}
    data |= {"kind": kind, **({"code": told.code} if told.code else {}), **({"email": email} if email else {})}
    # one that was sent again may come back again
    key = None if mail is None else f"bounce:{mail.delivery_id}:{mail.attempts}:{kind}"
    if mail is None and email is not None and told.at is not None:
        key = f"bounce:{sha256(email.encode()).hexdigest()}:{kind}:{told.at}"
    digest = b"" if key is None else sha256(key.encode()).digest()
    happening = Happening("email.bounced", data, told.at, key, digest)
    return Call(
        who=who,
        happenings=(happening,),
        source="tracking",
        source_key=source_key,
        # a rule that answers a bounce with a mail is not to go on like that
        cause=None if mail is None else mail.run_id,
        create=False,
    )


class Returns(Struct, frozen=True):
    """Where mail comes back to, how it is read (into reports, whatever its bytes), and the keys of its tokens."""

    mailbox: Mailbox
    read: Callable[[bytes], list[Report]]
    keys: Keys


class Bounces:
    """Reads the mailbox; `run` is its loop, ended by cancelling it, which loses nothing."""

    def __init__(
        self, returns: Returns, store: Store, recorder: Recorder, clock: Clock, leases: Leases | None = None
    ) -> None:
        self._returns = returns
        self._store = store
        self._recorder = recorder
        self._clock = clock
        self._leases = leases or Alone()

    async def run(self) -> None:
        """Empty the mailbox, again and again."""
        due = self._clock.monotonic()
        while True:
            if await self._leases.have(DUTY + "bounces") and self._clock.monotonic() >= due:
                due = self._clock.monotonic() + EVERY_SECONDS
                await self.empty()
            await asyncio.sleep(LOOK_SECONDS)

    async def empty(self) -> None:
        """Record all that the mailbox has, as far as that is possible just now."""
        mailbox = self._returns.mailbox
        before: set[str] = set()
        try:
            # what was marked and comes again would come for ever
            while (mails := await mailbox.fetch(BATCH)) and (names := {name for name, _ in mails}) - before:
                await self._record(mails)
                await mailbox.done([name for name, _ in mails])
                before = names
        except Unread as error:
            log.warning("bounces.mailbox", reason=str(error))
        except (Unavailable, Overloaded) as error:
            log.warning("bounces.waits", reason=str(error) or "too much waits to be recorded")
        finally:
            await mailbox.close()

    async def _record(self, mails: Sequence[tuple[str, bytes]]) -> None:
        calls: list[Call] = []
        kinds: Counter[str] = Counter()
        for name, raw in mails:
            reports = await asyncio.to_thread(self._returns.read, raw)
            if not reports:
                log.info("bounce.unread", mail=name, bytes=len(raw))
                kinds["unread"] += 1
            for report in reports:
                kinds[report.kind] += 1
                if (call := await self._call(report, name)) is not None:
                    calls.append(call)
        results = await self._recorder.record(calls) if calls else ()
        assert not isinstance(results, Remembered), "nothing was to be remembered"  # noqa: S101 - tells the type checker
        for result in results:
            if isinstance(result, Refusal):
                log.info("bounce.refused", code=result.code)
        log.info("bounces", mails=len(mails), **kinds)

    async def _call(self, report: Report, name: str) -> Call | None:
        delivery_id = None if report.token is None else read_bounce(self._returns.keys, report.token)
        mail = None if delivery_id is None else await find_mail(self._store.queries, delivery_id)
        if mail is None:
            log.info("bounce.unknown", mail=name, kind=report.kind, delivery=delivery_id)
            return None
        email = None if report.recipient is None else _compared(report.recipient)
        told = Told(kind=report.kind, code=report.code, reason=report.reason, email=email)
        return told_call(told, mail, Who(id=mail.contact_id))


def _compared(address: str) -> str | None:
    try:
        return email_key(address)[1]
    except ValueError:
        return None
