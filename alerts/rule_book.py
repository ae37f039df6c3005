"""How long the lines of rules are crossed, and what is told of it.

Pure: a fold over buckets; the state is plain data. A finding is told at the end of every bucket while
its rule's line has been crossed for the time that the rule wants. Where a key cannot be judged for
want of volume its time begins anew, and what was told of it is neither repeated nor taken back.
Of one rule at most :data:`MOST_HELD` keys are held, the busiest of those that come together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from alerts.model import Finding, Kind, Place, Step
from alerts.rules import judge
from streams.funnel import RESERVED_KEYS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.rules import Measures, Rule, Verdicts

    Bools = NDArray[np.bool_]

# Of one rule. A line that a thousand keys are beyond is drawn wrongly, or the whole shop stands still.
MOST_HELD: Final = 1_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What all rules said at the end of one bucket.

    Attributes:
        findings: of what is beyond its line, and was for as long as its rule wants.
        clear: (rule, place) of earlier findings that are judged and not beyond any more, or that
            nobody looks at any more: the rule is gone, or its promotion is over. What cannot be
            judged for want of volume is in neither.
    """

    findings: tuple[Finding, ...] = ()
    clear: tuple[tuple[str, Place], ...] = ()


@dataclass(slots=True)
class _Held:
    """A key beyond a rule's line: since when (None: not judged of late), and whether that was told."""

    since_ms: int | None
    told: bool = False


class _Chosen:
    """Which numbers a rule's keys have; names only grow, so each is looked at once."""

    def __init__(self, rule: Rule) -> None:
        self._keys = rule.keys
        self._seen = 0
        self.numbers: dict[str, int] = {}

    def among(self, names: Sequence[str], size: int) -> Bools:
        """The keys that the rule is about, shape (size,)."""
        for number in range(self._seen, len(names)):
            if self._wants(names[number]):
                self.numbers[names[number]] = number
        self._seen = max(self._seen, len(names))
        chosen = np.zeros(size, dtype=np.bool_)
        chosen[np.fromiter(self.numbers.values(), np.intp, len(self.numbers))] = True
        return chosen

    def _wants(self, name: str) -> bool:
        return name in self._keys if self._keys else name not in RESERVED_KEYS


class RuleBook:
    """All rules, and what is beyond their lines. A fold over buckets; its state is plain data."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules: dict[str, Rule] = {}
        self._held: dict[str, dict[str, _Held]] = {}
        self._chosen: dict[str, _Chosen] = {}
        # Told, and of rules that are there no more.
        self._orphans: list[tuple[str, Place]] = []
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
            elif (verdicts := judge(rule, measures)) is not None:
                names = measures.names(rule.dimension)
                chosen = self._chosen[rule.name].among(names, len(verdicts.beyond))
                clear += self._let_go(rule, verdicts)
                findings += self._tell(rule, verdicts, chosen, names, at_ms)
            else:
                self._pause(rule)
        return Outcome(tuple(findings), tuple(clear))

    def _forget(self, rule: Rule) -> list[tuple[str, Place]]:
        held, self._held[rule.name] = self._held.get(rule.name, {}), {}
        return [(rule.name, Place(rule.dimension, key)) for key, each in held.items() if each.told]

    def _pause(self, rule: Rule) -> None:
        """Nothing is known of it now: what it held begins anew."""
        told = {key: each for key, each in self._held[rule.name].items() if each.told}
        for each in told.values():
            each.since_ms = None
        self._held[rule.name] = told

    def _let_go(self, rule: Rule, verdicts: Verdicts) -> list[tuple[str, Place]]:
        """Ends what is not beyond the line any more; (rule, place) of what was told of it."""
        held, numbers = self._held[rule.name], self._chosen[rule.name].numbers
        clear: list[tuple[str, Place]] = []
        for key, each in list(held.items()):
            number = numbers.get(key)
            if number is not None and verdicts.beyond[number]:
                continue
            each.since_ms = None
            judged = number is not None and bool(verdicts.judged[number])
            if judged and each.told:
                clear.append((rule.name, Place(rule.dimension, key)))
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
            [rule.name, rule.dimension, key, each.since_ms, each.told]
            for rule in self._rules.values()
            for key, each in self._held[rule.name].items()
        ]
        return {"held": held, "orphans": [[name, *place] for name, place in self._orphans]}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take up what another life held; what was told by rules that are gone will be cleared."""
        self._orphans = [(name, Place(dimension, key)) for name, dimension, key in snapshot["orphans"]]
        for name, dimension, key, since_ms, told in snapshot["held"]:
            rule = self._rules.get(name)
            if rule is not None and rule.dimension == dimension:
                self._held[name][key] = _Held(since_ms, told)
            elif told:
                self._orphans.append((name, Place(dimension, key)))


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
        step=Step(subject.from_node, subject.to_node) if subject.from_node and subject.to_node else None,
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
