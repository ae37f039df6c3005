"""Causes are taken one by one, and what they take adds up."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.diagnosis.explaining import Explaining
from alerts.diagnosis.pursuit import Pursuit
from alerts.diagnosis.suspects import FoldSettings, ranked
from alerts.model import EVERYWHERE
from tests.support.diagnosis import NODES, PAY, findings, shop

SETTINGS = FoldSettings(NODES)


def test_what_several_causes_take_adds_up() -> None:
    """Banners that three broken slots share are explained by the three, by none of them alone."""
    leaves = shop(lambda grid: np.where(grid[:, 0] < 3, 0.4, 1.0))
    explaining = Explaining(NODES, {PAY: leaves})
    members = [one for one in ranked(SETTINGS, findings(leaves)) if one.places]
    slots = [one for one in members if one.finding.scope[0].dimension == "slot"]
    banner = next(one for one in members if one.finding.scope[0].dimension == "banner")
    assert not any(explaining.explains(slot, banner) for slot in slots)
    assert set(Pursuit(SETTINGS, explaining, members, [], ()).roots) == set(slots)


def test_what_is_barred_is_no_cause() -> None:
    """It is explained by others, or left over; never taken."""
    leaves = shop(0.5)
    members = ranked(SETTINGS, findings(leaves))
    total = next(one for one in members if one.finding.scope == EVERYWHERE)
    roots = Pursuit(SETTINGS, Explaining(NODES, {PAY: leaves}), members, [], {total}).roots
    assert not roots.get(total)
    assert len(roots) > 1


def test_what_is_taken_is_taken_once() -> None:
    """A dead slot under a total that fell: on an SKU the two make just what it lost."""
    leaves = shop(lambda grid: np.where(grid[:, 0] == 4, 0.0, 0.7))
    members = ranked(SETTINGS, findings(leaves))
    pursuit = Pursuit(SETTINGS, Explaining(NODES, {PAY: leaves}), members, [], ())
    assert len(pursuit.roots) == 2
    for one in members:
        if one.finding.scope[0].dimension == "sku":
            assert pursuit.taken[one] == pytest.approx(1.0 - one.finding.ratio)
