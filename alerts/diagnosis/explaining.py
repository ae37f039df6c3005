"""Does one finding explain another? The effect of a cause is taken off, and what is left is weighed.

A cause with ratio r that holds a part s of another finding's expectation (for a part t of its time)
leaves of that expectation ``1 - s t (1 - r)``. If what was observed is no longer evidence against
that, the finding is explained. The one rule covers keys under a scope (s = 1), a total that a key
drags down (s = the key's part), and keys that share some combinations. What is left counts beyond
the same tolerance as in detection, and in the other finding's own nats, which know its dispersion.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from alerts.diagnosis.likelihood import gain
from alerts.model import EVERYWHERE, Finding, Kind, Place, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.diagnosis.leaves import Leaves

    F64 = NDArray[np.float64]
    Where = frozenset[Place]

# Of something where nothing was expected.
MOST_RATIO: Final = 1e6
# The change point is an estimate; a cause may seem to begin this much after what it caused.
SLACK_MS: Final = 120_000
TOLERANCE: Final = 0.1
# A finding's detail narrows it like a key does: one payment method of all.
DETAIL: Final = "(detail)"
# What is a cause by its name: it stands above a drop on the same scope.
NAMED_CAUSES: Final = frozenset({Kind.OUT_OF_STOCK, Kind.MIX_SHIFT})
LOSS: Final = "loss"
LOSSES: Final = frozenset({Kind.NODE_BREAK, Kind.CONVERSION_DROP}) | NAMED_CAUSES


class Reason(StrEnum):
    """Why a finding is under a cause."""

    SAME = "same"
    INSIDE = "inside"
    DRAGGED = "dragged"
    OVERLAPS = "overlaps"
    WHOLE_FUNNEL = "whole_funnel"
    LATER_STEP = "later_step"
    PART_OF_MANY = "part_of_many"


class Steps(StrEnum):
    """How the step of a cause lies to the step of another finding."""

    SAME = "same"
    WITHIN = "within"
    BEFORE = "before"
    UNRELATED = "unrelated"


def where(finding: Finding) -> Where:
    """The conditions of its scope, its detail among them; empty is everywhere."""
    places = frozenset(() if finding.scope == EVERYWHERE else finding.scope)
    return places | {Place(DETAIL, finding.detail)} if finding.detail else places


def family(finding: Finding) -> str:
    """Findings that may be one cause: the same name."""
    if finding.kind in LOSSES and finding.ratio <= 1.0:
        return LOSS
    if finding.kind is Kind.MIX_SHIFT:
        return Kind.CONVERSION_SURGE.value
    return finding.kind.value


@dataclass(eq=False, slots=True)
class Suspect:
    """A finding in one folding; itself only.

    Attributes:
        finding: what it is about.
        places: the conditions of its scope.
        rank: its place among all suspects, the likeliest cause first.
        held: an open incident is about it.
    """

    finding: Finding
    places: Where
    rank: int = 0
    held: bool = False


@dataclass
class Explaining:
    """Says whether one finding explains another, for one set of leaves.

    Attributes:
        nodes: of the funnel, in its order; tells which step comes before which.
        leaves: counts by combination, by step; None's are for findings about no step.
        totals: expectation everywhere, by step; for scopes that the leaves do not know.
        tolerance: relative change that is no evidence.
    """

    nodes: Sequence[str]
    leaves: Mapping[Step | None, Leaves]
    totals: Mapping[Step | None, float] = field(default_factory=dict)
    tolerance: float = TOLERANCE
    _held: dict[tuple[Where, Step | None], tuple[F64, ...] | None] = field(default_factory=dict)

    def explains(self, cause: Suspect, other: Suspect) -> bool:
        """Whether nothing of ``other`` is left when ``cause`` alone is taken off."""
        effect = self.effect(cause, other)
        return effect != 0.0 and self.explained(other, effect)

    def explained(self, other: Suspect, effect: float) -> bool:
        """Whether an effect, of one or many causes, leaves too little of ``other`` to find."""
        return self.left(other, effect) < other.finding.threshold

    def reason(self, cause: Suspect, other: Suspect) -> Reason:
        """How they lie to each other, in a word."""
        return _reason(self.steps(cause, other), cause.places, other.places)

    def steps(self, cause: Suspect, other: Suspect) -> Steps:
        """How the two lie in the funnel."""
        step, other_step = cause.finding.step, other.finding.step
        if step == other_step:
            return Steps.SAME
        if step is None or other_step is None:
            return Steps.UNRELATED
        (start, end), (other_start, other_end) = self._span(step), self._span(other_step)
        if other_start <= start and end <= other_end:
            return Steps.WITHIN
        return Steps.BEFORE if end <= other_start and family(cause.finding) == LOSS else Steps.UNRELATED

    def effect(self, cause: Suspect, other: Suspect) -> float:
        """Part of ``other``'s expectation that ``cause`` takes away; negative is adds."""
        return self.share(cause, other) * (1.0 - min(cause.finding.ratio, MOST_RATIO))

    def share(self, cause: Suspect, other: Suspect) -> float:
        """Part of ``other`` that lies where and when ``cause`` is; zero if it cannot be its cause."""
        steps = self.steps(cause, other)
        if steps is Steps.UNRELATED or not self._in_time(steps, cause, other):
            return 0.0
        if cause.finding.kind is Kind.MIX_SHIFT and cause.places != other.places:
            return 0.0
        return self.part(cause, other) * _time_shared(cause.finding, other.finding)

    def left(self, other: Suspect, effect: float) -> float:
        """Evidence that is left when the effect is taken off the expectation, in its own nats."""
        found = other.finding
        expected = found.expected * max(1.0 - effect, 0.0)
        drop = found.observed <= found.expected
        bearable = 1.0 - self.tolerance if drop else 1.0 + self.tolerance
        bar = expected * bearable
        if (found.observed >= bar) if drop else (found.observed <= bar):
            return 0.0
        whole = gain(found.observed, found.expected * bearable)
        return gain(found.observed, bar) * (found.evidence / whole if whole else 1.0)

    def part(self, cause: Suspect, other: Suspect) -> float:
        """Part of ``other``'s expectation that lies where ``cause`` is, 0 to 1."""
        inner, outer, step = cause.places, other.places, cause.finding.step
        if inner <= outer:
            return 1.0
        if _apart(inner, outer):
            return 0.0
        known = self._by_leaves(inner, outer, step)
        if known is not None:
            return known
        whole = other.finding.expected if outer < inner else self.totals.get(step, 0.0)
        return min(cause.finding.expected / whole, 1.0) if whole else 0.0

    def _span(self, step: Step) -> tuple[int, int]:
        order = {node: at for at, node in enumerate(self.nodes)}
        return order.get(step.from_node, -1), order.get(step.to_node, len(order))

    @staticmethod
    def _in_time(steps: Steps, cause: Suspect, other: Suspect) -> bool:
        return steps is not Steps.BEFORE or other.finding.since_ms >= cause.finding.since_ms - SLACK_MS

    def _by_leaves(self, inner: Where, outer: Where, step: Step | None) -> float | None:
        leaves = self.leaves.get(step)
        if leaves is None or len(outer) > 1:
            return None if leaves is None else self._by_masks(leaves, inner, outer)
        parts = self._parts(leaves, inner, step)
        if parts is None:
            return None
        if not outer:
            return float(parts[-1][0])
        at = leaves.number(next(iter(outer)))
        return None if at is None else float(parts[at[0]][at[1]])

    def _parts(self, leaves: Leaves, inner: Where, step: Step | None) -> tuple[F64, ...] | None:
        """Of each key of each dimension, and of all (last): the part that lies in ``inner``."""
        if (inner, step) not in self._held:
            known = all(leaves.number(place) is not None for place in inner)
            self._held[inner, step] = _parts_inside(leaves, tuple(inner)) if known else None
        return self._held[inner, step]

    @staticmethod
    def _by_masks(leaves: Leaves, inner: Where, outer: Where) -> float | None:
        if any(leaves.number(place) is None for place in inner | outer):
            return None
        outside = leaves.inside(tuple(outer))
        total = float(leaves.expected[outside].sum())
        return float(leaves.expected[outside & leaves.inside(tuple(inner))].sum()) / total if total else 0.0


def _parts_inside(leaves: Leaves, scope: tuple[Place, ...]) -> tuple[F64, ...]:
    rows = leaves.rows(scope)
    inside = leaves.expected[rows]
    found = []
    for dimension, whole in enumerate(leaves.by_key):
        mine = np.bincount(leaves.codes[rows, dimension], inside, minlength=whole.size)
        found.append(mine / np.maximum(whole, 1e-300))
    everything = float(leaves.expected.sum())
    found.append(np.array([inside.sum() / everything if everything else 0.0]))
    return tuple(found)


def _apart(one: Where, other: Where) -> bool:
    """Whether both name a dimension, and another key of it."""
    keys = {place.dimension: place.key for place in one}
    return any(keys.get(place.dimension, place.key) != place.key for place in other)


def _time_shared(cause: Finding, other: Finding) -> float:
    """Part of the time of ``other`` in which ``cause`` was there."""
    lasted = other.at_ms - other.since_ms
    late = cause.since_ms - SLACK_MS - other.since_ms
    return 1.0 if lasted <= 0 or late <= 0 else max(1.0 - late / lasted, 0.0)


def _reason(steps: Steps, inner: Where, outer: Where) -> Reason:
    if steps is Steps.WITHIN:
        return Reason.WHOLE_FUNNEL
    if steps is Steps.BEFORE:
        return Reason.LATER_STEP
    if inner == outer:
        return Reason.SAME
    if inner < outer:
        return Reason.INSIDE
    return Reason.DRAGGED if outer < inner else Reason.OVERLAPS
