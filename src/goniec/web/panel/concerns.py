"""Why somebody should look at a rule or an endpoint, in the viewer's words: a badge, and a sentence.

What is the matter is judged in `attention`; here it is said. Called by the list of rules and the overview.
"""

from collections.abc import Sequence

from msgspec import Struct

from goniec.core.endpoint import Endpoint, Pause
from goniec.core.occurring import can_occur
from goniec.core.rules import Rule
from goniec.core.times import Millis, parse_instant
from goniec.web.panel.attention import Pace, Tone, Trouble, worst
from goniec.web.panel.page import Visit
from goniec.web.panel.picture import Picture


class Concern(Struct, frozen=True):
    """Why somebody should look at a rule: a badge, a sentence, and where to go."""

    tone: Tone
    icon: str
    badge: str
    text: str
    path: str


def concerns(visit: Visit, seen: Picture, rule: Rule) -> list[Concern]:
    """Say why somebody should look at a rule, the worst first."""
    found: list[Concern] = []
    path = f"/rules/{rule.id}"
    if rule.version == 0:
        text = visit.say("Its row in the database is damaged. Restore a backup, or delete the rule and make it again.")
        found.append(Concern("bad", "alert-triangle", visit.say("Cannot be read"), text, path))
    if seen.lost(rule):
        text = visit.say("The endpoint it refers to no longer exists. Open the rule and enter the address.")
        found.append(Concern("bad", "alert-triangle", visit.say("No endpoint"), text, path))
    if (hit := worst(rule, seen.troubles)) is not None:
        found.append(_of_endpoint(visit, seen.endpoints[hit[0]], hit[1]))
    if why := seen.doubts.get(rule.id):
        found.append(_of_doubts(visit, rule, why, stuck=not can_occur(rule, seen.known)))
    if (change := seen.pace(rule)) is not None:
        found.append(_of_pace(visit, rule, change))
    return sorted(found, key=lambda one: one.tone != "bad")


def trouble_words(visit: Visit, trouble: Trouble) -> str:
    """Say what is wrong with an endpoint."""
    waits = (
        visit.many("%(n)s delivery waits", "%(n)s deliveries wait", trouble.pending)
        if trouble.pending
        else visit.say("nothing waits for it")
    )
    match trouble.kind, trouble.pause:
        case "paused", Pause.GONE:
            return visit.say("Paused: the receiver says that this address is gone (410); %(waits)s", waits=waits)
        case "paused", Pause.FAILING:
            return visit.say("Paused: nothing arrived in five days of trying; %(waits)s", waits=waits)
        case "paused", Pause.RESTORED:
            return visit.say("Paused since a backup was restored; %(waits)s", waits=waits)
        case "paused", _:
            return visit.say("Paused by hand; %(waits)s", waits=waits)
        case "silent", _:
            at = _hour(visit, trouble.since or visit.now)
            return visit.say("Not accepting since about %(at)s; %(waits)s", at=at, waits=waits)
        case _:
            return visit.many(
                "%(n)s delivery of the last day stands as failed",
                "%(n)s deliveries of the last day stand as failed",
                trouble.failed,
            )


def _of_endpoint(visit: Visit, endpoint: Endpoint, trouble: Trouble) -> Concern:
    paused = trouble.kind == "paused"
    badge = visit.say("Endpoint paused") if paused else visit.say("Endpoint not accepting")
    icon = "player-pause" if paused else "alert-triangle"
    text = f"{visit.receiver(endpoint)}: {trouble_words(visit, trouble)}"
    return Concern(trouble.tone, icon, badge, text, f"/endpoints/{endpoint.id}")


def _of_doubts(visit: Visit, rule: Rule, why: Sequence[str], *, stuck: bool) -> Concern:
    path = f"/rules/{rule.id}"
    if rule.valid_to is not None and (end := parse_instant(rule.valid_to)) <= visit.now:
        text = visit.say("Nothing has run it since %(time)s.", time=visit.times.short(end))
        return Concern("wait", "calendar", visit.say("No longer valid"), text, path)
    if rule.valid_from is not None and (start := parse_instant(rule.valid_from)) > visit.now:
        text = visit.say("Nothing runs it before %(time)s.", time=visit.times.short(start))
        return Concern("wait", "calendar", visit.say("Not valid yet"), text, path)
    text = " ".join(visit.hint(one) for one in why)
    if stuck:
        return Concern("bad", "alert-triangle", visit.say("Cannot fire"), text, path)
    return Concern("wait", "alert-triangle", visit.say("Some events cannot occur"), text, path)


def _of_pace(visit: Visit, rule: Rule, change: Pace) -> Concern:
    path = f"/rules/{rule.id}/runs"
    usual = max(round(change.usual), 1)
    if change.kind == "silent":
        badge = visit.many("Silent for %(n)s day", "Silent for %(n)s days", change.days)
        habit = visit.many("usually %(n)s run a day", "usually %(n)s runs a day", usual)
        return Concern("wait", "zzz", badge, f"{badge}, {habit}", path)
    badge = visit.many("%(n)s time its usual rate", "%(n)s times its usual rate", change.times)
    runs = visit.many("%(n)s run in the last day", "%(n)s runs in the last day", change.last)
    today = visit.say("%(runs)s instead of about %(usual)s", runs=runs, usual=usual)
    return Concern("wait", "trending-up", badge, f"{badge}: {today}", path)


def _hour(visit: Visit, at: Millis) -> str:
    """The time of day, with the date where it was not today."""
    local = visit.times.local(at)
    return f"{local:%H:%M}" if local.date() == visit.times.local(visit.now).date() else visit.times.short(at)
