"""A promotion is behind its target only if chance cannot bring it there."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.model import Kind, Place
from alerts.targets import behind_target, on_target, project

SEEDS = 4_000


def test_too_early_there_is_nothing_to_say() -> None:
    """Under a twentieth of what is expected in all."""
    assert project(0, 0.04) is None
    assert not on_target(10, 0.04, 1)


def test_at_the_end_the_sum_is_the_sum() -> None:
    """No interval is left, and a share beyond one is one."""
    assert project(80, 1.0) == (80, 80, 80)
    assert project(80, 1.2) == (80, 80, 80)


def sales(share: float, final: float) -> list[tuple[int, int]]:
    """What was sold by then, and in the end, in many promotions."""
    chance = np.random.default_rng(7)
    so_far = chance.poisson(final * share, SEEDS)
    return list(zip(so_far.tolist(), (so_far + chance.poisson(final * (1 - share), SEEDS)).tolist(), strict=True))


@pytest.mark.parametrize("share", [0.1, 0.3, 0.8])
@pytest.mark.parametrize("mean", [30, 300, 3_000])
def test_one_that_makes_it_is_hardly_ever_called_behind(share: float, mean: float) -> None:
    """One in 1,000 is promised, three are let pass; the target is what comes on average."""
    wrong = sum(
        behind_target("D11", so_far=so_far, share=share, target=mean, started_ms=0, at_ms=1) is not None
        for so_far, final in sales(share, mean)
        if final >= mean
    )
    assert wrong <= 3 * SEEDS / 1_000


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_end_lies_within(share: float) -> None:
    """Below the upper end 998 times of 1,000, and above the lower one nearly as often."""
    held = [
        (final <= projection.high, projection.low <= final)
        for so_far, final in sales(share, 60)
        if (projection := project(so_far, share))
    ]
    assert len(held) == SEEDS
    below, above = np.mean(held, axis=0)
    assert below >= 0.998
    assert above >= 0.985


def test_half_the_pace_is_behind() -> None:
    """The finding holds what was and what should have been sold by now."""
    found = behind_target(
        "D11", so_far=150, share=0.3, target=1_000, started_ms=5, at_ms=9, scope=[Place("slot", "a")]
    )
    assert found is not None
    assert (found.kind, found.observed, found.expected, found.since_ms, found.detail) == (
        Kind.PROMOTION_BEHIND_TARGET,
        150,
        300,
        5,
        "D11",
    )
    assert not on_target(150, 0.3, 1_000)
    assert on_target(310, 0.3, 1_000)


def test_nothing_sold_is_not_certainty() -> None:
    """Of ten expected in all, one expected and none seen says little."""
    assert behind_target("D11", so_far=0, share=0.1, target=10, started_ms=0, at_ms=1) is None


def test_money_varies_more() -> None:
    """With few large orders the same shortfall proves less."""
    shortfall = {"so_far": 24_000.0, "share": 0.3, "target": 100_000.0, "started_ms": 0, "at_ms": 1}
    assert behind_target("D11", per_unit=100.0, **shortfall) is not None  # type: ignore[arg-type]  # numbers
    assert behind_target("D11", per_unit=5_000.0, **shortfall) is None  # type: ignore[arg-type]  # numbers
