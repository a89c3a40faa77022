"""The shop's visitors: who they are, and what they did, as events for the API.

What they did is in a file that comes with the program; who they are is made up from the number of each, so that every
demo shows the same people. Called by the demo alone.
"""

import csv
import gzip
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final

from msgspec import Struct

from goniec.core.times import SECOND, Millis, format_instant

SHOP: Final = "https://sklep.example"
OPENED: Final = "email.opened"
VISITED: Final = "page.visited"
ADDED: Final = "external_event.added"
CART: Final = "CART"
PURCHASE: Final = "PURCHASE"

PAGES: Final = {
    "home": ("/", "Strona główna"),
    "catalog": ("/katalog", "Katalog"),
    "search": ("/szukaj", "Wyszukiwanie"),
    "filter_results": ("/katalog/filtr", "Katalog, zawężony"),
    "product_view": ("/produkt", "Produkt"),
    "promo_page": ("/promocje", "Promocje"),
    "wishlist_add": ("/ulubione", "Dodano do ulubionych"),
    "compare": ("/porownaj", "Porównanie"),
    "review_page": ("/opinie", "Opinie"),
    "cart": ("/koszyk", "Koszyk"),
    "shipping_details": ("/zamowienie/dostawa", "Dostawa"),
    "payment_details": ("/zamowienie/platnosc", "Płatność"),
    "payment_error": ("/zamowienie/platnosc/blad", "Płatność odrzucona"),
    "checkout_bug": ("/zamowienie/blad", "Błąd zamówienia"),
    "account_page": ("/konto", "Konto"),
    "support_chat": ("/pomoc", "Pomoc"),
    "error_page": ("/404", "Nie ma takiej strony"),
}
"""By event in the file: path and title."""

PRODUCTS: Final = ("Kubek „Żubr”", "Kocyk wełniany", "Lampa Gęś", "Świeca sosnowa", "Półka dębowa", "Łyżka z wiśni")

# each surname in both genders, where it has two
WOMEN: Final = ("Zofia", "Agnieszka", "Małgorzata", "Żaneta", "Łucja", "Barbara", "Grażyna", "Julia", "Świętosława")
MEN: Final = ("Jan", "Paweł", "Łukasz", "Grzegorz", "Michał", "Stanisław", "Błażej", "Wojciech", "Józef", "Mścisław")
SURNAMES: Final = (
    ("Nowak", "Nowak"),
    ("Kowalska", "Kowalski"),
    ("Wiśniewska", "Wiśniewski"),
    ("Wójcik", "Wójcik"),
    ("Kamińska", "Kamiński"),
    ("Zielińska", "Zieliński"),
    ("Szymańska", "Szymański"),
    ("Dąbrowska", "Dąbrowski"),
    ("Jabłońska", "Jabłoński"),
    ("Król", "Król"),
    ("Ślusarczyk", "Ślusarczyk"),
    ("Źrebiec", "Źrebiec"),
    ("Brzęczyszczykiewicz", "Brzęczyszczykiewicz"),
)
TRADES: Final = ("Piekarnia", "Kwiaciarnia", "Stolarnia", "Księgarnia", "Cukiernia", "Biuro podróży", "Warsztat")
TOWNS: Final = ("Łódź", "Gdańsk", "Kraków", "Bydgoszcz", "Rzeszów", "Świnoujście", "Żywiec", "Częstochowa")


class Visitor(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A person, as `POST /contacts` takes one; some have no phone, some no company."""

    email: str
    name: str
    external_id: str
    company: str | None = None
    phone: str | None = None


class Step(Struct, frozen=True):
    """Something a visitor did; `event` is it as `POST /events` takes it."""

    visitor: str
    event: dict[str, Any]

    @property
    def kind(self) -> str:
        """The event's type or, of an external event, its kind."""
        return str(self.event["data"].get("kind", self.event["type"]))


def steps(now: Millis) -> list[Step]:
    """Give all that was done, in the order in which it happened; the last of it just before `now`."""
    with files("goniec").joinpath("data/ecom-events.csv.gz").open("rb") as packed:
        lines = gzip.decompress(packed.read()).decode().splitlines()
    rows = list(csv.DictReader(lines))
    rows.sort(key=lambda row: row["timestamp"])
    shift = now - SECOND - _millis(rows[-1]["timestamp"])
    return list(_steps(rows, shift))


def visitor(id: str) -> Visitor:
    """Give the person behind a `user_id`."""
    number = int(id.rpartition("_")[2])
    woman = number % 2 == 0
    first = (WOMEN if woman else MEN)[number // 2 % len(WOMEN if woman else MEN)]
    last = SURNAMES[number % len(SURNAMES)][0 if woman else 1]
    return Visitor(
        email=f"{_ascii(first)}.{_ascii(last)}{number}@poczta.example",
        name=f"{first} {last}",
        external_id=id,
        company=f"{TRADES[number % len(TRADES)]} {last}, {TOWNS[number % len(TOWNS)]}" if number % 3 else None,
        phone=_phone(number) if number % 5 else None,
    )


def _steps(rows: list[dict[str, str]], shift: Millis) -> Iterator[Step]:
    opened = set()
    for number, row in enumerate(rows):
        at = _millis(row["timestamp"]) + shift
        session = row["session_id"]
        if row["acquisition_channel"] == "email" and session not in opened:
            # who came by a newsletter opened it first
            opened.add(session)
            message = {"message": f"newsletter-{row['timestamp'][:7]}", "subject": "Nowości w sklepie"}
            yield _step(row, at, OPENED, message)
        match row["event"]:
            case "purchase":
                data = {"kind": PURCHASE, "value": 49 + number % 7 * 20, "externalId": f"zam-{number}"}
                yield _step(row, at, ADDED, data)
            case "add_to_cart":
                yield _step(row, at, ADDED, {"kind": CART, "products": [PRODUCTS[number % len(PRODUCTS)]]})
            case page:
                path, title = PAGES[page]
                yield _step(row, at, VISITED, {"url": SHOP + path, "title": title})


def _step(row: dict[str, str], at: Millis, kind: str, data: dict[str, Any]) -> Step:
    person = row["user_id"]
    event = {"type": kind, "contact": {"externalId": person}, "data": data, "occurredAt": format_instant(at)}
    return Step(person, event)


def _millis(timestamp: str) -> Millis:
    return int(datetime.fromisoformat(timestamp).replace(tzinfo=UTC).timestamp()) * SECOND


def _ascii(name: str) -> str:
    return unicodedata.normalize("NFKD", name.lower().replace("ł", "l")).encode("ascii", "ignore").decode()


def _phone(number: int) -> str:
    """Give a number in one of the ways that people write them."""
    digits = f"{500_000_000 + number * 1_001}"
    parts = digits[:3], digits[3:6], digits[6:]
    return ("+48 " + " ".join(parts), "-".join(parts), digits, "(48) " + " ".join(parts))[number % 4]
