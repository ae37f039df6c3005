"""What combinations usually bring, at the shares that they have now."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.combinations import Combinations
from streams.closed import BUCKET_MS, COMBINATION, VISITORS, Cells, ClosedBucket

STAGES = ("exposure", "click", "order", "paid")
CLICK, ORDER, PAID = (VISITORS + node for node in (1, 2, 3))
# Banner b is shown on two slots; visitors of the second hardly buy.
NAMES = {
    COMBINATION: [f"{slot}\x1f{banner}\x1fsku" for slot, banner in (("s1", "b"), ("s2", "b"), ("s1", "a"))]
}
USUAL = ((2_000, 200), (2_000, 40), (2_000, 200))


def bucket(number: int, *counts: tuple[int, int]) -> ClosedBucket:
    """Clicks and orders of each combination."""
    keys = np.repeat(np.arange(len(counts)), 2)
    cells = Cells(keys, np.tile([CLICK, ORDER], len(counts)), np.array(counts).ravel())
    start = number * BUCKET_MS
    return ClosedBucket(start, start + 15_000, True, STAGES, 4, NAMES, {COMBINATION: cells})


@pytest.fixture
def combinations() -> Combinations:
    """After ten usual buckets."""
    known = Combinations((CLICK, ORDER, PAID))
    for number in range(10):
        known.add(bucket(number, *USUAL), frozen=False)
    return known


def test_as_usual_the_mix_changes_nothing(combinations: Combinations) -> None:
    """Shares and conversion are what they were."""
    assert [*combinations.mixed(CLICK, ORDER, 0).values()] == pytest.approx([1.0] * 5)


def test_more_of_the_worse_slot_makes_a_banner_worse(combinations: Combinations) -> None:
    """Nine times the visitors who convert at a fifth: 0.028 of them buy where 0.06 did. Slots are as they were."""
    combinations.add(bucket(10, (2_000, 200), (18_000, 360), (2_000, 200)), frozen=True)
    found = combinations.mixed(CLICK, ORDER, 10 * BUCKET_MS)
    assert found["banner", "b"] == pytest.approx(0.028 / 0.06, rel=0.02)
    assert [found["slot", "s1"], found["slot", "s2"], found["banner", "a"]] == pytest.approx([1.0] * 3)


def test_what_was_reached_is_not_the_mix(combinations: Combinations) -> None:
    """Conversion that breaks where shares are as usual is nothing that the mix makes."""
    combinations.add(bucket(10, (2_000, 0), (2_000, 0), (2_000, 0)), frozen=True)
    assert combinations.mixed(CLICK, ORDER, 10 * BUCKET_MS)["banner", "b"] == pytest.approx(1.0)


def test_a_key_without_entries_is_left_out(combinations: Combinations) -> None:
    """Nothing is said of what nobody was shown."""
    combinations.add(bucket(10, (2_000, 200)), frozen=True)
    assert ("banner", "a") not in combinations.mixed(CLICK, ORDER, 10 * BUCKET_MS)
