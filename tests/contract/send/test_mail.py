"""The mailer against a real server: login, TLS, refusals, and heads that nobody can smuggle anything into."""

import pytest

from goniec.ports import Mail, Undelivered
from goniec.send.mail import SmtpMailer, parse_sender, parse_server
from tests.postbox import free_port, postbox

MAIL = Mail("jan@example.com", "Zażółć gęślą jaźń", "Treść.\n", "end_1.1.dlv_1")

IN_THE_OPEN = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@IN_THE_OPEN
async def test_a_letter_arrives_whole_after_a_login() -> None:
    with postbox(auth_required=True, auth_require_tls=False) as box:
        server = parse_server(f"smtp://goniec:p%40ss@127.0.0.1:{box.port}?starttls=never")
        assert "p@ss" not in repr(server)
        await SmtpMailer(server, "goniec@example.com").send(MAIL)
    assert box.logins == [(b"goniec", b"p@ss")]
    (letter,) = box.letters
    assert (letter["Subject"], letter["To"]) == ("Zażółć gęślą jaźń", "jan@example.com")
    assert letter["Message-ID"] == "<end_1.1.dlv_1@example.com>"
    assert letter.get_content().splitlines() == ["Treść."]


@IN_THE_OPEN
async def test_a_password_is_not_sent_in_the_open() -> None:
    with postbox(auth_required=True, auth_require_tls=False) as box:
        server = parse_server(f"smtp://goniec:p%40ss@127.0.0.1:{box.port}")
        with pytest.raises(Undelivered) as caught:
            await SmtpMailer(server, "goniec@example.com").send(MAIL)
    assert not caught.value.final
    assert "p@ss" not in str(caught.value)
    assert (box.logins, box.letters) == ([], [])


@pytest.mark.parametrize("mail", [Mail("a@b\r\nBcc: c@d", "x", "x", "k"), Mail("a@b", "x\nBcc: c@d", "x", "k")])
async def test_a_line_end_in_a_head_is_refused(mail: Mail) -> None:
    with postbox() as box:
        server = parse_server(f"smtp://127.0.0.1:{box.port}")
        with pytest.raises(Undelivered, match="line end"):
            await SmtpMailer(server, "goniec@example.com").send(mail)
    assert box.letters == []


@pytest.mark.parametrize(
    ("said", "final"),
    [
        ("550 5.1.1 no such user", True),
        ("550 no", True),
        ("450 later", False),
        ("554 5.7.1 Relay access denied", False),
    ],
)
async def test_a_refusal_is_final_or_not(said: str, final: bool) -> None:  # noqa: FBT001 - a parameter of the test
    with postbox() as box:
        box.recipient = said
        with pytest.raises(Undelivered) as caught:
            await SmtpMailer(parse_server(f"smtp://127.0.0.1:{box.port}"), "goniec@example.com").send(MAIL)
    assert caught.value.final is final


async def test_a_letter_that_is_refused_whole_is_so_for_good() -> None:
    with postbox() as box:
        box.answer = "552 5.3.4 too big"
        with pytest.raises(Undelivered, match=r"552.*too big") as caught:
            await SmtpMailer(parse_server(f"smtp://127.0.0.1:{box.port}"), "goniec@example.com").send(MAIL)
    assert caught.value.final


async def test_a_sender_that_is_refused_is_ours_to_mend() -> None:
    with postbox() as box:
        box.sender = "553 5.1.8 no such sender"
        with pytest.raises(Undelivered, match="no such sender") as caught:
            await SmtpMailer(parse_server(f"smtp://127.0.0.1:{box.port}"), "goniec@example.com").send(MAIL)
    assert not caught.value.final


@IN_THE_OPEN
@pytest.mark.parametrize("said", ["535 wrong: p@s$", "535 wrong: cEBzJA==", "535 wrong: AGdvbmllYwBwQHMk"])
async def test_a_server_that_repeats_the_password_is_not_quoted(said: str) -> None:
    with postbox(auth_required=True, auth_require_tls=False) as box:
        box.denial = said
        server = parse_server(f"smtp://goniec:p%40s$@127.0.0.1:{box.port}?starttls=never")
        with pytest.raises(Undelivered, match=r"^the server repeated the password$") as caught:
            await SmtpMailer(server, "goniec@example.com").send(MAIL)
    assert not caught.value.final


async def test_nobody_there_is_no_end() -> None:
    with pytest.raises(Undelivered) as caught:
        await SmtpMailer(parse_server(f"smtps://127.0.0.1:{free_port()}"), "goniec@example.com").send(MAIL)
    assert not caught.value.final


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("smtp://mail.example", ("mail.example", 587, "auto")),
        ("smtp://u:p@mail.example:2525", ("mail.example", 2525, "required")),
        ("smtp://u:p@mail.example?starttls=auto", ("mail.example", 587, "auto")),
        ("smtp://mail.example?starttls=required", ("mail.example", 587, "required")),
        ("smtps://u:p@[::1]", ("::1", 465, "implicit")),
    ],
)
def test_servers(text: str, told: tuple[str, int, str]) -> None:
    server = parse_server(text)
    assert (server.host, server.port, server.tls) == told


@pytest.mark.parametrize(
    "text",
    [
        "mail.example",
        "http://mail.example",
        "smtp://",
        "smtp://mail.example:0",
        "smtp://mail.example:x",
        "smtp://u@mail.example",
        "smtp://mail.example/path",
        "smtp://mail.example?starttls=maybe",
        "smtps://mail.example?starttls=required",
        "smtp://mail.example?other=1",
    ],
)
def test_what_is_no_server(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|belong|starttls"):
        parse_server(text)


@pytest.mark.parametrize(
    "text", ["goniec@example.com", "Goniec <goniec@example.com>", '"Goniec, Inc." <g@example.com>']
)
def test_senders(text: str) -> None:
    assert parse_sender(text) == text


@pytest.mark.parametrize("text", ["goniec", "a@b, c@d", "G <a@b>\r\nBcc: c@d", "Goniec <goniec>"])
def test_what_is_no_sender(text: str) -> None:
    with pytest.raises(ValueError, match="e-mail address"):
        parse_sender(text)
