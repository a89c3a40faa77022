"""What must be true when everything has come to rest, whatever happened on the way.

Held against each other: what the clients were promised, what the engine has stored (asked over its API), what its
receivers saw, and what its own doctor counts.
"""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any, Final

from standardwebhooks import Webhook

from tests.e2e.engine import Engine
from tests.faults.load import Account
from tests.faults.witness import Seen, Witness

REACH_SECONDS: Final = 2.0
"""How far a fault reaches: what was on its way may arrive only now, what was answered may not be known yet."""

VISITED: Final = "external_event.added"


class Town:
    """Two rules in a row: a visit tells `/visits` and adds a point, every point tells `/points`."""

    def __init__(self, engine: Engine, witness: Witness) -> None:
        self.engine = engine
        self.witness = witness
        self.rules: dict[str, str] = {}
        self.endpoints: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        self.others: set[str] = set()
        """Contacts that have nothing to do with the clients whose account is checked."""
        self.ailing: tuple[str, ...] = ()
        """What the doctor may find wrong with the machine."""

        self.faults: list[tuple[float, float]] = []
        """From when to when (on the clock that never jumps) something was cut off or away while the engine lived on."""

        self.jumps = False
        """Whether the engine's clock jumps: what it signs is not of our time then."""

    async def found(self) -> None:
        """Make the rules. Receivers that fail are tried again each second."""
        basic = {"username": "jan", "password": "kowalski"}
        visits = {"type": "webhook", "url": self.witness.url("/visits"), "basicAuth": basic}
        point = {"type": "addScore", "points": 1}
        await self._rule("/visits", {"type": VISITED}, [visits, point])
        scored = {"type": "contact.score_changed", "mode": "whileAbove", "value": 0}
        await self._rule("/points", scored, [{"type": "webhook", "url": self.witness.url("/points")}])

    async def _rule(self, path: str, trigger: dict[str, Any], actions: list[dict[str, Any]]) -> None:
        rule = await self.engine.rule(trigger, name=path, actions=actions)
        endpoint = await self.engine.endpoint(rule, schedule=[1] * 50)
        rotated = await self.engine.post(f"/endpoints/{endpoint}/rotateSecret", {"overlapDays": 0})
        self.rules[path], self.endpoints[path], self.secrets[path] = rule["id"], endpoint, rotated["secret"]

    async def check(self, account: Account, *, killed: bool = True) -> int:
        """Wait for rest and compare all there is; gives the number of events.

        Where nothing was `killed`, every request has to be on record, and nothing may arrive twice.
        """
        await self.rest()
        await self.engine.doctor(*self.ailing)
        everybody = await self.engine.everything("/contacts")
        contacts = {one["externalId"]: one for one in everybody if one["externalId"] not in self.others}
        ours = {one["id"] for one in contacts.values()}
        visits = [one for one in await self.engine.everything("/events", type=VISITED) if one["contactId"] in ours]
        scored = await self.engine.everything("/events", type="contact.score_changed")
        points = [one for one in scored if one["contactId"] in ours]
        texts = {event["id"]: event["data"]["externalId"] for event in visits}
        self._promised(account, texts)
        self._whole(visits, points, contacts)
        self._in_order(account, visits, texts, contacts)
        deliveries = [one for one in await self.engine.everything("/deliveries") if one["contactId"] in ours]
        self._one_each(deliveries, visits, points)
        self._bodies(deliveries, texts, visits, points, contacts)
        self._once(deliveries, await self._late(deliveries), killed=killed)
        self._lanes()
        return len(visits)

    async def rest(self) -> None:
        """Wait until no delivery is pending."""
        await self.engine.quiet()

    def _promised(self, account: Account, texts: dict[str, str]) -> None:
        """Each event that was answered with 202 is there, once, under the id that was answered."""
        once = Counter(texts.values())
        assert not [text for text, count in once.items() if count > 1]
        by_text = {text: event_id for event_id, text in texts.items()}
        assert {text: by_text.get(text) for text in account.recorded} == account.recorded
        assert set(by_text) <= set(account.recorded) | account.in_doubt

    def _whole(
        self, visits: list[dict[str, Any]], points: list[dict[str, Any]], contacts: dict[str, dict[str, Any]]
    ) -> None:
        """No event stands half: a contact's score, its count of events and its company follow from its visits."""
        visited = Counter(event["contactId"] for event in visits)
        scored = Counter(event["contactId"] for event in points)
        assert visited == scored
        # a contact is created, then each visit is a change of its company, the visit itself, and a point
        expected = {one["id"]: (visited[one["id"]], 3 * visited[one["id"]]) for one in contacts.values()}
        assert {one["id"]: (one["score"], one["seq"]) for one in contacts.values()} == expected

    def _in_order(
        self,
        account: Account,
        visits: list[dict[str, Any]],
        texts: dict[str, str],
        contacts: dict[str, dict[str, Any]],
    ) -> None:
        """A contact's events stand in the order in which they were sent, and the last one is what it now shows."""
        stored: dict[str, list[str]] = defaultdict(list)
        for event in sorted(visits, key=lambda event: event["seq"]):
            stored[event["contactId"]].append(texts[event["id"]])
        for external_id, sent in account.order.items():
            if external_id in contacts:
                contact = contacts[external_id]
                there = set(stored[contact["id"]])
                assert stored[contact["id"]] == [text for text in sent if text in there]
                assert contact["company"] == stored[contact["id"]][-1]

    def _one_each(
        self, deliveries: list[dict[str, Any]], visits: list[dict[str, Any]], points: list[dict[str, Any]]
    ) -> None:
        """Each event has exactly the one webhook of its rule, and it was delivered."""
        assert {one["status"] for one in deliveries} <= {"delivered"}
        for path, events in (("/visits", visits), ("/points", points)):
            own = [one for one in deliveries if one["endpointId"] == self.endpoints[path]]
            assert Counter(one["eventId"] for one in own) == Counter(event["id"] for event in events)
        assert len(deliveries) == len(visits) + len(points)

    def _bodies(
        self,
        deliveries: list[dict[str, Any]],
        texts: dict[str, str],
        visits: list[dict[str, Any]],
        points: list[dict[str, Any]],
        contacts: dict[str, dict[str, Any]],
    ) -> None:
        """Every request of a delivery had the same bytes, those of its event, and a signature that verifies."""
        external = {one["id"]: name for name, one in contacts.items()}
        by_cause = {(event["contactId"], event["seq"] + 1): texts[event["id"]] for event in visits}
        of_event = texts | {event["id"]: by_cause[event["contactId"], event["seq"]] for event in points}
        requests = self.witness.by_id()
        for one in deliveries:
            path = next(path for path, endpoint in self.endpoints.items() if endpoint == one["endpointId"])
            body = (
                f'{{"id":"{self.rules[path]}","name":"{path}","contactId":"{one["contactId"]}","description":"",'
                f'"email":"{external[one["contactId"]]}@example.pl","phone":null,"company":"{of_event[one["eventId"]]}"}}'
            )
            for request in requests[one["id"]]:
                assert (request.path, request.body) == (path, body.encode())
                assert request.headers["goniec-sequence"] == str(one["sequence"])
                assert request.headers.get("authorization") == ("Basic amFuOmtvd2Fsc2tp" if path == "/visits" else None)
                self._signed(Webhook(self.secrets[path]), request)

    def _signed(self, webhook: Webhook, request: Seen) -> None:
        if not self.jumps:
            webhook.verify(request.body, request.headers)
            return
        at = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
        signature = webhook.sign(request.id, at, request.body.decode())
        assert signature in request.headers["webhook-signature"].split(" ")

    async def _late(self, deliveries: list[dict[str, Any]]) -> set[str]:
        """Those sent on after they had arrived because the answer came too late, as it may on a busy machine."""
        requests = self.witness.by_id()
        found = set()
        for id in (one["id"] for one in deliveries):
            if any(request.status == 200 for request in requests[id][:-1]):
                attempts = (await self.engine.get(f"/deliveries/{id}"))["attempts"]
                if any(attempt["failure"] == "timeout" for attempt in attempts):
                    found.add(id)
        return found

    def _once(self, deliveries: list[dict[str, Any]], late: set[str], *, killed: bool) -> None:
        """Nothing arrives twice but around a kill, and every request is on record, but for the last ones of a life."""
        requests = self.witness.by_id()
        assert set(requests) == {one["id"] for one in deliveries}
        for one in deliveries:
            seen = requests[one["id"]]
            arrived = [request.life for request in seen if request.status == 200]
            assert arrived, one
            if one["id"] in late:
                continue
            if self.faults:
                self._around_faults(one, seen, killed=killed)
                continue
            assert len(set(arrived)) == len(arrived), "it arrived twice, and no kill lies between"
            # a life may end with the last attempt unwritten, and with the one before, when that was tried again at once
            ended = {request.life for request in seen if killed and request.life < self.witness.life}
            assert 0 <= len(seen) - one["attemptCount"] <= 2 * len(ended), (one, seen)
            assert killed or len(arrived) == 1
            first, *more = seen[next(n for n, request in enumerate(seen) if request.status == 200) :]
            assert first.life not in {request.life for request in more}, "it was sent on after it had arrived"

    def _around_faults(self, one: dict[str, Any], seen: list[Seen], *, killed: bool) -> None:
        """What arrived twice did so around a fault for the first time, and every request is on record."""
        arrived = [request.at for request in seen if request.status == 200]
        for at in arrived[:-1]:
            assert any(began - REACH_SECONDS < at < ended + REACH_SECONDS for began, ended in self.faults), (one, seen)
        assert killed or len(seen) <= one["attemptCount"], (one, seen)

    def _lanes(self) -> None:
        """A contact's webhooks arrived at each endpoint in the order of its events."""
        latest: dict[tuple[str, str], int] = {}
        for request in self.witness.first_successes():
            lane = (request.path, request.body.split(b'"', 12)[11].decode())
            sequence = int(request.headers["goniec-sequence"])
            assert sequence > latest.get(lane, 0), self._history(lane)
            latest[lane] = sequence

    def _history(self, lane: tuple[str, str]) -> str:
        """All requests of a lane: life, sequence, attempt, answer, and the answer's place."""
        path, contact = lane
        return "\n".join(
            f"{one.life} #{one.headers['goniec-sequence']} {one.headers['goniec-attempt']}. {one.status} {one.place}"
            for one in self.witness.requests
            if one.path == path and contact.encode() in one.body
        )
