"""Whose visitors a drop is of: those who always came, or those of a campaign."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from alerts.model import EVERYWHERE, Place, Step
from alerts.places import Places
from alerts.series import SeriesTable
from streams.closed import BUCKET_MS, COMBINATION, VISITORS, Cells, ClosedBucket
from streams.funnel import DEFAULT_NODES

STEPS = tuple(Step(*pair) for pair in pairwise(DEFAULT_NODES))
VIEW, CART, CLICK = 2, 3, 1
NAMES = {
    "all": ["all"],
    "slot": ["s1", "s2"],
    "sku": ["a", "b"],
    COMBINATION: ["s1\x1fx\x1fa", "s2\x1fx\x1fb"],
}
LASTED = 30
QUIET, LOUD, FEWER = (100, 3), (1_200, 20), (100, 1)


def bucket(number: int, *slots: tuple[int, int]) -> ClosedBucket:
    """Visitors who click and view, and carts, of each slot, which shows one SKU."""
    views, carts = np.array(slots).T
    each = np.stack([views, views, carts])
    columns = np.repeat([VISITORS + CLICK, VISITORS + VIEW, VISITORS + CART], len(slots))
    of_key = Cells(np.tile(np.arange(len(slots)), 3), columns, each.ravel())
    total = Cells(np.zeros(3, dtype=np.int64), columns[:: len(slots)], each.sum(axis=1))
    counts = {"all": total, "slot": of_key, "sku": of_key, COMBINATION: of_key}
    start_ms = number * BUCKET_MS
    return ClosedBucket(start_ms, start_ms + 15_000, True, DEFAULT_NODES, len(DEFAULT_NODES), NAMES, counts)


def shop(*slots: tuple[int, int]) -> Places:
    """An hour of two slots, 3 and 20 of 100 visitors of which put something in the cart; then what is given."""
    table = SeriesTable(("all", "slot", "sku"), len(STEPS))
    places = Places(table, STEPS, 0.1)
    for number in range(360 + LASTED):
        closed = bucket(number, *(slots if number >= 360 else (QUIET, (100, 20))))
        counts = table.take(closed)
        level = np.array([0.115, 0.03, 0.2, 0.03, 0.2])[:, None]
        frozen = np.full((len(table), len(STEPS)), number >= 360)
        places.add(closed, counts, counts.entered * level, frozen, None)
    return places


def new(places: Places, place: Place) -> float:
    """Share of its visitors since then that is new; none without a campaign."""
    carried = places.campaign(STEPS[VIEW], 360 * BUCKET_MS)
    return 0.0 if carried is None else carried.of(place)


@pytest.mark.parametrize("place", [Place("slot", "s1"), Place("sku", "a")])
def test_what_a_campaign_fills_is_of_newcomers(place: Place) -> None:
    """The slot, and what it shows: twelve times the visitors, and the total falls as they are many."""
    assert new(shop(LOUD, (100, 20)), place) == pytest.approx(11 / 12)


def test_what_it_fills_in_part_is_so_in_part() -> None:
    """A banner of both slots: 1,100 of its 1,300 visitors are new."""
    assert new(shop(LOUD, (100, 20)), Place("banner", "x")) == pytest.approx(11 / 13)


@pytest.mark.parametrize(
    "place",
    [
        Place("slot", "s2"),
        Place("sku", "b"),
        Place("slot", "s3"),
        Place("payment_method", "card"),
        *EVERYWHERE,
    ],
)
def test_what_it_does_not_fill_is_not(place: Place) -> None:
    """Another slot, its SKU, and what is in no slot; the total's own drop has another name."""
    assert new(shop(LOUD, (100, 20)), place) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("slots", [(FEWER, (100, 20)), ((1_200, 12), (1_200, 240)), ((100, 3), (100, 20))])
def test_without_a_shift_of_mix_there_are_none(slots: tuple[tuple[int, int], ...]) -> None:
    """A slot that converts worse with the visitors it always had; a busy hour of all slots; an hour like others."""
    assert shop(*slots).campaign(STEPS[VIEW], 360 * BUCKET_MS) is None


def test_exposures_have_no_mix() -> None:
    """They are of nobody."""
    assert shop(LOUD, (100, 20)).campaign(STEPS[0], 360 * BUCKET_MS) is None
