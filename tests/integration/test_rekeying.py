"""Sources that are not keyed by visitor, republished on Apache Kafka: counted as if they were keyed."""

from __future__ import annotations

import json
import signal
from collections import Counter, defaultdict
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.clock import SystemClock
from streams.core.republished import Republished, origin_of
from streams.core.settings import CountingSettings
from streams.demo.shop import ShopSettings
from streams.demo.simulator import TrafficSettings, simulate
from streams.events import Record, RecordBatch
from streams.replay import count_records
from streams.worker.entry import create_topics
from streams.worker.rekeying import MAX_VALUE_BYTES
from tests.support import oracle
from tests.support.batch_reader import create
from tests.support.builders import at, event
from tests.support.producing import Message, produce
from tests.support.rekey_worker import RekeyProcess, RekeyWorker
from tests.support.workers import Deployment, WorkerProcess, merged_counts, read_topic, until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from streams.demo.simulator import SimulatedRecord
    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

Place = tuple[str, int, int]
NAMES = ("clickstream", "orders")
KEYED = 4


async def deployment_of(
    kafka: KafkaCluster, names: TopicNames, folder: Path, raw: tuple[int, int]
) -> Deployment:
    """A deployment whose raw topics have these many partitions; the keyed ones have four."""
    made = Deployment(
        kafka.bootstrap_servers,
        names.prefix,
        folder,
        {
            "TOPICS__REKEY": "true",
            "TOPICS__PARTITIONS": str(KEYED),
            "TOPICS__KEYED_CLICKSTREAM": names("keyed.clickstream"),
            "TOPICS__KEYED_ORDERS": names("keyed.orders"),
            "TOPICS__PROGRESS": names("progress"),
            "KAFKA__SESSION_TIMEOUT": "6s",
            "KAFKA__HEARTBEAT_INTERVAL": "1s",
        },
    )
    for topic, partitions in zip((made.clickstream, made.orders), raw, strict=True):
        await create(kafka.bootstrap_servers, topic, partitions, {"retention.ms": "-1"})
    await create_topics(made.settings())
    return made


def shop_traffic(seed: int, seconds: int, rate: int = 1_000) -> list[SimulatedRecord]:
    """A small shop with repeated, invalid and future events, in order but for a few seconds."""
    start_ms = SystemClock().now_ms() - seconds * 1000
    shop = ShopSettings(seed=seed, slots=6, banners=5, skus=40, visitors=2_000)
    settings = TrafficSettings(
        start_ms=start_ms,
        rate=rate,
        duration_ms=seconds * 1000,
        shop=shop,
        late=0.0,
        future=0.002,
        invalid=0.005,
    )
    return list(simulate(settings))


async def write_unkeyed(
    deployment: Deployment, records: Sequence[SimulatedRecord], raw: tuple[int, int], seed: int = 0
) -> None:
    """Write records into partitions by chance."""
    rng = Random(seed)
    topics = dict(zip(NAMES, (deployment.clickstream, deployment.orders), strict=True))
    counts = dict(zip(NAMES, raw, strict=True))
    await produce(
        deployment.bootstrap_servers,
        [
            Message(
                topics[item.topic],
                item.value,
                item.key,
                rng.randrange(counts[item.topic]),
                item.arrival_ms,
            )
            for item in records
        ],
    )


def keyed_by_hand(records: Sequence[SimulatedRecord]) -> list[tuple[list[Record], list[Record]]]:
    """The stream as a shop would have written it that keys by visitor."""
    parts: list[tuple[list[Record], list[Record]]] = [([], []) for _ in range(3)]
    for item in records:
        into = parts[crc32(item.key) % 3][NAMES.index(item.topic)]
        into.append(Record(len(into), item.arrival_ms, item.value))
    return parts


async def keyed_topics(deployment: Deployment) -> list[list[list[Record]]]:
    """What lies in the keyed topics, per topic and partition."""
    names = deployment.settings().topics.counted
    return [list((await read_topic(deployment.bootstrap_servers, name)).values()) for name in names]


def filtered(records: list[Record], rng: Random) -> list[Record]:
    """What counting sees of one keyed partition, read in batches of any size, restarting in between."""
    republished, seen, start = Republished(), [], 0
    while start < len(records):
        end = start + rng.randint(1, 3_000)
        batch = republished.fresh(RecordBatch.of(records[start:end]))
        seen += [] if batch is None else [batch.record(at) for at in range(len(batch.offsets))]
        start = end
        if start < len(records):
            state = json.loads(json.dumps(republished.state(records[start].offset)))
            republished = Republished()
            republished.restore(state)
    return seen


async def counted_topics(deployment: Deployment) -> list[tuple[list[Record], list[Record]]]:
    """Per keyed partition what counting sees of clickstream and orders."""
    rng = Random(1)
    clicks, orders = await keyed_topics(deployment)
    return [(filtered(a, rng), filtered(b, rng)) for a, b in zip(clicks, orders, strict=True)]


async def keyed_length(deployment: Deployment) -> int:
    """How many records lie in the keyed topics: the cheap question before the dear one."""
    consumer = AIOKafkaConsumer(bootstrap_servers=deployment.bootstrap_servers)
    await consumer.start()
    try:
        names = deployment.settings().topics.counted
        tps = [TopicPartition(name, number) for name in names for number in range(KEYED)]
        return sum((await consumer.end_offsets(tps)).values())
    finally:
        await consumer.stop()


async def raw_records(deployment: Deployment) -> list[tuple[Place, Record]]:
    """Every raw record and where it stands, partition after partition."""
    return [
        ((name, partition, record.offset), record)
        for name, topic in zip(NAMES, (deployment.clickstream, deployment.orders), strict=True)
        for partition, records in (await read_topic(deployment.bootstrap_servers, topic)).items()
        for record in records
    ]


async def raw_places(deployment: Deployment) -> set[Place]:
    """Where every raw record stands."""
    return {place for place, _ in await raw_records(deployment)}


async def published_places(deployment: Deployment) -> list[Place]:
    """Where every record in the keyed topics comes from, repetitions too."""
    places = []
    for name, partitions in zip(NAMES, await keyed_topics(deployment), strict=True):
        origins = [origin_of(record) for records in partitions for record in records]
        places += [(name, origin.partition, origin.offset) for origin in origins if origin is not None]
    return places


async def everything_is_published(deployment: Deployment, wanted: set[Place]) -> None:
    """Wait until every raw record is in the keyed topics."""

    async def done() -> bool:
        enough = await keyed_length(deployment) >= len(wanted)
        return enough and set(await published_places(deployment)) >= wanted

    await until(done, seconds=90, what="every record is republished")


def tables(counts: Any) -> tuple[dict[Any, Any], ...]:
    """Everything counted, to be compared."""
    return dict(counts.cells), dict(counts.money), dict(counts.outcomes)


def added(
    parts: Sequence[tuple[list[Record], list[Record]]],
    settings: oracle.OracleSettings = oracle.OracleSettings(),  # noqa: B008 - it is frozen
) -> tuple[dict[Any, Any], ...]:
    """What the oracle counts of all partitions."""
    return tables(oracle.add(oracle.count(a, b, settings) for a, b in parts))


async def assert_counted_as_if_keyed(
    deployment: Deployment, records: Sequence[SimulatedRecord]
) -> dict[str, int]:
    """Every raw record counts once, where its visitor is, and all counts are those of a keyed stream."""
    await everything_is_published(deployment, await raw_places(deployment))
    parts = await counted_topics(deployment)
    assert sum(len(a) + len(b) for a, b in parts) == len(records)
    assert added(parts) == added(keyed_by_hand(records))
    for clicks, orders in parts:
        ours = count_records(clicks, orders, CountingSettings())
        assert tables(ours) == tables(oracle.count(clicks, orders, oracle.OracleSettings()))
    outcomes: dict[str, int] = defaultdict(int)
    for (_, outcome), number in added(parts)[2].items():
        outcomes[str(outcome)] += number
    return outcomes


async def test_a_stream_by_chance_is_counted_as_if_keyed(
    kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path
) -> None:
    """Whatever partitions records lie in, and however many there are, counts are those of the keyed stream."""
    deployment = await deployment_of(kafka, topic_names, tmp_path, (8, 3))
    records = shop_traffic(1, 20)
    await write_unkeyed(deployment, records, (8, 3))
    async with RekeyWorker(deployment.settings()):
        outcomes = await assert_counted_as_if_keyed(deployment, records)
    assert {"accepted", "duplicate", "invalid", "future"} <= outcomes.keys()
    # One owner from beginning to end sends nothing twice.
    assert len(await published_places(deployment)) == len(records)


async def test_workers_count_a_stream_by_chance(
    kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path
) -> None:
    """Whole workers, one of them killed on the way: rollups add up to the counts of the stream as if keyed."""
    # Ten seconds are written at once, so one partition has them before the next has any.
    wide = {"COUNTING__MAX_OUT_OF_ORDERNESS": "60s"}
    made = await deployment_of(kafka, topic_names, tmp_path, (6, 3))
    deployment = replace(made, overrides={**made.overrides, **wide})
    settings = oracle.OracleSettings(max_out_of_orderness_ms=60_000)
    records = shop_traffic(5, 30, 400)
    third = len(records) // 3
    with WorkerProcess(deployment, "first") as first, WorkerProcess(deployment, "second") as second:
        await write_unkeyed(deployment, records[:third], (6, 3), 1)
        await until(lambda: first.ready() and second.ready(), seconds=60, what="both are ready")
        await write_unkeyed(deployment, records[third : 2 * third], (6, 3), 2)
        first.process.kill()
        await write_unkeyed(deployment, records[2 * third :], (6, 3), 3)

        async def everything_has_an_outcome() -> bool:
            return sum((await merged_counts(deployment)).outcomes.values()) >= len(records)

        await until(everything_has_an_outcome, seconds=90, what="every record has an outcome")
    merged = await merged_counts(deployment)
    expected = added(keyed_by_hand(records), settings)
    assert tables(merged)[:2] == expected[:2]
    assert sum(merged.outcomes.values()) == len(records)


def event_times(records: Sequence[Record]) -> list[int | None]:
    """Event time per record; None where it says nothing that counting would go by."""
    times: list[int | None] = []
    for record in records:
        try:
            document = json.loads(record.value or b"")
            visitor, time = document["visitor_id"], document["event_time"]
        except (ValueError, KeyError, TypeError):
            visitor, time = None, None
        usable = isinstance(visitor, str) and isinstance(time, int)
        future = usable and time > record.timestamp_ms + CountingSettings().max_future_ms
        times.append(time if usable and not future else None)
    return times


def behind(records: Sequence[Record]) -> list[int]:
    """By how much each record lies behind the newest event time before it."""
    newest, found = 0, []
    for time in event_times(records):
        newest = max(newest, time or 0)
        found.append(0 if time is None else newest - time)
    return found


async def raw_lateness(deployment: Deployment) -> dict[Place, int]:
    """By how much every raw record lies behind in its own partition."""
    found: dict[Place, int] = {}
    for name, topic in zip(NAMES, (deployment.clickstream, deployment.orders), strict=True):
        for partition, records in (await read_topic(deployment.bootstrap_servers, topic)).items():
            for record, late in zip(records, behind(records), strict=True):
                found[name, partition, record.offset] = late
    return found


async def arrival_lateness(deployment: Deployment) -> dict[Place, int]:
    """By how much every raw record lies behind all that arrived before it in any partition."""
    arrived = sorted(await raw_records(deployment), key=lambda item: item[1].timestamp_ms)
    late = behind([record for _, record in arrived])
    return {place: by for (place, _), by in zip(arrived, late, strict=True)}


async def added_disorder_ms(deployment: Deployment, before: Mapping[Place, int]) -> int:
    """By how much more a record lies behind in its keyed partition than it did before, at most."""
    worst = 0
    for pair in await counted_topics(deployment):
        for name, records in zip(NAMES, pair, strict=True):
            for record, late in zip(records, behind(records), strict=True):
                origin = origin_of(record)
                assert origin is not None
                worst = max(worst, late - before[name, origin.partition, origin.offset])
    return worst


def both_have_some(one: RekeyWorker, two: RekeyWorker) -> bool:
    """Whether the group has settled on two members."""
    return bool(one.assigned) and bool(two.assigned) and not one.assigned & two.assigned


async def test_a_backlog_read_by_two_workers_stays_in_step(
    kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path
) -> None:
    """Of a backlog of eight raw partitions nothing falls behind by more than half of the bound."""
    deployment = await deployment_of(kafka, topic_names, tmp_path, (8, 5))
    settings = deployment.settings()
    # Long enough that whoever read one partition whole before another would be far too late.
    records = shop_traffic(2, 200, rate=50)
    await write_unkeyed(deployment, records, (8, 5))
    one, two = RekeyWorker(settings), RekeyWorker(settings)
    # Neither may have read all before the other is there.
    one.may_take.clear()
    two.may_take.clear()
    async with one, two:
        await until(lambda: both_have_some(one, two), seconds=60, what="each has some partitions")
        one.may_take.set()
        two.may_take.set()
        await assert_counted_as_if_keyed(deployment, records)
        assert min(sum(one.rekeying.published), sum(two.rekeying.published)) > len(records) // 10
    added_ms = await added_disorder_ms(deployment, await raw_lateness(deployment))
    assert added_ms <= settings.counting.max_out_of_orderness_ms // 2


async def test_what_a_killed_worker_left_unread_is_not_overtaken(
    kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path
) -> None:
    """It had nothing left to read when it died; what came then waits for its heir, and so does the rest."""
    made = await deployment_of(kafka, topic_names, tmp_path, (6, 3))
    # Time enough to write and read before Kafka notices, on a busy machine too.
    deployment = replace(made, overrides={**made.overrides, "KAFKA__SESSION_TIMEOUT": "20s"})
    settings = deployment.settings()
    records = shop_traffic(6, 30, 100)
    # A second: what is written at once reaches one partition before the next, and may be that much late.
    begin = len(records) // 30
    async with RekeyWorker(settings) as survivor:
        with RekeyProcess(deployment, "gone"):
            await until(lambda: 0 < len(survivor.assigned) < 9, seconds=60, what="each has some partitions")
            await write_unkeyed(deployment, records[:begin], (6, 3))
            await everything_is_published(deployment, await raw_places(deployment))
            mine = survivor.assigned
            survivor.may_take.clear()
        # Killed. Far more event time than may be between two streams, and its share is nobody's to read yet.
        await write_unkeyed(deployment, records[begin:], (6, 3), 1)
        wanted = await raw_places(deployment)
        ends = Counter((name, partition) for name, partition, _ in wanted)
        names = dict(zip(survivor.rekeying.topics.raw, NAMES, strict=True))

        def all_mine_is_read() -> bool:
            return all(
                survivor.position(*tp).next_offset == ends[names[tp.topic], tp.partition] for tp in mine
            )

        await until(all_mine_is_read, seconds=15, what="its own partitions are read")
        assert survivor.assigned == mine
        survivor.may_take.set()
        await assert_counted_as_if_keyed(deployment, records)
    # Who has nothing left is overtaken by what came to others until then, so it is arrival that counts.
    added_ms = await added_disorder_ms(deployment, await arrival_lateness(deployment))
    assert added_ms <= settings.counting.max_out_of_orderness_ms // 2


async def test_a_killed_worker_loses_nothing_and_counts_nothing_twice(
    kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path
) -> None:
    """Killed in the middle again and again: all is there, and what is there twice is not seen twice."""
    deployment = await deployment_of(kafka, topic_names, tmp_path, (5, 3))
    records = shop_traffic(3, 30)
    await write_unkeyed(deployment, records, (5, 3))
    for number in range(1, 4):
        so_far = await keyed_length(deployment)
        with RekeyProcess(deployment, f"killed {number}"):

            async def further(least: int = so_far + len(records) // 5) -> bool:
                return await keyed_length(deployment) >= least

            await until(further, seconds=60, what="a part is republished")
    with RekeyProcess(deployment, "last"):
        await assert_counted_as_if_keyed(deployment, records)
    # Else this has shown nothing.
    assert await keyed_length(deployment) > len(records)


async def test_a_worker_that_wakes_up_does_no_harm(
    kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path
) -> None:
    """Paused until its partitions are another's, it sends on what it had: counts stay what they are."""
    deployment = await deployment_of(kafka, topic_names, tmp_path, (5, 3))
    records = shop_traffic(4, 20)
    half = len(records) // 2
    await write_unkeyed(deployment, records[:half], (5, 3))
    with RekeyProcess(deployment, "zombie") as zombie:

        async def begun() -> bool:
            return await keyed_length(deployment) >= 1

        await until(begun, seconds=60, what="it republishes")
        zombie.process.signal(signal.SIGSTOP)
        await write_unkeyed(deployment, records[half:], (5, 3), seed=1)
        with RekeyProcess(deployment, "next"):
            await everything_is_published(deployment, await raw_places(deployment))
            zombie.process.signal(signal.SIGCONT)
            length = await keyed_length(deployment)
            # It has left the group, and comes back.
            await until(lambda: "Heartbeat" in zombie.process.log_tail(400), seconds=60, what="it notices")
            await assert_counted_as_if_keyed(deployment, records)
    assert await keyed_length(deployment) >= length


async def test_bad_input_goes_through(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> None:
    """Tombstones, garbage, huge records, records without key and value: each is there once, as it was."""
    deployment = await deployment_of(kafka, topic_names, tmp_path, (2, 1))
    values = [
        None,
        b"",
        b"\xff\xfe",
        b"not json",
        b"[1]",
        b'{"visitor_id": 7}',
        b"[" * 50_000,
        event("click", "v", event_time="yesterday"),
        event("click", ""),
        b"x" * 900_000,
        event("click", "v"),
    ]
    messages = [
        Message(deployment.clickstream, value, key, number % 2, at(number))
        for number, value in enumerate(values)
        for key in (None, b"k")
    ]
    places = await produce(kafka.bootstrap_servers, messages)
    wanted = {
        ("clickstream", place.partition, place.offset): message
        for place, message in zip(places, messages, strict=True)
    }
    async with RekeyWorker(deployment.settings()):
        await everything_is_published(deployment, set(wanted))
    seen = [record for clicks, _ in await counted_topics(deployment) for record in clicks]
    assert len(seen) == len(messages)
    for record in seen:
        origin = origin_of(record)
        assert origin is not None
        message = wanted["clickstream", origin.partition, origin.offset]
        assert record.value == (message.value and message.value[:MAX_VALUE_BYTES])
        assert (record.key, record.timestamp_ms) == (message.key, message.timestamp_ms)


async def test_a_key_that_fits_nowhere(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> None:
    """A key larger than any topic of ours takes is left out; the record is there."""
    deployment = await deployment_of(kafka, topic_names, tmp_path, (1, 1))
    admin = {"max.message.bytes": str(8 << 20)}
    topic = f"{deployment.clickstream}.huge"
    await create(kafka.bootstrap_servers, topic, 1, admin)
    huge = Deployment(
        kafka.bootstrap_servers,
        deployment.prefix,
        tmp_path,
        dict(deployment.overrides) | {"TOPICS__CLICKSTREAM": topic, "KAFKA__GROUP_ID": f"{topic}.group"},
    )
    await produce(
        kafka.bootstrap_servers, [Message(topic, event("click", "v"), Random(1).randbytes(5 << 20), 0)]
    )
    async with RekeyWorker(huge.settings()):

        async def there() -> bool:
            return await keyed_length(huge) == 1

        await until(there, seconds=60, what="it is republished")
    (record,) = [record for part in (await keyed_topics(huge))[0] for record in part]
    assert record.key is None
