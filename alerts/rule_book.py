"""How long the lines of rules are crossed, and what is told of it.

Pure: a fold over buckets; the state is plain data. A finding is told at the end of every bucket while
its rule's line has been crossed for the time that the rule wants. Where a key cannot be judged for
want of volume its time begins anew, and what was told of it is neither repeated nor taken back.
Of one rule at most :data:`MOST_HELD` keys are held, the busiest of those that come together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from alerts.model import Finding, Kind, Place, Step
from alerts.rules import judge

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.rules import Measures, Rule, Verdicts

    Bools = NDArray[np.bool_]

# Of one rule. A line that a thousand keys are beyond is drawn wrongly, or the whole shop stands still.
MOST_HELD: Final = 1_000


class Cleared(NamedTuple):
    """What was told of a place by a rule is over."""

    rule: str
    place: Place
    step: Step | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What all rules said at the end of one bucket.

    Attributes:
        findings: of what is beyond its line, and was for as long as its rule wants.
        clear: earlier findings whose places are judged and not beyond the line any more, or that
            nobody looks at any more: the rule is gone, or its promotion is over. What cannot be
            judged for want of volume is in neither.
    """

    findings: tuple[Finding, ...] = ()
    clear: tuple[Cleared, ...] = ()


@dataclass(slots=True)
class _Held:
    """A key beyond a rule's line: since when (None: not judged of late), and whether that was told."""

    since_ms: int | None
    told: bool = False


class _Chosen:
    """Which numbers a rule's keys have; names only grow, so each is looked at once."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._seen = 0
        self.numbers: dict[str, int] = {}

    def among(self, names: Sequence[str]) -> Bools:
        """The keys that the rule is about, shape (keys,)."""
        for number in range(self._seen, len(names)):
            if self._rule.covers(names[number]):
                self.numbers[names[number]] = number
        self._seen = len(names)
        chosen = np.zeros(len(names), dtype=np.bool_)
        chosen[np.fromiter(self.numbers.values(), np.intp, len(self.numbers))] = True
        return chosen


class RuleBook:
    """All rules, and what is beyond their lines. A fold over buckets; its state is plain data."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules: dict[str, Rule] = {}
        self._held: dict[str, dict[str, _Held]] = {}
        self._chosen: dict[str, _Chosen] = {}
        # Told, and of rules that are there no more.
        self._orphans: list[Cleared] = []
        self.replace(rules)

    def rule(self, name: str) -> Rule | None:
        """The rule of this name, for its severity and what else a message says of it."""
        return self._rules.get(name)

    def replace(self, rules: Iterable[Rule]) -> None:
        """Take other rules; those that stay as they were go on holding."""
        taken = {rule.name: rule for rule in rules}
        for name, rule in self._rules.items():
            if taken.get(name) != rule:
                self._orphans += self._forget(rule)
        self._rules = taken
        self._held = {name: self._held.get(name, {}) for name in taken}
        self._chosen = {name: _Chosen(rule) for name, rule in taken.items()}

    def evaluate(self, at_ms: int, measures: Measures, active: Collection[tuple[str, str]] = ()) -> Outcome:
        """Judge every rule at the end of a bucket.

        Args:
            at_ms: the end of the bucket.
            measures: the windows that end there.
            active: (promotion, phase) of the promotions that are on.
        """
        findings: list[Finding] = []
        clear, self._orphans = self._orphans, []
        for rule in self._rules.values():
            if not rule.applies(active):
                clear += self._forget(rule)
            else:
                findings += self._judge(rule, measures, at_ms, clear)
        return Outcome(tuple(findings), tuple(clear))

    def _judge(self, rule: Rule, measures: Measures, at_ms: int, clear: list[Cleared]) -> Iterable[Finding]:
        names = measures.names(rule.dimension)
        chosen = self._chosen[rule.name].among(names)
        verdicts = judge(rule, measures, chosen)
        if verdicts is None:
            self._pause(rule)
            return ()
        clear += self._let_go(rule, verdicts)
        return self._tell(rule, verdicts, chosen, names, at_ms)

    def _forget(self, rule: Rule) -> list[Cleared]:
        held, self._held[rule.name] = self._held.get(rule.name, {}), {}
        return [_cleared(rule, key) for key, each in held.items() if each.told]

    def _pause(self, rule: Rule) -> None:
        """Nothing is known of it now: what it held begins anew."""
        told = {key: each for key, each in self._held[rule.name].items() if each.told}
        for each in told.values():
            each.since_ms = None
        self._held[rule.name] = told

    def _let_go(self, rule: Rule, verdicts: Verdicts) -> list[Cleared]:
        """Ends what is not beyond the line any more; what was told of it."""
        held, numbers = self._held[rule.name], self._chosen[rule.name].numbers
        clear: list[Cleared] = []
        for key, each in list(held.items()):
            number = numbers.get(key)
            if number is not None and verdicts.beyond[number]:
                continue
            each.since_ms = None
            judged = number is not None and bool(verdicts.judged[number])
            if judged and each.told:
                clear.append(_cleared(rule, key))
            if judged or not each.told:
                del held[key]
        return clear

    def _tell(
        self, rule: Rule, verdicts: Verdicts, chosen: Bools, names: Sequence[str], at_ms: int
    ) -> Iterator[Finding]:
        held = self._held[rule.name]
        for number in _busiest_first(verdicts, chosen):
            each = held.get(names[number])
            if each is None:
                if len(held) >= MOST_HELD:
                    continue
                each = held[names[number]] = _Held(at_ms)
            each.since_ms = at_ms if each.since_ms is None else each.since_ms
            if at_ms - each.since_ms >= rule.hold_ms:
                each.told = True
                yield _finding(rule, verdicts, number, names[number], each.since_ms, at_ms)

    def snapshot(self) -> dict[str, Any]:
        """What is held, as plain data."""
        held = [
            [*_plain(_cleared(rule, key)), each.since_ms, each.told]
            for rule in self._rules.values()
            for key, each in self._held[rule.name].items()
        ]
        return {"held": held, "orphans": [_plain(orphan) for orphan in self._orphans]}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take up what another life held; what was told by rules that are gone will be cleared."""
        self._orphans = [_from_plain(*orphan) for orphan in snapshot["orphans"]]
        for *plain, since_ms, told in snapshot["held"]:
            held = _from_plain(*plain)
            rule, key = self._rules.get(held.rule), held.place.key
            if rule is not None and rule.covers(key) and _cleared(rule, key) == held:
                self._held[rule.name][key] = _Held(since_ms, told)
            elif told:
                self._orphans.append(held)


def _cleared(rule: Rule, key: str) -> Cleared:
    return Cleared(rule.name, Place(rule.dimension, key), _step(rule))


def _step(rule: Rule) -> Step | None:
    upstream, downstream = rule.subject.from_node, rule.subject.to_node
    return Step(upstream, downstream) if upstream is not None and downstream is not None else None


def _plain(cleared: Cleared) -> list[Any]:
    return [cleared.rule, *cleared.place, None if cleared.step is None else [*cleared.step]]


def _from_plain(rule: str, dimension: str, key: str, step: Sequence[str] | None) -> Cleared:
    return Cleared(rule, Place(dimension, key), None if step is None else Step(*step))


def _busiest_first(verdicts: Verdicts, chosen: Bools) -> list[int]:
    beyond = np.flatnonzero(verdicts.beyond & chosen)
    volume = np.fmax(verdicts.counts.entries[beyond], verdicts.expected[beyond])
    numbers: list[int] = beyond[np.argsort(-volume, kind="stable")].tolist()
    return numbers


def _finding(rule: Rule, verdicts: Verdicts, number: int, key: str, since_ms: int, at_ms: int) -> Finding:
    subject = rule.subject
    observed, expected = float(verdicts.counts.reached[number]), float(verdicts.expected[number])
    in_money = subject.currency is not None
    return Finding(
        kind=Kind.RULE,
        scope=(Place(rule.dimension, key),),
        step=_step(rule),
        since_ms=since_ms,
        at_ms=at_ms,
        observed=observed,
        expected=expected,
        entries=float(verdicts.counts.entries[number]),
        # A line is crossed or not; it claims nothing about chance.
        evidence=0.0,
        threshold=0.0,
        one_in_ms=0.0,
        lost_minor=round(expected - observed) if in_money else None,
        currency=subject.currency,
        detail=rule.name,
    )
