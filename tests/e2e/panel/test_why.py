"""Why a rule fired or not: one sentence in the viewer's language, and proof below it that is what was really seen."""

from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from goniec.core.actions import AddTag, MoveToStage, Webhook
from goniec.core.conditions import Condition
from goniec.core.explain import Evaluation
from goniec.core.leaves import Leaf
from goniec.core.model import Ancestor, Event, Miss, Outcome, Run, Seen
from goniec.core.rules import Rule
from goniec.core.triggers import ContactCreated, Tagged
from goniec.web.panel.evidence import failing
from goniec.web.panel.formats import Times
from goniec.web.panel.leaf_words import because, saw
from goniec.web.panel.why import Whys
from goniec.web.panel.why_steps import Line, Steps
from goniec.web.panel.words import Language, Words
from tests.e2e.engine import Engine
from tests.e2e.panel.client import Page, Person, SignIn

NOW = 1_795_500_000_000
WARSAW = ZoneInfo("Europe/Warsaw")
PL, EN = Words("pl"), Words("en")


def no(value: Any, read: str | None = None) -> Seen:
    """What a condition saw that did not hold."""
    return Seen("/conditions", holds=False, value=value, read=read)


def yes(value: Any) -> Seen:
    """What a condition saw that held."""
    return Seen("/conditions", holds=True, value=value)


BECAUSE: list[tuple[dict[str, Any], Seen, str, str]] = [
    ({"type": "score", "op": "gte", "value": 100}, no(92), "scoring wynosił 92, a reguła wymaga co najmniej 100", "score was 92, and the rule needs at least 100"),
    ({"type": "score", "op": "between", "value": [1, 5]}, no(92), "scoring: było 92, a reguła wymaga: między 1 a 5", "score: it was 92, and the rule needs between 1 and 5"),
    ({"type": "tagScore", "tag": "VIP", "op": "gt", "value": 5}, no(3), "scoring tagu VIP wynosił 3, a reguła wymaga więcej niż 5", "score of the tag VIP was 3, and the rule needs more than 5"),
    ({"type": "tagScore", "tag": "VIP", "op": "gt", "value": 5}, no(None, "no value"), "kontakt nie ma tagu VIP", "the contact does not have the tag VIP"),
    ({"type": "stageScore", "funnel": "S", "op": "gt", "value": 5}, no(1), "scoring etapu w lejku S wynosił 1, a reguła wymaga więcej niż 5", "stage score in the funnel S was 1, and the rule needs more than 5"),
    ({"type": "stageScore", "funnel": "S", "op": "gt", "value": 5}, no(None, "no value"), "kontakt nie jest w lejku S", "the contact is not in the funnel S"),
    ({"type": "hasTag", "tags": ["VIP"]}, no("[]"), "kontakt nie ma tagu VIP", "the contact does not have the tag VIP"),
    ({"type": "hasTag", "tags": ["A", "B"]}, no("[]"), "kontakt nie ma żadnego z tagów A, B", "the contact has none of the tags A, B"),
    ({"type": "hasTag", "tags": ["A", "B"], "mode": "all"}, no('["A"]'), "kontakt ma tylko tagi A, a reguła wymaga: wszystkie: A, B", "the contact has only the tags A, and the rule needs all of: A, B"),
    ({"type": "detail", "name": "branża", "op": "contains", "value": "piek"}, no("sklep"), "szczegół branża: było sklep, a reguła wymaga: zawiera „piek”", "detail branża: it was sklep, and the rule needs contains “piek”"),
    ({"type": "detail", "name": "branża", "op": "eq", "value": "x"}, no(None, "no value"), "kontakt nie ma szczegółu branża", "the contact has no detail branża"),
    ({"type": "detail", "name": "wiek", "op": "gt", "value": 18}, no("stary", "no number"), "szczegół wiek: było stary (to nie jest liczba), a reguła wymaga: więcej niż 18", "detail wiek: it was stary (not a number), and the rule needs more than 18"),
    ({"type": "field", "field": "company", "op": "eq", "value": "Żabka"}, no(None, "no value"), "to pole jest puste: firma", "this field is empty: company"),
    ({"type": "field", "field": "company", "op": "eq", "value": "Żabka"}, no("Lidl"), "firma: było Lidl, a reguła wymaga: dokładnie „Żabka”", "company: it was Lidl, and the rule needs exactly “Żabka”"),
    ({"type": "state", "op": "in", "value": ["CUSTOMER", "PARTNER"]}, no("PROSPECT"), "stan kontaktu: było Potencjalny, a reguła wymaga: Klient lub Partner", "contact's state: it was Prospect, and the rule needs Customer or Partner"),
    ({"type": "state", "op": "neq", "value": "OTHER"}, no("OTHER"), "stan kontaktu: było Inny, a reguła wymaga: inny niż Inny", "contact's state: it was Other, and the rule needs other than Other"),
    ({"type": "owner", "op": "eq", "value": "Ala"}, no(None, "no value"), "kontakt nie ma właściciela", "the contact has no owner"),
    ({"type": "inStage", "funnel": "S"}, no(None, "no value"), "kontakt nie jest w lejku S", "the contact is not in the funnel S"),
    ({"type": "inStage", "funnel": "S", "stages": ["A", "B"]}, no("C"), "kontakt jest w etapie C, a reguła wymaga: A lub B", "the contact is in the stage C, and the rule needs A or B"),
    ({"type": "subscribed", "channel": "email"}, no(value=False), "subskrypcja E-mail: było rezygnacja, a reguła wymaga: aktywna", "subscription E-mail: it was unsubscribed, and the rule needs subscribed"),
    ({"type": "consent", "consent": "RODO"}, no(None, "no value"), "zgoda RODO: było bez odpowiedzi, a reguła wymaga: udzielona", "consent RODO: it was never asked, and the rule needs granted"),
    ({"type": "hasEmail"}, no(None, "no value"), "kontakt nie ma adresu e-mail", "the contact has no e-mail address"),
    ({"type": "hasPhone"}, no(None, "no value"), "kontakt nie ma numeru telefonu", "the contact has no phone number"),
    ({"type": "eventData", "path": "value", "op": "gte", "value": 500}, no(12.5), "dane zdarzenia value: było 12,5, a reguła wymaga: co najmniej 500", "event data value: it was 12.5, and the rule needs at least 500"),
    ({"type": "eventData", "path": "value", "op": "gte", "value": 500}, no(None, "no value"), "dane zdarzenia value: było brak wartości, a reguła wymaga: co najmniej 500", "event data value: it was no value, and the rule needs at least 500"),
    ({"type": "eventSource", "sources": ["panel"], "keys": ["CRM"]}, no('["api","sklep"]'), "źródło zdarzenia: było API, sklep, a reguła wymaga: Panel lub CRM", "event source: it was API, sklep, and the rule needs Panel or CRM"),
]  # fmt: skip

NEGATED: list[tuple[dict[str, Any], Seen, str, str]] = [
    ({"type": "hasTag", "tags": ["VIP"]}, yes('["VIP"]'), "reguła to wyklucza: ma tag VIP (było: VIP)", "the rule excludes this: has the tag VIP (it was: VIP)"),
    ({"type": "score", "op": "lt", "value": 5}, yes(3), "reguła to wyklucza: scoring mniej niż 5 (było: 3)", "the rule excludes this: score less than 5 (it was: 3)"),
    ({"type": "hasEmail"}, yes("jan@example.pl"), "reguła to wyklucza: ma adres e-mail (było: jan@example.pl)", "the rule excludes this: has an e-mail address (it was: jan@example.pl)"),
]  # fmt: skip


def leaf_of(given: dict[str, Any]) -> Leaf:
    leaf: Leaf = msgspec.convert(given, Leaf)
    return leaf


@pytest.mark.parametrize(("given", "seen", "polish", "english"), BECAUSE, ids=lambda one: str(one)[:50])
def test_a_condition_that_failed_is_told(given: dict[str, Any], seen: Seen, polish: str, english: str) -> None:
    leaf = leaf_of(given)
    assert because(leaf, seen, PL, negated=False) == polish
    assert because(leaf, seen, EN, negated=False) == english


@pytest.mark.parametrize(("given", "seen", "polish", "english"), NEGATED, ids=lambda one: str(one)[:50])
def test_a_condition_that_should_not_have_held_is_told(
    given: dict[str, Any], seen: Seen, polish: str, english: str
) -> None:
    leaf = leaf_of(given)
    assert because(leaf, seen, PL, negated=True) == polish
    assert because(leaf, seen, EN, negated=True) == english


@pytest.mark.parametrize(("given", "seen", "polish", "english"), [
    ({"type": "hasTag", "tags": ["A"]}, no("[]"), "nie ma tego tagu", "no such tag"),
    ({"type": "hasTag", "tags": ["A", "B"]}, no("[]"), "nie ma żadnego z nich", "none of them"),
    ({"type": "tagScore", "tag": "A", "op": "gt", "value": 5}, no(None, "no value"), "nie ma tego tagu", "no such tag"),
    ({"type": "tagScore", "tag": "A", "op": "gt", "value": 5}, no(0), "0", "0"),
])  # fmt: skip
def test_a_tag_that_is_missing_is_told(given: dict[str, Any], seen: Seen, polish: str, english: str) -> None:
    assert saw(leaf_of(given), seen, PL) == polish
    assert saw(leaf_of(given), seen, EN) == english


@pytest.mark.parametrize(("read", "shown"), [
    ("number 9", " (read as 9)"), ("no number", " (not a number)"), ("no time", " (not a date)"), ("no text", " (not text)"),
    (None, ""),
])  # fmt: skip
def test_how_a_value_was_read_is_told(read: str | None, shown: str) -> None:
    leaf = leaf_of({"type": "detail", "name": "x", "op": "gt", "value": 1})
    assert saw(leaf, no("9", read), EN) == f"9{shown}"


def test_a_list_that_was_cut_is_still_told() -> None:
    cut = '["' + "A" * 198 + "…"
    assert saw(leaf_of({"type": "hasTag", "tags": ["A"]}), yes(cut), EN).startswith('["AAA')


# --- which condition it was -------------------------------------------------------------------------------------------

SCORE = {"type": "score", "op": "gte", "value": 100}
PHONE = {"type": "hasPhone"}
VIP = {"type": "hasTag", "tags": ["VIP"]}


def held(pointer: str) -> Seen:
    return Seen(f"/conditions{pointer}", holds=True)


def failed(pointer: str) -> Seen:
    return Seen(f"/conditions{pointer}", holds=False)


@pytest.mark.parametrize(
    ("tree", "seen", "wanted"),
    [
        (SCORE, [failed("")], ("score", False, 1)),
        ({"type": "all", "of": [PHONE, SCORE]}, [failed(""), held("/of/0"), failed("/of/1")], ("score", False, 1)),
        ({"type": "any", "of": [SCORE, PHONE]}, [failed(""), failed("/of/0"), failed("/of/1")], ("score", False, 2)),
        ({"type": "any", "of": [SCORE, PHONE]}, [failed("/of/0")], ("score", False, 2)),
        ({"type": "not", "of": [VIP]}, [failed(""), held("/of/0")], ("hasTag", True, 1)),
        (
            {"type": "all", "of": [{"type": "any", "of": [SCORE, PHONE]}, {"type": "not", "of": [VIP]}]},
            [failed(""), held("/of/0"), failed("/of/0/of/0"), held("/of/0/of/1"), failed("/of/1"), held("/of/1/of/0")],
            ("hasTag", True, 1),
        ),
        (
            {"type": "not", "of": [{"type": "all", "of": [PHONE, VIP]}]},
            [failed(""), held("/of/0"), held("/of/0/of/0"), held("/of/0/of/1")],
            ("hasPhone", True, 2),
        ),
        ({"type": "not", "of": [{"type": "not", "of": [SCORE]}]}, [failed("/of/0/of/0")], ("score", False, 1)),
    ],
)  # fmt: skip
def test_the_condition_that_decided_is_found(
    tree: dict[str, Any], seen: list[Seen], wanted: tuple[str, bool, int]
) -> None:
    condition: Condition = msgspec.convert(tree, Condition)
    found = failing(condition, {one.pointer: one for one in seen})
    assert found is not None
    assert (found.leaf.__struct_config__.tag, found.negated, found.alternatives) == wanted


def test_what_was_not_seen_is_not_guessed() -> None:
    assert failing(msgspec.convert({"type": "all", "of": [SCORE]}, Condition), {}) is None


# --- what cannot be brought about from outside ------------------------------------------------------------------------


def rule_of(**fields: Any) -> Rule:
    given: dict[str, Any] = {"name": "R", "triggers": (ContactCreated(),), "active": True} | fields
    return Rule(id="rul_1", version=1, created_at=0, updated_at=0, **given)


def event_of(**fields: Any) -> Event:
    given: dict[str, Any] = {"type": "contact.created", "data": {}} | fields
    return Event(id="evt_1", contact_id="c", seq=1, occurred_at=NOW, received_at=NOW, source="api", **given)


def ran(outcome: Outcome, detail: str | None = None) -> Run:
    return Run(id="run_1", rule_id="rul_1", version=1, contact_id="c", at=NOW, outcome=outcome, detail=detail)


def telling(language: Language) -> tuple[Whys, Steps]:
    words = Words(language)
    times = Times(words, WARSAW, NOW)
    whys = Whys(words, times, {})
    return whys, Steps(words, times, whys)


@pytest.mark.parametrize(
    ("actions", "detail", "polish", "english"),
    [
        ((Webhook(endpoint_id="end_1"),), "action 1: the endpoint end_1 does not exist", "jej endpoint już nie istnieje", "its endpoint no longer exists"),
        ((AddTag("A"), MoveToStage("S", "Won")), "action 2: there is no stage", "w lejku S nie ma już etapu Won", "there is no stage Won in the funnel S any more"),
        ((AddTag("A"),), "action 9: gone", "jej ustawienia wskazują na coś, czego już nie ma", "its settings name something that no longer exists"),
        ((), None, "jej ustawienia wskazują na coś, czego już nie ma", "its settings name something that no longer exists"),
    ],
)  # fmt: skip
def test_a_rule_that_leans_on_what_is_gone(actions: Any, detail: str | None, polish: str, english: str) -> None:
    one = Evaluation(event_of(), run=ran(Outcome.CONFIG_ERROR, detail))
    rule = rule_of(actions=actions)
    assert telling("pl")[0].answer(one, rule, {}).sentence == f"Nie zadziałała, bo {polish}."
    whys, steps = telling("en")
    answer = whys.answer(one, rule, {})
    assert (answer.sentence, answer.tone) == (f"It did not fire, because {english}.", "bad")
    assert steps.all(one, rule, {}, 0)[-1].mark == "n"


@pytest.mark.parametrize(
    ("ancestors", "english"),
    [
        ((Ancestor("rul_1", NOW),), "it would have caused a loop: the event came from a run of the same rule"),
        (tuple(Ancestor(f"rul_{n}", NOW) for n in range(2, 12)), "too many rules triggered one another: 10"),
        ((), "too many events followed from one call"),
    ],
)
def test_a_loop_is_told(ancestors: tuple[Ancestor, ...], english: str) -> None:
    one = Evaluation(event_of(ancestors=ancestors), run=ran(Outcome.LOOP_STOPPED))
    whys, steps = telling("en")
    assert whys.answer(one, rule_of(), {}).sentence == f"It did not fire, because {english}."
    assert steps.all(one, rule_of(), {}, 0)[-1] == Line("n", "No loop")


def test_an_erased_contact_is_told() -> None:
    one = Evaluation(event_of(), miss=Miss("rul_1", 1, Outcome.CONTACT_ERASED))
    assert telling("pl")[0].answer(one, rule_of(), {}).sentence == "Nie zadziałała, bo usunięto dane kontaktu."


def test_many_triggers_are_cut() -> None:
    rule = rule_of(triggers=tuple(Tagged(tags=(f"T{n}",)) for n in range(6)))
    assert telling("en")[0].triggers(rule) == "Tag T0 added; Tag T1 added; Tag T2 added; Tag T3 added (+2)"


# --- the page ---------------------------------------------------------------------------------------------------------


async def why(person: Person, contact: str, rule: dict[str, Any], event: str = "") -> Page:
    page = await person.get(f"/contacts/{contact}/why?rule={rule['id']}&event={event}")
    assert page.status == 200, page.text
    return page


async def test_every_outcome_has_its_answer(engine: Engine, sign_in: SignIn) -> None:
    visit = {"type": "page.visited"}
    hundred = {"type": "all", "of": [SCORE, VIP]}
    add = {"actions": [{"type": "addTag", "tag": "SEEN"}]}
    made = {
        name: await engine.rule(trigger, name=name, **fields)
        for name, trigger, fields in (
            ("fires", visit, {}),
            ("fails", visit, {"conditions": hundred}),
            ("otherwise", visit, {"conditions": hundred, "otherwise": add["actions"]}),
            ("once", visit, {"maxRuns": 1}),
            ("weekly", visit, {"minInterval": "P7D"}),
            ("later", visit, {"validFrom": "2099-01-01T00:00:00Z"}),
            ("before", visit, {"validTo": "2020-01-01T00:00:00Z"}),
            ("fresh", visit, {"maxAge": "PT1H"}),
            ("tags", {"type": "contact.tagged", "tags": ["NEVER"]}, {}),
            ("off", {"type": "contact.tagged", "tags": ["NEVER"]}, {"active": False}),
            ("deaf", visit, {"active": False}),
            ("loop", {"type": "contact.score_changed"}, {"actions": [{"type": "addScore", "points": 1}]}),
        )
    }
    jan = (await engine.contact(email="jan@example.pl"))["id"]
    await engine.post(f"/contacts/{jan}/score", {"set": 92})
    await engine.visit({"id": jan})
    await engine.visit({"id": jan}, occurredAt="2026-01-01T00:00:00Z")
    young = await engine.rule(visit, name="young")
    viewers = {"en": await sign_in("viewer", "en"), "pl": await sign_in("viewer", "pl")}
    for name, english, polish in (
        ("fires", "It fired.", "Zadziałała."),
        ("fails", "It did not fire, because score was 93, and the rule needs at least 100.", "Nie zadziałała, bo scoring wynosił 93, a reguła wymaga co najmniej 100."),
        ("otherwise", "It ran the “otherwise” actions, because score was 93, and the rule needs at least 100.", "Zadziałała gałąź „w przeciwnym razie”, bo scoring wynosił 93, a reguła wymaga co najmniej 100."),
        ("once", "It did not fire, because the limit for one contact was used up: 1 run.", "Nie zadziałała, bo dla tego kontaktu wykorzystano już limit: 1 uruchomienie."),
        ("weekly", "It did not fire, because the minimum time between runs had not passed: 7 days.", "Nie zadziałała, bo od poprzedniego uruchomienia nie minął jeszcze wymagany odstęp: 7 dni."),
        ("later", "It did not fire, because it was not valid yet: only from 1 January 2099, 01:00.", "Nie zadziałała, bo jeszcze nie obowiązywała: ważna dopiero od 1 stycznia 2099, 01:00."),
        ("before", "It did not fire, because it was no longer valid: only until 1 January 2020, 01:00.", "Nie zadziałała, bo już nie obowiązywała: ważna tylko do 1 stycznia 2020, 01:00."),
        ("fresh", "It did not fire, because the event was older than the rule allows: 1 hour.", "Nie zadziałała, bo zdarzenie było starsze, niż dopuszcza reguła: 1 godzina."),
        ("tags", "It did not fire, because no event that triggers it has happened since it was created.", "Nie zadziałała, bo od jej utworzenia nie wystąpiło żadne zdarzenie, które ją uruchamia."),
        ("off", "It did not fire, because it is off. No event triggers it.", "Nie zadziałała, bo jest wyłączona. Nie uruchomi jej żadne zdarzenie."),
        ("deaf", "It did not fire, because it was off or different when a matching event happened: contact visited a URL.", "Nie zadziałała, bo gdy wystąpiło pasujące zdarzenie (kontakt odwiedził adres URL), była wyłączona albo miała inne ustawienia."),
        ("loop", "It did not fire, because it would have caused a loop: the event came from a run of the same rule.", "Nie zadziałała, bo powstałaby pętla: zdarzenie wywołała ta sama reguła."),
    ):  # fmt: skip
        assert english in (await why(viewers["en"], jan, made[name])).text, name
        assert polish in (await why(viewers["pl"], jan, made[name])).text, name
    assert (
        "because nothing has happened to the contact since the rule was created"
        in (await why(viewers["en"], jan, young)).text
    )
    told = (await why(viewers["en"], jan, made["off"])).text
    assert "It waits for: Tag NEVER added." in told
    assert "The rule is off: no event sets it off until it is activated." in told
    assert "If it were on and run for this contact now: it would fire." in told
    told = (await why(viewers["pl"], jan, made["off"])).text
    assert "Gdyby ją włączyć i uruchomić teraz dla tego kontaktu: zadziałałaby." in told


async def test_an_import_is_told(engine: Engine, sign_in: SignIn) -> None:
    rule = await engine.rule({"type": "contact.created"})
    jan = (await engine.contact(email="jan@example.pl", fireEvents=False))["id"]
    viewer = await sign_in("viewer")
    assert "because the events since then came from an import" in (await why(viewer, jan, rule)).text


async def test_other_conditions_than_the_failing_one_show_what_they_saw(engine: Engine, sign_in: SignIn) -> None:
    """The contact is taken back to that moment: what it has now is not what was there then."""
    tree = {"type": "all", "of": [SCORE, {"type": "field", "field": "company", "op": "eq", "value": "Żabka"}, PHONE, {"type": "not", "of": [VIP]}]}  # fmt: skip
    rule = await engine.rule({"type": "contact.state_changed"}, conditions=tree)
    jan = (await engine.contact(email="jan@example.pl", company="Lidl", score={"set": 92}))["id"]
    # several events of one call: conditions see the contact after all of them
    await engine.patch(
        f"/contacts/{jan}", {"state": "CUSTOMER", "phone": "600 100 200", "score": {"add": 1}, "tags": ["a"]}
    )
    await engine.patch(f"/contacts/{jan}", {"company": "Żabka", "phone": None, "tags": ["VIP"], "score": {"set": 500}})
    await engine.post(f"/contacts/{jan}/notes", {"text": "later"})
    viewer = await sign_in("viewer")
    proof, _, now = (await why(viewer, jan, rule)).text.partition("Latest evaluations")
    assert "because score was 93, and the rule needs at least 100" in proof
    assert "Not met: Contact's score was: 93 wanted: at least 100" in proof
    assert "Not met: Company was: Lidl wanted: exactly “Żabka”" in proof
    assert "Met: Has a phone number was: 600 100 200 wanted: has one" in proof
    assert "Met: Does not have the tag VIP was: no such tag" in proof
    assert "2 of 4 are not met" in proof
    assert "Met: Contact's score was: 500 wanted: at least 100" in now
    assert "Not met: Has a phone number was: no value" in now


async def test_a_derived_event_is_explained_from_its_own_moment(engine: Engine, sign_in: SignIn) -> None:
    await engine.rule({"type": "contact.tagged", "tags": ["A"]}, actions=[{"type": "addTag", "tag": "B"}, {"type": "addScore", "points": 50}])  # fmt: skip
    tree = {"type": "all", "of": [SCORE, {"type": "hasTag", "tags": ["B"]}]}
    rule = await engine.rule({"type": "contact.tagged", "tags": ["B"]}, conditions=tree)
    jan = (await engine.contact(email="jan@example.pl", score={"set": 10}))["id"]
    await engine.post(f"/contacts/{jan}/tags", {"add": ["A"]})
    text = (await why(await sign_in("viewer"), jan, rule)).text
    assert "because score was 10, and the rule needs at least 100" in text
    assert "Met: Has the tag was: B wanted: B" in text


async def test_a_merged_contact_is_explained(engine: Engine, sign_in: SignIn) -> None:
    rule = await engine.rule({"type": "page.visited"}, conditions={"type": "all", "of": [SCORE, PHONE]})
    jan = (await engine.contact(email="jan@example.pl", score={"set": 10}))["id"]
    other = (await engine.contact(email="ewa@example.pl", phone="600 100 200", score={"set": 7}))["id"]
    await engine.visit({"id": jan})
    await engine.visit({"id": other})
    await engine.post(f"/contacts/{jan}/merge", {"from": other})
    viewer = await sign_in("viewer")
    page = await why(viewer, jan, rule)
    assert "because score was 7, and the rule needs at least 100" in page.text
    evaluations = {link for link in page.links if "event=" in link}
    assert len(evaluations) == 2
    for link in evaluations:
        assert (await viewer.get(link)).status == 200


async def test_an_evaluation_is_chosen_by_its_event(engine: Engine, sign_in: SignIn) -> None:
    rule = await engine.rule({"type": "page.visited"}, conditions=SCORE, name="Old name")
    jan = (await engine.contact(email="jan@example.pl"))["id"]
    first = await engine.visit({"id": jan})
    changed = await engine.get(f"/rules/{rule['id']}")
    await engine.put(f"/rules/{rule['id']}", changed | {"conditions": {"type": "hasPhone"}})
    await engine.visit({"id": jan})
    viewer = await sign_in("viewer")
    assert "because the contact has no phone number" in (await why(viewer, jan, rule)).text
    then = (await why(viewer, jan, rule, first)).text
    assert "because score was 0, and the rule needs at least 100" in then
    assert "The rule has been changed since." in then
    for nonsense in ("evt_nonsense", "%3Cscript%3E"):
        assert "no phone number" in (await why(viewer, jan, rule, nonsense)).text


async def test_the_page_without_a_rule_offers_them(engine: Engine, sign_in: SignIn) -> None:
    jan = (await engine.contact(email="jan@example.pl"))["id"]
    editor, viewer = await sign_in("editor"), await sign_in("viewer")
    empty = await editor.get(f"/contacts/{jan}/why")
    assert "There are no rules yet" in empty.text
    assert "/rules/new" in empty.links
    rule = await engine.rule({"type": "page.visited"}, name="Visits")
    assert rule["id"] in (await viewer.get(f"/contacts/{jan}/why")).html
    for nonsense in ("rul_nonsense", "%3Cscript%3E"):
        assert (await viewer.get(f"/contacts/{jan}/why?rule={nonsense}")).status == 404
    assert "Run rule" in (await why(editor, jan, rule)).text
    assert "Run rule" not in (await why(viewer, jan, rule)).text
