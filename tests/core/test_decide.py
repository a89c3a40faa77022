"""The ten points of how rules are evaluated, each with tests of its own, as far as one decision can show them."""

from typing import Any

import msgspec
import pytest

from goniec.core import actions as a
from goniec.core.changes import SetConsent
from goniec.core.model import DEPTH_MAX, DERIVED_MAX, LOOP_WINDOW, Ancestor, Fired, Outcome, Stage, Tag
from goniec.core.times import DAY, HOUR
from tests.core.build import ENDPOINT, HOOK, NOW, blank, call, contact, decided, happened, outcomes, rule, types

VIP = {"type": "contact.tagged", "tags": ["VIP"]}
SCORED = {"type": "contact.score_changed", "value": 10}


def score(op: str, value: int) -> dict[str, Any]:
    return {"type": "score", "op": op, "value": value}


class TestEventsAreStoredFirst:
    """Point 1."""

    def test_seq_and_chain_go_on_from_the_contact(self) -> None:
        before = contact(seq=7, last_event="evt_7")
        made = decided(before, call(changes=(a.AddTag("VIP"), a.AddScore(1)))).events
        assert [event.seq for event in made] == [8, 9]
        assert [event.previous for event in made] == ["evt_7", made[0].id]

    def test_times_order_nothing(self) -> None:
        late = call(happenings=(happened(occurred_at=NOW), happened(occurred_at=NOW - DAY)))
        made = decided(contact(), late).events
        assert [event.seq for event in made] == [2, 3]
        assert [event.occurred_at for event in made] == [NOW, NOW - DAY]
        assert {event.received_at for event in made} == {NOW}

    def test_a_call_that_changes_nothing_makes_no_event(self) -> None:
        before = contact(tags={"VIP": Tag(1)}, score=3, name="Jan")
        same = call(fields={"name": "Jan"}, changes=(a.AddTag("vip"), a.SetScore(3)))
        decision = decided(before, same, rule())
        assert (decision.events, decision.runs, decision.contact) == ([], [], before)


class TestOneCallIsOneChangeSet:
    """Point 2."""

    def test_events_of_a_new_contact_come_in_the_fixed_order(self) -> None:
        what = call(
            fields={"email": "a@b.pl", "name": None},
            changes=(
                a.SetOwner("ola"), a.SetDetail("rozmiar", 38), a.AddTag("VIP"), a.AddScore(5),
                a.MoveToStage("Sprzedaż", "Lead"), SetConsent("rodo", granted=True),
            ),
            happenings=(happened(),),
        )  # fmt: skip
        decision = decided(blank(), what)
        assert types(decision) == [
            "contact.created", "contact.owner_changed", "contact.detail_added", "contact.tagged", "contact.score_changed",
            "contact.stage_entered", "consent.assigned", "page.visited",
        ]  # fmt: skip
        assert decision.events[0].data == {"source": "api", "fields": {"email": "a@b.pl"}}

    def test_each_event_sees_the_state_after_the_whole_call(self) -> None:
        later_in_call = rule(triggers=[{"type": "contact.created"}], conditions=score("gte", 10))
        decision = decided(blank(), call(fields={"email": "a@b.pl"}, changes=(a.AddScore(10),)), later_in_call)
        assert outcomes(decision) == [("rul_1", "fired")]

    def test_a_known_contact_that_is_added_again_says_so_only_when_told_to(self) -> None:
        assert types(decided(contact(), call(fields={"email": "jan@x.pl"}))) == []
        assert types(decided(contact(), call(readd=True))) == ["contact.readded"]

    def test_events_made_by_actions_queue_first_in_first_out(self) -> None:
        one = rule("rul_1", triggers=[VIP], actions=[a.AddTag("A"), a.AddTag("B")])
        two = rule("rul_2", triggers=[{"type": "contact.tagged", "tags": ["A"]}], actions=[a.AddTag("C")])
        decision = decided(contact(), call(changes=(a.AddTag("VIP"),)), one, two)
        assert [event.data["tag"] for event in decision.events] == ["VIP", "A", "B", "C"]
        ids = [event.id for event in decision.events]
        assert ids == sorted(ids)


class TestConditionsReadTheSnapshotActionsTheWorkingState:
    """Point 3."""

    def test_any_trigger_will_do_and_the_rule_runs_once(self) -> None:
        either = rule(triggers=[VIP, {"type": "contact.tagged"}, SCORED])
        assert outcomes(decided(contact(), call(changes=(a.AddTag("VIP"),)), either)) == [("rul_1", "fired")]

    def test_an_earlier_rule_does_not_change_what_a_later_one_sees(self) -> None:
        first = rule("rul_1", triggers=[VIP], actions=[a.SetScore(100)])
        second = rule("rul_2", triggers=[VIP], conditions=score("lt", 10), position=1)
        decision = decided(contact(), call(changes=(a.AddTag("VIP"),)), first, second)
        assert outcomes(decision) == [("rul_1", "fired"), ("rul_2", "fired")]

    def test_an_event_of_an_action_has_a_snapshot_of_its_own(self) -> None:
        first = rule("rul_1", triggers=[VIP], actions=[a.AddTag("A"), a.SetScore(100)])
        second = rule("rul_2", triggers=[{"type": "contact.tagged", "tags": ["A"]}], conditions=score("gte", 100))
        decision = decided(contact(), call(changes=(a.AddTag("VIP"),)), first, second)
        made = next(event for event in decision.events if event.data.get("tag") == "A")
        (miss,) = decision.misses[made.id]
        assert (miss.rule_id, miss.outcome) == ("rul_2", Outcome.CONDITIONS_FAILED)
        assert miss.seen is not None
        assert miss.seen.value == 0

    def test_a_body_is_made_from_the_working_state_at_its_action(self) -> None:
        renames = rule(triggers=[VIP], actions=[HOOK, a.SetField("company", "Po"), HOOK], description="opis")
        decision = decided(contact(company="Przed"), call(changes=(a.AddTag("VIP"),)), renames)
        assert [msgspec.json.decode(delivery.body)["company"] for delivery in decision.deliveries] == ["Przed", "Po"]
        assert decision.deliveries[0].body == (
            b'{"id":"rul_1","name":"rule rul_1","contactId":"c1","description":"opis",'
            b'"email":"jan@x.pl","phone":null,"company":"Przed"}'
        )

    def test_rules_run_by_position_then_id(self) -> None:
        rules = [rule("rul_3", position=0), rule("rul_1", position=1), rule("rul_2", position=0)]
        decision = decided(contact(), call(changes=(a.AddTag("VIP"),)), *rules)
        assert [run.rule_id for run in decision.runs] == ["rul_2", "rul_3", "rul_1"]
        assert [delivery.id for delivery in decision.deliveries] == sorted(
            delivery.id for delivery in decision.deliveries
        )

    def test_otherwise_runs_when_the_conditions_do_not_hold(self) -> None:
        both = rule(triggers=[VIP], conditions=score("gte", 10), actions=[HOOK], otherwise=[a.AddTag("ZIMNY")])
        decision = decided(contact(), call(changes=(a.AddTag("VIP"),)), both)
        assert outcomes(decision) == [("rul_1", "firedOtherwise")]
        assert (decision.deliveries, "ZIMNY" in decision.contact.tags) == ([], True)


class TestLimits:
    """Point 4."""

    def test_a_run_is_one_per_rule_and_event_with_the_same_ids_when_decided_again(self) -> None:
        what, before = call(changes=(a.AddTag("VIP"),)), contact()
        one, two = (decided(before, what, rule(triggers=[VIP], actions=[HOOK, a.AddTag("X")])) for _ in range(2))
        assert msgspec.json.encode(one) == msgspec.json.encode(two)
        assert one.runs[0].event_id == one.events[0].id
        assert one.runs[0].deliveries == (one.deliveries[0].id,)
        assert one.deliveries[0].run_id == one.runs[0].id

    def test_a02_two_triggers_of_one_call_and_max_runs_one(self) -> None:
        once = rule(triggers=[{"type": "contact.created"}, {"type": "contact.tagged", "tags": ["NEW"]}], maxRuns=1)
        decision = decided(blank(), call(fields={"email": "a@b.pl"}, changes=(a.AddTag("NEW"),)), once)
        assert outcomes(decision) == [("rul_1", "fired"), ("rul_1", "limitReached")]
        assert len(decision.deliveries) == 1
        assert decision.contact.fired == {"rul_1": Fired(1, NOW)}

    def test_a04_a_tag_that_is_there_already_is_no_event(self) -> None:
        tagged, every = rule(triggers=[{"type": "contact.tagged", "tags": ["X"]}]), []
        now = contact()
        for change in (a.AddTag("X"), a.AddTag("X"), a.RemoveTag("X"), a.AddTag("X")):
            decision = decided(now, call(changes=(change,)), tagged)
            every += outcomes(decision)
            now = decision.contact
        assert every == [("rul_1", "fired"), ("rul_1", "fired")]

    def test_only_fired_counts(self) -> None:
        once = rule(triggers=[VIP], conditions=score("gte", 10), otherwise=[a.AddNote("x")], maxRuns=1)
        decision = decided(contact(), call(changes=(a.AddTag("VIP"),)), once)
        assert decision.contact.fired == {}
        again = decided(contact(score=10), call(changes=(a.AddTag("VIP"),)), once)
        assert again.contact.fired == {"rul_1": Fired(1, NOW)}

    def test_counters_know_nothing_of_versions(self) -> None:
        used = contact(fired={"rul_1": Fired(2, NOW - DAY)})
        newer = rule(triggers=[VIP], maxRuns=2, version=9)
        assert outcomes(decided(used, call(changes=(a.AddTag("VIP"),)), newer)) == [("rul_1", "limitReached")]

    @pytest.mark.parametrize(("ago", "outcome"), [(HOUR - 1, "intervalNotElapsed"), (HOUR, "fired")])
    def test_least_time_between_runs(self, ago: int, outcome: str) -> None:
        used = contact(fired={"rul_1": Fired(1, NOW - ago)})
        resting = rule(triggers=[VIP], minInterval="PT1H")
        assert outcomes(decided(used, call(changes=(a.AddTag("VIP"),)), resting)) == [("rul_1", outcome)]

    def test_the_limit_does_not_bind_the_other_branch(self) -> None:
        used = contact(fired={"rul_1": Fired(1, NOW)})
        both = rule(triggers=[VIP], conditions=score("gte", 10), otherwise=[HOOK], maxRuns=1)
        assert outcomes(decided(used, call(changes=(a.AddTag("VIP"),)), both)) == [("rul_1", "firedOtherwise")]


class TestLoops:
    """Point 5."""

    def test_a05_a_rule_that_answers_itself(self) -> None:
        trigger = {"type": "contact.detail_changed", "names": ["A"]}
        same = rule(triggers=[trigger], actions=[a.SetDetail("A", "nowy")])
        other = rule(triggers=[trigger], actions=[a.SetDetail("A", "inny")])
        what = call(changes=(a.SetDetail("A", "nowy"),))
        before = contact(details={"A": "stary"})
        assert outcomes(decided(before, what, same)) == [("rul_1", "fired")]
        assert outcomes(decided(before, what, other)) == [("rul_1", "fired"), ("rul_1", "loopStopped")]

    def test_two_rules_that_answer_each_other(self) -> None:
        ping = rule(
            "rul_1", triggers=[{"type": "contact.tagged", "tags": ["A"]}], actions=[a.RemoveTag("A"), a.AddTag("B")]
        )
        pong = rule(
            "rul_2", triggers=[{"type": "contact.tagged", "tags": ["B"]}], actions=[a.RemoveTag("B"), a.AddTag("A")]
        )
        decision = decided(contact(), call(changes=(a.AddTag("A"),)), ping, pong)
        assert outcomes(decision) == [("rul_1", "fired"), ("rul_2", "fired"), ("rul_1", "loopStopped")]

    @pytest.mark.parametrize(("ago", "outcome"), [(LOOP_WINDOW - 1, "loopStopped"), (LOOP_WINDOW, "fired")])
    def test_a_call_that_answers_a_run_joins_its_chain_for_a_day(self, ago: int, outcome: str) -> None:
        above = (Ancestor("rul_1", NOW - ago),)
        decision = decided(
            contact(), call(changes=(a.AddTag("VIP"),), cause="run_x"), rule(triggers=[VIP]), ancestors=above
        )
        assert outcomes(decision) == [("rul_1", outcome)]
        assert (decision.events[0].cause, decision.events[0].ancestors) == ("run_x", above)

    def test_siblings_do_not_count(self) -> None:
        parent = rule("rul_1", triggers=[VIP], actions=[a.AddTag("A"), a.AddTag("B")])
        child = rule("rul_2", triggers=[{"type": "contact.tagged", "tags": ["A", "B"]}])
        decision = decided(contact(), call(changes=(a.AddTag("VIP"),)), parent, child)
        assert outcomes(decision) == [("rul_1", "fired"), ("rul_2", "fired"), ("rul_2", "fired")]

    def test_depth_ends(self) -> None:
        steps = [
            rule(
                f"rul_{n:02}", triggers=[{"type": "contact.tagged", "tags": [f"T{n}"]}], actions=[a.AddTag(f"T{n + 1}")]
            )
            for n in range(DEPTH_MAX + 3)
        ]
        decision = decided(contact(), call(changes=(a.AddTag("T0"),)), *steps)
        assert outcomes(decision)[-1] == (f"rul_{DEPTH_MAX:02}", "loopStopped")
        assert len(decision.runs) == DEPTH_MAX + 1
        assert max(event.depth for event in decision.events) == DEPTH_MAX

    def test_a_fan_ends(self) -> None:
        wide = [
            rule(f"rul_{n:02}", triggers=[{"type": "contact.note_added"}], actions=[a.AddNote("x")] * 50)
            for n in range(30)
        ]
        decision = decided(contact(), call(changes=(a.AddNote("start"),)), *wide)
        assert DERIVED_MAX <= decision.derived < DERIVED_MAX + 50
        stopped = [run for run in decision.runs if run.outcome is Outcome.LOOP_STOPPED]
        assert stopped
        assert all("events" in (run.detail or "") or "descends" in (run.detail or "") for run in stopped)


class TestWhatStandsInTheWay:
    """Points 8, 9 and 10."""

    def test_an_import_stores_its_events_unfired(self) -> None:
        quiet = call(changes=(a.AddTag("VIP"),), fire=False, source="import")
        decision = decided(contact(), quiet, rule(triggers=[VIP]))
        assert (decision.runs, [event.fired for event in decision.events]) == ([], [False])

    @pytest.mark.parametrize(
        ("valid", "outcome"),
        [
            ({"validFrom": "2025-11-25T03:36:00Z"}, "fired"),
            ({"validFrom": "2025-11-25T03:36:00.001Z"}, "outsideValidity"),
            ({"validTo": "2025-11-25T03:36:00Z"}, "outsideValidity"),
            ({"validTo": "2025-11-25T03:36:00.001Z"}, "fired"),
        ],
    )
    def test_validity_uses_the_recording_time(self, valid: dict[str, str], outcome: str) -> None:
        limited = rule(triggers=[{"type": "page.visited"}], **valid)
        decision = decided(contact(), call(happenings=(happened(occurred_at=NOW - DAY),)), limited)
        found = [run.outcome.value for run in decision.runs] or [
            m.outcome.value for ms in decision.misses.values() for m in ms
        ]
        assert found == [outcome]

    @pytest.mark.parametrize(("age", "outcome"), [(HOUR, "fired"), (HOUR + 1, "tooOld")])
    def test_age_uses_the_time_of_the_event(self, age: int, outcome: str) -> None:
        fresh_only = rule(triggers=[{"type": "page.visited"}], maxAge="PT1H")
        decision = decided(contact(), call(happenings=(happened(occurred_at=NOW - age),)), fresh_only)
        found = [run.outcome.value for run in decision.runs] or [
            m.outcome.value for ms in decision.misses.values() for m in ms
        ]
        assert found == [outcome]

    def test_evaluations_that_did_not_fire_are_one_record_beside_the_event(self) -> None:
        rules = [
            rule(f"rul_{n:03}", triggers=[{"type": "page.visited"}], conditions=score("gte", n + 1)) for n in range(200)
        ]
        decision = decided(contact(), call(happenings=(happened(),)), *rules)
        assert decision.runs == []
        (misses,) = decision.misses.values()
        assert [(m.rule_id, m.version, m.outcome) for m in misses[:1]] == [("rul_000", 1, Outcome.CONDITIONS_FAILED)]
        assert len(misses) == 200

    @pytest.mark.parametrize(
        ("action", "detail"),
        [
            (a.Webhook(endpoint_id="end_9"), "action 2: the endpoint end_9 does not exist"),
            (a.MoveToStage("Sprzedaż", "X"), "action 2: there is no stage 'X' in a funnel 'Sprzedaż'"),
            (a.MoveToStage("Nie ma", "Lead"), "action 2: there is no stage 'Lead' in a funnel 'Nie ma'"),
        ],
    )
    def test_a_rule_that_leans_on_something_gone_does_nothing_and_says_so(self, action: a.Action, detail: str) -> None:
        broken = rule(triggers=[VIP], actions=[a.AddTag("X"), action])
        decision = decided(contact(), call(changes=(a.AddTag("VIP"),)), broken)
        assert outcomes(decision) == [("rul_1", "configError")]
        assert decision.runs[0].detail == detail
        assert "X" not in decision.contact.tags

    def test_every_run_carries_the_trace_of_its_conditions(self) -> None:
        looked = rule(triggers=[VIP], conditions={"type": "all", "of": [score("gte", 3), score("lt", 9)]})
        (run,) = decided(contact(score=5), call(changes=(a.AddTag("VIP"),)), looked).runs
        assert [(seen.holds, seen.value) for seen in run.trace if seen.value is not None] == [(True, 5), (True, 5)]


class TestActions:
    def test_every_change_can_be_an_action(self) -> None:
        before = contact(tags={"STARY": Tag(1)}, details={"x": 1}, stages={"Serwis": Stage("Nowe", 1)})
        everything = rule(
            triggers=[VIP],
            actions=[
                a.AddTag("nowy"), a.RemoveTag("stary"), a.AddScore(5), a.SetScore(7), a.SetDetail("y", "2"), a.RemoveDetail("x"),
                a.SetField("company", "ACME"), a.SetState("CUSTOMER"), a.SetOwner("ola"), a.MoveToStage("Sprzedaż", "Lead"),
                a.RemoveFromFunnel("Serwis"), a.AddNote("notatka"), a.OptIn("email"), a.OptOut("phone"),
                a.EmitEvent("LOYALTY", {"value": 3}),
            ],
        )  # fmt: skip
        decision = decided(before, call(changes=(a.AddTag("VIP"),)), everything)
        after = decision.contact
        assert set(after.tags) == {"VIP", "NOWY"}
        assert (after.score, after.details, after.company, after.state) == (7, {"y": "2"}, "ACME", "CUSTOMER")
        assert (after.owner, list(after.stages), after.subscriptions) == (
            "ola",
            ["Sprzedaż"],
            {"email": True, "phone": False},
        )
        derived = decision.events[1:]
        assert [event.type for event in derived][-1] == "external_event.added"
        assert derived[-1].data == {"kind": "LOYALTY", "value": 3}
        assert {(e.source, e.source_key, e.cause) for e in derived} == {("rule", "rul_1", decision.runs[0].id)}
        assert {e.ancestors for e in derived} == {(Ancestor("rul_1", NOW),)}

    def test_a_rule_can_leave_out_what_another_source_wrote(self) -> None:
        not_crm = rule(triggers=[{**VIP, "notSourceKey": ["crm"]}])
        what = call(changes=(a.AddTag("VIP"),), source_key="crm")
        assert outcomes(decided(contact(), what, not_crm)) == []
        assert outcomes(decided(contact(), call(changes=(a.AddTag("VIP"),), source_key="shop"), not_crm)) == [
            ("rul_1", "fired")
        ]

    def test_a_delivery_names_everything_that_it_belongs_to(self) -> None:
        (delivery,) = decided(contact(seq=4), call(changes=(a.AddTag("VIP"),)), rule(triggers=[VIP])).deliveries
        assert (delivery.endpoint_id, delivery.contact_id, delivery.rule_id) == (ENDPOINT, "c1", "rul_1")
        assert (delivery.event_type, delivery.seq, delivery.due_at, delivery.created_at) == (
            "contact.tagged",
            5,
            NOW,
            NOW,
        )
