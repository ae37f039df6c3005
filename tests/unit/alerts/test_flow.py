"""One flow of records: its rate, and when its silence says something."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.flow import Beat, Flow, FlowSettings, Mean

SETTINGS = FlowSettings()


def beat(number: int, exposure: float = 1.0) -> Beat:
    """The step of that number."""
    return Beat(number * 10_000, exposure, 1.0)


def known(*counts: int, beats: int = 100) -> Flow:
    """A flow that brought these counts in turn for so many beats."""
    flow = Flow.begin(SETTINGS)
    for number in range(beats):
        flow.take(counts[number % len(counts)], beat(number), learn=True, settings=SETTINGS)
    return flow


def silence(flow: Flow, beats: int, *, seen: float = 0.0, expected: float = 0.0) -> float:
    """Records missing after so many empty beats, in each of which the others saw and should have seen."""
    for number in range(beats):
        flow.take(0, beat(1_000 + number), learn=True, settings=SETTINGS)
        flow.compare(seen, expected)
    return flow.missing(SETTINGS, alone=False)


def test_a_mean_forgets() -> None:
    """Half of the weight is gone after as many beats as were said; several beats at once are the same."""
    mean, other = Mean.halving(4), Mean.halving(4)
    mean.add(8.0, 400)
    for one in (mean, other):
        one.add(8.0, 100)
        one.add(0.0, 4)
    assert mean.value == pytest.approx(4.0)
    assert other.value == pytest.approx(4.0)
    assert Mean.halving(4).value == 0.0


def test_what_is_missing_is_what_the_others_say() -> None:
    """All of it if they flow, a tenth if they bring a tenth, nothing if they are silent too."""
    assert silence(known(10), 3, seen=50, expected=50) == pytest.approx(30.0)
    assert silence(known(10), 3, seen=5, expected=50) == pytest.approx(3.0)
    assert silence(known(10), 3, seen=0, expected=50) == 0.0
    assert silence(known(10), 3, seen=90, expected=50) == pytest.approx(30.0)


def test_without_others_a_tenth_counts() -> None:
    """A flow with nothing beside it needs ten times the silence."""
    assert silence(known(10), 3) == pytest.approx(3.0)


def test_the_lower_mean_counts() -> None:
    """A rate that has risen lately is believed only by and by; one that fell, soon."""
    risen, fallen = known(10), known(100)
    for number in range(30):
        risen.take(100, beat(100 + number), learn=True, settings=SETTINGS)
        fallen.take(10, beat(100 + number), learn=True, settings=SETTINGS)
    assert risen.rate < 50
    assert fallen.rate < 30


def test_a_wild_count_is_clipped() -> None:
    """An import of 100,000 records leaves the rate near what it was."""
    flow = known(10)
    flow.take(100_000, beat(101), learn=True, settings=SETTINGS)
    assert flow.rate < 12


def test_empty_beats_of_a_slow_flow_are_learned() -> None:
    """Once a record comes again; else quiet flows would look faster than they are."""
    assert known(0, 0, 0, 4).rate == pytest.approx(1.0, rel=0.3)


def test_what_varies_more_weighs_less() -> None:
    """Variance over mean of Poisson counts is about one; of bursts it is more."""
    chance = np.random.default_rng(3)
    assert known(*chance.poisson(20, 600).tolist(), beats=600).dispersion == pytest.approx(1.0, abs=0.2)
    assert known(0, 0, 60, beats=600).dispersion > 5


def test_buckets_that_close_at_once_prove_nothing() -> None:
    """Without exposure nothing is missing."""
    flow = known(100)
    for number in range(20):
        flow.take(0, beat(number, exposure=0.0), learn=True, settings=SETTINGS)
        flow.compare(100, 100)
    assert flow.missing(SETTINGS, alone=False) == 0.0


def test_a_silence_needs_evidence_and_two_beats() -> None:
    """One empty beat may be a pause of ours, however many should have come."""
    flow = known(1_000)
    silence(flow, 1, seen=9, expected=9)
    flow.name_silence(1_000.0, 16.1, SETTINGS)
    assert not flow.silent
    silence(flow, 1, seen=9, expected=9)
    flow.name_silence(16.0, 16.1, SETTINGS)
    assert not flow.silent
    flow.name_silence(16.2, 16.1, SETTINGS)
    assert flow.silent


def test_it_is_over_when_the_back_fill_is() -> None:
    """What was held up comes first; two beats as before end it, and teach it nothing."""
    flow = known(100)
    silence(flow, 5, seen=9, expected=9)
    flow.name_silence(99.0, 16.1, SETTINGS)
    said = []
    for number, count in enumerate([900, 900, 100, 0, 100, 100]):
        flow.take(count, beat(2_000 + number), learn=True, settings=SETTINGS)
        said.append(flow.silent)
    assert said == [True, True, True, True, True, False]
    assert flow.rate == pytest.approx(100.0)


def test_a_back_fill_without_end_is_the_new_normal() -> None:
    """After ten minutes of five times as much it is traffic."""
    flow = known(100)
    silence(flow, 5, seen=9, expected=9)
    flow.name_silence(99.0, 16.1, SETTINGS)
    for number in range(SETTINGS.backfill_beats):
        assert flow.silent
        flow.take(500, beat(2_000 + number), learn=True, settings=SETTINGS)
    assert not flow.silent


def test_tiny_and_new_flows_are_not_judged() -> None:
    """Under one record a minute, or known for less than ten minutes."""
    assert known(10).judged(SETTINGS)
    assert not known(10, beats=59).judged(SETTINGS)
    assert not known(0, 0, 0, 0, 0, 0, 0, 0, 0, 1).judged(SETTINGS)
