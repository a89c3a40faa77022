"""Events in words: every type says what happened, in both languages, whatever its data holds or has lost."""

from typing import Any

import pytest

from goniec.core.events import EVENT_TYPES
from goniec.core.model import Event
from goniec.web.panel.event_words import Told, event_words, origin_words
from goniec.web.panel.words import Language, Words

PL, EN = Words("pl"), Words("en")
RULES = {"rul_1": "Nowy klient VIP", "msg_1": "Powitanie"}
HOSTILE = "<script>\u202egnp.exe\x00\n" + "x" * 10_000
NBSP = "\N{NO-BREAK SPACE}"

TOLD: list[tuple[str, dict[str, Any], Told, Told]] = [
    ("contact.created", {"source": "api", "fields": {}}, Told("Kontakt dodany do systemu"), Told("Contact added to the system")),
    ("contact.readded", {"source": "api"}, Told("Kontakt ponownie dodany"), Told("Contact added again")),
    ("contact.changed", {"changes": [{"field": "phone", "old": None, "new": "600"}, {"field": "name", "old": "Jan", "new": "Ewa"}]}, Told("Zmieniono dane kontaktu", "telefon: brak → 600; imię i nazwisko: Jan → Ewa"), Told("Contact's data changed", "phone: none → 600; name: Jan → Ewa")),
    ("contact.detail_added", {"name": "rok", "old": None, "new": 2026}, Told("Nowy szczegół kontaktu: rok", f"2{NBSP}026"), Told("New detail of the contact: rok", "2,026")),
    ("contact.detail_changed", {"name": "vip", "old": False, "new": True}, Told("Zmodyfikowano szczegół: vip", "nie → tak"), Told("Detail changed: vip", "no → yes")),
    ("contact.detail_removed", {"name": "x", "old": "y", "new": None}, Told("Usunięto szczegół: x", "y"), Told("Detail removed: x", "y")),
    ("contact.tagged", {"tag": "VIP", "tagScore": 0}, Told("Przypisano tag VIP"), Told("Tag VIP added")),
    ("contact.tagged", {"tag": "VIP", "tagScore": 22}, Told("Przypisano tag VIP", "22 punkty"), Told("Tag VIP added", "22 points")),
    ("contact.untagged", {"tag": "VIP", "tagScore": 5, "addedAt": 1}, Told("Usunięto tag VIP"), Told("Tag VIP removed")),
    ("contact.score_changed", {"old": 92, "new": 104, "scope": "contact"}, Told("Zmieniono scoring kontaktu", "92 → 104"), Told("Contact's score changed", "92 → 104")),
    ("contact.score_changed", {"old": 0, "new": 5, "scope": "tag", "tag": "VIP"}, Told("Zmieniono scoring tagu VIP", "0 → 5"), Told("Score of the tag VIP changed", "0 → 5")),
    ("contact.score_changed", {"old": 0, "new": 5, "scope": "stage", "stage": "Oferta"}, Told("Zmieniono scoring etapu Oferta", "0 → 5"), Told("Score of the stage Oferta changed", "0 → 5")),
    ("contact.stage_entered", {"funnel": "Sprzedaż", "stage": "Oferta", "from": None}, Told("Dodano do etapu Oferta", "Sprzedaż"), Told("Entered the stage Oferta", "Sprzedaż")),
    ("contact.stage_entered", {"funnel": "Sprzedaż", "stage": "Oferta", "from": "Nowa"}, Told("Dodano do etapu Oferta", "Sprzedaż: Nowa → Oferta"), Told("Entered the stage Oferta", "Sprzedaż: Nowa → Oferta")),
    ("contact.stage_left", {"funnel": "Sprzedaż", "stage": "Oferta"}, Told("Kontakt opuścił etap Oferta", "Sprzedaż"), Told("Left the stage Oferta", "Sprzedaż")),
    ("contact.owner_changed", {"old": None, "new": "Ala"}, Told("Nowy właściciel", "brak → Ala"), Told("New owner", "none → Ala")),
    ("contact.state_changed", {"old": "UNKNOWN", "new": "CUSTOMER"}, Told("Zmieniono stan", "Nieznany → Klient"), Told("State changed", "Unknown → Customer")),
    ("contact.note_added", {"text": "Oddzwonić.\nJutro."}, Told("Dodano notatkę", text="Oddzwonić.\nJutro."), Told("Note added", text="Oddzwonić.\nJutro.")),
    ("contact.opted_in", {"channel": "email", "old": None}, Told("Kontakt zapisał się na subskrypcję: E-mail"), Told("Contact subscribed: E-mail")),
    ("contact.opted_out", {"channel": "phone", "old": True}, Told("Kontakt zrezygnował z subskrypcji: Telefon"), Told("Contact unsubscribed: Phone")),
    ("consent.assigned", {"consent": "RODO", "granted": True, "old": None}, Told("Udzielono zgody: RODO"), Told("Consent granted: RODO")),
    ("consent.assigned", {"consent": "RODO", "granted": False, "old": True}, Told("Wycofano zgodę: RODO", "wcześniej: udzielona"), Told("Consent withdrawn: RODO", "before: granted")),
    ("contact.merged", {"from": "019a"}, Told("Połączono kontakty", "019a"), Told("Contacts merged", "019a")),
    ("contact.erased", {}, Told("Usunięto kontakt"), Told("Contact erased")),
    ("email.sent", {"message": "m1", "subject": "Oferta"}, Told("Wysłano wiadomość", "Oferta"), Told("Message sent", "Oferta")),
    ("email.opened", {"message": "m1", "first": True, "machine": True}, Told("Kontakt otworzył e-mail", "m1, przez program pocztowy lub skaner, po raz pierwszy"), Told("Contact opened an e-mail", "m1, by a machine, for the first time")),
    ("email.clicked", {"message": "m1", "url": "https://x.example/"}, Told("Kontakt kliknął link", "m1", "https://x.example/"), Told("Contact clicked a link", "m1", "https://x.example/")),
    ("email.opened", {"message": "msg_1", "first": True, "derived": True}, Told("Kontakt otworzył e-mail", "Powitanie, po raz pierwszy, otwarcie wynika z kliknięcia"), Told("Contact opened an e-mail", "Powitanie, for the first time, follows from a click")),
    ("email.bounced", {"message": "msg_1", "kind": "hard", "code": "5.1.1", "reason": "no such user", "email": "jan@example.pl"}, Told("Odbicie wiadomości", "Powitanie, na stałe", "jan@example.pl: 5.1.1 no such user"), Told("Message bounced", "Powitanie, for good", "jan@example.pl: 5.1.1 no such user")),
    ("email.bounced", {"message": "m1", "kind": "soft", "email": "jan@example.pl"}, Told("Odbicie wiadomości", "m1, na razie", "jan@example.pl"), Told("Message bounced", "m1, for now", "jan@example.pl")),
    ("contact.bounce_lifted", {"email": "jan@example.pl"}, Told("Adres znów dostaje wiadomości", "jan@example.pl"), Told("Address gets mail again", "jan@example.pl")),
    ("email.bounced", {"message": "m1", "reason": "550"}, Told("Odbicie wiadomości", "m1", "550"), Told("Message bounced", "m1", "550")),
    ("page.visited", {"url": "https://x.example/", "title": "Cennik", "seconds": 134}, Told("Kontakt odwiedził adres URL", f"https://x.example/, 2{NBSP}min 14{NBSP}s", "Cennik"), Told("Contact visited a URL", f"https://x.example/, 2{NBSP}min 14{NBSP}s", "Cennik")),
    ("form.submitted", {"form": "Kontakt", "fields": {"a": 1, "b": True, "c": None, "d": "x", "e": 5}}, Told("Kontakt wysłał formularz: Kontakt", text="a: 1; b: tak; c: brak wartości; d: x; (+1)"), Told("Contact submitted a form: Kontakt", text="a: 1; b: yes; c: no value; d: x; (+1)")),
    ("external_event.added", {"kind": "PURCHASE", "value": 1284.5, "description": "nr 7"}, Told("Wystąpiło nowe zdarzenie zewnętrzne: PURCHASE", f"1{NBSP}284,5", "nr 7"), Told("New external event: PURCHASE", "1,284.5", "nr 7")),
    ("external_event.changed", {"kind": "CART", "value": None}, Told("Zmodyfikowano zdarzenie zewnętrzne: CART"), Told("External event changed: CART")),
    ("date.upcoming", {"detail": "umowa", "date": "2026-12-01", "days": 7}, Told("Zbliża się data ze szczegółu: umowa", "2026-12-01"), Told("A detail's date is coming up: umowa", "2026-12-01")),
    ("contact.inactive", {"days": 60}, Told("Brak aktywności kontaktu", "60 dni"), Told("Contact is inactive", "60 days")),
    ("webhook.failed", {"delivery": "dlv_1", "endpoint": "end_1", "rule": "rul_1"}, Told("Nie dostarczono webhooka: Nowy klient VIP"), Told("Webhook not delivered: Nowy klient VIP")),
    ("rule.requested", {"rule": "rul_gone", "by": "ala"}, Told("Uruchomiono regułę ręcznie: rul_gone"), Told("Rule run by hand: rul_gone")),
]  # fmt: skip


def event(type: str, data: dict[str, Any], **fields: Any) -> Event:
    given: dict[str, Any] = {"source": "api", **fields}
    return Event(id="evt_1", type=type, contact_id="c", seq=1, occurred_at=0, received_at=0, data=data, **given)


@pytest.mark.parametrize(("type", "data", "polish", "english"), TOLD, ids=lambda one: str(one)[:40])
def test_an_event_is_told(type: str, data: dict[str, Any], polish: Told, english: Told) -> None:
    assert event_words(event(type, data), PL, RULES) == polish
    assert event_words(event(type, data), EN, RULES) == english


def test_every_type_is_among_them() -> None:
    assert {type for type, *_ in TOLD} == set(EVENT_TYPES)


@pytest.mark.parametrize("type", EVENT_TYPES)
def test_an_erased_event_says_its_label(type: str) -> None:
    for words in (PL, EN):
        assert event_words(event(type, {}), words, {}).title


@pytest.mark.parametrize("language", ["pl", "en"])
def test_hostile_data_stays_short_and_visible(language: Language) -> None:
    for type, data, *_ in TOLD:
        told = event_words(event(type, _hostile(data)), Words(language), {})
        assert len(told.title) < 400
        assert len(told.value) < 800
        assert len(told.text) < 1_300
        assert not {"\u202e", "\x00"} & set(told.title + told.value + told.text), type


def _hostile(data: Any) -> Any:
    match data:
        case dict():
            return {key: value if key in {"scope", "source"} else _hostile(value) for key, value in data.items()}
        case list():
            return [_hostile(one) for one in data]
        case str():
            return HOSTILE
        case _:
            return data


@pytest.mark.parametrize(
    ("source", "key", "polish", "english"),
    [
        ("api", "sklep", "przez API, klucz sklep", "by API, key sklep"),
        ("api", None, "API", "API"),
        ("panel", "ala@example.com", "w panelu, ala@example.com", "in the panel, ala@example.com"),
        ("panel", None, "w panelu", "in the panel"),
        ("rule", "rul_1", "przez regułę Nowy klient VIP", "by the rule Nowy klient VIP"),
        ("rule", "rul_gone", "przez regułę rul_gone", "by the rule rul_gone"),
        ("import", "plik.csv", "Import, plik.csv", "Import, plik.csv"),
        ("tracking", None, "Śledzenie strony", "Site tracking"),
    ],
)
def test_where_an_event_came_from_is_told(source: str, key: str | None, polish: str, english: str) -> None:
    one = event("contact.created", {}, source=source, source_key=key)
    assert (origin_words(one, PL, RULES), origin_words(one, EN, RULES)) == (polish, english)
