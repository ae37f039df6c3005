"""Who gets to a later step soon after traffic rose is quick, and that is no surge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from alerts.expectation import rising
from alerts.expectation.arrivals import Arrivals
from alerts.expectation.lags import BUCKET_S, TAPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

# Exposures, and three steps of a journey.
STEPS = 4
HALF_LIFE = np.exp(-np.arange(TAPS) / 30.0)
LAWS = np.tile(HALF_LIFE / HALF_LIFE.sum(), (STEPS, 1))


def entered(*rows: F64) -> Arrivals:
    """Rows that had these entries at every step, oldest first."""
    arrivals = Arrivals(STEPS)
    arrivals.resize(len(rows))
    for bucket in np.stack(rows, axis=1):
        arrivals.push(np.repeat(bucket[:, None], STEPS, axis=1))
    return arrivals


def test_who_takes_half_as_long_comes_as_often() -> None:
    """A halved law has the mass of the law, at half of its times."""
    halved = rising.halved(LAWS)
    assert halved.sum(axis=1) == pytest.approx(LAWS.sum(axis=1))
    times = np.arange(TAPS)
    assert halved @ times == pytest.approx(LAWS @ (times // 2))


def test_steady_traffic_is_left_alone() -> None:
    """Neither a busy row nor a sparse one rises by chance, nor one whose traffic falls."""
    rng = np.random.default_rng(1)
    busy, sparse = rng.poisson(400, TAPS), rng.poisson(0.05, TAPS)
    falls = rng.poisson(np.where(np.arange(TAPS) < TAPS - 60, 400, 40))
    rows, more = rising.quicker(entered(*(row.astype(np.float64) for row in (busy, sparse, falls))), LAWS)
    assert rows.size == 0
    assert more.shape == (0, STEPS)


def test_a_row_that_rises_is_conceded_quicker_people_at_later_steps() -> None:
    """Only that row, and not at the exposures or the first step of a journey."""
    steady, rises = np.full(TAPS, 100.0), np.where(np.arange(TAPS) < TAPS - 20, 100.0, 1_000.0)
    arrivals = entered(steady, rises)
    rows, more = rising.quicker(arrivals, LAWS)
    assert rows.tolist() == [1]
    assert more[0, :2].tolist() == [0.0, 0.0]
    assert np.all(more[0, 2:] > 0)
    # Quick or not, what was steady before is all there is of it.
    everybody = arrivals.convolved(LAWS[None], np.zeros(STEPS, dtype=bool))[0, 1, 2:]
    assert np.all(everybody + more[0, 2:] < 1_000)


def journeys(rng: np.random.Generator) -> tuple[list[I64], list[F64]]:
    """Counts by node and bucket, and delays by step of those of before; traffic jumps to ten times at bucket 0."""
    begins = np.concatenate((rng.integers(-1_400, 120, 800_000), rng.integers(0, 120, 570_000)))
    # Each takes one time for all of it, cut in three: quick here is quick there.
    takes = np.exp(rng.normal(np.log(30), 1.2, begins.size))
    cuts = np.sort(rng.random((begins.size, 2)), axis=1)
    parts = np.column_stack((np.zeros(begins.size), cuts, np.ones(begins.size)))
    at = begins[:, None] + rng.random((begins.size, 1)) + takes[:, None] * parts
    early = begins < -700
    delays = [np.diff(at[early][:, step : step + 2], axis=1)[:, 0] for step in range(3)]
    edges = np.arange(-TAPS, 121)
    return [np.histogram(at[:, node], edges)[0] for node in range(4)], delays


def test_a_jump_with_one_delay_for_the_whole_journey_is_no_surge() -> None:
    """Arrivals run well above the law for minutes, and not above people twice as quick by more than tolerance."""
    counts, delays = journeys(np.random.default_rng(2))
    laws = np.zeros((STEPS, TAPS))
    for step, each in enumerate(delays):
        laws[step + 1] = np.histogram(each, np.arange(TAPS + 1))[0] / each.size
    arrivals = Arrivals(STEPS)
    arrivals.resize(1)
    sums = np.zeros((3, 10, STEPS))  # seen, by the law, and with the quick; in windows of two minutes
    for bucket in range(TAPS + 120):
        arrivals.push(np.array([[0.0, *(counts[node][bucket] for node in range(3))]]))
        window = (bucket - TAPS) * BUCKET_S // 120
        if window < 0:
            continue
        usual = arrivals.convolved(laws[None], np.zeros(STEPS, dtype=bool))[0, 0]
        _, more = rising.quicker(arrivals, laws)
        sums[0, window, 1:] += [counts[node][bucket] for node in range(1, 4)]
        sums[1, window] += usual
        sums[2, window] += usual + more.sum(axis=0)
    later = slice(2, None)
    over_law, over_quick = sums[0, :, later] / sums[1, :, later], sums[0, :, later] / sums[2, :, later]
    assert over_law.max() > 1.15
    assert over_quick.max() < 1.1
