"""Rules: as they are stored, as they run, and the set of all that are on.

A rule is tried when the set is made, compiled when the first event asks for it, and meets events through the index of
its triggers. Called by `decide` for every event, and by the shell whenever a rule is saved. What a user may write into
a rule is checked in `drafts`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct
from msgspec.structs import replace

from goniec.core.actions import Action
from goniec.core.conditions import All, Condition, Holds, Node, compile_tree
from goniec.core.matching import Matches, compile_trigger, event_keys, index_keys
from goniec.core.model import Contact, Event, Seen
from goniec.core.quiet import MailLimits
from goniec.core.times import Duration, Millis, parse_duration, parse_instant
from goniec.core.triggers import RuleRequested, Trigger

DEFAULT_ZONE: Final = ZoneInfo("Europe/Warsaw")

_REQUESTED: Final = "rule.requested"

Position = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class RuleDraft(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a user gives for a rule.

    What it gets by being stored (id, version, times) is taken and left aside, so that what was read can be sent back as
    it is. Times of validity are RFC 3339, durations ISO 8601, both as entered. `timezone` is where its dates are
    counted (null: the workspace's), `maxAge` the greatest age of an event that may still set it off; without
    `maxRuns` there is no limit. `mail` tightens the workspace's limits on mail.
    """

    id: Any = None
    version: Any = None
    name: str
    description: str = ""
    group: str = ""
    active: bool = False
    position: Position | None = None
    triggers: tuple[Trigger, ...]
    conditions: Condition = All()
    actions: tuple[Action, ...] = ()
    otherwise: tuple[Action, ...] = ()
    max_runs: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    min_interval: str | None = None
    valid_from: str | None = None
    valid_to: str | None = None
    max_age: str | None = None
    timezone: str | None = None
    mail: MailLimits | None = None
    created_at: Any = None
    updated_at: Any = None


class Rule(RuleDraft, frozen=True, kw_only=True):
    """A rule as it is stored; every save makes a version."""

    id: str
    version: int
    position: Position = 0
    created_at: Millis
    updated_at: Millis


class CompiledRule(Struct, frozen=True):
    """A rule that is ready to run; `holds` answers its conditions for a contact and an event."""

    rule: Rule
    holds: Holds
    tree: Node
    zone: ZoneInfo
    max_runs: int | None
    min_interval: Duration | None
    valid_from: Millis | None
    valid_to: Millis | None
    max_age: Duration | None

    def trace(self, contact: Contact, event: Event) -> tuple[Seen, ...]:
        """Say what each condition came to and which value it saw."""
        return self.tree.trace(contact, event)

    def first_failure(self, contact: Contact, event: Event) -> Seen:
        """Say which condition made them fail."""
        return self.tree.first_failure(contact, event)


class Prepared:
    """A rule that can be compiled, which is tried at once; what comes of it is kept from the first event on that asks.

    Of thousands of rules most are asked seldom, and compiled they take three times the memory. `keys` are those that
    each of its triggers is filed under. Raises what `compile_rule` and `compile_trigger` raise.
    """

    __slots__ = ("_ready", "_tests", "_zone", "keys", "rule")

    def __init__(self, rule: Rule, zone: ZoneInfo) -> None:
        self.rule = rule
        self._zone = zone
        self._ready: CompiledRule | None = None
        self._tests: tuple[Matches, ...] | None = None
        self.keys = tuple(map(index_keys, self._triggers()))
        self._compile_triggers(compile_rule(rule, zone).zone)

    @property
    def ready(self) -> CompiledRule:
        """The rule, ready to run."""
        if self._ready is None:
            self._ready = compile_rule(self.rule, self._zone)
        return self._ready

    def fits(self, trigger: int, event: Event) -> bool:
        """Whether an event sets the trigger in this place off."""
        if self._tests is None:
            self._tests = self._compile_triggers(self.ready.zone)
        return self._tests[trigger](event)

    def _compile_triggers(self, zone: ZoneInfo) -> tuple[Matches, ...]:
        return tuple(compile_trigger(trigger, zone) for trigger in self._triggers())

    def _triggers(self) -> Iterator[Trigger]:
        return (_own(trigger, self.rule.id) for trigger in self.rule.triggers)


class RuleSet:
    """All rules that are on.

    A rule that cannot be compiled is left out and kept in `broken`, id → why, beside those that the store could not
    read. What has not changed since the set `before` is not compiled again; that set stays as it is.
    """

    def __init__(
        self,
        rules: Iterable[Rule] = (),
        zone: ZoneInfo = DEFAULT_ZONE,
        unreadable: Mapping[str, str] | None = None,
        before: "RuleSet | None" = None,
    ) -> None:
        self.broken: dict[str, str] = dict(unreadable or {})
        self._zone = zone
        self._filed: dict[str, _Filed] = {}
        self._index: dict[str, list[tuple[_Filed, int]]] = {}
        active = sorted((rule for rule in rules if rule.active), key=lambda rule: (rule.position, rule.id))
        for place, rule in enumerate(active):
            try:
                self._file(place, (before and before.prepared(rule, zone)) or Prepared(rule, zone))
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one rule must not stop the others
                self.broken[rule.id] = f"{type(error).__name__}: {error}"

    def __len__(self) -> int:
        return len(self._filed)

    def get(self, rule_id: str) -> CompiledRule | None:
        """Give the rule with this id, if it is on and sound."""
        found = self._filed.get(rule_id)
        return None if found is None else found.prepared.ready

    def prepared(self, rule: Rule, zone: ZoneInfo) -> Prepared | None:
        """Give what was made of a rule, if it and the zone are still the same."""
        found = self._filed.get(rule.id)
        return found.prepared if found is not None and zone == self._zone and found.prepared.rule == rule else None

    def matching(self, event: Event) -> list[CompiledRule]:
        """Give the rules that an event sets off, by position, then id; each once, however many of its triggers fit.

        A rule that was asked for by hand is set off whatever its triggers are.
        """
        found: dict[int, CompiledRule] = {}
        for key in event_keys(event):
            for filed, trigger in self._index.get(key, ()):
                if filed.place not in found and filed.prepared.fits(trigger, event):
                    found[filed.place] = filed.prepared.ready
        if event.type == _REQUESTED and (asked := self._filed.get(event.data["rule"])) is not None:
            found[asked.place] = asked.prepared.ready
        return [found[place] for place in sorted(found)] if len(found) > 1 else list(found.values())

    def _file(self, place: int, prepared: Prepared) -> None:
        filed = self._filed[prepared.rule.id] = _Filed(place, prepared)
        for trigger, keys in enumerate(prepared.keys):
            for key in keys:
                self._index.setdefault(key, []).append((filed, trigger))


class _Filed(Struct, frozen=True):
    """A rule in its place among the others."""

    place: int
    prepared: Prepared


def compile_rule(rule: Rule, zone: ZoneInfo = DEFAULT_ZONE) -> CompiledRule:
    """Make a rule ready to run; `zone` is the workspace's.

    Raises:
        ValueError, KeyError: `drafts.check` would not have passed it.

    """
    zone = zone if rule.timezone is None else ZoneInfo(rule.timezone)
    tree = compile_tree(rule.conditions, zone)
    return CompiledRule(
        rule=rule,
        holds=tree.holds,
        tree=tree,
        zone=zone,
        max_runs=rule.max_runs,
        min_interval=None if rule.min_interval is None else parse_duration(rule.min_interval),
        valid_from=None if rule.valid_from is None else parse_instant(rule.valid_from),
        valid_to=None if rule.valid_to is None else parse_instant(rule.valid_to),
        max_age=None if rule.max_age is None else parse_duration(rule.max_age),
    )


def _own(trigger: Trigger, rule_id: str) -> Trigger:
    """Where a rule listens for being asked for by hand without naming any, it means itself."""
    if isinstance(trigger, RuleRequested) and trigger.rules is None:
        return replace(trigger, rules=(rule_id,))
    return trigger
