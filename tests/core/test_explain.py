"""Why a rule fired, why it did not, what it would do now: the pure part."""

from typing import Any
from zoneinfo import ZoneInfo

from goniec.core.explain import Evaluation, Listening, Prospect, Silence, condition_type, evaluated, summary
from goniec.core.model import Contact, Fired, Miss, Outcome, Run, Seen
from goniec.core.rules import Rule
from tests.core.build import ENDPOINT, NOW, call, contact, decided, happened, rule

ZONE = ZoneInfo("Europe/Warsaw")
VISITED = {"type": "page.visited"}


def prospect(one: Rule, who: Contact | None = None) -> Prospect:
    return Listening(one, ZONE).prospect(one, who or contact(), frozenset({ENDPOINT}), {}, NOW)


def evaluation(one: Rule, who: Contact | None = None) -> Evaluation:
    """What a visit comes to."""
    made = decided(who or contact(), call(happenings=(happened(),)), one)
    (event,) = made.events
    found = evaluated(one.id, event, made.misses.get(event.id, ()), made.runs, made.deliveries)
    assert found is not None
    return found


# --- what happened ---------------------------------------------------------------------------------------------------


def test_a_line_of_a_trace_leads_to_its_condition() -> None:
    leaf = {"type": "hasPhone"}
    tree = {"type": "all", "of": [{"type": "hasEmail"}, {"type": "any", "of": [leaf, {"type": "not", "of": [leaf]}]}]}
    one = rule(triggers=[VISITED], conditions=tree)
    run = evaluation(one, contact(email="a@x.pl")).run
    assert run is not None
    types = [condition_type(one, seen.pointer) for seen in run.trace]
    assert types == ["all", "hasEmail", "any", "hasPhone", "not", "hasPhone"]
    bare = rule(triggers=[VISITED], conditions=leaf)
    miss = evaluation(bare).miss
    assert miss is not None
    assert miss.seen is not None
    assert condition_type(bare, miss.seen.pointer) == "hasPhone"


def test_a_run_is_found_with_its_own_deliveries() -> None:
    mine, other = rule(triggers=[VISITED]), rule("rul_2", triggers=[VISITED])
    made = decided(contact(), call(happenings=(happened(),)), mine, other)
    (event,) = made.events
    found = evaluated("rul_2", event, (), made.runs, made.deliveries)
    assert found is not None
    assert found.outcome is Outcome.FIRED
    assert [delivery.rule_id for delivery in found.deliveries] == ["rul_2"]


def test_a_miss_is_found_among_others() -> None:
    made = decided(contact(), call(happenings=(happened(),)))
    misses = (Miss("rul_1", 1, Outcome.TOO_OLD), Miss("rul_2", 3, Outcome.CONDITIONS_FAILED))
    found = evaluated("rul_2", made.events[0], misses, (), ())
    assert found is not None
    assert (found.outcome, found.miss) == (Outcome.CONDITIONS_FAILED, misses[1])
    assert evaluated("rul_3", made.events[0], misses, (Run(**run_fields()),), ()) is None


def run_fields(**fields: Any) -> dict[str, Any]:
    return {
        "id": "run_x", "rule_id": "rul_1", "version": 1, "contact_id": "c1", "at": NOW, "outcome": Outcome.FIRED, **fields
    }  # fmt: skip


def test_silence_has_reasons() -> None:
    listening = Listening(rule(active=False, triggers=[VISITED]), ZONE)
    visit = decided(contact(), call(happenings=(happened(),))).events[0]
    form = decided(contact(), call(happenings=(happened("form.submitted", form="x"),))).events[0]
    stored = decided(contact(), call(happenings=(happened(),), fire=False)).events[0]
    assert [listening.silence(event) for event in (visit, form, stored)] == [
        Silence.NOT_LISTENING,
        Silence.NO_TRIGGER,
        Silence.UNFIRED,
    ]


# --- what would happen -----------------------------------------------------------------------------------------------


def test_what_would_happen_now_is_asked_of_decide() -> None:
    found = prospect(rule(active=False, triggers=[VISITED]))
    assert found.run is not None
    assert (found.run.outcome, len(found.run.deliveries)) == (Outcome.FIRED, 1)


def test_a_limit_that_is_reached_stops_it_now() -> None:
    found = prospect(rule(maxRuns=1), contact(fired={"rul_1": Fired(1, NOW)}))
    assert found.run is not None
    assert found.run.outcome is Outcome.LIMIT_REACHED


def test_conditions_that_fail_are_named() -> None:
    found = prospect(rule(conditions={"type": "score", "op": "gte", "value": 10}))
    assert found.miss is not None
    assert found.miss.seen == Seen("/conditions", holds=False, value=0)


def test_a_rule_that_cannot_run_says_why() -> None:
    found = prospect(rule(timezone="Europe/Nowhere"))
    assert found.broken is not None
    assert "Nowhere" in found.broken


# --- in sentences ----------------------------------------------------------------------------------------------------


def test_a_rule_that_was_never_evaluated() -> None:
    one = rule(triggers=[VISITED])
    silences = {(Silence.NO_TRIGGER, "contact.tagged"): 2}
    assert summary(one, (), silences, prospect(one)) == [
        "the rule has not been evaluated for this contact",
        "contact.tagged (2) fits none of the rule's triggers",
        "asked for now, it would end as fired, with 1 webhook",
    ]


def test_outcomes_are_counted_with_the_newest_reason() -> None:
    one = rule(triggers=[VISITED], conditions={"type": "detail", "name": "A", "op": "gt", "value": 9})
    low, none = contact(details={"A": 3}), contact()
    rich = contact(details={"A": 30})
    found = [evaluation(one, low), evaluation(one, none), evaluation(one, rich)]
    told = summary(one, found, {}, prospect(one, none))
    at = "2025-11-25T03:36:00.000Z"
    assert told == [
        f"conditionsFailed: 2 times, last for page.visited at {at}: the condition at /conditions saw 3",
        f"fired: once, last for page.visited at {at}",
        "asked for now, it would end as conditionsFailed: the condition at /conditions saw no value",
    ]


def test_limits_say_themselves() -> None:
    one = rule(triggers=[VISITED], maxRuns=1, active=True)
    spent = contact(fired={"rul_1": Fired(1, NOW)})
    told = summary(one, [evaluation(one, spent)], {}, prospect(one, spent))
    because = "fired 1 times for this contact; the limit is 1"
    assert told == [
        f"limitReached: once, last for page.visited at 2025-11-25T03:36:00.000Z: {because}",
        f"asked for now, it would end as limitReached: {because}",
    ]


def test_several_webhooks_a_rule_that_is_off_and_one_past_its_time() -> None:
    hook = {"type": "webhook", "endpointId": ENDPOINT}
    off = rule(active=False, actions=[hook, hook])
    assert summary(off, (), {}, prospect(off))[-1] == (
        "asked for now (if it were on), it would end as fired, with 2 webhooks"
    )
    quiet = rule(actions=[{"type": "addTag", "tag": "x"}])
    assert summary(quiet, (), {}, prospect(quiet))[-1] == "asked for now, it would end as fired"
    old = rule(validTo="2020-01-01T00:00:00Z")
    assert summary(old, (), {}, prospect(old))[-1] == "asked for now, it would end as outsideValidity"
    broken = rule(timezone="Europe/Nowhere")
    assert "cannot run as it is stored" in summary(broken, (), {}, prospect(broken))[-1]
