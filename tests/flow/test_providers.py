"""What providers send, read: samples in the shape that each of them documents, and what is none."""

from typing import Any

import msgspec
import pytest

from goniec.core.ids import of_number
from goniec.core.problems import Problem
from goniec.core.tokens import bounce
from goniec.flow.bounces import Told
from goniec.flow.decoding import Malformed
from goniec.flow.feedback import Heard, read_provider
from goniec.flow.providers import PROVIDERS, to_confirm
from tests.core.build import NOW
from tests.flow.mails import ANNA, KEYS

D = of_number("dlv_", 7)
TOKEN = bounce(KEYS, D)
MESSAGE_ID = f"{D.lower()}.{TOKEN}@example.com"
AT = 1_453_906_778_237
WHEN = "2016-01-27T14:59:38.237Z"
UNKNOWN = "smtp;550 5.1.1 The email account that you tried to reach does not exist"


def read(provider: str, plain: object) -> list[Heard | list[Problem]]:
    return read_provider(msgspec.json.encode(plain), provider, KEYS, NOW)


def told(provider: str, plain: object) -> list[tuple[Told, str | None]]:
    found = read(provider, plain)
    assert all(isinstance(one, Heard) for one in found), found
    return [(one.told, one.delivery_id) for one in found if isinstance(one, Heard)]


# --- Postmark ---------------------------------------------------------------------------------------------------------


def of_postmark(**fields: Any) -> dict[str, Any]:
    return {
        "RecordType": "Bounce",
        "ID": 42,
        "Type": "HardBounce",
        "TypeCode": 1,
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Details": UNKNOWN,
        "Description": "The server was unable to deliver your message",
        "Email": "Anna@firma.example",
        "BouncedAt": "2016-01-27T14:59:38.2370000Z",
        "Content": f"Return-Path: <>\r\nMessage-ID: <{MESSAGE_ID}>\r\n",
        **fields,
    }


@pytest.mark.parametrize(
    ("plain", "kind"),
    [
        (of_postmark(), "hard"),
        (of_postmark(Type="SoftBounce"), "soft"),
        (of_postmark(Type="SpamComplaint"), "complaint"),
        (of_postmark(RecordType="SpamComplaint", Type=None), "complaint"),
    ],
)
def test_postmark(plain: dict[str, Any], kind: str) -> None:
    ((one, delivery_id),) = told("postmark", plain)
    assert (one.kind, one.email, one.at, delivery_id) == (kind, ANNA, AT, D)
    if kind in {"hard", "soft"}:
        assert (one.code, one.reason) == ("5.1.1", UNKNOWN)


def test_postmark_tells_what_arrived_and_what_is_none_of_it() -> None:
    arrived = {"RecordType": "Delivery", "Recipient": ANNA, "DeliveredAt": WHEN}
    assert told("postmark", arrived) == [(Told(kind="delivered", email=ANNA, at=AT), None)]
    ((one, _),) = told("postmark", of_postmark(Details="", Content=None))
    assert one.reason == "The server was unable to deliver your message"
    others: list[object] = [of_postmark(Type="AutoResponder"), of_postmark(RecordType="Open"), [], 5, None]
    for other in others:
        assert read("postmark", other) == []


# --- SendGrid ---------------------------------------------------------------------------------------------------------


def of_sendgrid(**fields: Any) -> dict[str, Any]:
    return {
        "email": ANNA,
        "timestamp": AT // 1_000,
        "smtp-id": f"<{MESSAGE_ID}>",
        "event": "bounce",
        "sg_event_id": "x",
        "reason": "550 5.1.1 unknown recipient",
        "status": "5.1.1",
        "type": "bounce",
        **fields,
    }


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, "hard"),
        ({"status": "5.7.1", "reason": "550 5.7.1 spam"}, "soft"),
        ({"type": "blocked"}, "soft"),
        ({"event": "dropped", "reason": "Bounced Address"}, "hard"),
        ({"event": "dropped", "reason": "Spam Reporting Address"}, "complaint"),
        ({"event": "spamreport"}, "complaint"),
        ({"event": "delivered"}, "delivered"),
    ],
)
def test_sendgrid(fields: dict[str, Any], kind: str) -> None:
    ((one, delivery_id),) = told("sendgrid", [of_sendgrid(**fields)])
    assert (one.kind, one.email, one.at, delivery_id) == (kind, ANNA, AT // 1_000 * 1_000, D)


def test_sendgrid_tells_several_and_more_than_is_asked() -> None:
    events = [of_sendgrid(event="open"), of_sendgrid(), 5, of_sendgrid(event="dropped", reason=None)]
    assert len(read("sendgrid", [*events, of_sendgrid(event="deferred")])) == 1
    assert read("sendgrid", {"event": "bounce"}) == []
    ((one, _),) = told("sendgrid", [of_sendgrid(timestamp=True, status="550", reason="550 no such user")])
    assert (one.at, one.code, one.kind) == (None, "5.0.0", "hard")
    for odd in (float("1e300"), -1, "yesterday", None, 2**40):
        ((one, _),) = told("sendgrid", [of_sendgrid(timestamp=odd, status="9.1.1")])
        assert (one.at, one.code) == (None, "5.1.1")


# --- Mailgun ----------------------------------------------------------------------------------------------------------


def of_mailgun(**fields: Any) -> dict[str, Any]:
    return {
        "signature": {"timestamp": "1529006854", "token": "t", "signature": "s"},
        "event-data": {
            "event": "failed",
            "severity": "permanent",
            "reason": "bounce",
            "timestamp": AT / 1_000,
            "recipient": ANNA,
            "delivery-status": {"code": 550, "enhanced-code": "5.1.1", "message": "no such user"},
            "message": {"headers": {"message-id": MESSAGE_ID}},
            **fields,
        },
    }


@pytest.mark.parametrize(
    ("fields", "kind", "reason"),
    [
        ({}, "hard", "550 no such user"),
        ({"delivery-status": {"code": 554, "message": "554 5.7.1 policy"}}, "soft", "554 5.7.1 policy"),
        ({"delivery-status": {"description": "later"}}, "soft", "later"),
        ({"reason": "suppress-bounce", "delivery-status": {"code": 605}}, "hard", "605"),
        ({"event": "complained"}, "complaint", ""),
        ({"event": "delivered"}, "delivered", ""),
    ],
)
def test_mailgun(fields: dict[str, Any], kind: str, reason: str) -> None:
    ((one, delivery_id),) = told("mailgun", of_mailgun(**fields))
    assert (one.kind, one.reason, one.email, one.at, delivery_id) == (kind, reason, ANNA, AT, D)


def test_mailgun_goes_on_trying_what_failed_for_now() -> None:
    assert read("mailgun", of_mailgun(severity="temporary")) == []
    assert read("mailgun", of_mailgun(event="opened")) == []
    assert read("mailgun", []) == []
    plain = of_mailgun(message=None, envelope={"sender": f"bounces+{TOKEN}@example.com"})["event-data"]
    ((_, delivery_id),) = told("mailgun", plain)
    assert delivery_id == D


# --- Amazon SES -------------------------------------------------------------------------------------------------------


def of_ses(**fields: Any) -> dict[str, Any]:
    return {
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [
                {"emailAddress": ANNA, "action": "failed", "status": "5.1.1", "diagnosticCode": UNKNOWN}
            ],
            "timestamp": WHEN,
        },
        "mail": {"source": f"bounces+{TOKEN}@example.com", "messageId": "0000-1111", "destination": [ANNA]},
        **fields,
    }


def sns(message: object) -> dict[str, Any]:
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:…", "Message": msgspec.json.encode(message).decode()}


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        (of_ses(), Told(kind="hard", code="5.1.1", reason=UNKNOWN, email=ANNA, at=AT)),
        (
            of_ses(
                bounce={"bounceType": "Transient", "bouncedRecipients": [{"emailAddress": ANNA}], "timestamp": WHEN}
            ),
            Told(kind="soft", email=ANNA, at=AT),
        ),
        (
            of_ses(
                notificationType="Complaint",
                complaint={"complainedRecipients": [{"emailAddress": ANNA}], "timestamp": WHEN},
            ),
            Told(kind="complaint", email=ANNA, at=AT),
        ),
        (
            of_ses(notificationType=None, eventType="Delivery", delivery={"recipients": [ANNA]}),
            Told(kind="delivered", email=ANNA),
        ),
    ],
)
def test_ses(plain: dict[str, Any], expected: Told) -> None:
    assert told("ses", sns(plain)) == told("ses", plain) == [(expected, D)]


def test_ses_names_a_mail_by_its_headers_too() -> None:
    headers = [{"name": "Subject", "value": "x"}, {"name": "Message-ID", "value": f"<{MESSAGE_ID}>"}, 5]
    ((_, first),) = told("ses", of_ses(mail={"source": "a@example.com", "headers": headers}))
    ((_, second),) = told("ses", of_ses(mail={"commonHeaders": {"messageId": f"<{MESSAGE_ID}>"}}))
    assert first == second == D


def test_what_ses_says_beside_it() -> None:
    quiet = {"complainedRecipients": [{"emailAddress": ANNA}], "complaintFeedbackType": "not-spam"}
    complaint = of_ses(notificationType="Complaint", complaint=quiet)
    others: list[object] = [complaint, of_ses(notificationType="Open"), {}, [], 5]
    for other in others:
        assert read("ses", other) == []
    assert read("ses", {"Message": "no JSON"}) == []
    assert read("ses", {"Message": "[" * 100_000}) == []
    nobody = of_ses(notificationType="Delivery", delivery={"recipients": [5]})
    ((one, delivery_id),) = told("ses", nobody)
    assert (one.email, delivery_id) == (None, D)


def test_a_topic_that_asks_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
    asks = {"Type": "SubscriptionConfirmation", "TopicArn": "arn:aws:sns:x", "SubscribeURL": url}
    assert to_confirm(asks) == ("arn:aws:sns:x", url)
    assert read("ses", asks) == []
    assert "open https://sns.eu-west-1" in capsys.readouterr().err
    others: list[object] = [asks | {"SubscribeURL": "https://evil.example/"}, asks | {"Type": "Notification"}, {}, []]
    others += [asks | {"SubscribeURL": f"{url}\x1b[2J"}, asks | {"TopicArn": "arn:\nx"}]
    for other in others:
        assert to_confirm(other) is None


# --- all --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_what_is_no_json_is_refused(provider: str) -> None:
    with pytest.raises(Malformed):
        read_provider(b"event=failed", provider, KEYS, NOW)


def test_what_cannot_be_taken_is_told() -> None:
    (found,) = read("postmark", of_postmark(Email="a@b@c", Content=None, Details="x" * 100_000))
    assert isinstance(found, list)
    assert [one.pointer for one in found] == ["/email"]
