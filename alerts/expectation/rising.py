"""Rows whose traffic rises: who has got to their later steps by now are the quick ones.

How long somebody takes for one step goes with how long he takes for the next (:mod:`alerts.expectation.ages`).
When a campaign fills a slot within minutes, those who stand at its checkout a few minutes later got there
fast and go on fast: of them more arrive than a law learnt of everybody lets expect, until the slow ones
have come up. Nothing is bought more often. So as long as it rises, a row's surges at the steps after the
first of a journey are also held against people twice as quick. Where all steps of a journey are one draw
cut in pieces, arrivals run a fifth above the law in the minutes after a jump to the tenfold, and less than
a tenth above the law twice as quick (its test draws them); where steps are drawn each by itself, the law
is right. Drops need no such thing: who is quick is missed by no one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from alerts.expectation.ages import HEAD
from alerts.expectation.lags import TAPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.expectation.arrivals import Arrivals

    Bools = NDArray[np.bool_]
    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

# The last ten minutes are held against the twenty before.
_RECENT: Final = 60
_LONGER: Final = _RECENT / (TAPS - _RECENT)
_IS_RECENT: Final = np.arange(TAPS) < _RECENT
_WINDOWS: Final = np.stack((_IS_RECENT, ~_IS_RECENT)).astype(np.float64)
# From this on traffic rises; below it, whoever is quick makes no difference that is beyond tolerance.
_RISE: Final = 1.25
# Standard deviations, were entries Poisson.
_SURE: Final = 4.0


def quicker(arrivals: Arrivals, taps: F64) -> tuple[I64, F64]:
    """Rows whose traffic rises, and how many more would arrive of each now if all were twice as quick.

    Args:
        arrivals: all rows' entries.
        taps: the law of each step by buckets since entry, shape (steps, TAPS).

    Returns:
        rows, shape (k,), and arrivals if all converted, at least 0, shape (k, steps).
    """
    steps = len(taps)
    head = min(HEAD, steps - 1)
    rows = np.flatnonzero(_rises(*arrivals.weighed(head, _WINDOWS)))
    more = np.zeros((rows.size, steps))
    if rows.size:
        gained = halved(taps) - taps
        # Of a journey's first step nobody has been sifted yet.
        for step in range(head + 1, steps):
            # Of all rows, in one pass: picking theirs out of the memory is dearer if they are many.
            more[:, step] = np.maximum(arrivals.weighed(step, gained[[step]])[0, rows], 0.0)
    return rows, more


def _rises(recent: F64, earlier: F64) -> Bools:
    before = earlier * _LONGER
    # What was before may be off by chance as well, the less the longer it was counted.
    chance = np.sqrt(recent + before * (1 + _LONGER))
    found: Bools = (recent > _RISE * before) & (recent - before > _SURE * chance)
    return found


def halved(taps: F64) -> F64:
    """A law by buckets since entry, shape (steps, TAPS), for those who take half as long."""
    even = TAPS // 2 * 2
    found = np.zeros_like(taps)
    found[:, : TAPS // 2] = taps[:, :even].reshape(-1, TAPS // 2, 2).sum(axis=2)
    found[:, TAPS // 2] = taps[:, even:].sum(axis=1)
    return found
