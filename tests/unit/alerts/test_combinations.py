"""What combinations usually bring, at the shares that they have now."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alerts.combinations import Combinations, Ratios
from alerts.model import Place
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
    assert [mix.factor for mix in combinations.mixed(CLICK, ORDER, 0).values()] == pytest.approx([1.0] * 5)


def test_more_of_the_worse_slot_makes_a_banner_worse(combinations: Combinations) -> None:
    """Nine times the visitors who convert at a fifth: 0.028 of them buy where 0.06 did. Slots are as they were."""
    combinations.add(bucket(10, (2_000, 200), (18_000, 360), (2_000, 200)), frozen=True)
    found = {key: mix.factor for key, mix in combinations.mixed(CLICK, ORDER, 10 * BUCKET_MS).items()}
    assert found["banner", "b"] == pytest.approx(0.028 / 0.06, rel=0.02)
    assert [found["slot", "s1"], found["slot", "s2"], found["banner", "a"]] == pytest.approx([1.0] * 3)


def test_what_was_reached_is_not_the_mix(combinations: Combinations) -> None:
    """Conversion that breaks where shares are as usual is nothing that the mix makes."""
    combinations.add(bucket(10, (2_000, 0), (2_000, 0), (2_000, 0)), frozen=True)
    assert combinations.mixed(CLICK, ORDER, 10 * BUCKET_MS)["banner", "b"].factor == pytest.approx(1.0)


def test_a_key_without_entries_is_left_out(combinations: Combinations) -> None:
    """Nothing is said of what nobody was shown."""
    combinations.add(bucket(10, (2_000, 200)), frozen=True)
    assert ("banner", "a") not in combinations.mixed(CLICK, ORDER, 10 * BUCKET_MS)


def test_what_many_orders_tell_is_sure(combinations: Combinations) -> None:
    """Of 2,400 orders the share of a banner's combinations is known to 2 %."""
    assert combinations.mixed(CLICK, ORDER, 0)["banner", "b"].error == pytest.approx(0.02, rel=0.1)


def test_clicks_as_the_slots_have_them_are_as_ever(combinations: Combinations) -> None:
    """Nine times the clicks of a slot: its banner has them all, and no key is clicked more than its slots say."""
    combinations.add(bucket(10, (2_000, 200), (18_000, 360), (2_000, 200)), frozen=True)
    found = combinations.shown(CLICK, 10 * BUCKET_MS)
    assert {key: mix.factor for key, mix in found.items()} == pytest.approx(
        {("banner", "a"): 1.0, ("banner", "b"): 1.0, ("sku", "sku"): 1.0}
    )


def test_a_key_that_is_clicked_more_than_its_slots_say_is_found(combinations: Combinations) -> None:
    """Of its slot's 6,000 clicks banner a has two thirds instead of half."""
    combinations.add(bucket(10, (2_000, 200), (18_000, 360), (4_000, 400)), frozen=True)
    found = combinations.shown(CLICK, 10 * BUCKET_MS)
    assert found["banner", "a"].factor == pytest.approx(3_000 / 4_000)


def test_slots_with_the_shares_they_always_had_explain_nothing(combinations: Combinations) -> None:
    """Ten times everything, or one banner's clicks gone within its slot's shares: nothing is said."""
    combinations.add(bucket(10, *((10 * clicks, orders) for clicks, orders in USUAL)), frozen=True)
    assert combinations.shown(CLICK, 10 * BUCKET_MS) == {}


def test_what_slots_have_is_carried_to_what_they_show(combinations: Combinations) -> None:
    """Means over a key's own counts since a moment: banner b has 30 on one slot and 70 on the other."""
    combinations.add(bucket(10, (30, 0), (70, 0), (5, 0)), frozen=True)
    carried = combinations.carried(CLICK, 10 * BUCKET_MS, {"s1": 1.0, "s3": 9.0})
    found = [
        carried.of(Place("banner", "b")),
        carried.of(Place("slot", "s1")),
        carried.of(Place("sku", "sku")),
    ]
    assert found == pytest.approx([0.3, 1.0, 35 / 105])
    assert carried.of(Place("sku", "nobody's")) == carried.of(Place("payment_method", "card")) == 0.0


def test_leaves_without_a_slot_do_not_take_from_those_with_one() -> None:
    """Orders that lost their slot are half of what they were; slots are as ever, so their leaves expect that."""
    known = Combinations((CLICK, ORDER, PAID))
    names = {COMBINATION: ["s1\x1fb\x1fsku", "(none)\x1f(none)\x1fsku"]}
    for number in range(11):
        counts = ((2_000, 200), (1_000, 50 if number == 10 else 100))
        known.add(replace(bucket(number, *counts), names=names), frozen=number == 10)
    leaves = known.leaves(CLICK, ORDER, 10 * BUCKET_MS, Ratios(250 / 300, 1.0))
    assert leaves is not None
    assert leaves.expected.tolist() == pytest.approx([200.0, 50 * 300 / 250])
