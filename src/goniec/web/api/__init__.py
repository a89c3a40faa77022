"""The calls of the API, one room for each kind of thing. A new room is listed here."""

from typing import Final

from goniec.web.operation import Operation

OPERATIONS: Final[tuple[Operation, ...]] = ()
