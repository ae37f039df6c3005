"""Data outages: S6 of the scenarios, what has to stay silent, and what is one outage.

Bucket 90 is where things happen; records come 60 times as often on the clickstream as on orders.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from alerts.lifecycle import Lifecycle
from alerts.model import EVERYWHERE, DataState, Kind, Place, Reason, Rooted
from alerts.partition_lag import Symptom
from alerts.witness import Trouble, Witness, rolled_up
from streams.closed import Progress
from tests.support.findings import rooted
from tests.support.record_feed import LAG_MS, NOON, closed_bucket, feed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from alerts.lifecycle import Change
    from alerts.witness import Testimony
    from streams.closed import ClosedBucket

ORDERS = (Place("topic", "orders"),)
CLICKS = (Place("topic", "clickstream"),)
STALL = range(90, 180)


def heard(buckets: Iterable[ClosedBucket], witness: Witness | None = None) -> list[Testimony]:
    """What a witness says of each bucket."""
    witness = witness or Witness()
    return [witness.observe(closed) for closed in buckets]


def shop(orders: float = 60.0, *, stalled: Callable[[int, int], bool]) -> Callable[[int, int, int], float]:
    """Rates per minute of a shop where (partition, topic) stall for a quarter of an hour, then catch up."""

    def rate(number: int, partition: int, topic: int) -> float:
        usual = 2_000.0 if topic == 0 else orders
        if not stalled(partition, topic):
            return usual
        return 0.0 if number in STALL else usual * 90 if number == STALL.stop else usual

    return rate


def first(said: list[Testimony]) -> tuple[int, tuple[Place, ...], str]:
    """Bucket, scope and symptom of the first outage."""
    return next(
        (number, one.findings[0].scope, one.findings[0].detail)
        for number, one in enumerate(said)
        if one.findings
    )


@pytest.mark.parametrize("seed", range(4))
def test_s6a_orders_stall(seed: int) -> None:
    """Named as orders within 30 s at 60 orders a minute; over with the back-fill; no word before or after."""
    said = heard(feed(shop(stalled=lambda _, topic: topic == 1), 240, seed=seed))
    number, scope, symptom = first(said)
    assert (scope, symptom) == (ORDERS, "silent")
    assert number < 90 + 3
    assert {finding.scope for one in said for finding in one.findings} == {ORDERS}
    assert {one.findings[0].since_ms for one in said if one.findings} == {NOON + 90 * 10_000}
    over = [number for number, one in enumerate(said) if one.recoveries]
    assert len(over) == 1
    assert 180 <= over[0] <= 184


def test_s6a_orders_are_bad_until_all_is_read() -> None:
    """In doubt before the outage is named, bad until a minute after; the clickstream never."""
    said = heard(feed(shop(stalled=lambda _, topic: topic == 1), 240))
    states = [("bad" if "orders" in o.data.bad else "doubt" if o.data.doubtful else "") for o in said]
    assert "".join(state[:1] or "-" for state in states[88:92]) in ("--db", "---b", "--bb")
    assert set(states[91:186]) == {"bad"}
    assert set(states[195:]) == {""}
    assert not any("clickstream" in one.data.bad for one in said)


@pytest.mark.parametrize("orders", [30.0, 60.0, 180.0])
def test_s6a_is_one_incident_and_no_drop(orders: float) -> None:
    """Detectors that see a drop from the first empty bucket to the last of the back-fill open nothing."""
    witness, lifecycle = Witness(), Lifecycle()
    changes: list[Change] = []
    for number, closed in enumerate(feed(shop(orders, stalled=lambda _, topic: topic == 1), 200)):
        said = witness.observe(closed)
        # The evidence that a detector of orders needs, at the most.
        drop = [rooted(scope=EVERYWHERE)] if 90 + 40 / orders <= number < 186 else []
        findings = [*map(Rooted, said.findings), *drop]
        changes += lifecycle.fold(findings, said.recoveries, closed.end_ms, said.data)
    assert [(change.incident.kind, change.reason) for change in changes] == [
        (Kind.DATA_OUTAGE, Reason.OPENED),
        (Kind.DATA_OUTAGE, Reason.RESOLVED),
    ]


def test_s6b_everything_stalls() -> None:
    """Is one outage, of all."""
    said = heard(feed(shop(stalled=lambda *_: True), 200, partitions=4))
    number, scope, _ = first(said)
    assert (scope, number < 93) == (EVERYWHERE, True)
    assert {len(one.findings) for one in said[number:180]} == {1}
    assert said[150].data.bad == {"clickstream", "orders"}


def test_s6c_a_partition_stalls() -> None:
    """Is named with its number; of both its topics it is one outage."""
    said = heard(feed(shop(180.0, stalled=lambda partition, _: partition == 2), 200, partitions=4))
    assert first(said)[0] < 93
    assert [finding.scope for finding in said[120].findings] == [(Place("partition", "2"),)]
    one = heard(feed(shop(180.0, stalled=lambda p, topic: (p, topic) == (2, 1)), 130, partitions=4))
    assert first(one)[1] == (*ORDERS, Place("partition", "2"))


def quiet(rate: Callable[[int, int, int], float], buckets: int, **more: Any) -> None:
    """Nothing is said."""
    said = heard(feed(rate, buckets, **more))
    assert [one.findings for one in said if one.findings] == []


@pytest.mark.parametrize(("clicks", "orders"), [(60, 2), (300, 9)])
def test_a_night_is_no_outage(clicks: float, orders: float) -> None:
    """A small shop whose traffic falls to a twentieth and rises again, over six hours."""
    quiet(
        lambda number, _, topic: (
            (orders if topic else clicks) * (1 + 0.9 * math.cos(number * math.pi / 1080))
        ),
        2_160,
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("orders", [9, 60])
def test_s5b_a_flash_sale_that_ends_is_no_outage(seed: int, orders: float) -> None:
    """Traffic x10 at once and back to a tenth at once: both topics fall together."""
    quiet(
        lambda number, _, topic: (orders if topic else 300) * (10 if 90 <= number < 150 else 1),
        240,
        seed=seed,
    )


def test_imports_and_busy_visitors_are_no_outage() -> None:
    """Orders that come in heaps, and a visitor with most of a partition's clicks who leaves."""
    quiet(lambda number, _, topic: 300 if topic == 0 else 18_000 if number % 97 == 96 else 6, 300)
    quiet(lambda number, p, topic: 6 if topic else 60 + 3_000 * (p == 1 and number < 120), 240, partitions=4)


def test_a_dead_payment_leaves_attempts() -> None:
    """Orders' records fall to a third when nothing is paid any more: that is no outage, but a break."""
    quiet(lambda number, _, topic: 2_000 if topic == 0 else 180 if number < 90 else 60, 200)


def test_our_restart_is_no_outage() -> None:
    """Nothing closes for 40 s, then five buckets at once, whose records came with the first of them."""
    buckets = list(feed(shop(stalled=lambda *_: False), 120))
    late_ms = buckets[94].closed_at_ms
    again = [
        closed_bucket(
            number,
            {key: 5 * count for key, count in one.records.items()} if number == 90 else {},
            closed_at_ms=late_ms,
        )
        if 90 <= number < 95
        else one
        for number, one in enumerate(buckets)
    ]
    assert not any(one.findings for one in heard(again))


def test_a_bucket_that_is_not_complete_makes_doubt() -> None:
    """What it lacks would look like a drop."""
    said = heard([closed_bucket(0, {(0, 0, "accepted"): 5}, complete=False), closed_bucket(1, {})])
    assert [one.data.doubtful for one in said] == [{"clickstream", "orders"}, set()]
    witness = Witness()
    witness.observe(closed_bucket(0, {}, complete=False))
    assert witness.data == said[0].data
    assert not witness.data_ok("orders")


def test_rubbish_is_bad_input() -> None:
    """Over half of a minute invalid: the topic is bad until it is well below, and a minute longer."""
    witness = Witness()
    counts = [(0, 50)] * 6 + [(50, 0)] * 6 + [(0, 50)] * 20
    said = heard(
        (
            closed_bucket(number, {(0, 1, "invalid"): bad, (0, 1, "accepted"): good, (0, 0, "accepted"): 9})
            for number, (bad, good) in enumerate(counts)
        ),
        witness,
    )
    found = [number for number, one in enumerate(said) if one.findings]
    assert found == list(range(9, 16))
    finding = said[9].findings[0]
    assert (finding.kind, finding.scope, finding.observed, finding.expected) == (
        Kind.BAD_INPUT,
        ORDERS,
        100,
        300,
    )
    assert [number for number, one in enumerate(said) if one.recoveries] == [16]
    assert said[6].data == DataState(doubtful=frozenset({"orders"}))
    assert said[20].data == DataState(bad=frozenset({"orders"}))
    assert witness.data_ok("orders")


def test_a_partition_behind_is_an_outage_and_several_are_one() -> None:
    """Named with its number; with more of them it is everything."""

    def bucket(number: int, stuck: int) -> ClosedBucket:
        told_ms = NOON + (number + 1) * 10_000 + LAG_MS
        until = [NOON if p < stuck else told_ms - LAG_MS for p in range(4)]
        progress = {p: Progress(until_ms, told_ms, idle=False) for p, until_ms in enumerate(until)}
        return closed_bucket(number, {(0, 0, "accepted"): 50}, progress=progress)

    one = heard(bucket(number, 1) for number in range(9))
    assert [finding.scope for finding in one[-1].findings] == [(Place("partition", "0"),)]
    assert one[-1].findings[0].detail == "behind"
    assert [f.scope for f in heard(bucket(number, 2) for number in range(9))[-1].findings] == [EVERYWHERE]


def test_heartbeats() -> None:
    """One that stops is an outage though records come; while it comes, a silence is a shop without orders."""
    stalled = shop(stalled=lambda _, topic: topic == 1)
    beating, dead = Witness(), Witness()
    for closed in feed(stalled, 140):
        alive = beating.observe(closed, {"orders": closed.closed_at_ms - 5_000})
        gone = dead.observe(closed, {"clickstream": NOON + 200_000})
        assert alive.findings == ()
        assert bool(gone.findings) is (closed.closed_at_ms >= NOON + 260_000)
        if gone.findings and closed.start_ms < NOON + 900_000:
            assert (gone.findings[0].scope, gone.findings[0].detail) == (CLICKS, "heartbeat")


def trouble(*scope: Place, evidence: float = 1.0) -> Trouble:
    """Silence there."""
    return Trouble(scope, Symptom.SILENT, NOON, 1.0, evidence, 16.1)


def partition(number: int) -> Place:
    """As a place."""
    return Place("partition", str(number))


@pytest.mark.parametrize(
    ("scopes", "known", "expected"),
    [
        ([(*ORDERS, partition(1))], [], [(*ORDERS, partition(1))]),
        ([(*ORDERS, partition(1)), (*ORDERS, partition(2))], [], [ORDERS]),
        ([(*ORDERS, partition(1)), (*CLICKS, partition(1))], [], [(partition(1),)]),
        ([(*ORDERS, partition(1))], [ORDERS], [ORDERS]),
        ([(*ORDERS, partition(1)), ORDERS], [], [ORDERS]),
        ([ORDERS, CLICKS], [], [EVERYWHERE]),
        ([(partition(1),), (partition(2),)], [], [EVERYWHERE]),
        ([ORDERS, EVERYWHERE], [], [EVERYWHERE]),
        ([ORDERS], [EVERYWHERE], [EVERYWHERE]),
        ([ORDERS, (partition(7),)], [], [ORDERS, (partition(7),)]),
    ],
)
def test_one_outage_is_one_trouble(
    scopes: list[tuple[Place, ...]], known: list[tuple[Place, ...]], expected: list[tuple[Place, ...]]
) -> None:
    """On the widest scope that explains several, or that is known."""
    assert [one.scope for one in rolled_up([trouble(*scope) for scope in scopes], known)] == expected


def test_a_restart_anywhere_says_the_same() -> None:
    """Taken down to bytes and up again in the outage, in its doubt, and in its back-fill."""
    buckets = list(feed(shop(stalled=lambda _, topic: topic == 1), 200, partitions=2, seed=5))
    straight, broken = Witness(), Witness()
    cuts = np.random.default_rng(1).integers(0, 200, 20).tolist()
    for number, closed in enumerate(buckets):
        if number in {*cuts, 90, 91, 180, 181, 182}:
            broken = Witness.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(broken.snapshot())))
        assert broken.observe(closed) == straight.observe(closed)
    assert broken.snapshot() == straight.snapshot()
