"""Laws of `decide`, over generated rules, contacts and histories of calls."""

from functools import partial
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from goniec.core import actions as a
from goniec.core.changes import Change, SetConsent, fold, undo
from goniec.core.decide import Call, Decision
from goniec.core.identity import Who
from goniec.core.ids import EventIds
from goniec.core.model import DEPTH_MAX, DERIVED_MAX, LOOP_WINDOW, ROWS, Contact, Event, Fired, Outcome
from goniec.core.rules import Rule
from goniec.core.times import HOUR, Millis
from tests.core.build import HOOK, NOW, blank, decided, happened, rule

TAGS = st.sampled_from(["A", "B", "C"])
NAMES = st.sampled_from(["x", "y"])
VALUES = st.sampled_from([1, 2, "1", True, 0.5])

CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(a.AddTag, TAGS),
    st.builds(a.RemoveTag, TAGS),
    st.builds(a.AddScore, st.integers(-20, 20)),
    st.builds(a.SetScore, st.integers(-5, 5)),
    st.builds(a.SetDetail, NAMES, VALUES),
    st.builds(a.RemoveDetail, NAMES),
    st.builds(a.SetField, st.sampled_from(["name", "company"]), st.sampled_from(["Q", "W", None])),
    st.builds(a.SetState, st.sampled_from(["CUSTOMER", "PROSPECT"])),
    st.builds(a.SetOwner, st.sampled_from(["ola", None])),
    st.builds(a.MoveToStage, st.just("Sprzedaż"), st.sampled_from(["Lead", "Oferta"])),
    st.builds(a.RemoveFromFunnel, st.just("Sprzedaż")),
    st.builds(a.OptIn, st.sampled_from(["email", "phone"])),
    st.builds(a.OptOut, st.sampled_from(["email", "phone"])),
    st.builds(a.AddNote, st.just("n")),
)
ACTIONS = st.one_of(CHANGES, st.just(HOOK), st.builds(a.EmitEvent, st.sampled_from(["K", "L"])))

TRIGGERS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(lambda tag: {"type": "contact.tagged", "tags": [tag]}, TAGS),
    st.sampled_from(
        [
            {"type": "contact.created"}, {"type": "contact.tagged"}, {"type": "contact.untagged"}, {"type": "page.visited"},
            {"type": "contact.score_changed", "value": 3}, {"type": "contact.detail_changed"}, {"type": "contact.detail_added"},
            {"type": "contact.stage_entered", "funnel": "Sprzedaż"}, {"type": "external_event.added", "kinds": ["K"]},
            {"type": "contact.note_added"}, {"type": "contact.changed"},
        ]
    ),
)  # fmt: skip
CONDITIONS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({"type": "all", "of": []}),
    st.builds(
        lambda op, n: {"type": "score", "op": op, "value": n}, st.sampled_from(["gte", "lt", "eq"]), st.integers(-3, 3)
    ),
    st.builds(lambda tag: {"type": "hasTag", "tags": [tag]}, TAGS),
)


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    return [
        rule(
            f"rul_{n}",
            triggers=draw(st.lists(TRIGGERS, min_size=1, max_size=2)),
            conditions=draw(CONDITIONS),
            actions=draw(st.lists(ACTIONS, min_size=1, max_size=3)),
            otherwise=draw(st.lists(ACTIONS, max_size=2)),
            maxRuns=draw(st.sampled_from([None, None, 1, 2])),
            minInterval=draw(st.sampled_from([None, None, "PT1H"])),
            position=draw(st.integers(0, 1)),
        )
        for n in range(draw(st.integers(0, 5)))
    ]


CALLS = st.builds(
    lambda fields, changes, visits: Call(
        who=Who(id="c1"),
        fields=fields,
        changes=(*changes, SetConsent("rodo", granted=bool(visits % 2))),
        happenings=tuple(happened(n=n) if n else happened() for n in range(visits)),
    ),
    st.dictionaries(st.sampled_from(["name", "email", "externalId"]), st.sampled_from(["q", "w", None]), max_size=2),
    st.lists(CHANGES, max_size=3),
    st.integers(0, 2),
)
HISTORIES = st.lists(st.tuples(CALLS, st.sampled_from([0, 1, HOUR // 2, HOUR])), min_size=1, max_size=5)


def _lived(history: list[tuple[Call, Millis]], all_rules: list[Rule]) -> tuple[list[Decision], list[Contact]]:
    """Decide call after call; gives the decisions, and the contact before each and at last."""
    ids = EventIds()
    now, states, decisions = NOW, [blank()], []
    for what, later in history:
        now += later
        decision = decided(states[-1], what, *all_rules, now=now, mint=partial(ids.next, now, 5))
        decisions.append(decision)
        states.append(decision.contact)
    return decisions, states


def _comparable(contact: Contact) -> Contact:
    """Without what no event carries."""
    return msgspec.structs.replace(contact, fired={}, updated_at=0, last_activity_at=None)


@given(HISTORIES, rules())
def test_the_same_input_gives_the_same_decision(history: list[tuple[Call, Millis]], all_rules: list[Rule]) -> None:
    one, two = _lived(history, all_rules)[0], _lived(history, list(reversed(all_rules)))[0]
    assert msgspec.json.encode(one) == msgspec.json.encode(two)


@given(HISTORIES, rules())
def test_folding_the_events_gives_the_state_and_undoing_gives_the_earlier_one(
    history: list[tuple[Call, Millis]], all_rules: list[Rule]
) -> None:
    decisions, states = _lived(history, all_rules)
    for decision, before, after in zip(decisions, states, states[1:], strict=False):
        folded = before
        for event in decision.events:
            folded = fold(folded, event)
        assert msgspec.structs.replace(folded, fired=after.fired) == after
        undone = after
        for event in reversed(decision.events):
            undone = undo(undone, event)
        assert _comparable(undone) == _comparable(before)


@given(HISTORIES, rules())
def test_events_are_one_chain(history: list[tuple[Call, Millis]], all_rules: list[Rule]) -> None:
    decisions, _ = _lived(history, all_rules)
    events = [event for decision in decisions for event in decision.events]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.previous for event in events] == [None, *(event.id for event in events)][: len(events)]
    assert len({event.id for event in events}) == len(events)
    ids = [delivery.id for decision in decisions for delivery in decision.deliveries]
    assert ids == sorted(set(ids))


@given(HISTORIES, rules())
def test_loops_end(history: list[tuple[Call, Millis]], all_rules: list[Rule]) -> None:
    decisions, _ = _lived(history, all_rules)
    for decision in decisions:
        assert decision.derived <= DERIVED_MAX + len(all_rules) * 3
        by_id = {event.id: event for event in decision.events}
        for run in decision.runs:
            event = by_id[run.event_id]
            assert event.depth <= DEPTH_MAX
            above = [one.rule_id for one in event.ancestors if one.at > run.at - LOOP_WINDOW]
            acted = run.outcome in {Outcome.FIRED, Outcome.FIRED_OTHERWISE}
            assert not (acted and run.rule_id in above)
            assert len(set(above)) == len(above)


@given(HISTORIES, rules())
def test_limits_hold_under_any_order_of_events(history: list[tuple[Call, Millis]], all_rules: list[Rule]) -> None:
    decisions, states = _lived(history, all_rules)
    runs = [run for decision in decisions for run in decision.runs]
    for one in all_rules:
        fired = [run.at for run in runs if run.rule_id == one.id and run.outcome is Outcome.FIRED]
        assert one.max_runs is None or len(fired) <= one.max_runs
        if one.min_interval is not None:
            assert all(later - earlier >= HOUR for earlier, later in pairwise(fired))
        assert states[-1].fired.get(one.id) == (Fired(len(fired), fired[-1]) if fired else None)


@given(HISTORIES, rules())
@settings(max_examples=50)
def test_every_evaluation_has_an_outcome_and_every_delivery_a_run(
    history: list[tuple[Call, Millis]], all_rules: list[Rule]
) -> None:
    decisions, _ = _lived(history, all_rules)
    for decision in decisions:
        assert all(run.outcome in ROWS for run in decision.runs)
        assert len({run.id for run in decision.runs}) == len(decision.runs)
        assert {d.id for d in decision.deliveries} == {d for run in decision.runs for d in run.deliveries}
        missed = {(event_id, miss.rule_id) for event_id, misses in decision.misses.items() for miss in misses}
        rows = {(run.event_id, run.rule_id) for run in decision.runs}
        assert not missed & rows
        assert all(_outcome_without_row(miss.outcome) for misses in decision.misses.values() for miss in misses)


def _outcome_without_row(outcome: Outcome) -> bool:
    return outcome not in ROWS


def test_an_event_keeps_its_place_when_it_is_stored_and_read_again() -> None:
    event = decided(blank(), Call(who=Who(id="c1"), fields={"name": "Łódź 😱"})).events[0]
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event
