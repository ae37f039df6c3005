"""What is expected of every watched series: the front door of this room.

For every closed bucket: ``resize`` if there are new rows, ``observe`` what entered, judge, then
``learn`` what was reached. What is expected of a bucket never depends on what was reached in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alerts.expectation.settings import ExpectationSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from alerts.expectation.slower import Slower
    from alerts.series import LateEntries

    Bools = NDArray[np.bool_]
    F64 = NDArray[np.float64]
    I8 = NDArray[np.int8]
    I16 = NDArray[np.int16]
    I64 = NDArray[np.int64]
    # From the levels of rows, shape (rows,), to expected conversions a series must have seen before
    # it is judged; broadcastable to (rows, steps).
    Needed = Callable[[I16], F64]


class Expected(NamedTuple):
    """Of one bucket; arrays of shape (rows, steps) unless said otherwise.

    Attributes:
        mean: expected downstream counts.
        drop: the same as a drop is judged: while the delay law is in doubt, the lowest count that a
            plausible law expects.
        surge: likewise the highest.
        uncertainty: standard error of all three, relative: of the level and the season.
        dispersion: variance of counts over 15 minutes, divided by their mean; 1 to 10.
        readiness: of ``readiness.Code``.
        missing: expected conversions that a series still has to see before it is judged.
        traffic: expected upstream counts.
        traffic_uncertainty: standard error of that, relative; shape (steps,).
        in_doubt: whether the delay law of a step is in doubt; shape (steps,).
        slower: steps whose journeys became slower, with the evidence.
    """

    mean: F64
    drop: F64
    surge: F64
    uncertainty: F64
    dispersion: F64
    readiness: I8
    missing: F64
    traffic: F64
    traffic_uncertainty: F64
    in_doubt: Bools
    slower: tuple[Slower, ...]


class Expectation:
    """See the module.

    Args:
        dimensions: names of the levels, ``all`` first, as in ``SeriesTable``.
        steps: how many the funnel has.
        settings: how fast things are learnt.
        needed: expected conversions a series must have seen before it is judged.
    """

    def __init__(
        self,
        dimensions: Sequence[str],
        steps: int,
        settings: ExpectationSettings = ExpectationSettings(),
        needed: Needed = lambda levels: np.full((levels.size, 1), 20.0),
    ) -> None: ...

    def resize(self, levels: I16) -> None:
        """Give new rows their place; ``levels`` are the dimension numbers of all rows, shape (rows,)."""

    def observe(
        self,
        entered: F64,
        lags: F64,
        start_ms: int,
        late: Sequence[LateEntries] = (),
        lift: F64 | float = 1.0,
    ) -> Expected:
        """Take in what entered, and say what is expected to be reached in the same bucket.

        Args:
            entered: upstream counts, shape (rows, steps).
            lags: conversions of ``all`` by delay, late ones included, shape (19, steps): bins as in
                ``lags.EDGES_S``; zeros where journeys are not seen.
            start_ms: start of the bucket. A gap since the one before counts as empty buckets.
            late: upstream counts of buckets that were observed before.
            lift: factor on conversion that a promotion's calendar expects, broadcastable to
                (rows, steps).
        """
        raise NotImplementedError

    def learn(self, reached: F64, frozen: Bools) -> None:
        """Take in what was reached in the bucket observed last, and close it.

        Args:
            reached: downstream counts, late ones included, shape (rows, steps).
            frozen: of which nothing is to be learnt: an incident is open, or data is missing; shape
                (rows, steps).
        """

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data, between ``learn`` and ``observe``."""
        raise NotImplementedError

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot, bit by bit as if nothing had happened."""
