"""How rules and endpoints stand just now: the setup, read once for a page, and what somebody should look at in it.

Called by the list of rules and the overview, so that a rule is judged the same wherever it is seen.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from goniec.core.endpoint import Endpoint
from goniec.core.occurring import Known
from goniec.core.rules import Rule
from goniec.core.times import DAY, HOUR, Millis
from goniec.flow.explain import known_among
from goniec.ports import Queries, Sum
from goniec.web.panel.attention import WATCHED, WEEK, Pace, Trouble, pace, troubles
from goniec.web.panel.page import Visit
from goniec.web.panel.people import names_of
from goniec.web.panel.rule_list import doubtful, facts

WATCHED_RULES: Final = 1000
"""With more rules than that their pace is not watched: it would take the figures of all of them for every page."""


class Picture(Struct, frozen=True, kw_only=True):
    """The setup and the figures of one moment.

    `hours` are the sums of endpoints in the last day, `troubles` what is wrong with endpoints, `doubts` why rules that
    are on may not fire, `weeks` what rules did, `names` what messages and users are called, all by
    their ids; `known` is what rules may lean on.
    """

    rules: Sequence[Rule]
    endpoints: Mapping[str, Endpoint]
    hours: Sequence[Sum]
    troubles: Mapping[str, Trouble]
    known: Known
    doubts: Mapping[str, list[str]]
    weeks: Mapping[str, "Week"]
    names: Mapping[str, str]
    now: Millis

    def attention(self) -> list[Rule]:
        """Give the rules that somebody should look at, in their order."""
        there, bad = self.endpoints.keys(), {id for id, one in self.troubles.items() if one.kind != "failing"}
        found = []
        for rule in self.rules:
            if rule.active:
                named = facts(rule).endpoints
                # written for ten thousand rules: what is seldom true comes last
                if rule.id in self.doubts or not named <= there or not named.isdisjoint(bad) or self.pace(rule):
                    found.append(rule)
            elif rule.version == 0:
                found.append(rule)
        return found

    def pace(self, rule: Rule) -> Pace | None:
        """How a rule runs against its habit."""
        week = self.weeks.get(rule.id)
        return None if week is None else pace(rule, week.runs, end_of_hour(self.now))

    def lost(self, rule: Rule) -> bool:
        """Whether a rule that is on tells an endpoint that is not there."""
        return rule.active and not facts(rule).endpoints <= self.endpoints.keys()


class Week(Struct, frozen=True):
    """What a rule did in the last seven days: runs day by day, webhooks delivered and given up."""

    runs: tuple[int, ...]
    delivered: int
    failed: int


async def picture(visit: Visit) -> Picture:
    """Read the setup and what there is to say about it."""
    queries = visit.context.store.queries
    now, end = visit.now, end_of_hour(visit.now)
    rules, endpoints, keys, funnels, queues, hours = await asyncio.gather(
        queries.rules(),
        queries.endpoints(),
        queries.keys(),
        queries.funnels(),
        queries.queues(now),
        queries.sums("endpoint", None, end - WATCHED, end, HOUR),
    )
    weeks = await read_weeks(queries, None, now) if len(rules) <= WATCHED_RULES else {}
    known = known_among(rules, keys, funnels)
    by_id = {endpoint.id: endpoint for endpoint in endpoints}
    return Picture(
        rules=rules,
        endpoints=by_id,
        hours=hours,
        troubles=troubles(endpoints, queues, hours),
        known=known,
        doubts=doubtful(rules, known, now),
        weeks=weeks,
        names=await names_of(queries),
        now=now,
    )


async def read_weeks(queries: Queries, ids: Sequence[str] | None, now: Millis) -> dict[str, Week]:
    """Read what rules did in the last seven days; those that did nothing are left out."""
    end = end_of_hour(now)
    since = end - WEEK * DAY
    found: dict[str, list[Sum]] = {}
    for one in await queries.sums("rule", ids, since, end, DAY):
        found.setdefault(one.subject, []).append(one)
    return {rule_id: _week(sums, since) for rule_id, sums in found.items()}


async def read_runs(queries: Queries, now: Millis) -> dict[str, int]:
    """Read how often each rule ran in the last seven days, and no more of them than that."""
    end = end_of_hour(now)
    return {one.subject: one.runs for one in await queries.sums("rule", None, end - WEEK * DAY, end, WEEK * DAY)}


def end_of_hour(now: Millis) -> Millis:
    """Give the end of the hour that is under way: figures are kept by the hour."""
    return now - now % HOUR + HOUR


def _week(sums: Sequence[Sum], since: Millis) -> Week:
    runs = [0] * WEEK
    for one in sums:
        runs[(one.at - since) // DAY] = one.runs
    return Week(tuple(runs), sum(one.delivered for one in sums), sum(one.failed for one in sums))
