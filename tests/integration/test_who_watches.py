"""Two workers: the one that does not watch says who does, and that one answers."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from streams.worker.entry import create_topics
from tests.integration.test_end_to_end import workers
from tests.support.workers import Deployment, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster
    from tests.support.workers import WorkerProcess

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

PATIENCE_S = 150
QUICK = {
    "TOPICS__PARTITIONS": "2",
    "TOPICS__ROLLUP_SHARDS": "2",
    "METRICS__ZERO_HOLD": "0s",
    "METRICS__VANISH_HOLD": "0s",
}


def asked(worker: WorkerProcess, path: str) -> dict[str, Any]:
    """What the API says, refusals too; nothing while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://{worker.address}/api/v1/{path}", timeout=10) as answer:
            body = answer.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            body = refusal.read()
    except OSError:
        return {}
    found: dict[str, Any] = json.loads(body)
    return found


async def test_the_other_one_is_named(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> None:
    """By machine and address; when it stops, the one that is left watches and refers to nobody."""
    deployment = Deployment(kafka.bootstrap_servers, topic_names.prefix, tmp_path, QUICK)
    await create_topics(deployment.settings())
    with workers(deployment, "a", "b") as both:
        found: dict[bool, WorkerProcess] = {}

        async def is_named() -> bool:
            health = {one: await asyncio.to_thread(asked, one, "health") for one in both}
            found.clear()
            found.update({said["watching"]: one for one, said in health.items() if said.get("ready")})
            other = found.get(False)
            return True in found and other is not None and health[other]["watcher"] is not None

        await until(is_named, seconds=PATIENCE_S, what="one watches, and the other knows")
        watcher, other = found[True], found[False]
        assert asked(other, "health")["watcher"] == f"http://{watcher.address}/"
        refused = asked(other, "funnel")
        assert refused["status"] == 503
        assert f"it is on {socket.gethostname()}, at http://{watcher.address}/" in refused["detail"]
        await asyncio.to_thread(watcher.stop)

        async def is_heir() -> bool:
            said = await asyncio.to_thread(asked, other, "health")
            return bool(said.get("watching")) and said["watcher"] is None

        await until(is_heir, seconds=PATIENCE_S, what="the other one watches")
