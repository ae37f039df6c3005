"""The core against the slow oracle, and what must not change its counts.

Equality is to the unit and over all five tables: node counts, money, outcomes, reasons, and the
dimensions that nobody is shown.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.settings import CountingSettings
from streams.funnel import Funnel
from streams.replay import Counts, count_records
from tests.support import oracle
from tests.support.inner import InnerCounts
from tests.support.oracle import OracleResult, OracleSettings
from tests.support.traffic import (
    SMALL_SETTINGS,
    Partition,
    Shape,
    all_settings,
    partitions,
    traffic,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.settings import AttributionModel
    from streams.events import Record
    from streams.results import Rollup

BUSY = Shape(visitors=300, skus=40, slots=8, orders=400, gap_share=0.01)
WITH_CHANNEL = OracleSettings(
    max_out_of_orderness_ms=3_000,
    allowed_lateness_ms=20_000,
    max_future_ms=15_000,
    dedupe_horizon_ms=40_000,
    attribution_window_ms=30_000,
    remembered_orders=3,
    extra_dimensions=("channel",),
)
MODELS: tuple[AttributionModel, ...] = ("last", "first", "linear")
FIRST = replace(SMALL_SETTINGS, attribution="first")
LINEAR = replace(SMALL_SETTINGS, attribution="linear")
EVERY_MODEL = st.sampled_from([SMALL_SETTINGS, FIRST, LINEAR])


def _count(
    partition: Partition,
    settings: OracleSettings,
    fetch: Callable[[], int] | None = None,
    tell: Callable[[Rollup], object] = lambda _: None,
) -> Counts:
    counting = CountingSettings(
        max_out_of_orderness_ms=settings.max_out_of_orderness_ms,
        allowed_lateness_ms=settings.allowed_lateness_ms,
        max_future_ms=settings.max_future_ms,
        dedupe_horizon_ms=settings.dedupe_horizon_ms,
        attribution_window_ms=settings.attribution_window_ms,
        attribution=settings.attribution,
        remembered_orders=settings.remembered_orders,
    )
    funnel = Funnel(nodes=settings.nodes, extra_dimensions=settings.extra_dimensions)
    topics = (iter(partition.clickstream), iter(partition.orders))
    return count_records(*topics, counting, funnel=funnel, fetch=fetch, tell=tell)


def _core(
    partition: Partition, settings: OracleSettings, fetch: Callable[[], int] | None = None
) -> OracleResult:
    inner = InnerCounts()
    counts = _count(partition, settings, fetch, inner.take)
    return OracleResult(
        dict(counts.cells),
        dict(counts.money),
        dict(counts.outcomes),
        dict(counts.reasons),
        inner.cells,
    )


def _oracle(partition: Partition, settings: OracleSettings) -> OracleResult:
    return oracle.count(partition.clickstream, partition.orders, settings)


def _assert_equal(core: OracleResult, expected: OracleResult) -> None:
    """Table by table, outcomes first: they explain the rest."""
    assert core.outcomes == expected.outcomes
    assert core.reasons == expected.reasons
    assert core.cells == expected.cells
    assert core.money == expected.money
    assert core.inner == expected.inner


def _fetching(seed: int, most: int) -> Callable[[], int]:
    rng = Random(seed)
    return lambda: rng.randint(1, most)


# --- core = oracle -------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
@given(data=st.data(), settings=st.one_of(all_settings(), st.just(WITH_CHANNEL)))
def test_core_equals_oracle(data: st.DataObject, settings: OracleSettings, model: AttributionModel) -> None:
    """Whatever the traffic and the settings, the core counts what the contract says."""
    settings = replace(settings, attribution=model)
    partition = data.draw(partitions(settings))
    _assert_equal(_core(partition, settings), _oracle(partition, settings))


@pytest.mark.parametrize(
    "settings", [SMALL_SETTINGS, OracleSettings(), WITH_CHANNEL], ids=["small", "default", "extra"]
)
def test_core_equals_oracle_on_many_short_streams(settings: OracleSettings) -> None:
    """Seeded streams of a hundred records each, fetched in small batches, under each model in turn."""
    for seed, model in zip(range(30), itertools.cycle(MODELS), strict=False):
        under = replace(settings, attribution=model)
        partition = traffic(seed, 100, under)
        _assert_equal(_core(partition, under, _fetching(seed, 20)), _oracle(partition, under))


@pytest.mark.parametrize(
    ("records", "settings", "shape"),
    [
        (8_000, SMALL_SETTINGS, Shape()),
        (8_000, WITH_CHANNEL, Shape(visitors=30, skus=10, slots=4, orders=30, rejected_share=0.02)),
        (20_000, OracleSettings(), BUSY),
        (8_000, FIRST, Shape()),
        (8_000, LINEAR, Shape()),
        # Three visitors within half an hour: of hundreds of clicks each, sixteen are remembered.
        (4_000, OracleSettings(attribution="first"), Shape()),
        (4_000, OracleSettings(attribution="linear"), Shape()),
        (10_000, OracleSettings(attribution="linear"), BUSY),
        pytest.param(50_000, OracleSettings(), BUSY, marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
    ],
    ids=[
        "crowded",
        "extra",
        "default",
        "first",
        "linear",
        "robots-first",
        "robots",
        "default-linear",
        "longest",
    ],
)
def test_core_equals_oracle_on_a_long_stream(records: int, settings: OracleSettings, shape: Shape) -> None:
    """Thousands of records: state is forgotten as time passes, and never too early."""
    partition = traffic(records, records, settings, shape)
    core = _core(partition, settings, _fetching(records, 1_000))
    _assert_equal(core, _oracle(partition, settings))


def test_the_written_lines_are_the_oracles() -> None:
    """What ``replay --counts`` writes: the same JSON lines, byte for byte and in the same order."""
    partition = traffic(4, 500, WITH_CHANNEL)
    lines = [line.decode() for line in _count(partition, WITH_CHANNEL).lines()]
    assert lines == oracle.count_lines(_oracle(partition, WITH_CHANNEL))


# --- what must not matter ------------------------------------------------------------------------


@given(
    partition=partitions(SMALL_SETTINGS),
    settings=EVERY_MODEL,
    seed=st.integers(0, 2**16),
    most=st.sampled_from([1, 3, 10]),
)
def test_fetch_sizes_change_nothing(
    partition: Partition, settings: OracleSettings, seed: int, most: int
) -> None:
    """Records may come one by one or all at once, from either topic first."""
    _assert_equal(_core(partition, settings, _fetching(seed, most)), _core(partition, settings))


@given(partition=partitions(SMALL_SETTINGS), settings=EVERY_MODEL, seed=st.integers(0, 2**16))
def test_arrival_within_the_bound_changes_nothing(
    partition: Partition, settings: OracleSettings, seed: int
) -> None:
    """Two arrivals in which nothing is late count alike.

    Delaying every event by up to the bound keeps it in time; the delay depends on the event time
    alone, so that events at one time, whose offsets decide, keep their order.
    """
    sorted_arrival = Partition(_by_time(partition.clickstream), _by_time(partition.orders))
    rng = Random(seed)
    shuffled = Partition(_delayed(sorted_arrival.clickstream, rng), _delayed(sorted_arrival.orders, rng))
    core = _core(shuffled, settings)
    assert {outcome for _, outcome in core.outcomes} <= {"accepted", "duplicate"}
    _assert_equal(core, _core(sorted_arrival, settings))


def _event_time(record: Record) -> int | None:
    try:
        return oracle.read_event(record.value, SMALL_SETTINGS).time
    except oracle.Rejected:
        return None


def _renumbered(records: list[Record]) -> list[Record]:
    return [record._replace(offset=offset) for offset, record in enumerate(records)]


def _by_time(records: list[Record]) -> list[Record]:
    """The readable records in event-time order, none of them in the future."""
    timed = [(time, record) for record in records if (time := _event_time(record)) is not None]
    timed.sort(key=lambda pair: pair[0])
    return _renumbered([record._replace(timestamp_ms=time) for time, record in timed])


def _delayed(records: list[Record], rng: Random) -> list[Record]:
    """The same records in another arrival order, none more than the bound behind the newest."""
    times = sorted({record.timestamp_ms for record in records})
    bound = SMALL_SETTINGS.max_out_of_orderness_ms
    arrival = {time: time + rng.randint(0, bound) for time in times}
    return _renumbered(sorted(records, key=lambda r: (arrival[r.timestamp_ms], r.timestamp_ms)))


@given(partition=partitions(SMALL_SETTINGS))
def test_rejected_records_change_nothing(partition: Partition) -> None:
    """Without its invalid, unmapped and future records the stream counts the same."""
    clean = Partition(*([r for r in topic if _is_readable(r)] for topic in partition))
    core, expected = _core(partition, SMALL_SETTINGS), _core(clean, SMALL_SETTINGS)
    assert (core.cells, core.money) == (expected.cells, expected.money)


def _is_readable(record: Record) -> bool:
    time = _event_time(record)
    return time is not None and time <= record.timestamp_ms + SMALL_SETTINGS.max_future_ms


# --- what must always hold -----------------------------------------------------------------------


@given(partition=partitions(SMALL_SETTINGS))
def test_outcomes_add_up_to_the_records_read(partition: Partition) -> None:
    """Every record has one outcome; every invalid or unmapped one has a reason."""
    core = _core(partition, SMALL_SETTINGS)
    for topic, records in zip(("clickstream", "orders"), partition, strict=True):
        words = {str(word): number for (of, word), number in core.outcomes.items() if of == topic}
        reasons = sum(number for (of, _), number in core.reasons.items() if of == topic)
        assert sum(words.values()) == len(records)
        assert reasons == words.get("invalid", 0) + words.get("unmapped", 0)


@given(partition=partitions(SMALL_SETTINGS), settings=EVERY_MODEL)
def test_tables_are_consistent(partition: Partition, settings: OracleSettings) -> None:
    """Never more visitors than events, none on exposures; keys' amounts add up to all's."""
    core = _core(partition, settings)
    for (_, _, node, _), (events, visitors) in core.cells.items():
        assert 0 <= visitors <= (0 if node == "exposure" else events)
        assert events > 0
    amounts: dict[str, dict[tuple[str, str, int], int]] = {}
    for (dimension, _, currency, kind, bucket), (orders, amount) in core.money.items():
        sums = amounts.setdefault(dimension, {})
        sums[currency, kind, bucket] = sums.get((currency, kind, bucket), 0) + amount
        assert orders > 0
    assert all(sums == amounts["all"] for sums in amounts.values())


@given(three=st.lists(partitions(SMALL_SETTINGS, max_size=15), min_size=3, max_size=3))
def test_partitions_add_up_in_any_order(three: list[Partition]) -> None:
    """Source partitions are counted apart and their sum is the oracle's, however it is formed."""
    parts = [_core(partition, SMALL_SETTINGS) for partition in three]
    expected = oracle.add(_oracle(partition, SMALL_SETTINGS) for partition in three)
    for one, two, last in itertools.permutations(parts):
        _assert_equal(oracle.add([one, oracle.add([two, last])]), expected)
        _assert_equal(oracle.add([oracle.add([one, two]), last]), expected)
