"""All flows together: beats, what stands beside what, and what is not learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from alerts.flow import FlowSettings
from alerts.flows import ALL, Flows
from tests.support.record_feed import NOON, closed_bucket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.flows import Series, Silence

NOBODY: Mapping[int, int] = {}
EVERY = {(0, 0): 300, (1, 0): 300, (0, 1): 20, (1, 1): 20}


def learned(counts: Mapping[Series, int] = EVERY, buckets: int = 100) -> Flows:
    """Flows that brought the same in every bucket."""
    flows = Flows()
    for number in range(buckets):
        take(flows, number, counts)
    return flows


def take(
    flows: Flows, number: int, counts: Mapping[Series, int], troubled: frozenset[Series] = frozenset()
) -> None:
    """One bucket of accepted records."""
    records = {(*series, "accepted"): count for series, count in counts.items()}
    flows.take(closed_bucket(number, records), troubled=troubled)


def without(*series: Series, buckets: int = 3) -> dict[Series, Silence]:
    """Silences after so many buckets without these."""
    flows = learned()
    for number in range(100, 100 + buckets):
        take(flows, number, {key: count for key, count in EVERY.items() if key not in series})
    return {silence.series: silence for silence in flows.silences(NOON + 1_030_000, NOBODY)}


def test_a_partition_is_judged_by_the_others() -> None:
    """What is missing is what it brought before, since the first empty bucket."""
    silence = without((1, 1))[1, 1]
    assert silence.missing == pytest.approx(60.0)
    assert silence.since_ms == NOON + 1_000_000
    assert silence.named


def test_a_topic_is_judged_by_the_other() -> None:
    """Its partitions, which miss nothing beside each other, are not named."""
    silences = without((0, 1), (1, 1))
    assert {series for series, silence in silences.items() if silence.named} == {(-1, 1)}
    assert silences[-1, 1].missing == pytest.approx(120.0)


def test_all_together_count_a_tenth() -> None:
    """And nothing else is named with them."""
    silences = without(*EVERY)
    assert {series for series, silence in silences.items() if silence.named} == {ALL}
    assert silences[ALL].missing == pytest.approx(0.1 * 3 * 640)


def test_one_empty_beat_names_nothing() -> None:
    """Though it may make doubt."""
    silences = without(*EVERY, buckets=1)
    assert not any(silence.named for silence in silences.values())
    assert silences[ALL].evidence > 16.1


def test_partitions_need_more_by_their_number() -> None:
    """They share one chance of a false alarm."""
    silences = without((1, 1), (-1, 1))
    assert silences[1, 1].threshold > 16.1
    assert without(*EVERY)[ALL].threshold == 16.1


def test_heartbeats_explain_a_silence() -> None:
    """Of a topic; all together need those of both."""
    flows = learned()
    for number in range(100, 104):
        take(flows, number, {(0, 0): 300, (1, 0): 300})
    beating = {1: NOON + 1_030_000}
    assert not any(silence.named for silence in flows.silences(NOON + 1_030_000, beating))
    assert any(silence.named for silence in flows.silences(NOON + 1_030_000, NOBODY))


def test_nothing_is_learned_from_a_trouble() -> None:
    """Neither by the partition, nor by the topic that it is part of; others go on."""
    flows = learned()
    for number in range(100, 160):
        take(flows, number, dict.fromkeys(EVERY, 900), troubled=frozenset({(1, 1)}))
    rates = {(p, topic): flow["beats"] for p, topic, flow in flows.snapshot()["flows"]}
    assert rates[1, 1] == rates[-1, 1] == rates[ALL]
    assert rates[0, 1] == rates[1, 0] == rates[1, 1] + 60


def test_buckets_that_close_at_once_are_one_beat() -> None:
    """Ten buckets without a record in one moment prove nothing."""
    flows = learned()
    for number in range(100, 110):
        flows.take(closed_bucket(number, {}, closed_at_ms=NOON + 1_010_000), troubled=frozenset())
    assert not any(silence.named for silence in flows.silences(NOON + 1_100_000, NOBODY))


def test_buckets_without_a_record_are_doubtful_before_they_prove_anything() -> None:
    """Closed in one moment by the clock, they say neither outage nor break; with one record there is no doubt."""
    told_ms = NOON + 1_010_000
    empty, other = learned(), learned()
    for flows, records in ((empty, {}), (other, {(0, 0, "accepted"): 1})):
        flows.take(closed_bucket(100, {}, closed_at_ms=told_ms - 3_000), troubled=frozenset())
        flows.take(closed_bucket(101, records, closed_at_ms=told_ms - 3_000), troubled=frozenset())
    (silence,) = empty.silences(told_ms, NOBODY)
    assert (silence.series, silence.named, silence.since_ms) == (ALL, False, NOON + 1_000_000)
    assert silence.missing == pytest.approx(0.1 * 2 * sum(EVERY.values()))
    assert silence.evidence > FlowSettings().doubt
    assert not [*other.silences(told_ms, NOBODY)]


def test_a_small_shop_is_not_doubted_for_two_empty_buckets() -> None:
    """Where two buckets without a record are nothing unusual."""
    flows = learned({(0, 0): 3})
    for number in (100, 101):
        flows.take(closed_bucket(number, {}, closed_at_ms=NOON + 1_008_000), troubled=frozenset())
    assert all(one.evidence < FlowSettings().doubt for one in flows.silences(NOON + 1_010_000, NOBODY))


def test_partitions_beyond_the_limit_are_not_kept() -> None:
    """A partition's number is no key of ours."""
    flows = learned({(1_000_000, 0): 5}, buckets=3)
    assert flows.snapshot()["flows"] == []


def test_a_snapshot_goes_on_between_two_beats() -> None:
    """With what was gathered of the next."""
    flows, other = learned(), Flows()
    flows.take(
        closed_bucket(100, {(0, 0, "accepted"): 7}, closed_at_ms=NOON + 1_008_000), troubled=frozenset()
    )
    state = flows.snapshot()
    assert state["gathered"] == [NOON + 1_000_000, [[0, 0, 7]], 1, 1_000]
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(state)))
    for one in (flows, other):
        take(one, 101, {})
    assert other.snapshot() == flows.snapshot() != state


def test_exposure_is_what_passed_by_the_clock() -> None:
    """Two buckets that close six seconds after each other prove twelve seconds' silence, not twenty."""
    flows = learned()
    for number in (100, 101):
        told_ms = NOON + 1_007_000 + 6_000 * (number - 99)
        records = {(0, 0, "accepted"): 300, (1, 0, "accepted"): 300, (0, 1, "accepted"): 20}
        flows.take(closed_bucket(number, records, closed_at_ms=told_ms), troubled=frozenset())
    silences = {silence.series: silence for silence in flows.silences(NOON + 1_010_000, NOBODY)}
    assert silences[1, 1].missing == pytest.approx(20 * 1.2)


def test_a_busy_partition_is_judged_as_a_typical_one() -> None:
    """By the median of its topic's: one visitor may make the rest."""
    counts = {(0, 0): 10, (1, 0): 1_000, (2, 0): 10}
    flows = learned(counts)
    for number in range(100, 102):
        take(flows, number, {series: count for series, count in counts.items() if series != (1, 0)})
    silences = {silence.series: silence for silence in flows.silences(NOON + 1_010_000, NOBODY)}
    assert silences[1, 0].missing == pytest.approx(20.0)
