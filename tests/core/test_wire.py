"""The headers of a webhook, name by name."""

import pytest
from msgspec.structs import replace

from goniec.core.ids import event_of
from goniec.core.model import Delivery
from goniec.core.signing import verify
from goniec.core.wire import Credentials, headers, is_ours

DELIVERY = Delivery(
    id="dlv_01KAWHA7BV00000000000000000000HP15Q5",
    endpoint_id="end_1",
    contact_id="c1",
    rule_id="rul_1",
    event_type="contact.tagged",
    seq=7,
    body=b"{}",
    created_at=1,
)
NOW = 1_764_041_760_999
SECRET, OLD = b"s" * 32, b"o" * 32


def test_they_go_out_in_this_order_and_verify() -> None:
    own = (("X-Shop", "kwiaty"),)
    credentials = Credentials(SECRET, authorization="Basic amFuOg==", own=own)
    made = headers(DELIVERY, 3, credentials, "Goniec/1", NOW)
    signature = dict(made)["webhook-signature"]
    assert made == (
        ("Content-Type", "application/json; charset=utf-8"),
        ("User-Agent", "Goniec/1"),
        ("Authorization", "Basic amFuOg=="),
        ("webhook-id", DELIVERY.id),
        ("webhook-timestamp", "1764041760"),
        ("webhook-signature", signature),
        ("goniec-event-type", "contact.tagged"),
        ("goniec-attempt", "3"),
        ("goniec-sequence", "7"),
        ("goniec-cause", DELIVERY.run_id),
        ("X-Shop", "kwiaty"),
    )
    assert verify(SECRET, dict(made), b"{}", NOW) is None
    assert event_of(DELIVERY.run_id) == DELIVERY.event_id


def test_without_basic_there_is_no_authorization() -> None:
    assert "Authorization" not in dict(headers(DELIVERY, 1, Credentials(SECRET), "Goniec/1", NOW))


def test_a_trace_is_told_before_what_is_the_endpoints_own() -> None:
    credentials = Credentials(SECRET, own=(("X-Shop", "kwiaty"),))
    made = headers(DELIVERY, 1, credentials, "Goniec/1", NOW, "00-1-2-01")
    assert made[-2:] == (("traceparent", "00-1-2-01"), ("X-Shop", "kwiaty"))
    assert "traceparent" not in dict(headers(DELIVERY, 1, credentials, "Goniec/1", NOW))
    assert is_ours("Traceparent")
    assert is_ours("tracestate")


@pytest.mark.parametrize(
    "name",
    ["webhook_id", "Webhook_Signature", "goniec_attempt", "User_Agent", "Accept-Encoding", "content-encoding"],
)
def test_what_contradicts_ours_is_no_header_of_an_endpoints_own(name: str) -> None:
    assert is_ours(name)
    assert not is_ours(f"X-{name}")


def test_resends_and_test_sends_say_so() -> None:
    marked = dict(headers(replace(DELIVERY, resend=True, test=True), 1, Credentials(SECRET), "Goniec/1", NOW))
    assert (marked["goniec-resend"], marked["goniec-test"]) == ("true", "true")


def test_both_secrets_sign_until_the_overlap_ends() -> None:
    rotating = Credentials(SECRET, previous=OLD, previous_until=NOW + 1)
    made = dict(headers(DELIVERY, 1, rotating, "Goniec/1", NOW))
    assert len(made["webhook-signature"].split(" ")) == 2
    assert verify(SECRET, made, b"{}", NOW) is verify(OLD, made, b"{}", NOW) is None
    later = dict(headers(DELIVERY, 1, rotating, "Goniec/1", NOW + 1))
    assert len(later["webhook-signature"].split(" ")) == 1
