"""Mails as they go out: read back by a parser that nobody here wrote, and the same bytes each time."""

import re
from email import message_from_bytes, policy
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from goniec.core import tokens
from goniec.core.model import Failure
from goniec.send.mime import Composed, Site, Unsendable, compose
from tests.contract.send.mails import CONTACT, KEYS, MESSAGE, SITE, delivery, posting

HTML = """<html><body><p>Cześć, <a href="https://shop.example/?a=1&amp;b=[2]#c">sklep</a></p>
<p><a href="goniec:unsubscribe">wypisz</a></p></body></html>"""


def composed(site: Site = SITE, **values: Any) -> Composed:
    mail = compose(posting(**values), site)
    assert isinstance(mail, Composed)
    return mail


def read(mail: Composed) -> EmailMessage:
    message = message_from_bytes(mail.content, EmailMessage, policy=policy.default)
    assert message.defects == []
    for part in message.walk():
        assert part.defects == []
    return message


def content(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert isinstance(part, EmailMessage)
    text = part.get_content()
    assert isinstance(text, str)
    return text


def links(kind: str, text: str) -> list[str]:
    return re.findall(rf"https://goniec\.example/t/{kind}/([\w-]+)", text)


def test_a_marketing_mail_says_how_to_opt_out_and_tells_of_openings_and_clicks() -> None:
    mail = composed(html=HTML, text=None, marketing=True, tracked=True, message=MESSAGE, language="pl")
    message = read(mail)
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    (leave,) = links("u", message["List-Unsubscribe"])
    assert message["List-Unsubscribe"] == f"<https://goniec.example/t/u/{leave}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] is None
    assert message["Content-Language"] == "pl"
    html, text = content(message, "html"), content(message, "plain")
    (click,), (seen,) = links("c", html), links("o", html)
    ours = tokens.Mark(delivery(), CONTACT, MESSAGE)
    assert tokens.read_link(KEYS, click) == replace(ours, url="https://shop.example/?a=1&b=[2]#c")
    assert (tokens.read_seen(KEYS, seen), tokens.read_leave(KEYS, leave)) == (ours, ours)
    assert links("u", html) == [leave]
    assert "Cześć" in text
    assert "goniec:" not in html + text


def test_what_styles_hide_is_not_in_the_text_either() -> None:
    html = '<style>.list { display: none }</style><p class="list">only in lists of mails</p><p>for readers</p>'
    assert content(read(composed(html=html, text=None)), "plain").strip() == "for readers"


def test_what_is_not_tracked_has_the_authors_links_and_no_pixel() -> None:
    message = read(composed(html=HTML, message=MESSAGE))
    html = content(message, "html")
    assert "https://shop.example/?a=1&amp;b=[2]#c" in html
    assert (links("c", html), links("o", html), len(links("u", html))) == ([], [], 1)
    assert message["List-Unsubscribe"] is None
    assert message["Auto-Submitted"] == "auto-generated"


def test_a_notice_to_a_user_offers_no_opting_out() -> None:
    message = read(composed(html=HTML, text="goniec:unsubscribe"))
    assert links("u", message.as_string()) == []
    assert content(message, "plain").strip() == "https://goniec.example"


def test_plain_text_alone_is_one_part() -> None:
    message = read(composed(text="Wypisz: goniec:unsubscribe\n\n.\nFrom nowhere ", message=MESSAGE))
    assert message.get_content_type() == "text/plain"
    first, *rest = message.get_content().splitlines()
    assert re.fullmatch(r"Wypisz: https://goniec\.example/t/u/[\w-]+", first)
    assert rest == ["", ".", "From nowhere "]


def test_a_link_too_long_to_follow_leads_where_it_led() -> None:
    long = f"https://shop.example/{'x' * tokens.URL_BYTES}"
    html = content(read(composed(html=f'<a href="{long}">x</a>', tracked=True, message=MESSAGE)), "html")
    assert long in html
    assert links("c", html) == []


def test_the_same_mail_is_the_same_bytes() -> None:
    made = [composed(html=HTML, marketing=True, tracked=True, message=MESSAGE) for _ in range(2)]
    assert made[0] == made[1]
    message = read(made[0])
    assert str(message["Date"]) == "Sat, 29 Nov 2025 07:06:40 +0000"
    name, _, domain = message["Message-ID"].strip("<>").partition("@")
    assert (name.partition(".")[0], domain) == (delivery().lower(), "example.com")
    assert tokens.read_bounce(KEYS, name.partition(".")[2]) == delivery()
    assert made[0] != compose(posting(1, html=HTML, marketing=True, tracked=True, message=MESSAGE), SITE)


def test_reports_go_to_an_address_of_the_mails_own_where_there_is_one() -> None:
    local, _, domain = composed().sender.partition("@")
    assert (local.partition("+")[0], domain) == ("bounces", "example.com")
    assert tokens.read_bounce(KEYS, local.partition("+")[2]) == delivery()
    assert composed(replace(SITE, bounces=None)).sender == "goniec@example.com"


def test_a_message_may_have_a_sender_of_its_own() -> None:
    message = read(composed(sender="Sklep „Żółw”, Łódź <sklep@example.net>", reply_to="biuro@żółw.example"))
    (sender,) = message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Sklep „Żółw”, Łódź", "sklep@example.net")
    assert message["Message-ID"].endswith("@example.net>")
    assert message["Reply-To"] == "biuro@xn--w-uga1v8h.example"


@pytest.mark.parametrize("reply_to", ["", "nobody", "a@b, c@d", "żółw@example.com"])
def test_an_answer_goes_to_the_sender_where_there_is_no_other_address(reply_to: str) -> None:
    assert read(composed(reply_to=reply_to))["Reply-To"] is None


def test_the_head_of_a_mail_without_anything_odd_can_be_read() -> None:
    head = composed(subject="Your order", to="Jan Kowalski <jan@example.org>").content.partition(b"\r\n\r\n")[0]
    assert b'\r\nTo: "Jan Kowalski" <jan@example.org>\r\nSubject: Your order\r\n' in head


@pytest.mark.parametrize(
    ("to", "reached", "utf8"),
    [
        ("jan@example.org", "jan@example.org", False),
        ("Jan.O'Neil+x=y@sub.Example.org", "Jan.O'Neil+x=y@sub.Example.org", False),
        ("jan@żółw.example", "jan@xn--w-uga1v8h.example", False),
        ("żółw@żółw.example", "żółw@xn--w-uga1v8h.example", True),
        ("root@localhost", "root@localhost", False),
        ("jan@[127.0.0.1]", "jan@[127.0.0.1]", False),
        ("jan..k.@docomo.example", "jan..k.@docomo.example", False),
        ("jan@example.org\r\nBcc: x <y@example.org>", "y@example.org", False),
    ],
)
def test_recipients(to: str, reached: str, utf8: bool) -> None:  # noqa: FBT001 - a parameter of the test
    mail = composed(to=to)
    assert (mail.recipient, mail.utf8) == (reached, utf8)
    (line,) = re.findall(rb"^(?:To|Bcc): .*\r$", mail.content, re.MULTILINE)
    assert line.endswith((f" {reached}\r".encode(), f" <{reached}>\r".encode()))
    assert mail.content.isascii() is not utf8


@pytest.mark.parametrize(
    "to",
    [
        *("", " ", "jan", "jan@", "@example.org", "a@b@example.org", "a@b@c", "jan@exa mple.org", "jan k@example.org"),
        *("a@example.org, b@example.org", "<a@example.org", "a@example.org>", "jan@-.example", "jan@.example"),
        *("jan@example..org", "jan@żółw..example", "jan@example.org.", "jan\u2028k@example.org", "jan\x00@example.org"),
        *(f"{'x' * 65}@example.org", f"x@{'x.' * 130}org", '"jan k"@example.org', "jan@[x]"),
    ],
)
def test_nobody_can_be_reached_there(to: str) -> None:
    refused = compose(posting(to=to), SITE)
    assert isinstance(refused, Unsendable)
    assert refused.failure is Failure.RECIPIENT_INVALID
    assert refused.detail.startswith("The contact's e-mail address cannot be used: ")


@pytest.mark.parametrize("sender", ["nobody", "a@b, c@d", "Żółw <żółw@example.com>", None])
def test_a_sender_that_cannot_be_one_is_the_messages_fault(sender: str | None) -> None:
    refused = compose(posting(sender=sender), replace(SITE, sender=None))
    assert isinstance(refused, Unsendable)
    assert refused.failure is Failure.MESSAGE_REFUSED


def test_what_is_no_mail() -> None:
    refused = compose(replace(posting(), body=b"{}"), SITE)
    assert isinstance(refused, Unsendable)
    assert refused.failure is Failure.INTERNAL


NAMES = st.text(max_size=120)


@given(NAMES, st.text(max_size=400), st.text(min_size=1, max_size=120))
def test_nothing_breaks_out_of_a_head(name: str, subject: str, text: str) -> None:
    """Names and subjects that hold line ends, headers or encoded words arrive as texts, in lines that are not long."""
    name = name.replace("<", "").replace(">", "")
    mail = composed(to=f"{name} <jan@example.org>", subject=subject, text=text, sender=f"{name}<a@example.com>")
    lines = mail.content.split(b"\r\n")
    assert max(map(len, lines)) <= 200
    assert b"\r" not in b"".join(lines)
    assert b"\n" not in b"".join(lines)
    assert mail.content.isascii()
    message = read(mail)
    assert [name.lower() for name in message] == [
        *("from", "to", "subject", "date", "message-id", "mime-version", "content-language", "auto-submitted"),
        *("content-type", "content-transfer-encoding"),
    ]
    for header in (message["To"], message["From"]):
        assert isinstance(header, AddressHeader)
        assert len(header.addresses) == 1
    assert message["To"].addresses[0].addr_spec == "jan@example.org"
    expected = re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", subject).strip()
    assert message["Subject"] == expected
    arrived, sent = (re.sub("\r\n|\r", "\n", one).removesuffix("\n") for one in (message.get_content(), text))
    assert arrived == sent


@pytest.mark.parametrize(
    "text", ["Zażółć gęślą jaźń. " * 200, "Привет, мир! " * 200, "天" * 3000, "x=" * 1000, " \t\n" * 50]
)
def test_a_text_in_any_script_arrives_in_short_lines(text: str) -> None:
    mail = composed(text=text)
    _, _, body = mail.content.partition(b"\r\n\r\n")
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert mail.content.endswith(b"\r\n")
    assert read(mail).get_content().replace("\r\n", "\n").removesuffix("\n") == text.removesuffix("\n")
