"""What came of handing in a mail: a failure, or none, and a sentence that says what to do about it.

Pure. `smtp` asks, with how far it got and what the server said, or how the connection ended. The sentences name the
server and never the recipient; they repeat what the server said, so `smtp` looks for our password in them.
"""

import enum
import re
import ssl
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from goniec.core.bounces import is_crowded, is_policy, kind_of, status_of
from goniec.core.model import Failure

REPLY_KEPT: Final = 4096
"""Bytes of a reply that are kept."""

SAID: Final = 160
"""Characters of it that stand in the sentence."""

OK: Final = 2
LATER: Final = 4
NEVER: Final = 5
"""The hundreds of a code (RFC 5321, section 4.2.1)."""

CLOSING: Final = 421
"""The server is going, whatever was asked (RFC 5321, section 4.2.3)."""


class Stage(enum.IntEnum):
    """How far it got. What breaks before `CONTENT` was not taken."""

    CONNECT = 0
    GREETING = 1
    HELLO = 2
    TLS = 3
    LOGIN = 4
    RESET = 5
    SENDER = 6
    RECIPIENT = 7
    DATA = 8
    CONTENT = 9


class Reply(Struct, frozen=True):
    """What the server answered to which step; a negative code: no reply of SMTP. Lines of the text end with a feed."""

    stage: Stage
    code: int
    text: str

    @property
    def raw(self) -> bytes:
        """The reply as it came, near enough."""
        if self.code < 0:
            return self.text.encode(errors="ignore")[:REPLY_KEPT]
        *lines, last = self.text.split("\n")
        whole = "".join(f"{self.code}-{line}\r\n" for line in lines) + f"{self.code} {last}\r\n"
        return whole.encode(errors="surrogateescape")[:REPLY_KEPT]


class Verdict(Struct, frozen=True):
    """A failure, or none, and the sentence."""

    failure: Failure | None
    detail: str


class UnmetError(Exception):
    """The mail cannot be handed in, and that is known without asking the server."""

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(detail)
        self.failure = failure


_ENHANCED: Final = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?!\S)")
"""RFC 2034, section 4."""

_LOGIN: Final = frozenset({530, 534, 535, 538})
"""The server wants to know us, or does not (RFC 4954, section 6): that is so with every mail."""

_NO_WORD: Final = frozenset({500, 502, 503, 504, 555})
"""The server does not understand what we say, or not at this place; so it would be with every mail."""

_FULL_SERVER: Final = frozenset({(3, 1), (3, 2)})
"""It has no room, or takes nothing just now (RFC 3463, section 3.4): that is not about this mail."""

_FULL: Final = "5.2.2"
_GENERAL: Final = frozenset({"5.0.0", "5.1.0", "5.2.0", "5.5.0"})
"""Codes that say no more than the plain one."""
_OF_ADDRESS: Final = frozenset({551, 556})
"""Plain codes that speak of the address alone (RFC 5321, section 4.2.2; RFC 7504)."""
_UNAVAILABLE: Final = "mailbox unavailable"
"""What RFC 5321 has 550 say of an address. By itself 550 may as well mean who sends, as 501 and 553 may."""

_STORAGE: Final = 552
"""No room: of the recipient's mailbox where it answers to the recipient (RFC 5321, section 4.2.3)."""


def judge(reply: Reply, there: str) -> Verdict:
    """What a reply comes to that was the last one; the failure is None when the mail was taken."""
    said = _said(reply.text)
    answer = f"{reply.code}: {said}" if said else str(reply.code)
    hundreds = reply.code // 100
    if reply.stage is Stage.CONTENT and hundreds == OK:
        return Verdict(None, f"{there} took the mail ({answer}).")
    if hundreds not in {LATER, NEVER}:
        shown = answer if reply.code >= 0 else said
        doubt = "; the mail may have been taken" if reply.stage is Stage.CONTENT else ""
        return Verdict(Failure.NOT_SMTP, f"What {there} answered is not SMTP ({shown}); check GONIEC_SMTP_URL{doubt}.")
    failure = _login(reply) if reply.stage is Stage.LOGIN else _refused(reply)
    return Verdict(failure, f"{there} {_words(failure, reply)} ({answer}).")


def judge_end(stage: Stage, error: Exception, there: str) -> Verdict:
    """What it comes to that the connection could not be used to the end."""
    broken = next((one for one in _causes(error) if isinstance(one, ssl.SSLError)), None)
    if broken is not None:
        return Verdict(*_tls(broken, there))
    if stage is Stage.LOGIN and not isinstance(error, OSError):
        detail = (
            f"{there} offers no login that Goniec knows; take user and password out of GONIEC_SMTP_URL, or use TLS."
        )
        return Verdict(Failure.MAIL_LOGIN, detail)
    return Verdict(Failure.RESET, f"{there} closed the connection {_at(stage)}; {_taken(stage)}.")


def judge_silence(stage: Stage, seconds: float, there: str) -> Verdict:
    """What it comes to that the time ran out."""
    if stage is Stage.CONNECT:
        return Verdict(Failure.CONNECT_TIMEOUT, f"{there} took no connection within {seconds:g} s.")
    return Verdict(Failure.TIMEOUT, f"{there} gave no whole answer within {seconds:g} s {_at(stage)}; {_taken(stage)}.")


def _login(reply: Reply) -> Failure:
    return Failure.MAIL_BUSY if reply.code // 100 == LATER else Failure.MAIL_LOGIN


def _refused(reply: Reply) -> Failure:
    """Who or what is meant by a refusal; the enhanced code knows better than the plain one, where there is one."""
    stage, code = reply.stage, reply.code
    enhanced = _enhanced(reply.text)
    if code == CLOSING or (code // 100 == LATER and (stage < Stage.SENDER or enhanced in _FULL_SERVER)):
        return Failure.MAIL_BUSY
    if code // 100 == LATER:
        return Failure.RECIPIENT_DEFERRED if stage is Stage.RECIPIENT else Failure.MESSAGE_DEFERRED
    if code in _LOGIN:
        return Failure.MAIL_LOGIN
    if stage < Stage.SENDER or code in _NO_WORD:
        return Failure.MAIL_REFUSED
    if stage is Stage.SENDER:
        return Failure.MESSAGE_REFUSED
    return _of_recipient(stage, code, reply.text)


def _of_recipient(stage: Stage, code: int, text: str) -> Failure:
    """A refusal for good, after the recipient was named: of the recipient, or of the mail.

    As `bounces.kind_of` has it: what may be about us, or about the mail, says nothing of the address. A mailbox that is
    full is one that somebody has, and may have room tomorrow: it waits as the schedule says.
    """
    asked = stage is Stage.RECIPIENT
    status = next((one for one in (status_of(text),) if one.startswith("5.")), "5.0.0")
    general = status in _GENERAL
    if status == _FULL or (asked and general and (code == _STORAGE or is_crowded(text))):
        return Failure.RECIPIENT_DEFERRED
    if (asked or not general) and kind_of(status, text) == "hard":
        return Failure.RECIPIENT_REFUSED
    named = asked and general and (code in _OF_ADDRESS or _UNAVAILABLE in text.lower()) and not is_policy(text)
    return Failure.RECIPIENT_REFUSED if named else Failure.MESSAGE_REFUSED


def _enhanced(text: str) -> tuple[int, int] | None:
    match = _ENHANCED.match(text)
    return (int(match[2]), int(match[3])) if match else None


def _words(failure: Failure, reply: Reply) -> str:
    match failure:
        case Failure.MAIL_BUSY:
            return "takes no mail just now"
        case Failure.MAIL_LOGIN:
            return "did not accept the login; check user and password in GONIEC_SMTP_URL"
        case Failure.MAIL_REFUSED:
            return "refuses to talk with Goniec; its log should say why"
        case Failure.RECIPIENT_REFUSED:
            return "does not take mail for this address"
        case Failure.RECIPIENT_DEFERRED:
            return "takes no mail for this address at present"
        case Failure.MESSAGE_DEFERRED:
            return "does not take this mail at present"
        case _ if reply.stage is Stage.SENDER:
            return "does not take mail from this sender"
        case _:
            return "does not take this mail"


_ISSUER: Final = Failure.TLS_ISSUER, "has a certificate whose issuer is not known here; GONIEC_CA_FILE can hold that"
_HOST: Final = (
    Failure.TLS_HOST,
    "has a certificate for another name; use the name that the certificate is for, or get one for this name",
)
_CERTIFICATES: Final = {
    2: _ISSUER,
    9: (Failure.TLS_EXPIRED, "has a certificate that is not valid yet; check the clocks on both sides"),
    10: (Failure.TLS_EXPIRED, "has a certificate that has run out; renew it there"),
    18: (Failure.TLS_SELF_SIGNED, "has a certificate that it signed itself; GONIEC_CA_FILE can hold that"),
    19: _ISSUER,
    20: _ISSUER,
    21: _ISSUER,
    62: _HOST,
    64: _HOST,
}
"""By OpenSSL's result of the verification (X509_V_ERR_…)."""


def _tls(error: ssl.SSLError, there: str) -> tuple[Failure, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        invalid = Failure.TLS, f"has a certificate that is not valid ({error.verify_message})"
        failure, what = _CERTIFICATES.get(error.verify_code, invalid)
        return failure, f"{there} {what}."
    # not every one has it
    reason = (getattr(error, "reason", None) or "no reason was given").replace("_", " ").lower()
    plain = reason == "wrong version number"
    hint = "it seems to speak no TLS: try smtp:// or another port" if plain else "check its TLS set-up"
    return Failure.TLS, f"No TLS connection with {there} came about ({reason}); {hint}."


def _causes(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or one.__context__


_STEPS: Final = {
    Stage.CONNECT: "as it was made",
    Stage.GREETING: "before it greeted",
    Stage.HELLO: "after Goniec had introduced itself",
    Stage.TLS: "when TLS was to begin",
    Stage.LOGIN: "during the login",
    Stage.RESET: "between two mails",
    Stage.SENDER: "when it was told the sender",
    Stage.RECIPIENT: "when it was told the recipient",
    Stage.DATA: "before it got the mail",
    Stage.CONTENT: "after the mail was under way",
}


def _at(stage: Stage) -> str:
    return _STEPS[stage]


def _taken(stage: Stage) -> str:
    return "it may have been taken" if stage is Stage.CONTENT else "it was not taken"


def _said(text: str) -> str:
    """What the server said, on one line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return (line if len(line) <= SAID else f"{line[:SAID]}…").rstrip(".")
