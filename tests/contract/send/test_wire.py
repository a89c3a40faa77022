"""What goes over the wire, byte for byte, and what counts as delivered."""

from pathlib import Path

import pytest

from goniec.core.model import Failure
from goniec.ports import Outgoing
from goniec.send.http import HttpSender
from tests.contract.send.conftest import make_sender, post
from tests.contract.send.names import Names
from tests.contract.send.receivers import Behaviour, Receiver, answer, say


async def test_the_request_byte_for_byte(sender: HttpSender) -> None:
    async with Receiver(answer(200, b"OK")) as receiver:
        got = await sender.send(post(receiver.url("/hook?x=1"), b'{"id":"1"}'))
    assert got.failure is None
    assert (got.status, got.address, got.body) == (200, receiver.address, b"OK")
    assert got.head == b"HTTP/1.1 200 Whatever\r\nContent-Length: 2\r\n\r\n"
    assert [request.raw for request in receiver.requests] == [
        b"POST /hook?x=1 HTTP/1.1\r\n"
        b"Host: 127.0.0.1:%d\r\n"
        b"Content-Type: application/json; charset=utf-8\r\n"
        b"User-Agent: Goniec/test\r\n"
        b"webhook-id: dlv_1\r\n"
        b"Content-Length: 10\r\n"
        b"\r\n"
        b'{"id":"1"}' % receiver.port
    ]


@pytest.mark.parametrize("size", [0, 200, 200_000, 2_000_000])
async def test_A20_a_body_of_any_size_goes_with_content_length(sender: HttpSender, size: int) -> None:
    body = b"x" * size
    async with Receiver(answer()) as receiver:
        assert (await sender.send(post(receiver.url(), body))).failure is None
    (request,) = receiver.requests
    assert request.header("content-length") == str(size)
    assert request.header("transfer-encoding") is None
    assert request.header("expect") is None
    assert request.body == body


async def test_A21_white_space_around_the_url_host_as_punycode_path_as_utf8(sender: HttpSender, names: Names) -> None:
    names.set("xn--w-uga1v8h.example", "127.0.0.1")
    async with Receiver(answer()) as receiver:
        url = f" \thttp://żółw.example:{receiver.port}/ścieżka?q=ą#frag\n"
        assert (await sender.send(post(url))).failure is None
    (request,) = receiver.requests
    assert request.target == "/%C5%9Bcie%C5%BCka?q=%C4%85"
    assert request.header("host") == f"xn--w-uga1v8h.example:{receiver.port}"


async def test_A21_an_inner_space_is_never_cut_off(sender: HttpSender) -> None:
    async with Receiver(answer()) as receiver:
        got = await sender.send(post(receiver.url("/a b")))
    assert got.failure is Failure.ADDRESS
    assert "%20" in got.detail
    assert receiver.requests == []


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/a%2Fb/../c?x=[1]",
        "/./../%2e%2E//x;y",
        "/%zz%",
        "/?",
        "/?a=b?c&d=%41&&",
        "//double",
        "/a|b\"<>^`{}'!$&()*+,:@=~_",
        "/?next=https://other.example/x",
    ],
)
async def test_the_target_goes_out_as_it_was_entered(sender: HttpSender, target: str) -> None:
    async with Receiver(answer()) as receiver:
        assert (await sender.send(post(receiver.url(target)))).failure is None
    assert [request.target for request in receiver.requests] == [target]


@pytest.mark.parametrize(("entered", "sent"), [("", "/"), ("?x=1", "/?x=1"), ("#top", "/"), ("/a#b?c", "/a")])
async def test_a_target_always_begins_with_a_slash_and_has_no_fragment(
    sender: HttpSender, entered: str, sent: str
) -> None:
    async with Receiver(answer()) as receiver:
        assert (await sender.send(post(receiver.url(entered)))).failure is None
    assert [request.target for request in receiver.requests] == [sent]


async def test_A36_A37_headers_go_out_as_given_in_order_and_in_the_first_request(sender: HttpSender) -> None:
    headers = (
        ("Authorization", "Basic amFuOnBhOnNzIz9A4oKsxbw="),
        ("X-Empty", ""),
        ("x-latin", "\xe9\xff"),
        ("X-Twice", "1"),
        ("X-Twice", "2"),
        ("X-Semicolon", "a;b"),
        ("X-Tab", "a\tb"),
    )
    async with Receiver(answer()) as receiver:
        assert (await sender.send(Outgoing(receiver.url(), headers, b"{}"))).failure is None
    (request,) = receiver.requests
    assert request.headers == [("Host", f"127.0.0.1:{receiver.port}"), *headers, ("Content-Length", "2")]


@pytest.mark.parametrize(
    "header",
    [
        ("X-A", "b\r\nX-Injected: 1"),
        ("X-A", "b\nX-Injected: 1"),
        ("X-A\r\nX-Injected", "1"),
        ("X-A", "nul\0"),
        ("X-A", "żółw"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "7"),
        ("host", "elsewhere"),
    ],
)
async def test_a_header_that_would_change_the_request_is_not_sent(sender: HttpSender, header: tuple[str, str]) -> None:
    async with Receiver(answer()) as receiver:
        got = await sender.send(Outgoing(receiver.url(), (header,), b"{}"))
    assert got.failure is Failure.INTERNAL
    assert "header" in got.detail
    assert receiver.connections == 0


async def test_requests_to_one_endpoint_share_a_connection(sender: HttpSender) -> None:
    async with Receiver(answer()) as receiver:
        for _ in range(5):
            assert (await sender.send(post(receiver.url()))).failure is None
    assert [request.connection for request in receiver.requests] == [0, 0, 0, 0, 0]


async def test_a_fresh_request_takes_no_kept_connection(sender: HttpSender) -> None:
    async with Receiver(answer()) as receiver:
        for fresh in (False, True, True):
            assert (await sender.send(post(receiver.url(), fresh=fresh))).failure is None
    assert [request.connection for request in receiver.requests] == [0, 1, 2]


async def test_proxies_of_the_environment_are_ignored(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiver(answer(502)) as proxy, Receiver(answer()) as receiver:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        monkeypatch.delenv("no_proxy", raising=False)
        sender = make_sender(names)
        try:
            got = await sender.send(post(receiver.url(host="good.example")))
        finally:
            await sender.close()
    assert got.failure is None
    assert proxy.connections == 0


async def test_a_netrc_file_adds_no_credentials(names: Names, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine good.example login jan password tajne\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    sender = make_sender(names)
    async with Receiver(answer()) as receiver:
        assert (await sender.send(post(receiver.url(host="good.example")))).failure is None
        await sender.close()
    assert receiver.requests[0].header("authorization") is None


# --- what counts as delivered ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "behaviour",
    [
        answer(200),
        answer(201, b"made"),
        answer(202),
        answer(204),
        answer(299),
        answer(200, b"OK"),
        answer(200, b'{"broken": '),
        answer(200, b"\x00\xff\xfe"),
        say(b"HTTP/1.1 200 OK\r\n\r\nuntil it closes"),
        say(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
        say(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
        say(b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
        say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\nRetry-After: 9\r\n\r\n", "keep"),
        say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n", "keep"),
    ],
)
async def test_A23_any_2xx_is_delivered_and_its_body_never_read_for_meaning(
    sender: HttpSender, behaviour: Behaviour
) -> None:
    async with Receiver(behaviour) as receiver:
        got = await sender.send(post(receiver.url()))
    assert (got.failure, got.note) == (None, None)
    assert got.status is not None
    assert str(got.status) in got.detail
    assert got.retry_after is None
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (300, Failure.REDIRECT),
        (304, Failure.REDIRECT),
        (400, Failure.REJECTED),
        (401, Failure.REJECTED),
        (404, Failure.REJECTED),
        (418, Failure.REJECTED),
        (410, Failure.GONE),
        (429, Failure.BUSY),
        (500, Failure.SERVER),
        (503, Failure.SERVER),
        (599, Failure.SERVER),
        (600, Failure.STATUS),
        (999, Failure.STATUS),
    ],
)
async def test_every_other_status_is_a_failed_attempt(sender: HttpSender, status: int, failure: Failure) -> None:
    async with Receiver(answer(status, b"" if status == 304 else b"why")) as receiver:
        got = await sender.send(post(receiver.url("/secret-path?token=x")))
    assert (got.failure, got.status, got.note) == (failure, status, None)
    assert got.body == (b"" if status == 304 else b"why")
    assert str(status) in got.detail
    assert "secret-path" not in got.detail
    assert "token" not in got.detail
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["there", "loopback", "relative"])
async def test_A22_a_redirect_is_a_failed_attempt_and_never_followed(
    sender: HttpSender, status: int, place: str
) -> None:
    async with Receiver(answer()) as other:
        location = {"there": other.url("/hook/"), "loopback": "http://localhost/", "relative": "/hook/"}[place]
        async with Receiver(answer(status, headers=[f"Location: {location}"])) as receiver:
            got = await sender.send(post(receiver.url("/hook")))
    assert (got.failure, got.status) == (Failure.REDIRECT, status)
    assert location in got.detail
    assert "enter that address" in got.detail
    assert (len(receiver.requests), other.connections) == (1, 0)


async def test_A22_what_a_redirect_says_is_shown_safely(sender: HttpSender) -> None:
    location = "Location: https://jan:tajne@h.example/\x1b[31m\xff" + "x" * 1000
    async with Receiver(answer(301, headers=[location])) as receiver:
        got = await sender.send(post(receiver.url()))
    assert got.failure is Failure.REDIRECT
    assert "https://h.example/" in got.detail
    assert "tajne" not in got.detail
    assert got.detail.isprintable()
    assert len(got.detail) < 500


@pytest.mark.parametrize("hint", ["3600", "Wed, 21 Oct 2026 07:28:00 GMT", "-5", "NaN", "1e99", ""])
@pytest.mark.parametrize("status", [200, 429, 503])
async def test_retry_after_is_handed_on_as_it_was_said(sender: HttpSender, status: int, hint: str) -> None:
    async with Receiver(answer(status, headers=[f"retry-AFTER:  {hint} "])) as receiver:
        got = await sender.send(post(receiver.url()))
    assert (got.status, got.retry_after) == (status, hint)


async def test_answers_are_kept_up_to_a_limit(sender: HttpSender) -> None:
    headers = [f"X-{number}: {'h' * 1000}" for number in range(30)]
    async with Receiver(answer(200, b"b" * 10_000, headers)) as receiver:
        got = await sender.send(post(receiver.url()))
    assert (got.failure, got.note) == (None, None)
    assert (len(got.head), len(got.body)) == (16 * 1024, 4 * 1024)


async def test_a_closed_sender_says_so() -> None:
    sender = make_sender(Names())
    await sender.close()
    async with Receiver(answer()) as receiver:
        got = await sender.send(post(receiver.url()))
    assert got.failure is Failure.INTERNAL
    assert receiver.connections == 0
