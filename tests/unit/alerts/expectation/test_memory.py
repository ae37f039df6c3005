"""Sums that are forgotten, and those that are not."""

from __future__ import annotations

import numpy as np

from alerts.expectation.memory import faded


def test_what_is_frozen_stays() -> None:
    """The rest is forgotten and added to; what is broadcast is too."""
    sums, frozen = np.array([[8.0, 8.0], [4.0, 4.0]]), np.array([[False, True], [False, False]])
    assert faded(sums, 0.5, np.array([1.0, 2.0]), frozen).tolist() == [[5.0, 8.0], [3.0, 4.0]]
    assert faded(sums, 0.5, 1.0, frozen[:, :1]).tolist() == [[5.0, 5.0], [3.0, 3.0]]


def test_the_sums_of_before_are_left_alone() -> None:
    """Whoever holds them has them as they were."""
    sums = np.array([2.0])
    faded(sums, 0.5, 1.0, np.array([False]))
    assert sums.tolist() == [2.0]
