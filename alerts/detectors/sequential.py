"""Sequential tests of counts against their expectation, for many series at once, in both directions.

``update`` takes one bucket of all series. Every series has one CUSUM for each ratio looked for
(``components``); the strongest of a direction is its evidence. Evidence is in nats and calibrated: with
nothing wrong, ``exp(evidence)`` expected events pass between two times that it is so large. So a
threshold follows from a wanted time between false alarms alone (``budget``), whatever a series' volume.

Counts are taken as Poisson with variance ``dispersion`` times the mean: every increment is divided by
it (quasi-likelihood), which leaves the law exact for orders that come in clumps of that size, and keeps
one number per series where a negative binomial would need its own law per series.

Zero is evidence. Nothing expected is none against a series; something seen where nothing was expected
is evidence of a surge, of about ``rate`` nats an event, and finite. A series that is not judged in a
bucket stands still, but its time goes on.

Heights are not capped: a long incident stands until the mirror test (``recovery``) ends it; then
``forget`` it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alerts.detectors.components import SequentialSettings, Way
from alerts.detectors.packing import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    F64 = NDArray[np.float64]
    Bools = NDArray[np.bool_]

_STATE = ("_heights", "_observed", "_expected", "_entries", "_ages")


class Account(NamedTuple):
    """What a series' evidence in one direction rests on.

    Attributes:
        evidence: nats, see the module.
        ratio: the ratio that the strongest component looks for.
        buckets: since the estimated change point (where the strongest sum left zero), this one included.
        observed: downstream events since then.
        expected: what they should have been.
        entries: upstream events since then.
    """

    evidence: float
    ratio: float
    buckets: int
    observed: float
    expected: float
    entries: float


class SequentialTest:
    """Evidence of a change for each of ``rows`` x ``steps`` series and both ways.

    Memory: 36 bytes per series and component, 28 MB for 21,200 rows of 6 steps.
    """

    def __init__(self, steps: int, settings: SequentialSettings | None = None) -> None:
        self.settings = settings or SequentialSettings()
        self.components = self.settings.components
        self._steps = steps
        self._empty(0)

    def _empty(self, rows: int) -> None:
        shape = (len(self.components), rows, self._steps)
        self._heights: F64 = np.zeros(shape)
        self._observed: F64 = np.zeros(shape)
        self._expected: F64 = np.zeros(shape)
        self._entries: F64 = np.zeros(shape)
        self._ages: NDArray[np.int32] = np.zeros(shape, np.int32)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self._heights.shape[1])

    def resize(self, rows: int) -> None:
        """Make it ``rows`` rows: new ones start empty, surplus ones are dropped from the end."""
        kept = min(rows, self.rows)
        for name in _STATE:
            old = getattr(self, name)
            new = np.zeros((old.shape[0], rows, self._steps), old.dtype)
            new[:, :kept] = old[:, :kept]
            setattr(self, name, new)

    def update(
        self,
        observed: NDArray[Any],
        expected: F64,
        dispersion: F64 | float,
        judged: Bools,
        entries: NDArray[Any] | float = 0.0,
    ) -> None:
        """Take one bucket.

        Args:
            observed: downstream events, shape (rows, steps).
            expected: what they should have been, likewise, not below zero.
            dispersion: variance over mean of the counts, broadcast to (rows, steps); below 1 it is 1.
            judged: whether the bucket counts for a series, shape (rows, steps).
            entries: upstream events, broadcast to (rows, steps); only summed.
        """
        seen, due, entered = (np.where(judged, counts, 0.0) for counts in (observed, expected, entries))
        weight = 1.0 / np.maximum(dispersion, 1.0)
        scaled_seen, scaled_due = weight * seen, weight * due
        for at, component in enumerate(self.components):
            height = self._heights[at]
            height += component.sign * (scaled_seen - component.slope * scaled_due)
            risen = height > 0
            height *= risen
            self._sum(at, risen, seen, due, entered)

    def _sum(self, at: int, risen: Bools, seen: F64, due: F64, entered: F64) -> None:
        for sums, more in ((self._observed, seen), (self._expected, due), (self._entries, entered)):
            sums[at] += more
            sums[at] *= risen
        self._ages[at] += 1
        self._ages[at] *= risen

    def evidence(self) -> F64:
        """Nats, shape (rows, steps, 2): the last axis is ``Way``."""
        best = np.zeros((self.rows, self._steps, len(Way)))
        for height, component in zip(self._heights, self.components, strict=True):
            mine = best[..., component.way]
            np.maximum(mine, component.rate * height + component.offset * (height > 0), out=mine)
        return best

    def account(self, row: int, step: int, way: Way) -> Account:
        """What the evidence of one series in one direction rests on."""
        heights = self._heights[:, row, step]
        found = [
            (component.rate * height + component.offset, at)
            for at, (component, height) in enumerate(zip(self.components, heights, strict=True))
            if component.way is way and height > 0
        ]
        if not found:
            return Account(0.0, 1.0, 0, 0.0, 0.0, 0.0)
        evidence, at = max(found)
        sums = (float(sums[at, row, step]) for sums in (self._observed, self._expected, self._entries))
        return Account(
            max(0.0, float(evidence)), self.components[at].ratio, int(self._ages[at, row, step]), *sums
        )

    def forget(self, which: Bools | NDArray[np.intp]) -> None:
        """Begin anew for some series: a mask of shape (rows, steps), or numbers of whole rows."""
        for name in _STATE:
            getattr(self, name)[:, which] = 0

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {name[1:]: pack(getattr(self, name)) for name in _STATE}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the state of ``snapshot``.

        Raises:
            ValueError: it is of other steps or components.
        """
        arrays = {name: unpack(state[name[1:]]) for name in _STATE}
        if any(a.shape[::2] != (len(self.components), self._steps) for a in arrays.values()):
            raise ValueError("a snapshot of other steps or components")
        for name, array in arrays.items():
            setattr(self, name, array)
