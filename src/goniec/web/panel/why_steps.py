"""The steps of an evaluation, as far as it went: the event, validity, the tree of conditions, limits.

Called by `views.contact_why`; the answer that they prove is in `why`.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from goniec.core import labels
from goniec.core.conditions import All, AnyOf, Condition, Not
from goniec.core.explain import Evaluation
from goniec.core.model import Outcome
from goniec.core.rules import Rule
from goniec.web.panel.evidence import Sights
from goniec.web.panel.formats import Times, number
from goniec.web.panel.leaf_words import saw, subject, wanted
from goniec.web.panel.phrases import condition_words
from goniec.web.panel.why import Whys, ran_of
from goniec.web.panel.words import Words

Mark = Literal["y", "n", "u"]
"""Held, did not hold, or was not looked at."""

_SEVERAL = 2


class Line(Struct, frozen=True):
    """One step of an evaluation, or one condition: what it is, what was seen, what is wanted, and what is inside it.

    `leaf` marks one that looks at a value.
    """

    mark: Mark
    title: str
    was: str = ""
    wanted: str = ""
    inside: tuple["Line", ...] = ()
    leaf: bool = False


class Steps:
    """Tells steps in the viewer's words."""

    def __init__(self, words: Words, times: Times, whys: Whys) -> None:
        self._words = words
        self._times = times
        self._whys = whys

    def all(self, one: Evaluation, rule: Rule, seen: Sights, fired: int) -> list[Line]:
        """Give the steps of an evaluation of this version; `fired` is how often the rule has fired for the contact."""
        say, outcome = self._words.say, one.outcome
        lines = [Line("y", say("The event matches"), self._whys.event(one.event), self._whys.triggers(rule), leaf=True)]
        invalid, old = outcome is Outcome.OUTSIDE_VALIDITY, outcome is Outcome.TOO_OLD
        runs = self._words.many("%(n)s run so far", "%(n)s runs so far", fired)
        version = say("version %(version)s, %(runs)s", version=ran_of(one).version, runs=runs)
        lines.append(Line("n" if invalid else "y", say("The rule was on and valid"), version, self._validity(rule)))
        if rule.max_age is not None and not invalid:
            age = say("it had happened: %(when)s", when=self._times.minute(one.event.occurred_at))
            need = say("at most %(times)s ago", times=self._whys.span(rule.max_age))
            lines.append(Line("n" if old else "y", say("The event is fresh enough"), age, need))
        if invalid or old:
            return lines
        lines.append(self.conditions(rule, seen))
        return lines + self._limits(one, rule)

    def conditions(self, rule: Rule, seen: Sights) -> Line:
        """Give the tree of conditions, each with what it saw."""
        tree = rule.conditions
        if isinstance(tree, All) and not tree.of:
            return Line("y", self._words.say("No conditions: the rule always fires"))
        return self._node(tree, "/conditions", seen)

    def _node(self, node: Condition, pointer: str, seen: Sights) -> Line:
        one = seen.get(pointer)
        mark: Mark = "u" if one is None else "y" if one.holds else "n"
        if isinstance(node, Not) and not isinstance(node.of[0], All | AnyOf | Not):
            # what should not hold is one line: its own answer would be the opposite of the condition's
            phrase = condition_words(node, self._words)
            within = seen.get(f"{pointer}/of/0")
            was = self._words.say("was not checked") if within is None else saw(node.of[0], within, self._words)
            return Line(mark, phrase[:1].upper() + phrase[1:], was, leaf=True)
        if isinstance(node, All | AnyOf | Not):
            inside = tuple(self._node(part, f"{pointer}/of/{n}", seen) for n, part in enumerate(node.of))
            kind = str(node.__struct_config__.tag)
            return Line(mark, self._words.named(labels.CONDITIONS, kind), self._count(inside, mark), "", inside)
        was = self._words.say("was not checked") if one is None else saw(node, one, self._words)
        return Line(mark, subject(node, self._words), was, wanted(node, self._words), leaf=True)

    def _count(self, inside: Sequence[Line], mark: Mark) -> str:
        """How many of a group's parts did not hold; of one part it need not be said."""
        failed = sum(line.mark == "n" for line in inside)
        if mark != "n" or len(inside) < _SEVERAL or not failed:
            return ""
        total = number(len(inside), self._words.language)
        return self._words.many("%(n)s of %(total)s is not met", "%(n)s of %(total)s are not met", failed, total=total)

    def _limits(self, one: Evaluation, rule: Rule) -> list[Line]:
        say, outcome = self._words.say, one.outcome
        lines = []
        if outcome is Outcome.LOOP_STOPPED:
            return [Line("n", say("No loop"))]
        reached = outcome is Outcome.LIMIT_REACHED
        if rule.max_runs is not None and (reached or one.run is not None):
            times = self._words.many("%(n)s run", "%(n)s runs", rule.max_runs)
            need = say("at most %(times)s", times=times)
            lines.append(Line("n" if reached else "y", say("Runs for this contact"), "", need))
        if rule.min_interval is not None and not reached and one.run is not None:
            need = say("at least %(times)s", times=self._whys.span(rule.min_interval))
            lines.append(Line("n" if outcome is Outcome.INTERVAL else "y", say("Time since its last run"), "", need))
        if outcome is Outcome.CONFIG_ERROR:
            lines.append(Line("n", say("The actions can be carried out"), self._whys.broken(ran_of(one), rule)))
        return lines

    def _validity(self, rule: Rule) -> str:
        told = []
        if rule.valid_from is not None:
            told.append(self._words.say("from %(when)s", when=self._whys.instant(rule.valid_from)))
        if rule.valid_to is not None:
            told.append(self._words.say("until %(when)s", when=self._whys.instant(rule.valid_to)))
        return ", ".join(told)
