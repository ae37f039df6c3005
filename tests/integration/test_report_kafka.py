"""``funnelwatch report --kafka``: rollups and incidents that lie there give what the files give."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer

from alerts.incident import encode_incident
from streams.backtest.recording import messages_of
from streams.cli import main
from streams.codec import encode_rollup
from streams.results import Rollup
from tests.support.batch_reader import create
from tests.support.reported import START, incident

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = pytest.mark.kafka

MINUTE_MS = 60_000
TRAFFIC = ("--seed", "6", "--rate", "40", "--duration", "360", "--start-ms", str(START))
SHOP = ("--slots", "6", "--banners", "5", "--skus", "40", "--visitors", "900")
CONFIG = f"""topics: {{{{rollup_shards: 1, rollups: {{rollups}}, incidents: {{incidents}}}}}}
promotions:
  - name: D11
    start: {START + 2 * MINUTE_MS}
    end: {START + 4 * MINUTE_MS}
    phases: {{{{warmup: {{{{from: -1m}}}}, open: {{{{until: 1m}}}}, last_hour: {{{{from: end-30s}}}}}}}}
"""


async def send(servers: str, topic: str, values: list[tuple[int, bytes]]) -> None:
    """Put records where a worker would, by their times."""
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    for at_ms, value in values:
        await producer.send_and_wait(topic, value, partition=0, timestamp_ms=at_ms)
    await producer.stop()


def page(config: Path, *words: str) -> str:
    """The Markdown of a report."""
    out = config.with_name("page.md")
    given = ("--config", str(config), "--out", str(out))
    assert main(["report", "--promotion", "D11", *words, *given]) == 0
    return out.read_text(encoding="utf-8")


def test_kafka_is_as_good_as_files(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> None:
    """The same counts; the incident is the one that the deployment's watcher told."""
    rollups_topic, incidents_topic = topic_names("rollups"), topic_names("incidents")
    config, servers = tmp_path / "funnelwatch.yaml", kafka.bootstrap_servers
    config.write_text(CONFIG.format(rollups=rollups_topic, incidents=incidents_topic))
    for topic in (rollups_topic, incidents_topic):
        asyncio.run(create(servers, topic, config={"retention.ms": "-1"}))
    assert main(["simulate", "--out", str(tmp_path), *TRAFFIC, *SHOP]) == 0
    files = [f"--{topic}={tmp_path / topic}.jsonl" for topic in ("clickstream", "orders")]
    assert main(["backtest", *files, "--record", str(tmp_path / "rollups")]) == 0
    with (tmp_path / "rollups").open("rb") as file:
        file.seek(8)
        rollups = [message for message in messages_of(file) if isinstance(message, Rollup)]
    sent = [(rollup.told_at_ms, encode_rollup(rollup)) for rollup in rollups]
    asyncio.run(send(servers, rollups_topic, sent))
    since_ms = START + 3 * MINUTE_MS
    told = incident(since_ms=since_ms, opened_at_ms=since_ms, resolved_at_ms=since_ms + MINUTE_MS)
    asyncio.run(send(servers, incidents_topic, [(since_ms, encode_incident(told))]))
    of_files, of_kafka = page(config, *files), page(config, "--kafka", servers)
    assert "Step is broken" not in of_files
    assert "| 2025-11-09 12:03:00 | 1 min | Step is broken |" in of_kafka
    assert numbers(of_kafka) == numbers(of_files)
    assert numbers(of_files)


def numbers(text: str) -> list[str]:
    """Rows of the parts that stand on counts only."""
    part = text[text.index("## Funnel") : text.index("## Incidents")]
    return [line for line in part.splitlines() if line.startswith("|")]
