"""Reasons for silence are counted when they begin, not each time somebody looks."""

from __future__ import annotations

from alerts.drops import Drops
from alerts.stages.stage import Dropped, Why
from tests.support.deliveries import candidate


def test_a_reason_counts_once_while_it_holds() -> None:
    """Again after another one, or after it was told."""
    drops, one = Drops(), candidate()
    quiet, budget = Dropped(one, Why.QUIET_HOURS), Dropped(one, Why.BUDGET)
    assert drops.count([quiet]) == {("ops", Why.QUIET_HOURS): 1}
    assert drops.count([quiet]) == {}
    assert drops.count([budget]) == {("ops", Why.BUDGET): 1}
    drops.told([one])
    assert drops.count([budget]) == {("ops", Why.BUDGET): 1}


def test_what_is_forgotten_takes_up_no_room() -> None:
    """And counts anew."""
    drops, one = Drops(), Dropped(candidate(), Why.BUDGET)
    drops.count([one])
    drops.forget(one.what.incident.id)
    assert drops.count([one]) == {("ops", Why.BUDGET): 1}
