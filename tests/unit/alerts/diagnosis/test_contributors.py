"""Who lost most, as shares of the scope's loss."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.diagnosis.contributors import contributors
from alerts.model import EVERYWHERE
from tests.support.diagnosis import at, shop


def test_shares_of_a_dimension_add_up_to_the_whole() -> None:
    """With all keys listed, each dimension's shares are the whole loss, once."""
    found = contributors(shop(0.5), most=100)
    for dimension in ("slot", "banner", "sku"):
        mine = [one.share for one in found if one.place[-1].dimension == dimension]
        assert sum(mine) == pytest.approx(1.0)


def test_who_lost_all_has_all() -> None:
    """One dead SKU is the whole loss, and no other SKU is listed."""
    leaves = shop(lambda grid: np.where(grid[:, 2] == 4, 0.0, 1.0))
    skus = [one for one in contributors(leaves) if one.place[-1].dimension == "sku"]
    assert [one.place for one in skus] == [at(sku="sku4")]
    assert skus[0].share == pytest.approx(1.0)
    assert skus[0].observed == 0.0 < skus[0].expected


def test_inside_a_scope_only_its_leaves_count() -> None:
    """Contributors lie under the scope, and its own dimension is not split."""
    leaves = shop(lambda grid: np.where(grid[:, 0] == 1, 0.5, 0.9))
    found = contributors(leaves, at(slot="slot1"), most=100)
    assert {one.place[0] for one in found} == {at(slot="slot1")[0]}
    assert {one.place[1].dimension for one in found} == {"banner", "sku"}
    inside = leaves.inside(at(slot="slot1"))
    skus = [one for one in found if one.place[1].dimension == "sku"]
    assert sum(one.expected for one in skus) == pytest.approx(leaves.expected[inside].sum())


def test_with_worth_shares_are_of_money() -> None:
    """A cheap SKU that lost as many conversions lost less money."""
    leaves = shop(lambda grid: np.where(grid[:, 2] < 2, 0.0, 1.0), sizes=(1, 1, 2))
    worth = np.array([100.0, 900.0])
    lost = leaves.expected * worth
    shares = {one.place[-1].key: one.share for one in contributors(leaves, worth=worth)}
    assert shares == {
        "sku0": pytest.approx(lost[0] / lost.sum()),
        "sku1": pytest.approx(lost[1] / lost.sum()),
    }


def test_a_single_key_says_nothing() -> None:
    """A dimension in which the scope has one key is left out."""
    dimensions = {one.place[-1].dimension for one in contributors(shop(0.5, sizes=(1, 3, 4)))}
    assert dimensions == {"banner", "sku"}


def test_without_a_change_nobody_contributes() -> None:
    """There are no shares of nothing."""
    assert contributors(shop(), EVERYWHERE) == ()
