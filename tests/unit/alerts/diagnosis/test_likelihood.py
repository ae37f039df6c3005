"""The likelihood of a factor."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from alerts.diagnosis.likelihood import Direction, gain, gains, moved


def test_gain_is_the_poisson_log_likelihood_ratio() -> None:
    """It is x ln(x / e) - (x - e): nothing for what was expected; e for a dead series."""
    assert gain(50, 100) == pytest.approx(50 * log(0.5) + 50)
    assert gain(7.5, 7.5) == 0.0
    assert gain(0, 12) == 12


def test_many_are_as_one_by_one() -> None:
    """The vectorised form says what the plain one says, also of zeros and of nothing expected."""
    observed, expected = np.array([0.0, 3.0, 9.0, 5.0, 0.0]), np.array([2.0, 3.0, 4.0, 0.0, 0.0])
    assert gains(observed, expected).tolist() == pytest.approx(
        [gain(x, e) for x, e in zip(observed, expected, strict=True)]
    )
    assert np.isfinite(gains(observed, expected)).all()


def test_directions() -> None:
    """A drop is below, a surge above, both is either."""
    observed, expected = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0])
    assert moved(observed, expected, Direction.DROP).tolist() == [True, False, False]
    assert moved(observed, expected, Direction.SURGE).tolist() == [False, False, True]
    assert moved(observed, expected, Direction.BOTH).tolist() == [True, False, True]
