"""Making and changing a rule: the walk of the reference page.

One form holds the whole rule. Its buttons send all of it back, and the answer is the form again, reshaped; saving sends
it through the same reading, checks and transaction as the API. A draft that cannot be saved comes back as it was typed,
with each problem at its field.
"""

from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from goniec.core import labels
from goniec.core.composing import OWNER
from goniec.core.conditions import Group, LeafNode, compile_tree, walk
from goniec.core.drafts import decode_draft, read_draft
from goniec.core.endpoint import origin
from goniec.core.leaves import EventData, EventSource, HasTag, StateIs, TagScore
from goniec.core.model import Contact, Event
from goniec.core.occurring import doubts
from goniec.core.payload import body
from goniec.core.problems import Invalid
from goniec.core.templates import TEMPLATES, from_template
from goniec.flow.configure import Conflict, Missing, Refusal, Stale
from goniec.flow.explain import known_to
from goniec.flow.rules import RuleSaved, change_rule, create_rule, load_rule, rule_tag, shown
from goniec.flow.testing import Trial, send_test
from goniec.ports import Forbidden
from goniec.web.panel import fields as kinds
from goniec.web.panel import ruleform
from goniec.web.panel.failures import answer_name
from goniec.web.panel.leaf_words import no_tag
from goniec.web.panel.page import Visit, page
from goniec.web.panel.people import names_of
from goniec.web.panel.reshaping import reshaped, settled
from goniec.web.panel.rule_difference import difference, unsaved
from goniec.web.panel.showing import json_lines, plain_json, visible
from goniec.web.panel.whom import newest, offered, told_apart, whom
from goniec.web.problems import missing
from goniec.web.reply import Reply

NEW_ID: Final = "rul_0000000000000000000000"
"""Stands for the id of a rule that is not saved yet."""


class Sight(Struct, frozen=True):
    """What a condition sees in the contact of the preview, in words, and whether it holds."""

    holds: bool
    text: str


@page("GET", "/rules/new", role="editor")
async def new_rule(visit: Visit) -> Reply:
    """Begin a rule: empty, from a template (`template`), or from another one (`copy`)."""
    zone = ZoneInfo(visit.context.zone)
    template = TEMPLATES.get(visit.query.get("template"))
    other = visit.query.get("copy")
    if template is not None:
        from goniec.core.actions import Webhook

        rule = plain_json(from_template(template, visit.language, Webhook()))
    elif other:
        found = await load_rule(visit.context.store.queries, other)
        if isinstance(found, Missing):
            raise missing("rule")
        rule = plain_json(shown(found.rule, found.endpoints)) | {"active": False}
        rule["name"] = visit.say("%(name)s (copy)", name=rule["name"])
        del rule["position"]
    else:
        rule = {"name": "", "triggers": [{"type": "contact.created"}], "actions": [{"type": "webhook"}]}
    return await _form(visit, None, ruleform.shown(rule, zone))


@page("GET", "/rules/{id}", role="viewer")
async def one_rule(visit: Visit, id: str) -> Reply:
    """Show a rule in the form."""
    found = await _load(visit, id)
    rule = plain_json(shown(found.rule, found.endpoints))
    fields = ruleform.shown(rule, _zone(visit, rule))
    return await _form(visit, found, fields)


@page("POST", "/rules/new", role="editor")
async def make_rule(visit: Visit) -> Reply:
    """Reshape the form of a new rule, or save it."""
    return await _sent(visit, None)


@page("POST", "/rules/{id}", role="editor")
async def change(visit: Visit, id: str) -> Reply:
    """Reshape the form of a rule, or save it."""
    return await _sent(visit, id)


@page("POST", "/rules/preview", role="viewer")
async def preview(visit: Visit) -> Reply:
    """Make the body that would be sent, by the real serializer, and say what the conditions see."""
    fields = settled(ruleform.read(visit.form))
    chosen = await whom(visit)
    data = ruleform.rule_of(fields, _zone(visit, fields))
    values = _preview(visit, visit.form.get("_rule") or NEW_ID, data, chosen.contact)
    return visit.page("rule_preview.html", **values, missed=chosen.missed, whom=told_apart(chosen.contact))


async def _sent(visit: Visit, id: str | None) -> Reply:
    fields = ruleform.read(visit.form)
    found = None if id is None else await _load(visit, id)
    button = visit.form.get("do")
    if button not in {"", "save", "test"}:
        fields = reshaped(fields, button)
    fields = settled(fields)
    if button not in {"", "save", "test"}:
        return await _form(visit, found, fields, changed=True)
    return await _save(visit, found, fields, test=button == "test")


async def _save(visit: Visit, found: RuleSaved | None, fields: ruleform.Fields, *, test: bool) -> Reply:
    data = ruleform.rule_of(fields, _zone(visit, fields))
    replacing = visit.form.get("_replace") == "1"
    chosen = await whom(visit) if test else None
    asked = await _webhooks_asked(visit, data) | ({"_who": chosen.missed} if chosen and chosen.missed else {})
    if asked:
        # the rest is looked at as well, so that everything is told at once
        problems = asked | await _other_problems(visit, data)
        return await _form(visit, found, fields, problems=problems, status=422, changed=True)
    try:
        saved = await _written(visit, found, data, replace=False)
        if replacing and isinstance(saved, Conflict) and _may_replace(visit, found, saved):
            saved = await _written(visit, found, data, replace=True)
    except Invalid as invalid:
        return await _form(visit, found, fields, problems=visit.told(invalid), status=422, changed=True)
    match saved:
        case RuleSaved():
            if chosen:
                return visit.go(f"/rules/{saved.rule.id}/test", contact=chosen.contact.id)
            note = visit.say("Rule saved: %(name)s.", name=saved.rule.name)
            return visit.go(f"/rules/{saved.rule.id}", note=note)
        case Conflict("credentialsDiffer"):
            return await _form(visit, found, fields, conflict=saved, status=409, changed=True)
        case Conflict():
            return await _form(visit, found, fields, problems={"": saved.detail}, status=409, changed=True)
        case Stale(current):
            theirs = await _load(visit, found.rule.id if found else "")
            return await _form(visit, theirs, fields, stale=current, status=412, changed=True)
        case Missing():
            raise missing("rule")


async def _written(
    visit: Visit, found: RuleSaved | None, data: Mapping[str, Any], *, replace: bool
) -> RuleSaved | Refusal:
    outside, tag = visit.context.outside, visit.form.get("tag")
    if found is None:
        return await create_rule(outside, data, replace_passwords=replace)
    expected = frozenset({tag}) if tag else None
    return await change_rule(outside, found.rule.id, data, expected, replace_passwords=replace)


def _may_replace(visit: Visit, found: RuleSaved | None, conflict: Conflict) -> bool:
    """Say whether this user may give an endpoint another password: what other rules use is for administrators."""
    own = all(found is not None and one.id == found.rule.id for one in conflict.rules)
    return conflict.code == "credentialsDiffer" and (own or visit.may("admin"))


async def _other_problems(visit: Visit, data: Mapping[str, Any]) -> dict[str, str]:
    funnels = {funnel.name: funnel.stages for funnel in await visit.context.store.queries.funnels()}
    try:
        read_draft(data, funnels)
    except Invalid as invalid:
        return visit.told(invalid)
    return {}


async def _webhooks_asked(visit: Visit, data: Mapping[str, Any]) -> dict[str, str]:
    """Look at each webhook by itself, by field: where it may not go, and which password is needed and not known."""
    endpoints = await visit.context.store.queries.endpoints()
    known = {(one.url, one.username) for one in endpoints if one.password is not None}
    origins = {(one.id, origin(one.url)) for one in endpoints if one.password is not None}
    asked = {}
    for branch in ("actions", "otherwise"):
        for n, action in enumerate(data[branch]):
            if not action.get("url"):
                continue
            url = await visit.context.guard.check(action["url"])
            if isinstance(url, Forbidden):
                asked[f"{branch}/{n}/url"] = visit.hint(url.detail)
                continue
            auth = action.get("basicAuth")
            if auth is None or auth.get("password") or (url, auth["username"]) in known:
                continue
            if (action.get("endpointId"), origin(url)) not in origins:
                asked[f"{branch}/{n}/basicAuth/password"] = visit.say("Enter the password that this endpoint asks for.")
    return asked


@page("GET", "/rules/{id}/test", role="editor")
async def test_page(visit: Visit, id: str) -> Reply:
    """After saving for a test: the form, which sends it by itself (a GET never sends anything)."""
    found = await _load(visit, id)
    rule = plain_json(shown(found.rule, found.endpoints))
    return await _form(visit, found, ruleform.shown(rule, _zone(visit, rule)), testing=True)


@page("POST", "/rules/{id}/test", role="editor")
async def test_send(visit: Visit, id: str) -> Reply:
    """Send a test of what is saved and show what the receiver answered; with changes in the form it is saved first."""
    found = await _load(visit, id)
    if _changed(visit, found):
        if not visit.htmx:
            return await _form(visit, found, settled(ruleform.read(visit.form)), status=409, changed=True)
        unsaved = visit.say("Not sent: there are unsaved changes. Choose “Save and send test”.")
        return visit.page("rule_tested.html", trial=None, refusal=unsaved)
    chosen = await whom(visit)
    result = chosen if chosen.missed else await send_test(visit.context.bench, id, chosen.id, None)
    trial = result if isinstance(result, Trial) else None
    refusal = None if trial else chosen.missed or getattr(result, "detail", None) or visit.say("This no longer exists.")
    if not visit.htmx:
        if chosen.missed:
            saved = plain_json(shown(found.rule, found.endpoints))
            return await _form(visit, found, ruleform.shown(saved, _zone(visit, saved)), status=422)
        if trial is None:
            return visit.go(f"/rules/{id}", note=refusal)
        return visit.go(f"/deliveries/{trial.delivery.id}")
    answer = answer_name(trial.attempt, visit.words) if trial else ""
    return visit.page("rule_tested.html", trial=trial, refusal=refusal, lines=json_lines, answer=answer)


def _changed(visit: Visit, found: RuleSaved) -> bool:
    """Say whether a form, where one was sent along, says anything but what is saved."""
    if "name" not in visit.form:
        return False
    fields = settled(ruleform.read(visit.form))
    zone = _zone(visit, fields)
    return unsaved(found, ruleform.rule_of(fields, zone), zone)


async def _load(visit: Visit, id: str) -> RuleSaved:
    found = await load_rule(visit.context.store.queries, id)
    if isinstance(found, Missing):
        raise missing("rule")
    return found


def _zone(visit: Visit, fields: Mapping[str, Any]) -> ZoneInfo:
    """Where a rule's dates are counted: its own zone, or the workspace's."""
    name = fields.get("timezone")
    name = name[-1] if isinstance(name, list) else name
    try:
        return ZoneInfo(str(name or visit.context.zone).strip())
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(visit.context.zone)


async def _form(  # noqa: PLR0913 - a form comes back for many reasons
    visit: Visit,
    found: RuleSaved | None,
    fields: ruleform.Fields,
    *,
    problems: dict[str, str] | None = None,
    conflict: Conflict | None = None,
    stale: str | None = None,
    status: int = 200,
    changed: bool = False,
    testing: bool = False,
) -> Reply:
    queries = visit.context.store.queries
    zone = _zone(visit, fields)
    contacts = await newest(visit)
    chosen = await whom(visit, *contacts[:1])
    contact = chosen.contact
    data = ruleform.rule_of(fields, zone)
    rule_id = found.rule.id if found else NEW_ID
    rules = await queries.rules()
    endpoints = await queries.endpoints()
    users = await queries.users()
    values = {
        "rule": found.rule if found else None,
        "tag": stale or visit.form.get("tag") or (rule_tag(found.rule, found.endpoints) if found else ""),
        "fields": fields,
        "problems": problems or {},
        "conflict": conflict,
        "may_replace": conflict is not None and _may_replace(visit, found, conflict),
        "stale": await difference(visit, found, data, zone) if stale and found else None,
        "changed": changed,
        "testing": testing,
        "doubts": list(doubts(found.rule, await known_to(queries), visit.now)) if found and not changed else [],
        "contacts": offered(visit, contacts, contact),
        "contact": contact,
        "missed": chosen.missed,
        "who": visit.form.text("_who") if chosen.missed else "",
        "zone": zone.key,
        "rule_id": rule_id,
        "groups": sorted({rule.group for rule in rules if rule.group}),
        "suggest": {
            "tag": await queries.names("tag"),
            "detail": await queries.names("detail"),
            "consent": await queries.names("consent"),
            "funnel": [funnel.name for funnel in await queries.funnels()],
            "stage": [stage for funnel in await queries.funnels() for stage in funnel.stages],
            "endpoint": [endpoint.id for endpoint in endpoints],
            "rule": [rule.id for rule in rules],
            "key": [key.name for key in await queries.keys() if key.revoked_at is None],
            "kind": [],
            "owner": [],
            "message": [message.id for message in await queries.messages()],
            "user": [OWNER, *(user.id for user in users)],
        },
        "called": {
            **await names_of(queries),
            **{user.email: visible(user.name or user.email) for user in users},
            OWNER: visit.say("the contact’s owner"),
        },
        "users_of": _users_of(rules, endpoints, found),
        "kinds": kinds,
        "labels": labels,
        "f": ruleform,
        **_preview(visit, rule_id, data, contact),
    }
    template = "rule_steps.html" if visit.htmx else "rule_form.html"
    return visit.page(template, status=200 if visit.htmx else status, **values)


def _users_of(rules: list[Any], endpoints: list[Any], found: RuleSaved | None) -> dict[tuple[str, str | None], int]:
    """How many other rules use the endpoint of an address and a user name."""
    from goniec.flow.rules import endpoint_ids

    own = found.rule.id if found else None
    counted: dict[str, int] = {}
    for rule in rules:
        if rule.id != own:
            for endpoint_id in set(endpoint_ids(rule)):
                counted[endpoint_id] = counted.get(endpoint_id, 0) + 1
    return {(one.url, one.username): counted[one.id] for one in endpoints if one.id in counted}


def _preview(visit: Visit, rule_id: str, data: Mapping[str, Any], contact: Contact) -> dict[str, Any]:
    raw = body(
        rule_id,
        str(data.get("name") or ""),
        contact.id,
        str(data.get("description") or ""),
        contact.email,
        contact.phone,
        contact.company,
    )
    actions = [one["type"] for branch in ("actions", "otherwise") for one in data.get(branch) or ()]
    return {
        "body": raw,
        "body_lines": json_lines(raw),
        "mailing": "webhook" not in actions and not {"sendEmail", "notifyUser"}.isdisjoint(actions),
        "seen": _seen(visit, data, contact),
        "contact": contact,
    }


def _seen(visit: Visit, data: Mapping[str, Any], contact: Contact) -> dict[str, Sight | None]:
    """What each condition sees in a contact, by the name of its fields; None where it depends on the event."""
    try:
        draft = decode_draft({"name": "x", "triggers": [], "conditions": data["conditions"]})
    except Invalid:
        return {}
    zone = ZoneInfo(visit.context.zone)
    event = Event(
        id="evt_0",
        type="rule.requested",
        contact_id=contact.id,
        seq=0,
        occurred_at=visit.now,
        received_at=visit.now,
        source="panel",
    )
    seen: dict[str, Sight | None] = {}
    for node, pointer, _ in walk(draft.conditions):
        if isinstance(node, Group):
            continue
        name = _in_form(pointer, data["conditions"])
        if isinstance(node, EventData | EventSource):
            seen[name] = None
            continue
        try:
            leaf = compile_tree(node, zone, pointer)
            assert isinstance(leaf, LeafNode), "groups were passed over"  # noqa: S101 - see above
            value = leaf.look(contact, event)
            seen[name] = Sight(leaf.test(value, visit.now), _sight(visit, node, value))
        except (ValueError, KeyError, TypeError):  # an operand that makes no sense is told where it stands
            continue
    return seen


def _sight(visit: Visit, leaf: object, value: Any) -> str:  # noqa: ANN401 - what a condition looks at
    match value:
        case None | () | [] if isinstance(leaf, HasTag | TagScore):
            return no_tag(leaf, visit.words)
        case None | "" | [] | ():
            return visit.say("no value")
        case bool():
            return visit.say("yes") if value else visit.say("no")
        case list() | tuple():
            return ", ".join(map(str, value))
        case str() if isinstance(leaf, StateIs):
            return visit.words.named(labels.STATES, value)
        case _:
            return str(value)


def _in_form(pointer: str, tree: Mapping[str, Any]) -> str:
    """Where the condition at a pointer into the rule stands in the form, which has no groups for a mere "not"."""
    name, node = "conditions", tree
    if node["type"] not in ruleform.GROUPS:
        name, steps = "conditions/of/0", pointer.split("/")[2:]
    else:
        steps = pointer.split("/")[2:]
    while True:
        if node["type"] == "not":
            node, steps = node["of"][0], steps[2:]
            continue
        if not steps:
            return name
        name += f"/of/{steps[1]}"
        node, steps = node["of"][int(steps[1])], steps[2:]
