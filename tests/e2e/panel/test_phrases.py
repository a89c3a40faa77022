"""Triggers, conditions and actions in words: every kind has a phrase, in both languages, however hostile its values."""

from typing import Any, get_args

import msgspec
import pytest

from goniec.core.actions import Action
from goniec.core.conditions import Condition
from goniec.core.endpoint import Endpoint
from goniec.core.model import Skipped
from goniec.core.triggers import EmailClicked, Trigger
from goniec.web.panel.phrases import action_words, condition_words, skipped_words, trigger_words
from goniec.web.panel.words import Language, Words

PL, EN = Words("pl"), Words("en")
CRM = Endpoint(id="end_1", version=1, url="https://crm.example/hook", secret=b"", created_at=0, updated_at=0)

TRIGGERS: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "contact.created"}, "Kontakt dodany do systemu", "Contact added to the system"),
    ({"type": "contact.readded"}, "Kontakt ponownie dodany", "Contact added again"),
    ({"type": "contact.changed", "fields": ["phone", "externalId"]}, "Zmieniono dane kontaktu: telefon lub ID zewnętrzne", "Contact's data changed: phone or external ID"),
    ({"type": "contact.tagged"}, "Przypisano tag do kontaktu", "Tag added to the contact"),
    ({"type": "contact.tagged", "tags": ["VIP"]}, "Przypisano tag VIP", "Tag VIP added"),
    ({"type": "contact.tagged", "tags": ["A", "B", "C", "D", "E"]}, "Przypisano tag A, B, C (+2)", "Tag A, B, C (+2) added"),
    ({"type": "contact.untagged", "tags": ["VIP", "HURT"]}, "Usunięto tag VIP lub HURT", "Tag VIP or HURT removed"),
    ({"type": "contact.detail_added", "names": ["branża"], "values": ["sklep", 4, True]}, "Nowy szczegół kontaktu: branża, wartość sklep, 4 lub tak", "New detail of the contact: branża, value sklep, 4 or yes"),
    ({"type": "contact.detail_changed"}, "Zmodyfikowano szczegół", "Detail changed"),
    ({"type": "contact.detail_removed", "names": ["a"]}, "Usunięto szczegół: a", "Detail removed: a"),
    ({"type": "contact.score_changed"}, "Zmieniono scoring kontaktu", "Contact's score changed"),
    ({"type": "contact.score_changed", "value": 100}, "Scoring osiągnął 100", "Score reached 100"),
    ({"type": "contact.score_changed", "value": 1000, "mode": "equals"}, "Scoring wyniósł dokładnie 1\u00a0000", "Score became exactly 1,000"),
    ({"type": "contact.score_changed", "value": 5, "mode": "whileAbove", "scope": "tag", "tag": "VIP"}, "Scoring tagu VIP zmienił się i przekracza 5", "Score of the tag VIP changed and is above 5"),
    ({"type": "contact.score_changed", "scope": "tag"}, "Scoring tagu: zmiana", "Score of a tag changed"),
    ({"type": "contact.score_changed", "scope": "stage", "funnel": "Sprzedaż", "value": -1}, "Scoring etapu Sprzedaż osiągnął \u22121", "Stage score Sprzedaż reached \u22121"),
    ({"type": "contact.stage_entered"}, "Dodano do etapu lejka", "Entered a funnel stage"),
    ({"type": "contact.stage_entered", "funnel": "Sprzedaż"}, "Dodano do etapu lejka: Sprzedaż", "Entered a funnel stage: Sprzedaż"),
    ({"type": "contact.stage_left", "funnel": "Sprzedaż", "stages": ["Oferta"]}, "Kontakt opuścił etap Oferta (lejek Sprzedaż)", "Left the stage Oferta (funnel Sprzedaż)"),
    ({"type": "contact.owner_changed"}, "Nowy właściciel", "New owner"),
    ({"type": "contact.state_changed"}, "Zmieniono stan", "State changed"),
    ({"type": "contact.note_added"}, "Dodano notatkę", "Note added"),
    ({"type": "contact.opted_in", "channel": "email"}, "Kontakt zapisał się na subskrypcję: E-mail", "Contact subscribed: E-mail"),
    ({"type": "contact.opted_out"}, "Kontakt zrezygnował z subskrypcji", "Contact unsubscribed"),
    ({"type": "consent.assigned"}, "Przypisano zgodę", "Consent assigned"),
    ({"type": "consent.assigned", "consent": "RODO", "granted": False}, "Wycofano zgodę: RODO", "Consent withdrawn: RODO"),
    ({"type": "consent.assigned", "granted": True}, "Udzielono zgody", "Consent granted"),
    ({"type": "contact.merged"}, "Połączono kontakty", "Contacts merged"),
    ({"type": "contact.erased"}, "Usunięto kontakt", "Contact erased"),
    ({"type": "email.sent", "messages": ["Oferta"]}, "Wysłano wiadomość: Oferta", "Message sent: Oferta"),
    ({"type": "email.opened", "first": True}, "Kontakt otworzył e-mail, po raz pierwszy", "Contact opened an e-mail, for the first time"),
    ({"type": "email.opened", "first": False, "machine": None}, "Kontakt otworzył e-mail, po raz kolejny, także przez programy pocztowe i skanery", "Contact opened an e-mail, not for the first time, also by machines"),
    ({"type": "email.clicked", "urls": ["**/cennik"], "machine": True}, "Kontakt kliknął link: **/cennik, przez program pocztowy lub skaner", "Contact clicked a link: **/cennik, by a machine"),
    ({"type": "email.bounced"}, "Odbicie wiadomości", "Message bounced"),
    ({"type": "contact.bounce_lifted"}, "Adres znów dostaje wiadomości", "Address gets mail again"),
    ({"type": "page.visited", "urls": ["https://sklep.example/**"]}, "Kontakt odwiedził adres URL: https://sklep.example/**", "Contact visited a URL: https://sklep.example/**"),
    ({"type": "form.submitted", "forms": ["Kontakt"]}, "Kontakt wysłał formularz: Kontakt", "Contact submitted a form: Kontakt"),
    (
        {"type": "external_event.added", "kinds": ["PURCHASE"], "value": {"op": "gte", "value": 499.5}, "products": ["1"], "properties": {"kolor": "zielony", "n": {"op": "gt", "value": 2}}},
        "Wystąpiło nowe zdarzenie zewnętrzne: PURCHASE, wartość co najmniej 499,5, produkt 1, kolor dokładnie „zielony”, n więcej niż 2",
        "New external event: PURCHASE, value at least 499.5, product 1, kolor exactly “zielony”, n more than 2",
    ),
    ({"type": "external_event.changed"}, "Zmodyfikowano zdarzenie zewnętrzne", "External event changed"),
    ({"type": "date.upcoming"}, "Zbliża się data ze szczegółu", "A detail's date is coming up"),
    ({"type": "date.upcoming", "detail": "urodziny", "days": 7}, "Zbliża się data: urodziny, za 7 dni", "A date is coming up: urodziny, in 7 days"),
    ({"type": "contact.inactive", "days": 1}, "Brak aktywności kontaktu od 1 dnia", "Contact inactive for 1 day"),
    ({"type": "contact.inactive"}, "Brak aktywności kontaktu", "Contact is inactive"),
    ({"type": "webhook.failed"}, "Nie dostarczono webhooka", "Webhook not delivered"),
    ({"type": "webhook.failed", "endpoints": ["end_1"]}, "Nie dostarczono webhooka, tylko wybrane endpointy", "Webhook not delivered, of certain endpoints"),
    ({"type": "webhook.failed", "rules": ["rul_1"]}, "Nie dostarczono webhooka, tylko wybrane reguły", "Webhook not delivered, of certain rules"),
    ({"type": "rule.requested"}, "Uruchomiono regułę ręcznie", "Rule run by hand"),
    ({"type": "contact.created", "source": ["api"], "notSourceKey": ["CRM"]}, "Kontakt dodany do systemu, źródło: API, inne źródło niż: CRM", "Contact added to the system, from: API, not from: CRM"),
    ({"type": "contact.created", "sourceKey": ["a"], "notSource": ["import", "panel"]}, "Kontakt dodany do systemu, źródło: a, inne źródło niż: Import lub Panel", "Contact added to the system, from: a, not from: Import or Panel"),
]  # fmt: skip

CONDITIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "all", "of": []}, "bez warunków", "no conditions"),
    ({"type": "score", "op": "gte", "value": 100}, "scoring co najmniej 100", "score at least 100"),
    ({"type": "hasTag", "tags": ["VIP"]}, "ma tag VIP", "has the tag VIP"),
    ({"type": "hasTag", "tags": ["VIP", "HURT"]}, "ma dowolny z tagów VIP, HURT", "has any of the tags VIP, HURT"),
    ({"type": "hasTag", "tags": ["VIP", "HURT"], "mode": "all"}, "ma wszystkie z tagów VIP, HURT", "has all of the tags VIP, HURT"),
    ({"type": "tagScore", "tag": "VIP", "op": "between", "value": [1, 5]}, "scoring tagu VIP między 1 a 5", "score of the tag VIP between 1 and 5"),
    ({"type": "tagScore", "tag": "VIP", "op": "exists"}, "ma tag VIP", "has the tag VIP"),
    ({"type": "stageScore", "funnel": "S", "op": "lt", "value": 3}, "scoring etapu w lejku S mniej niż 3", "stage score in the funnel S less than 3"),
    ({"type": "stageScore", "funnel": "S", "op": "exists"}, "jest w lejku S", "is in the funnel S"),
    ({"type": "detail", "name": "branża", "op": "contains", "value": "piek"}, "szczegół branża zawiera „piek”", "detail branża contains “piek”"),
    ({"type": "detail", "name": "rok", "op": "eq", "value": 2026}, "szczegół rok dokładnie 2026", "detail rok exactly 2026"),
    ({"type": "detail", "name": "vip", "op": "eq", "value": True}, "szczegół vip dokładnie tak", "detail vip exactly yes"),
    ({"type": "detail", "name": "umowa", "op": "before", "value": "2026-11-25"}, "szczegół umowa przed 25 listopada 2026", "detail umowa before 25 November 2026"),
    ({"type": "detail", "name": "umowa", "op": "after", "value": "2026-11-25T03:36:00Z"}, "szczegół umowa po 25 listopada 2026, 03:36 (UTC)", "detail umowa after 25 November 2026, 03:36 (UTC)"),
    ({"type": "detail", "name": "umowa", "op": "withinLast", "value": "P90D"}, "szczegół umowa w ciągu ostatnich 90 dni", "detail umowa in the last 90 days"),
    ({"type": "detail", "name": "umowa", "op": "withinLast", "value": "P2W"}, "szczegół umowa w ciągu ostatnich 14 dni", "detail umowa in the last 14 days"),
    ({"type": "detail", "name": "umowa", "op": "withinLast", "value": "PT1H"}, "szczegół umowa w ciągu ostatniej 1 godziny", "detail umowa in the last 1 hour"),
    ({"type": "detail", "name": "umowa", "op": "withinLast", "value": "PT22M"}, "szczegół umowa w ciągu ostatnich 22 minut", "detail umowa in the last 22 minutes"),
    ({"type": "detail", "name": "umowa", "op": "withinLast", "value": "P1DT12H"}, "szczegół umowa w ciągu ostatnich 1\u00a0d 12\u00a0h", "detail umowa in the last 1\u00a0d 12\u00a0h"),
    ({"type": "detail", "name": "x", "op": "exists"}, "ma szczegół x", "has the detail x"),
    ({"type": "field", "field": "company", "op": "in", "value": ["A", "B"]}, "firma jest jednym z: „A”, „B”", "company is one of: “A”, “B”"),
    ({"type": "field", "field": "externalId", "op": "exists"}, "wypełnione pole: ID zewnętrzne", "filled in: external ID"),
    ({"type": "state", "value": "CUSTOMER"}, "stan Klient", "state Customer"),
    ({"type": "state", "op": "in", "value": ["CUSTOMER", "PARTNER"]}, "stan Klient lub Partner", "state Customer or Partner"),
    ({"type": "state", "op": "neq", "value": "OTHER"}, "stan inny niż Inny", "state other than Other"),
    ({"type": "owner", "op": "eq", "value": "Jakub"}, "właściciel dokładnie „Jakub”", "owner exactly “Jakub”"),
    ({"type": "owner", "op": "exists"}, "ma właściciela", "has an owner"),
    ({"type": "inStage", "funnel": "S"}, "jest w lejku S", "is in the funnel S"),
    ({"type": "inStage", "funnel": "S", "stages": ["A", "B"]}, "jest w etapie A lub B (lejek S)", "is in the stage A or B (funnel S)"),
    ({"type": "subscribed", "channel": "email"}, "subskrypcja E-mail: aktywna", "subscription E-mail: subscribed"),
    ({"type": "subscribed", "channel": "phone", "value": False}, "subskrypcja Telefon: rezygnacja", "subscription Phone: unsubscribed"),
    ({"type": "subscribed", "channel": "phone", "value": None}, "subskrypcja Telefon: bez decyzji", "subscription Phone: no decision"),
    ({"type": "consent", "consent": "RODO"}, "zgoda RODO: udzielona", "consent RODO: granted"),
    ({"type": "consent", "consent": "RODO", "granted": False}, "zgoda RODO: wycofana", "consent RODO: withdrawn"),
    ({"type": "consent", "consent": "RODO", "granted": None}, "zgoda RODO: bez odpowiedzi", "consent RODO: never asked"),
    ({"type": "hasEmail"}, "ma adres e-mail", "has an e-mail address"),
    ({"type": "hasPhone"}, "ma numer telefonu", "has a phone number"),
    ({"type": "eventData", "path": "value", "op": "gt", "value": 1e300}, "dane zdarzenia value więcej niż 1e+300", "event data value more than 1e+300"),
    ({"type": "eventData", "path": "value", "op": "exists"}, "dane zdarzenia zawierają value", "event data has value"),
    ({"type": "eventSource", "sources": ["api", "panel"]}, "zdarzenie ze źródła API lub Panel", "event from API or Panel"),
    ({"type": "eventSource", "sources": ["api"], "keys": ["CRM"]}, "zdarzenie ze źródła API, „CRM”", "event from API, “CRM”"),
    ({"type": "not", "of": [{"type": "hasTag", "tags": ["VIP"]}]}, "nie ma tagu VIP", "does not have the tag VIP"),
    ({"type": "not", "of": [{"type": "hasTag", "tags": ["A", "B"]}]}, "nie ma żadnego z tagów A, B", "has none of the tags A, B"),
    ({"type": "not", "of": [{"type": "hasEmail"}]}, "nie ma adresu e-mail", "has no e-mail address"),
    ({"type": "not", "of": [{"type": "hasPhone"}]}, "nie ma numeru telefonu", "has no phone number"),
    ({"type": "not", "of": [{"type": "owner", "op": "exists"}]}, "nie ma właściciela", "has no owner"),
    ({"type": "not", "of": [{"type": "detail", "name": "x", "op": "exists"}]}, "nie ma szczegółu x", "has no detail x"),
    ({"type": "not", "of": [{"type": "inStage", "funnel": "S"}]}, "nie jest w lejku S", "is not in the funnel S"),
    ({"type": "not", "of": [{"type": "eventSource", "keys": ["CRM"]}]}, "zdarzenie z innego źródła niż „CRM”", "event not from “CRM”"),
    ({"type": "not", "of": [{"type": "not", "of": [{"type": "hasPhone"}]}]}, "ma numer telefonu", "has a phone number"),
    ({"type": "not", "of": [{"type": "score", "op": "lte", "value": 1}]}, "NIE (scoring co najwyżej 1)", "NOT (score at most 1)"),
    (
        {"type": "all", "of": [{"type": "hasEmail"}, {"type": "any", "of": [{"type": "hasPhone"}, {"type": "score", "op": "neq", "value": 0}]}]},
        "ma adres e-mail oraz (ma numer telefonu lub scoring nie jest 0)",
        "has an e-mail address and (has a phone number or score is not 0)",
    ),
    ({"type": "any", "of": [{"type": "hasPhone"}] * 7}, "ma numer telefonu lub " * 5 + "jeszcze 2 warunki", "has a phone number or " * 5 + "2 more conditions"),
]  # fmt: skip

ACTIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "webhook", "endpointId": "end_1"}, "Wyślij informacje na temat uruchomionej reguły: crm.example", "Send information about the triggered rule: crm.example"),
    ({"type": "webhook", "endpointId": "end_gone"}, "Wyślij informacje na temat uruchomionej reguły", "Send information about the triggered rule"),
    ({"type": "sendEmail", "message": "msg_1"}, "Wyślij wiadomość: Powitanie", "Send a message: Powitanie"),
    ({"type": "sendEmail", "message": "msg_gone"}, "Wyślij wiadomość: msg_gone", "Send a message: msg_gone"),
    ({"type": "notifyUser", "user": "usr_1", "subject": "x", "text": "y"}, "Powiadom użytkownika: Ala", "Notify a user: Ala"),
    ({"type": "notifyUser", "user": "owner", "subject": "x", "text": "y"}, "Powiadom użytkownika: właściciel kontaktu", "Notify a user: the contact’s owner"),
    ({"type": "addTag", "tag": "VIP"}, "Dodaj tag VIP", "Add tag VIP"),
    ({"type": "removeTag", "tag": "VIP"}, "Usuń tag VIP", "Remove tag VIP"),
    ({"type": "addScore", "points": 10}, "Dodaj scoring do kontaktu: +10", "Add score: +10"),
    ({"type": "addScore", "points": -10}, "Dodaj scoring do kontaktu: \u221210", "Add score: \u221210"),
    ({"type": "setScore", "value": 0}, "Ustaw scoring: 0", "Set score: 0"),
    ({"type": "setDetail", "name": "branża", "value": "piekarnia"}, "Ustaw szczegół branża: piekarnia", "Set detail branża: piekarnia"),
    ({"type": "removeDetail", "name": "branża"}, "Usuń szczegół branża", "Remove detail branża"),
    ({"type": "setField", "field": "company", "value": "Żabka"}, "Zmień dane kontaktu: firma „Żabka”", "Change contact's data: company “Żabka”"),
    ({"type": "setField", "field": "phone", "value": None}, "Wyczyść pole: telefon", "Clear the field: phone"),
    ({"type": "setState", "state": "CUSTOMER"}, "Zmień stan kontaktu: Klient", "Change state: Customer"),
    ({"type": "setOwner", "owner": "Jakub"}, "Zmień właściciela: Jakub", "Change owner: Jakub"),
    ({"type": "setOwner", "owner": None}, "Usuń właściciela", "Remove the owner"),
    ({"type": "moveToStage", "funnel": "S", "stage": "Oferta"}, "Przenieś do etapu lejka: Oferta (lejek S)", "Move to stage: Oferta (funnel S)"),
    ({"type": "removeFromFunnel", "funnel": "S"}, "Usuń z lejka S", "Remove from funnel S"),
    ({"type": "addNote", "text": "Zadzwonić"}, "Dodaj notatkę: „Zadzwonić”", "Add note: “Zadzwonić”"),
    ({"type": "optIn", "channel": "email"}, "Zapisz na subskrypcję: E-mail", "Subscribe: E-mail"),
    ({"type": "optOut", "channel": "phone"}, "Wypisz z subskrypcji: Telefon", "Unsubscribe: Phone"),
    ({"type": "emitEvent", "kind": "CART"}, "Dodaj zdarzenie zewnętrzne: CART", "Add external event: CART"),
]  # fmt: skip

NAMES = {"msg_1": "Powitanie", "usr_1": "Ala"}


def test_a_trigger_names_messages() -> None:
    trigger = msgspec.convert({"type": "email.clicked", "messages": ["msg_1", "msg_gone"]}, EmailClicked)
    assert trigger_words(trigger, PL, NAMES) == "Kontakt kliknął link: Powitanie lub msg_gone"


def test_what_was_left_out_is_told() -> None:
    left = (Skipped("/actions/0", "optedOut"), Skipped("/actions/2", "noAddress"))
    assert skipped_words((), PL) == ""
    assert skipped_words(left[:1], PL) == "Pominięta akcja 1: kontakt nie chce wiadomości"
    assert (
        skipped_words(left, EN)
        == "Actions left out: 1: the contact has opted out; 3: the contact has no e-mail address"
    )


HOSTILE = "<script>\u202egnp.exe\x00\n" + "x" * 10_000


@pytest.mark.parametrize(("given", "polish", "english"), TRIGGERS, ids=lambda one: str(one)[:60])
def test_a_trigger_has_its_phrase(given: dict[str, Any], polish: str, english: str) -> None:
    trigger: Trigger = msgspec.convert(given, Trigger)
    assert (trigger_words(trigger, PL), trigger_words(trigger, EN)) == (polish, english)


@pytest.mark.parametrize(("given", "polish", "english"), CONDITIONS, ids=lambda one: str(one)[:60])
def test_a_condition_has_its_phrase(given: dict[str, Any], polish: str, english: str) -> None:
    condition: Condition = msgspec.convert(given, Condition)
    assert (condition_words(condition, PL), condition_words(condition, EN)) == (polish, english)


@pytest.mark.parametrize(("given", "polish", "english"), ACTIONS, ids=lambda one: str(one)[:60])
def test_an_action_has_its_phrase(given: dict[str, Any], polish: str, english: str) -> None:
    action: Action = msgspec.convert(given, Action)
    endpoints = {CRM.id: CRM}
    told = action_words(action, endpoints, PL, NAMES), action_words(action, endpoints, EN, NAMES)
    assert told == (polish, english)


def test_every_kind_is_among_them() -> None:
    assert {kind.__struct_config__.tag for kind in get_args(Trigger)} == {given["type"] for given, *_ in TRIGGERS}
    assert {kind.__struct_config__.tag for kind in get_args(Condition)} == {given["type"] for given, *_ in CONDITIONS}
    assert {kind.__struct_config__.tag for kind in get_args(Action)} == {given["type"] for given, *_ in ACTIONS}


@pytest.mark.parametrize("language", ["pl", "en"])
def test_hostile_names_stay_short_and_visible(language: Language) -> None:
    words = Words(language)
    told = [
        trigger_words(msgspec.convert({"type": "contact.tagged", "tags": [HOSTILE]}, Trigger), words),
        condition_words(msgspec.convert({"type": "detail", "name": HOSTILE, "op": "eq", "value": HOSTILE}, Condition), words),
        action_words(msgspec.convert({"type": "addNote", "text": HOSTILE}, Action), {}, words),
    ]  # fmt: skip
    for phrase in told:
        assert len(phrase) < 300
        assert "\\u202e" in phrase
        assert not {"\u202e", "\x00", "\n"} & set(phrase)
