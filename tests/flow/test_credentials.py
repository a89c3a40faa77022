"""A request as it may be shown afterwards: what the receiver got, header for header, without what is secret."""

from msgspec.structs import replace

from goniec.core.endpoint import Endpoint, Header
from goniec.core.model import Attempt, Delivery, Failure
from goniec.core.signing import encode_secret
from goniec.core.times import DAY, HOUR
from goniec.flow.credentials import as_sent
from goniec.ports import Answer, Outgoing
from tests.core.build import NOW, happened
from tests.flow.workshop import Workshop, email, failing, ok

AGENT = "Goniec/test"
OLD = b"o" * 32


async def sealed_endpoint(shop: Workshop) -> Endpoint:
    return await shop.endpoint(
        username="jan",
        password=shop.vault.seal("end_1", "very secret"),
        headers=(Header("X-Plain", "plain"), Header("X-Key", sealed=shop.vault.seal("end_1", "key-of-ours"))),
        previous_secret=shop.vault.seal("end_1", encode_secret(OLD)),
        previous_until=NOW + HOUR,
    )


async def delivered(shop: Workshop) -> tuple[Delivery, list[Attempt]]:
    await shop.rule()
    await shop.record(email("jan@x.pl", happenings=(happened(),)))
    await shop.settle()
    (delivery,) = await shop.deliveries()
    return delivery, await shop.attempts(delivery.id)


async def test_it_is_what_was_sent_with_secrets_left_out(shop: Workshop) -> None:
    endpoint = await sealed_endpoint(shop)
    shop.sender.script = lambda request: failing() if len(shop.sender.sent) == 1 else ok(request)
    delivery, _ = await delivered(shop)
    await shop.later(DAY)
    attempts = await shop.attempts(delivery.id)
    assert len(attempts) == 2
    for request, attempt in zip(shop.sender.sent, attempts, strict=True):
        shown = as_sent(endpoint, shop.vault, delivery, attempt, AGENT)
        hidden = {"Authorization", "X-Key"}
        assert shown == tuple((name, None if name in hidden else value) for name, value in request.headers)
    signatures = [dict(request.headers)["webhook-signature"].count("v1,") for request in shop.sender.sent]
    assert signatures == [2, 1]


async def test_a_resend_is_shown_at_the_attempt_that_was_one(shop: Workshop) -> None:
    endpoint = await shop.endpoint()
    delivery, _ = await delivered(shop)
    await shop.store.transact(lambda tx: tx.requeue(delivery.id, NOW))
    await shop.later(0)
    (delivery,) = await shop.deliveries()
    shown = [
        dict(as_sent(endpoint, shop.vault, delivery, attempt, AGENT)).get("goniec-resend")
        for attempt in await shop.attempts(delivery.id)
    ]
    assert shown == [None, "true"]


async def test_of_an_attempt_to_come_time_and_signature_are_not_known(shop: Workshop) -> None:
    endpoint = await shop.endpoint(username="jan")
    delivery, _ = await delivered(shop)
    shown = dict(as_sent(endpoint, shop.vault, delivery, None, AGENT))
    assert {name for name, value in shown.items() if value is None} == {
        "Authorization",
        "webhook-timestamp",
        "webhook-signature",
    }
    assert shown["goniec-attempt"] == "2"


async def test_a_signature_is_not_told_when_it_may_have_been_another(shop: Workshop) -> None:
    endpoint = await shop.endpoint()
    delivery, (attempt,) = await delivered(shop)

    def signature(endpoint: Endpoint, delivery: Delivery) -> str | None:
        return dict(as_sent(endpoint, shop.vault, delivery, attempt, AGENT))["webhook-signature"]

    assert signature(endpoint, delivery) is not None
    assert signature(replace(endpoint, updated_at=attempt.at + 1), delivery) is None
    assert signature(endpoint, replace(delivery, body=b"", body_sha256=b"x")) is None
    assert signature(replace(endpoint, secret=b"sealed with a key that is gone"), delivery) is None


async def test_what_a_receiver_repeats_is_kept_without_secrets(shop: Workshop) -> None:
    await sealed_endpoint(shop)
    secret = encode_secret(OLD)

    def debug_page(request: Outgoing) -> Answer:
        sent = dict(request.headers)
        page = f"Authorization: {sent['Authorization']}\r\nX-Key: {sent['X-Key']}\r\nX-Plain: plain".encode()
        body = page + f" jan / very secret / {secret} / {secret.removeprefix('whsec_')}".encode()
        return failing(500, head=b"HTTP/1.1 500 No\r\n" + page, body=body)

    shop.sender.script = debug_page
    _, attempts = await delivered(shop)
    page = b"Authorization: Basic ****\r\nX-Key: ****\r\nX-Plain: plain"
    assert attempts[0].head == b"HTTP/1.1 500 No\r\n" + page
    assert attempts[0].body == page + b" jan / **** / **** / ****"


async def test_an_address_that_a_receiver_points_to_is_told_without_secrets(shop: Workshop) -> None:
    await sealed_endpoint(shop)
    answer = failing(302, Failure.REDIRECT)
    shop.sender.script = lambda _: replace(answer, detail="It points to /login?password=very%20secret but")
    _, attempts = await delivered(shop)
    assert attempts[0].detail == "It points to /login?password=**** but"
