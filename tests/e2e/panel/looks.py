"""All that there is to look at in the panel: its pages, and its forms as they come back when something is wrong.

`test_pages` looks at them in a browser, `test_untranslated` reads them. What stands in braces is one of the ids that
`inhabited` gives. The tests here see to it that a page or a form that is new is named, too.
"""

import re
from typing import Any, Final

from msgspec import Struct

from goniec.web.panel.routes import PAGES as ROUTES
from tests.e2e.engine import Engine
from tests.e2e.panel.client import make_user
from tests.e2e.panel.life import enliven

ALA: Final = "ala@example.com"
"""The only administrator."""
JAN: Final = "jan@example.com"
"""Somebody who only looks."""

PAGES: Final = {
    "overview": "/",
    "rules": "/rules",
    "rule": "/rules/{rule}",
    "rule-new": "/rules/new",
    "rule-test": "/rules/{rule}/test",
    "rule-runs": "/rules/{rule}/runs",
    "rule-delete": "/rules/{rule}/delete",
    "messages": "/messages",
    "message": "/messages/{message}",
    "message-new": "/messages/new",
    "message-delete": "/messages/{unused}/delete",
    "message-kept": "/messages/{message}/delete",
    "rule-mail": "/rules/{greeting}",
    "mail": "/deliveries/{mail}",
    "mail-server": "/endpoints/{server}",
    "mail-server-edit": "/endpoints/{server}/edit",
    "mail-settings": "/settings/mail",
    "deliveries": "/deliveries",
    "deliveries-cancelling": "/deliveries/cancelling?status=pending&endpoint={endpoint}",
    "deliveries-kept": "/deliveries/cancelling",
    "job": "/jobs/{job}",
    "delivery": "/deliveries/{delivered}",
    "delivery-pending": "/deliveries/{pending}",
    "contacts": "/contacts",
    "contact": "/contacts/{contact}",
    "contact-new": "/contacts/new",
    "contact-edit": "/contacts/{contact}/edit",
    "contact-erase": "/contacts/{contact}/erase",
    "contact-event": "/contacts/{contact}/events/{event}",
    "why": "/contacts/{contact}/why?rule={rule}",
    "why-asked": "/contacts/{contact}/why",
    "endpoints": "/endpoints",
    "endpoint": "/endpoints/{endpoint}",
    "endpoint-edit": "/endpoints/{endpoint}/edit",
    "endpoint-password": "/endpoints/{endpoint}/password",
    "endpoint-certificate": "/endpoints/{endpoint}/certificate",
    "endpoint-oauth2": "/endpoints/{endpoint}/oauth2",
    "endpoint-secret": "/endpoints/{endpoint}/secret",
    "endpoint-delete": "/endpoints/{spare}/delete",
    "endpoint-resend": "/endpoints/{endpoint}/resend",
    "endpoint-kept": "/endpoints/{endpoint}/delete",
    "keys": "/keys",
    "key-new": "/keys/new",
    "key-revoke": "/keys/{key}/revoke",
    "users": "/users",
    "user-new": "/users/new",
    "user": "/users/{jan}",
    "user-self": "/users/{ala}",
    "user-remove": "/users/{jan}/remove",
    "account": "/account",
    "search": "/search?q=anna",
    "search-nothing": "/search?q=xyzzy",
    "welcome": "/welcome",
    "not-found": "/nothing",
    "not-found-rule": "/rules/rul_nothing",
}
"""Every page of an administrator by its name."""

STRANGERS: Final = {"sign-in": "/login", "first-run": "/first-run"}
"""The pages of who is not signed in; the last one only while there is no user."""

MISSING: Final = frozenset({"not-found", "not-found-rule"})

UNSHOWN: Final = {
    *("rule-test", "contact-edit", "contact-erase", "contact-event", "why-asked", "endpoint-edit", "endpoint-password"),
    *("endpoint-secret", "endpoint-delete", "endpoint-kept", "key-new", "key-revoke", "user-new", "user", "user-self"),
    *("endpoint-resend", "deliveries-cancelling", "deliveries-kept", "job"),
    *("user-remove", "search-nothing", "not-found-rule", "endpoint-certificate"),
    *("endpoint-oauth2", "message-new", "message-delete", "message-kept", "mail-server-edit", "rule-mail"),
}
SHOWN: Final = {"sign-in", *PAGES} - UNSHOWN
"""What the documents have pictures of."""

NO_PAGES: Final = {
    "/overview/now": "a part of the overview",
    "/overview/feed": "a part of the overview",
    "/contacts/{id}/news": "a part of a contact's page",
    "/contacts/{id}/waiting": "a part of a contact's page",
    "/contacts/{id}/export": "a file",
    "/deliveries/export": "a file",
    "/deliveries/newer": "a part of the list",
    "/deliveries/{id}/state": "a part of a delivery's page",
}


class Refused(Struct, frozen=True, kw_only=True):
    """A form, and what is refused: the page that it stands on, where it goes, and the fields that are filled in."""

    page: str
    action: str
    fields: dict[str, str]
    status: int = 422


REFUSED: Final = {
    "account": Refused(page="account", action="/account", fields={"timezone": "Mars/Olympus"}),
    "account-password": Refused(page="account", action="/account/password", fields={"present": "x", "password": "y"}),
    "rule-new": Refused(page="rule-new", action="/rules/new", fields={"name": "", "do": "save"}),
    "rule": Refused(page="rule", action="/rules/{rule}", fields={"name": "", "do": "save"}),
    "rule-delete": Refused(page="rule-delete", action="/rules/{rule}/delete", fields={"tag": "another"}, status=409),
    "message-new": Refused(
        page="message-new", action="/messages/new", fields={"name": "", "html": "{% if x %}", "do": "save"}
    ),
    "message": Refused(
        page="message", action="/messages/{message}", fields={"subject": "", "from": "sklep", "do": "save"}
    ),
    "message-changed": Refused(
        page="message",
        action="/messages/{message}",
        fields={"tag": "another", "name": "Powitanie", "subject": "Witaj", "text": "Witaj", "do": "save"},
        status=412,
    ),
    "message-delete": Refused(
        page="message-delete", action="/messages/{unused}/delete", fields={"tag": "another"}, status=409
    ),
    "contact": Refused(page="contact", action="/contacts/{contact}", fields={"tag": " ", "do": "addTag"}),
    "contact-new": Refused(page="contact-new", action="/contacts/new", fields={"email": "anna", "do": "save"}),
    "contact-known": Refused(
        page="contact-new",
        action="/contacts/new",
        fields={"email": "anna.wisniewska@zlotyklos.example", "do": "save"},
        status=409,
    ),
    "contact-edit": Refused(
        page="contact-edit", action="/contacts/{contact}/edit", fields={"email": "anna", "do": "save"}
    ),
    "contact-erase": Refused(page="contact-erase", action="/contacts/{contact}/erase", fields={"confirm": "anna"}),
    "endpoint-edit": Refused(
        page="endpoint-edit",
        action="/endpoints/{endpoint}/edit",
        fields={"timeout": "99", "schedule": "x", "do": "save"},
    ),
    "endpoint-password": Refused(
        page="endpoint-password", action="/endpoints/{endpoint}/password", fields={"auth": "1", "username": ""}
    ),
    "endpoint-certificate": Refused(
        page="endpoint-certificate", action="/endpoints/{endpoint}/certificate", fields={"certificate": "x"}
    ),
    "endpoint-oauth2": Refused(
        page="endpoint-oauth2", action="/endpoints/{endpoint}/oauth2", fields={"tokenUrl": "x", "clientId": "y"}
    ),
    "endpoint-secret": Refused(page="endpoint-secret", action="/endpoints/{endpoint}/secret", fields={"secret": "x"}),
    "endpoint-delete": Refused(
        page="endpoint-delete", action="/endpoints/{spare}/delete", fields={"tag": "another"}, status=409
    ),
    "endpoint-resend": Refused(
        page="endpoint-resend", action="/endpoints/{endpoint}/resend", fields={"since": "", "rate": "0"}
    ),
    "deliveries-cancelling": Refused(
        page="deliveries-cancelling", action="/deliveries/cancelling", fields={"status": "failed"}
    ),
    "mail-server-edit": Refused(
        page="mail-server-edit", action="/endpoints/{server}/edit", fields={"rate": "0", "timeout": "99", "do": "save"}
    ),
    "mail-settings": Refused(
        page="mail-settings", action="/settings/mail", fields={"quietHours/from": "21:00", "perDay": "0"}
    ),
    "key-new": Refused(page="key-new", action="/keys/new", fields={"name": "", "scope": "read"}),
    "user-new": Refused(
        page="user-new", action="/users/new", fields={"email": "ola", "role": "viewer", "password": "x"}
    ),
    "user": Refused(page="user", action="/users/{jan}", fields={"role": "viewer", "timezone": "Mars/Olympus"}),
    "user-changed": Refused(
        page="user", action="/users/{jan}", fields={"role": "viewer", "name": "Jan", "tag": "another"}, status=412
    ),
    "user-own-rights": Refused(page="user-self", action="/users/{ala}", fields={"role": "viewer"}),
    "user-password": Refused(page="user", action="/users/{jan}/password", fields={"password": "x"}),
    "user-remove": Refused(page="user-remove", action="/users/{jan}/remove", fields={"tag": "another"}, status=412),
}
"""What an administrator may get back."""

REFUSED_AT_THE_DOOR: Final = {
    "sign-in": Refused(
        page="sign-in", action="/login", fields={"email": "ola@example.com", "password": "wrong"}, status=401
    ),
    "first-run": Refused(
        page="first-run", action="/first-run", fields={"email": "ala", "password": "x", "timezone": "Mars/Olympus"}
    ),
}

SHOWN_ONCE: Final = {
    "key-made": Refused(page="key-new", action="/keys/new", fields={"name": "sklep-2", "scope": "read"}, status=200),
    "endpoint-secret-made": Refused(
        page="endpoint-secret", action="/endpoints/{endpoint}/secret", fields={"secret": ""}, status=200
    ),
    "user-password-made": Refused(
        page="user-new", action="/users/new", fields={"email": "ola@example.com", "role": "viewer"}, status=200
    ),
}
"""What is accepted, and answered with a page and not with the way to one."""

NEVER_BACK: Final = {
    "/account/sign-out": "a button",
    "/account/sign-out-everywhere": "a button",
    "/contacts/{id}/export": "a button",
    "/deliveries/cancel": "goes back to the list with a note",
    "/deliveries/resend": "goes back to the list with a note",
    "/deliveries/{id}/cancel": "a button",
    "/deliveries/{id}/resend": "a button",
    "/endpoints/{id}/pause": "a button",
    "/endpoints/{id}/resume": "a button",
    "/jobs/{id}/stop": "a button",
    "/keys/{id}/revoke": "has nothing that could be wrong",
    "/logout": "a button",
    "/messages/preview": "a part of a message's page",
    "/messages/{id}/test": "a part of a message's page",
    "/rules/preview": "a part of a rule's page",
    "/rules/{id}/switch": "a button",
    "/rules/{id}/test": "a part of a rule's page",
    "/welcome": "a button",
}


async def inhabited(engine: Engine, **how: Any) -> dict[str, str]:
    """Let things happen where two people have accounts; gives the ids."""
    await make_user(engine, ALA, "admin", "Ala Nowak")
    await make_user(engine, JAN, "viewer", "Jan Lis")
    users = {one["email"]: one["id"] for one in (await engine.get("/users"))["items"]}
    return await enliven(engine, **how) | {"ala": users[ALA], "jan": users[JAN]}


def unnamed(method: str, *named: str) -> set[str]:
    """Which routes are not among these addresses."""
    known = {_shape(one) for one in named}
    return {one.path for one in ROUTES if one.method == method and _shape(one.path) not in known}


def _shape(path: str) -> str:
    return re.sub(r"{\w+}", "{}", path.partition("?")[0])
