"""The topic of state as others see and harm it: its entries, and how to append and delete them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from confluent_kafka import OFFSET_END, KafkaError, KafkaException, TopicPartition
from confluent_kafka import admin as kafka_admin
from confluent_kafka.admin import AdminClient

from tests.support.workers import read_topic

if TYPE_CHECKING:
    from streams.events import Record
    from tests.support.workers import Deployment

_PATIENCE_S = 30.0
_LOOK_S = 0.05


def name_of(deployment: Deployment) -> str:
    """The topic's name."""
    return deployment.settings().topics.state


async def read_entries(deployment: Deployment) -> dict[int, list[Record]]:
    """All entries by source partition, as they stand."""
    return await read_topic(deployment.bootstrap_servers, name_of(deployment))


async def append(deployment: Deployment, number: int, key: bytes | None, value: bytes | None) -> int:
    """Write an entry into the log of a source partition; its offset."""
    producer = AIOKafkaProducer(bootstrap_servers=deployment.bootstrap_servers)
    await producer.start()
    try:
        written = await producer.send_and_wait(name_of(deployment), value, key=key, partition=number)
        return int(written.offset)
    finally:
        await producer.stop()


async def delete_entries(deployment: Deployment, number: int, before: int = OFFSET_END) -> None:
    """Delete the entries of a source partition, or those before an offset, as errors say that it is to be done."""
    await asyncio.to_thread(_delete, deployment, number, before)


def _delete(deployment: Deployment, number: int, before: int) -> None:
    admin, topic = AdminClient({"bootstrap.servers": deployment.bootstrap_servers}), name_of(deployment)
    _configure(admin, topic, "cleanup.policy", "compact,delete")
    begun = time.monotonic()
    while not _deleted(
        admin, TopicPartition(topic, number, before), patient=time.monotonic() - begun < _PATIENCE_S
    ):
        time.sleep(_LOOK_S)
    _configure(admin, topic, "cleanup.policy", "compact")


def _deleted(admin: AdminClient, place: TopicPartition, *, patient: bool) -> bool:
    """Whether the broker did so; the controller has the new policy already, the broker hears of it a moment later."""
    try:
        for done in admin.delete_records([place]).values():
            done.result()
    except KafkaException as error:
        if patient and error.args[0].code() == KafkaError.POLICY_VIOLATION:
            return False
        raise
    return True


async def configure(deployment: Deployment, name: str, value: str) -> None:
    """Change a setting of the topic."""
    admin = AdminClient({"bootstrap.servers": deployment.bootstrap_servers})
    await asyncio.to_thread(_configure, admin, name_of(deployment), name, value)


def _configure(admin: AdminClient, topic: str, name: str, value: str) -> None:
    entry = kafka_admin.ConfigEntry(  # type: ignore[attr-defined]  # it is there, though not declared
        name,
        value,
        incremental_operation=kafka_admin.AlterConfigOpType.SET,  # type: ignore[attr-defined]  # likewise
    )
    resource = kafka_admin.ConfigResource("topic", topic, incremental_configs=[entry])  # type: ignore[attr-defined]  # likewise
    for done in admin.incremental_alter_configs([resource]).values():
        done.result()
