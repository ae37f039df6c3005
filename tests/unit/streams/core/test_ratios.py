"""Ratios stand with their counts and an interval that holds for small numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streams.core.ratios import ratio, ratios


@pytest.mark.parametrize(
    ("numerator", "denominator", "lower", "upper"),
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_published_intervals(numerator: int, denominator: int, lower: float, upper: float) -> None:
    """Wilson's score interval without continuity correction, as it is printed."""
    found = ratio(numerator, denominator)
    assert (round(found.lower, 4), round(found.upper, 4)) == (lower, upper)


def test_nothing_went_in() -> None:
    """Then there is no ratio and no interval, whatever came out."""
    found = ratios(np.array([0, 3]), np.array([0, 0]))
    assert np.isnan([found.ratio, found.lower, found.upper]).all()


@pytest.mark.parametrize("counts", [(0, 1), (1, 1), (7, 7), (8, 7), (1_000_000, 3), (5, 10**9)])
def test_a_ratio_lies_within_its_interval(counts: tuple[int, int]) -> None:
    """None and all included; and more than went in is told as what it is."""
    found = ratio(*counts)
    assert found[:3] == (*counts, counts[0] / counts[1])
    assert 0 <= found.lower <= found.ratio <= found.upper < math.inf


def test_more_than_went_in_is_a_rate() -> None:
    """The interval is the score interval of a Poisson count: 16 of 10, z = 1.96."""
    found = ratio(16, 10)
    assert (round(found.lower, 4), round(found.upper, 4)) == (0.9849, 2.5993)
