"""Which rules a list shows: searched, filtered, counted, sorted and cut into pages and groups.

All rules are at hand, ten thousand of them too, so nothing here asks the store; what costs time to find out about a
rule is remembered by its version. Called by `views.rules`, `views.overview` and `views.search`.
"""

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from goniec.core.endpoint import Endpoint
from goniec.core.matching import type_of
from goniec.core.model import Run
from goniec.core.occurring import Known, doubts
from goniec.core.rules import Rule
from goniec.core.times import Millis
from goniec.core.uses import names_used
from goniec.flow.rules import endpoint_ids

Sort = Literal["order", "name", "last", "runs"]
State = Literal["", "on", "off", "attention"]

SORTS: Final[tuple[Sort, ...]] = ("order", "name", "last", "runs")
STATES: Final[tuple[State, ...]] = ("", "on", "off", "attention")

PAGE: Final = 100
"""Rules on a page."""

_REMEMBERED: Final = 20_000


class Facts(Struct, frozen=True):
    """What a list wants to know of a rule: its name as it sorts, the words it is found by, its events and endpoints.

    `sure` says that nothing can keep it from being set off while it is on.
    """

    name: str
    words: str
    types: frozenset[str]
    endpoints: frozenset[str]
    sure: bool


class Wanted(Struct, frozen=True):
    """What was asked for; all that is given must hold. `event` is a type, `endpoint` an id or a host.

    `start` is how many rules stand before the page.
    """

    state: State = ""
    q: str = ""
    event: str = ""
    endpoint: str = ""
    sort: Sort = "order"
    start: int = 0

    @property
    def narrowed(self) -> bool:
        """Whether something but the tab leaves rules out."""
        return bool(self.q or self.event or self.endpoint)


class Listing(Struct, frozen=True):
    """The rules of a page in their order; `counts` are those of the tabs, `total` what fits in this tab."""

    rules: list[Rule]
    counts: Mapping[State, int]
    total: int


def listing(
    rules: Sequence[Rule], wanted: Wanted, attention: Collection[str], endpoints: Mapping[str, Endpoint]
) -> Listing:
    """Choose the rules of a page; `attention` are the ids of those that somebody should look at.

    Sorting by runs or by the last one is left to `ordered`, for which the caller has the figures: the page is then cut
    by the caller too, and the rules here are all that fit.
    """
    fitting = _fitting(rules, wanted, endpoints)
    by_state: dict[State, list[Rule]] = {
        "": fitting,
        "on": [rule for rule in fitting if rule.active],
        "off": [rule for rule in fitting if not rule.active],
        "attention": [rule for rule in fitting if rule.id in attention],
    }
    shown = by_state[wanted.state]
    if wanted.sort == "name":
        shown = sorted(shown, key=lambda rule: (facts(rule).name, rule.id))
    counts: dict[State, int] = {state: len(found) for state, found in by_state.items()}
    return Listing(shown, counts, len(shown))


def ordered(rules: Iterable[Rule], runs: Mapping[str, int], last: Mapping[str, Run], sort: Sort) -> list[Rule]:
    """Sort by what rules did: the most runs first, or the latest run first; what never ran comes last."""
    if sort == "runs":
        return sorted(rules, key=lambda rule: -runs.get(rule.id, 0))
    if sort == "last":
        return sorted(rules, key=lambda rule: -(last[rule.id].at if rule.id in last else 0))
    return list(rules)


def grouped(rules: Iterable[Rule]) -> list[tuple[str, list[Rule]]]:
    """Put rules into their groups, in the order in which the groups first appear; those without one come last."""
    found: dict[str, list[Rule]] = {}
    for rule in rules:
        found.setdefault(rule.group, []).append(rule)
    without = found.pop("", None)
    return [*found.items(), *([("", without)] if without else [])]


def doubtful(rules: Iterable[Rule], known: Known, now: Millis) -> dict[str, list[str]]:
    """Give the rules that are on and yet are not set off by all that they list: by id, why."""
    found: dict[str, list[str]] = {}
    for rule in rules:
        if rule.active and not facts(rule).sure and (why := list(doubts(rule, known, now))):
            found[rule.id] = why
    return found


def facts(rule: Rule) -> Facts:
    """Give what a list wants to know of a rule."""
    key = (rule.id, rule.version, rule.updated_at)
    found = _FACTS.get(key)
    if found is None:
        if len(_FACTS) >= _REMEMBERED:
            _FACTS.clear()
        found = _FACTS[key] = _facts(rule)
    return found


def folded(text: str) -> str:
    """Give a text as it is compared: without letter case and accents."""
    plain = unicodedata.normalize("NFKD", text.replace("ł", "l").replace("Ł", "L"))
    return "".join(char for char in plain if not unicodedata.combining(char)).casefold()


def types_of(rules: Iterable[Rule]) -> set[str]:
    """Give all types of event that rules wait for."""
    return {kind for rule in rules for kind in facts(rule).types}


def _fitting(rules: Sequence[Rule], wanted: Wanted, endpoints: Mapping[str, Endpoint]) -> list[Rule]:
    found = list(rules)
    if wanted.event:
        found = [rule for rule in found if wanted.event in facts(rule).types]
    if wanted.endpoint:
        ids = {one.id for one in endpoints.values() if wanted.endpoint in {one.id, one.host}}
        found = [rule for rule in found if not ids.isdisjoint(facts(rule).endpoints)]
    if wanted.q:
        q = folded(wanted.q)
        hit = {endpoint.id for endpoint in endpoints.values() if q in folded(endpoint.url)}
        found = [rule for rule in found if q in facts(rule).words or not hit.isdisjoint(facts(rule).endpoints)]
    return found


def _facts(rule: Rule) -> Facts:
    tags = [use[1] for use in names_used(rule) if use[0] == "tag"]
    return Facts(
        folded(rule.name),
        folded("\n".join((rule.name, rule.description, rule.group, rule.id, *tags))),
        frozenset(type_of(trigger) for trigger in rule.triggers),
        frozenset(endpoint_ids(rule)),
        # whatever there is besides can only take a doubt away
        rule.valid_from is None
        and rule.valid_to is None
        and not any(doubts(replace(rule, active=True), Known(), rule.created_at)),
    )


_FACTS: Final[dict[tuple[str, int, Millis], Facts]] = {}
