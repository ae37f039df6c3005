"""Topics are created and inspected on real Apache Kafka."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from confluent_kafka import Producer

from streams.durations import HOUR
from streams.errors import TopicError
from streams.topics import ProblemKind, Purpose, topic_specs
from streams.worker.topic_admin import CreatedTopics, create_topics, verify_topics
from tests.support.processes import free_ports

if TYPE_CHECKING:
    from streams.topics import TopicProblem, TopicSpec
    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster


def _specs(topic_names: TopicNames, **settings: Any) -> tuple[TopicSpec, ...]:
    names: dict[str, Any] = {purpose.value: topic_names(purpose.value) for purpose in Purpose}
    return topic_specs(**names, **settings)


def _names(specs: tuple[TopicSpec, ...]) -> tuple[str, ...]:
    return tuple(spec.name for spec in specs)


@pytest.mark.kafka
async def test_created_topics_are_as_wanted(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """Before creation all topics are missing; after it none has a problem, and all were created."""
    specs = _specs(topic_names, partitions=3, rollup_shards=2)
    before = await verify_topics(kafka.bootstrap_servers, specs)
    assert [(p.topic, p.kind) for p in before] == [(name, ProblemKind.MISSING) for name in _names(specs)]
    assert await create_topics(kafka.bootstrap_servers, specs) == CreatedTopics(_names(specs), ())
    assert await verify_topics(kafka.bootstrap_servers, specs) == []


@pytest.mark.kafka
async def test_creation_changes_nothing_that_is_there(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """A second creation reports every topic as existing; only what was missing is made."""
    specs = _specs(topic_names)
    await create_topics(kafka.bootstrap_servers, specs[:2])
    done = await create_topics(kafka.bootstrap_servers, specs)
    assert done == CreatedTopics(_names(specs)[2:], _names(specs)[:2])
    longer = _specs(topic_names, rollups_retention_ms=900 * HOUR)
    assert (await create_topics(kafka.bootstrap_servers, longer)).created == ()
    (problem,) = await verify_topics(kafka.bootstrap_servers, longer)
    assert (problem.topic, problem.kind) == (topic_names("rollups"), ProblemKind.RETENTION)


@pytest.mark.kafka
async def test_missing_topics_follow_the_shops_partitions(
    kafka: KafkaCluster, topic_names: TopicNames
) -> None:
    """Where the shop's clickstream has 7 partitions, orders and state are made with 7."""
    await create_topics(kafka.bootstrap_servers, _specs(topic_names, partitions=7)[:1])
    specs = _specs(topic_names, partitions=4)
    await create_topics(kafka.bootstrap_servers, specs)
    assert await verify_topics(kafka.bootstrap_servers, specs) == []


@pytest.mark.kafka
async def test_wrong_topics_are_named(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """Unequal partitions, a wrong policy, short retention and small messages come back from Kafka."""
    specs = _specs(topic_names)
    wrong = {
        Purpose.ORDERS: replace(specs[1], partitions=3),
        Purpose.ROLLUPS: replace(specs[2], config={**specs[2].config, "retention.ms": "60000"}),
        Purpose.DEADLETTER: replace(specs[3], config={"cleanup.policy": "compact,delete"}),
        Purpose.STATE: replace(specs[4], config={"cleanup.policy": "compact"}),
        **{spec.purpose: spec for spec in specs[5:]},
    }
    for spec in (specs[0], *wrong.values()):  # one by one, else they would be made to agree
        await create_topics(kafka.bootstrap_servers, [replace(spec, purpose=Purpose.DEADLETTER)])
    problems = await verify_topics(kafka.bootstrap_servers, specs)
    assert [(p.topic, p.kind) for p in problems] == [
        (topic_names("orders"), ProblemKind.PARTITIONS),
        (topic_names("rollups"), ProblemKind.RETENTION),
        (topic_names("deadletter"), ProblemKind.CLEANUP_POLICY),
        (topic_names("state"), ProblemKind.MESSAGE_SIZE),
    ]


@pytest.mark.kafka
async def test_partitions_added_to_one_source_are_noticed(
    kafka: KafkaCluster, topic_names: TopicNames
) -> None:
    """Somebody grows the clickstream alone: orders and state no longer match."""
    specs = _specs(topic_names)
    await create_topics(kafka.bootstrap_servers, specs)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_partitions({topic_names("clickstream"): NewPartitions(6)})
    finally:
        await admin.close()
    problems: list[TopicProblem] = []
    async with asyncio.timeout(20):  # brokers learn of new partitions a moment after the controller
        while not problems:
            problems = await verify_topics(kafka.bootstrap_servers, specs)
    assert [(p.topic, p.found) for p in problems] == [
        (topic_names("orders"), "4"),
        (topic_names("state"), "4"),
    ]


@pytest.mark.kafka
async def test_what_kafka_refuses_is_said(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """Three replicas on one broker: the error has the topic and Kafka's own words."""
    with pytest.raises(TopicError, match=r"clickstream.*replication factor"):
        await create_topics(kafka.bootstrap_servers, _specs(topic_names, replication_factor=3))


@pytest.mark.kafka
async def test_looking_does_not_create(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """Verifying topics that are missing leaves them missing."""
    specs = _specs(topic_names)
    for _ in range(2):
        problems = await verify_topics(kafka.bootstrap_servers, specs)
        assert {p.kind for p in problems} == {ProblemKind.MISSING}


@pytest.mark.kafka
async def test_the_largest_dead_letter_is_taken(kafka: KafkaCluster, topic_names: TopicNames) -> None:
    """A value as large as its topic is meant for goes in, with headers."""
    specs = _specs(topic_names)
    await create_topics(kafka.bootstrap_servers, specs)
    limit = int(specs[3].config["max.message.bytes"])
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, max_request_size=2 * limit)
    await producer.start()
    try:
        headers = [("reason", b"not_json"), ("detail", b"x" * 1000)]
        await producer.send_and_wait(specs[3].name, b"x" * (limit - 4096), headers=headers)
    finally:
        await producer.stop()


@pytest.mark.kafka
@pytest.mark.slow
async def test_replicas_are_counted(kafka_three: KafkaCluster, topic_names: TopicNames) -> None:
    """On three brokers three replicas are made and found; one replica is too few."""
    single = _specs(topic_names, replication_factor=1)
    await create_topics(kafka_three.bootstrap_servers, single[:1])
    specs = _specs(topic_names, replication_factor=3)
    await create_topics(kafka_three.bootstrap_servers, specs)
    (problem,) = await verify_topics(kafka_three.bootstrap_servers, specs)
    assert (problem.topic, problem.kind, problem.found) == (
        topic_names("clickstream"),
        ProblemKind.REPLICATION,
        "1",
    )


@pytest.mark.kafka
@pytest.mark.slow
async def test_topics_are_made_while_a_broker_is_down(
    kafka_three: KafkaCluster, topic_names: TopicNames
) -> None:
    """A dead broker that the others still name does not keep topics from being made and checked."""
    await asyncio.to_thread(kafka_three.kill_broker, 2)
    specs = _specs(topic_names, replication_factor=2)
    done = await create_topics(kafka_three.bootstrap_servers, specs)
    assert done.created == _names(specs)
    assert await verify_topics(kafka_three.bootstrap_servers, specs) == []


async def test_no_broker_is_said() -> None:
    """Where nobody answers, the error names the address."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(TopicError, match=f"no Kafka broker at {address} answers"):
        await verify_topics(address, topic_specs())


async def test_the_embedded_broker_cannot_create_topics() -> None:
    """The broker of librdkafka has no controller: the error says so, and where its topics come from."""
    embedded = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "-", "log_level": 0})
    (broker,) = embedded.list_topics(timeout=10).brokers.values()
    with pytest.raises(TopicError, match="cannot create topics"):
        await create_topics(f"{broker.host}:{broker.port}", topic_specs())
