"""Mail that came back, as each kind of server writes it, and mail that was made to be hard to read."""

import random

import pytest

from goniec.core.bounces import REASON_LIMIT, Report
from goniec.send.reports import MOST, PARTS, read
from tests.returned import FOLDER, TOKEN, sample

ANNA = "anna@firma.example"
UNKNOWN = "550 5.1.1 <anna@firma.example>: Recipient address rejected: User unknown in virtual mailbox table"

TOLD = [
    ("postfix", Report(TOKEN, "hard", "5.1.1", UNKNOWN, ANNA)),
    (
        "postfix-expired",
        Report(TOKEN, "soft", "4.4.1", "connect to mail.firma.example[192.0.2.25]:25: Connection timed out", ANNA),
    ),
    (
        "postfix-no-host",
        Report(
            TOKEN,
            "hard",
            "5.4.4",
            "Host or domain name not found. Name service error for name=firma.invalid type=AAAA: Host not found",
            "anna@firma.invalid",
        ),
    ),
    (
        "postfix-delivered",
        Report(TOKEN, "delivered", "2.0.0", "250 2.0.0 delivered via dovecot service", ANNA),
    ),
    ("exim", Report(TOKEN, "hard", "5.0.0", "anna@firma.example Unrouteable address", ANNA)),
    (
        "exim-old",
        Report(
            TOKEN,
            "hard",
            "5.0.0",
            "SMTP error from remote mail server after RCPT TO:<anna@firma.example>: host mail.firma.example"
            " [192.0.2.25]: 550 No such user here",
            ANNA,
        ),
    ),
    (
        "exchange",
        Report(
            TOKEN,
            "hard",
            "5.1.10",
            "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
            ANNA,
        ),
    ),
    (
        "exchange-edge",
        Report(
            TOKEN,
            "hard",
            "5.4.1",
            "550 5.4.1 Recipient address rejected: Access denied."
            " [AM0EUR01FT001.eop-EUR01.prod.protection.outlook.example]",
            ANNA,
        ),
    ),
    (
        "gmail",
        Report(
            TOKEN,
            "hard",
            "5.1.1",
            "550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 double-checking"
            " the recipient's email address for typos or 550-5.1.1 unnecessary spaces. For more information, go to 550"
            " 5.1.1 https://support.google.example/mail/?p=NoSuchUser - gsmtp",
            "anna@poczta.example",
        ),
    ),
    (
        "gmail-full",
        Report(
            TOKEN,
            "soft",
            "4.2.2",
            "452-4.2.2 The recipient's inbox is out of storage space. Please direct the 452 4.2.2 recipient to"
            " https://support.google.example/mail/?p=OverQuotaTemp",
            "anna@poczta.example",
        ),
    ),
    (
        "qmail",
        Report(TOKEN, "hard", "5.1.1", "<anna@firma.example>: Sorry, no mailbox here by that name. (#5.1.1)", ANNA),
    ),
    (
        "qmail-remote",
        Report(
            TOKEN,
            "soft",
            "5.7.1",
            "192.0.2.25 does not like recipient. Remote host said: 550 5.7.1 Message rejected as spam by content"
            " scanner Giving up on 192.0.2.25.",
            ANNA,
        ),
    ),
    ("sendmail", Report(TOKEN, "soft", "5.2.2", "552 5.2.2 Over quota", ANNA)),
    ("international", Report(TOKEN, "hard", "5.1.1", "550 5.1.1 Nieznany użytkownik", "łukasz@firma.example")),
    ("wild-charset", Report(TOKEN, "hard", "5.1.1", "550 5.1.1 Nie ma takiego użytkownika [31m", ANNA)),
    ("prose-windows", Report(TOKEN, "hard", "5.1.1", "Serwer odpowiedział: 550 5.1.1 nieznany użytkownik", ANNA)),
    ("complaint", Report(TOKEN, "complaint", "", "abuse", "anna@poczta.example")),
    ("complaint-redacted", Report(TOKEN, "complaint", "", "abuse", None)),
]
SILENT = ["postfix-delayed", "exim-warning", "not-spam", "away", "answer", "forwarded"]


@pytest.mark.parametrize(("name", "told"), TOLD, ids=[name for name, _ in TOLD])
def test_what_a_server_reports(name: str, told: Report) -> None:
    assert read(sample(name)) == [told]


@pytest.mark.parametrize("name", SILENT)
def test_what_is_no_report(name: str) -> None:
    assert read(sample(name)) == []


def test_one_report_for_each_recipient() -> None:
    assert [(one.recipient, one.kind, one.code) for one in read(sample("two-recipients"))] == [
        (ANNA, "hard", "5.1.1"),
        ("jan@firma.example", "soft", "5.7.1"),
    ]


def test_every_sample_is_read_somewhere() -> None:
    known = {*(name for name, _ in TOLD), *SILENT, "two-recipients"}
    assert {path.stem for path in FOLDER.iterdir() if path.suffix in {".eml", ".bytes"}} == known


def test_upper_case_does_no_harm() -> None:
    (report,) = read(sample("qmail", TOKEN.upper()))
    assert report.token == TOKEN.upper()


def test_a_head_that_cannot_be_decoded_does_no_harm() -> None:
    broken = sample("postfix").replace(b"Subject: Undelivered", b"Subject: =?utf-8?b?A?= =?utf-8?q?=FF?= Undelivered")
    assert read(broken) == read(sample("postfix"))


def test_a_notification_may_be_encoded() -> None:
    plain = sample("sendmail").replace(
        b"message/delivery-status\r\n", b"message/delivery-status\r\nContent-Transfer-Encoding: quoted-printable\r\n"
    )
    assert read(plain.replace(b"Over quota", b"Over=20quota")) == read(sample("sendmail"))


def test_a_bounce_of_somebody_elses_mail_has_no_token() -> None:
    (report,) = read(sample("postfix", "jan", "20261126.1@example.com"))
    assert report.token is None


def test_prose_about_somebody_elses_mail_is_no_report() -> None:
    assert read(sample("qmail", "jan", "20261126.1@example.com")) == []


def test_nothing_breaks_the_reader() -> None:
    """Bytes changed, cut out and doubled at random places: whatever is read is of the shape that was promised."""
    chance = random.Random(6)
    for path in sorted(FOLDER.glob("*.*")):
        whole = sample(path.stem) if path.suffix != ".py" else b""
        for _ in range(30):
            raw = bytearray(whole)
            for _ in range(chance.randrange(1, 8)):
                at = chance.randrange(len(raw) + 1)
                end = at + chance.randrange(60)
                raw[at:end] = chance.choice(
                    [b"", chance.randbytes(8), raw[at:end] * 2, b"\r\n\r\n", b"=?klingon?b?/w==?=", b"\0", b"--"]
                )
            for report in read(bytes(raw)):
                assert report.reason.isprintable()
                assert len(report.reason) <= REASON_LIMIT


def nested(depth: int) -> bytes:
    """Multiparts in multiparts, in the head of a bounce."""
    head = b"From: mailer-daemon@a.example\r\nTo: bounces+" + TOKEN.encode() + b"@example.com\r\nMIME-Version: 1.0\r\n"
    parts = [b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth)]
    return head + b"".join(parts) + b"Content-Type: text/plain\r\n\r\n550 5.1.1 user unknown\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 100,
        b"\xff\xfe\xfd" * 1000,
        b"\r\n" * 10_000,
        b"Subject: " + b"=?utf-8?q?" * 20_000,
        b"Content-Type: multipart/report; " + b'boundary="' * 20_000,
        b"Content-Type: text/plain; " + b'a*0="x;' * 30_000,
        b"To: " + b"(" * 200_000,
        b"From: " + b'"\\' * 100_000,
        b"Content-Type: message/delivery-status\r\n\r\n" + b"Action: failed\r\n\r\n" * 20_000,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 40_000,
        b"Content-Type: text/plain; charset=idna\r\n\r\nx",
        b"Content-Type: text/plain; charset=hex\r\nContent-Transfer-Encoding: base64\r\n\r\n=A=",
        b"Content-Type: text/plain; charset*=utf-16''%00\r\n\r\n\xff",
        b"From: mailer-daemon@a.example\r\n\r\n" + b"550 " * 60_000,
        b'Content-Type: text/plain; a="' + b'\\";' * 80_000,
        b"From: mailer-daemon@a.example\r\nTo: bounces+" + TOKEN.encode() + b"@example.com\r\n" + b"\n" * 200_000,
        nested(1_000),
        nested(150) + b"\n" * 200_000,
        nested(20),
    ],
    ids=range(20),
)
def test_what_was_made_to_break_the_reader_does_not(raw: bytes) -> None:
    assert all(isinstance(report, Report) for report in read(raw))


def test_a_mail_of_more_parts_than_anybody_sends_is_no_report() -> None:
    many = b"".join(b"\r\n--b\r\nX: %d\r\n\r\n550 5.1.1 user unknown\r\n" % n for n in range(PARTS))
    head = nested(0).partition(b"Content-Type")[0] + b"Content-Type: multipart/mixed; boundary=b\r\n"
    assert len(read(head + many.rpartition(b"\r\n--b")[0])) == 1
    assert read(head + many) == []


def test_only_the_beginning_of_a_large_mail_counts() -> None:
    large = sample("postfix") + b"\r\nNowa dostawa." * 1_500_000
    assert len(large) > 20_000_000
    assert read(large) == read(sample("postfix"))
    assert read(b"X: " + b"x" * MOST + b"\r\n" + sample("postfix")) == []
