"""How a page of the panel is declared, and what it is given.

A page is one coroutine with its description beside it:

    @page("POST", "/rules/{id}/switch", role="editor")
    async def switch(visit: Visit, id: str) -> Reply: ...

Its arguments are the visit and the parts of its path by name. `role` is the least that a user must be (`viewer`,
`editor`, `admin`), or None for pages that are open to everybody. `serve` calls it after session, role and CSRF have
been looked at; a test goes through all pages with every role.
"""

import inspect
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from http.cookies import Morsel
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from goniec.core.endpoint import Endpoint
from goniec.core.labels import OPERATORS as LABELS
from goniec.core.model import Attempt, Session, User
from goniec.core.operators import OPERATORS, Kind
from goniec.core.problems import Invalid, Problem
from goniec.web.context import ApiContext
from goniec.web.panel.drawing import draw
from goniec.web.panel.failures import failure_words
from goniec.web.panel.formats import Times
from goniec.web.panel.forms import Form
from goniec.web.panel.told import told
from goniec.web.panel.wording import receiver
from goniec.web.panel.words import Language, Words
from goniec.web.reply import Reply

Role = Literal["viewer", "editor", "admin"]
Method = Literal["GET", "POST"]

RANKS: Final[Mapping[Role, int]] = {"viewer": 0, "editor": 1, "admin": 2}

HTML: Final = "text/html; charset=utf-8"
NOTE_COOKIE: Final = "goniec_note"
"""Carries what the page after a redirect should say, for one page."""

Policy = Literal["own", "mail", "pictures"]
"""What a page may show besides its own: nothing; a mail's styles; the pictures of a mail, too."""


def _headers(styles: str = "", pictures: str = "") -> tuple[tuple[str, str], ...]:
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'{styles}; font-src 'self'; "
        f"img-src 'self' data:{pictures}; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    return (
        ("content-security-policy", policy),
        ("referrer-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    )


PAGE_HEADERS: Final = _headers()
"""Nothing from elsewhere, nothing inline."""

_HEADERS: Final[Mapping[Policy, tuple[tuple[str, str], ...]]] = {
    "own": PAGE_HEADERS,
    "mail": _headers(" 'unsafe-inline'"),
    "pictures": _headers(" 'unsafe-inline'", " http: https:"),
}
"""A mail stands in a frame of its own without scripts, and what that frame may show, its page has to allow."""

_IN_ADDRESSES: Final = "/?#[]@!$&'()*+,;=:%"
"""What means something in an address, and what is encoded already."""

Handler = Callable[..., Awaitable[Reply]]


class Page(Struct, frozen=True, kw_only=True):
    """A page: where it is, who may see it, who makes it."""

    method: Method
    path: str
    role: Role | None
    handler: Handler
    names: tuple[str, ...]


def page(method: Method, path: str, *, role: Role | None) -> Callable[[Handler], Page]:
    """Declare a page."""

    def declare(handler: Handler) -> Page:
        names = tuple(name for name in inspect.signature(handler).parameters if name != "visit")
        return Page(method=method, path=path, role=role, handler=handler, names=names)

    return declare


class Visit:
    """One request for a page: who asks, in which language, what was sent, and how to answer.

    `query` is the query of the address, `form` what was posted; `htmx` says that only a part of the page is wanted.
    """

    def __init__(  # noqa: PLR0913 - a request has that many parts
        self,
        context: ApiContext,
        *,
        method: str,
        path: str,
        query: Form,
        form: Form,
        headers: Mapping[bytes, bytes],
        cookies: Mapping[str, str],
        user: User | None,
        session: Session | None,
        csrf: str,
        words: Words,
        address: str,
    ) -> None:
        self.context = context
        self.method = method
        self.path = path
        self.query = query
        self.form = form
        self.headers = headers
        self.cookies = cookies
        self.user = user
        self.session = session
        self.csrf = csrf
        self.words = words
        self.address = address
        self.say = words.say
        self.many = words.many
        self.htmx = headers.get(b"hx-request") == b"true"
        self.now = context.clock.now()
        self.zone = ZoneInfo((user and user.timezone) or context.zone)
        self.times = Times(words, self.zone, self.now)
        self._cookies: list[tuple[str, str]] = []

    @property
    def language(self) -> Language:
        """The language of the page."""
        return self.words.language

    @property
    def agent(self) -> str:
        """What the browser calls itself."""
        return self.headers.get(b"user-agent", b"").decode("latin-1")

    @property
    def by(self) -> str:
        """Who changes something: what events carry as their `sourceKey`."""
        return "panel" if self.user is None else self.user.email

    def may(self, role: Role) -> bool:
        """Say whether the user is at least this."""
        return self.user is not None and RANKS[self.user.role] >= RANKS[role]

    def url(self, path: str, /, **query: object) -> str:
        """Give the address of a page of ours; parameters that are None or empty are left out.

        A path may hold what stood in this one's, decoded: two slashes would name another host, and a header takes
        neither line ends nor other alphabets.
        """
        path = quote("/" + path.lstrip("/") if path.startswith("//") else path, safe=_IN_ADDRESSES)
        kept = {name: value for name, value in query.items() if value not in (None, "")}
        base = urlsplit(self.context.public_url).path.rstrip("/")
        return base + path + ("?" + urlencode(kept, doseq=True) if kept else "")

    def here(self, **changes: object) -> str:
        """Give the address of this page with some parameters of its query changed (None: taken out)."""
        query: dict[str, object] = {name: self.query.all(name) for name in self.query.names() if name not in changes}
        return self.url(self.path, **query, **changes)

    def page(self, template: str, /, status: int = 200, *, policy: Policy = "own", **values: object) -> Reply:
        """Answer with a page."""
        note = self.cookies.get(NOTE_COOKIE)
        if note is not None and not self.htmx:
            self.forget_cookie(NOTE_COOKIE)
        body = draw(template, self, {"note": None if self.htmx else _note(note), **values})
        return Reply(status, body, (*_HEADERS[policy], *self._cookies), HTML)

    def go(self, path: str, /, note: str | None = None, **query: object) -> Reply:
        """Answer with a redirect (303); `note` is what the next page says first, in the viewer's words."""
        if note is not None:
            text = urlsafe_b64encode(msgspec.json.encode(note[:500])).decode()
            self.set_cookie(NOTE_COOKIE, text, seconds=60)
        address = self.url(path, **query)
        if self.htmx:
            return Reply(204, None, (*PAGE_HEADERS, ("hx-redirect", address), *self._cookies))
        return Reply(303, b"", (*PAGE_HEADERS, ("location", address), *self._cookies), HTML)

    def told(self, invalid: Invalid) -> dict[str, str]:
        """Give the problems of what was sent, by the name of the field (a JSON pointer), in the viewer's language."""
        found: dict[str, str] = {}
        for problem in invalid.problems:
            found.setdefault(problem.pointer.removeprefix("/"), told(problem, self.words))
        return found

    @staticmethod
    def operators(kind: str) -> list[str]:
        """The operators that a value of this kind takes, in the order of their labels."""
        known = OPERATORS[Kind[kind]]
        return [op for op in LABELS if op in known]

    def failure(self, attempt: Attempt) -> str:
        """Say why an attempt failed, in plain words, and what to do."""
        return failure_words(attempt, self.words)

    def receiver(self, endpoint: Endpoint) -> str:
        """Say what an endpoint is called."""
        return receiver(endpoint, self.words)

    def hint(self, text: str) -> str:
        """Say in the viewer's language what the core has to tell."""
        return told(Problem("", text), self.words)

    def set_cookie(self, name: str, value: str, seconds: int | None = None) -> None:
        """Set a cookie that scripts cannot read; without seconds it ends with the browser's session."""
        morsel: Morsel[str] = Morsel()
        morsel.set(name, value, value)
        morsel["path"] = self.url("/")
        morsel["httponly"] = True
        morsel["samesite"] = "Lax"
        if self.context.public_url.startswith("https:"):
            morsel["secure"] = True
        if seconds is not None:
            morsel["max-age"] = seconds
        self._cookies.append(("set-cookie", morsel.OutputString()))

    def forget_cookie(self, name: str) -> None:
        """Take a cookie away."""
        self.set_cookie(name, "", seconds=0)

    @property
    def values(self) -> dict[str, Any]:
        """What every template may use."""
        return {
            "visit": self,
            "user": self.user,
            "language": self.language,
            "once": f"{self.context.dice.bits(64):016x}",
            "csrf": masked(self.csrf, self.context.dice.bits(128)),
            "u": self.url,
            "here": self.here,
            "times": self.times,
            "may": self.may,
            "many": self.many,
            "now": self.now,
        }


def masked(secret: str, chance: int) -> str:
    """Give a secret (32 hexadecimal digits) as it stands in one page.

    It differs from page to page, so that the length of a packed page tells nothing of it (BREACH).
    """
    return f"{chance:032x}{chance ^ int(secret, 16):032x}"


def unmasked(text: str) -> str:
    """Give the secret that stood in a page; what was none of ours is an empty text."""
    try:
        chance, mixed = int(text[:32], 16), int(text[32:64], 16)
    except ValueError:
        return ""
    return f"{chance ^ mixed:032x}" if len(text) == 64 else ""  # noqa: PLR2004 - two halves of 32


def _note(text: str | None) -> str | None:
    from base64 import urlsafe_b64decode

    try:
        return None if not text else msgspec.json.decode(urlsafe_b64decode(text), type=str)
    except (ValueError, msgspec.DecodeError):
        return None
