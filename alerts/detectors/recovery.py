"""The mirror test: is what fired over, or has it got worse?

From the moment an incident fires, its counts are held against the ratio it fired at. ``BACK`` needs two
things: evidence against "still as when it fired" as large as the evidence that made it fire, and
``HALF_WAY`` nats against "stuck half way" (else a dead slot that comes back to a third would be called
healthy after four orders). ``WORSE`` needs the same evidence for a ratio further out; the test then goes
on from the new ratio. Each is a CUSUM of its own, so orders that come back slowly, as they lag clicks,
count against none of them for long.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from alerts.detectors.arl import Law, drop_law, reference, surge_law
from alerts.detectors.components import MIN_RATIO

if TYPE_CHECKING:
    from collections.abc import Mapping

HALF_WAY = 7.0  # nats
WORSE_FACTOR = 0.6  # of a drop's ratio; a surge's is divided by it
MAX_RATIO = 50.0  # something where almost nothing was expected: any larger ratio tests alike


class Standing(StrEnum):
    """How an incident stands after a bucket."""

    ON = "on"
    WORSE = "worse"
    BACK = "back"


@dataclass(slots=True)
class Turn:
    """One CUSUM from ``old`` towards ``new``, both ratios of expected; sums since it left zero."""

    old: float
    new: float
    height: float = 0.0
    observed: float = 0.0
    expected: float = 0.0
    _slope: float = field(init=False)
    # Found by halving, so once, and only if the sum ever leaves zero.
    _law: Law | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._slope = reference(self.new, self.old)

    def update(self, observed: float, expected: float, dispersion: float) -> None:
        """Take one bucket."""
        sign = 1 if self.new > self.old else -1
        self.height += sign * (observed - self._slope * expected) / dispersion
        self.observed += observed
        self.expected += expected
        if self.height <= 0:
            self.height = self.observed = self.expected = 0.0

    def evidence(self) -> float:
        """Nats, calibrated in events at the old ratio."""
        if self.height <= 0:
            return 0.0
        if self._law is None:
            law = surge_law if self.new > self.old else drop_law
            self._law = law(self._slope / self.old)
        return max(0.0, self._law.rate * self.height + self._law.offset)


class Recovery:
    """The mirror test of one series' incident.

    Args:
        ratio: observed over expected when it fired.
        threshold: nats that made it fire.
        tolerance: a ratio within it is back.
    """

    def __init__(self, ratio: float, threshold: float, tolerance: float = 0.10) -> None:
        self.threshold = threshold
        self._tolerance = tolerance
        self._start(ratio)

    def _start(self, ratio: float) -> None:
        if ratio < 1:
            self.ratio = min(max(ratio, MIN_RATIO), 1 - 1.5 * self._tolerance)
            worse = self.ratio * WORSE_FACTOR
        else:
            self.ratio = max(min(ratio, MAX_RATIO), 1 + 1.5 * self._tolerance)
            worse = self.ratio / WORSE_FACTOR
        self._back = Turn(self.ratio, 1.0)
        self._beyond = Turn((self.ratio + self._edge) / 2, 1.0)
        self._worse = Turn(self.ratio, worse)

    def update(self, observed: float, expected: float, dispersion: float = 1.0) -> Standing:
        """Take one bucket that was judged; after ``BACK`` the test is over."""
        spread = max(dispersion, 1.0)
        for turn in self._turns.values():
            turn.update(observed, expected, spread)
        if self._is_back:
            return Standing.BACK
        if self._worse.evidence() >= self.threshold and self._can_worsen:
            self._start(self._worse.observed / self._worse.expected)
            return Standing.WORSE
        return Standing.ON

    @property
    def evidence(self) -> float:
        """Nats that it is back; held against ``threshold``."""
        return self._back.evidence()

    @property
    def _can_worsen(self) -> bool:
        return MIN_RATIO / WORSE_FACTOR < self.ratio < MAX_RATIO * WORSE_FACTOR

    @property
    def _is_back(self) -> bool:
        least = min(HALF_WAY, self.threshold)
        return self._back.evidence() >= self.threshold and self._beyond.evidence() >= least

    @property
    def _turns(self) -> dict[str, Turn]:
        return {"back": self._back, "beyond": self._beyond, "worse": self._worse}

    @property
    def _edge(self) -> float:
        return 1 - self._tolerance if self.ratio < 1 else 1 + self._tolerance

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        turns = {name: [turn.height, turn.observed, turn.expected] for name, turn in self._turns.items()}
        return {"ratio": self.ratio, "threshold": self.threshold, "tolerance": self._tolerance, **turns}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Recovery:
        """The test that ``snapshot`` was taken of."""
        test = cls(state["ratio"], state["threshold"], state["tolerance"])
        for name, turn in test._turns.items():
            turn.height, turn.observed, turn.expected = state[name]
        return test
