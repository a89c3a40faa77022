"""Through an egress proxy: it is asked for checked addresses alone, also after a name has changed."""

from base64 import b64decode
from collections.abc import AsyncIterator

import pytest
import trustme
from msgspec.structs import replace

from goniec.core.model import Failure
from goniec.send.http import HttpSender
from goniec.send.proxy import Proxy, make_via, parse_proxy
from tests.contract.send.conftest import networks, post
from tests.contract.send.egress import Egress
from tests.contract.send.names import Names
from tests.contract.send.papers import pem, serving
from tests.contract.send.receivers import Receiver, answer, say, unused_port
from tests.contract.send.test_tokens import giving, granted, sent_tokens


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    async with Egress() as made:
        yield made


@pytest.fixture
async def sender(egress: Egress, names: Names) -> AsyncIterator[HttpSender]:
    """Receivers may be at 127.0.0.2 to 127.0.0.7: the proxy's own address is forbidden to them."""
    made = sending(names, egress)
    yield made
    await made.close()


def sending(names: Names, egress: Egress, host: str = "127.0.0.1") -> HttpSender:
    allowed = networks("127.0.0.2/31, 127.0.0.4/30, ::1")
    return HttpSender(names, allowed=allowed, proxy=Proxy(host, egress.port, "jan", "p@ss:word"))


# --- what it is asked for --------------------------------------------------------------------------------------------


async def test_it_is_asked_for_the_checked_address_also_for_plain_http(
    sender: HttpSender, egress: Egress, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    names.set("crm.example", "127.0.0.2")
    async with Receiver(answer(200, b"ok"), host="127.0.0.2") as receiver:
        got = [await sender.send(post(receiver.url("/hook", host="crm.example"))) for _ in range(2)]
    assert [(one.failure, one.address, one.body) for one in got] == [(None, receiver.address, b"ok")] * 2
    assert got[0].head.startswith(b"HTTP/1.1 200")
    assert b"X-Proxy" not in got[0].head
    # one tunnel, kept for the second request
    assert egress.asked == [receiver.address]
    assert [one.header("host") for one in receiver.requests] == [f"crm.example:{receiver.port}"] * 2
    assert receiver.requests[0].header("proxy-authorization") is None
    (head,) = egress.heads
    login = next(line for line in head.splitlines() if line.startswith("Proxy-Authorization: Basic "))
    assert b64decode(login.rpartition(" ")[2]) == b"jan:p@ss:word"
    assert "crm.example" not in head
    assert "webhook-id" not in head


async def test_tls_and_the_certificates_name_are_the_receivers(
    sender: HttpSender, egress: Egress, names: Names
) -> None:
    authority = trustme.CA()
    names.set("crm.example", "127.0.0.2")
    names.set("other.example", "127.0.0.2")
    async with Receiver(answer(), host="127.0.0.2", tls=serving(authority.issue_cert("crm.example"))) as receiver:
        fine = await sender.send(replace(post(receiver.url(host="crm.example")), authorities=pem(authority)))
        wrong = await sender.send(replace(post(receiver.url(host="other.example")), authorities=pem(authority)))
        stranger = await sender.send(post(receiver.url(host="crm.example")))
    assert (fine.failure, wrong.failure) == (None, Failure.TLS_HOST)
    assert stranger.failure in {Failure.TLS_ISSUER, Failure.TLS_SELF_SIGNED}
    assert set(egress.asked) == {receiver.address}


async def test_a_name_that_changes_is_asked_for_anew_and_a_forbidden_one_never(
    sender: HttpSender, egress: Egress, names: Names
) -> None:
    names.set("crm.example", "127.0.0.2")
    async with Receiver(answer(), host="127.0.0.2") as old, Receiver(answer(), host="127.0.0.3", port=old.port) as new:
        url = old.url(host="crm.example")
        first = await sender.send(post(url))
        names.set("crm.example", "127.0.0.3")
        second = await sender.send(post(url))
        for forbidden in ("10.0.0.1", "127.0.0.1", "127.0.0.3 10.0.0.1"):
            names.set("crm.example", forbidden)
            assert (await sender.send(post(url))).failure is Failure.ADDRESS
        literal = await sender.send(post(f"http://10.0.0.1:{old.port}/"))
    assert (first.address, second.address, literal.failure) == (old.address, new.address, Failure.ADDRESS)
    assert egress.asked == [old.address, new.address]


@pytest.mark.parametrize("dead", [502, 504, None])
async def test_an_address_that_it_does_not_reach_is_followed_by_the_next(names: Names, dead: int | None) -> None:
    names.set("both.example", "::1 127.0.0.2")
    async with Egress({"::1": dead}) as egress, Receiver(answer(), host="127.0.0.2") as receiver:
        sender = sending(names, egress)
        got = await sender.send(post(receiver.url(host="both.example"), connect=1))
        await sender.close()
    assert (got.failure, got.address) == (None, receiver.address)
    assert egress.asked == [f"[::1]:{receiver.port}", receiver.address]


async def test_a_token_is_asked_for_through_it_too(sender: HttpSender, egress: Egress) -> None:
    async with Receiver(answer(), host="127.0.0.2") as receiver, Receiver(giving(), host="127.0.0.3") as server:
        got = await sender.send(granted(receiver, server))
        assert sent_tokens(receiver) == ["Bearer t0ken"]
    assert (got.failure, egress.asked) == (None, [server.address, receiver.address])


@pytest.mark.parametrize("where", ["127.0.0.1", "127.0.0.1 127.0.0.9", "127.0.0.9 127.0.0.1"])
async def test_its_own_name_is_looked_up_and_not_guarded(names: Names, where: str) -> None:
    names.set("proxy.example", where)
    async with Egress() as egress, Receiver(answer(), host="127.0.0.2") as receiver:
        sender = sending(names, egress, "proxy.example")
        got = [await sender.send(post(receiver.url())) for _ in range(2)]
        await sender.close()
    assert [one.failure for one in got] == [None, None]
    assert egress.asked == [receiver.address]


# --- when it fails ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "said"),
    [(407, "user and password"), (403, "answered 403"), (500, "answered 500"), (302, "answered 302")],
)
async def test_a_refusal_is_its_own_and_names_no_credentials(names: Names, status: int, said: str) -> None:
    async with Egress(answer=status) as egress, Receiver(answer(), host="127.0.0.2") as receiver:
        sender = sending(names, egress)
        got = await sender.send(post(receiver.url("/secret-path")))
        token = await sender.send(granted(receiver, receiver))
        await sender.close()
    assert (got.failure, got.status, got.address, got.head) == (Failure.PROXY, None, None, b"")
    assert said in got.detail
    assert "p@ss" not in got.detail
    assert "secret-path" not in got.detail
    assert (token.failure, receiver.connections) == (Failure.PROXY, 0)


async def test_one_that_is_silent_gone_or_unknown(names: Names) -> None:
    async with Egress(answer=None) as egress, Receiver(answer(), host="127.0.0.2") as receiver:
        sender = sending(names, egress)
        silent = await sender.send(post(receiver.url(), connect=0.3, timeout=0.6))
        await sender.close()
        with unused_port() as port:
            gone = HttpSender(names, allowed=networks("127.0.0.2"), proxy=Proxy("127.0.0.1", port))
            refused = await gone.send(post(receiver.url()))
            await gone.close()
        lost = HttpSender(names, allowed=networks("127.0.0.2"), proxy=Proxy("nowhere.example", 3128))
        unknown = await lost.send(post(receiver.url()))
        await lost.close()
        async with Receiver(say(b"")) as closing:
            rude = HttpSender(names, allowed=networks("127.0.0.2"), proxy=Proxy("127.0.0.1", closing.port))
            closed = await rude.send(post(receiver.url()))
            await rude.close()
    assert {one.failure for one in (silent, refused, unknown, closed)} == {Failure.PROXY}
    assert "took no connection" in refused.detail
    assert "was not found" in unknown.detail
    assert receiver.connections == 0


OPENED = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (OPENED + b"A: b\r\n" * 10_000, "opened no way"),
        (OPENED + b"A: " + b"b" * 1_000_000, "opened no way"),
        (OPENED + b"A: b\r\n", "opened no way"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "answered 100"),
        (OPENED + b"\r\n" + OPENED + b"Content-Length: 2\r\n\r\nok", "more than"),
    ],
    ids=["many lines", "a long line", "no end", "interim only", "an answer before it was asked"],
)
async def test_a_broken_answer_of_its_own_is_not_the_receivers(
    names: Names, scheme: str, data: bytes, said: str
) -> None:
    async with Receiver(say(data, "hold")) as proxy:
        sender = HttpSender(names, allowed=networks("127.0.0.2"), proxy=Proxy("127.0.0.1", proxy.port))
        got = await sender.send(post(f"{scheme}://127.0.0.2:9/", timeout=1))
        await sender.close()
    assert (got.failure, got.status, got.head, got.body) == (Failure.PROXY, None, b"", b"")
    assert said in got.detail


async def test_what_the_receiver_does_is_not_the_proxys_fault(sender: HttpSender) -> None:
    behaviours = [say(b""), say(b"HTTP/1.1 200 OK\r\n", "close"), answer(500), say(b"", "hold")]
    async with Receiver(behaviours, host="127.0.0.2") as receiver:
        got = [await sender.send(post(receiver.url(), timeout=0.5, fresh=True)) for _ in behaviours]
    assert [one.failure for one in got] == [Failure.EMPTY, Failure.CUT, Failure.SERVER, Failure.TIMEOUT]
    assert {one.address for one in got} == {receiver.address}


# --- the setting -----------------------------------------------------------------------------------------------------


def test_its_url_is_read_and_shown_without_credentials() -> None:
    made = parse_proxy("http://jan:p%40ss%3Aw@proxy.example:3128/")
    assert (made.host, made.port, made.username, made.password) == ("proxy.example", 3128, "jan", "p@ss:w")
    assert (repr(made), made.literal) == ("http://proxy.example:3128", ())
    assert (repr(parse_proxy("http://[::1]:80")), parse_proxy("http://[::1]:80").literal) == (
        "http://[::1]:80",
        ("::1",),
    )
    assert make_via(("::1",), 80).url == "http://[::1]:80"
    assert parse_proxy("http://jan@proxy:1").password == ""


@pytest.mark.parametrize(
    "text",
    [
        "proxy.example:3128",
        "https://proxy:1",
        "socks5://proxy:1",
        "http://proxy",
        "http://proxy:0",
        "http://proxy:99999",
        "http://:1",
        "http://proxy:1/path",
        "http://proxy:1?x",
        "http://j%3Aan:hunter2@proxy:1",
        "http://jan:hunter2%0d@proxy:1",
        "http://:hunter2@proxy:1",
        "http://prożek:1",
    ],
)
def test_what_is_no_proxy_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="is expected") as caught:
        parse_proxy(text)
    assert "hunter2" not in str(caught.value)
