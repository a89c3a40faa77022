"""One endpoint against a small model of it: whatever people and receivers do, each request is one that may go then.

The recorder and the deliverer are real, on made-up time and a database in memory. The model is asked at every request,
and compared with what is stored whenever everybody rests.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import Struct
from typing_extensions import override

from goniec.core.breaker import CLOSED
from goniec.core.endpoint import Endpoint, Pause
from goniec.core.model import Delivery, Failure, Status
from goniec.core.retry import Policy
from goniec.core.signing import decode_secret, encode_secret, verify
from goniec.core.times import DAY, MINUTE, SECOND, Millis
from goniec.flow import deliver
from goniec.flow.configure import Outside
from goniec.flow.deliver import Deliverer
from goniec.flow.deliveries import cancel_delivery, resend_delivery
from goniec.flow.endpoint_drafts import EndpointDraft
from goniec.flow.endpoints import EndpointSaved, change_endpoint, pause_endpoint, resume_endpoint, rotate_secret
from goniec.flow.outbox import BURST_SECONDS
from goniec.flow.record import Recorder
from goniec.ports import Answer, Outgoing, Tx
from goniec.store.sqlite.driving import drive
from tests.core.build import NOW, happened
from tests.core.build import rule as rule_of
from tests.flow.workshop import Vault, email
from tests.simulate.disk import Attached, Disk
from tests.simulate.guard import Lenient
from tests.simulate.life import LOCALE
from tests.simulate.loop import VirtualLoop

STEPS = (10, 60)
HINT = 90
ANSWER_SECONDS = 0.05
PROBE_SECONDS = 30
POLL_SECONDS = 5.0
EXAMPLES = 300

Mode = Literal["up", "down", "blaming", "busy", "gone"]


class Sent(Struct):
    """What the model knows of a delivery."""

    contact: str
    status: Status = Status.PENDING
    attempts: int = 0
    counted: int = 0
    refusals: int = 0
    aside: bool = False
    resend: bool = False
    arrived: bool = False

    def ends(self, status: Status) -> None:
        """It comes to an end; what has arrived once stays delivered, however sending it again ends."""
        self.arrived = self.arrived or status is Status.DELIVERED
        self.status = Status.DELIVERED if self.arrived else status


class Model:
    """What may be sent now, and how each delivery stands."""

    def __init__(self, secret: str) -> None:
        self.deliveries: dict[str, Sent] = {}
        self.secrets: list[tuple[str, float]] = [(secret, float("inf"))]
        self.paused: Pause | None = None
        self.held_until = 0.0
        self.row: list[str] = []
        self.open_since: float | None = None
        self.probe_at = 0.0
        self.probes = 0
        self.concurrency = 16
        self.rate: float | None = None
        self.order = True
        self.breaker = True
        self.flying: dict[str, float] = {}
        self.stale: set[str] = set()
        """What was under way when somebody meant now: what comes of it says nothing of the endpoint."""
        self.last_start = float("-inf")

    def starts(self, request: Outgoing, at: float) -> str:
        """A request starts: it has to be one that may."""
        head = dict(request.headers)
        id = head["webhook-id"]
        sent = self.deliveries[id]
        assert self.paused is None, "it is paused"
        assert at >= self.held_until - 0.01, "it asked for a break"
        assert sent.status is Status.PENDING, sent
        assert id not in self.flying, "it is under way already"
        assert len(self.flying) < self.concurrency, "too many at a time"
        assert int(head["goniec-attempt"]) == sent.attempts + 1, sent
        assert ("goniec-resend" in head) == sent.resend, sent
        if self.rate is not None:
            assert at >= self.last_start + 1 / self.rate - BURST_SECONDS - 1e-6, "too fast"
        if self.open_since is not None:
            assert not self.flying, "one probe at a time"
            assert at >= self.probe_at - 0.01, "too early for a probe"
        if self.order and not sent.aside:
            before = [one for other, one in self.deliveries.items() if other < id and one.contact == sent.contact]
            assert all(one.aside or one.status is not Status.PENDING for one in before), "it overtakes"
        self._signed(head, request.body, at)
        self.flying[id] = at
        self.last_start = max(self.last_start, at)
        return id

    def _signed(self, head: dict[str, str], body: bytes, at: float) -> None:
        """Each secret that is in force has signed, and no other."""
        now = NOW + int(at * SECOND)
        known = [decode_secret(text) for text, until in self.secrets if until > at]
        assert len(head["webhook-signature"].split(" ")) == len(known)
        assert all(verify(secret, head, body, now) is None for secret in known)

    def ends(self, id: str, mode: Mode, at: float) -> None:
        """It is answered."""
        started = self.flying.pop(id)
        stale = id in self.stale
        self.stale.discard(id)
        sent = self.deliveries[id]
        sent.attempts += 1
        fault = mode in {"down", "busy"}
        counts = not (fault and self.open_since is not None) and mode != "gone"
        sent.counted += counts
        sent.refusals += mode == "blaming"
        match mode:
            case "up":
                sent.ends(Status.DELIVERED)
            case "gone" if not stale:
                self.paused = Pause.GONE
            case "busy" if not stale:
                self.held_until = max(self.held_until, at + HINT)
            case _:
                pass
        if mode in {"down", "blaming", "busy"} and sent.counted > len(STEPS):
            sent.ends(Status.FAILED)
        if self.order and sent.refusals > 1 and sent.status is Status.PENDING:
            sent.aside = True
        if mode != "gone" and not stale:
            self._break(id, started, at, fault=fault)

    def saved(self, *, closing: bool = False) -> None:
        """Settings are read anew, and with them what is kept of the breaker: failures are counted from none."""
        if closing or self.open_since is None:
            self.row, self.open_since, self.probes = [], None, 0

    def afresh(self) -> None:
        """Nothing that was learnt of it counts any more."""
        self.saved(closing=True)
        self.held_until = 0.0
        self.stale |= set(self.flying)

    def _break(self, id: str, started: float, at: float, *, fault: bool) -> None:
        if not fault:
            self.row, self.open_since, self.probes = [], None, 0
            return
        self.row.append(id)
        if self.open_since is not None:
            if started < self.open_since:
                return  # it was under way when the breaker opened
            self.probes += 1
        elif self.breaker and len(self.row) > 4 and len(set(self.row)) > 2:
            self.open_since = at
        else:
            return
        self.probe_at = at + min(PROBE_SECONDS * 2**self.probes, 600)


class OneEndpoint(RuleBasedStateMachine):
    """Everything that can happen to an endpoint."""

    @initialize()
    def furnish(self) -> None:
        self.poll_seconds = deliver.POLL_SECONDS
        deliver.POLL_SECONDS = POLL_SECONDS  # type: ignore[misc] # given back at the end
        self.rng = random.Random(1)
        self.loop = VirtualLoop()
        self.disk = Disk(self.rng, self.now)
        self.mode: Mode = "up"
        self.shut_at = 0.0
        self.moves = 0
        secret = encode_secret(b"s" * 32)
        self.model = Model(secret)
        made = Endpoint(
            id="end_1", version=1, url="https://end_1.example/hook", created_at=NOW, updated_at=NOW,
            secret=Vault().seal("end_1", secret), policy=Policy(schedule=STEPS, order_hold=0),
        )  # fmt: skip

        async def work(tx: Tx) -> None:
            await tx.put_endpoint(made)
            await tx.put_rule(rule_of("rul_1", triggers=[{"type": "page.visited"}]))

        self.disk.commit(work)
        self.wrong: list[AssertionError] = []
        store = Attached(self.disk)
        self.recorder = Recorder(store, self, self, self, LOCALE)
        self.deliverer = Deliverer(store, self, Vault(), self, self, self.recorder.finish, "Goniec/model")
        self.outside = Outside(store, Vault(), self, self, Lenient(), self.deliverer)
        self.parts = [self.loop.create_task(self.recorder.run()), self.loop.create_task(self.deliverer.run())]
        self.wait(0.1)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.loop.run_until_complete(asyncio.sleep(seconds))
        for wrong in self.wrong:
            raise wrong
        for part in self.parts:
            assert not part.done()

    def act(self, work: Any, answered: Callable[[], None] = lambda: None) -> Any:
        """Do something, and let what follows from it happen. Until it is answered, the sender has not heard of it."""
        found = self.loop.run_until_complete(work)
        answered()
        self.learn()
        self.wait(2.5)
        return found

    # ports

    def now(self) -> Millis:
        return NOW + int(self.loop.time() * SECOND)

    def monotonic(self) -> float:
        return self.loop.time()

    def bits(self, n: int) -> int:
        return self.rng.getrandbits(n)

    def jitter(self) -> float:
        return 0.0

    def take(self, deliveries: Any, busy: Any) -> None:
        self.deliverer.take(deliveries, busy)

    async def send(self, request: Outgoing) -> Answer:
        self.learn()
        try:
            id = self.model.starts(request, self.loop.time())
        except AssertionError as wrong:
            self.wrong.append(wrong)
            raise
        mode = self.mode
        await asyncio.sleep(ANSWER_SECONDS)
        self.model.ends(id, mode, self.loop.time())
        match mode:
            case "down":
                return Answer(Failure.SERVER, "down", 503)
            case "blaming":
                return Answer(Failure.REJECTED, "no", 422)
            case "busy":
                return Answer(Failure.BUSY, "busy", 429, retry_after=str(HINT))
            case "gone":
                return Answer(Failure.GONE, "gone", 410)
            case _:
                return Answer(None, "delivered", 200)

    async def close(self) -> None:
        """Nothing to close."""

    def learn(self) -> None:
        """Tell the model of what has been recorded."""
        known = self.model.deliveries
        rows: list[tuple[Any, ...]] = self.disk.db.execute(
            "SELECT id, contact_id FROM deliveries ORDER BY id"
        ).fetchall()
        for id, contact in rows:
            if id not in known:
                known[id] = Sent(contact)

    # what happens

    @rule(contacts=st.lists(st.sampled_from("abcd"), min_size=1, max_size=6))
    def events(self, contacts: list[str]) -> None:
        self.act(self.recorder.record([email(f"{one}@x.pl", happenings=(happened(),)) for one in contacts]))

    @rule(mode=st.sampled_from(["up", "down", "down", "blaming", "busy", "gone"]))
    def receiver(self, mode: Mode) -> None:
        self.mode = mode

    @rule(seconds=st.sampled_from([3, 12, 31, 61, 95, 700]))
    def time_passes(self, seconds: int) -> None:
        self.wait(seconds)

    @rule()
    def pause(self) -> None:
        def answered() -> None:
            self.model.paused = self.model.paused or Pause.BY_HAND
            self.model.saved()

        self.act(pause_endpoint(self.outside, "end_1"), answered)

    @rule()
    def resume(self) -> None:
        known = drive(self.disk.queries.endpoint("end_1"))
        assert known is not None
        if (known.paused, known.held_until, known.breaker) == (None, None, CLOSED):
            self.act(resume_endpoint(self.outside, "end_1"), self.model.saved)  # there is nothing to resume
            return
        self.model.paused = None
        self.model.afresh()
        self.act(resume_endpoint(self.outside, "end_1"), self.afresh)

    @rule()
    def move(self) -> None:
        self.moves += 1
        draft = EndpointDraft(url=f"https://end_1.example/hook/{self.moves}")
        self.model.afresh()
        self.act(change_endpoint(self.outside, "end_1", draft, None), self.afresh)

    def afresh(self) -> None:
        """Somebody has it tried at once."""
        self.model.afresh()
        self.shut_at = self.loop.time()

    @rule(days=st.integers(0, 7))
    def rotate(self, days: int) -> None:
        saved = self.loop.run_until_complete(rotate_secret(self.outside, "end_1", None, days))
        assert isinstance(saved, EndpointSaved)
        assert saved.secret is not None
        at = self.loop.time()
        (current, _), *_ = self.model.secrets
        self.model.saved()
        self.model.secrets = [(saved.secret, float("inf")), *([(current, at + days * DAY / SECOND)] if days else [])]
        self.wait(2.5)

    @rule(concurrency=st.sampled_from([1, 2, 16]), rate=st.sampled_from([None, 0.005, 0.5, 4.0]), breaker=st.booleans())
    def limits(self, concurrency: int, rate: float | None, breaker: bool) -> None:  # noqa: FBT001 - drawn by name
        model = self.model

        def answered() -> None:
            model.concurrency, model.rate, model.breaker = concurrency, rate, breaker
            model.saved(closing=not breaker)

        draft = EndpointDraft(concurrency=concurrency, rate=rate, breaker=breaker)
        self.act(change_endpoint(self.outside, "end_1", draft, None), answered)

    @precondition(lambda self: self.pending())
    @rule(n=st.integers(0, 50))
    def cancel(self, n: int) -> None:
        pending = self.pending()
        id = pending[n % len(pending)]
        found = self.loop.run_until_complete(cancel_delivery(self.outside, id))
        assert isinstance(found, Delivery)
        self.model.deliveries[id].ends(found.status)
        self.model.saved()
        self.learn()
        self.wait(2.5)

    @precondition(lambda self: self.model.deliveries)
    @rule(n=st.integers(0, 50))
    def resend(self, n: int) -> None:
        ids = sorted(self.model.deliveries)
        id = ids[n % len(ids)]
        sent = self.model.deliveries[id]
        if sent.status is not Status.PENDING:
            sent.status, sent.counted, sent.refusals, sent.aside, sent.resend = Status.PENDING, 0, 0, True, True
        self.act(resend_delivery(self.outside, id))

    def pending(self) -> list[str]:
        """What still waits."""
        return sorted(id for id, one in self.model.deliveries.items() if one.status is Status.PENDING)

    # what has to hold

    @property
    def at_rest(self) -> bool:
        """Whether all that was answered is written down."""
        return not self.model.flying and not self.deliverer._sending.unwritten and not self.deliverer._sending._results

    @invariant()
    def it_is_stored_as_the_model_says(self) -> None:
        if not self.at_rest:
            return
        names = "id, status, attempts, counted, aside"
        for id, status, attempts, counted, aside in self.disk.db.execute(f"SELECT {names} FROM deliveries"):
            sent = self.model.deliveries[id]
            wanted = (sent.status.value, sent.attempts, sent.counted, sent.aside)
            assert (status, attempts, counted, bool(aside)) == wanted, id

    @invariant()
    def the_endpoint_stands_as_the_model_says(self) -> None:
        if not self.at_rest:
            return
        endpoint = drive(self.disk.queries.endpoint("end_1"))
        assert endpoint is not None
        assert endpoint.paused == self.model.paused
        assert endpoint.breaker.open == (self.model.open_since is not None)

    @invariant()
    def nothing_that_may_go_stays_due(self) -> None:
        """A27: by a minute at most."""
        model = self.model
        now = self.loop.time()
        if model.paused is not None or model.open_since is not None or (model.rate or 1) < 1 or model.flying:
            self.shut_at = now
        self.shut_at = max(self.shut_at, model.held_until)
        if now < self.shut_at + MINUTE // SECOND:
            return
        due = drive(self.disk.queries.due("end_1", self.now() - MINUTE, 100))
        assert not due

    @override
    def teardown(self) -> None:
        deliver.POLL_SECONDS = self.poll_seconds  # type: ignore[misc] # as it was
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()
        self.disk.close()


OneEndpoint.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestOneEndpoint = pytest.mark.timeout(1_800)(OneEndpoint.TestCase)  # a failure takes minutes to be made small
