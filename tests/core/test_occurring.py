"""Why a rule cannot be set off: told one by one."""

from typing import Any

import pytest

from goniec.core.occurring import Known, doubts
from tests.core.build import NOW, rule

KNOWN = Known({"Sprzedaż": ("Lead", "Oferta")}, {"sklep", "rul_2"})


def told(**fields: Any) -> list[str]:
    return list(doubts(rule(**fields), KNOWN, NOW))


def test_a_sound_rule_that_is_on_raises_none() -> None:
    trigger = {"type": "contact.stage_entered", "funnel": "Sprzedaż", "stages": ["Oferta", "Nigdy"]}
    assert told(triggers=[trigger, {"type": "contact.stage_left"}]) == []


@pytest.mark.parametrize("type", ["contact.stage_entered", "contact.stage_left"])
def test_any_stage_where_there_is_no_funnel(type: str) -> None:
    found = list(doubts(rule(triggers=[{"type": type}]), Known(), NOW))
    assert found[0] == "none of the rule's triggers can occur"
    assert found[1] == f"trigger 1 ({type}) cannot occur: there is no funnel yet"


def test_a_rule_that_is_off() -> None:
    (why,) = told(active=False)
    assert "off" in why


def test_a_rule_outside_its_validity() -> None:
    assert "before 2030" in told(validFrom="2030-01-01T00:00:00Z")[0]
    assert "since 2020" in told(validTo="2020-01-01T00:00:00Z")[0]
    assert told(validFrom="2020-01-01T00:00:00Z", validTo="2030-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    ("trigger", "why"),
    [
        ({"type": "date.upcoming"}, "calendar"),
        ({"type": "contact.inactive"}, "calendar"),
        ({"type": "contact.erased"}, "tellErasure"),
        ({"type": "contact.score_changed", "scope": "tag"}, "score of a tag"),
        ({"type": "contact.score_changed", "scope": "stage"}, "score of a stage"),
        ({"type": "contact.stage_entered", "funnel": "Inny"}, "no funnel “Inny”"),
        ({"type": "contact.stage_left", "funnel": "Sprzedaż", "stages": ["Nigdy"]}, "none of these stages"),
        ({"type": "contact.tagged", "sourceKey": ["crm"]}, "sourceKey"),
    ],
)
def test_triggers_that_cannot_occur(trigger: dict[str, Any], why: str) -> None:
    alone = told(triggers=[trigger])
    assert alone[0] == "none of the rule's triggers can occur"
    assert alone[1].startswith(f"trigger 1 ({trigger['type']}) cannot occur: ")
    assert why in alone[1]
    beside = told(triggers=[{"type": "contact.created", "sourceKey": ["sklep"]}, trigger])
    assert len(beside) == 1
    assert beside[0].startswith("trigger 2 ")
