"""Somebody at the panel, without a browser: signs in, reads pages, sends forms as a browser would.

async with people(engine) as sign_in:
ala = await sign_in("admin")
page = await ala.get("/rules")
saved = await ala.send("/rules/new", {"name": "VIP", "actions/0/url": "inbox:"}, form_of=page)
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import Any, ClassVar, Literal
from urllib.parse import urlencode

import httpx
from typing_extensions import override

from goniec.cli.opened import Machine
from goniec.core.model import User
from goniec.flow.users import add_user
from goniec.store.address import Postgres
from goniec.store.opening import open_store
from goniec.store.passwords import Argon2
from tests.e2e.engine import NO_TLS, Engine

Role = Literal["admin", "editor", "viewer"]
Value = str | Sequence[str]

PASSWORD = "correct horse battery"


class Page:
    """An answer, and what stands in it."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.status = answer.status_code
        self.html = answer.text
        self._read = _Reader()
        if "html" in answer.headers.get("content-type", ""):
            self._read.feed(answer.text)

    @property
    def text(self) -> str:
        """What a person reads, in one line."""
        return " ".join(" ".join(self._read.text).split())

    @property
    def links(self) -> list[str]:
        """Where its links lead."""
        return self._read.links

    @property
    def fields(self) -> dict[str, list[str]]:
        """What its fields would send, by name, over all forms."""
        return self._read.fields

    @property
    def problems(self) -> list[str]:
        """The names of fields that are marked as wrong."""
        return self._read.invalid

    @property
    def location(self) -> str:
        """Where a redirect leads, without the host."""
        return str(self.answer.headers.get("location", ""))


class Person:
    """Somebody with a browser."""

    def __init__(self, url: str, language: str = "en") -> None:
        self.http = httpx.AsyncClient(
            base_url=url, headers={"accept": "text/html", "accept-language": language}, timeout=60, verify=NO_TLS
        )
        self.csrf = ""

    async def get(self, path: str, **headers: str) -> Page:
        """Open a page."""
        return self._seen(await self.http.get(path, headers=headers))

    async def send(self, path: str, form: Any = None, *, page: Any = None, **headers: str) -> Page:
        """Send a form: the fields of a `Page`, if given, with those of `form` (name → text or texts) over them."""
        fields: dict[str, Value] = dict(page.fields) if page else {}
        fields |= form or {}
        if "_csrf" not in (form or {}):
            fields["_csrf"] = self.csrf
        pairs = [
            (name, one) for name, value in fields.items() for one in ([value] if isinstance(value, str) else value)
        ]
        head = {"content-type": "application/x-www-form-urlencoded", **headers}
        return self._seen(await self.http.post(path, content=urlencode(pairs), headers=head))

    async def follow(self, page: Page) -> Page:
        """Go where a redirect leads."""
        assert page.status == 303, f"{page.status}: {page.text[:500]}"
        return await self.get(page.location)

    def _seen(self, answer: httpx.Response) -> Page:
        found = re.search(r'"x-csrf-token": "(\w*)"', answer.text)
        if found:
            self.csrf = found[1]
        return Page(answer)


SignIn = Callable[..., Awaitable[Person]]


@asynccontextmanager
async def people(engine: Engine) -> AsyncIterator[SignIn]:
    """Give the function that signs somebody in with a role (None: stays outside)."""
    there: list[Person] = []

    async def sign_in(role: Role | None = "admin", language: str = "en", email: str | None = None) -> Person:
        person = Person(engine.url, language)
        there.append(person)
        if role is not None:
            email = email or f"{role}@example.com"
            await make_user(engine, email, role)
            await person.get("/login")
            entered = await person.send("/login", {"email": email, "password": PASSWORD, "next": "/"})
            assert entered.status == 303, entered.text
            await person.follow(entered)
        return person

    yield sign_in
    for person in there:
        await person.http.aclose()


class Known(Argon2):
    """Hashes a password once in a run of tests, as that is meant to be hard work; what it gives is the real thing."""

    _kept: ClassVar[dict[str, str]] = {}

    @override
    async def hash(self, password: str) -> str:
        if password not in self._kept:
            self._kept[password] = await super().hash(password)
        return self._kept[password]


async def make_user(engine: Engine, email: str, role: Role, name: str = "") -> User | None:
    """Add a user beside the engine; one that is there stays."""
    machine = Machine()
    url = engine.settings.get("database")
    store = open_store(engine.folder / "goniec.db" if url is None else Postgres(url), server=False)
    try:
        made = await add_user(
            store, machine, machine, Known(), email=email, password=PASSWORD, role=role, name=name or role.title()
        )
    finally:
        await store.close()
    return made if isinstance(made, User) else None


class _Reader(HTMLParser):
    """Reads what a test asks of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.links: list[str] = []
        self.fields: dict[str, list[str]] = {}
        self.invalid: list[str] = []
        self._select: str | None = None
        self._option: str | None = None
        self._area: str | None = None
        self._hidden = 0

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: C901 - one arm per element
        given = dict(attrs)
        name = given.get("name") or ""
        if tag in {"script", "style", "title", "svg"}:
            self._hidden += 1
        if "href" in given and tag == "a":
            self.links.append(given["href"] or "")
        if given.get("aria-invalid") == "true":
            self.invalid.append(name)
        if "disabled" in given:
            return
        match tag:
            case "input" if given.get("type") in {"checkbox", "radio"}:
                if name and "checked" in given:
                    self._field(name, given.get("value") or "on")
            case "input" if name and given.get("type") not in {"submit", "button"}:
                self._field(name, given.get("value") or "")
            case "select":
                self._select, self._option = name, None
            case "option" if self._select is not None and (self._option is None or "selected" in given):
                value = given.get("value")
                self._option = value if value is not None else "\0"
            case "textarea":
                self._area = name
                self._field(name, "")
            case _:
                pass

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style", "title", "svg"}:
            self._hidden -= 1
        if tag == "select" and self._select:
            self._field(self._select, self._option or "")
            self._select = None
        if tag == "textarea":
            self._area = None

    @override
    def handle_data(self, data: str) -> None:
        if self._area:
            self.fields[self._area][-1] += data.removeprefix("\n")
        elif self._option == "\0":
            self._option = data.strip()
        elif not self._hidden and self._select is None:
            self.text.append(data)

    def _field(self, name: str, value: str) -> None:
        if name:
            self.fields.setdefault(name, []).append(value)
