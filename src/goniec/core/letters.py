"""The letter to the owner of an endpoint, in the workspace's language.

Called by the `owners` flow; pure. It names the endpoint by its host, never by its path or query, and says nothing
about contacts.
"""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Final, Literal

from msgspec import Struct

from goniec.core.endpoint import Endpoint, Pause
from goniec.core.tidings import Tidings
from goniec.core.times import SECOND, Millis

Language = Literal["en", "pl"]


class Letter(Struct, frozen=True):
    """A subject of one line, and a plain text."""

    subject: str
    text: str


class Manner(Struct, frozen=True):
    """How letters are written: their language, the zone of their times, and what their links start with."""

    language: Language
    zone: tzinfo
    public_url: str


def compose(endpoint: Endpoint, tidings: Tidings, waiting: int, manner: Manner) -> Letter:
    """Write a letter; `waiting` deliveries are pending for the endpoint."""
    say = _SAID[manner.language]
    about = f"{manner.public_url}/endpoints/{endpoint.id}"
    host, subject, parts = endpoint.host, "", []
    if tidings.failed:
        again = "failed_again" if tidings.told_at is not None else "failed"
        subject = _counted(manner.language, "subject_failed", tidings.failed, host=host)
        listed = f"{manner.public_url}/deliveries?endpoint={endpoint.id}&status=failed"
        parts += [
            f"{_counted(manner.language, again, tidings.failed, host=host)} {say['kept']}\n\n{listed}",
            f"{say['newest']}\n\n{manner.public_url}/deliveries/{tidings.delivery}",
        ]
    if tidings.paused is not None:
        subject = say["subject_paused"].format(host=host)
        why = say["gone" if tidings.paused == Pause.GONE else "failing"]
        told = why.format(host=host, at=_time(tidings.paused_at, manner))
        waits = _counted(manner.language, "waiting", waiting) if waiting else say["nothing_waits"]
        parts.insert(0, f"{told} {waits} {say['resume']}\n\n{about}")
    else:
        parts.append(f"{say['endpoint']}\n\n{about}")
    return Letter(subject, "\n\n".join([*parts, f"-- \n{say['why']}"]) + "\n")


def _time(at: Millis, manner: Manner) -> str:
    form = "%d.%m.%Y, %H:%M" if manner.language == "pl" else "%Y-%m-%d %H:%M"
    return datetime.fromtimestamp(at // SECOND, manner.zone).strftime(form)


def _counted(language: Language, what: str, n: int, **values: str) -> str:
    """The sentence with the plural that the number asks for."""
    if n == 1:
        form = "one"
    elif language == "pl" and n % 10 in {2, 3, 4} and n % 100 not in {12, 13, 14}:
        form = "few"
    else:
        form = "many"
    return _PLURALS[language][what][form].format(n=n, **values)


_SAID: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {
        "kept": "All their attempts are used up. They are kept, and you can send them again once the receiver works:",
        "newest": "The newest of them, with what the receiver answered:",
        "subject_paused": "Goniec: {host} is paused",
        "gone": "On {at} {host} answered 410 Gone, which means that it wants no more webhooks, so Goniec paused it.",
        "failing": "Nothing has reached {host} in five days of trying, so Goniec paused it on {at}.",
        "nothing_waits": "No deliveries are waiting.",
        "resume": "When it takes webhooks again, or has another address, change and resume the endpoint here:",
        "endpoint": "The endpoint and its settings:",
        "why": (
            "You get this message because you are listed as the owner of this endpoint. There is at most one\n"
            "an hour; what happens in between is counted in the next one."
        ),
    },
    "pl": {
        "kept": "Wszystkie próby są już wyczerpane. Nic nie przepadło: gdy odbiorca będzie działał, wyślij ponownie:",
        "newest": "Najnowsza z nich, razem z odpowiedzią odbiorcy:",
        "subject_paused": "Goniec: endpoint {host} jest wstrzymany",
        "gone": (
            "Odbiorca {host} odpowiedział 410 Gone ({at}), czyli nie chce już webhooków. Goniec wstrzymał ten endpoint."
        ),
        "failing": "Przez pięć dni prób nic nie doszło do {host}, więc Goniec wstrzymał ten endpoint ({at}).",
        "nothing_waits": "Żadne wysyłki na niego nie czekają.",
        "resume": (
            "Gdy odbiorca znów będzie przyjmował webhooki albo dostanie nowy adres, popraw i wznów endpoint tutaj:"
        ),
        "endpoint": "Endpoint i jego ustawienia:",
        "why": (
            "Dostajesz tę wiadomość, bo Twój adres jest wpisany jako właściciel tego endpointu. Wysyłamy najwyżej\n"
            "jedną na godzinę; to, co wydarzy się w międzyczasie, zliczymy w następnej."
        ),
    },
}

_PLURALS: Final[Mapping[Language, Mapping[str, Mapping[str, str]]]] = {
    "en": {
        "subject_failed": {
            "one": "Goniec: {n} delivery to {host} has failed",
            "many": "Goniec: {n} deliveries to {host} have failed",
        },
        "failed": {
            "one": "{n} delivery to {host} has failed for good.",
            "many": "{n} deliveries to {host} have failed for good.",
        },
        "failed_again": {
            "one": "Since the last message {n} more delivery to {host} has failed for good.",
            "many": "Since the last message {n} more deliveries to {host} have failed for good.",
        },
        "waiting": {
            "one": "{n} delivery is waiting; nothing is lost.",
            "many": "{n} deliveries are waiting; nothing is lost.",
        },
    },
    "pl": {
        "subject_failed": {
            "one": "Goniec: {n} wysyłka do {host} nie doszła",
            "few": "Goniec: {n} wysyłki do {host} nie doszły",
            "many": "Goniec: {n} wysyłek do {host} nie doszło",
        },
        "failed": {
            "one": "{n} wysyłka do {host} ostatecznie nie doszła.",
            "few": "{n} wysyłki do {host} ostatecznie nie doszły.",
            "many": "{n} wysyłek do {host} ostatecznie nie doszło.",
        },
        "failed_again": {
            "one": "Od poprzedniej wiadomości ostatecznie nie doszła jeszcze {n} wysyłka do {host}.",
            "few": "Od poprzedniej wiadomości ostatecznie nie doszły jeszcze {n} wysyłki do {host}.",
            "many": "Od poprzedniej wiadomości ostatecznie nie doszło jeszcze {n} wysyłek do {host}.",
        },
        "waiting": {
            "one": "Czeka na niego {n} wysyłka i nie przepadnie.",
            "few": "Czekają na niego {n} wysyłki i żadna nie przepadnie.",
            "many": "Czeka na niego {n} wysyłek i żadna nie przepadnie.",
        },
    },
}
