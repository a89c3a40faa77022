"""What a list is asked for (filters, a page) and what it comes as. For `queries`, the API and the panel."""

from collections.abc import Iterable
from typing import Final, TypeVar

from msgspec import Struct

from goniec.core.model import Failure, Outcome, State, Status
from goniec.core.times import Millis

T = TypeVar("T")

FIRED: Final = (Outcome.FIRED, Outcome.FIRED_OTHERWISE)
"""The outcomes of a run that did something."""


class Page(Struct, frozen=True):
    """Where to go on and how far: `after` is the id of the last row seen, `newest` turns the order round.

    `most` bounds the search: about so many rows are looked at, then it stops with what it has found.

    Whoever goes on later from where a `steady` list from the oldest on has ended misses nothing: what other processes
    are just recording, and what is later, is held back until that is done.
    """

    limit: int = 100
    after: str | None = None
    newest: bool = False
    most: int = 10_000
    steady: bool = False


class Rows(list[T]):
    """The rows of a page, in its order.

    `stopped` says that there may be more though the page is not full: so much was looked at without finding it. It is
    what to go on after, as `Page.after`. None: the page is full, or the list ends with it.
    """

    def __init__(self, rows: Iterable[T] = (), stopped: str | None = None) -> None:
        super().__init__(rows)
        self.stopped = stopped


class ContactFilter(Struct, frozen=True):
    """All that is given must hold. `q` is literal text in e-mail, phone, name, company or externalId, any case.

    `email` is in its compared form, `phone` in E.164; they and `external_id` are exact. `stage` names a funnel and one
    of its stages. `since` (included) and `until` (not) compare when the contact was made.
    """

    email: str | None = None
    phone: str | None = None
    external_id: str | None = None
    tag: str | None = None
    q: str | None = None
    state: State | None = None
    stage: tuple[str, str] | None = None
    since: Millis | None = None
    until: Millis | None = None


class EventFilter(Struct, frozen=True):
    """All that is given must hold; `since` (included) and `until` (not) compare the recording time."""

    contact_id: str | None = None
    type: str | None = None
    since: Millis | None = None
    until: Millis | None = None


class RunFilter(Struct, frozen=True):
    """All that is given must hold: the outcome is one of these; `since` (included) and `until` (not) compare `at`."""

    rule_id: str | None = None
    outcomes: tuple[Outcome, ...] = ()
    since: Millis | None = None
    until: Millis | None = None


class DeliveryFilter(Struct, frozen=True):
    """All that is given must hold; `since` (included) and `until` (not) compare the creation.

    The status is `status` and one of `statuses`; `failure` is what the last attempt failed with, `test` tells test
    sends from all others.
    """

    status: Status | None = None
    rule_id: str | None = None
    endpoint_id: str | None = None
    contact_id: str | None = None
    since: Millis | None = None
    until: Millis | None = None
    failure: Failure | None = None
    test: bool | None = None
    statuses: tuple[Status, ...] = ()
