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
from streams.demo.broker import EmbeddedBroker
from streams.results import Rollup
from tests.support.reported import START, incident

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MINUTE_MS = 60_000
TRAFFIC = ("--seed", "6", "--rate", "40", "--duration", "360", "--start-ms", str(START))
SHOP = ("--slots", "6", "--banners", "5", "--skus", "40", "--visitors", "900")
CONFIG = f"""topics: {{rollup_shards: 1}}
promotions:
  - name: D11
    start: {START + 2 * MINUTE_MS}
    end: {START + 4 * MINUTE_MS}
    phases: {{warmup: {{from: -1m}}, open: {{until: 1m}}, last_hour: {{from: end-30s}}}}
"""


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """With the topics of a deployment."""
    with EmbeddedBroker() as started:
        started.create_topics("funnelwatch.rollups", "funnelwatch.incidents")
        yield started


async def send(servers: str, topic: str, values: list[tuple[int, bytes]]) -> None:
    """Put records where a worker would, by their times."""
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    for at_ms, value in values:
        await producer.send_and_wait(topic, value, partition=0, timestamp_ms=at_ms)
    await producer.stop()


def page(folder: Path, *words: str) -> str:
    """The Markdown of a report."""
    out = folder / "page.md"
    assert main(["report", "--promotion", "D11", *words, "--out", str(out)]) == 0
    return out.read_text(encoding="utf-8")


def test_kafka_is_as_good_as_files(
    broker: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same counts; the incident is the one that the deployment's watcher told."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "funnelwatch.yaml").write_text(CONFIG)
    assert main(["simulate", "--out", str(tmp_path), *TRAFFIC, *SHOP]) == 0
    files = [f"--{topic}={tmp_path / topic}.jsonl" for topic in ("clickstream", "orders")]
    assert main(["backtest", *files, "--record", str(tmp_path / "rollups")]) == 0
    with (tmp_path / "rollups").open("rb") as file:
        file.seek(8)
        rollups = [message for message in messages_of(file) if isinstance(message, Rollup)]
    servers = broker.bootstrap_servers
    sent = [(rollup.told_at_ms, encode_rollup(rollup)) for rollup in rollups]
    asyncio.run(send(servers, "funnelwatch.rollups", sent))
    since_ms = START + 3 * MINUTE_MS
    told = incident(since_ms=since_ms, opened_at_ms=since_ms, resolved_at_ms=since_ms + MINUTE_MS)
    asyncio.run(send(servers, "funnelwatch.incidents", [(since_ms, encode_incident(told))]))
    of_files, of_kafka = page(tmp_path, *files), page(tmp_path, "--kafka", servers)
    assert "Step is broken" not in of_files
    assert "| 2025-11-09 12:03:00 | 1 min | Step is broken |" in of_kafka
    assert numbers(of_kafka) == numbers(of_files)
    assert numbers(of_files)


def numbers(text: str) -> list[str]:
    """Rows of the parts that stand on counts only."""
    part = text[text.index("## Funnel") : text.index("## Incidents")]
    return [line for line in part.splitlines() if line.startswith("|")]
