"""One cause, one incident: which findings are causes, and which only follow from them.

Findings of one family (losses of conversion; surges; traffic drops; ...) compete. The one whose counts
gain most likelihood over "nothing changed", less the price of its name, is taken as a cause; all that
it explains (``explaining``) goes under it; then the next of what is left. Before that, a cause gives
way to one that explains it and comes first: an earlier step, a step within its span, a named cause
(out of stock, mix) on the same scope. So the first broken step stands above the later ones, a total
above its keys, a key above the total that it drags down, and a key that is worse than its total
accounts for stands alone.

Two corrections. A wide cause that up to ``MOST_PARTS`` narrower ones together account for is none: its
total was dragged down by each. When more than that break inside a wide cause at once, it is the wide
one: nobody is helped by twenty incidents about twenty slots.

Each finding ends up under exactly one root. The order of the findings does not matter, and folding
the roots again changes nothing. Open incidents take part with their last finding, so that what
comes late goes under them; a root names the incidents it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from math import log
from typing import TYPE_CHECKING, Final, NamedTuple

from alerts.diagnosis.explaining import (
    NAMED_CAUSES,
    SLACK_MS,
    TOLERANCE,
    Explaining,
    Reason,
    Steps,
    family,
    where,
)
from alerts.diagnosis.likelihood import gain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from alerts.diagnosis.leaves import Leaves
    from alerts.model import Finding, Step

MOST_PARTS: Final = 3


class Opened(NamedTuple):
    """An open incident: its id, and the last finding it was about."""

    incident: str
    finding: Finding


class Child(NamedTuple):
    """A finding that follows from a root, and why it is thought so."""

    finding: Finding
    reason: Reason


@dataclass(frozen=True, slots=True)
class Root:
    """A cause and what follows from it.

    Attributes:
        finding: the cause; an open incident's last finding if that is all there is of it.
        children: what it explains, in a fixed order.
        incidents: open incidents that stand for it, oldest first; several are one from now on.
    """

    finding: Finding
    children: tuple[Child, ...] = ()
    incidents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FoldSettings:
    """What folding goes by.

    Attributes:
        nodes: of the funnel, in its order.
        dimensions: names, coarse ones first: of equal scopes the first is the cause.
        key_counts: how many keys each dimension has: the price of naming one.
        tolerance: relative change that is no evidence, as in detection.
        most_parts: how many causes inside a wide one stand alone.
    """

    nodes: tuple[str, ...]
    dimensions: tuple[str, ...] = ("slot", "banner", "sku")
    key_counts: Mapping[str, int] | None = None
    tolerance: float = TOLERANCE
    most_parts: int = MOST_PARTS


def fold(
    findings: Iterable[Finding],
    settings: FoldSettings,
    *,
    opened: Sequence[Opened] = (),
    leaves: Mapping[Step | None, Leaves] | None = None,
    proposals: Iterable[Finding] = (),
) -> tuple[Root, ...]:
    """Folds the findings of one closing into their causes.

    Args:
        findings: all that are beyond their thresholds now.
        settings: see there.
        opened: open incidents, oldest first.
        leaves: counts by combination, by step; without them a key explains another dimension's key
            only as far as its share of the total goes.
        proposals: scopes that a scan named (``diagnosing.proposed``); a cause only if something
            else is explained by it.

    Returns:
        Roots, the one that gains most first.
    """
    now = dict.fromkeys(findings)
    seen = {_key(finding) for finding in now}
    now |= dict.fromkeys(known.finding for known in opened if _key(known.finding) not in seen)
    seen |= {_key(finding) for finding in now}
    proposed = dict.fromkeys(finding for finding in proposals if _key(finding) not in seen)
    folding = _Folding(settings, leaves or {})
    return _as_roots(folding, folding.run([*now], [*proposed]), opened)


def _as_roots(
    folding: _Folding, roots: Mapping[Finding, list[Child]], opened: Sequence[Opened]
) -> tuple[Root, ...]:
    found = []
    for finding, children in sorted(roots.items(), key=lambda item: folding.rank(item[0])):
        keys = {_key(finding), *(_key(child.finding) for child in children)}
        incidents = tuple(known.incident for known in opened if _key(known.finding) in keys)
        ordered = sorted(children, key=lambda child: folding.rank(child.finding))
        found.append(Root(finding, tuple(ordered), incidents))
    return tuple(found)


def _key(finding: Finding) -> tuple[object, ...]:
    """What makes two findings the same thing at two times."""
    return family(finding), where(finding), finding.step, finding.kind in NAMED_CAUSES


@dataclass
class _Folding:
    """One folding."""

    settings: FoldSettings
    leaves: Mapping[Step | None, Leaves]
    _ranks: dict[Finding, tuple[object, ...]] = field(default_factory=dict)

    def run(self, findings: list[Finding], proposed: list[Finding]) -> dict[Finding, list[Child]]:
        """Roots and their children, family by family, until folding the roots changes nothing."""
        found: dict[Finding, list[Child]] = {}
        ordered = sorted(findings, key=family)
        for name, members in groupby(ordered, family):
            found |= self._settled(list(members), [item for item in proposed if family(item) == name])
        return found

    def rank(self, finding: Finding) -> tuple[object, ...]:
        """The best cause first; every difference between findings breaks a tie."""
        if finding not in self._ranks:
            self._ranks[finding] = self._rank(finding)
        return self._ranks[finding]

    def _rank(self, finding: Finding) -> tuple[object, ...]:
        places = sorted(where(finding), key=self._order)
        return (
            -self.score(finding),
            len(places),
            [self._order(place) for place in places],
            str(finding.step),
            finding.kind,
            finding.since_ms,
            repr(finding),
        )

    def score(self, finding: Finding) -> float:
        """Likelihood gained, less the price of the name."""
        counts = self.settings.key_counts or {}
        price = sum(log(max(counts.get(place.dimension, 1), 1)) for place in where(finding))
        return (
            gain(finding.observed, finding.expected) if finding.expected > 0.0 else finding.evidence
        ) - price

    def _order(self, place: tuple[str, str]) -> tuple[int, str, str]:
        dimension, key = place
        known = self.settings.dimensions
        return (known.index(dimension) if dimension in known else len(known)), dimension, key

    def _settled(self, members: list[Finding], proposed: list[Finding]) -> dict[Finding, list[Child]]:
        roots = self._once(members, proposed)
        while True:
            again = self._once(list(roots), [])
            if len(again) == len(roots):
                return roots
            roots = {
                root: [
                    *roots[root],
                    *(grown for child in children for grown in (child, *roots[child.finding])),
                ]
                for root, children in again.items()
            }

    def _once(self, members: list[Finding], proposed: list[Finding]) -> dict[Finding, list[Child]]:
        explaining = self._explaining(members)
        barred: set[Finding] = set()
        while True:
            roots = self._greedy(explaining, members, proposed, barred)
            wide = self._dragged(explaining, roots)
            if wide is None:
                break
            barred.add(wide)
        self._place_barred(explaining, roots, members)
        return self._gathered(explaining, roots)

    def _explaining(self, members: list[Finding]) -> Explaining:
        totals: dict[Step | None, float] = {}
        for finding in members:
            if not where(finding):
                totals[finding.step] = max(totals.get(finding.step, 0.0), finding.expected)
        for step, leaves in self.leaves.items():
            totals.setdefault(step, float(leaves.expected.sum()))
        return Explaining(self.settings.nodes, self.leaves, totals, self.settings.tolerance)

    def _greedy(
        self, explaining: Explaining, members: list[Finding], proposed: list[Finding], barred: set[Finding]
    ) -> dict[Finding, list[Child]]:
        """Causes one by one, the best first, each with all that it explains of what is left."""
        left = dict.fromkeys(sorted(members, key=self.rank))
        offered = dict.fromkeys(sorted(proposed, key=self.rank))
        roots: dict[Finding, list[Child]] = {}
        while True:
            best = min(
                (item for item in (*left, *offered) if item not in barred), key=self.rank, default=None
            )
            if best is None:
                return roots
            cause = self._first_cause(explaining, best, left, barred)
            children = self._explained(explaining, cause, left)
            left.pop(cause, None)
            if cause in offered and not children:
                del offered[cause]
                continue
            offered.pop(cause, None)
            roots[cause] = children
            for child in children:
                del left[child.finding]

    @staticmethod
    def _explained(explaining: Explaining, cause: Finding, left: Iterable[Finding]) -> list[Child]:
        reasons = ((other, explaining.reason(cause, other)) for other in left if other != cause)
        return [Child(other, reason) for other, reason in reasons if reason is not None]

    def _first_cause(
        self, explaining: Explaining, best: Finding, left: Iterable[Finding], barred: set[Finding]
    ) -> Finding:
        """``best``, or what explains it and comes before it, as far back as that goes."""
        while True:
            earlier = [
                other
                for other in left
                if other not in barred
                and _precedes(explaining, other, best)
                and explaining.reason(other, best)
            ]
            if not earlier:
                return best
            best = min(earlier, key=self.rank)

    def _dragged(self, explaining: Explaining, roots: Mapping[Finding, list[Child]]) -> Finding | None:
        """A wide root that a few narrower ones together account for."""
        for wide in sorted(roots, key=lambda root: (len(where(root)), self.rank(root))):
            parts = [root for root in roots if root != wide and where(root) > where(wide)]
            if 0 < len(parts) <= self.settings.most_parts and _together(explaining, parts, wide):
                return wide
        return None

    def _place_barred(
        self, explaining: Explaining, roots: dict[Finding, list[Child]], members: list[Finding]
    ) -> None:
        placed = {*roots, *(child.finding for children in roots.values() for child in children)}
        for finding in sorted((item for item in members if item not in placed), key=self.rank):
            parts = [
                root
                for root in roots
                if explaining.part(root, finding) > 0.0 and _related(explaining, root, finding)
            ]
            if parts and _together(explaining, parts, finding):
                most = max(parts, key=lambda root: explaining.part(root, finding) * (1.0 - root.ratio))
                roots[most].append(Child(finding, Reason.DRAGGED))
            else:
                roots[finding] = []

    def _gathered(
        self, explaining: Explaining, roots: dict[Finding, list[Child]]
    ) -> dict[Finding, list[Child]]:
        """With many causes inside a wide one made its parts."""
        for wide in sorted(roots, key=lambda root: (len(where(root)), self.rank(root))):
            parts = [
                root for root in roots if root != wide and wide in roots and _part_of(explaining, root, wide)
            ]
            if len(parts) > self.settings.most_parts:
                for part in parts:
                    roots[wide] += [Child(part, Reason.PART_OF_MANY), *roots.pop(part)]
        return roots


def _precedes(explaining: Explaining, one: Finding, other: Finding) -> bool:
    """Whether ``one`` comes first if each could explain the other."""
    steps = explaining.steps(one, other)
    if steps is Steps.SAME:
        named = one.kind in NAMED_CAUSES and other.kind not in NAMED_CAUSES
        return named and where(one) == where(other)
    return steps is not Steps.UNRELATED


def _related(explaining: Explaining, cause: Finding, other: Finding) -> bool:
    return explaining.steps(cause, other) is not Steps.UNRELATED


def _together(explaining: Explaining, causes: list[Finding], other: Finding) -> bool:
    """Whether the causes' effects add up to what happened to ``other``."""
    effects = sum(
        explaining.effect(cause, other, explaining.part(cause, other))
        for cause in causes
        if _related(explaining, cause, other)
    )
    return explaining.left(other, effects) < other.threshold


def _part_of(explaining: Explaining, part: Finding, wide: Finding) -> bool:
    inside = where(part) > where(wide) and _related(explaining, wide, part)
    return inside and part.since_ms >= wide.since_ms - SLACK_MS
