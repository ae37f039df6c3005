"""A young stream's levels: right as soon as its laws are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from alerts.expectation.doubt import Kernels
from alerts.expectation.lags import TAPS
from alerts.expectation.series import Expectation
from alerts.expectation.settings import MINUTE_MS, ExpectationSettings
from alerts.expectation.youth import Youth
from streams.closed import BUCKET_MS
from tests.support.journeys import Second, Shop

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

HASTY = ExpectationSettings(warm_up_ms=2 * MINUTE_MS, learning_ms=4 * MINUTE_MS)


def quick_delays(rng: np.random.Generator, count: int) -> F64:
    """Of people who see a product at once: far faster than a law from nowhere."""
    return rng.exponential(4.0, count)


def seconds(buckets: int) -> list[Second]:
    """A steady shop of two slots from its very first bucket on."""
    rng = np.random.default_rng(3)
    return list(Shop(rng, lambda _: 400.0, (0.7, 0.3), lambda _: 0.9, quick_delays).buckets(buckets))


def overrated(of: Expectation, stream: list[Second], begin: int) -> F64:
    """Expected over reached from a bucket on, shape (rows, steps); the stream is observed and learnt whole."""
    expected, reached = (np.zeros((3, 2)) for _ in range(2))
    for at, second in enumerate(stream):
        mean = of.observe(second.entered, second.lags, at * BUCKET_MS).mean
        of.learn(second.reached, np.zeros((3, 2), dtype=bool))
        if at >= begin:
            expected += mean
            reached += second.reached
    return expected / reached


def expectation(settings: ExpectationSettings = HASTY) -> Expectation:
    """Of the total and two slots, two steps."""
    made = Expectation(("all", "slot"), 2, settings)
    made.resize(np.array([0, 1, 1]))
    return made


def test_what_is_expected_of_a_young_stream_is_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the sixth minute on within 5 %, from the 15th within 1 %; without putting levels right a tenth too much."""
    stream = seconds(180)
    assert overrated(expectation(), stream[:90], 36)[:, 1] == pytest.approx(1.0, abs=0.05)
    assert overrated(expectation(), stream, 90)[:, 1] == pytest.approx(1.0, abs=0.01)
    monkeypatch.setattr(Youth, "corrected", lambda *_: None)
    assert overrated(expectation(), stream, 90)[:, 1] == pytest.approx(1.1, abs=0.02)


def kernels(delay: int) -> Kernels:
    """Of a law by which everybody takes so many buckets."""
    taps = np.zeros((1, 1, TAPS))
    taps[0, 0, delay] = 1.0
    return Kernels(taps, np.array([0.1]))


def test_bases_are_corrected_by_what_the_law_would_have_made_of_them() -> None:
    """Ten in each of eight buckets, the last four learnt: by a delay of five buckets 30 were due, by none 40."""
    young = Youth(1, HASTY)
    assert young.corrected(kernels(5)) is None
    for at in range(8):
        young.push(np.array([10.0]))
        if at >= 4:
            young.learn(np.array([False]))
    corrected = young.corrected(kernels(0))
    assert corrected is not None
    assert corrected.factor == pytest.approx(40 / 30)
    assert corrected.attributed == pytest.approx(40 / 30)
    assert young.corrected(kernels(0)) is None


def test_what_was_frozen_is_no_part_of_it() -> None:
    """Buckets of which nothing was learnt weigh nothing."""
    young = Youth(1, HASTY)
    young.corrected(kernels(1))
    for frozen in (False, True, True):
        young.push(np.array([10.0]))
        young.learn(np.array([frozen]))
    corrected = young.corrected(kernels(0))
    # Of the first bucket nothing was due before; then nothing can be said.
    assert corrected is not None
    assert corrected.factor == pytest.approx(1.0)


@pytest.mark.parametrize("settings", [HASTY, ExpectationSettings()])
def test_youth_ends(settings: ExpectationSettings) -> None:
    """After two hours, or at once with half an hour of warm-up, laws may change what they like."""
    young = Youth(1, settings)
    for _ in range(720 if settings is HASTY else 1):
        young.corrected(kernels(1))
        young.push(np.array([10.0]))
        young.learn(np.array([False]))
    assert young.corrected(kernels(0)) is None
    assert young.snapshot() == Youth(1, settings).snapshot() | {"left": 0}


def test_a_restart_changes_nothing() -> None:
    """Restored from what a codec made of a snapshot, it corrects as it would have."""
    young, restored = Youth(1, HASTY), Youth(1, HASTY)
    young.corrected(kernels(3))
    for _ in range(6):
        young.push(np.array([10.0]))
        young.learn(np.array([False]))
    restored.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(young.snapshot())))
    assert restored.corrected(kernels(1)) == young.corrected(kernels(1)) is not None
