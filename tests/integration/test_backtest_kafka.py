"""``funnelwatch backtest`` from Kafka: events and rollups that lie there give what the files give."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer

from streams.backtest.recording import messages_of, shards_of
from streams.cli import main
from streams.codec import encode_rollup
from streams.demo.broker import EmbeddedBroker
from streams.results import Rollup

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRAFFIC = ("--seed", "6", "--rate", "60", "--duration", "180", "--start-ms", "1762689600000")
SHOP = ("--slots", "6", "--banners", "5", "--skus", "40", "--visitors", "900")
# As many as topics of the embedded broker have.
PARTITIONS = 4


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """With the topics of a deployment."""
    with EmbeddedBroker() as started:
        started.create_topics("clickstream", "orders", "funnelwatch.rollups")
        yield started


def found(folder: Path, *words: str | Path) -> dict[str, Any]:
    """What a backtest says."""
    path = folder / "found.json"
    assert main(["backtest", *map(str, words), "--json", str(path)]) == 0
    told: dict[str, Any] = json.loads(path.read_bytes())
    return told


async def send(servers: str, rollups: list[Rollup]) -> None:
    """Put rollups where a worker would."""
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    for rollup in rollups:
        await producer.send_and_wait(
            "funnelwatch.rollups", encode_rollup(rollup), partition=0, timestamp_ms=rollup.told_at_ms
        )
    await producer.stop()


def test_kafka_is_as_good_as_files(
    broker: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same traffic, the same buckets, the same rollups; and the rollups alone say it all again."""
    monkeypatch.chdir(tmp_path)
    servers, recording = broker.bootstrap_servers, tmp_path / "rollups"
    assert main(["simulate", "--kafka", servers, "--fast", *TRAFFIC, *SHOP]) == 0
    files = ["--partitions", str(PARTITIONS), *TRAFFIC, *SHOP]
    assert main(["simulate", "--out", str(tmp_path), *files]) == 0
    events = found(tmp_path, "--kafka", servers, "--of", "events", "--record", recording)
    topics = [f"--{topic}={tmp_path / topic}.jsonl" for topic in ("clickstream", "orders")]
    assert found(tmp_path, *topics) == events
    assert events["buckets"] >= 15
    with recording.open("rb") as file:
        assert shards_of(file) == 1
        rollups = [message for message in messages_of(file) if isinstance(message, Rollup)]
    asyncio.run(send(servers, rollups))
    assert found(tmp_path, "--kafka", servers, "--of", "rollups") == events
    span = ["--to-ms", str(rollups[len(rollups) // 2].told_at_ms)]
    assert 0 < found(tmp_path, "--kafka", servers, "--of", "rollups", *span)["buckets"] < events["buckets"]
