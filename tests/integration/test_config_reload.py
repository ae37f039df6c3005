"""A running worker takes up its changed configuration file, and keeps the old one if that is wrong."""

from __future__ import annotations

import asyncio
import signal
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from streams.clock import SystemClock
from streams.durations import DAY
from streams.worker.entry import create_topics
from tests.support.processes import Process, free_ports
from tests.support.workers import Deployment, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

NOW_MS = SystemClock().now_ms()
SALE = f"promotions: [{{name: D11, start: {NOW_MS - 10 * DAY}, end: {NOW_MS + 10 * DAY}}}]"


async def test_a_changed_file_is_taken_up(
    kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path
) -> None:
    """A promotion that is written into the file is on at once; a wrong file changes nothing."""
    (port,) = free_ports(1)
    holds = {"HTTP__PORT": str(port), "METRICS__ZERO_HOLD": "0s", "METRICS__VANISH_HOLD": "0s"}
    deployment = Deployment(kafka.bootstrap_servers, topic_names.prefix, tmp_path, holds)
    await create_topics(deployment.settings())
    config = tmp_path / "funnelwatch.yaml"
    config.write_text("{}")
    command = [sys.executable, "-m", "streams.cli", "worker", "--config", str(config)]

    def shows(what: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:  # loopback
                return what in page.read().decode()
        except (urllib.error.URLError, OSError):
            return False

    async def shown(what: str) -> None:
        await until(lambda: asyncio.to_thread(shows, what), seconds=60, what=what)

    sale = 'funnelwatch_promotion_active{phase="steady",promotion="D11"} 1.0'
    with Process("worker", command, log=tmp_path / "worker.log", env=deployment.environment()) as worker:
        await shown("funnelwatch_watching 1.0")
        assert not shows(sale)
        config.write_text(SALE)
        await shown(sale)
        config.write_text("promotions: 5")
        worker.signal(signal.SIGHUP)
        await shown('funnelwatch_config_reloads_total{outcome="rejected"} 1.0')
        assert shows(sale)
        assert shows("funnelwatch_watching 1.0")
        worker.terminate()
