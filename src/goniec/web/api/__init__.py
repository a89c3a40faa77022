"""The calls of the API, one room for each kind of thing. A new room is listed here."""

from typing import Final

from goniec.web.api import (
    contact_changes,
    contacts,
    deliveries,
    deliveries_export,
    endpoints,
    events,
    export,
    funnels,
    jobs,
    keys,
    ledger,
    mail,
    messages,
    rules,
    runs,
    users,
)
from goniec.web.operation import Operation

ROOMS: Final = (
    contacts,
    contact_changes,
    export,
    events,
    mail,
    rules,
    runs,
    endpoints,
    messages,
    deliveries,
    deliveries_export,
    jobs,
    ledger,
    funnels,
    keys,
    users,
)

OPERATIONS: Final[tuple[Operation, ...]] = tuple(
    one for room in ROOMS for one in vars(room).values() if isinstance(one, Operation)
)
"""Every call, in the order of the documentation."""
