"""Endpoints: changed, paused, resumed, given another secret, deleted."""

from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from goniec.core.actions import BasicAuth
from goniec.core.endpoint import Endpoint, Header, Pause
from goniec.core.problems import Invalid
from goniec.core.signing import PREFIX, decode_secret, encode_secret
from goniec.core.times import DAY
from goniec.flow.configure import Conflict, Missing, Refusal, Stale, usage
from goniec.flow.endpoint_drafts import HEADERS_LIMIT, ClientDraft, EndpointDraft, HeaderDraft
from goniec.flow.endpoints import (
    EndpointSaved,
    change_endpoint,
    delete_endpoint,
    endpoint_tag,
    pause_endpoint,
    resume_endpoint,
    rotate_secret,
)
from goniec.flow.rules import delete_rule
from tests.contract.send.papers import self_made
from tests.flow.desk import PASSWORD, URL, Desk, hook, read_back
from tests.flow.workshop import Workshop, email, failing


@pytest.fixture
def desk(shop: Workshop) -> Desk:
    return Desk(shop)


@pytest.fixture
async def endpoint(desk: Desk) -> Endpoint:
    saved = await desk.create()
    (endpoint,) = saved.endpoints.values()
    desk.notice.endpoints.clear()
    return endpoint


async def changed(desk: Desk, endpoint: Endpoint, **fields: Any) -> Endpoint:
    saved = await change_endpoint(desk.outside, endpoint.id, EndpointDraft(**fields), None)
    assert isinstance(saved, EndpointSaved), saved
    return saved.endpoint


async def refused(desk: Desk, endpoint: Endpoint, **fields: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        await change_endpoint(desk.outside, endpoint.id, EndpointDraft(**fields), None)
    return {problem.pointer: problem.detail for problem in caught.value.problems}


def of(saved: EndpointSaved | Refusal) -> Endpoint:
    assert isinstance(saved, EndpointSaved), saved
    return saved.endpoint


# --- policy and place ------------------------------------------------------------------------------------------------


async def test_a_policy_is_changed_in_parts(desk: Desk, endpoint: Endpoint) -> None:
    one = await changed(desk, endpoint, schedule=(1, 2), timeout=3)
    two = await changed(desk, endpoint, connect_timeout=2, concurrency=1, order=False, order_hold=0)
    assert one.policy.schedule == two.policy.schedule == (1, 2)
    assert (two.policy.timeout, two.policy.connect_timeout, two.policy.order) == (3, 2, False)
    assert (one.version, two.version) == (2, 3)
    assert desk.notice.endpoints == [endpoint.id] * 2


async def test_what_comes_out_the_same_makes_no_version(desk: Desk, endpoint: Endpoint) -> None:
    assert (await changed(desk, endpoint, timeout=15, url=URL)).version == 1


async def test_every_fault_of_a_policy_is_told_at_its_field(desk: Desk, endpoint: Endpoint) -> None:
    told = await refused(desk, endpoint, schedule=(0,), timeout=99, connect_timeout=0, concurrency=0, order_hold=-1)
    assert list(told) == ["/schedule", "/timeout", "/connectTimeout", "/concurrency", "/orderHold"]
    assert "30" in told["/timeout"]


async def test_what_does_not_go_together_is_told_at_what_was_given(desk: Desk, endpoint: Endpoint) -> None:
    assert list(await refused(desk, endpoint, split=True, concurrency=7)) == ["/concurrency"]
    await changed(desk, endpoint, concurrency=7)
    told = await refused(desk, endpoint, split=True)
    assert "8 or more" in told["/split"]
    assert (await changed(desk, endpoint, split=True, concurrency=8)).policy.split
    assert list(await refused(desk, endpoint, concurrency=1)) == ["/concurrency"]
    assert not (await changed(desk, endpoint, split=False, concurrency=1)).policy.split


async def test_a_url_that_the_guard_refuses_is_told_at_the_field(desk: Desk, endpoint: Endpoint) -> None:
    assert "10.0.0.1" in (await refused(desk, endpoint, url="http://10.0.0.1/"))["/url"]
    assert "p4ss" not in str(await refused(desk, endpoint, url="https://jan:p4ss@crm.example/"))


async def test_another_path_keeps_all(desk: Desk, endpoint: Endpoint) -> None:
    key = HeaderDraft("X-Key", "geheim", secret=True)
    before = await changed(desk, endpoint, headers=(key,))
    after = await changed(desk, endpoint, url=f"{URL}/2")
    assert (after.url, after.password, after.headers) == (f"{URL}/2", endpoint.password, before.headers)


async def test_another_origin_drops_password_and_secret_headers(desk: Desk, endpoint: Endpoint) -> None:
    key, plain = HeaderDraft("X-Key", "geheim", secret=True), HeaderDraft("X-Plain", "a")
    await changed(desk, endpoint, headers=(key, plain))
    after = await changed(desk, endpoint, url="https://crm2.example/hook")
    assert (after.username, after.password) == ("jan", None)
    assert after.headers == (Header("X-Plain", "a"),)
    assert after.secret == endpoint.secret


async def test_what_is_given_anew_goes_to_another_origin(desk: Desk, endpoint: Endpoint) -> None:
    auth = BasicAuth("jan", PASSWORD)
    key = HeaderDraft("X-Key", "geheim", secret=True)
    await changed(desk, endpoint, headers=(key,))
    after = await changed(desk, endpoint, url="https://crm2.example/hook", basic_auth=auth, headers=(key,))
    assert desk.opened(after, after.password) == PASSWORD
    assert desk.opened(after, after.headers[0].sealed) == "geheim"


async def test_a_url_and_user_that_another_endpoint_has_are_refused(desk: Desk, endpoint: Endpoint) -> None:
    other = await desk.create(name="other", actions=[hook(username="ola")])
    found = await change_endpoint(desk.outside, endpoint.id, EndpointDraft(basic_auth=BasicAuth("ola")), None)
    assert isinstance(found, Conflict)
    assert (found.code, [rule.id for rule in found.rules]) == ("endpointExists", [other.rule.id])
    assert desk.notice.endpoints == [next(iter(other.endpoints))]


# --- credentials -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("auth", "username", "password"),
    [
        (None, None, None),
        (BasicAuth("jan"), "jan", PASSWORD),
        (BasicAuth("jan", UNSET, password_set=True), "jan", PASSWORD),
        (BasicAuth("jan", PASSWORD), "jan", PASSWORD),
        (BasicAuth("jan", None), "jan", None),
        (BasicAuth("ola"), "ola", PASSWORD),
        (BasicAuth("", ""), "", ""),
    ],
)
async def test_credentials(
    desk: Desk, endpoint: Endpoint, auth: BasicAuth | None, username: str | None, password: str | None
) -> None:
    after = await changed(desk, endpoint, basic_auth=auth)
    assert (after.username, desk.opened(after, after.password)) == (username, password)


async def test_the_same_password_makes_no_version(desk: Desk, endpoint: Endpoint) -> None:
    assert (await changed(desk, endpoint, basic_auth=BasicAuth("jan", PASSWORD))).version == 1


async def test_a36_a_colon_in_the_user_name_is_refused_at_the_field(desk: Desk, endpoint: Endpoint) -> None:
    assert list(await refused(desk, endpoint, basic_auth=BasicAuth("a:b"))) == ["/basicAuth/username"]


# --- headers ---------------------------------------------------------------------------------------------------------


async def test_a_secret_header_keeps_its_value_when_none_is_given(desk: Desk, endpoint: Endpoint) -> None:
    await changed(desk, endpoint, headers=(HeaderDraft("X-Key", "geheim", secret=True),))
    after = await changed(desk, endpoint, headers=(HeaderDraft("x-key", secret=True), HeaderDraft("X-B", "")))
    assert [header.name for header in after.headers] == ["x-key", "X-B"]
    assert desk.opened(after, after.headers[0].sealed) == "geheim"
    same = await changed(desk, endpoint, headers=(HeaderDraft("x-key", "geheim", secret=True), HeaderDraft("X-B", "")))
    assert same.version == after.version
    other = await changed(desk, endpoint, headers=(HeaderDraft("x-key", "other", secret=True),))
    assert desk.opened(other, other.headers[0].sealed) == "other"


@pytest.mark.parametrize("name", ["Authorization", "content-type", "User-Agent", "webhook-id", "Goniec-Extra"])
async def test_headers_that_goniec_sets_are_its_own(desk: Desk, endpoint: Endpoint, name: str) -> None:
    told = await refused(desk, endpoint, headers=(HeaderDraft(name, "x"),))
    assert "Goniec itself" in told["/headers/0/name"]


@pytest.mark.parametrize(
    ("header", "pointer"),
    [
        (HeaderDraft("X Y", "x"), "/headers/0/name"),
        (HeaderDraft("Host", "x"), "/headers/0/name"),
        (HeaderDraft("X-A"), "/headers/0/value"),
        (HeaderDraft("X-A", "a\r\nX-B: c"), "/headers/0/value"),
        (HeaderDraft("X-A", "\u0105"), "/headers/0/value"),
        (HeaderDraft("X-A", "\u0105", secret=True), "/headers/0/value"),
        (HeaderDraft("X-A", secret=True), "/headers/0/value"),
    ],
)
async def test_what_cannot_be_a_header(desk: Desk, endpoint: Endpoint, header: HeaderDraft, pointer: str) -> None:
    assert list(await refused(desk, endpoint, headers=(header,))) == [pointer]


async def test_latin_1_is_fine(desk: Desk, endpoint: Endpoint) -> None:
    after = await changed(desk, endpoint, headers=(HeaderDraft("X-A", "gr\u00fc\u00df"),))
    assert after.headers == (Header("X-A", "gr\u00fc\u00df"),)


async def test_a_name_stands_once_and_there_is_a_limit(desk: Desk, endpoint: Endpoint) -> None:
    twice = (HeaderDraft("X-A", "1"), HeaderDraft("x-a", "2"))
    assert list(await refused(desk, endpoint, headers=twice)) == ["/headers/1/name"]
    many = tuple(HeaderDraft(f"X-{n}", "") for n in range(HEADERS_LIMIT + 1))
    assert list(await refused(desk, endpoint, headers=many)) == ["/headers"]


# --- pausing ---------------------------------------------------------------------------------------------------------


async def test_pausing_and_resuming(desk: Desk, endpoint: Endpoint) -> None:
    paused = of(await pause_endpoint(desk.outside, endpoint.id))
    assert (paused.paused, paused.paused_at, paused.version) == (Pause.BY_HAND, desk.shop.clock.at, 2)
    assert of(await pause_endpoint(desk.outside, endpoint.id)).version == 2
    resumed = of(await resume_endpoint(desk.outside, endpoint.id))
    assert (resumed.paused, resumed.paused_at, resumed.version) == (None, None, 3)
    assert of(await resume_endpoint(desk.outside, endpoint.id)).version == 3


async def test_pausing_keeps_the_first_reason(desk: Desk, endpoint: Endpoint) -> None:
    gone = replace(endpoint, paused=Pause.GONE, paused_at=1)
    await desk.shop.store.transact(lambda tx: tx.put_endpoint(gone))
    assert of(await pause_endpoint(desk.outside, endpoint.id)).paused is Pause.GONE


# --- secrets ---------------------------------------------------------------------------------------------------------


async def test_a_new_secret_is_told_once_and_the_old_one_signs_on(desk: Desk, endpoint: Endpoint) -> None:
    saved = await rotate_secret(desk.outside, endpoint.id, None, 2)
    assert isinstance(saved, EndpointSaved)
    assert saved.secret is not None
    assert len(decode_secret(saved.secret)) == 32
    assert desk.opened(saved.endpoint, saved.endpoint.secret) == saved.secret
    assert saved.endpoint.previous_secret == endpoint.secret
    assert saved.endpoint.previous_until == desk.shop.clock.at + 2 * DAY


async def test_a_secret_of_the_callers_is_taken_and_not_told(desk: Desk, endpoint: Endpoint) -> None:
    secret = encode_secret(b"x" * 24)
    saved = await rotate_secret(desk.outside, endpoint.id, secret, 0)
    assert isinstance(saved, EndpointSaved)
    assert saved.secret is None
    assert desk.opened(saved.endpoint, saved.endpoint.secret) == secret
    assert (saved.endpoint.previous_secret, saved.endpoint.previous_until) == (None, None)


@pytest.mark.parametrize("secret", ["", "abc", "whsec_!!!!", f"{PREFIX}AAAA", f"v1,{encode_secret(b'x' * 24)}"])
async def test_what_is_no_secret_is_refused_unrepeated(desk: Desk, endpoint: Endpoint, secret: str) -> None:
    with pytest.raises(Invalid) as caught:
        await rotate_secret(desk.outside, endpoint.id, secret, 8)
    assert [problem.pointer for problem in caught.value.problems] == ["/overlapDays", "/secret"]
    assert not secret or secret not in caught.value.problems[1].detail


# --- deleting and where it is used -----------------------------------------------------------------------------------


async def test_an_endpoint_in_use_cannot_be_deleted(desk: Desk, endpoint: Endpoint) -> None:
    found = await delete_endpoint(desk.outside, endpoint.id)
    assert isinstance(found, Conflict)
    (rule,) = found.rules
    assert (found.code, rule.name) == ("inUse", "VIP to CRM")
    assert rule.id in found.detail


async def test_an_endpoint_that_something_waits_for_cannot_be_deleted(desk: Desk) -> None:
    saved = await desk.create(triggers=[{"type": "contact.created"}])
    (endpoint,) = saved.endpoints.values()
    desk.shop.sender.script = lambda _: failing()
    await desk.shop.record(email("a@x.pl"))
    await desk.shop.settle()
    await delete_rule(desk.outside, saved.rule.id, None)
    found = await delete_endpoint(desk.outside, endpoint.id)
    assert isinstance(found, Conflict)
    assert (found.code, "(1)" in found.detail) == ("pendingDeliveries", True)
    (delivery,) = await desk.shop.deliveries()
    await desk.shop.store.transact(lambda tx: tx.cancel(delivery.id, desk.shop.clock.at))
    assert await delete_endpoint(desk.outside, endpoint.id) is None
    assert desk.notice.endpoints[-1] == endpoint.id
    assert await desk.endpoints() == []


async def test_where_things_are_used(desk: Desk, endpoint: Endpoint) -> None:
    used = usage(await desk.shop.store.queries.rules())
    assert {name: [rule.name for rule in rules] for name, rules in used.items()} == {
        ("endpoint", endpoint.id): ["VIP to CRM"],
        ("tag", "VIP"): ["VIP to CRM"],
    }


async def test_versions_that_do_not_fit_and_what_there_is_not(desk: Desk, endpoint: Endpoint) -> None:
    old, stale = frozenset({"9"}), Stale(endpoint_tag(endpoint))
    nothing = EndpointDraft()
    assert await change_endpoint(desk.outside, endpoint.id, nothing, old) == stale
    assert await delete_endpoint(desk.outside, endpoint.id, old) == stale
    assert await pause_endpoint(desk.outside, endpoint.id, old) == stale
    assert isinstance(await change_endpoint(desk.outside, endpoint.id, nothing, frozenset({"1"})), EndpointSaved)
    assert await change_endpoint(desk.outside, "end_x", nothing, None) == Missing("endpoint")
    assert await delete_endpoint(desk.outside, "end_x") == Missing("endpoint")


# --- certificates ----------------------------------------------------------------------------------------------------


async def test_a42_authorities_are_set_kept_and_taken_away(desk: Desk, endpoint: Endpoint) -> None:
    mine = self_made("authority")[0]
    one = await changed(desk, endpoint, ca_bundle=f"# ours\n{mine}")
    same = await changed(desk, endpoint, ca_bundle=mine, timeout=15)
    kept = await changed(desk, endpoint, timeout=3)
    assert one.ca_bundle == kept.ca_bundle == mine
    assert (one.version, same.version, kept.version) == (2, 2, 3)
    assert (await changed(desk, endpoint, ca_bundle=" ")).ca_bundle is None
    await changed(desk, endpoint, ca_bundle=mine)
    assert (await changed(desk, endpoint, ca_bundle=None)).ca_bundle is None


async def test_what_is_no_certificate_is_told_at_its_field(desk: Desk, endpoint: Endpoint) -> None:
    certificate, key = self_made()
    told = await refused(desk, endpoint, ca_bundle=key, timeout=99)
    assert set(told) == {"/timeout", "/caBundle"}
    told = await refused(desk, endpoint, client_certificate=ClientDraft(certificate))
    assert "without its key" in told["/clientCertificate/key"]
    told = await refused(desk, endpoint, client_certificate=ClientDraft("?", key))
    assert set(told) == {"/clientCertificate/certificate"}


async def test_a_client_certificates_key_is_sealed_and_kept(desk: Desk, endpoint: Endpoint) -> None:
    certificate, key = self_made("goniec")
    one = await changed(desk, endpoint, client_certificate=ClientDraft(certificate, key))
    assert one.client_certificate is not None
    assert one.client_certificate.subject == "CN=goniec"
    assert desk.opened(one, one.client_certificate.key) == key
    assert key[40:80].encode() not in one.client_certificate.key
    # read back and sent again it is the same
    same = await changed(desk, endpoint, client_certificate=ClientDraft(certificate, key_set=True))
    assert (same.version, same.client_certificate) == (2, one.client_certificate)
    other, other_key = self_made("goniec")
    told = await refused(desk, endpoint, client_certificate=ClientDraft(other))
    assert "does not fit" in told["/clientCertificate/key"]
    renewed = await changed(desk, endpoint, client_certificate=ClientDraft(other, other_key))
    assert renewed.client_certificate is not None
    assert desk.opened(renewed, renewed.client_certificate.key) == other_key
    assert (await changed(desk, endpoint, client_certificate=None)).client_certificate is None


async def test_another_origin_drops_the_client_certificate(desk: Desk, endpoint: Endpoint) -> None:
    certificate, key = self_made()
    mine = self_made("authority")[0]
    await changed(desk, endpoint, client_certificate=ClientDraft(certificate, key), ca_bundle=mine)
    kept = await changed(desk, endpoint, url=f"{URL}/2")
    assert kept.client_certificate is not None
    moved = await changed(desk, endpoint, url="https://crm2.example/hook")
    assert (moved.client_certificate, moved.ca_bundle) == (None, mine)
    told = await refused(desk, endpoint, client_certificate=ClientDraft(certificate))
    assert "/clientCertificate/key" in told


async def test_a_path_of_the_same_origin_takes_certificates_along(desk: Desk) -> None:
    saved = await desk.create()
    (endpoint,) = saved.endpoints.values()
    certificate, key = self_made()
    await changed(desk, endpoint, client_certificate=ClientDraft(certificate, key), ca_bundle=certificate)
    data = read_back(saved)
    data["actions"][0]["url"] = f"{URL}/other"
    (other,) = (await desk.change(saved.rule.id, data)).endpoints.values()
    assert other.client_certificate is not None
    assert (other.id == endpoint.id, other.ca_bundle) == (False, certificate)
    assert desk.opened(other, other.client_certificate.key) == key


async def test_a_client_key_that_no_key_opens_has_to_be_given_anew(desk: Desk, endpoint: Endpoint) -> None:
    certificate, key = self_made()
    one = await changed(desk, endpoint, client_certificate=ClientDraft(certificate, key))
    assert one.client_certificate is not None
    lost = replace(one, client_certificate=replace(one.client_certificate, key=b"lost"))
    await desk.shop.store.transact(lambda tx: tx.put_endpoint(lost))
    assert "/clientCertificate/key" in await refused(desk, endpoint, client_certificate=ClientDraft(certificate))
    assert (await changed(desk, endpoint, client_certificate=ClientDraft(certificate, key))).version == 3
