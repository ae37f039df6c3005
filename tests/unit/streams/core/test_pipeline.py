"""One source partition: taking in, counting, flushing, handing over, and its bounds.

What is counted is in test_contract_rules.py; here is how it goes there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from streams.core.ordering import UNREAD
from streams.core.pipeline import CLICKSTREAM, ORDERS, SourcePartition
from streams.core.rows import Decoded, Detail, Line, Rejected
from streams.core.settings import CountingSettings
from streams.core.slots import SWEEP
from streams.core.vocabulary import Vocabulary
from streams.errors import CodecError
from streams.events import Outcome, Reason, RecordBatch
from streams.formats.keys import key_objection
from streams.funnel import Funnel
from tests.support.builders import HOUR, MINUTE, T0, at, click, exposure, line, paid, refunded, stream, view
from tests.support.columns import i64, rows
from tests.support.partition import CountedPartition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.core.buckets import BucketChange

CLICK, VIEW = 1, 2
VISITORS = 16


@pytest.fixture
def partition() -> CountedPartition:
    """A partition that has read nothing."""
    return CountedPartition()


def outcomes(changes: Iterable[BucketChange]) -> dict[tuple[int, int, str], int]:
    """(bucket after T0, topic, outcome) -> records."""
    return {
        (change.bucket_ms - T0, topic, str(outcome)): records
        for change in changes
        for (topic, outcome), records in change.outcomes
    }


def added(changes: Iterable[BucketChange]) -> list[tuple[int, list[int]]]:
    """Buckets after T0, each with what was added to the cells of all."""
    return [(change.bucket_ms - T0, change.cells[0][1].tolist()) for change in changes]


# --- taking in -----------------------------------------------------------------------------------


def test_a_partition_starts_from_nothing(partition: CountedPartition) -> None:
    """Nothing read, nothing waiting, nothing counted."""
    counts = partition.counts
    assert counts.newest == (UNREAD, UNREAD)
    assert (counts.waiting, counts.limit_ms, counts.counted_until) == (0, UNREAD, UNREAD)
    assert list(counts.flush()) == []


def test_what_is_read_waits(partition: CountedPartition) -> None:
    """Reading counts no event; the newest event time per topic is known at once."""
    assert partition.read_on(CLICKSTREAM, stream([click(t=5), click(t=3)])) == []
    assert partition.counts.waiting == 2
    assert partition.counts.newest == (at(5), UNREAD)
    assert list(partition.counts.flush()) == []


def test_events_below_the_limit_are_counted(partition: CountedPartition) -> None:
    """Strictly below; the rest waits on."""
    partition.read_on(CLICKSTREAM, stream([click(t=t) for t in (10, 20, 30)]))
    assert partition.counts.process(at(20)) == 1
    assert partition.counts.process(at(20)) == 0
    assert partition.counts.process(at(21)) == 1
    assert (partition.counts.waiting, partition.counts.counted_until) == (1, at(20))


def test_the_limit_never_goes_back(partition: CountedPartition) -> None:
    """It tells what is counted for good."""
    partition.counts.process(at(20))
    partition.counts.process(at(10))
    assert partition.counts.limit_ms == at(20)


def test_what_cannot_be_counted_comes_back(partition: CountedPartition) -> None:
    """With its place in the batch: first what the decoder refuses, then the future, then the late."""
    values = [click(t=MINUTE * 60), b"{", click(t=0), None, click(t=MINUTE * 600)]
    rejected = partition.read_on(CLICKSTREAM, stream(values, kafka_ms=60 * MINUTE))
    assert rejected == [
        Rejected(1, Outcome.INVALID, Reason.NOT_JSON, ""),
        Rejected(3, Outcome.INVALID, Reason.TOMBSTONE, ""),
        Rejected(4, Outcome.FUTURE, None, ""),
        Rejected(2, Outcome.TOO_LATE, None, ""),
    ]
    assert partition.counts.waiting == 1


def test_rejected_records_count_at_the_newest_time_read(partition: CountedPartition) -> None:
    """They have no trusted time of their own."""
    partition.read_on(CLICKSTREAM, stream([click(t=25_000), b"{", b"["]))
    assert outcomes(partition.counts.flush()) == {(20_000, 0, "invalid"): 2}


def test_rejected_records_count_at_the_records_time_before_anything_is_read(
    partition: CountedPartition,
) -> None:
    """Kafka's timestamp is the only time there is."""
    partition.read_on(ORDERS, stream([b"{"], kafka_ms=35_000))
    assert outcomes(partition.counts.flush()) == {(30_000, 1, "invalid"): 1}


def test_outcomes_count_where_the_event_stands_in_line(partition: CountedPartition) -> None:
    """A late record counts as read when it was read, its event in its own bucket."""
    values = [click(t=65_000, event_id="a"), click(t=1_000), click(t=65_000, event_id="a")]
    partition.read_on(CLICKSTREAM, stream(values))
    partition.counts.drain()
    changes = list(partition.counts.flush())
    assert outcomes(changes) == {
        (60_000, 0, "accepted"): 1,
        (60_000, 0, "duplicate"): 1,
        (60_000, 0, "late"): 1,
    }
    assert {change.bucket_ms - T0: change.cells[0][0].size for change in changes} == {0: 2, 60_000: 1}


def test_outcomes_are_told_by_topic(partition: CountedPartition) -> None:
    """Each in the bucket where its topic's record stood."""
    partition.read_on(CLICKSTREAM, stream([click(t=1_000), click(t=25_000)]))
    partition.read_on(ORDERS, stream([paid(t=15_000, event_id="a"), paid(t=15_000, event_id="a")]))
    partition.counts.drain()
    assert outcomes(partition.counts.flush()) == {
        (0, 0, "accepted"): 1,
        (10_000, 1, "accepted"): 1,
        (10_000, 1, "duplicate"): 1,
        (20_000, 0, "accepted"): 1,
    }


def test_a_place_of_ones_own_wins_field_by_field(partition: CountedPartition) -> None:
    """A view that has a slot still takes the click's banner, and the other way round."""
    values = [
        click(t=0, slot="A", banner="B"),
        view(t=1, slot="X"),
        view(t=2, banner="Y"),
        view(t=3, slot="X", banner="Y"),
        exposure(t=4),
    ]
    partition.read_on(CLICKSTREAM, stream(values))
    cells = partition.finish().cells
    events = {(d, key): cells[T0, d, key].get(VIEW, 0) for _, d, key in cells if d in ("slot", "banner")}
    shown = {(d, key) for _, d, key in cells if cells[T0, d, key].get(0)}
    assert {place: n for place, n in events.items() if n} == {
        ("slot", "A"): 1,
        ("slot", "X"): 2,
        ("banner", "B"): 1,
        ("banner", "Y"): 2,
    }
    assert shown & set(events) == {("slot", "(none)"), ("banner", "(none)")}


def test_only_the_first_event_stands_for_its_record() -> None:
    """A record of several events has one outcome; all its events are counted."""
    vocabulary = Vocabulary(Funnel(), key_objection)
    counts = SourcePartition(vocabulary, CountingSettings())
    three = rows(3, record=[0, 0, 1], time=T0, event=[1, 2, 3], visitor=5, first=[True, False, True])
    counts.ingest(CLICKSTREAM, Decoded(three), i64(T0, T0))
    counts.drain()
    (change,) = counts.flush()
    assert change.outcomes == [((0, Outcome.ACCEPTED), 2)]
    assert change.cells[0][1].tolist() == [3, 1]


def test_a_record_is_in_the_future_if_its_first_event_is() -> None:
    """Its other events are judged on their own."""
    vocabulary = Vocabulary(Funnel(), key_objection)
    counts = SourcePartition(vocabulary, CountingSettings())
    ahead = T0 + 6 * MINUTE
    some = rows(
        4,
        record=[0, 0, 1, 1],
        time=[ahead, T0, T0, ahead],
        event=[1, 2, 3, 4],
        first=[True, False, True, False],
    )
    assert counts.ingest(CLICKSTREAM, Decoded(some), i64(T0, T0)) == [Rejected(0, Outcome.FUTURE, None, "")]
    assert counts.waiting == 2


def test_details_are_let_go_with_their_events() -> None:
    """Counted, duplicate, too late or in the future: lines of an event are kept no longer than it."""
    vocabulary = Vocabulary(Funnel(), key_objection)
    counts = SourcePartition(vocabulary, CountingSettings())
    details = {at: Detail((Line(0, 0, 0), Line(0, 0, 0))) for at in range(4)}
    times = [T0, T0, T0 - 20 * MINUTE, T0 + 6 * MINUTE]
    some = rows(4, time=times, event=[1, 1, 2, 3], detail=[0, 1, 2, 3])
    counts.ingest(CLICKSTREAM, Decoded(some, details), i64(T0, T0, T0, T0))
    assert (counts.waiting, counts.details) == (2, 2)
    counts.drain()
    assert counts.details == 0


def test_batches_may_number_their_details_alike(partition: CountedPartition) -> None:
    """Every decoder starts from zero; lines stay with their events."""
    for number, sku in enumerate("AB"):
        partition.read_on(ORDERS, stream([paid("v1", 0, line(sku, "1.00"), order_id=f"O{number}")]))
    money = {key.key: sums for (_, key), sums in partition.finish().money.items() if key.dimension == "sku"}
    assert money == {"A": (1, 100), "B": (1, 100)}


def test_a_batch_of_which_nothing_can_be_read_is_counted(partition: CountedPartition) -> None:
    """No rows, only rejections."""
    assert len(partition.read_on(CLICKSTREAM, stream([b"", b"["]))) == 2
    assert partition.finish().outcomes == {(0, Outcome.INVALID): 2}


# --- flushing ------------------------------------------------------------------------------------


def test_a_flush_takes_what_was_counted_since_the_last_one(partition: CountedPartition) -> None:
    """Bucket by bucket in the order of time; a bucket that goes on growing comes again with what is new."""
    partition.read_on(CLICKSTREAM, stream([click(t=t) for t in (0, 10_000, 10_500, 12_000)]))
    partition.counts.process(at(11_000))
    assert added(partition.counts.flush()) == [(0, [1, 1]), (10_000, [2])]
    partition.counts.process(at(13_000))
    assert added(partition.counts.flush()) == [(10_000, [1])]
    assert list(partition.counts.flush()) == []


def test_a_late_event_is_one_more_thing_to_add(partition: CountedPartition) -> None:
    """However long ago its bucket was flushed."""
    partition.read_on(CLICKSTREAM, stream([click(t=0), click(t=65_000)]))
    partition.counts.drain()
    assert added(partition.counts.flush()) == [(0, [1, 1]), (60_000, [1])]
    partition.read_on(CLICKSTREAM, stream([click(t=9_000)]))
    partition.counts.drain()
    assert added(partition.counts.flush()) == [(0, [1]), (60_000, [])]


# --- handing over --------------------------------------------------------------------------------


def stories() -> CountedPartition:
    """A partition in the middle of things: remembered, waiting, with lines."""
    partition = CountedPartition()
    values = [
        click("v1", t=0, slot="home", banner="B1", sku="A", event_id="seen"),
        click("v2", t=1_000, slot="list", sku=["A", "B"]),
        view("v1", t=8_000, sku="A"),
        exposure(t=9_000, sku=["A", "B"]),
    ]
    partition.read_on(CLICKSTREAM, stream(values))
    partition.read_on(
        ORDERS,
        stream([paid("v2", 2_000, line("B", "3.00"), order_id="O1"), paid("v1", 9_500, order_id="O0")]),
    )
    partition.process()
    assert 0 < partition.counts.waiting < 6
    return partition


def rest(partition: CountedPartition) -> Any:
    """What comes after, touching everything remembered."""
    values = [click("v1", t=8_500, event_id="seen"), view("v2", t=9_000, sku="B")]
    partition.read_on(CLICKSTREAM, stream(values))
    refund = refunded("v2", 9_700, order_id="O1", currency=None)
    partition.read_on(ORDERS, stream([refund, paid("v2", 9_800, line("A", "2.00"), order_id="O2")]))
    return partition.finish()


def test_the_next_owner_counts_on_as_if_nothing_had_happened() -> None:
    """Ids, clicks, marks, orders and waiting events are all there, under other key numbers."""
    tables = rest(stories().hand_over(["X", "B", "list", "A"]))
    assert tables == rest(stories())
    refunds = {key.key: sums for (_, key), sums in tables.money.items() if key.kind == "refunded"}
    assert refunds == {"all": (1, 300), "list": (1, 300), "(none)": (1, 300), "B": (1, 300)}


def test_a_handover_can_follow_a_handover() -> None:
    """A state taken up is as good as one grown."""
    assert rest(stories().hand_over(["B"]).hand_over(["A", "Y"]).hand_over()) == rest(stories())


@pytest.mark.parametrize("flushed", [True, False])
def test_what_was_done_since_the_last_flush_is_done_again(*, flushed: bool) -> None:
    """An owner that was killed has counted it for nobody; what it had flushed is not counted again."""
    partition = stories()
    partition.flush()
    partition.read_on(CLICKSTREAM, stream([exposure(t=20_000), b"{"]))
    partition.read_on(ORDERS, stream([paid(t=20_000, order_id="O9")]))
    partition.process()
    tables = partition.hand_over(flushed=flushed).finish()
    assert tables.outcomes == {(0, Outcome.ACCEPTED): 5, (0, Outcome.INVALID): 1, (1, Outcome.ACCEPTED): 3}
    assert sum(n for (_, key), (n, _) in tables.money.items() if key.dimension == "all") == 3


def test_times_and_limits_are_handed_over() -> None:
    """How far was read and counted, and what waits."""
    before = stories()
    after = before.hand_over()
    for name in ("newest", "limit_ms", "counted_until", "waiting"):
        assert getattr(after.counts, name) == getattr(before.counts, name)


def test_an_empty_state_can_be_handed_over() -> None:
    """A partition that never read anything."""
    assert CountedPartition().hand_over().counts.newest == (UNREAD, UNREAD)


@pytest.mark.parametrize(
    ("funnel", "which"),
    [
        (Funnel(nodes=("exposure", "click", "view", "paid")), "another funnel"),
        (Funnel(extra_dimensions=("channel",)), "other dimensions"),
    ],
    ids=["nodes", "dimensions"],
)
def test_a_state_of_another_funnel_is_refused(funnel: Funnel, which: str) -> None:
    """Its numbers mean other stages or dimensions."""
    owner = stories()
    owner.flush()
    other = CountedPartition(funnel=funnel)
    with pytest.raises(CodecError, match=f"state of {which}$"):
        owner.log.begin(other.vocabulary, other.settings)


def test_changes_of_other_tables_are_refused() -> None:
    """None of them is taken up, rather than some."""
    changes = stories().counts.changes(range(SWEEP), range(0))
    del changes.tables["clicks"]
    copy = SourcePartition(Vocabulary(Funnel(), key_objection), CountingSettings())
    with pytest.raises(CodecError, match=r"^state of other tables$"):
        copy.apply(changes)
    assert copy.limit_ms == UNREAD


def test_rewinding_forgets_what_waits_and_nothing_else() -> None:
    """Events, their lines and lists, and counts that were not flushed; what is remembered stays."""
    counts = stories().counts
    held, limit = counts.nbytes(), counts.limit_ms
    assert counts.details
    counts.rewind((at(1), UNREAD))
    assert (counts.newest, counts.waiting, counts.details) == ((at(1), UNREAD), 0, 0)
    assert list(counts.flush()) == []
    assert counts.limit_ms == limit
    after = counts.nbytes()
    assert {kind for kind in held if after[kind] != held[kind]} == {"waiting"}


def test_known_records_are_counted_where_they_waited_and_nowhere_else(partition: CountedPartition) -> None:
    """Read again: those below the limit and those turned away were counted; the rest was not."""
    values = [click(t=0), b"{", click(t=10_000), click(t=11_000)]
    batch = partition.decode(RecordBatch.of(stream(values)))
    counts = partition.counts
    counts.process(at(11_000))
    assert counts.ingest(CLICKSTREAM, *batch, known=3) == []
    assert counts.waiting == 1
    counts.drain()
    assert outcomes(counts.flush()) == {(10_000, 0, "accepted"): 1}


def test_unknown_records_are_counted_below_the_limit_too(partition: CountedPartition) -> None:
    """A topic that had fallen silent comes with what is older: nobody has counted that."""
    batch = partition.decode(RecordBatch.of(stream([click(t=0), b"{", click(t=10_000)])))
    counts = partition.counts
    counts.process(at(11_000))
    assert len(counts.ingest(CLICKSTREAM, *batch, known=1)) == 1
    assert counts.waiting == 1
    counts.drain()
    assert outcomes(counts.flush()) == {(10_000, 0, "invalid"): 1, (10_000, 0, "accepted"): 1}


# --- bounds --------------------------------------------------------------------------------------


def test_a_million_unknown_skus_are_other() -> None:
    """They are counted as (other) and take no number; clicks on them are forgotten after their time."""
    partition = CountedPartition(CountingSettings(max_tracked_keys=1_000))
    held = []
    for batch in range(10):
        skus = [[f"S{batch}_{event}_{sku}" for sku in range(500)] for event in range(200)]
        partition.read_on(
            CLICKSTREAM, stream([click(f"v{n}", t=batch * HOUR, sku=s) for n, s in enumerate(skus)])
        )
        partition.process()
        partition.flush()
        held.append(partition.counts.nbytes()["clicks"])
    tables = partition.finish()
    keys = {key for _, dimension, key in tables.cells if dimension == "sku"}
    other = sum(cells[CLICK] for (_, dimension, key), cells in tables.cells.items() if key == "(other)")
    assert len(keys) == 1_001
    assert other == 2_000 - 2  # every event but the two that hold the thousand known SKUs
    assert len(partition.vocabulary.sku) == 1_001
    assert max(held) == held[3]


def test_visitors_and_ids_are_forgotten_when_their_time_is_over() -> None:
    """Two hours of new visitors, remembered for a minute: memory stays that of a minute."""
    settings = CountingSettings(
        allowed_lateness_ms=10_000, dedupe_horizon_ms=MINUTE, attribution_window_ms=MINUTE
    )
    partition = CountedPartition(settings)
    sizes = []
    for minute in range(120):
        values = [click(f"v{minute}_{n}", t=minute * MINUTE + n * 100) for n in range(100)]
        for topic in (CLICKSTREAM, ORDERS):
            partition.read_on(topic, stream(values))
        partition.process()
        sizes.append(sum(partition.counts.nbytes().values()))
    assert max(sizes) == sizes[5]


def test_orders_beyond_the_limit_are_forgotten() -> None:
    """Of many orders the last few are remembered."""
    partition = CountedPartition(CountingSettings(remembered_orders=10))
    orders = [paid("v1", t=number, order_id=f"O{number}") for number in range(2_000)]
    partition.read_on(ORDERS, stream(orders))
    partition.read_on(ORDERS, stream([refunded("v1", 2_000, order_id=f"O{n}") for n in (1_989, 1_990)]))
    sums = {
        key.currency: sums for (_, key), sums in partition.finish().money.items() if key.kind == "refunded"
    }
    assert sums == {"XXX": (1, 0), "CNY": (1, 100)}


def test_a_batch_may_span_more_time_than_dedupe_looks_back() -> None:
    """Many hours in one batch are counted in pieces: each id against what came before it."""
    settings = CountingSettings(dedupe_horizon_ms=10_000)
    partition = CountedPartition(settings)
    times = [0, 5_000, 20_000, 25_000, 31_000, 100_000, 105_000, 300_000]
    partition.read_on(CLICKSTREAM, stream([click(t=t, event_id="x") for t in times]))
    assert partition.finish().outcomes == {(0, Outcome.ACCEPTED): 5, (0, Outcome.DUPLICATE): 3}


def test_a_late_id_is_held_against_the_last_accepted_of_a_long_batch() -> None:
    """Close to one that was accepted first, far from the one accepted last: it is no duplicate."""
    partition = CountedPartition(CountingSettings(dedupe_horizon_ms=10_000))
    values = [click(t=t, event_id="x") for t in (0, 100_000)]
    partition.read_on(CLICKSTREAM, stream([*values, click(t=200_000), click(t=5_000, event_id="x")]))
    assert partition.finish().outcomes == {(0, Outcome.ACCEPTED): 3, (0, Outcome.LATE): 1}


def test_more_rows_than_one_piece_holds_are_all_counted() -> None:
    """Large releases are cut; visitors are still counted once."""
    partition = CountedPartition()
    number = 70_000
    values = [
        json.dumps(
            {"event_id": str(n), "event_time": T0 + n // 10, "event": "view", "visitor_id": f"v{n % 50_000}"}
        )
        for n in range(number)
    ]
    partition.read_on(CLICKSTREAM, stream([value.encode() for value in values]))
    tables = partition.finish()
    assert tables.cells[T0, "all", "all"] == {VIEW: number, VISITORS + VIEW: 50_000}


def test_bytes_are_told_by_kind() -> None:
    """What grows with traffic, for the metric."""
    partition = CountedPartition()
    before = partition.counts.nbytes()
    assert set(before) == {"dedupe", "visitors", "clicks", "attempts", "waiting"}
    partition.read_on(CLICKSTREAM, stream([click(f"v{n}", sku="A") for n in range(3_000)]))
    read = partition.counts.nbytes()
    assert [kind for kind in before if read[kind] > before[kind]] == ["waiting"]
    partition.finish()
    after = partition.counts.nbytes()
    assert [kind for kind in before if after[kind] > before[kind]] == ["dedupe", "visitors", "clicks"]


def test_an_idle_topic_finds_all_that_it_may_ask_for(partition: CountedPartition) -> None:
    """Its next order may be as late as is allowed, and ask for a click a whole window before."""
    hour = 60 * MINUTE
    partition.read_on(CLICKSTREAM, stream([click("v", t=2 * hour - 40 * MINUTE, slot="A")]))
    partition.read_on(ORDERS, stream([paid("w", t=2 * hour)]))
    partition.counts.process(at(2 * hour + 1))
    others = [click(f"v{n}", t=3 * hour + n) for n in range(3_000)]
    partition.read_on(CLICKSTREAM, stream(others))
    partition.counts.process(partition.counts.newest[CLICKSTREAM])
    partition.read_on(ORDERS, stream([paid("v", t=2 * hour - 10 * MINUTE, order_id="O2")]))
    tables = partition.finish()
    assert [key for _, d, key in tables.cells if d == "slot"].count("A") == 2


def test_the_memory_of_a_silent_topic_ends() -> None:
    """A topic that fell silent keeps the other's clicks for six hours, not for ever."""
    settings = CountingSettings(attribution_window_ms=MINUTE)
    partition = CountedPartition(settings)
    partition.read_on(ORDERS, stream([paid(t=0)]))
    sizes = []
    for hour in range(30):
        values = [click(f"v{hour}_{n}", t=hour * 60 * MINUTE + n) for n in range(300)]
        partition.read_on(CLICKSTREAM, stream(values, kafka_ms=10**9))
        partition.counts.process(partition.counts.newest[0])
        sizes.append(partition.counts.nbytes()["clicks"])
    assert max(sizes) == max(sizes[:12])
    assert np.unique(sizes).size > 1


def test_a_visitor_with_a_hundred_thousand_events() -> None:
    """All are counted, and as clicks they take no more room than the first of each SKU did."""
    partition, sizes = CountedPartition(CountingSettings()), []
    for batch in range(20):
        numbers = range(batch * 5_000, (batch + 1) * 5_000)
        clicks = [click("v", t=n * 10, sku=f"S{n % 500}") for n in numbers]
        partition.read_on(CLICKSTREAM, stream(clicks))
        partition.process()
        partition.flush()
        sizes.append(partition.counts.nbytes()["clicks"])
    tables = partition.finish()
    events = [cells[CLICK] for (_, dimension, _), cells in tables.cells.items() if dimension == "all"]
    assert sum(events) == 100_000
    assert sizes[-1] == sizes[1]
