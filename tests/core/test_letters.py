"""Letters to owners: what they say, in both languages, and when they are due."""

from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from goniec.core.endpoint import Pause
from goniec.core.letters import Language, Manner, compose
from goniec.core.retry import check_address
from goniec.core.tidings import NOTHING, Tidings, put_off, taken, told
from goniec.core.times import HOUR, MINUTE
from tests.contract.store.scribe import endpoint
from tests.core.build import NOW

CRM = endpoint("end_1", url="https://crm.example/secret/path?key=1")


def manner(language: Language) -> Manner:
    return Manner(language, ZoneInfo("Europe/Warsaw"), "https://goniec.example/app")


@pytest.mark.parametrize(
    ("language", "n", "subject"),
    [
        ("en", 1, "Goniec: 1 delivery to crm.example has failed"),
        ("en", 2, "Goniec: 2 deliveries to crm.example have failed"),
        ("pl", 1, "Goniec: 1 wysyłka do crm.example nie doszła"),
        ("pl", 3, "Goniec: 3 wysyłki do crm.example nie doszły"),
        ("pl", 13, "Goniec: 13 wysyłek do crm.example nie doszło"),
        ("pl", 22, "Goniec: 22 wysyłki do crm.example nie doszły"),
    ],
)
def test_a_letter_counts_in_its_language(language: Language, n: int, subject: str) -> None:
    letter = compose(CRM, Tidings(failed=n, delivery="dlv_9"), 0, manner(language))
    assert letter.subject == subject
    assert "https://goniec.example/app/deliveries?endpoint=end_1&status=failed\n" in letter.text
    assert "https://goniec.example/app/deliveries/dlv_9\n" in letter.text
    assert "https://goniec.example/app/endpoints/end_1\n" in letter.text
    assert "secret" not in letter.text


@pytest.mark.parametrize("language", ["en", "pl"])
def test_a_later_letter_says_since_when_it_counts(language: Language) -> None:
    letter = compose(CRM, Tidings(failed=2, delivery="dlv_9", told_at=NOW), 0, manner(language))
    assert {"en": "Since the last message 2 more", "pl": "Od poprzedniej wiadomości"}[language] in letter.text


@pytest.mark.parametrize(
    ("language", "why", "waiting", "said"),
    [
        ("en", Pause.GONE, 1, ["crm.example answered 410 Gone", "1 delivery is waiting"]),
        ("en", Pause.FAILING, 0, ["five days", "No deliveries are waiting"]),
        ("pl", Pause.GONE, 5, ["odpowiedział 410 Gone", "Czeka na niego 5 wysyłek"]),
        ("pl", Pause.FAILING, 0, ["Przez pięć dni", "Żadne wysyłki"]),
    ],
)
def test_a_pause_is_told(language: Language, why: Pause, waiting: int, said: list[str]) -> None:
    letter = compose(CRM, Tidings(paused=why, paused_at=NOW), waiting, manner(language))
    assert all(one in letter.text for one in said)
    assert "crm.example" in letter.subject
    assert letter.text.count("https://goniec.example/app/endpoints/end_1\n") == 1
    both = compose(CRM, Tidings(paused=why, paused_at=NOW, failed=1, delivery="dlv_9"), waiting, manner(language))
    assert both.subject == letter.subject
    assert "dlv_9" in both.text


def test_there_is_one_letter_an_hour() -> None:
    news = Tidings(failed=2, delivery="dlv_2")
    assert news.due(NOW)
    assert not NOTHING.due(NOW)
    sending = taken(news, NOW)
    assert not sending.due(NOW + MINUTE)
    assert sending.due(NOW + 5 * MINUTE), "who took it has died"
    more = replace(sending, failed=5, delivery="dlv_5", paused=Pause.GONE, paused_at=NOW)
    left = told(more, news, NOW)
    assert (left.failed, left.delivery, left.paused, left.told_at) == (3, "dlv_5", Pause.GONE, NOW)
    assert not left.due(NOW + HOUR - 1)
    assert left.due(NOW + HOUR)
    assert left.due(NOW - 1), "the clock was set back"
    assert told(more, more, NOW) == Tidings(delivery="dlv_5", told_at=NOW)


def test_a_server_that_is_away_is_asked_ever_more_seldom() -> None:
    news, waits = Tidings(failed=1), []
    for _ in range(7):
        news = put_off(news, NOW)
        waits.append((news.wait_until - NOW) // MINUTE)
    assert waits == [1, 2, 4, 8, 16, 16, 16]


@pytest.mark.parametrize("good", ["jan@example.com", "a.b+c@localhost", "x@xn--bcher-kva.example"])
def test_an_owner_is_one_address(good: str) -> None:
    check_address(good)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "jan",
        "jan@",
        "a@b\r\nBcc: c@d",
        "a@b\n",
        "Jan <a@b>",
        "a@b,c@d",
        "a@b c@d",
        '"a"@b',
        "ż@b",
        "a" * 260 + "@b",
    ],
)
def test_nothing_else_is_one(bad: str) -> None:
    with pytest.raises(ValueError, match="one e-mail address"):
        check_address(bad)
