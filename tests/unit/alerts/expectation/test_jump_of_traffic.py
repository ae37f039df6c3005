"""Flash sales: what is expected while traffic jumps and the delay law is in doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from alerts.expectation.series import Expectation
from alerts.expectation.settings import ExpectationSettings
from streams.closed import BUCKET_MS
from tests.support.journeys import Shop

if TYPE_CHECKING:
    from alerts.expectation.slower import Slower

JUMP = 3 * 360
# Conversion is constant here and known to be: else it could hide behind the uncertainty of a season.
CONSTANT = ExpectationSettings(daily_sd=1e-3, weekly_sd=1e-3)


class Minute(NamedTuple):
    """Of the last step since the jump: counts, expectations, and the deviation of their difference."""

    reached: np.ndarray
    mean: np.ndarray
    drop: np.ndarray
    deviation: np.ndarray
    slower: tuple[Slower, ...]


def minutes(factor: float, slowed: float = 1.0, converting: float = 1.0, seed: int = 1) -> list[Minute]:
    """Forty minutes after traffic changed by ``factor``, with three hours of history."""
    shop = Shop(
        np.random.default_rng(seed),
        rate=lambda at: 200.0 * (factor if at >= JUMP else 1.0),
        shares=(0.5, 0.2),
        conversion=lambda at: 0.03 * (converting if at >= JUMP else 1.0),
        slowed=lambda at: slowed if at >= JUMP else 1.0,
    )
    of = Expectation(("all", "slot"), 2, CONSTANT)
    of.resize(np.array([0, 1, 1]))
    sums = np.zeros((4, 3))
    found = []
    for at, second in enumerate(shop.buckets(JUMP + 240)):
        expected = of.observe(second.entered, second.lags, at * BUCKET_MS)
        if at >= JUMP:
            scatter = (expected.mean * expected.dispersion)[:, 1]
            sums += np.stack([second.reached[:, 1], expected.mean[:, 1], expected.drop[:, 1], scatter])
            if at % 6 == 5:
                deviation = np.sqrt(sums[3] + (sums[1] * expected.uncertainty[:, 1]) ** 2)
                reached, mean, drop = sums[:3].copy()
                found.append(Minute(reached, mean, drop, deviation, expected.slower))
        of.learn(second.reached, np.zeros((3, 2), dtype=bool))
    return found


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_a_flash_sale_begins_and_ends_as_expected(factor: float) -> None:
    """Traffic times ten or a tenth at the same conversion: within three deviations at every minute."""
    for minute in minutes(factor):
        assert (np.abs(minute.reached - minute.mean) < 3 * minute.deviation).all()


def test_slower_is_not_fewer() -> None:
    """A start at which checkout takes twice as long falls short of no plausible law, and is told as slower."""
    found = minutes(10.0, slowed=2.0)
    # Before anything is known of the new law, a drop is held against a slower one than the likeliest.
    assert found[0].drop[0] < 0.95 * found[0].mean[0]
    for minute in found:
        assert (minute.reached > minute.drop - 3 * np.sqrt(minute.drop)).all()
    (told,) = found[-1].slower
    assert told.step == 1
    assert told.factor == pytest.approx(2.0, rel=0.2)
    assert told.evidence > 20.0


def test_fewer_is_still_found_at_a_start() -> None:
    """Half as many at a start are hundreds too few for any plausible law, and are not told as slower."""
    last = minutes(10.0, converting=0.5)[-1]
    assert (last.reached < last.drop - 6 * np.sqrt(last.drop)).all()
    assert last.reached[0] < 0.8 * last.drop[0]
    assert not [each for each in last.slower if each.evidence > 10.0]
