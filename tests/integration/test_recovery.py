"""Counting state goes from one owner of a source partition to the next through Apache Kafka, however the one ends."""

from __future__ import annotations

import asyncio
import random
import re
from functools import partial
from typing import TYPE_CHECKING

import pytest

from streams.core.ordering import UNREAD
from streams.core.settings import CountingSettings
from streams.errors import CodecError, KafkaUnreachable, TopicError
from streams.worker.entry import create_topics
from streams.worker.kafka import patiently
from streams.worker.log_entries import Chunk, Marker, decode_entry, encode_entry
from tests.support import oracle
from tests.support.builders import HOUR, T0, at, click, paid, stream
from tests.support.owners import Killed, Owner
from tests.support.state_topic import append, configure, delete_entries, name_of, read_entries
from tests.support.traffic import SMALL_SETTINGS, traffic
from tests.support.workers import Deployment, merged_counts, read_topic, until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from streams.events import Record
    from tests.integration.conftest import MakeKafkaCluster, TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = pytest.mark.kafka

SAME = ("max_out_of_orderness_ms", "allowed_lateness_ms", "max_future_ms", "dedupe_horizon_ms",
        "attribution_window_ms", "attribution", "remembered_orders")  # fmt: skip
SMALL = CountingSettings(**{name: getattr(SMALL_SETTINGS, name) for name in SAME})


@pytest.fixture
async def deployment(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> Deployment:
    """Topics of this test's own."""
    made = Deployment(kafka.bootstrap_servers, topic_names.prefix, tmp_path)
    await create_topics(made.settings())
    return made


async def assert_exact(
    deployment: Deployment, source: Sequence[list[Record]], settings: oracle.OracleSettings
) -> None:
    """All rollups together say what the oracle says of the records."""
    counts, expected = await merged_counts(deployment), oracle.count(source[0], source[1], settings)
    assert expected.cells
    assert counts.outcomes == expected.outcomes
    assert counts.money == expected.money
    assert counts.cells == expected.cells


def shop(visitors: int, seconds: int = 60) -> tuple[list[Record], list[Record]]:
    """Everybody clicks once, in order, and one in ten pays a little later."""
    clicks = [
        click(f"v{n}", n * seconds * 1_000 // visitors, slot=f"slot{n % 7}", sku=f"S{n % 50}")
        for n in range(visitors)
    ]
    orders = [
        paid(f"v{n}", n * seconds * 1_000 // visitors + 2_000, order_id=f"O{n}")
        for n in range(0, visitors, 10)
    ]
    return stream(clicks), stream(orders)


# --- in order -------------------------------------------------------------------------------------


async def test_the_next_owner_knows_what_the_last_one_knew(deployment: Deployment) -> None:
    """Clicks, marks, ids and offsets survive; batches are acknowledged once all of that is written."""
    source = (
        stream([click("v1", 0, slot="top", event_id="a"), click("v2", 9_000)]),
        stream([paid("v1", 20), paid("v1", 9_100, order_id="O2")]),
    )
    async with Owner(deployment) as first:
        await first.recovery.take([0])
        first.read(0, (source[0], source[1][:1]), 2)
        first.read(0, (source[0], source[1][:1]), 1)
        assert await first.flush()
        assert first.acked == 0
        await first.recovery.give([0])
        assert first.acked == 0
        assert first.counting.partitions == {}
    async with Owner(deployment) as second:
        await second.recovery.take([1, 0])
        assert second.counting.partitions.keys() == {0, 1}
        await second.finish(0, source)
        # Both batches of clicks: the one of the first owner was only half counted.
        assert second.acked == 2
    await assert_exact(deployment, source, oracle.OracleSettings())
    # The orders of v1 find the click that the first owner saw: under its slot, not under (none).
    money = (await merged_counts(deployment)).money
    assert {key[1]: value for key, value in money.items() if key[0] == "slot"} == {"top": (2, 200)}


async def test_the_next_life_is_newer_though_its_clock_is_behind(deployment: Deployment) -> None:
    """Rollups of the next owner are not taken for those of a life that is over: all of them count."""
    source, generations = stream([click(f"v{n}", n) for n in range(4)]), []
    for place, clock_ms in enumerate((5_000, 1_000, 1_000, 9_000)):
        async with Owner(deployment, clock_ms) as owner:
            await owner.recovery.take([0])
            generations.append(owner[0].rollups.generation)
            await owner.finish(0, (source[: place + 1], []))
            if place % 2:
                await owner.recovery.give([0])
    assert generations == [5_000, 5_001, 5_002, 9_000]
    assert (await merged_counts(deployment)).outcomes == {("clickstream", "accepted"): 4}


async def test_the_next_life_is_newer_though_the_last_one_counted_nothing(deployment: Deployment) -> None:
    """It wrote down its generation before it counted, so a clock behind changes nothing."""
    async with Owner(deployment, 5_000) as killed:
        await killed.recovery.take([0, 1])
    async with Owner(deployment, 1_000) as second:
        await second.recovery.take([0])
        assert second[0].rollups.generation == 5_001


async def test_where_nothing_was_counted_counting_begins(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    """A partition without state begins from nothing, and says so; without partitions nothing is asked for."""
    async with Owner(deployment) as owner:
        await owner.recovery.take([])
        assert owner.counting.partitions == {}
        await owner.recovery.take([2])
        assert [reading.next_offset for reading in owner[2].readings] == [None, None]
        assert owner[2].counts.newest == (UNREAD, UNREAD)
    (said,) = [record for record in caplog.records if record.message.startswith("no state")]
    assert said.message == "no state: counting begins where the group has committed"
    assert vars(said)["partition"] == 2


# --- killed ---------------------------------------------------------------------------------------


def at_chunk(number: int) -> Callable[[str, bytes], bool]:
    """Dies before a chunk of the second flush."""
    return lambda _, key: key.startswith(b"chunk/") and key.endswith(f"/1/{number}".encode())


def at_marker(_: str, key: bytes) -> bool:
    """Dies before the second flush is closed."""
    return key.startswith(b"marker/") and key.endswith(b"/1")


def at_rollup(number: int) -> Callable[[str, bytes], bool]:
    """Dies before a rollup of the second flush."""
    told: list[str] = []

    def doom(topic: str, key: bytes) -> bool:
        if at_marker(topic, key):
            told.append("marker")
        elif told and topic.endswith(".rollups"):
            told.append("rollup")
        return len(told) > number + 1

    return doom


@pytest.mark.parametrize(
    ("doom", "logged"),
    [
        (at_chunk(0), False),
        (at_chunk(1), False),
        (at_marker, False),
        (at_rollup(0), True),
        (at_rollup(3), True),
        (None, True),
    ],
    ids=["first-chunk", "second-chunk", "marker", "first-rollup", "fourth-rollup", "acknowledgement"],
)
async def test_killed_in_a_flush(
    deployment: Deployment, doom: Callable[[str, bytes], bool] | None, *, logged: bool
) -> None:
    """Wherever in a flush its owner dies, the next one goes on: nothing is lost, nothing counts twice."""
    source = shop(24_000)
    begin = (source[0][:2_000], source[1][:200])
    async with Owner(deployment, doom=doom or (lambda *_: False)) as first:
        await first.recovery.take([0])
        while first.read(0, begin, 1_000):
            pass
        assert await first.flush()
        while first.read(0, source, 4_000):
            pass
        first.dies_at_ack = doom is None
        with pytest.raises(Killed):
            await first.flush()
    found = [decode_entry(record.value) for record in (await read_entries(deployment))[0] if record.value]
    assert sum(isinstance(entry, Marker) for entry in found) == 1 + logged
    async with Owner(deployment) as second:
        await second.recovery.take([0])
        await second.finish(0, source, 5_000)
    await assert_exact(deployment, source, oracle.OracleSettings())


@pytest.mark.parametrize("seed", range(3))
async def test_killed_again_and_again(deployment: Deployment, seed: int) -> None:
    """Owners that die after any message, while they take over too: counts are those of no crash at all."""
    rng, lives = random.Random(seed), 0
    source = traffic(seed, 600)
    while True:
        lives += 1
        left = [rng.randrange(25) if lives < 25 else 10_000]

        def doom(_topic: str, _key: bytes, left: list[int] = left) -> bool:
            left[0] -= 1
            return left[0] < 0

        async with Owner(deployment, at(HOUR) - lives, settings=SMALL, doom=doom) as owner:
            try:
                await owner.recovery.take([0])
                await owner.finish(0, source, rng.randint(5, 40))
            except Killed:
                continue
            break
    assert lives > 10
    await assert_exact(deployment, source, SMALL_SETTINGS)


# --- two at once ----------------------------------------------------------------------------------


async def test_an_owner_that_does_not_know_that_it_is_over(deployment: Deployment) -> None:
    """It goes on as if nothing had happened: nothing of that counts, and at its next flush it notices."""
    source = shop(3_000)
    async with Owner(deployment) as old, Owner(deployment) as new:
        await old.recovery.take([0, 1])
        old.read(0, source, 1_000)
        old.read(0, source, 1_000)
        assert await old.flush()
        old.read(0, source, 1_000)
        await new.recovery.take([0])
        # In the log, though void; not in the shards, though fences would make it stale.
        told = len((await read_topic(deployment.bootstrap_servers, deployment.rollups))[0])
        acked = old.acked
        assert await old.flush()
        assert len((await read_topic(deployment.bootstrap_servers, deployment.rollups))[0]) == told
        assert old.acked == acked
        assert old.counting.partitions.keys() == {1}
        new.read(0, source, 1_000)
        assert await new.flush()
        await new.recovery.give([0])
    async with Owner(deployment) as third:
        await third.recovery.take([0])
        await third.finish(0, source)
    await assert_exact(deployment, source, oracle.OracleSettings())


async def test_an_owner_that_sleeps_between_log_and_rollups(deployment: Deployment) -> None:
    """Its flush is in the log, so the next owner has sent its rollups; when it wakes, its own count nothing."""
    source, awake = shop(3_000), [False]

    def doom(topic: str, _: bytes) -> bool:
        return topic.endswith(".rollups") and not awake[0]

    async with Owner(deployment, doom=doom) as old, Owner(deployment) as new:
        awake[0] = True
        await old.recovery.take([0])
        awake[0] = False
        while old.read(0, source, 1_000):
            pass
        with pytest.raises(Killed):
            await old.flush()
        await new.recovery.take([0])
        await new.finish(0, source)
        awake[0] = True
        assert await old.flush()
    await assert_exact(deployment, source, oracle.OracleSettings())


async def test_two_that_take_a_partition_at_once(deployment: Deployment) -> None:
    """One of them counts it, whoever reads the log says the same, and nothing is lost."""
    source = shop(2_000)
    async with Owner(deployment) as first:
        await first.recovery.take([0])
        first.read(0, source, 1_000)
        assert await first.flush()
    async with Owner(deployment, at(HOUR) + 1) as one, Owner(deployment, at(HOUR) + 1) as two:
        await asyncio.gather(one.recovery.take([0]), two.recovery.take([0]))
        for owner in (one, two):
            if 0 in owner.counting.partitions:
                await owner.finish(0, source)
    assert {len(owner.counting.partitions) for owner in (one, two)} <= {0, 1}
    # Who does not count it has asked the group to settle that.
    assert all(owner.contested or owner.counting.partitions for owner in (one, two))
    async with Owner(deployment, at(HOUR) + 9) as last:
        await last.recovery.take([0])
        await last.finish(0, source)
    await assert_exact(deployment, source, oracle.OracleSettings())


# --- a log that is not whole ------------------------------------------------------------------------


def of_another_version(record: Record) -> Record:
    """An entry of a program to come."""
    value = record.value or b""
    return record._replace(value=value[:3] + bytes([value[3] + 1]) + value[4:])


def of_nobody(record: Record) -> Record:
    """What never was an entry."""
    return record._replace(value=b"hello")


def cut_short(record: Record) -> Record:
    """The first half."""
    value = record.value or b""
    return record._replace(value=value[: len(value) // 2])


def flipped(record: Record) -> Record:
    """One bit is another."""
    entry = decode_entry(record.value or b"")
    assert isinstance(entry, Chunk)
    data = bytes([*entry.data[:-1], entry.data[-1] ^ 1])
    return record._replace(value=encode_entry(Chunk(entry.generation, entry.flush, entry.index, data)))


def gone(record: Record) -> Record:
    """Deleted."""
    return record._replace(value=None)


# Where entries of the log stand: a claim, a life, and then two flushes of a chunk and a marker each.
FIRST_CHUNK, FIRST_MARKER, LAST_CHUNK, LAST_MARKER = 2, 3, 4, 5


@pytest.mark.parametrize(
    ("place", "harm", "said"),
    [
        (FIRST_CHUNK, of_another_version, "offset {0}: state version 6, this build reads version 5"),
        (LAST_MARKER, of_another_version, "offset {0}: state version 6, this build reads version 5"),
        (FIRST_CHUNK, of_nobody, "offset {0}: not an entry of this log: of an older version, or not ours"),
        (LAST_MARKER, cut_short, "offset {0}: a damaged entry"),
        (LAST_CHUNK, flipped, "offset {1}: flush 1 is damaged: its checksum is wrong"),
        (FIRST_CHUNK, gone, "offset {1}: flush 0 is incomplete: chunk 1 of 1 is missing"),
        (LAST_CHUNK, gone, "offset {1}: flush 1 is incomplete: chunk 1 of 1 is missing"),
        (FIRST_MARKER, gone, "offset {2}: flushes from number 0 of life 1762693200000 on are missing"),
    ],
)
async def test_a_state_that_is_not_whole_is_refused(
    deployment: Deployment, place: int, harm: Callable[[Record], Record], said: str
) -> None:
    """Nobody counts on from half a state: the error says where it is and what to do, and that helps."""
    source = shop(500, seconds=20)
    async with Owner(deployment) as first:
        await first.recovery.take([0, 1])
        for number in (0, 1):
            while first.read(number, source, 400):
                pass
        assert await first.flush()
        assert await first.flush(silent=True)
    whole = (await read_entries(deployment))[0]
    assert len(whole) == LAST_MARKER + 1
    # The log as it was, but for one entry: what stood before is deleted.
    for record in whole:
        harmed = harm(record) if record.offset == place else record
        await append(deployment, 0, harmed.key, harmed.value)
    await delete_entries(deployment, 0, len(whole))
    with pytest.raises(CodecError) as refused:
        async with Owner(deployment) as second:
            await second.recovery.take([0])
    where = said.format(len(whole) + place, len(whole) + place + 1, len(whole) + LAST_MARKER)
    assert str(refused.value) == (
        f"{name_of(deployment)}: state of partition 0: {where}; "
        "to count on without it, set the topic's cleanup.policy to compact,delete, "
        "delete the records of the partition, and set it back"
    )
    # Another partition's state is whole, and with the records gone there is none to refuse.
    await delete_entries(deployment, 0)
    async with Owner(deployment) as third:
        await third.recovery.take([0, 1])
        assert [reading.next_offset for reading in third[0].readings] == [None, None]
        assert [reading.next_offset for reading in third[1].readings] == [500, 50]


async def test_without_the_state_topic_nothing_is_counted(deployment: Deployment) -> None:
    """A missing partition of the state topic is an error at once, not a wait."""
    async with Owner(deployment) as owner:
        with pytest.raises(TopicError, match=r"\.state: no partition 9"):
            await owner.recovery.take([0, 9])


# --- there and back ---------------------------------------------------------------------------------


async def test_a_partition_that_comes_back_at_once_is_not_read_again(deployment: Deployment) -> None:
    """Its state was kept, so that the old part of the log is not even needed; it counts on from there."""
    source = shop(2_000)
    async with Owner(deployment) as owner:
        await owner.recovery.take([0, 1])
        owner.read(0, source, 1_000)
        owner.read(0, source, 1_000)
        assert await owner.flush()
        counts, others = owner[0].counts, owner[1].counts
        await owner.recovery.give([0, 1])
        await delete_entries(deployment, 0)
        await owner.recovery.take([0])
        assert owner[0].counts is counts
        await owner.finish(0, source)
        # What went elsewhere is not kept any longer than it takes to know that.
        await owner.recovery.take([1])
        assert owner[1].counts is not others
    await assert_exact(deployment, source, oracle.OracleSettings())


@pytest.mark.parametrize("flushed", [False, True])
async def test_a_partition_that_comes_back_from_somebody_else(
    deployment: Deployment, *, flushed: bool
) -> None:
    """What the other one counted is in what is counted on from, though its own beginning may be gone by then."""
    source = shop(3_000)
    async with Owner(deployment) as owner, Owner(deployment) as other:
        await owner.recovery.take([0])
        owner.read(0, source, 1_000)
        owner.read(0, source, 1_000)
        assert await owner.flush()
        counts = owner[0].counts
        await owner.recovery.give([0])
        await other.recovery.take([0])
        if flushed:
            other.read(0, source, 1_000)
            assert await other.flush()
        await owner.recovery.take([0])
        assert (owner[0].counts is counts) is not flushed
        await owner.finish(0, source)
    await assert_exact(deployment, source, oracle.OracleSettings())


# --- where the log ends ------------------------------------------------------------------------------


async def test_a_log_that_ends_in_tombstones_and_junk(deployment: Deployment) -> None:
    """Its end is found behind all of that, and none of that changes what is counted."""
    source = shop(2_000)
    async with Owner(deployment) as first:
        await first.recovery.take([0])
        while first.read(0, source, 1_000):
            pass
        assert await first.flush()
        generation = first[0].log.generation
    for number in range(70):
        await append(deployment, 0, f"chunk/{generation - 1}/{number}/0".encode(), None)
    zombie = Chunk(generation - 1, 7, 0, b"of a life that is over")
    await append(deployment, 0, b"chunk/1/7/0", encode_entry(zombie))
    await append(deployment, 0, b"chunk/1/7/0", None)
    async with Owner(deployment) as second:
        await second.recovery.take([0])
        await second.finish(0, source)
    await assert_exact(deployment, source, oracle.OracleSettings())


async def test_a_log_that_is_compacted(
    kafka_cluster: MakeKafkaCluster, topic_names: TopicNames, tmp_path: Path
) -> None:
    """What later flushes made needless is gone, its end too; the rest is the whole state."""
    cluster = kafka_cluster(properties={"log.cleaner.backoff.ms": "200"})
    deployment = Deployment(cluster.bootstrap_servers, topic_names.prefix, tmp_path)
    await create_topics(deployment.settings())
    for name in ("segment.ms", "delete.retention.ms", "min.cleanable.dirty.ratio"):
        await configure(deployment, name, "0.01" if name.endswith("ratio") else "100")
    source = shop(6_000, seconds=600)
    half = source[0][:3_000], source[1][:300]
    async with Owner(deployment) as first:
        await first.recovery.take([0])
        await first.finish(0, half, 50)
        assert first[0].log.begin.offset > 10

    async def compacted() -> bool:
        await append(deployment, 0, b"nobody", None)  # a segment is closed when something new comes
        return (await read_entries(deployment))[0][0].offset > 10

    await until(compacted, seconds=60, what="the log is compacted")
    async with Owner(deployment) as second:
        await second.recovery.take([0])
        await second.finish(0, source, 500)
    await assert_exact(deployment, source, oracle.OracleSettings())


async def test_how_far_reading_has_come_is_told(
    deployment: Deployment, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readiness, the log and a gauge say how much of a state is read, at which pace and until when."""
    # Else only what takes longer than a second is told, and a fast machine has nothing to say.
    monkeypatch.setattr("streams.worker.state_topic._SAY_SECONDS", 0.0)
    caplog.set_level("INFO")
    visitors = 60_000
    values = [
        b'{"event_id":"e%d","event_time":%d,"event":"click","visitor_id":"v%d","sku":"S%d"}'
        % (n, T0, n, n % 999)
        for n in range(visitors)
    ]
    source = stream(values), stream([])
    async with Owner(deployment) as first:
        await first.recovery.take([0])
        await first.finish(0, source, 6_000)
    caplog.clear()
    left: list[float | None] = []
    async with Owner(deployment) as second:
        second.on_said = lambda: left.append(
            second.registry.get_sample_value("funnelwatch_recovery_left_entries")
        )
        await second.recovery.take([0])
        assert second[0].readings[0].next_offset == visitors
        assert second.registry.get_sample_value("funnelwatch_recovery_left_entries") == 0
        assert second.registry.get_sample_value("funnelwatch_recovery_seconds_count") == 1
    told = [
        re.fullmatch(r"reading state: (\d+) of (\d+) entries, \d+ a second, \d+ s left", said)
        for said in second.said
    ]
    assert told
    progress = [(int(found[1]), int(found[2])) for found in told if found]
    assert len(progress) == len(told) == len(left)
    assert left == [total - done for done, total in progress]
    assert [vars(r)["entries"] for r in caplog.records if r.message == "reading state"] == [
        done for done, _ in progress
    ]


# --- Kafka away -------------------------------------------------------------------------------------


@pytest.mark.timeout(240)
async def test_kafka_goes_away(
    kafka_cluster: MakeKafkaCluster, topic_names: TopicNames, tmp_path: Path
) -> None:
    """During a flush, while a partition goes and while one is taken over: nothing is lost and nothing hangs."""
    cluster = kafka_cluster()
    deployment = Deployment(cluster.bootstrap_servers, topic_names.prefix, tmp_path)
    await create_topics(deployment.settings())
    source = shop(4_000)
    async with Owner(deployment, patience_seconds=0.5) as owner:
        await owner.recovery.take([0])
        owner.read(0, source, 1_000)
        owner.read(0, source, 1_000)
        assert await owner.flush()
        await asyncio.to_thread(cluster.kill_broker, 0)
        owner.read(0, source, 1_000)
        for _ in range(2):
            assert not await owner.flush()
        await asyncio.to_thread(cluster.start_broker, 0)
        await until(owner.flush, seconds=60, what="kafka takes the flush")
        owner.read(0, source, 1_000)
        await asyncio.to_thread(cluster.kill_broker, 0)
        await owner.recovery.give([0])
        assert owner.counting.partitions == {}
        with pytest.raises(KafkaUnreachable):
            async with asyncio.timeout(60):
                await owner.recovery.take([0])
        told: list[str] = []
        taking = asyncio.create_task(patiently(partial(owner.recovery.take, [0]), told.append, 120))
        await until(lambda: bool(told), seconds=60, what="word of waiting")
        await asyncio.to_thread(cluster.start_broker, 0)
        await taking
        await owner.finish(0, source)
    await assert_exact(deployment, source, oracle.OracleSettings())
