"""Where a PostgreSQL database is, as the operator wrote it, and how that may be shown: never with what opens it."""

from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from typing_extensions import override

SCHEMES: Final = frozenset({"postgresql", "postgres"})

OPTIONS: Final = frozenset(
    {"sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port", "user", "password", "passfile"}
)
"""What may stand behind the question mark."""


_ESCAPES: Final = "in the user and the password, / is written %2F, ? %3F, # %23, : %3A, @ %40 and % %25"


class Postgres:
    """The URL of a database. A plain class, because a struct would print its fields; as a text it tells no password."""

    __slots__ = ("_shown", "url")

    def __init__(self, url: str) -> None:
        """Take a URL.

        Raises:
            ValueError: it is none of a PostgreSQL database; the message says why, and never repeats it.

        """
        example = "postgresql://user:password@host:5432/database"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            hint = f"; {_ESCAPES}" if "@" in url else ""
            raise ValueError(f"a URL is expected, such as {example}{hint}") from None
        if parts.scheme not in SCHEMES:
            raise ValueError(f"a URL that begins with postgresql:// is expected, such as {example}")
        name = unquote(parts.path.removeprefix("/"))
        if not name or "/" in name:
            hint = f"; {_ESCAPES}" if "@" in name else ""
            raise ValueError(f"the database's name is missing at the end: {example}{hint}")
        if parts.fragment:
            raise ValueError(f"nothing may follow a #; in a password it is written %23: {example}")
        unknown = sorted({key for key, _ in parse_qsl(parts.query, keep_blank_values=True)} - OPTIONS)
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is no option; there are {', '.join(sorted(OPTIONS))}")
        self.url = url
        user = f"{parts.username}@" if parts.username else ""
        place = parts.hostname or dict(parse_qsl(parts.query)).get("host", "")
        place = f"[{place}]" if ":" in place else place
        self._shown = f"postgresql://{user}{place}{f':{port}' if port else ''}/{parts.path.removeprefix('/')}"

    @override
    def __str__(self) -> str:
        """The URL without password and options."""
        return self._shown

    @override
    def __repr__(self) -> str:
        """The same, for whoever prints it by mistake."""
        return f"Postgres({self._shown!r})"

    @override
    def __eq__(self, other: object) -> bool:
        """Whether it is the same URL."""
        return isinstance(other, Postgres) and other.url == self.url

    @override
    def __hash__(self) -> int:
        """As it is compared."""
        return hash(self.url)
