"""Bad records among good ones through Kafka and a worker, the stop limit, and Kafka out of reach.

The corpus is that of :mod:`tests.support.bad_records`: every way we know to get a record wrong, with the
outcome, reason and field that each must get. What they must not disturb is counted by the oracle.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # confluent's stub hides it

from streams.clock import SystemClock
from streams.demo.shop import ShopSettings
from streams.demo.simulator import TrafficSettings, simulate
from streams.demo.sinks import partition_of
from streams.events import MAX_RECORD_BYTES, Outcome, Reason
from streams.heartbeats import encode_heartbeat
from streams.worker.entry import create_topics
from tests.support import oracle
from tests.support.apache_kafka import KafkaCluster
from tests.support.bad_records import bad_records, changed
from tests.support.pages import Totals, fetch, totals_of, totals_on
from tests.support.producing import Message, Place, produce
from tests.support.workers import Deployment, WorkerProcess, merged_counts, read_topic, until

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from streams.events import Record
    from tests.integration.conftest import TopicNames

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

PARTITIONS = 4
ELEVEN_MINUTES = 660_000
# What no record in native format can be turned away for.
NOT_NATIVE = {Reason.UNSUPPORTED_CONTENT}


class Verdict(NamedTuple):
    """What the dead letter of a record must say."""

    outcome: Outcome
    reason: str
    field: str


class Sent(NamedTuple):
    """A record to write, and why it must be turned away, if it must."""

    message: Message
    verdict: Verdict | None = None


def make_deployment(servers: str, names: TopicNames, folder: Path, **overrides: str) -> Deployment:
    """A deployment whose counters show everything at once."""
    shown = {"METRICS__ZERO_HOLD": "0s", "METRICS__VANISH_HOLD": "0s", "METRICS__MAX_KEYS": "1000"}
    return Deployment(servers, names.prefix, folder, shown | overrides)


@pytest.fixture
async def deployment(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> Deployment:
    """A deployment whose sources take records of 10 MB, as a careless shop's would."""
    made = make_deployment(kafka.bootstrap_servers, topic_names, tmp_path)
    wide = {"max.message.bytes": str(12 << 20)}
    new = [NewTopic(name, PARTITIONS, 1, config=wide) for name in (made.clickstream, made.orders)]
    admin = AdminClient({"bootstrap.servers": made.bootstrap_servers})
    for future in admin.create_topics(new).values():
        await asyncio.to_thread(future.result)
    await create_topics(made.settings())
    return made


def topics_of(deployment: Deployment) -> dict[str, str]:
    """What the sources are called in Kafka."""
    return {"clickstream": deployment.clickstream, "orders": deployment.orders}


def good_traffic(deployment: Deployment, seed: int, seconds: int, ago: int = 0) -> list[Message]:
    """A shop without defects but lateness, open until ``ago`` seconds ago; every partition has some of it."""
    topics = topics_of(deployment)
    start = SystemClock().now_ms() - (seconds + ago) * 1000
    shop = ShopSettings(seed=seed, slots=6, banners=5, skus=30, visitors=500)
    settings = TrafficSettings(
        start_ms=start, rate=100, duration_ms=seconds * 1000, invalid=0, future=0, duplicates=0, shop=shop
    )
    return [
        Message(topics[item.topic], item.value, item.key, partition_of(item.key, PARTITIONS), item.arrival_ms)
        for item in simulate(settings)
    ]


def corpus(deployment: Deployment) -> Iterable[Sent]:
    """Every bad record in native format, on any partition of either topic; half of them without a key."""
    chance = random.Random(7)
    now = SystemClock().now_ms()
    for number, bad in enumerate(item for item in bad_records() if item.format == "native"):
        topic = chance.choice([deployment.clickstream, deployment.orders])
        key = b"bad" if number % 2 else None
        message = Message(topic, bad.record.value, key, chance.randrange(PARTITIONS), now)
        yield Sent(message, Verdict(bad.outcome, bad.reason, bad.field))


def out_of_time(topic: str, now: int) -> Iterable[Sent]:
    """Events of an impossible time, one on each partition; they can be read, so no field is to blame."""
    for partition in range(PARTITIONS):
        for outcome, time_ms in (
            (Outcome.FUTURE, now + ELEVEN_MINUTES),
            (Outcome.TOO_LATE, now - ELEVEN_MINUTES),
        ):
            value = event(event_id=f"{outcome}-{partition}", event_time=time_ms)
            yield Sent(Message(topic, value, None, partition, now), Verdict(outcome, outcome, ""))


def event(**fields: Any) -> bytes:
    """A click with other fields."""
    return changed("native.click", fields)


def mixed(deployment: Deployment) -> list[Sent]:
    """Good traffic with the corpus, repetitions, heartbeats and keyless events strewn in after its first third."""
    good = [Sent(message) for message in good_traffic(deployment, seed=11, seconds=20)]
    third = len(good) // 3
    now = SystemClock().now_ms()
    keyless = [
        Sent(Message(deployment.clickstream, event(event_id=f"no key {n}", event_time=now - 1000), None, n))
        for n in range(PARTITIONS)
    ]
    repeated = [Sent(sent.message) for sent in good[third - 20 : third]]
    beats = [Sent(Message(deployment.orders, encode_heartbeat(now), None, n)) for n in range(PARTITIONS)]
    strewn = [*corpus(deployment), *out_of_time(deployment.clickstream, now), *keyless, *repeated, *beats]
    chance = random.Random(8)
    # Stable: traffic stays in its order, everything else falls in between.
    places = {id(sent): third + chance.random() * (len(good) - third) for sent in strewn}
    places |= {id(sent): float(number) for number, sent in enumerate(good)}
    return sorted([*good, *strewn], key=lambda sent: places[id(sent)])


async def send(deployment: Deployment, sent: list[Sent]) -> dict[Place, Sent]:
    """Write records; each by the place it came to."""
    places = await produce(deployment.bootstrap_servers, (item.message for item in sent))
    return dict(zip(places, sent, strict=True))


async def truth(deployment: Deployment, bad: Mapping[Place, Verdict] | None = None) -> Totals:
    """What the oracle counts of the records in Kafka without the bad ones, and the outcomes of those."""
    bad = bad or {}
    read = {
        topic: {
            number: [record for record in records if (topic, number, record.offset) not in bad]
            for number, records in (await read_topic(deployment.bootstrap_servers, topic)).items()
        }
        for topic in (deployment.clickstream, deployment.orders)
    }
    clickstream, orders = read.values()
    result = oracle.add(oracle.count(clickstream[number], orders[number]) for number in clickstream)
    totals = totals_of(result, topics_of(deployment))
    totals.records.update((place.topic, str(verdict.outcome)) for place, verdict in bad.items())
    return totals


def exported(worker: WorkerProcess) -> Totals:
    """What the worker shows now."""
    return totals_on(fetch(f"http://{worker.address}/metrics")[1])


async def assert_counted(worker: WorkerProcess, expected: Totals) -> None:
    """Wait until what is exported is what is expected; where it never is, the differences are named."""
    with contextlib.suppress(AssertionError):
        await until(lambda: exported(worker) == expected, seconds=30, what="every record is counted")
    assert exported(worker).differences(expected) == []


async def dead_letters(deployment: Deployment) -> dict[Place, list[Record]]:
    """The dead letters by the place of the record that each is of."""
    found: dict[Place, list[Record]] = {}
    for records in (await read_topic(deployment.bootstrap_servers, deployment.deadletter)).values():
        for record in records:
            head = headers(record)
            place = Place(head["topic"], int(head["partition"]), int(head["offset"]))
            found.setdefault(place, []).append(record)
    return found


def headers(record: Record) -> dict[str, str]:
    """Headers as text."""
    return {name: value.decode() for name, value in record.headers}


def test_the_corpus_knows_every_reason() -> None:
    """Each reason that the native format can give is among the bad records: a new one must enter."""
    reasons = {bad.reason for bad in bad_records() if bad.format == "native"}
    assert reasons == set(Reason) - NOT_NATIVE


async def test_every_bad_record_gets_its_name_and_good_ones_are_counted(deployment: Deployment) -> None:
    """Each bad record is a dead letter with its reason and place; all others count; nothing disappears."""
    sent = await send(deployment, mixed(deployment))
    wanted = {place: item.verdict for place, item in sent.items() if item.verdict}
    expected = await truth(deployment, wanted)
    with WorkerProcess(deployment, "a") as worker:
        await until(worker.ready, seconds=30, what="the worker is ready")
        await assert_counted(worker, expected)
        assert worker.process.running
        assert exported(worker).records.total() == len(sent)
        assert {outcome for (_, outcome), n in exported(worker).records.items() if n} == set(Outcome)
    letters = await dead_letters(deployment)
    assert {place: [verdict_of(record) for record in records] for place, records in letters.items()} == {
        place: [verdict] for place, verdict in wanted.items()
    }
    for place, (letter,) in letters.items():
        assert_is_head_of(letter, sent[place].message)


def verdict_of(letter: Record) -> Verdict:
    """What the headers of a dead letter say."""
    head = headers(letter)
    return Verdict(Outcome(head["outcome"]), head["reason"], head["field"])


def assert_is_head_of(letter: Record, message: Message) -> None:
    """A dead letter has its record's key, the first 64 KiB of its value, and says how long that was."""
    assert (letter.key or None) == message.key  # aiokafka writes no record with neither key nor value
    assert letter.value == (None if message.value is None else message.value[:MAX_RECORD_BYTES])
    assert int(headers(letter)["bytes"]) == len(message.value or b"")


async def test_the_stop_limit_stops_and_a_higher_one_goes_on(
    kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path
) -> None:
    """Invalid records in a row end the worker, which says why; with a higher limit nothing is lost or twice."""
    limited = make_deployment(kafka.bootstrap_servers, topic_names, tmp_path, DEADLETTER__STOP_AFTER="50")
    await create_topics(limited.settings())
    await produce(kafka.bootstrap_servers, good_traffic(limited, seed=12, seconds=10, ago=60))
    with WorkerProcess(limited, "limited") as worker:
        await until(worker.ready, seconds=30, what="the worker is ready")
        await assert_counted(worker, await truth(limited))
        rubbish = [Message(limited.clickstream, b"<html>", None, 0) for _ in range(60)]
        places = await produce(kafka.bootstrap_servers, rubbish)
        assert await asyncio.to_thread(worker.process.wait, 30) == 1
    assert any("60 invalid records in a row" in text for text in log_reasons(worker.process.log))
    await produce(kafka.bootstrap_servers, good_traffic(limited, seed=13, seconds=10))
    raised = make_deployment(kafka.bootstrap_servers, topic_names, tmp_path, DEADLETTER__STOP_AFTER="1000")
    expected = await truth(raised)
    with WorkerProcess(raised, "raised") as worker:
        await until(worker.ready, seconds=30, what="the worker is ready again")
        await until(lambda: all_counted(raised, expected), seconds=40, what="every record has an outcome")
    # A counter begins anew with its process; what both have counted stands in the rollups.
    assert (await counted(raised)).differences(expected) == []
    assert set(places) == set(await dead_letters(raised))


async def counted(deployment: Deployment) -> Totals:
    """What all workers of a deployment have counted."""
    return totals_of(await merged_counts(deployment), topics_of(deployment))


async def all_counted(deployment: Deployment, expected: Totals) -> bool:
    """Whether every record has an outcome."""
    return (await counted(deployment)).records.total() >= expected.records.total()


def log_reasons(log: Path) -> list[str]:
    """The reasons that a worker's JSON log gives for errors."""
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines() if line.startswith("{")]
    return [str(line.get("reason", "")) for line in lines if line.get("level") == "ERROR"]


async def test_kafka_out_of_reach_is_waited_for(
    kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path
) -> None:
    """A worker that starts before Kafka says where it knocks, on ``/readyz`` and in its log; then it counts."""
    assert kafka.brokers  # there is a Kafka to be had, which the next line starts later
    cluster = KafkaCluster()
    deployment = make_deployment(cluster.bootstrap_servers, topic_names, tmp_path)
    reason = f"kafka unreachable: {cluster.bootstrap_servers}"
    try:
        with WorkerProcess(deployment, "early") as worker:
            ready_page = f"http://{worker.address}/readyz"
            await until(lambda: reason in fetch(ready_page)[1], seconds=20, what="/readyz says why")
            assert fetch(ready_page)[0] == 503
            assert fetch(f"http://{worker.address}/livez")[0] == 200
            assert "kafka unreachable, trying again" in worker.process.log.read_text("utf-8")
            await asyncio.to_thread(cluster.__enter__)
            await create_topics(deployment.settings())
            await produce(cluster.bootstrap_servers, good_traffic(deployment, seed=14, seconds=5))
            await until(worker.ready, seconds=60, what="the worker is ready")
            await assert_counted(worker, await truth(deployment))
    finally:
        await asyncio.to_thread(cluster.close)
