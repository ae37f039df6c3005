"""What a scenario is told, and that one which changes nothing changes no byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.demo.circumstances import NEUTRAL, Neutral
from streams.demo.simulator import TrafficSettings, simulate

if TYPE_CHECKING:
    from streams.demo.circumstances import Circumstances
    from streams.demo.shop import Floats, Ints

TRAFFIC = TrafficSettings(start_ms=1_762_689_600_000, rate=1_000, events=5_000)


class Listening(Neutral):
    """Answers 1 for each, and remembers for which slots it was asked."""

    def __init__(self) -> None:
        self.slots: dict[str, list[Ints]] = {}

    def chance(self, step: str, at: Circumstances) -> Floats:
        """Unchanged, one by one."""
        # The arrays are the shop's, who goes on to write in them.
        self.slots.setdefault(step, []).append(at.slot.copy())
        return np.ones(len(at.time_ms))


def test_one_changes_nothing() -> None:
    """A multiplier of 1 for each event gives the same bytes as no scenario."""
    assert list(simulate(TRAFFIC, Listening())) == list(simulate(TRAFFIC, NEUTRAL))


def test_a_scenario_is_told_the_true_place() -> None:
    """Also of those carts whose records will not say it; of a direct view there is none."""
    scenario = Listening()
    list(simulate(TRAFFIC, scenario))
    assert scenario.slots.keys() == {
        *("exposure>click", "click>view", "view>cart", "cart>checkout", "checkout>order"),
        *("payment_attempt>answer", "payment_attempt>paid"),
    }
    assert (np.concatenate(scenario.slots["exposure>click"]) >= 0).all()
    carts = np.concatenate(scenario.slots["view>cart"])
    assert 0.7 < (carts >= 0).mean() < 1
