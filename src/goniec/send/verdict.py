"""What came of a request: a failure, or none, and a sentence that says what to do about it.

Pure. `http` asks, when a transfer has ended, with libcurl's code and what arrived of the head. The sentences name the
host, never the endpoint's path, query or credentials; only a redirect's sentence repeats what the receiver said, its
Location.
"""

import re
from itertools import pairwise
from typing import Final

import pycurl
from msgspec import Struct

from goniec.core.model import Failure
from goniec.send.curl import FLOODED


class Head(Struct, frozen=True):
    """The head of a final answer, whole: status and raw bytes."""

    status: int
    raw: bytes


class Ending(Struct, frozen=True, kw_only=True):
    """How a transfer ended. `code` and `words` are libcurl's; `seconds` were given to it, in all and to connect.

    `no_tunnel`: an egress proxy did not open the way; what it answered, 0: nothing. `spoke_early`: it sent something
    behind its answer, before the receiver was asked anything.
    """

    code: int
    words: str
    host: str
    port: int
    lines: list[bytes]
    refused: str | None
    fault: str | None
    head_overflow: bool
    body_overflow: bool
    connected: bool
    tls: bool
    secured: bool
    verified: int
    seconds: tuple[float, float]
    no_tunnel: int | None = None
    spoke_early: bool = False


STATUS: Final = re.compile(rb"HTTP/1\.[01] +([1-9][0-9]{2})(?![0-9])")
"""A status line of what was asked with: libcurl lets any version pass, and reads 2000 as 200."""
END_OF_HEAD: Final = frozenset({b"\r\n", b"\n"})
FIRST_FINAL: Final = 200
SWITCHING: Final = 101
RETRY_AFTER: Final = re.compile(rb"^retry-after:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
LOCATION: Final = re.compile(rb"^location:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
LOCATION_SHOWN: Final = 300

# pycurl has no names for these two of libcurl's
TOO_LARGE: Final = 100
WEIRD_REPLY: Final = 8
OVERFLOWS: Final = frozenset({TOO_LARGE, FLOODED})
UNREADABLE: Final = frozenset({pycurl.E_UNSUPPORTED_PROTOCOL, WEIRD_REPLY, pycurl.E_BAD_CONTENT_ENCODING})
BROKEN: Final = frozenset(
    {pycurl.E_OK, pycurl.E_GOT_NOTHING, pycurl.E_RECV_ERROR, pycurl.E_SEND_ERROR, pycurl.E_PARTIAL_FILE}
)

EXPIRED: Final = Failure.TLS_EXPIRED, "has a certificate that has run out; renew it there"
NOT_YET: Final = Failure.TLS_EXPIRED, "has a certificate that is not valid yet; check the clocks on both sides"
SELF_SIGNED: Final = (
    Failure.TLS_SELF_SIGNED,
    "has a certificate that it signed itself; use one of a known authority, or give it to the endpoint as its caBundle",
)
ISSUER: Final = (
    Failure.TLS_ISSUER,
    (
        "has a certificate whose issuer is not known here; it has to send its intermediate certificates along, "
        "and where its authority is a private one, the endpoint's caBundle or GONIEC_CA_FILE has to hold that"
    ),
)
HOST: Final = (
    Failure.TLS_HOST,
    "has a certificate for another name; use the name that the certificate is for, or get one for this name",
)
CERTIFICATES: Final = {
    2: ISSUER,
    9: NOT_YET,
    10: EXPIRED,
    18: SELF_SIGNED,
    # a root that is not known here and was sent along: a private authority
    19: ISSUER,
    20: ISSUER,
    21: ISSUER,
}
"""By OpenSSL's result of the verification (X509_V_ERR_…), under libcurl's error 60."""

OTHER_NAME: Final = "subject name"
"""What libcurl says when the chain holds and the name does not; it then gives no result that could be told by."""

PROXY_LOGIN: Final = 407
OPENED: Final = 2
"""The hundreds of the status with which a proxy opens the way."""

UNKNOWN: Final = "whether it took the request is not known"


def find_head(lines: list[bytes]) -> Head | None:
    """Find the final head among the lines of all heads and of the trailers; None: it did not arrive whole."""
    start: int | None = None
    for number, line in enumerate(lines):
        if start is None:
            start = number
        elif line in END_OF_HEAD:
            match = STATUS.match(lines[start])
            if match and (status := int(match[1])) >= FIRST_FINAL:
                return Head(status, b"".join(lines[start : number + 1]))
            start = None
    return None


def retry_after(head: bytes) -> str | None:
    """The raw value of a Retry-After header."""
    match = RETRY_AFTER.search(head)
    return match[1].strip().decode("latin-1") if match else None


def note_after(ending: Ending) -> str:
    """What went wrong after a whole head: `answerLong` (reading stopped at a cap), `timeout`, `answerCut`."""
    if ending.body_overflow or ending.code == FLOODED:
        return "answerLong"
    return "timeout" if ending.code == pycurl.E_OPERATION_TIMEDOUT else "answerCut"


def judge_status(head: Head) -> tuple[Failure | None, str]:
    """What a whole head says; no failure: delivered."""
    answered = f"The receiver answered {head.status}"
    match head.status // 100:
        case 2:
            return None, f"{answered}."
        case 3:
            return Failure.REDIRECT, _redirected(head, answered)
        case 4:
            return _rejected(head.status, answered)
        case 5:
            return Failure.SERVER, f"{answered}: the fault is on its side, and its log should say why."
        case _:
            return Failure.STATUS, f"{answered}, which is no status of HTTP; it has to answer with a 2xx."


def intermediate(host: str, issuer: str) -> tuple[Failure, str]:
    """What to say of a receiver that leaves out the certificate of its certificate's issuer."""
    detail = (
        f"{host} sends its certificate without that of its issuer ({issuer}); it has to send its intermediate "
        "certificates along, which servers call the full chain. Where that issuer is a private authority, give its "
        "certificate to the endpoint as its caBundle."
    )
    return Failure.TLS_INTERMEDIATE, detail


def judge_ending(ending: Ending) -> tuple[Failure, str]:
    """Why there is no whole head."""
    there = f"{ending.host} port {ending.port}"
    if ending.no_tunnel is not None and not ending.refused and not ending.fault:
        return Failure.PROXY, _no_way(ending, ending.no_tunnel, there)
    if ending.spoke_early:
        detail = f"The egress proxy sent more than its answer when it was asked for {there}, and before {there} was."
        return Failure.PROXY, detail
    return _judged(ending, there)


def _judged(ending: Ending, there: str) -> tuple[Failure, str]:
    words = ending.words.rstrip(".")
    if ending.head_overflow or ending.code in OVERFLOWS:
        return Failure.HEAD_TOO_LARGE, _too_much(ending, there)
    if ending.code in UNREADABLE:
        return Failure.NOT_HTTP, f"What {there} answered is not HTTP ({words}); check scheme and port of the URL."
    if (odd := _odd_start(ending.lines)) is not None:
        line = _shown(odd)
        return Failure.NOT_HTTP, f"{there} answered with the line {line!r}, which is no status line of HTTP/1.1."
    if ending.code in BROKEN:
        return _broken(ending, there)
    match ending.code:
        case pycurl.E_COULDNT_CONNECT:
            return _not_connected(ending, there)
        case pycurl.E_OPERATION_TIMEDOUT:
            return _timed_out(ending, there)
        case pycurl.E_SSL_CONNECT_ERROR | pycurl.E_SSL_CERTPROBLEM:
            return Failure.TLS, _no_tls(there, words)
        case pycurl.E_PEER_FAILED_VERIFICATION:
            invalid = Failure.TLS, f"has a certificate that is not valid ({words}); renew it there"
            failure, what = HOST if OTHER_NAME in words else CERTIFICATES.get(ending.verified, invalid)
            return failure, f"{ending.host} {what}."
        case pycurl.E_SEND_FAIL_REWIND:
            return Failure.STALE, f"{there} closed a kept connection just as it was used again; a fresh one will do."
        case code:
            return Failure.INTERNAL, f"The request to {there} could not be made: {words} ({code})."


def _no_way(ending: Ending, status: int, there: str) -> str:
    if status == PROXY_LOGIN:
        return "The egress proxy answered 407: check user and password in GONIEC_EGRESS_PROXY."
    if status and status // 100 != OPENED:
        return f"The egress proxy answered {status} when it was asked for {there}; its log should say why."
    if not ending.connected:
        return "The egress proxy took no connection; check GONIEC_EGRESS_PROXY, and that it runs."
    return f"The egress proxy opened no way to {there} ({ending.words.rstrip('.') or 'it closed the connection'})."


def _redirected(head: Head, answered: str) -> str:
    match = LOCATION.search(head.raw)
    if match is None or not match[1].strip():
        return f"{answered}, and says no other address; enter the URL that answers with a 2xx."
    return (
        f"{answered} and points to {_shown(match[1])} but redirects are not followed: "
        "enter that address as the endpoint's URL."
    )


def _shown(location: bytes) -> str:
    text = "".join(c if c.isprintable() else "\ufffd" for c in location.strip().decode(errors="replace"))
    text = re.sub(r"//[^/?#]*@", "//", text)
    return text if len(text) <= LOCATION_SHOWN else f"{text[:LOCATION_SHOWN]}…"


def _rejected(status: int, answered: str) -> tuple[Failure, str]:
    match status:
        case 401 | 403:
            return Failure.REJECTED, f"{answered}: check the endpoint's user and password."
        case 404 | 405:
            return Failure.REJECTED, f"{answered}: check the endpoint's URL, and that it takes POST."
        case 410:
            return Failure.GONE, f"{answered}: it is gone for good and wants no more webhooks."
        case 429:
            return Failure.BUSY, f"{answered}: it gets too many requests; a lower rate or concurrency spares it."
        case _:
            return Failure.REJECTED, f"{answered}: it does not take this request, and its answer should say why."


def _too_much(ending: Ending, there: str) -> str:
    if ending.code == FLOODED:
        return f"{there} sent far more than the head of an answer may have, and no whole one."
    return f"{there} sent more head than is read; it should answer with few, short headers."


def _not_connected(ending: Ending, there: str) -> tuple[Failure, str]:
    if ending.refused:
        return Failure.ADDRESS, f"No connection to {there} was made: {ending.refused}."
    if ending.fault:
        return Failure.INTERNAL, f"Goniec itself could open no connection to {there}: {ending.fault}."
    return Failure.CONNECT, f"{there} took no connection; check that the receiver runs and that no firewall is between."


def _timed_out(ending: Ending, there: str) -> tuple[Failure, str]:
    total, connect = ending.seconds
    if not ending.connected:
        hint = "check that it can be reached and that no firewall is between"
        return Failure.CONNECT_TIMEOUT, f"{there} took no connection within {connect:g} s; {hint}."
    if ending.tls and not ending.secured:
        return Failure.TLS, f"{there} did not finish a TLS handshake within {connect:g} s; check its TLS set-up."
    if _last_interim(ending.lines) == SWITCHING:
        return Failure.INFORMATIONAL, _interim_only(there)
    hint = "it should answer first and work afterwards, or be given more time"
    return Failure.TIMEOUT, f"{there} gave no whole answer within {total:g} s; {hint}."


def _broken(ending: Ending, there: str) -> tuple[Failure, str]:
    """The connection ended by itself: before the answer, within its head, or after interim answers only."""
    if _last_interim(ending.lines):
        return Failure.INFORMATIONAL, _interim_only(there)
    if ending.lines:
        return Failure.CUT, f"{there} broke off within the head of its answer; {UNKNOWN}."
    if ending.tls and " alert " in ending.words:
        return Failure.TLS, _no_tls(there, ending.words)
    if ending.code in {pycurl.E_OK, pycurl.E_GOT_NOTHING}:
        return Failure.EMPTY, f"{there} closed the connection without an answer; {UNKNOWN}."
    return Failure.RESET, f"{there} reset the connection before it answered; {UNKNOWN}."


def _odd_start(lines: list[bytes]) -> bytes | None:
    """The first line of a head, where it is whole and no status line of the version that was asked with."""
    starts = [line for before, line in pairwise([b"\n", *lines]) if before in END_OF_HEAD]
    return next((one for one in starts if one.startswith(b"HTTP/") and not STATUS.match(one)), None)


def _last_interim(lines: list[bytes]) -> int | None:
    """The status of an interim answer (1xx) that arrived whole and was followed by nothing."""
    if not lines or lines[-1] not in END_OF_HEAD:
        return None
    statuses = [match for line in lines if (match := STATUS.match(line))]
    return int(statuses[-1][1]) if statuses else None


def _interim_only(there: str) -> str:
    return f"{there} sent interim answers (1xx) but no final one; it has to answer with a 2xx."


def _no_tls(there: str, words: str) -> str:
    plain = "wrong version" in words
    hint = "it seems to speak no TLS: try http:// or another port" if plain else "check its TLS set-up"
    return f"No TLS connection with {there} came about ({words}); {hint}."
