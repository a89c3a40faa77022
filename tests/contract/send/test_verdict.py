"""Endings that no receiver here brings about: what is said of them all the same."""

import msgspec
import pycurl
import pytest

from goniec.core.model import Failure
from goniec.send.verdict import Ending, find_head, judge_ending, note_after

ENDING = Ending(
    code=0,
    words="Something broke.",
    host="h.example",
    port=443,
    lines=[],
    refused=None,
    fault=None,
    head_overflow=False,
    body_overflow=False,
    connected=True,
    tls=True,
    secured=True,
    verified=0,
    seconds=(15, 5),
)


@pytest.mark.parametrize(
    ("changes", "failure", "said"),
    [
        ({"code": 43}, Failure.INTERNAL, "(43)"),
        ({"code": pycurl.E_SSL_CACERT_BADFILE}, Failure.INTERNAL, "Something broke"),
        ({"code": pycurl.E_PEER_FAILED_VERIFICATION, "verified": 23}, Failure.TLS, "not valid (Something broke)"),
        ({"code": pycurl.E_PEER_FAILED_VERIFICATION, "verified": 2}, Failure.TLS_ISSUER, "intermediate"),
        ({"code": pycurl.E_COULDNT_CONNECT, "refused": "::1 is a loopback address"}, Failure.ADDRESS, "loopback"),
        ({"code": pycurl.E_COULDNT_CONNECT, "fault": "Too many open files"}, Failure.INTERNAL, "Goniec itself"),
        ({"code": pycurl.E_SEND_ERROR}, Failure.RESET, "not known"),
        ({"code": pycurl.E_SSL_CONNECT_ERROR}, Failure.TLS, "TLS set-up"),
        ({"code": pycurl.E_RECV_ERROR, "words": "tlsv1 alert unknown ca"}, Failure.TLS, "alert"),
        ({"code": pycurl.E_RECV_ERROR, "words": "x alert y", "tls": False}, Failure.RESET, "reset"),
        ({"lines": [b"HTTP/3.0 200 OK\r\n", b"\r\n"]}, Failure.NOT_HTTP, "'HTTP/3.0 200 OK'"),
        ({"code": pycurl.E_OPERATION_TIMEDOUT, "lines": [b"HTTP/1.1 2000 OK\r\n"]}, Failure.NOT_HTTP, "2000"),
        ({"lines": [b"HTTP/1.1 200 OK\r\n", b"HTTP/3: 1\r\n"]}, Failure.CUT, "within the head"),
        ({"code": pycurl.E_GOT_NOTHING, "lines": [b"\r\n"]}, Failure.CUT, "within the head"),
    ],
)
def test_an_ending_without_a_head(changes: dict[str, object], failure: Failure, said: str) -> None:
    got, detail = judge_ending(msgspec.structs.replace(ENDING, **changes))
    assert got is failure
    assert said in detail
    assert "h.example" in detail
    assert detail.endswith(".")


def test_what_went_wrong_after_a_head() -> None:
    def note(**changes: object) -> str:
        return note_after(msgspec.structs.replace(ENDING, **changes))

    assert note(code=pycurl.E_WRITE_ERROR, body_overflow=True) == "answerLong"
    assert note(code=pycurl.E_OPERATION_TIMEDOUT) == "timeout"
    assert note(code=pycurl.E_PARTIAL_FILE) == "answerCut"


def test_trailers_are_no_head() -> None:
    head = [b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n", b"\r\n"]
    found = find_head([*head, b"HTTP/1.1: 500\r\n", b"\r\n"])
    assert found is not None
    assert (found.status, found.raw) == (200, b"".join(head))
    assert find_head([b"HTTP/1.1 100 Go\r\n", b"\r\n", *head[:2]]) is None
    assert find_head([]) is None
