"""The list of rules: found, filtered, switched on and off, deleted."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup
from msgspec import Struct

from goniec.core import labels
from goniec.core.endpoint import MAIL
from goniec.core.labels import Label
from goniec.core.matching import type_of
from goniec.core.model import Run
from goniec.core.problems import Invalid
from goniec.core.rules import Rule
from goniec.core.templates import TEMPLATES
from goniec.core.times import Millis
from goniec.flow.configure import Missing, Stale, users
from goniec.flow.rules import RuleSaved, delete_rule, endpoint_ids, load_rule, rule_tag, switch_rule
from goniec.web.panel.charts import sparkline
from goniec.web.panel.concerns import Concern, concerns
from goniec.web.panel.fields import EVENT_ICONS
from goniec.web.panel.page import Visit, page
from goniec.web.panel.phrases import action_words, trigger_words
from goniec.web.panel.picture import Picture, Week, picture, read_runs, read_weeks
from goniec.web.panel.rule_list import (
    PAGE,
    SORTS,
    STATES,
    State,
    Wanted,
    folded,
    grouped,
    listing,
    ordered,
    types_of,
)
from goniec.web.panel.showing import visible
from goniec.web.problems import missing
from goniec.web.reply import Reply

HOSTS_SHOWN: Final = 100
"""How many hosts the filter offers; the others are found by the search."""

TABS: Final[tuple[tuple[State, Label], ...]] = (
    ("", Label("Wszystkie", "All")),
    ("on", Label("Włączone", "On")),
    ("off", Label("Wyłączone", "Off")),
    ("attention", Label("Wymagają uwagi", "Need attention")),
)

TEMPLATE_ICONS: Final = {
    "crm": "user-plus",
    "opened": "mail-opened",
    "stage": "layout-kanban",
    "score": "target-arrow",
    "tag": "tags",
}

_NOTHING: Final = Week((0,) * 7, 0, 0)


class Row(Struct, frozen=True):
    """A rule in the list. `what` says when, `does` what it does first; `events` and `actions` count the others."""

    rule: Rule
    name: str
    icon: str
    what: str
    events: int
    does: str
    actions: int
    last: Millis | None
    week: Week
    runs: int
    spark: Markup
    concerns: list[Concern]


@page("GET", "/rules", role="viewer")
async def rules(visit: Visit) -> Reply:
    """Show the rules."""
    wanted = _wanted(visit)
    seen = await picture(visit)
    found = listing(seen.rules, wanted, {rule.id for rule in seen.attention()}, seen.endpoints)
    shown, weeks, last = await _page(visit, seen, wanted, found.rules)
    rows = {rule.id: _row(visit, seen, rule, weeks, last) for rule in shown}
    groups = grouped(shown) if wanted.sort == "order" else [("", shown)]
    values: dict[str, Any] = {
        "wanted": wanted,
        "back": _back(visit),
        "groups": [(visible(group), [rows[rule.id] for rule in members]) for group, members in groups],
        "sections": wanted.sort == "order" and any(group for group, _ in groups),
        "found": found,
        "end": wanted.start + len(shown),
        "page": PAGE,
        "everything": len(seen.rules),
        "tab_words": TABS,
        "on": sum(rule.active for rule in seen.rules),
        "events": _events(visit, seen.rules),
        "hosts": sorted({endpoint.host for endpoint in seen.endpoints.values() if endpoint.id != MAIL})[:HOSTS_SHOWN],
        "templates": ready_made(visit),
    }
    return visit.page("rules.html", **values)


@page("POST", "/rules/{id}/switch", role="editor")
async def switch(visit: Visit, id: str) -> Reply:
    """Switch a rule on or off, and show its row again; without scripts, the list."""
    active = visit.form.get("active") == "1"
    problem = None
    try:
        saved = await switch_rule(visit.context.outside, id, None, active=active)
    except Invalid as invalid:
        problem = " ".join(dict.fromkeys(visit.told(invalid).values()))
        saved = await load_rule(visit.context.store.queries, id)
    if not isinstance(saved, RuleSaved):
        raise missing("rule")
    name = visible(saved.rule.name)
    if problem is not None:
        note = visit.say("Not switched on: %(name)s. %(why)s", name=name, why=problem)
    elif active:
        note = visit.say("Switched on: %(name)s", name=name)
    else:
        note = visit.say("Switched off: %(name)s", name=name)
    if not visit.htmx:
        return visit.go("/rules", note=note, **_back(visit))
    seen = await picture(visit)
    _, weeks, last = await _page(visit, seen, Wanted(), [saved.rule])
    row = _row(visit, seen, saved.rule, weeks, last)
    found = listing(seen.rules, _wanted(visit), {rule.id for rule in seen.attention()}, seen.endpoints)
    on = sum(rule.active for rule in seen.rules)
    values: dict[str, Any] = {
        "row": row,
        "found": found,
        "wanted": _wanted(visit),
        "back": _back(visit),
        "on": on,
        "everything": len(seen.rules),
        "tab_words": TABS,
    }
    return visit.page("rules_switched.html", said=note, bad=problem is not None, **values)


@page("GET", "/rules/{id}/delete", role="editor")
async def ask_delete(visit: Visit, id: str) -> Reply:
    """Say what deleting a rule means, and ask."""
    return await _asked(visit, await _load(visit, id))


@page("POST", "/rules/{id}/delete", role="editor")
async def delete(visit: Visit, id: str) -> Reply:
    """Delete a rule, unless it has been changed since somebody was asked."""
    found = await _load(visit, id)
    tag = visit.form.get("tag")
    refused = await delete_rule(visit.context.outside, id, frozenset({tag}) if tag else None)
    match refused:
        case None:
            return visit.go("/rules", note=visit.say("Deleted: %(name)s", name=visible(found.rule.name)))
        case Stale():
            return await _asked(visit, await _load(visit, id), changed=True)
        case _:
            raise missing("rule")


async def _asked(visit: Visit, found: RuleSaved, *, changed: bool = False) -> Reply:
    queries, rule = visit.context.store.queries, found.rule
    named = list(dict.fromkeys(endpoint_ids(rule)))
    everything, weeks, queues = await asyncio.gather(
        queries.rules(), read_weeks(queries, [rule.id], visit.now), queries.queues(visit.now, named)
    )
    others = [one for one in everything if one.id != rule.id]
    pending = {queue.endpoint_id: queue.pending for queue in queues}
    shared = {endpoint_id: users(others, ("endpoint", endpoint_id)) for endpoint_id in named}
    return visit.page(
        "rule_delete.html",
        status=409 if changed else 200,
        rule=rule,
        name=visible(rule.name),
        tag=rule_tag(rule, found.endpoints),
        changed=changed,
        used=users(others, ("rule", rule.id), ("key", rule.id)),
        endpoints=[
            (found.endpoints[id], hit, pending.get(id, 0)) for id, hit in shared.items() if id in found.endpoints
        ],
        week=weeks.get(rule.id, _NOTHING),
        visible=visible,
    )


async def _load(visit: Visit, id: str) -> RuleSaved:
    found = await load_rule(visit.context.store.queries, id)
    if isinstance(found, Missing):
        raise missing("rule")
    return found


async def _page(
    visit: Visit, seen: Picture, wanted: Wanted, found: Sequence[Rule]
) -> tuple[list[Rule], Mapping[str, Week], Mapping[str, Run]]:
    """Cut out the page, and read what its rules did; sorting by what they did takes the figures of all that fit."""
    queries = visit.context.store.queries
    weeks: Mapping[str, Week] = seen.weeks
    last: Mapping[str, Run] = {}
    if wanted.sort == "runs":
        found = ordered(found, await read_runs(queries, visit.now), {}, "runs")
    elif wanted.sort == "last":
        last = await queries.last_runs([rule.id for rule in found])
        found = ordered(found, {}, last, "last")
    shown = list(found[wanted.start : wanted.start + PAGE])
    ids = [rule.id for rule in shown]
    weeks = weeks or await read_weeks(queries, ids, visit.now)
    return shown, weeks, last or await queries.last_runs(ids)


def _row(visit: Visit, seen: Picture, rule: Rule, weeks: Mapping[str, Week], last: Mapping[str, Run]) -> Row:
    week = weeks.get(rule.id, _NOTHING)
    why = concerns(visit, seen, rule)
    actions = [*rule.actions, *rule.otherwise]
    words, names = visit.words, seen.names
    does = action_words(actions[0], seen.endpoints, words, names) if actions else visit.say("does nothing yet")
    if actions and not rule.actions:
        does = visit.say("Otherwise: %(action)s", action=does)
    tone = "bad" if any(one.tone == "bad" for one in why) else "" if rule.active and any(week.runs) else "off"
    run = last.get(rule.id)
    return Row(
        rule=rule,
        name=visible(rule.name),
        icon=EVENT_ICONS.get(type_of(rule.triggers[0]), "bolt") if rule.triggers else "bolt",
        what=trigger_words(rule.triggers[0], words, names) if rule.triggers else visit.say("waits for nothing yet"),
        events=max(len(rule.triggers) - 1, 0),
        does=does,
        actions=max(len(actions) - 1, 0),
        last=None if run is None else run.at,
        week=week,
        runs=sum(week.runs),
        spark=sparkline(week.runs, tone),
        concerns=why,
    )


def _wanted(visit: Visit) -> Wanted:
    """What the address asks for; what makes no sense there counts as not given."""
    query = visit.query
    state, sort, start = query.get("state"), query.get("sort"), query.get("cursor")
    return Wanted(
        state=next((one for one in STATES if one == state), ""),
        q=query.text("q")[:200],
        event=query.get("event"),
        endpoint=query.get("endpoint"),
        sort=next((one for one in SORTS if one == sort), "order"),
        start=int(start) if start.isascii() and start.isdecimal() and len(start) < len(str(10 * PAGE * PAGE)) else 0,
    )


def _back(visit: Visit) -> dict[str, str]:
    """The parameters of the list, which its switches carry along."""
    return {name: visit.query.get(name) for name in ("state", "q", "event", "endpoint", "sort", "cursor")}


def _events(visit: Visit, found: Sequence[Rule]) -> list[tuple[str, str]]:
    """The types of event that rules wait for, by their labels."""
    named = [(kind, visit.words.named(labels.EVENTS, kind)) for kind in types_of(found)]
    return sorted(named, key=lambda one: folded(one[1]))


def ready_made(visit: Visit) -> list[tuple[str, str, str, str]]:
    """The ready-made templates: id, icon, name, and when they fire."""
    words = visit.words
    return [
        (one.id, TEMPLATE_ICONS.get(one.id, "template"), words.label(one.name), _capital(words.label(one.description)))
        for one in TEMPLATES.values()
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
