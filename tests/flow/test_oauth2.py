"""OAuth2 of an endpoint: by a change of it and in a rule, sealed, kept, dropped, and asked for with an attempt."""

from typing import Any

import pytest
from msgspec.structs import replace

from goniec.core.actions import BasicAuth, OAuth2In
from goniec.core.endpoint import Endpoint, OAuth2
from goniec.core.model import Delivery, Failure
from goniec.core.problems import Invalid
from goniec.core.wire import Grant
from goniec.flow.configure import Conflict
from goniec.flow.credentials import as_sent
from goniec.flow.oauth2 import ID_LIMIT, TEXT_LIMIT
from goniec.flow.rules import create_rule
from goniec.ports import Answer, Outgoing
from tests.core.build import happened
from tests.flow.desk import URL, Desk, draft, hook, read_back
from tests.flow.test_configure_endpoints import changed, refused
from tests.flow.workshop import Workshop, email, failing, ok

TOKENS = "https://login.example/oauth2/token"
SECRET = "s3:cr&et ż"
CLIENT = {"tokenUrl": TOKENS, "clientId": "goniec", "clientSecret": SECRET}


@pytest.fixture
def desk(shop: Workshop) -> Desk:
    return Desk(shop)


@pytest.fixture
async def endpoint(desk: Desk) -> Endpoint:
    saved = await desk.create(actions=[hook(username=None)])
    (endpoint,) = saved.endpoints.values()
    return endpoint


def client(**fields: Any) -> OAuth2In:
    return OAuth2In(**{"token_url": TOKENS, "client_id": "goniec", "client_secret": SECRET, **fields})


def stored(endpoint: Endpoint) -> OAuth2:
    assert endpoint.oauth2 is not None
    return endpoint.oauth2


def granting(url: str = URL, **fields: Any) -> dict[str, Any]:
    return {"type": "webhook", "url": url, "oauth2": {**CLIENT, **fields}}


async def faults(desk: Desk, *actions: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        await create_rule(desk.outside, draft(actions=list(actions)))
    return {problem.pointer: problem.detail for problem in caught.value.problems}


# --- by a change of the endpoint -------------------------------------------------------------------------------------


async def test_the_secret_is_sealed_and_what_is_read_back_changes_nothing(desk: Desk, endpoint: Endpoint) -> None:
    one = await changed(
        desk, endpoint, oauth2=client(token_url=f" {TOKENS}#x", scope="a b", audience="crm", auth="body")
    )
    known = stored(one)
    assert (known.token_url, known.client_id, known.scope, known.audience, known.auth) == (
        TOKENS,
        "goniec",
        "a b",
        "crm",
        "body",
    )
    assert desk.opened(one, known.secret) == SECRET
    assert SECRET.encode() not in (known.secret or b"")
    again = OAuth2In(TOKENS, "goniec", scope="a b", audience="crm", auth="body", secret_set=True)
    for same in (again, client(scope="a b", audience="crm", auth="body")):
        assert (await changed(desk, endpoint, oauth2=same)) == one
    # everything but the secret is as it is given now
    fewer = await changed(desk, endpoint, oauth2=OAuth2In(TOKENS, "other", scope="", audience=""))
    assert stored(fewer) == OAuth2(TOKENS, "other", known.secret)
    renewed = await changed(desk, endpoint, oauth2=client(client_secret="another"))
    assert desk.opened(renewed, stored(renewed).secret) == "another"
    kept = await changed(desk, endpoint, timeout=3)
    assert kept.oauth2 == renewed.oauth2
    assert (await changed(desk, endpoint, oauth2=None)).oauth2 is None


@pytest.mark.parametrize(
    ("fields", "pointer", "said"),
    [
        ({"client_id": ""}, "clientId", "is required"),
        ({"client_id": "x" * (ID_LIMIT + 1)}, "clientId", str(ID_LIMIT)),
        ({"client_secret": ""}, "clientSecret", "is required"),
        ({"client_secret": "s3cret\n"}, "clientSecret", "control character"),
        ({"client_secret": "s3cret" * TEXT_LIMIT}, "clientSecret", str(TEXT_LIMIT)),
        ({"scope": "a  b"}, "scope", "single space"),
        ({"scope": 'a"b'}, "scope", "quotes"),
        ({"audience": "\0"}, "audience", "control character"),
        ({"token_url": "inbox:"}, "tokenUrl", "https://"),
        ({"token_url": "https://10.0.0.1/token"}, "tokenUrl", "GONIEC_ALLOW_NETWORKS"),
        ({"token_url": "https://jan:s3cret@login.example/"}, "tokenUrl", "user name and password"),
        ({"token_url": ""}, "tokenUrl", "Enter the URL"),
    ],
)
async def test_what_makes_no_sense_is_told_at_its_field(
    desk: Desk, endpoint: Endpoint, fields: dict[str, Any], pointer: str, said: str
) -> None:
    told = await refused(desk, endpoint, oauth2=client(**fields), timeout=99)
    assert set(told) == {f"/oauth2/{pointer}", "/timeout"}
    assert said in told[f"/oauth2/{pointer}"]
    assert "s3cret" not in str(told)


async def test_a_secret_is_meant_for_one_server(desk: Desk, endpoint: Endpoint) -> None:
    assert "none is stored" in (await refused(desk, endpoint, oauth2=OAuth2In(TOKENS, "x")))["/oauth2/clientSecret"]
    one = await changed(desk, endpoint, oauth2=client())
    # another path at the same server is the same server
    moved = await changed(desk, endpoint, oauth2=OAuth2In(f"{TOKENS}/2", "goniec"))
    assert stored(moved).secret == stored(one).secret
    elsewhere = OAuth2In("https://evil.example/token", "goniec")
    assert "/oauth2/clientSecret" in await refused(desk, endpoint, oauth2=elsewhere)
    # a token that it gives is meant for the receiver at the old address
    assert "/oauth2/clientSecret" in await refused(
        desk, endpoint, url="https://new.example/", oauth2=OAuth2In(TOKENS, "g")
    )
    dropped = await changed(desk, endpoint, url="https://new.example/hook")
    assert stored(dropped) == replace(stored(moved), secret=None)
    # what is read back of that may be sent again
    same = await changed(desk, endpoint, oauth2=OAuth2In(f"{TOKENS}/2", "goniec", secret_set=False))
    assert same == dropped


async def test_a_secret_that_no_key_opens_has_to_be_given_anew(desk: Desk, endpoint: Endpoint) -> None:
    one = await changed(desk, endpoint, oauth2=client())
    lost = replace(one, oauth2=replace(stored(one), secret=b"lost"))
    await desk.shop.store.transact(lambda tx: tx.put_endpoint(lost))
    again = await changed(desk, endpoint, oauth2=client())
    assert desk.opened(again, stored(again).secret) == SECRET


async def test_basic_and_oauth2_do_not_go_together(desk: Desk, endpoint: Endpoint) -> None:
    basic = BasicAuth("jan", "tajne")
    told = await refused(desk, endpoint, basic_auth=basic, oauth2=client())
    assert "basicAuth: give null" in told["/oauth2"]
    await changed(desk, endpoint, oauth2=client())
    told = await refused(desk, endpoint, basic_auth=basic)
    assert "oauth2: give null" in told["/basicAuth"]
    one = await changed(desk, endpoint, basic_auth=basic, oauth2=None)
    assert (one.username, one.oauth2) == ("jan", None)
    assert "/oauth2" in await refused(desk, endpoint, oauth2=client())
    other = await changed(desk, endpoint, basic_auth=None, oauth2=client())
    assert (other.username, other.password, stored(other).client_id) == (None, None, "goniec")


# --- in a rule -------------------------------------------------------------------------------------------------------


async def test_a_rule_makes_an_endpoint_with_oauth2_and_put_takes_what_get_gave(desk: Desk) -> None:
    saved = await desk.create(actions=[granting(scope="crm.write")])
    (endpoint,) = saved.endpoints.values()
    assert (endpoint.version, desk.opened(endpoint, stored(endpoint).secret)) == (1, SECRET)
    told = read_back(saved)
    assert told["actions"][0]["oauth2"] == {
        "tokenUrl": TOKENS,
        "clientId": "goniec",
        "scope": "crm.write",
        "secretSet": True,
    }
    assert "s3" not in str(told)
    again = await desk.change(saved.rule.id, told)
    assert (again.rule.version, again.endpoints) == (1, saved.endpoints)
    # left out, it stays
    del told["actions"][0]["oauth2"]
    assert (await desk.change(saved.rule.id, told)).endpoints == saved.endpoints


async def test_another_client_of_a_known_url_is_asked_about(desk: Desk) -> None:
    saved = await desk.create(actions=[granting()], name="first")
    asked = await create_rule(desk.outside, draft(actions=[granting(clientId="other")]))
    assert isinstance(asked, Conflict)
    assert asked.code == "credentialsDiffer"
    assert "“first”" in asked.detail
    assert SECRET not in asked.detail
    done = await desk.create(actions=[granting(clientId="other")], replace=True)
    (endpoint,) = done.endpoints.values()
    assert (endpoint.id in saved.endpoints, endpoint.version, stored(endpoint).client_id) == (True, 2, "other")


async def test_a_known_endpoint_without_any_just_gets_it(desk: Desk, endpoint: Endpoint) -> None:
    saved = await desk.create(actions=[granting()])
    (known,) = saved.endpoints.values()
    assert (known.id, known.version, stored(known).client_id) == (endpoint.id, 2, "goniec")


async def test_two_actions_of_a_rule_must_not_differ_about_a_client(desk: Desk) -> None:
    told = await faults(desk, granting(), granting(clientId="other"))
    assert "another client" in told["/actions/1/oauth2"]
    saved = await desk.create(actions=[granting(), granting()])
    assert len(saved.endpoints) == 1


async def test_what_a_rule_says_wrongly_is_told_at_its_field(desk: Desk) -> None:
    both = {**hook(), "oauth2": CLIENT}
    told = await faults(desk, both, {**granting(), "oauth2": {**CLIENT, "tokenUrl": "http://10.0.0.1/"}})
    assert "leave one of them out" in told["/actions/0/oauth2"]
    assert "10.0.0.1" in told["/actions/1/oauth2/tokenUrl"]
    nothing = {"tokenUrl": TOKENS, "clientId": "goniec"}
    told = await faults(desk, {**granting(), "oauth2": nothing})
    assert set(told) == {"/actions/0/oauth2/clientSecret"}
    saved = await desk.create(actions=[granting()])
    (id,) = saved.endpoints
    told = await faults(desk, {"type": "webhook", "endpointId": id, "oauth2": CLIENT})
    assert "goes with a url" in told["/actions/0/oauth2"]


async def test_another_path_of_the_same_origin_takes_it_along(desk: Desk) -> None:
    saved = await desk.create(actions=[granting()])
    told = read_back(saved)
    told["actions"][0]["url"] = f"{URL}/2"
    (other,) = (await desk.change(saved.rule.id, told)).endpoints.values()
    assert other.id not in saved.endpoints
    assert desk.opened(other, stored(other).secret) == SECRET
    # a user in its place has nothing to do with it
    told["actions"][0] = {**hook(f"{URL}/3"), "endpointId": other.id}
    (third,) = (await desk.change(saved.rule.id, told)).endpoints.values()
    assert (third.username, third.oauth2) == ("jan", None)


async def test_a_secret_that_is_gone_is_not_taken_along(desk: Desk) -> None:
    saved = await desk.create(actions=[granting()])
    (endpoint,) = saved.endpoints.values()
    bare = replace(endpoint, oauth2=replace(stored(endpoint), secret=None))
    await desk.shop.store.transact(lambda tx: tx.put_endpoint(bare))
    told = read_back(saved)
    told["actions"][0]["url"] = f"{URL}/2"
    del told["actions"][0]["oauth2"]
    (other,) = (await desk.change(saved.rule.id, told)).endpoints.values()
    assert stored(other).secret is None


# --- with an attempt -------------------------------------------------------------------------------------------------


async def granted(shop: Workshop, *, secret: bytes | None) -> Endpoint:
    return await shop.endpoint(oauth2=OAuth2(TOKENS, "goniec", secret, "crm", "aud", "body"))


async def delivered(shop: Workshop) -> Delivery:
    await shop.rule()
    await shop.record(email("jan@x.pl", happenings=(happened(),)))
    await shop.settle()
    (delivery,) = await shop.deliveries()
    return delivery


@pytest.mark.parametrize("secret", [SECRET, None])
async def test_an_attempt_says_which_token_it_wants(shop: Workshop, secret: str | None) -> None:
    endpoint = await granted(shop, secret=None if secret is None else shop.vault.seal("end_1", secret))
    delivery = await delivered(shop)
    (request,) = shop.sender.sent
    assert request.grant == Grant("end_1", TOKENS, "goniec", secret, "crm", "aud", "body")
    assert dict(request.headers)["Authorization"] == ""
    (attempt,) = await shop.attempts(delivery.id)
    shown = dict(as_sent(endpoint, shop.vault, delivery, attempt, "Goniec/test"))
    assert shown["Authorization"] is None


async def test_a_token_that_has_run_out_costs_nothing_of_the_schedule(shop: Workshop) -> None:
    await granted(shop, secret=shop.vault.seal("end_1", SECRET))

    def script(request: Outgoing) -> Answer:
        return ok(request) if request.fresh else failing(401, Failure.GRANT_EXPIRED)

    shop.sender.script = script
    delivery = await delivered(shop)
    attempts = await shop.attempts(delivery.id)
    assert [one.failure for one in attempts] == [Failure.GRANT_EXPIRED, None]
    assert [one.number for one in attempts] == [1, 2]
    assert (delivery.attempts, delivery.counted) == (2, 1)


async def test_a_second_401_is_a_failed_attempt_like_any_other(shop: Workshop) -> None:
    await granted(shop, secret=shop.vault.seal("end_1", SECRET))
    shop.sender.script = lambda request: failing(401, Failure.REJECTED if request.fresh else Failure.GRANT_EXPIRED)
    delivery = await delivered(shop)
    attempts = await shop.attempts(delivery.id)
    assert [one.failure for one in attempts] == [Failure.GRANT_EXPIRED, Failure.REJECTED]
    assert (delivery.counted, delivery.due_at is not None) == (1, True)


@pytest.mark.parametrize("failure", [Failure.GRANT_REFUSED, Failure.GRANT_UNREACHABLE])
async def test_a_token_server_that_fails_opens_the_breaker(shop: Workshop, failure: Failure) -> None:
    await granted(shop, secret=shop.vault.seal("end_1", SECRET))
    shop.sender.script = lambda _: Answer(failure, "no token")
    await shop.rule()
    for n in range(6):
        await shop.record(email(f"jan{n}@x.pl", happenings=(happened(),)))
    await shop.settle()
    known = await shop.store.queries.endpoint("end_1")
    assert known is not None
    assert known.breaker.open
