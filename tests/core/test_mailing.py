from typing import Any

import pytest
from msgspec.structs import replace

from goniec.core.ids import MESSAGE, of_number
from goniec.core.mailing import Envelope, figures, opened, sealed
from goniec.core.model import Event

M = of_number(MESSAGE, 1)


def test_what_was_put_in_comes_out() -> None:
    envelope = Envelope(
        to="jan@example.com", sender="Sklep <a@b.example>", subject="Zażółć", html="<p>x</p>", version=3
    )
    assert opened(sealed(envelope)) == envelope


def test_the_names_outside_are_those_of_a_mail() -> None:
    body = sealed(Envelope(to="jan@example.com", sender="a@b.example", reply_to="c@d.example", subject="Hi"))
    assert body == b'{"to":"jan@example.com","from":"a@b.example","replyTo":"c@d.example","subject":"Hi"}'


def test_a_body_that_is_no_mail_is_none() -> None:
    assert opened(b"") is None
    assert opened(b'{"id":"rul_1"}') is None
    assert opened(b"\xff") is None


@pytest.mark.parametrize(
    ("kind", "data", "counted"),
    [
        ("email.sent", {}, ("sent",)),
        ("email.opened", {"first": True}, ("opened", "openedFirst")),
        ("email.opened", {"first": False}, ("opened",)),
        ("email.opened", {"machine": True}, ("byMachines",)),
        ("email.clicked", {"first": True}, ("clicked", "clickedFirst")),
        ("email.bounced", {"kind": "hard"}, ("bounced",)),
        ("email.bounced", {"kind": "soft"}, ("returned",)),
        ("email.bounced", {"kind": "soft", "first": True}, ("returned", "back")),
        ("contact.opted_out", {}, ("left",)),
        ("contact.opted_out", {"complaint": True}, ("complained", "left")),
        ("contact.opted_out", {"complaint": True, "old": False}, ("complained",)),
        ("page.visited", {}, ()),
    ],
)
def test_what_an_event_adds_to_the_figures_of_a_message(
    kind: str, data: dict[str, Any], counted: tuple[str, ...]
) -> None:
    event = Event(
        id="evt_1", type=kind, contact_id="c1", seq=1, occurred_at=0, received_at=0, source="tracking",
        data={"message": M, **data},
    )  # fmt: skip
    assert figures(event) == tuple(f"{M}:{name}" for name in counted)
    assert figures(replace(event, data=data)) == ()
    assert figures(replace(event, data={"message": "Offer for Jan", **data})) == ()
    assert figures(replace(event, source="api")) == (), "somebody else tells it"
