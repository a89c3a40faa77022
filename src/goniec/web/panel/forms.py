"""What a browser sends: fields of a form or of a query, by name, in their order.

A name may stand several times (tags, check boxes). Called by `serve`; views read it.
"""

from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl

from goniec.web.problems import Fault

FIELDS: Final = 5000
"""More fields than any form of ours has."""

_NAMES: Final = "a form has at most %d fields"


class Form:
    """Fields by name."""

    def __init__(self, pairs: list[tuple[str, str]] | None = None) -> None:
        self.pairs = pairs or []
        self._all: dict[str, list[str]] = {}
        for name, value in self.pairs:
            self._all.setdefault(name, []).append(value)

    def __contains__(self, name: object) -> bool:
        return name in self._all

    def __getitem__(self, name: str) -> str:
        return self.get(name)

    def get(self, name: str, default: str = "") -> str:
        """Give the last value of a field; spaces around it stay."""
        values = self._all.get(name)
        return values[-1] if values else default

    def text(self, name: str) -> str:
        """Give a field without the spaces around it."""
        return self.get(name).strip()

    def all(self, name: str) -> list[str]:
        """Give all values of a field."""
        return list(self._all.get(name, ()))

    def names(self) -> list[str]:
        """The names of the fields, each once."""
        return list(self._all)

    def under(self, prefix: str) -> Iterator[tuple[str, list[str]]]:
        """Give the fields whose names begin so, the beginning left out."""
        for name, values in self._all.items():
            if name.startswith(prefix):
                yield name[len(prefix) :], values


def read_form(raw: bytes) -> Form:
    """Read `application/x-www-form-urlencoded`, in UTF-8.

    Raises:
        Fault: it is nothing of the kind, or has too many fields (400).

    """
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS)
    except UnicodeDecodeError:
        raise Fault(400, "the form is percent-encoded UTF-8") from None
    except ValueError:
        raise Fault(400, _NAMES % FIELDS) from None
    # a text area writes line ends as browsers do
    return Form([(name, value.replace("\r\n", "\n").replace("\0", "")) for name, value in pairs])
