"""The engine on the scenarios, in their short form; ``make bench-detection`` is the long one.

Few runs and two quiet hours: it shows that nothing is broken, not that pass marks are reached.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.benchmarks.detection.ours import engine_for
from tests.benchmarks.detection.outcome import Outcome
from tests.benchmarks.detection.running import Plan, Quiet
from tests.benchmarks.detection.scenarios import SCENARIOS

_PLAN = Plan(slots=14, rate=30.0, history_min=120, clicks=2_000.0)


def _after(quiet: Quiet, name: str, minutes: int) -> Outcome:
    outcome = Outcome()
    quiet.future(replace(SCENARIOS[name], minutes=minutes), 0, outcome)
    return outcome


@pytest.fixture(scope="module")
def slots() -> Quiet:
    """Two quiet hours of slots with 30 orders a minute."""
    return Quiet(SCENARIOS["S2d"], _PLAN, engine_for)


def test_a_dead_slot_is_found(slots: Quiet) -> None:
    """S2d: every broken slot is named within ten minutes, and no other."""
    outcome = _after(slots, "S2d", 15)
    assert max(outcome.delays) <= 10
    assert outcome.right == len(outcome.delays) > 1
    assert outcome.false_episodes == 0


@pytest.mark.parametrize("name", ["S4", "S5"])
def test_jumps_of_traffic_are_no_change_of_conversion(slots: Quiet, name: str) -> None:
    """Traffic doubles, or a flash sale starts: no word about conversion."""
    outcome = _after(slots, name, 30)
    assert outcome.crying == outcome.wide == 0


def test_a_dead_payment_is_found_within_a_minute() -> None:
    """S1 at 120 attempts a minute: named as the payment's, in seconds."""
    quiet = Quiet(SCENARIOS["S1@120"], replace(_PLAN, history_min=150), engine_for)
    outcome = _after(quiet, "S1@120", 5)
    assert max(outcome.delays) <= 1
    assert outcome.right == 1


def test_a_stalled_order_feed_is_data_not_conversion() -> None:
    """S6a: an outage is named, and no conversion alert comes with it or with the back-fill."""
    # Sixty orders a minute from a small catalogue.
    quiet = Quiet(replace(SCENARIOS["S6a"], attempts=60), replace(_PLAN, history_min=150), engine_for)
    outcome = _after(quiet, "S6a", 30)
    assert max(outcome.delays) <= 2
    assert outcome.false_episodes == 0
