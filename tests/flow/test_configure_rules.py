"""Saving rules: endpoints are shared, secrets stay in, what was read can be saved again."""

from typing import Any

import pytest
from msgspec.structs import replace

from goniec.core.actions import Webhook
from goniec.core.endpoint import Endpoint, Header
from goniec.core.problems import Invalid
from goniec.core.retry import Policy
from goniec.core.signing import decode_secret
from goniec.flow.configure import Conflict, Missing, Stale
from goniec.flow.credentials import unsealed
from goniec.flow.endpoint_drafts import EndpointDraft, HeaderDraft
from goniec.flow.endpoints import change_endpoint
from goniec.flow.rules import (
    RuleSaved,
    change_rule,
    create_rule,
    delete_rule,
    load_rule,
    rule_tag,
    switch_rule,
)
from tests.flow.desk import PASSWORD, URL, Desk, draft, hook, read_back
from tests.flow.workshop import Workshop, email


@pytest.fixture
def desk(shop: Workshop) -> Desk:
    return Desk(shop)


async def refused(desk: Desk, data: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        await create_rule(desk.outside, data)
    assert PASSWORD not in str(caught.value)
    return {problem.pointer: problem.detail for problem in caught.value.problems}


# --- endpoints -------------------------------------------------------------------------------------------------------


async def test_a_new_url_and_user_make_an_endpoint_with_a_secret_of_its_own(desk: Desk) -> None:
    saved = await desk.create()
    (endpoint,) = await desk.endpoints()
    assert (endpoint.url, endpoint.username, endpoint.version) == (URL, "jan", 1)
    assert desk.opened(endpoint, endpoint.password) == PASSWORD
    assert len(decode_secret(desk.opened(endpoint, endpoint.secret) or "")) == 32
    assert saved.written == (endpoint.id,)
    assert desk.notice.endpoints == [endpoint.id]
    assert saved.rule.actions == (Webhook(endpoint_id=endpoint.id),)


async def test_a24_saving_the_same_rule_five_times_makes_one_endpoint(desk: Desk) -> None:
    saved = await desk.create()
    for _ in range(4):
        saved = await desk.change(saved.rule.id, draft())
    assert len(await desk.endpoints()) == 1
    assert saved.rule.version == 1, "nothing changed, so there is no new version"


async def test_a24_a_rule_fires_one_webhook_however_often_it_was_saved(desk: Desk) -> None:
    saved = await desk.create(triggers=[{"type": "contact.created"}])
    for n in range(4):
        await desk.change(saved.rule.id, draft(triggers=[{"type": "contact.created"}], description=str(n)))
    await desk.shop.record(email("a@x.pl"))
    await desk.shop.settle()
    assert len(desk.shop.sender.sent) == 1


async def test_rules_share_the_endpoint_of_the_same_url_and_user(desk: Desk) -> None:
    await desk.create()
    await desk.create(actions=[hook("HTTPS://CRM.example:443/hook#part"), hook()])
    await desk.create(actions=[hook(password=PASSWORD)])
    assert len(await desk.endpoints()) == 1


@pytest.mark.parametrize("username", [None, "", "ola"])
async def test_another_user_is_another_endpoint(desk: Desk, username: str | None) -> None:
    await desk.create()
    await desk.create(actions=[hook(username=username)])
    assert {endpoint.username for endpoint in await desk.endpoints()} == {"jan", username}


async def test_a37_an_empty_password_and_an_empty_user_name_are_kept_as_they_are(desk: Desk) -> None:
    await desk.create(actions=[hook(password=""), hook(username="", password="tajne")])
    found = {endpoint.username: endpoint for endpoint in await desk.endpoints()}
    sent = {name: unsealed(endpoint, desk.shop.vault).authorization for name, endpoint in found.items()}
    assert sent == {"jan": "Basic amFuOg==", "": "Basic OnRham5l"}


async def test_a36_a_password_is_kept_and_used_exactly(desk: Desk) -> None:
    await desk.create()
    (endpoint,) = await desk.endpoints()
    assert unsealed(endpoint, desk.shop.vault).authorization == "Basic amFuOnBhOnNzIz9A4oKsxbw="


async def test_a36_a_colon_in_the_user_name_is_refused_at_the_field(desk: Desk) -> None:
    told = await refused(desk, draft(actions=[hook(username="jan:maria")]))
    assert list(told) == ["/actions/0/basicAuth/username"]
    assert "colon" in told["/actions/0/basicAuth/username"]


async def test_control_characters_in_credentials_are_refused_without_repeating_them(desk: Desk) -> None:
    told = await refused(desk, draft(actions=[hook(username="a\x85b", password="geheim\x85")]))
    assert list(told) == ["/actions/0/basicAuth/username", "/actions/0/basicAuth/password"]
    assert "geheim" not in str(told)


async def test_credentials_have_a_length(desk: Desk) -> None:
    told = await refused(desk, draft(actions=[hook(username="a" * 2_000, password="b" * 2_000)]))
    assert list(told) == ["/actions/0/basicAuth/username", "/actions/0/basicAuth/password"]


async def test_a40_credentials_in_the_url_are_refused_and_not_repeated(desk: Desk) -> None:
    told = await refused(desk, draft(actions=[{"type": "webhook", "url": "https://jan:p%40ss@h.example/hook"}]))
    assert list(told) == ["/actions/0/url"]
    assert "user name and password" in told["/actions/0/url"]
    assert "p%40ss" not in str(told)


async def test_a21_a_url_is_trimmed_and_put_into_ascii(desk: Desk) -> None:
    saved = await desk.create(actions=[hook("  https://żółw.example/ścieżka?q=ą \n", None)])
    url = "https://xn--w-uga1v8h.example/%C5%9Bcie%C5%BCka?q=%C4%85"
    assert read_back(saved)["actions"][0]["url"] == url


async def test_a21_white_space_inside_a_url_is_refused_at_the_field(desk: Desk) -> None:
    told = await refused(desk, draft(otherwise=[hook("https://crm.example/a b", None)]))
    assert list(told) == ["/otherwise/0/url"]
    assert "%20" in told["/otherwise/0/url"]


async def test_a45_an_address_that_may_not_be_reached_is_refused_with_the_setting_that_allows_it(desk: Desk) -> None:
    told = await refused(desk, draft(actions=[hook("http://10.1.2.3/hook")]))
    assert "10.1.2.3" in told["/actions/0/url"]
    assert "GONIEC_ALLOW_NETWORKS" in told["/actions/0/url"]


async def test_all_faults_are_told_at_once(desk: Desk) -> None:
    data = draft(
        name="",
        conditions={"type": "score", "op": "gte", "value": "abc"},
        actions=[hook("ftp://x"), {"type": "moveToStage", "funnel": "F", "stage": "S"}],
    )
    assert set(await refused(desk, data)) == {
        "/name",
        "/conditions/value",
        "/actions/0/url",
        "/actions/1/funnel",
    }


async def test_what_cannot_be_read_is_told_before_urls_are_looked_at(desk: Desk) -> None:
    assert set(await refused(desk, draft(actions=[{"type": "fax"}, hook("ftp://x")]))) == {"/actions/0/type"}
    assert set(await refused(desk, [])) == {""}


async def test_an_action_may_name_an_endpoint_by_its_id_alone(desk: Desk) -> None:
    saved = await desk.create(actions=[{"type": "webhook", "endpointId": "end_1"}] * 2)
    assert list(saved.endpoints) == ["end_1"]
    assert saved.written == ()


async def test_an_id_that_no_endpoint_has_is_refused(desk: Desk) -> None:
    action = {"type": "webhook", "endpointId": "end_2", "basicAuth": {"username": "jan"}}
    assert set(await refused(desk, draft(actions=[action]))) == {"/actions/0/endpointId", "/actions/0/basicAuth"}


# --- passwords -------------------------------------------------------------------------------------------------------


async def test_another_password_for_a_known_url_and_user_is_asked_about(desk: Desk) -> None:
    first = await desk.create()
    second = await create_rule(desk.outside, draft(name="second", actions=[hook(password="geheim")]))
    assert isinstance(second, Conflict)
    assert second.code == "credentialsDiffer"
    assert [rule.id for rule in second.rules] == [first.rule.id]
    assert "VIP to CRM" in second.detail
    assert "replace=true" in second.detail
    assert PASSWORD not in second.detail
    assert "geheim" not in second.detail
    assert len(await desk.shop.store.queries.rules()) == 1


async def test_another_password_replaces_the_stored_one_when_asked_to(desk: Desk) -> None:
    await desk.create()
    saved = await desk.create(actions=[hook(password="other")], replace=True)
    (endpoint,) = await desk.endpoints()
    assert (endpoint.version, desk.opened(endpoint, endpoint.password)) == (2, "other")
    assert saved.written == (endpoint.id,)
    assert desk.notice.endpoints == [endpoint.id, endpoint.id]


async def test_a_rule_that_alone_uses_an_endpoint_is_asked_about_too(desk: Desk) -> None:
    saved = await desk.create()
    found = await change_rule(desk.outside, saved.rule.id, draft(actions=[hook(password="other")]), None)
    assert isinstance(found, Conflict)
    assert [rule.id for rule in found.rules] == [saved.rule.id]


async def test_an_endpoint_that_no_rule_uses_any_more_keeps_its_password_too(desk: Desk) -> None:
    saved = await desk.create()
    await delete_rule(desk.outside, saved.rule.id, None)
    found = await create_rule(desk.outside, draft(actions=[hook(password="other")]))
    assert isinstance(found, Conflict)
    assert (found.rules, "which no rule uses now" in found.detail) == ((), True)


async def test_the_same_password_again_changes_nothing(desk: Desk) -> None:
    await desk.create()
    await desk.create()
    (endpoint,) = await desk.endpoints()
    assert endpoint.version == 1


async def test_a_password_left_out_keeps_the_stored_one(desk: Desk) -> None:
    saved = await desk.create()
    auth = {"username": "jan"}
    await desk.change(saved.rule.id, draft(actions=[{"type": "webhook", "url": URL, "basicAuth": auth}]))
    (endpoint,) = await desk.endpoints()
    assert desk.opened(endpoint, endpoint.password) == PASSWORD


async def test_null_removes_the_password(desk: Desk) -> None:
    saved = await desk.create()
    saved = await desk.change(saved.rule.id, draft(actions=[hook(password=None)]))
    assert read_back(saved)["actions"][0]["basicAuth"] == {"username": "jan", "passwordSet": False}
    saved = await desk.change(saved.rule.id, draft(actions=[hook(password=None)]))
    (endpoint,) = await desk.endpoints()
    assert endpoint.version == 2


async def test_null_takes_no_password_from_other_rules_unasked(desk: Desk) -> None:
    first = await desk.create()
    second = await desk.create()
    found = await change_rule(desk.outside, second.rule.id, draft(actions=[hook(password=None)]), None)
    assert isinstance(found, Conflict)
    assert {rule.id for rule in found.rules} == {first.rule.id, second.rule.id}


async def test_a_first_password_is_just_set(desk: Desk) -> None:
    saved = await desk.create(actions=[{"type": "webhook", "url": URL, "basicAuth": {"username": "jan"}}])
    assert read_back(saved)["actions"][0]["basicAuth"] == {"username": "jan", "passwordSet": False}
    saved = await desk.change(saved.rule.id, draft())
    assert read_back(saved)["actions"][0]["basicAuth"] == {"username": "jan", "passwordSet": True}


async def test_a_password_that_no_key_opens_any_more_is_not_taken_for_the_same(desk: Desk) -> None:
    await desk.create()
    (endpoint,) = await desk.endpoints()
    broken = replace(endpoint, password=b"nobody:x")
    await desk.shop.store.transact(lambda tx: tx.put_endpoint(broken))
    assert isinstance(await create_rule(desk.outside, draft()), Conflict)
    await desk.create(replace=True)
    (endpoint,) = await desk.endpoints()
    assert desk.opened(endpoint, endpoint.password) == PASSWORD


async def test_two_actions_of_a_rule_must_not_differ_about_a_password(desk: Desk) -> None:
    told = await refused(desk, draft(actions=[hook(), hook(password="other")]))
    assert list(told) == ["/actions/1/basicAuth/password"]
    assert await desk.endpoints() == []


async def test_the_same_action_twice_asks_once(desk: Desk) -> None:
    await desk.create()
    found = await create_rule(desk.outside, draft(actions=[hook(password="other"), hook(password="other")]))
    assert isinstance(found, Conflict)


# --- what was read can be saved again --------------------------------------------------------------------------------


async def test_put_takes_exactly_what_get_gave(desk: Desk) -> None:
    saved = await desk.create(
        description="new VIP",
        conditions={"type": "all", "of": [{"type": "score", "op": "gte", "value": 10}]},
        otherwise=[hook(username=None), {"type": "addTag", "tag": "x"}],
        maxRuns=3,
        minInterval="P1D",
    )
    given = read_back(saved)
    again = await desk.change(saved.rule.id, given)
    assert again.rule == saved.rule
    assert read_back(again) == given
    assert PASSWORD not in str(given)
    assert "password': " not in str(given)


async def test_another_path_of_the_same_origin_goes_on_with_what_is_known(desk: Desk) -> None:
    saved = await desk.create()
    (endpoint,) = await desk.endpoints()
    secret = HeaderDraft("X-Key", "geheim", secret=True)
    wished = EndpointDraft(headers=(secret, HeaderDraft("X-Plain", "a")), timeout=7)
    await change_endpoint(desk.outside, endpoint.id, wished, None)
    given = read_back(saved)
    given["actions"][0]["url"] = f"{URL}/v2"
    saved = await desk.change(saved.rule.id, given)
    old, new = await desk.endpoints()
    assert (new.url, new.policy.timeout) == (f"{URL}/v2", 7)
    assert desk.opened(new, new.password) == PASSWORD
    assert desk.opened(new, new.secret) == desk.opened(old, old.secret)
    assert [(h.name, h.value, desk.opened(new, h.sealed)) for h in new.headers] == [
        ("X-Key", None, "geheim"),
        ("X-Plain", "a", None),
    ]


async def test_another_user_of_the_same_origin_gets_no_password(desk: Desk) -> None:
    saved = await desk.create()
    given = read_back(saved)
    given["actions"][0]["basicAuth"]["username"] = "ola"
    await desk.change(saved.rule.id, given)
    _, new = await desk.endpoints()
    assert (new.username, new.password) == ("ola", None)


async def test_a_path_without_password_leads_to_one_without(desk: Desk) -> None:
    saved = await desk.create(actions=[hook(password=None)])
    given = read_back(saved)
    given["actions"][0]["url"] = f"{URL}/v2"
    await desk.change(saved.rule.id, given)
    _, new = await desk.endpoints()
    assert (new.username, new.password) == ("jan", None)


@pytest.mark.parametrize(
    "url", ["http://crm.example/hook", "https://crm.example:8443/hook", "https://crm2.example/hook"]
)
async def test_another_scheme_host_or_port_gets_no_stored_credentials(desk: Desk, url: str) -> None:
    saved = await desk.create()
    given = read_back(saved)
    given["actions"][0]["url"] = url
    saved = await desk.change(saved.rule.id, given)
    old, new = sorted(await desk.endpoints(), key=lambda one: one.created_at)
    new = next(iter(saved.endpoints.values()))
    assert (new.url, new.username, new.password, new.policy) == (url, "jan", None, Policy())
    assert desk.opened(new, new.secret) != desk.opened(old, old.secret)


async def test_what_no_key_opens_does_not_go_on(desk: Desk) -> None:
    saved = await desk.create()
    (endpoint,) = await desk.endpoints()
    await desk.shop.store.transact(lambda tx: tx.put_endpoint(replace(endpoint, secret=b"nobody:x")))
    given = read_back(saved)
    given["actions"][0]["url"] = f"{URL}/v2"
    saved = await desk.change(saved.rule.id, given)
    (new,) = saved.endpoints.values()
    assert new.password is None
    assert decode_secret(desk.opened(new, new.secret) or "")


async def test_an_endpoint_that_is_gone_leaves_its_id_behind(desk: Desk) -> None:
    saved = await desk.create()
    (endpoint,) = await desk.endpoints()
    await desk.shop.store.transact(lambda tx: tx.delete_endpoint(endpoint.id))
    found = await load_rule(desk.shop.store.queries, saved.rule.id)
    assert isinstance(found, RuleSaved)
    assert read_back(found)["actions"] == [{"type": "webhook", "endpointId": endpoint.id}]
    with pytest.raises(Invalid, match="/actions/0/endpointId"):
        await change_rule(desk.outside, saved.rule.id, read_back(found), None)


# --- versions and places ---------------------------------------------------------------------------------------------


async def test_every_change_makes_a_version_and_the_earlier_ones_stay(desk: Desk) -> None:
    saved = await desk.create()
    desk.shop.clock.at += 1_000
    changed = await desk.change(saved.rule.id, draft(description="two"))
    assert (changed.rule.version, changed.rule.updated_at) == (2, saved.rule.updated_at + 1_000)
    assert changed.rule.created_at == saved.rule.created_at
    assert await desk.shop.store.queries.rule_version(saved.rule.id, 1) == saved.rule
    assert changed.written == ()


async def test_new_rules_go_last_and_a_position_can_be_set(desk: Desk) -> None:
    first, second = await desk.create(), await desk.create()
    assert (first.rule.position, second.rule.position) == (0, 1)
    moved = await desk.change(first.rule.id, draft(position=7))
    assert moved.rule.position == 7
    assert (await desk.change(first.rule.id, draft())).rule.position == 7
    assert (await desk.create(position=3)).rule.position == 3
    assert (await desk.create()).rule.position == 8


async def test_a_rule_that_was_changed_meanwhile_is_not_overwritten(desk: Desk) -> None:
    saved = await desk.create()
    seen = rule_tag(saved.rule, saved.endpoints)
    changed = await change_rule(desk.outside, saved.rule.id, draft(description="two"), frozenset({seen, "x"}))
    assert isinstance(changed, RuleSaved)
    now = rule_tag(changed.rule, changed.endpoints)
    assert await change_rule(desk.outside, saved.rule.id, draft(), frozenset({seen})) == Stale(now)
    assert await delete_rule(desk.outside, saved.rule.id, frozenset({seen})) == Stale(now)
    assert await switch_rule(desk.outside, saved.rule.id, frozenset({seen}), active=False) == Stale(now)


async def test_a_rule_whose_endpoint_was_changed_counts_as_changed(desk: Desk) -> None:
    saved = await desk.create()
    (endpoint,) = await desk.endpoints()
    wished = EndpointDraft(url=f"{URL}/2")
    await change_endpoint(desk.outside, endpoint.id, wished, None)
    seen = frozenset({rule_tag(saved.rule, saved.endpoints)})
    assert isinstance(await change_rule(desk.outside, saved.rule.id, draft(), seen), Stale)


async def test_what_there_is_not_cannot_be_changed(desk: Desk) -> None:
    assert await change_rule(desk.outside, "rul_x", draft(), None) == Missing("rule")
    assert await delete_rule(desk.outside, "rul_x", None) == Missing("rule")
    assert await switch_rule(desk.outside, "rul_x", None, active=True) == Missing("rule")
    assert await load_rule(desk.shop.store.queries, "rul_x") == Missing("rule")


async def test_deleting_a_rule_leaves_its_endpoint(desk: Desk) -> None:
    saved = await desk.create()
    assert await delete_rule(desk.outside, saved.rule.id, None) is None
    assert len(await desk.endpoints()) == 1
    assert await desk.shop.store.queries.rules() == []


# --- on and off ------------------------------------------------------------------------------------------------------


async def test_switching_makes_a_version_and_switching_again_none(desk: Desk) -> None:
    saved = await desk.create()
    off = await switch_rule(desk.outside, saved.rule.id, None, active=False)
    assert isinstance(off, RuleSaved)
    assert (off.rule.active, off.rule.version) == (False, 2)
    again = await switch_rule(desk.outside, saved.rule.id, None, active=False)
    assert isinstance(again, RuleSaved)
    assert again.rule.version == 2
    on = await switch_rule(desk.outside, saved.rule.id, None, active=True)
    assert isinstance(on, RuleSaved)
    assert (on.rule.active, on.rule.version) == (True, 3)


async def test_a_rule_that_makes_no_sense_any_more_cannot_go_on(desk: Desk) -> None:
    await desk.shop.funnel("Sprzedaż", "Lead")
    action = {"type": "moveToStage", "funnel": "Sprzedaż", "stage": "Lead"}
    saved = await desk.create(active=False, actions=[action])
    await desk.shop.funnel("Sprzedaż", "Oferta")
    with pytest.raises(Invalid, match="/actions/0/stage"):
        await switch_rule(desk.outside, saved.rule.id, None, active=True)


async def test_headers_of_an_endpoint_are_no_part_of_a_rule(desk: Desk) -> None:
    saved = await desk.create()
    (endpoint,) = saved.endpoints.values()
    with_header: Endpoint = replace(endpoint, headers=(Header("X-Key", "tajne"),))
    assert rule_tag(saved.rule, {endpoint.id: with_header}) == rule_tag(saved.rule, saved.endpoints)
