"""Which suspects are causes, among findings of one family; ``fold`` says how."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Final, NamedTuple

from alerts.diagnosis.explaining import (
    NAMED_CAUSES,
    TOLERANCE,
    Explaining,
    Reason,
    Steps,
    Suspect,
    where,
)
from alerts.diagnosis.likelihood import gain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alerts.diagnosis.leaves import Leaves
    from alerts.model import Finding, Step

MOST_PARTS: Final = 3
# Change points this near are one moment, for causes that are parts of one whole.
AT_ONCE_MS: Final = 900_000


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


class Under(NamedTuple):
    """What follows from a cause, and why it is thought so."""

    suspect: Suspect
    reason: Reason


def ranked(settings: FoldSettings, findings: Iterable[Finding]) -> list[Suspect]:
    """The likeliest cause first; every difference between findings breaks a tie."""
    suspects = [Suspect(finding, where(finding)) for finding in findings]
    suspects.sort(key=lambda suspect: _rank(settings, suspect))
    for at, suspect in enumerate(suspects):
        suspect.rank = at
    return suspects


def _rank(settings: FoldSettings, suspect: Suspect) -> tuple[object, ...]:
    finding = suspect.finding
    order = {dimension: at for at, dimension in enumerate(settings.dimensions)}
    places = sorted((order.get(place.dimension, len(order)), *place) for place in suspect.places)
    step = finding.step or ("", "")
    counts = (finding.observed, finding.expected, finding.entries, finding.evidence, finding.threshold)
    times = (finding.since_ms, finding.at_ms, finding.one_in_ms)
    money = (finding.lost_minor or 0, finding.currency or "")
    rest = (*step, finding.kind, times, counts, money, finding.scope)
    return -_score(settings, suspect), len(places), places, *rest


def _score(settings: FoldSettings, suspect: Suspect) -> float:
    """Likelihood gained, less the price of the name."""
    counts, finding = settings.key_counts or {}, suspect.finding
    price = sum(log(max(counts.get(place.dimension, 1), 1)) for place in suspect.places)
    return (gain(finding.observed, finding.expected) if finding.expected > 0.0 else finding.evidence) - price


@dataclass
class Folding:
    """One folding of one family."""

    settings: FoldSettings
    leaves: Mapping[Step | None, Leaves]

    def settled(self, members: list[Suspect], proposed: list[Suspect]) -> dict[Suspect, list[Under]]:
        """Roots and what is under them, folded until folding the roots changes nothing."""
        roots = self._once(members, proposed)
        while True:
            again = self._once(list(roots), [])
            if len(again) == len(roots):
                return roots
            roots = {
                root: [
                    *roots[root],
                    *(grown for child in children for grown in (child, *roots[child.suspect])),
                ]
                for root, children in again.items()
            }

    def _once(self, members: list[Suspect], proposed: list[Suspect]) -> dict[Suspect, list[Under]]:
        explaining = self._explaining(members)
        barred: set[Suspect] = set()
        while True:
            roots = self._greedy(explaining, members, proposed, barred)
            wide = self._dragged(explaining, roots)
            if wide is None:
                break
            barred.add(wide)
        self._place_barred(explaining, roots, members)
        return self._gathered(explaining, roots)

    def _explaining(self, members: list[Suspect]) -> Explaining:
        totals: dict[Step | None, float] = {}
        for suspect in members:
            if not suspect.places:
                finding = suspect.finding
                totals[finding.step] = max(totals.get(finding.step, 0.0), finding.expected)
        for step, leaves in self.leaves.items():
            totals.setdefault(step, float(leaves.expected.sum()))
        return Explaining(self.settings.nodes, self.leaves, totals, self.settings.tolerance)

    def _greedy(
        self, explaining: Explaining, members: list[Suspect], proposed: list[Suspect], barred: set[Suspect]
    ) -> dict[Suspect, list[Under]]:
        """Causes one by one, the best first, each with all that it explains of what is left."""
        left = dict.fromkeys(sorted(members, key=_by_rank))
        offered = dict.fromkeys(sorted(proposed, key=_by_rank))
        roots: dict[Suspect, list[Under]] = {}
        while True:
            first = (next((item for item in some if item not in barred), None) for some in (left, offered))
            best = min((item for item in first if item is not None), key=_by_rank, default=None)
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
                del left[child.suspect]

    @staticmethod
    def _explained(explaining: Explaining, cause: Suspect, left: Iterable[Suspect]) -> list[Under]:
        reasons = ((other, explaining.reason(cause, other)) for other in left if other != cause)
        return [Under(other, reason) for other, reason in reasons if reason is not None]

    def _first_cause(
        self, explaining: Explaining, best: Suspect, left: Iterable[Suspect], barred: set[Suspect]
    ) -> Suspect:
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
            best = min(earlier, key=_by_rank)

    def _dragged(self, explaining: Explaining, roots: Mapping[Suspect, list[Under]]) -> Suspect | None:
        """A wide root that a few narrower ones together account for."""
        for wide in sorted(roots, key=lambda root: (len(root.places), root.rank)):
            parts = [root for root in roots if root != wide and root.places > wide.places]
            if 0 < len(parts) <= self.settings.most_parts and _explained_by(
                explaining, (_effect(explaining, part, wide) for part in parts), wide
            ):
                return wide
        return None

    def _place_barred(
        self, explaining: Explaining, roots: dict[Suspect, list[Under]], members: list[Suspect]
    ) -> None:
        placed = {*roots, *(child.suspect for children in roots.values() for child in children)}
        for suspect in sorted((item for item in members if item not in placed), key=_by_rank):
            effects = {root: _effect(explaining, root, suspect) for root in roots}
            if _explained_by(explaining, effects.values(), suspect):
                most = max(effects, key=lambda root: (abs(effects[root]), -root.rank))
                roots[most].append(Under(suspect, Reason.DRAGGED))
            else:
                roots[suspect] = []

    def _gathered(
        self, explaining: Explaining, roots: dict[Suspect, list[Under]]
    ) -> dict[Suspect, list[Under]]:
        """With many causes inside a wide one made its parts."""
        for wide in sorted(roots, key=lambda root: (len(root.places), root.rank)):
            parts = [
                root for root in roots if root != wide and wide in roots and _part_of(explaining, root, wide)
            ]
            if len(parts) > self.settings.most_parts:
                for part in parts:
                    roots[wide] += [Under(part, Reason.PART_OF_MANY), *roots.pop(part)]
        return roots


def _precedes(explaining: Explaining, one: Suspect, other: Suspect) -> bool:
    """Whether ``one`` comes first if each could explain the other."""
    steps = explaining.steps(one, other)
    if steps is Steps.SAME:
        named = one.finding.kind in NAMED_CAUSES and other.finding.kind not in NAMED_CAUSES
        return named and one.places == other.places
    return steps is not Steps.UNRELATED


def _effect(explaining: Explaining, cause: Suspect, other: Suspect) -> float:
    if explaining.steps(cause, other) is Steps.UNRELATED:
        return 0.0
    return explaining.effect(cause, other, explaining.part(cause, other))


def _explained_by(explaining: Explaining, effects: Iterable[float], other: Suspect) -> bool:
    """Whether the effects add up to what happened to ``other``."""
    return explaining.left(other, sum(effects, 0.0)) < other.finding.threshold


def _part_of(explaining: Explaining, part: Suspect, wide: Suspect) -> bool:
    inside = part.places > wide.places and explaining.steps(wide, part) is not Steps.UNRELATED
    return inside and part.finding.since_ms >= wide.finding.since_ms - AT_ONCE_MS


def _by_rank(suspect: Suspect) -> int:
    return suspect.rank
