"""Mail in a history: rules that send it, a mail server with good and bad times, and what people do with what they get.

Which histories have any, and all that happens there of it, is drawn from a chance of its own, so that those without are
what they were. Called by the world; the laws of mail read what was done. Whether a mail may go is looked at as it goes.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import msgspec

from goniec.core import actions as a
from goniec.core.decide import Call
from goniec.core.endpoint import MAIL, MAIL_URL, Endpoint
from goniec.core.mailing import Envelope, opened
from goniec.core.messages import Message
from goniec.core.model import Contact, Failure
from goniec.core.quiet import MailLimits, QuietHours, wait
from goniec.core.retry import Policy
from goniec.core.rules import Rule
from goniec.core.signing import encode_secret
from goniec.flow.bounces import Told, find_mail, told_call
from goniec.flow.workspace import MAIL_LIMITS
from goniec.ports import Answer, Posting, Tx
from goniec.store.rows import decode_contact
from goniec.store.sqlite.driving import drive
from tests.core.build import NOW, rule
from tests.flow.workshop import Vault, email
from tests.simulate.people import BUSY_SECONDS, SCHEDULES, Setting
from tests.simulate.receivers import Arrival

if TYPE_CHECKING:
    from tests.simulate.life import Life
    from tests.simulate.world import World

ZONE: Final = ZoneInfo("Europe/Warsaw")
SHARE: Final = 0.2
"""So much of all histories has mail."""

MODES: Final = (
    "ok", "refusing", "silent", "busy", "dropping", "mute", "grey", "deferring", "slow", "away"
)  # fmt: skip
WEIGHTS: Final = (12, 2, 1, 2, 4, 2, 2, 2, 2, 3)

ACTS: Final = ("out", "out", "in", "dead", "full", "complain", "late")
LATE_SECONDS: Final = 40
"""So much later than all else somebody wants something sent again: in hours that have become quiet meanwhile."""

QUIET: Final = (None, QuietHours("04:00", "04:37"), QuietHours("04:37", "04:38"), QuietHours("04:37", "04:39"))
"""A history begins at 4:36 where its contacts are."""

MARKETING: Final = "msg_m"
TRANSACTIONAL: Final = "msg_t"
RULES: Final = {"rul_m": MARKETING, "rul_t": TRANSACTIONAL}
FOLLOWING: Final = "rul_s"
"""Tells the first endpoint of each mail that was sent."""


class Mailing:
    """All of it. `on` says whether there is any."""

    def __init__(self, world: "World", seed: int) -> None:
        self.world = world
        self.rng = rng = random.Random(f"mail {seed}")
        self.on = rng.random() < SHARE
        self.acts: list[str] = []
        if not self.on:
            return
        self.limits = MailLimits(rng.choice(QUIET), rng.choice((None, None, 2, 5)))
        self.own = MailLimits(rng.choice((None, *QUIET)))
        """Those of the rule that sends marketing."""
        self.follows = rng.random() < 0.3
        self.dead = {f"c{n}@x.pl": rng.random() * BUSY_SECONDS for n in range(4) if rng.random() < 0.2}
        """Addresses that nobody has any more, since when."""
        self.acts = rng.choices(ACTS, k=rng.choice((0, 1, 2, 4, 6)))
        self.rules = {id: one for id, one in RULES.items() if id == "rul_m" or rng.random() < 0.6}

    # what there is from the start

    def endpoint(self) -> Endpoint:
        """The mail server's."""
        rng = self.rng
        policy = {
            "schedule": rng.choice(SCHEDULES), "timeout": rng.choice((1, 5)), "concurrency": rng.choice((1, 2, 4)),
            "order": rng.random() < 0.8, "orderHold": rng.choice((0, 5, 1800)), "breaker": rng.random() < 0.8,
            "rate": rng.choice((None, None, 1, 4)),
        }  # fmt: skip
        world = self.world
        world.policies[MAIL] = made = msgspec.convert(world.people.draw(MAIL, policy), Policy)
        world.people.settings[MAIL] = [Setting(made, MAIL_URL, b"s" * 32, 0.0)]
        secret = Vault().seal(MAIL, encode_secret(b"s" * 32))
        return Endpoint(
            id=MAIL, version=1, url=MAIL_URL, created_at=NOW, updated_at=NOW, policy=made, secret=secret
        )  # fmt: skip

    def sending(self) -> Iterator[Rule]:
        """The rules that send mail, and the one that tells of it."""
        for id, message in self.rules.items():
            send = {"type": "sendEmail", "message": message}
            own = self.own if id == "rul_m" else MailLimits()
            yield rule(id, triggers=[{"type": "page.visited"}], actions=[send], mail=msgspec.to_builtins(own))
        if self.follows:
            hook = {"type": "webhook", "endpointId": "end_0"}
            yield rule(FOLLOWING, triggers=[{"type": "email.sent"}], actions=[hook])

    async def furnish(self, tx: Tx) -> None:
        """Write messages and limits."""
        for id in self.rules.values():
            await tx.put_message(
                Message(
                    id=id, version=1, name=id, subject="Nowa dostawa", text="Dzień dobry, {{ contact.email }}",
                    transactional=id == TRANSACTIONAL, created_at=NOW, updated_at=NOW,
                )
            )  # fmt: skip
        await tx.put_mark(MAIL_LIMITS, msgspec.json.encode(self.limits))

    # as it goes

    async def post(self, life: "Life", posting: Posting, turn: float, contact: Contact | None) -> Answer:
        """Take one mail, or say why not; its `turn` is when the attempt began, and `contact` who it was for then."""
        envelope = opened(posting.body)
        assert envelope is not None
        self._look(life, posting, envelope, contact)
        serve = partial(self._serve, posting, envelope)
        return await self.world.network.hand_in(life.n, posting.delivery_id, turn, serve)

    def now(self, contact_id: str) -> Contact | None:
        """A contact as it stands on the disk, or what it has become a part of."""
        found = self.world.disk.db.execute(
            "SELECT doc FROM contacts WHERE id IN (?1, (SELECT kept FROM merged WHERE gone = ?1))", (contact_id,)
        ).get
        return None if found is None else decode_contact(found)

    def _look(self, life: "Life", posting: Posting, envelope: Envelope, contact: Contact | None) -> None:
        """See that somebody wants it, and at this hour, by the clock of who hands it in."""
        world, id = self.world, posting.delivery_id
        said = None
        if contact is None:
            said = "and its contact had been erased"
        elif envelope.marketing and contact.subscriptions.get("email") is False:
            said = "and its contact had opted out"
        elif contact.bounced == envelope.to:
            said = "and its address was known to be dead"
        elif envelope.marketing and wait(life.now(), ZONE, (self.limits, self.own)) is not None:
            said = "in hours that are quiet"
        if said is not None:
            world.wrong.append(f"{id} was handed in at {world.loop.time():.3f}, {said}")

    async def _serve(self, posting: Posting, envelope: Envelope, arrival: Arrival) -> Answer:
        rng, mode = self.rng, self.world.network.modes.get(MAIL, "ok")
        if mode == "away":
            return Answer(Failure.CONNECT, "nobody is there")
        await asyncio.sleep(rng.random() * (0.8 if mode == "slow" else 0.1))
        if mode == "silent" or (mode == "mute" and rng.random() < 0.5):
            arrival.ok = mode == "mute"
            await asyncio.sleep(posting.timeout)
            return Answer(Failure.TIMEOUT, "no answer")
        match mode:
            case "refusing":
                return Answer(Failure.MAIL_REFUSED, "go away", 554)
            case "busy":
                return Answer(Failure.MAIL_BUSY, "later", 421)
            case "dropping" if rng.random() < 0.5:
                arrival.ok = rng.random() < 0.5
                return Answer(Failure.RESET, "cut")
            case "grey" if rng.random() < 0.6:
                return Answer(Failure.RECIPIENT_DEFERRED, "greylisted", 450)
            case "deferring" if rng.random() < 0.6:
                return Answer(Failure.MESSAGE_DEFERRED, "not now", 451)
        if self.dead.get(envelope.to, BUSY_SECONDS) < arrival.at:
            return Answer(Failure.RECIPIENT_REFUSED, "no such user", 550)
        if sum(arrival.delivery.encode()) % 9 == 0:
            return Answer(Failure.MESSAGE_REFUSED, "spam", 554)
        arrival.ok = True
        return Answer(None, "taken", 250, body=b"250 2.0.0 queued")

    # what people do with it

    async def act(self, kind: str) -> None:
        """Do one thing at some time."""
        rng = self.rng
        await asyncio.sleep(rng.random() * BUSY_SECONDS)
        who = f"c{rng.randrange(self.world.plan.contacts)}@x.pl"
        if kind == "late":
            await asyncio.sleep(LATE_SECONDS)
            await self.world.people.again(MAIL, rng)
        elif kind in {"out", "in"}:
            change = a.OptOut("email") if kind == "out" else a.OptIn("email")
            self.world.say(f"{who} opts {kind}")
            await self.world.insist_in(_record(email(who, changes=(change,), create=False)))
        else:
            await self._comes_back(kind)

    async def _comes_back(self, kind: str) -> None:
        """Somebody tells of a mail that had been taken."""
        taken = sorted({one.delivery for one in self.world.network.arrivals if one.endpoint == MAIL and one.ok})
        if not taken:
            return
        mail = drive(find_mail(self.world.disk.queries, self.rng.choice(taken)))
        if mail is None:  # erased, or gone
            return
        told: dict[str, Told] = {
            "dead": Told(kind="hard", code="5.1.1"), "full": Told(kind="soft", code="4.2.2"),
            "complain": Told(kind="complaint"),
        }  # fmt: skip
        call = told_call(told[kind], mail, email(mail.email).who)
        assert call is not None
        self.world.say(f"{mail.delivery_id} comes back: {kind}")
        await self.world.insist_in(_record(call))


def _record(call: Call) -> Callable[["Life"], Awaitable[Any]]:
    async def work(life: "Life") -> None:
        await life.recorder.record((call,))

    return work
