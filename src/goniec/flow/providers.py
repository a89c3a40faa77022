"""What providers tell of mail, each in its own words, put into ours.

Called by `feedback`. Pure, and patient: providers add keys when they like, so what is not understood is left out, and
what says nothing of a bounce, a complaint or an arrival is passed over.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Any, Final

import msgspec

from goniec.core.bounces import token_in
from goniec.core.times import format_instant, parse_instant

Given = dict[str, Any]
"""One thing that is told, with the keys of `FeedbackIn`; None is as good as not there."""

_SNS: Final = re.compile(r"https://sns\.[a-z0-9-]{1,40}\.amazonaws\.com(\.cn)?/[!-~]{0,1000}")
_TOPIC: Final = re.compile(r"[!-~]{1,300}")
"""What is shown of either in the log is what its reader can copy, and nothing that drives a terminal."""

_DEAD: Final[Mapping[str, str]] = {"type": "bounce", "kind": "hard"}
_NOT_NOW: Final[Mapping[str, str]] = {"type": "bounce", "kind": "soft"}
_POSTMARK: Final[Mapping[str, Mapping[str, str]]] = {
    "HardBounce": _DEAD,
    "BadEmailAddress": _DEAD,
    "SoftBounce": _NOT_NOW,
    "Transient": _NOT_NOW,
    "DnsError": _NOT_NOW,
    "Blocked": _NOT_NOW,
    "SpamNotification": _NOT_NOW,
    "VirusNotification": _NOT_NOW,
    "DMARCPolicy": _NOT_NOW,
    "SpamComplaint": {"type": "complaint"},
}
_SENDGRID_DROPPED: Final[Mapping[str, Mapping[str, str]]] = {
    "bounced address": _DEAD,
    "invalid": _DEAD,
    "spam reporting address": {"type": "complaint"},
}


def postmark(plain: object) -> Iterator[Given]:
    """One object: `RecordType` is Bounce, SpamComplaint or Delivery."""
    match _text(plain, "RecordType"):
        case "Bounce" | "SpamComplaint" as record:
            kind = _POSTMARK.get(_text(plain, "Type") or record)
            if kind is not None:
                said = _text(plain, "Details") or _text(plain, "Description")
                named = _named(_text(plain, "Content"))
                at = _when(_text(plain, "BouncedAt"))
                yield {**kind, "messageId": named, "email": _text(plain, "Email"), "reason": said, "at": at}
        case "Delivery":
            at = _when(_text(plain, "DeliveredAt"))
            yield {"type": "delivered", "email": _text(plain, "Recipient"), "at": at}
        case _:
            pass


def sendgrid(plain: object) -> Iterator[Given]:
    """A list of events; `type` is blocked where a bounce says nothing about the address."""
    for event in plain if isinstance(plain, list) else ():
        told: Mapping[str, str] | None = None
        match _text(event, "event"):
            case "bounce":
                told = _NOT_NOW if _text(event, "type") == "blocked" else {"type": "bounce"}
            case "dropped":
                told = _SENDGRID_DROPPED.get((_text(event, "reason") or "").lower())
            case "spamreport":
                told = {"type": "complaint"}
            case "delivered":
                told = {"type": "delivered"}
            case _:
                pass
        if told is not None:
            yield {
                **told,
                "messageId": _named(_text(event, "smtp-id")),
                "email": _text(event, "email"),
                "code": _code(_text(event, "status")),
                "reason": _text(event, "reason"),
                "at": _when(_at(event, "timestamp")),
            }


def mailgun(plain: object) -> Iterator[Given]:
    """One event; a failure that is no permanent one is tried again."""
    event = _at(plain, "event-data") or plain
    told: Mapping[str, str] | None = None
    match _text(event, "event"), _text(event, "severity"):
        case "failed", "permanent":
            suppressed = _text(event, "reason") == "suppress-bounce"
            told = _DEAD if suppressed else {"type": "bounce"}
        case "complained", _:
            told = {"type": "complaint"}
        case "delivered", _:
            told = {"type": "delivered"}
        case _:
            pass
    if told is not None:
        status = _at(event, "delivery-status")
        said = _text(status, "message") or _text(status, "description") or ""
        reply = _at(status, "code")
        yield {
            **told,
            "messageId": _named(_text(event, "message", "headers", "message-id"), _text(event, "envelope", "sender")),
            "email": _text(event, "recipient"),
            "code": _code(_text(status, "enhanced-code")),
            "reason": f"{reply} {said}" if isinstance(reply, int) and str(reply) not in said else said,
            "at": _when(_at(event, "timestamp")),
        }


def ses(plain: object) -> Iterator[Given]:
    """A notification, or the one that stands as text in a message of SNS."""
    message = _text(plain, "Message")
    if message is not None:
        try:
            plain = msgspec.json.decode(message)
        except (msgspec.DecodeError, RecursionError):
            return
    named = [_text(plain, "mail", "source"), _text(plain, "mail", "commonHeaders", "messageId")]
    named += [_text(one, "value") for one in _list(plain, "mail", "headers")]
    mail = {"messageId": _named(*named)}
    match _text(plain, "notificationType") or _text(plain, "eventType"):
        case "Bounce":
            mail |= {"at": _when(_text(plain, "bounce", "timestamp"))}
            told = _DEAD if _text(plain, "bounce", "bounceType") == "Permanent" else _NOT_NOW
            for one in _list(plain, "bounce", "bouncedRecipients"):
                said = {"code": _code(_text(one, "status")), "reason": _text(one, "diagnosticCode")}
                yield {**told, "email": _text(one, "emailAddress"), **said, **mail}
        case "Complaint" if _text(plain, "complaint", "complaintFeedbackType") != "not-spam":
            mail |= {"at": _when(_text(plain, "complaint", "timestamp"))}
            for one in _list(plain, "complaint", "complainedRecipients"):
                yield {"type": "complaint", "email": _text(one, "emailAddress"), **mail}
        case "Delivery":
            for address in _list(plain, "delivery", "recipients"):
                yield {"type": "delivered", "email": address if isinstance(address, str) else None, **mail}
        case _:
            pass


def to_confirm(plain: object) -> tuple[str, str] | None:
    """Give the topic of SNS that asks whether it may tell, and the URL that says yes; a person has to open it."""
    topic, url = _text(plain, "TopicArn"), _text(plain, "SubscribeURL")
    if _text(plain, "Type") != "SubscriptionConfirmation" or topic is None or url is None:
        return None
    return (topic, url) if _SNS.fullmatch(url) and _TOPIC.fullmatch(topic) else None


PROVIDERS: Final[Mapping[str, Callable[[object], Iterator[Given]]]] = {
    "mailgun": mailgun,
    "postmark": postmark,
    "sendgrid": sendgrid,
    "ses": ses,
}


def _at(plain: object, *path: str) -> object:
    for name in path:
        plain = plain.get(name) if isinstance(plain, dict) else None
    return plain


def _text(plain: object, *path: str) -> str | None:
    found = _at(plain, *path)
    return found if isinstance(found, str) and found else None


def _list(plain: object, *path: str) -> list[Any]:
    found = _at(plain, *path)
    return found if isinstance(found, list) else []


def _named(*texts: str | None) -> str | None:
    """Find what we gave the mail, as an envelope has it."""
    token = token_in(*(place for text in texts if text is not None for place in (text, f"{text}@")))
    return None if token is None else f"+{token}@"


def _code(text: str | None) -> str | None:
    """Give a status that is one of RFC 3463."""
    parts = (text or "").split(".")
    fits = len(parts) == 3 and all(part.isascii() and part.isdigit() and len(part) <= 3 for part in parts)  # noqa: PLR2004 - three numbers of three digits
    return text if fits and parts[0] in {"2", "4", "5"} else None


def _when(given: object) -> str | None:
    """Give an instant as we write it, from text or from seconds; a provider's clock is not argued with."""
    match given:
        case str():
            try:
                return format_instant(parse_instant(given))
            except ValueError:
                return None
        case bool():
            return None
        case int() | float() if isfinite(given) and 0 < given < 2**33:
            return format_instant(int(given * 1_000))
        case _:
            return None
