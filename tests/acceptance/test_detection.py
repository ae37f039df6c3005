"""The engine on the scenarios, in their short form; ``make bench-detection`` is the long one.

Few runs and little history: it shows that nothing is broken, not that pass marks are reached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.benchmarks.detection.ours import engine_for
from tests.benchmarks.detection.running import Plan, run
from tests.benchmarks.detection.scenarios import SCENARIOS

if TYPE_CHECKING:
    from tests.benchmarks.detection.outcome import Outcome

_HISTORY_MIN = 240


def _run(scenario: str, **others: float) -> Outcome:
    plan = Plan(slots=20, history_min=_HISTORY_MIN, clicks=2_000.0, rate=others.get("rate", 6.0))
    return run(SCENARIOS[scenario], plan, engine_for)


def test_a_dead_slot_is_found() -> None:
    """S2d at 30 orders a minute: every broken slot is found within ten minutes, and nothing else is."""
    outcome = _run("S2d", rate=30.0)
    assert max(outcome.delays) <= 10
    assert outcome.false_episodes == 0


@pytest.mark.parametrize("scenario", ["S4", "S5", "S5b"])
def test_jumps_of_traffic_are_no_change_of_conversion(scenario: str) -> None:
    """Traffic doubles, a flash sale starts, or it ends: no word about conversion."""
    outcome = _run(scenario)
    assert outcome.crying == outcome.wide == 0


def test_a_dead_payment_is_found_within_a_minute() -> None:
    """S1 at 120 attempts a minute: named as such, in seconds."""
    outcome = _run("S1@120")
    assert max(outcome.delays) <= 1
    assert outcome.right == 1


def test_a_stalled_order_feed_is_data_not_conversion() -> None:
    """S6a: an outage is named, and no conversion alert comes with it or with the back-fill."""
    outcome = _run("S6a")
    assert max(outcome.delays) <= 2
    assert outcome.false_episodes == 0
