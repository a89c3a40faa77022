"""Why a rule fired for a contact, or did not: the answer first, its proof below, the latest evaluations at the end."""

from collections.abc import Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from goniec.core import labels
from goniec.core.explain import Evaluation
from goniec.core.model import Event, Fired
from goniec.core.rules import Rule
from goniec.flow.configure import Missing
from goniec.flow.explain import Explanation, explain
from goniec.web.panel.delivery_words import STATUSES
from goniec.web.panel.evidence import seen_now, sights
from goniec.web.panel.page import Visit, page
from goniec.web.panel.people import called, names_of
from goniec.web.panel.recording import load_contact
from goniec.web.panel.showing import visible
from goniec.web.panel.timeline import OTHER, TONES
from goniec.web.panel.why import Whys, ran_of
from goniec.web.panel.why_steps import Steps
from goniec.web.panel.wording import brief
from goniec.web.problems import missing
from goniec.web.reply import Reply

EVALUATIONS_SHOWN: Final = 20
"""How many of the latest evaluations stand on the page at once; the others are folded away."""

RULES_OFFERED: Final = 500


@page("GET", "/contacts/{id}/why", role="viewer")
async def why(visit: Visit, id: str) -> Reply:
    """Answer for the rule and the event that the address names; without an event, for the latest evaluation."""
    queries, zone = visit.context.store.queries, ZoneInfo(visit.context.zone)
    contact = await load_contact(visit, id)
    if contact.id != id:
        return visit.go(f"/contacts/{contact.id}/why", rule=visit.query.get("rule"), event=visit.query.get("event"))
    rules = sorted(await queries.rules(), key=lambda rule: (rule.position, rule.id))
    rule_id = visit.query.get("rule")
    name = called(contact, visit.words)
    if not rule_id:
        choice = _choice(visit, rules, "")
        return visit.page("contact_why.html", contact=contact, name=name, found=None, **choice)
    found = await explain(queries, zone, rule_id, contact.id, visit.now)
    if isinstance(found, Missing):
        raise missing(found.what)
    chosen = _chosen(found, visit.query.get("event"))
    whys = Whys(visit.words, visit.times, await names_of(queries) | {rule.id: rule.name for rule in rules})
    steps = Steps(visit.words, visit.times, whys)
    lines, answer = [], whys.silent(found)
    if chosen is not None:
        version = await queries.rule_version(rule_id, ran_of(chosen).version) or found.rule
        seen = await sights(queries, zone, version, contact, chosen)
        answer = whys.answer(chosen, version, seen)
        lines = steps.all(chosen, version, seen, contact.fired.get(rule_id, Fired(0, 0)).count)
    near, others = whys.silences(found)
    return visit.page(
        "contact_why.html",
        contact=contact,
        name=name,
        found=found,
        rule_name=brief(found.rule.name, 100),
        chosen=chosen,
        answer=answer,
        lines=lines,
        now_words=whys.now(found.rule, found.now),
        now_line=steps.conditions(found.rule, seen_now(zone, found.rule, contact, _asking(visit, contact.id, rule_id))),
        silences=near,
        others=others,
        evaluations=[(one, *TONES.get(one.outcome, OTHER), whys.event(one.event)) for one in found.evaluations],
        shown=EVALUATIONS_SHOWN,
        changed=chosen is not None and ran_of(chosen).version != found.rule.version,
        statuses=STATUSES,
        visible=visible,
        labels=labels,
        **_choice(visit, rules, rule_id),
    )


def _chosen(found: Explanation, event_id: str) -> Evaluation | None:
    named = (one for one in found.evaluations if one.event.id == event_id)
    return next(named, found.evaluations[0] if found.evaluations else None)


def _choice(visit: Visit, rules: Sequence[Rule], rule_id: str) -> dict[str, Any]:
    """What the page offers to choose from."""
    off = visit.say("off")
    return {
        "rules": [(one.id, brief(one.name, 80) + ("" if one.active else f" ({off})")) for one in rules[:RULES_OFFERED]],
        "rule_id": rule_id,
    }


def _asking(visit: Visit, contact_id: str, rule_id: str) -> Event:
    """The event that conditions would see if the rule were run by hand now."""
    return Event(
        id="evt_0",
        type="rule.requested",
        contact_id=contact_id,
        seq=0,
        occurred_at=visit.now,
        received_at=visit.now,
        source="panel",
        source_key=visit.by,
        data={"rule": rule_id, "by": visit.by},
    )
