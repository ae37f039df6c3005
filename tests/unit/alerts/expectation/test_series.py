"""The front door: what is expected of every series, in order, exactly repeatable."""

from __future__ import annotations

from dataclasses import fields

import msgspec
import numpy as np
import pytest

from alerts.expectation.lags import BINS
from alerts.expectation.readiness import Code
from alerts.expectation.series import Expectation, Expected
from alerts.expectation.settings import HOUR_MS, MINUTE_MS, ExpectationSettings
from alerts.series import LateEntries
from streams.closed import BUCKET_MS
from tests.support.journeys import Second, Shop

DIMENSIONS = ("all", "slot")
QUICK = ExpectationSettings(warm_up_ms=5 * MINUTE_MS, learning_ms=10 * MINUTE_MS)
NOTHING = np.zeros((BINS, 2))


def expectation(rows: int = 3, settings: ExpectationSettings = QUICK) -> Expectation:
    """Of the total and slots, two steps."""
    made = Expectation(DIMENSIONS, 2, settings)
    made.resize(np.array([0] + [1] * (rows - 1)))
    return made


def shop(buckets: int, seed: int = 1) -> list[Second]:
    """Traffic of two slots that doubles in the end."""
    rng = np.random.default_rng(seed)
    slots = (0.7, 0.3)
    return list(Shop(rng, lambda at: 200.0 if at < buckets - 30 else 400.0, slots).buckets(buckets))


def run(of: Expectation, seconds: list[Second], first: int = 0, lift: float = 1.0) -> list[Expected]:
    """Buckets observed and learnt, and what was expected of each."""
    found = []
    for at, second in enumerate(seconds, first):
        found.append(of.observe(second.entered, second.lags, at * BUCKET_MS, lift=lift))
        of.learn(second.reached, np.zeros(second.reached.shape, dtype=bool))
    return found


def same(first: Expected, second: Expected) -> bool:
    """Bit by bit."""
    arrays = [[np.asarray(each).tobytes() for each in expected[:-1]] for expected in (first, second)]
    return arrays[0] == arrays[1] and first.slower == second.slower


def test_a_restart_changes_nothing() -> None:
    """Restored from what a codec made of a snapshot, it goes on bit by bit, in the midst of a jump too."""
    seconds = shop(220)
    live = expectation()
    run(live, seconds[:200])
    restored = Expectation(DIMENSIONS, 2, QUICK)
    restored.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(live.snapshot())))
    pairs = zip(run(live, seconds[200:], 200), run(restored, seconds[200:], 200), strict=True)
    assert all(same(*pair) for pair in pairs)
    assert live.snapshot() == restored.snapshot()


def test_first_it_learns() -> None:
    """Nothing is monitored before the settings say; then what has seen enough is, and others say what lacks."""
    found = run(expectation(), shop(90))
    assert (found[59].readiness == Code.LEARNING).all()
    assert (found[60].readiness != Code.LEARNING).all()
    lacks = found[-1].missing > 0
    assert ((found[-1].readiness == Code.MONITORED) == ~lacks).all()


def test_what_a_bucket_brought_is_not_expected_of_it() -> None:
    """Expectations of a bucket are the same whatever is reached in it, while its law is in doubt too."""
    seconds = shop(100)
    one, two = expectation(), expectation()
    run(one, seconds[:99])
    run(two, seconds[:99])
    last = seconds[99]
    found = one.observe(last.entered, last.lags, 99 * BUCKET_MS)
    assert found.in_doubt.all()
    assert same(found, two.observe(last.entered, 0.0 * last.lags + 50.0, 99 * BUCKET_MS))


def test_frozen_series_expect_what_they_did() -> None:
    """An incident an hour long does not become normal."""
    seconds = shop(500)[:460]
    of = expectation()
    before = run(of, seconds)[-1].mean
    dead = np.ones((3, 2), dtype=bool)
    after = before
    for at, second in enumerate(seconds[100:], 460):
        after = of.observe(second.entered, NOTHING, at * BUCKET_MS).mean
        of.learn(np.zeros((3, 2)), dead)
    assert after[0, 1] == pytest.approx(before[0, 1], rel=0.1)


def test_late_entries_are_made_good() -> None:
    """Who is heard of late is expected as a whole: at once what should have come, then the rest."""
    seconds = shop(400)[:360]
    on_time, late = expectation(), expectation()
    run(on_time, seconds)
    run(late, seconds)
    nothing, many = np.zeros((3, 2)), np.array([[0.0, 900.0], [0.0, 900.0], [0.0, 0.0]])
    extra = LateEntries(
        np.full(2, 360 * BUCKET_MS), np.array([0, 1]), np.array([1, 1]), np.array([900.0, 900.0])
    )
    sums = np.zeros((2, 3, 2))
    for at in range(360, 420):
        for which, of in enumerate((on_time, late)):
            entered = many if at == 360 and of is on_time else nothing
            told = extra if at == 380 and of is late else None
            sums[which] += of.observe(entered, NOTHING, at * BUCKET_MS, told).mean
            of.learn(nothing, np.ones((3, 2), dtype=bool))
    assert sums[1] == pytest.approx(sums[0], rel=0.02)


def test_a_gap_is_empty_buckets() -> None:
    """Buckets that nobody closed had no entries."""
    seconds = shop(200)[:120]
    gap, empty = expectation(), expectation()
    run(gap, seconds)
    run(empty, seconds)
    for at in range(120, 150):
        empty.observe(np.zeros((3, 2)), NOTHING, at * BUCKET_MS)
        empty.learn(np.zeros((3, 2)), np.ones((3, 2), dtype=bool))
    after = [of.observe(np.ones((3, 2)), NOTHING, 150 * BUCKET_MS).mean for of in (gap, empty)]
    assert after[0] == pytest.approx(after[1], rel=0.05)


def test_a_promotions_lift_is_expected_and_not_learnt() -> None:
    """With an expected lift of a half, half as many more are expected; and it ends with the promotion."""
    seconds = shop(300)[:240]
    of = expectation()
    run(of, seconds)
    lifted = [second._replace(reached=second.reached * 1.5) for second in seconds[120:]]
    run(of, lifted, 240, lift=1.5)
    after = run(of, seconds[120:150], 360)
    reached = np.mean([second.reached[0, 1] for second in seconds[120:]])
    assert np.mean([each.mean[0, 1] for each in after]) == pytest.approx(reached, rel=0.15)


def test_new_rows_begin_as_their_dimension() -> None:
    """A slot that appears converts as slots do."""
    of = expectation()
    run(of, shop(400)[:360])
    of.resize(np.array([0, 1, 1, 1]))
    entered = np.array([[0.0, 0.0]] * 3 + [[0.0, 1_000.0]])
    expected = of.observe(entered, NOTHING, 360 * BUCKET_MS).mean
    assert expected[3, 1] > 0.0
    assert np.isfinite(expected).all()


@pytest.mark.parametrize("start_ms", [590_000, 0])
def test_buckets_come_in_order(start_ms: int) -> None:
    """One that was observed, or is before one that was, is refused."""
    of = expectation()
    run(of, shop(100)[:60])
    with pytest.raises(ValueError, match="in order"):
        of.observe(np.zeros((3, 2)), NOTHING, start_ms)


def test_an_open_bucket_is_not_written_down() -> None:
    """Snapshots are taken between buckets, and only what was observed is learnt."""
    of = expectation()
    with pytest.raises(ValueError, match="observed"):
        of.learn(np.zeros((3, 2)), np.zeros((3, 2), dtype=bool))
    of.observe(np.zeros((3, 2)), NOTHING, 0)
    with pytest.raises(ValueError, match="open"):
        of.snapshot()


def test_memories_are_longer_than_what_they_judge() -> None:
    """Levels outlast the doubt of a jump, and the long memory the short one."""
    settings = ExpectationSettings()
    assert {"attributed", "learning_ms"} <= {each.name for each in fields(settings)}
    assert settings.long_half_life_ms > settings.short_half_life_ms >= HOUR_MS
    assert settings.level_half_life_ms > settings.doubt_ms


def test_an_hour_that_was_never_seen_is_given_what_hours_differ_by() -> None:
    """Before a day was seen, drops and surges are held against milder counts, if hours are thought to differ."""
    even = ExpectationSettings(QUICK.attributed, QUICK.warm_up_ms, QUICK.learning_ms, daily_sd=0.03)
    for settings, given in ((QUICK, pytest.approx(0.11, abs=0.01)), (even, 0.0)):
        of = expectation(settings=settings)
        run(of, shop(90)[:59])
        last = run(of, shop(90)[59:60], 59)[-1]
        assert (1.0 - last.drop / last.mean).max() == given
        assert (last.surge / last.mean - 1.0).max() == given


def test_where_conversion_wanders_less_is_sure() -> None:
    """A level's series that come and go by a fifth each quarter of an hour are unsure by half of that variance."""
    steady = shop(720)
    swings = (1.2 if at // 90 % 2 else 0.8 for at in range(len(steady)))
    restless = [
        each._replace(reached=each.reached * swing) for each, swing in zip(steady, swings, strict=True)
    ]
    calm, wild = (run(expectation(), seconds)[-1].uncertainty[1:, 0] for seconds in (steady, restless))
    assert (wild > calm + 0.015).all()
