"""The scan names the place that broke: everywhere, a key, a pair, a triple, or nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from alerts.diagnosis.likelihood import Direction
from alerts.diagnosis.scan import price, scan
from alerts.model import EVERYWHERE
from streams.funnel import NONE
from tests.support.diagnosis import at, shop

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SEEDS = range(20)


def broken(by: float, **keys: int) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
    """A factor for the leaves with these key numbers."""
    order = {"slot": 0, "banner": 1, "sku": 2}

    def factor(grid: NDArray[np.int64]) -> NDArray[np.float64]:
        inside = np.logical_and.reduce([grid[:, order[name]] == key for name, key in keys.items()])
        return np.where(inside, by, 1.0)

    return factor


@pytest.mark.parametrize(
    ("keys", "scope"),
    [
        ({"slot": 3, "banner": 2}, at(slot="slot3", banner="banner2")),
        ({"slot": 2}, at(slot="slot2")),
        ({"banner": 5}, at(banner="banner5")),
        ({"sku": 1}, at(sku="sku1")),
        ({"slot": 0, "banner": 1, "sku": 0}, at(slot="slot0", banner="banner1", sku="sku0")),
    ],
)
def test_what_broke_is_named_first(keys: dict[str, int], scope: object) -> None:
    """Half of the conversions gone at one place: that place, not one above, below or beside it."""
    named = [scan(shop(broken(0.5, **keys), noise=seed), Direction.DROP)[0].places for seed in SEEDS]
    assert named == [scope] * len(SEEDS)


def test_what_broke_everywhere_is_named_so() -> None:
    """A break common to all is not put down to a slot with most of the traffic."""
    for seed in SEEDS:
        best = scan(shop(0.7, noise=seed, sizes=(2, 12, 40)), Direction.DROP)[0]
        assert best.places == EVERYWHERE
        assert best.ratio == pytest.approx(0.7, abs=0.05)


def test_who_is_at_no_place_is_no_place() -> None:
    """Conversions that lost their slot and became fewer are not at a slot, nor at a pair of it."""
    leaves = shop(broken(0.3, slot=2))
    names = (tuple(NONE if name == "slot2" else name for name in leaves.names[0]), *leaves.names[1:])
    found = {key for scope in scan(replace(leaves, names=names), Direction.DROP) for _, key in scope.places}
    assert NONE not in found
    assert {key for scope in scan(leaves, Direction.DROP) for _, key in scope.places} >= {"slot2"}


def test_nothing_is_named_when_nothing_happened() -> None:
    """Noise alone does not pay the price of a name."""
    assert [scan(shop(noise=seed)) for seed in SEEDS] == [()] * len(SEEDS)


def test_only_the_asked_direction_is_named() -> None:
    """A surge is no drop."""
    leaves = shop(broken(3.0, sku=1), noise=1)
    assert scan(leaves, Direction.DROP) == ()
    best = scan(leaves, Direction.SURGE)[0]
    assert best.places == at(sku="sku1")
    assert best.lost < 0


def test_equal_scopes_go_to_the_wider_and_then_the_coarser() -> None:
    """With one banner in its only slot all fit alike; the name is the shortest."""
    leaves = shop(0.5, sizes=(1, 1, 40))
    assert scan(leaves)[0].places == EVERYWHERE
    slot_and_banner = scan(shop(0.5, sizes=(1, 1)), most=3)
    assert [scope.places for scope in slot_and_banner] == [EVERYWHERE, at(slot="slot0"), at(banner="banner0")]


def test_dispersed_counts_need_more() -> None:
    """Evidence is divided by the dispersion, the price is not."""
    leaves = shop(broken(0.8, slot=2))
    plain, dispersed = scan(leaves)[0], scan(leaves, dispersion=2.0)[0]
    cost = price(leaves, (0,))
    assert dispersed.gain + cost == pytest.approx((plain.gain + cost) / 2.0)
    assert scan(leaves, dispersion=1e4) == ()


def test_depth_and_length_are_bounded() -> None:
    """No more dimensions than asked for, and no more scopes."""
    leaves = shop(broken(0.3, slot=3, banner=2), noise=1)
    assert all(len(scope.places) == 1 for scope in scan(leaves, deepest=1))
    assert len(scan(leaves, most=2)) == 2


def test_no_leaves_name_nothing() -> None:
    """Nothing known is nothing said."""
    assert scan(shop(sizes=(0, 3))) == ()
