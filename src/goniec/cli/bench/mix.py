"""A past as mixed as a real one, for lists: whatever can be asked for is there often, seldom, or never.

Every number (of an event or a contact) always gets the same, so that parts of a file that are made apart fit together.
"""

from random import Random
from typing import Final

from goniec.core.ids import ENDPOINT, RULE, prefixed
from goniec.core.model import Failure, State, Status

RULES: Final = tuple(prefixed(RULE, 0, n) for n in range(18))
ENDPOINTS: Final = tuple(prefixed(ENDPOINT, 0, n) for n in range(18))
"""The last but one of each is seldom used, the last one never."""
COMMON: Final = 16
SELDOM: Final = 100_000
"""One event in so many belongs to the rule and the endpoint that are seldom used."""

HEAVY: Final = 250
"""One event in so many belongs to one contact, who has a long past; those whose turn it was have none."""

FAILING: Final = 4
"""So many endpoints have failures; the others have none."""
_FAILURES: Final = (
    *(Failure.SERVER,) * 60,
    *(Failure.TIMEOUT,) * 20,
    *(Failure.CONNECT,) * 12,
    *(Failure.REJECTED,) * 7,
    Failure.TLS_EXPIRED,
)
ONCE: Final = Failure.GONE
"""What one delivery failed with, that of the event with this number."""
ONCE_AT: Final = 3 * COMMON

_TYPES: Final = (*("page.visited",) * 80, *("email.opened",) * 12, *("external_event.added",) * 8)
RARE_TYPE: Final = "form.submitted"
_RARE_EACH: Final = 200_000

_words: Final = str.split
_GIVEN: Final = _words(
    "Anna Piotr Maria Krzysztof Katarzyna Andrzej Małgorzata Tomasz Agnieszka Paweł Ewa Łucja Żaneta"
)
_SYLLABLES: Final = _words("ko wa ki no pie ski cz ow ma za kra wie li na dą br mi cha le wan dow zie sza tom pod gór")
_ENDS: Final = ("ski", "cki", "ak", "ek", "czyk", "owicz")
_FIRMS: Final = ("Przedsiębiorstwo", "Hurtownia", "Sklep", "Kancelaria", "Studio", "Fundacja")
_STATES: Final[tuple[State, ...]] = ("CUSTOMER", "PROSPECT", "UNKNOWN", "PROSPECT", "CUSTOMER")
FUNNEL: Final = "Sprzedaż"
STAGES: Final = ("Nowy", "Oferta", "Wygrana")


def place(n: int) -> int:
    """Which rule and endpoint an event led to."""
    return COMMON if n % SELDOM == SELDOM - 1 else n % COMMON


def fate(n: int) -> tuple[Status, Failure | None]:
    """What became of the delivery of an event."""
    turn = n // COMMON
    if n % COMMON >= FAILING:
        return (Status.CANCELLED, None) if turn % 500 == 7 else (Status.DELIVERED, None)  # noqa: PLR2004 - one in so many
    match turn % 40:
        case 3 | 4 | 5 | 6 | 7 | 8:
            return Status.FAILED, ONCE if n == ONCE_AT else _FAILURES[turn // 40 % len(_FAILURES)]
        case 9 if turn % 400 == 9:  # noqa: PLR2004 - one in so many
            return Status.HELD, None
        case _:
            return Status.DELIVERED, None


def kind(n: int) -> str:
    """The type of an event."""
    return RARE_TYPE if n % _RARE_EACH == 1 else _TYPES[n // COMMON % len(_TYPES)]


def person(number: int) -> tuple[str, str | None]:
    """Name and company of a contact."""
    chance = Random(number)  # noqa: S311 - makes a file that is the same every time
    family = "".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4))).capitalize() + chance.choice(_ENDS)
    company = f"{chance.choice(_FIRMS)} {family}" if chance.random() < 0.3 else None  # noqa: PLR2004 - not everybody has one
    return f"{chance.choice(_GIVEN)} {family}", company


def state(number: int) -> State:
    """The state of a contact; one is a partner."""
    return "PARTNER" if number == HEAVY else _STATES[number % len(_STATES)]


def stage(number: int) -> str | None:
    """The stage of a contact, if it is in one."""
    turn, rest = divmod(number, 20)
    return None if rest else STAGES[2 if turn % 1000 == 0 else turn % 2]


def phone(number: int) -> str:
    """The number of a contact."""
    return f"+48{500_000_000 + number}"
