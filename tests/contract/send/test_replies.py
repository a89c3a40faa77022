"""What a mail server's replies come to: what is about the recipient, the mail, or us and the server."""

import ssl

import pytest

from goniec.core.model import Failure
from goniec.send.replies import Reply, Stage, judge, judge_end, judge_silence

THERE = "mail.example port 25"


@pytest.mark.parametrize(
    ("stage", "said", "failure"),
    [
        (Stage.CONTENT, "250 2.0.0 Ok: queued as 4bXYZ", None),
        (Stage.CONTENT, "251 fine", None),
        # the server, or we
        (Stage.GREETING, "554 5.7.1 Service unavailable; Client host [203.0.113.4] blocked", Failure.MAIL_REFUSED),
        (Stage.GREETING, "521 mail.example does not accept mail", Failure.MAIL_REFUSED),
        (Stage.GREETING, "421 4.3.2 too many connections", Failure.MAIL_BUSY),
        (Stage.GREETING, "450 4.3.2 try again", Failure.MAIL_BUSY),
        (Stage.GREETING, "200 OK", Failure.NOT_SMTP),
        (Stage.HELLO, "550 5.7.1 no", Failure.MAIL_REFUSED),
        (Stage.TLS, "454 4.7.0 TLS not available", Failure.MAIL_BUSY),
        (Stage.TLS, "502 5.5.1 no", Failure.MAIL_REFUSED),
        (Stage.LOGIN, "535 5.7.8 Authentication failed", Failure.MAIL_LOGIN),
        (Stage.LOGIN, "504 5.5.4 Unrecognized authentication type", Failure.MAIL_LOGIN),
        (Stage.LOGIN, "454 4.7.0 Temporary authentication failure", Failure.MAIL_BUSY),
        (Stage.SENDER, "530 5.7.0 Authentication required", Failure.MAIL_LOGIN),
        (Stage.RECIPIENT, "530 5.7.0 Must issue a STARTTLS command first", Failure.MAIL_LOGIN),
        (Stage.SENDER, "503 5.5.1 Error: send HELO/EHLO first", Failure.MAIL_REFUSED),
        (Stage.RECIPIENT, "504 5.5.2 <x>: Helo command rejected: need fully-qualified hostname", Failure.MAIL_REFUSED),
        (Stage.SENDER, "452 4.3.1 Insufficient system storage", Failure.MAIL_BUSY),
        (Stage.CONTENT, "421 4.3.0 shutting down", Failure.MAIL_BUSY),
        (Stage.RECIPIENT, "421 4.7.0 try again later", Failure.MAIL_BUSY),
        # the mail
        (Stage.SENDER, "550 5.1.0 sender rejected", Failure.MESSAGE_REFUSED),
        (Stage.SENDER, "552 5.3.4 Message size exceeds fixed limit", Failure.MESSAGE_REFUSED),
        (Stage.SENDER, "451 4.1.8 Domain of sender address does not resolve", Failure.MESSAGE_DEFERRED),
        (Stage.RECIPIENT, "554 5.7.1 <x@y>: Relay access denied", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "550 5.7.26 unauthenticated mail is prohibited", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "553 5.1.8 <x@y>: Sender address rejected: Domain not found", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "552 5.2.3 message too long for this mailbox", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "552 5.3.4 message too big for system", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "554 no", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "550 relay.example said 5.7.1 no", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "550 5.1.9 non-compliant", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "550 5.4.6 mail loops back to itself", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "501 5.5.4 Invalid domain name", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "550 relaying denied", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "550 <x@relay.y>: not permitted to relay", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "550 5.1.0 x@y: Sender address rejected", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "550 Access denied", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "550 Administrative prohibition", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "550 Your IP is listed in bl.spamcop.example", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "550 unable to verify sender domain", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "553 Sender rejected", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "501 no", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "550 blocked using zen.spamhaus.example", Failure.MESSAGE_REFUSED),
        (Stage.RECIPIENT, "550 Client host rejected: cannot find your reverse DNS", Failure.MESSAGE_REFUSED),
        (Stage.CONTENT, "554 invalid address in the header From", Failure.MESSAGE_REFUSED),
        (Stage.DATA, "554 no valid recipients", Failure.MESSAGE_REFUSED),
        (Stage.DATA, "250 OK", Failure.NOT_SMTP),
        (Stage.CONTENT, "554 5.7.1 spam", Failure.MESSAGE_REFUSED),
        (Stage.CONTENT, "550 looks like spam", Failure.MESSAGE_REFUSED),
        (Stage.CONTENT, "550 5.6.0 broken", Failure.MESSAGE_REFUSED),
        (Stage.CONTENT, "552 5.3.4 too big", Failure.MESSAGE_REFUSED),
        (Stage.CONTENT, "552 too much", Failure.MESSAGE_REFUSED),
        (Stage.CONTENT, "451 4.7.1 Greylisting in action", Failure.MESSAGE_DEFERRED),
        (Stage.CONTENT, "451 4.3.0 queue file write error", Failure.MESSAGE_DEFERRED),
        # the recipient
        (Stage.RECIPIENT, "550 5.1.1 <x@y>: Recipient address rejected: User unknown", Failure.RECIPIENT_REFUSED),
        (
            Stage.RECIPIENT,
            "550-5.1.1 The email account that you tried to reach\n5.1.1 does not exist",
            Failure.RECIPIENT_REFUSED,
        ),
        (Stage.RECIPIENT, "550 no such user", Failure.RECIPIENT_REFUSED),
        (Stage.RECIPIENT, "550 <spam.blocked@y>: no such user", Failure.RECIPIENT_REFUSED),
        (Stage.RECIPIENT, "554 <x@y>: Recipient address rejected: user unknown", Failure.RECIPIENT_REFUSED),
        (Stage.RECIPIENT, "550 5.4.4 no host takes mail for it", Failure.RECIPIENT_REFUSED),
        (Stage.RECIPIENT, "501 5.1.3 Bad recipient address syntax", Failure.RECIPIENT_REFUSED),
        (Stage.RECIPIENT, "550 5.2.1 mailbox disabled", Failure.RECIPIENT_REFUSED),
        (Stage.RECIPIENT, "550 5.4.1 Recipient address rejected: Access denied", Failure.RECIPIENT_REFUSED),
        (Stage.RECIPIENT, "556 5.1.10 domain has a null MX", Failure.RECIPIENT_REFUSED),
        (Stage.RECIPIENT, "551 user not local", Failure.RECIPIENT_REFUSED),
        (Stage.RECIPIENT, "556 no mail for it", Failure.RECIPIENT_REFUSED),
        (Stage.RECIPIENT, "550 5.5.0 Requested action not taken: mailbox unavailable", Failure.RECIPIENT_REFUSED),
        (Stage.CONTENT, "550 5.1.1 no such user", Failure.RECIPIENT_REFUSED),
        (Stage.CONTENT, "550 5.2.1 disabled", Failure.RECIPIENT_REFUSED),
        (Stage.RECIPIENT, "451 4.7.1 Greylisting in action, please come back later", Failure.RECIPIENT_DEFERRED),
        (Stage.RECIPIENT, "450 mailbox busy", Failure.RECIPIENT_DEFERRED),
        # a full mailbox is somebody's, and may be emptied
        (Stage.RECIPIENT, "552 5.2.2 mailbox full", Failure.RECIPIENT_DEFERRED),
        (Stage.RECIPIENT, "552 quota exceeded", Failure.RECIPIENT_DEFERRED),
        (Stage.RECIPIENT, "550 mailbox is full", Failure.RECIPIENT_DEFERRED),
        (Stage.RECIPIENT, "554 5.0.0 over quota", Failure.RECIPIENT_DEFERRED),
        (Stage.CONTENT, "552 5.2.2 over quota", Failure.RECIPIENT_DEFERRED),
        # no code of RFC 3463, though it looks like one
        (Stage.RECIPIENT, "550 5.7.1.4 is no number that we know: no such user", Failure.RECIPIENT_REFUSED),
        (Stage.CONTENT, "999 what", Failure.NOT_SMTP),
        (Stage.CONTENT, "354 go on", Failure.NOT_SMTP),
    ],
)
def test_replies(stage: Stage, said: str, failure: Failure | None) -> None:
    verdict = judge(Reply(stage, int(said[:3]), said[4:]), THERE)
    assert verdict.failure is failure
    assert THERE in verdict.detail
    assert verdict.detail.endswith(").") or failure is Failure.NOT_SMTP
    assert said[:3] in verdict.detail
    assert "\n" not in verdict.detail


def test_a_reply_is_shown_on_one_short_line_and_kept_as_it_came() -> None:
    reply = Reply(Stage.RECIPIENT, 550, f"5.1.1 no\x07\nsuch\tuser.\n{'x' * 9000}")
    assert "(550: 5.1.1 no such user. xxx" in judge(reply, THERE).detail
    assert len(judge(reply, THERE).detail) < 300
    assert reply.raw.startswith(b"550-5.1.1 no\x07\r\n550-such\tuser.\r\n550 xxx")
    assert len(reply.raw) == 4096


def test_words_that_are_no_utf_8_come_back_as_they_were() -> None:
    assert Reply(Stage.DATA, 451, b"pe\xb3no".decode(errors="surrogateescape")).raw == b"451 pe\xb3no\r\n"


@pytest.mark.parametrize("stage", Stage)
def test_whether_a_mail_may_have_been_taken_is_said(stage: Stage) -> None:
    ended, silent = judge_end(stage, ConnectionResetError(), THERE), judge_silence(stage, 30, THERE)
    assert ended.failure is Failure.RESET
    assert silent.failure is (Failure.CONNECT_TIMEOUT if stage is Stage.CONNECT else Failure.TIMEOUT)
    for detail in (ended.detail, silent.detail):
        assert ("may have been taken" in detail) is (stage is Stage.CONTENT)
    assert "30 s" in silent.detail


def test_a_tls_error_without_a_reason() -> None:
    assert judge_end(Stage.TLS, ssl.SSLError(), THERE).failure is Failure.TLS
