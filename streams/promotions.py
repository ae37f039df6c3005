"""The calendar of promotions: what runs at a moment, in which phase, and what it is expected to do.

Pure: times come in as ms since the epoch, spans are half-open. Local times and clock changes are dealt
with where the settings are read, so an hour here is an hour. A promotion says what it lifts where it
says so and nowhere else: with a scope, that are the keys named in it; how far they move the total or
other dimensions is not guessed.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from math import prod
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "NO_LIFT",
    "USUAL",
    "ActivePromotion",
    "Calendar",
    "Lift",
    "Phase",
    "PhaseSpan",
    "Promotion",
    "Strictness",
    "Targets",
]


class Phase(StrEnum):
    """The parts of a promotion, in their order; the warm-up lies before its start."""

    WARMUP = "warmup"
    OPEN = "open"
    STEADY = "steady"
    LAST_HOUR = "last_hour"


class Lift(NamedTuple):
    """Factors on what would be expected without the promotion."""

    traffic: float = 1.0
    conversion: float = 1.0


NO_LIFT: Final = Lift()


@dataclass(frozen=True, slots=True)
class Strictness:
    """How closely to look.

    Attributes:
        sensitivity: factor on the budget of false alarms; above 1 more is told, and sooner.
        tolerance: relative change that is none; None leaves what is configured for all.
        severity_shift: by how many steps incidents are more (or less) severe than else.
    """

    sensitivity: float = 1.0
    tolerance: float | None = None
    severity_shift: int = 0


USUAL: Final = Strictness()


@dataclass(frozen=True, slots=True)
class PhaseSpan:
    """One phase, from ``start_ms`` to before ``end_ms``."""

    phase: Phase
    start_ms: int
    end_ms: int
    lift: Lift = NO_LIFT
    strictness: Strictness = USUAL


@dataclass(frozen=True, slots=True)
class Targets:
    """What a promotion is to reach from its start to its end; None where nothing is said.

    Attributes:
        orders: paid orders.
        revenue_minor: paid, in minor units of ``currency``.
        currency: ISO 4217.
        conversion: of clicks into paid, visitors.
    """

    orders: int | None = None
    revenue_minor: int | None = None
    currency: str | None = None
    conversion: float | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """One promotion.

    Attributes:
        name: unique in the calendar.
        start_ms: when the sale begins; its warm-up lies before.
        end_ms: when it ends.
        spans: its phases in order of time, without overlap; between start and end without a gap.
        scope: keys by dimension; empty is everything.
        targets: what it is to reach.
    """

    name: str
    start_ms: int
    end_ms: int
    spans: tuple[PhaseSpan, ...]
    scope: Mapping[str, frozenset[str]]
    targets: Targets = Targets()

    @property
    def begins_ms(self) -> int:
        """When its first phase begins."""
        return min((self.start_ms, *(span.start_ms for span in self.spans)))

    def covers(self, dimension: str, key: str) -> bool:
        """Whether what is expected of it holds for this key."""
        return not self.scope or key in self.scope.get(dimension, ())

    def span_at(self, at_ms: int) -> PhaseSpan | None:
        """The phase of a moment; None outside of the promotion."""
        return next((span for span in self.spans if span.start_ms <= at_ms < span.end_ms), None)


@dataclass(frozen=True, slots=True)
class ActivePromotion:
    """A promotion at a moment at which it has a phase.

    Attributes:
        promotion: whose phase it is.
        span: the phase.
    """

    promotion: Promotion
    span: PhaseSpan

    @property
    def name(self) -> str:
        """The promotion's name."""
        return self.promotion.name

    @property
    def phase(self) -> Phase:
        """The phase's name."""
        return self.span.phase

    @property
    def started_ms(self) -> int:
        """When the sale began, or in the warm-up will begin."""
        return self.promotion.start_ms

    @property
    def ends_ms(self) -> int:
        """When the sale ends."""
        return self.promotion.end_ms

    @property
    def running(self) -> bool:
        """Whether the sale has begun, so that orders count for it."""
        return self.span.phase is not Phase.WARMUP

    @property
    def expected_traffic(self) -> float:
        """Factor on traffic."""
        return self.span.lift.traffic

    @property
    def expected_conversion(self) -> float:
        """Factor on conversion."""
        return self.span.lift.conversion

    @property
    def sensitivity(self) -> float:
        """Factor on the budget of false alarms."""
        return self.span.strictness.sensitivity

    @property
    def tolerance(self) -> float | None:
        """Relative change that is none; None leaves what is configured for all."""
        return self.span.strictness.tolerance

    @property
    def severity_shift(self) -> int:
        """By how many steps incidents are more severe than else."""
        return self.span.strictness.severity_shift


class Calendar:
    """All promotions, in the order of their starts. Immutable: a reload makes another."""

    def __init__(self, promotions: Iterable[Promotion] = ()) -> None:
        self.promotions = tuple(sorted(promotions, key=lambda p: (p.start_ms, p.end_ms, p.name)))
        edges = {edge for p in self.promotions for s in p.spans for edge in (s.start_ms, s.end_ms)}
        self._edges = sorted(edges)
        # Between two edges nothing changes; None, before the first one, and after the last nothing runs.
        self._between: dict[int | None, tuple[ActivePromotion, ...]] = {}

    def active(self, at_ms: int) -> tuple[ActivePromotion, ...]:
        """The promotions that have a phase at this moment, those that start first before the others."""
        place = bisect_right(self._edges, at_ms)
        edge = self._edges[place - 1] if place else None
        if edge not in self._between:
            self._between[edge] = self._active_from(edge)
        return self._between[edge]

    def _active_from(self, edge_ms: int | None) -> tuple[ActivePromotion, ...]:
        if edge_ms is None:
            return ()
        spans = ((promotion, promotion.span_at(edge_ms)) for promotion in self.promotions)
        return tuple(ActivePromotion(promotion, span) for promotion, span in spans if span is not None)

    def lift(self, at_ms: int, dimension: str, key: str) -> Lift:
        """Factors on traffic and conversion of a key at a moment; those of several promotions multiply."""
        lifts = [active.span.lift for active in self._covering(at_ms, dimension, key)]
        return Lift(prod(lift.traffic for lift in lifts), prod(lift.conversion for lift in lifts))

    def strictness(self, at_ms: int, dimension: str, key: str) -> Strictness:
        """How closely to look at a key; of several promotions, what is closest in each respect."""
        found = [active.span.strictness for active in self._covering(at_ms, dimension, key)]
        if not found:
            return USUAL
        tolerances = [each.tolerance for each in found if each.tolerance is not None]
        return Strictness(
            sensitivity=max(each.sensitivity for each in found),
            tolerance=min(tolerances, default=None),
            severity_shift=max(each.severity_shift for each in found),
        )

    def _covering(self, at_ms: int, dimension: str, key: str) -> list[ActivePromotion]:
        return [active for active in self.active(at_ms) if active.promotion.covers(dimension, key)]

    def next_change(self, at_ms: int) -> int | None:
        """The next moment after this one at which a phase begins or ends; None if there is none."""
        place = bisect_right(self._edges, at_ms)
        return self._edges[place] if place < len(self._edges) else None

    def named(self, name: str) -> Promotion | None:
        """The promotion of this name."""
        return next((promotion for promotion in self.promotions if promotion.name == name), None)

    def before(self, promotion: Promotion) -> Promotion | None:
        """The last promotion with the same scope that had started and ended before this one's start.

        What this one is compared with, aligned to the starts of both.
        """
        alike = (p for p in self.promotions if p.end_ms <= promotion.start_ms and p.scope == promotion.scope)
        return max(alike, key=lambda p: (p.start_ms, p.name), default=None)
