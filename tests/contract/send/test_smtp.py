"""The sender of mails against a real server: what it takes, refuses and puts off, over connections that are kept."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest
import trustme

from goniec.core.model import Failure
from goniec.ports import Answer, Posting
from goniec.send import smtp
from goniec.send.mail import parse_server
from goniec.send.mime import Composed, compose
from goniec.send.smtp import SmtpSender
from tests.contract.send.mails import SITE, posting
from tests.contract.send.papers import self_made, serving
from tests.postbox import Postbox, free_port, postbox

IN_THE_OPEN: Final = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

Make = Callable[..., SmtpSender]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Senders that are closed in the end."""
    made = []

    def one(url: str, authority: trustme.CA | None = None) -> SmtpSender:
        ca_file = None
        if authority is not None:
            ca_file = tmp_path / "authority.pem"
            authority.cert_pem.write_to_path(ca_file)
        made.append(SmtpSender(parse_server(url), SITE, ca_file))
        return made[-1]

    yield one
    for sender in made:
        await sender.close()


def url(box: Postbox, login: str = "", tls: str = "never") -> str:
    return f"smtp://{login}127.0.0.1:{box.port}?starttls={tls}"


def to(number: int, box: Postbox) -> int:
    return sum(f"<{number}@example.org>" in str(letter["To"]) for letter in box.letters)


async def posted(sender: SmtpSender, mails: list[Posting]) -> list[Failure | None]:
    return [(await sender.post(mail)).failure for mail in mails]


async def test_a_mail_arrives_byte_for_byte_over_a_connection_that_is_kept(make: Make) -> None:
    text = ".\n..\n.Zażółć\n" + "x" * 3000 + "\n."
    with postbox() as box:
        sender = make(url(box))
        answers = [await sender.post(posting(n, text=text)) for n in range(3)]
        composed = [compose(posting(n, text=text), SITE) for n in range(3)]
        assert [isinstance(mail, Composed) and mail.content for mail in composed] == box.raw
    assert [answer.failure for answer in answers] == [None] * 3
    first = answers[0]
    assert (first.status, first.body, first.address) == (250, b"250 OK\r\n", f"127.0.0.1:{box.port}")
    assert first.sent is not None
    assert 0 <= first.sent <= first.millis
    assert first.detail == f"127.0.0.1 port {box.port} took the mail (250: OK)."
    assert box.letters[0].get_content().replace("\r\n", "\n") == f"{text}\n"
    assert box.to == [["jan@example.org"]] * 3
    assert box.senders == [mail.sender for mail in composed if isinstance(mail, Composed)]
    assert box.connections == 1
    assert box.options[0] == [f"SIZE={len(box.raw[0])}"]


@pytest.mark.parametrize(
    ("said", "failure"),
    [("554 5.1.1 unknown", Failure.RECIPIENT_REFUSED), ("451 4.7.1 later", Failure.RECIPIENT_DEFERRED)],
)
async def test_A65_one_refused_of_five_keeps_nothing_from_the_others(make: Make, said: str, failure: Failure) -> None:
    with postbox() as box:
        box.scripts = {"2@example.org": [said]}
        sender = make(url(box))
        mails = [posting(n, to=f"{n}@example.org") for n in range(5)]
        assert await posted(sender, mails) == [None, None, failure, None, None]
        assert box.to == [[f"{n}@example.org"] for n in (0, 1, 3, 4)]
        assert box.connections == 1
        # alone, and later
        assert await posted(sender, [mails[2]]) == [None]
        assert box.to[4:] == [["2@example.org"]]


async def test_A66_a_server_that_hangs_up_after_every_fifth_mail_gets_each_once(make: Make) -> None:
    with postbox() as box:
        box.patience = 5
        sender = make(url(box))
        assert await posted(sender, [posting(n, to=f"{n}@example.org") for n in range(23)]) == [None] * 23
        assert sorted(box.to) == sorted([f"{n}@example.org"] for n in range(23))
        assert box.connections == 5


async def test_A66_so_it_is_with_several_connections_at_once(make: Make) -> None:
    with postbox() as box:
        box.patience = 5
        sender = make(url(box))
        mails = [posting(n, to=f"{n}@example.org") for n in range(23)]
        told = await asyncio.gather(*(posted(sender, mails[start::3]) for start in range(3)))
        assert [failure for some in told for failure in some] == [None] * 23
        assert sorted(box.to) == sorted([f"{n}@example.org"] for n in range(23))


async def test_there_are_no_more_connections_than_mails_at_once(make: Make) -> None:
    with postbox() as box:
        sender = make(url(box))
        for _ in range(2):
            answers = await asyncio.gather(*(sender.post(posting(n)) for n in range(4)))
            assert [answer.failure for answer in answers] == [None] * 4
        assert box.connections == 4


async def test_a_connection_is_left_after_so_many_mails(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "MAILS", 2)
    with postbox() as box:
        assert await posted(make(url(box)), [posting(n) for n in range(5)]) == [None] * 5
        assert box.connections == 3


async def test_a_connection_that_nobody_needs_is_left(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "IDLE", 0.0)
    with postbox() as box:
        sender = make(url(box))
        assert await posted(sender, [posting()]) == [None]
        async with asyncio.timeout(30):
            while box.quits < 1:  # noqa: ASYNC110 - the server is in another thread
                await asyncio.sleep(0.01)
        assert await posted(sender, [posting()]) == [None]
        assert box.connections == 2


async def test_a_server_that_was_started_again_in_between_is_no_failure(make: Make) -> None:
    with postbox() as box:
        sender = make(url(box))
        assert await posted(sender, [posting()]) == [None]
    with postbox(box.port) as again:
        assert await posted(sender, [posting(1)]) == [None]
    assert (len(box.letters), len(again.letters)) == (1, 1)


@pytest.mark.parametrize(
    ("field", "said", "failure", "status"),
    [
        ("sender", "550 5.7.1 no", Failure.MESSAGE_REFUSED, 550),
        ("sender", "421 4.3.2 later", Failure.MAIL_BUSY, 421),
        ("recipient", "550 5.1.1 nobody", Failure.RECIPIENT_REFUSED, 550),
        ("answer", "554 5.7.1 spam", Failure.MESSAGE_REFUSED, 554),
        ("answer", "451 4.7.1 greylisted", Failure.MESSAGE_DEFERRED, 451),
    ],
)
async def test_a_refusal_at_each_step(make: Make, field: str, said: str, failure: Failure, status: int) -> None:
    with postbox() as box:
        setattr(box, field, said)
        sender = make(url(box))
        answer = await sender.post(posting())
        assert (answer.failure, answer.status, answer.body) == (failure, status, f"{said}\r\n".encode())
        assert said[4:] in answer.detail
        setattr(box, field, "250 OK")
        assert await posted(sender, [posting(1)]) == [None]
        assert len(box.letters) == 1


async def test_a_mail_that_is_too_long_is_not_even_sent(make: Make) -> None:
    with postbox(data_size_limit=2000) as box:
        sender = make(url(box))
        answer = await sender.post(posting(text="x" * 3000))
        assert (answer.failure, answer.status, answer.sent) == (Failure.MESSAGE_REFUSED, None, None)
        assert "takes 2000 at most" in answer.detail
        assert await posted(sender, [posting(1)]) == [None]
        assert box.connections == 1


async def test_an_address_that_needs_smtputf8(make: Make) -> None:
    mail = posting(to="żółw@żółw.example", text="Żółw")
    with postbox() as box:
        assert await posted(make(url(box)), [mail]) == [None]
        assert box.to == [["żółw@xn--w-uga1v8h.example"]]
        assert {"SMTPUTF8", "BODY=8BITMIME"} <= set(box.options[0])
        assert "To: żółw@xn--w-uga1v8h.example\r\n".encode() in box.raw[0]
    with postbox(enable_SMTPUTF8=False) as box:
        sender = make(url(box))
        answer = await sender.post(mail)
        assert (answer.failure, answer.sent) == (Failure.RECIPIENT_INVALID, None)
        assert "SMTPUTF8" in answer.detail
        assert await posted(sender, [posting(1)]) == [None]


async def test_an_address_that_cannot_be_one_asks_no_server(make: Make) -> None:
    answer = await make(f"smtp://127.0.0.1:{free_port()}").post(posting(to="a@b@c"))
    assert (answer.failure, answer.address) == (Failure.RECIPIENT_INVALID, None)


async def test_a_large_mail_arrives(make: Make) -> None:
    with postbox() as box:
        assert await posted(make(url(box)), [posting(text="zażółć\n" * 100_000)]) == [None]
        assert box.letters[0].get_content().count("zażółć") == 100_000


# --- no server, a wrong one, nobody there -----------------------------------------------------------------------------


async def test_without_a_server_a_mail_says_what_is_missing() -> None:
    answer = await SmtpSender(None, SITE).post(posting())
    assert answer.failure is Failure.MAIL_OFF
    assert "GONIEC_SMTP_URL" in answer.detail


async def test_nobody_there(make: Make) -> None:
    answer = await make(f"smtp://127.0.0.1:{free_port()}").post(posting())
    assert (answer.failure, answer.sent, answer.status) == (Failure.CONNECT, None, None)


async def test_a_name_that_is_none(make: Make) -> None:
    answer = await make("smtp://mail.invalid").post(posting())
    assert answer.failure is Failure.DNS
    assert "mail.invalid" in answer.detail


async def test_each_address_of_a_name_is_tried(make: Make) -> None:
    with postbox() as box:  # on IPv4 alone, and localhost may be ::1 first
        assert await posted(make(f"smtp://localhost:{box.port}?starttls=never"), [posting()]) == [None]


async def test_after_the_end_nothing_is_sent(make: Make) -> None:
    with postbox() as box:
        sender = make(url(box))
        await sender.close()
        assert await posted(sender, [posting()]) == [Failure.INTERNAL]
        assert box.letters == []


# --- login ------------------------------------------------------------------------------------------------------------


@IN_THE_OPEN
async def test_a_login(make: Make) -> None:
    with postbox(auth_required=True, auth_require_tls=False) as box:
        sender = make(url(box, "goniec:p%40ss@"))
        assert await posted(sender, [posting(n) for n in range(2)]) == [None, None]
        assert box.logins == [(b"goniec", b"p@ss")]


@IN_THE_OPEN
@pytest.mark.parametrize(
    ("denial", "failure"), [("535 5.7.8 no", Failure.MAIL_LOGIN), ("454 4.7.0 not now", Failure.MAIL_BUSY)]
)
async def test_a_login_that_is_refused(make: Make, denial: str, failure: Failure) -> None:
    with postbox(auth_required=True, auth_require_tls=False) as box:
        box.denial = denial
        answer = await make(url(box, "goniec:wrong@")).post(posting())
    assert (answer.failure, answer.status) == (failure, int(denial[:3]))
    assert "wrong" not in answer.detail


@IN_THE_OPEN
async def test_a_server_that_wants_a_login_that_we_do_not_have(make: Make) -> None:
    with postbox(auth_required=True, auth_require_tls=False) as box:
        answer = await make(url(box)).post(posting())
    assert (answer.failure, answer.status) == (Failure.MAIL_LOGIN, 530)


async def test_a_server_that_knows_no_login(make: Make) -> None:
    with postbox() as box:
        answer = await make(url(box, "goniec:p%40ss@")).post(posting())
    assert answer.failure is Failure.MAIL_LOGIN
    assert "GONIEC_SMTP_URL" in answer.detail


@IN_THE_OPEN
@pytest.mark.parametrize("said", ["535 wrong: p@s$", "535 wrong: cEBzJA==", "535 wrong: AGdvbmllYwBwQHMk"])
async def test_a_server_that_repeats_the_password_is_not_quoted(make: Make, said: str) -> None:
    with postbox(auth_required=True, auth_require_tls=False) as box:
        box.denial = said
        answer = await make(url(box, "goniec:p%40s$@")).post(posting())
    assert answer.failure is Failure.MAIL_LOGIN
    assert "repeated the password" in answer.detail
    assert (said[11:] in answer.detail, answer.body) == (False, b"")


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def test_starttls_where_the_server_offers_it(make: Make, authority: trustme.CA) -> None:
    tls = serving(authority.issue_cert("127.0.0.1"))
    with postbox(tls_context=tls, require_starttls=True) as box:
        for how in ("auto", "required"):
            assert await posted(make(url(box, tls=how), authority), [posting(), posting(1)]) == [None, None]
        assert box.connections == 2
        refused = await make(url(box)).post(posting())
        assert (refused.failure, refused.status) == (Failure.MAIL_LOGIN, 530)


async def test_tls_from_the_start(make: Make, authority: trustme.CA) -> None:
    with postbox(ssl_context=serving(authority.issue_cert("127.0.0.1"))) as box:
        sender = make(f"smtps://127.0.0.1:{box.port}", authority)
        assert await posted(sender, [posting(), posting(1)]) == [None, None]
        assert box.connections == 1


async def test_without_tls_nothing_is_sent_where_it_is_wanted(make: Make) -> None:
    with postbox() as box:
        answer = await make(url(box, "goniec:p%40ss@", "required")).post(posting())
        assert answer.failure is Failure.TLS
        assert "STARTTLS" in answer.detail
        answer = await make(f"smtps://127.0.0.1:{box.port}").post(posting())
        assert answer.failure is Failure.TLS
        assert "speak no TLS" in answer.detail
    assert box.letters == []


def expired(authority: trustme.CA, folder: Path) -> ssl.SSLContext:
    import datetime as dt

    return serving(authority.issue_cert("127.0.0.1", not_after=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)))


def of_another_name(authority: trustme.CA, folder: Path) -> ssl.SSLContext:
    return serving(authority.issue_cert("other.example"))


def of_a_stranger(authority: trustme.CA, folder: Path) -> ssl.SSLContext:
    return serving(trustme.CA().issue_cert("127.0.0.1"))


def signed_by_itself(authority: trustme.CA, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = folder / "self.pem"
    path.write_text("".join(self_made("127.0.0.1")))
    context.load_cert_chain(path)
    return context


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize(
    ("paper", "failure"),
    [
        (expired, Failure.TLS_EXPIRED),
        (of_another_name, Failure.TLS_HOST),
        (of_a_stranger, Failure.TLS_ISSUER),
        (signed_by_itself, Failure.TLS_SELF_SIGNED),
    ],
)
async def test_a_certificate_that_is_not_believed(
    make: Make,
    authority: trustme.CA,
    tmp_path: Path,
    paper: Callable[[trustme.CA, Path], ssl.SSLContext],
    failure: Failure,
    implicit: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    context = paper(authority, tmp_path)
    with postbox(None, **{"ssl_context" if implicit else "tls_context": context}) as box:
        answer: Answer = await make(
            f"smtps://127.0.0.1:{box.port}" if implicit else url(box, "goniec:p%40ss@", "required"), authority
        ).post(posting())
    assert (answer.failure, answer.status, answer.sent) == (failure, None, None)
    assert "certificate" in answer.detail
    assert (box.letters, box.logins) == ([], [])
