"""Sources that are not keyed by visitor, republished on Apache Kafka: counted as if they were keyed."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from random import Random
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pytest

from streams.clock import SystemClock
from streams.core.republished import Republished, origin_of
from streams.core.settings import CountingSettings
from streams.demo.shop import ShopSettings
from streams.demo.simulator import TrafficSettings, simulate
from streams.events import Record, RecordBatch
from streams.replay import count_records
from streams.worker.entry import create_topics
from tests.support import oracle
from tests.support.batch_reader import create
from tests.support.producing import Message, produce
from tests.support.rekey_worker import RekeyProcess, RekeyWorker
from tests.support.workers import Deployment, read_topic, until

if TYPE_CHECKING:
    from collections.abc import Sequence
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


async def raw_places(deployment: Deployment) -> set[Place]:
    """Where every raw record stands."""
    return {
        (name, partition, record.offset)
        for name, topic in zip(NAMES, (deployment.clickstream, deployment.orders), strict=True)
        for partition, records in (await read_topic(deployment.bootstrap_servers, topic)).items()
        for record in records
    }


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
        return set(await published_places(deployment)) >= wanted

    await until(done, seconds=90, what="every record is republished")


def tables(counts: Any) -> tuple[dict[Any, Any], ...]:
    """Everything counted, to be compared."""
    return dict(counts.cells), dict(counts.money), dict(counts.outcomes)


def added(parts: Sequence[tuple[list[Record], list[Record]]]) -> tuple[dict[Any, Any], ...]:
    """What the oracle counts of all partitions."""
    return tables(oracle.add(oracle.count(a, b, oracle.OracleSettings()) for a, b in parts))


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
    records = shop_traffic(1, 40)
    await write_unkeyed(deployment, records, (8, 3))
    async with RekeyWorker(deployment.settings()):
        outcomes = await assert_counted_as_if_keyed(deployment, records)
    assert {"accepted", "duplicate", "invalid", "future"} <= outcomes.keys()
    # One owner from beginning to end sends nothing twice.
    assert len(await published_places(deployment)) == len(records)
