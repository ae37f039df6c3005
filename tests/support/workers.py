"""Real workers as processes, and the truth about what they counted.

A :class:`WorkerProcess` runs the command ``funnelwatch worker`` on a Kafka cluster; the counts are
read back from the rollups topic and merged, so nothing of a worker's own bookkeeping is believed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer

from streams.codec import decode_message
from streams.config import load_settings
from streams.core.merge import Applied, ShardMerge, Totals
from streams.events import Record
from streams.replay import Counts, counts_of
from streams.results import Fence
from tests.support.processes import Process, free_ports

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self

    from streams.config import Settings

_LOOK_SECONDS = 0.1
_RARELY_SECONDS = 2.0
# Who was scraped lately waits up to 50 s to be scraped once more, and the machine may be busy.
_PARTING_SECONDS = 120.0


@dataclass
class Deployment:
    """One Funnelwatch on one Kafka: topic names, group and settings all workers share."""

    bootstrap_servers: str
    prefix: str
    folder: Path
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def clickstream(self) -> str:
        """Name of the topic."""
        return f"{self.prefix}.clickstream"

    @property
    def orders(self) -> str:
        """Name of the topic."""
        return f"{self.prefix}.orders"

    @property
    def rollups(self) -> str:
        """Name of the topic."""
        return f"{self.prefix}.rollups"

    @property
    def deadletter(self) -> str:
        """Name of the topic."""
        return f"{self.prefix}.deadletter"

    def environment(self) -> dict[str, str]:
        """What a worker of this deployment finds in its environment."""
        settings = {
            "KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "KAFKA__GROUP_ID": f"{self.prefix}.group",
            "KAFKA__SESSION_TIMEOUT": "10s",
            "TOPICS__CLICKSTREAM": self.clickstream,
            "TOPICS__ORDERS": self.orders,
            "TOPICS__ROLLUPS": self.rollups,
            "TOPICS__DEADLETTER": self.deadletter,
            "TOPICS__STATE": f"{self.prefix}.state",
            "TOPICS__TOTALS": f"{self.prefix}.totals",
            "TOPICS__INCIDENTS": f"{self.prefix}.incidents",
            "TOPICS__WATCH": f"{self.prefix}.watch",
            "TOPICS__CONTROL": f"{self.prefix}.control",
            "TOPICS__DELIVERIES": f"{self.prefix}.deliveries",
            # Tests write events with time stamps long past; Kafka would delete them half a minute in.
            "TOPICS__SOURCES_RETENTION": "3650d",
            # A writer of a busy machine may pause; that is no topic at rest.
            "COUNTING__IDLE_TIMEOUT": "6s",
            "COUNTING__SILENCE_TIMEOUT": "8s",
            "LOGGING__JSON": "on",
            **self.overrides,
        }
        return {f"FUNNELWATCH__{key}": value for key, value in settings.items()}

    def settings(self) -> Settings:
        """The same as a settings tree."""
        return load_settings(None, self.environment())


class WorkerProcess:
    """``funnelwatch worker`` as a process of its own; a context manager.

    Args:
        deployment: which it belongs to.
        name: of its log.
        overrides: settings of this worker alone, as in :class:`Deployment`.
        arguments: of the command.
    """

    def __init__(
        self, deployment: Deployment, name: str, overrides: Mapping[str, str] | None = None, *arguments: str
    ) -> None:
        (self.port,) = free_ports(1)
        self.name = name
        own = {"HTTP__PORT": str(self.port), **(overrides or {})}
        environment = deployment.environment() | {f"FUNNELWATCH__{key}": own[key] for key in own}
        self._process = Process(
            f"worker {name}",
            [sys.executable, "-m", "streams.cli", "worker", *arguments],
            log=deployment.folder / f"{name}.log",
            env=environment,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.running:
            self._process.terminate(_PARTING_SECONDS)

    @property
    def process(self) -> Process:
        """The process itself."""
        return self._process

    @property
    def address(self) -> str:
        """Where it serves HTTP."""
        return f"127.0.0.1:{self.port}"

    def ready(self) -> bool:
        """Whether ``/readyz`` says so."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/readyz", timeout=2) as answer:  # loopback
                return bool(answer.status == 200)  # HTTP's OK
        except (urllib.error.URLError, OSError):
            return False

    def metrics(self) -> str:
        """The page ``/metrics``."""
        with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=5) as answer:  # loopback
            return str(answer.read().decode())

    def stop(self) -> None:
        """SIGTERM, and wait until it is gone."""
        self._process.terminate(_PARTING_SECONDS)


async def read_topic(bootstrap_servers: str, topic: str) -> dict[int, list[Record]]:
    """All records of a topic by partition, up to its present end."""
    # Without a group a consumer is assigned every partition of its topic.
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        found: dict[int, list[Record]] = {tp.partition: [] for tp in consumer.assignment()}
        if not found:
            raise AssertionError(f"{topic} has no partitions")
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                found[tp.partition] += [
                    Record(item.offset, item.timestamp, item.value, item.key, tuple(item.headers))
                    for item in records
                ]
        return dict(sorted(found.items()))
    finally:
        await consumer.stop()


async def merged_counts(deployment: Deployment) -> Counts:
    """What all rollups written so far add up to."""
    totals = Totals()
    stages: tuple[str, ...] = ()
    nodes = 0
    for records in (await read_topic(deployment.bootstrap_servers, deployment.rollups)).values():
        merge = ShardMerge()
        for record in records:
            message = decode_message(record.value)
            if isinstance(message, Fence):
                merge.fence(message)
                continue
            stages, nodes = message.stages, message.nodes
            if merge.apply(message) is Applied.APPLIED:
                totals.add(message)
    return counts_of(totals, stages, nodes)


async def until(condition: Any, *, seconds: float, what: str) -> None:
    """Wait until a condition, plain or asynchronous, holds; an AssertionError names it if it does not.

    A condition that takes long to look at is looked at less often: what it waits for needs the processor.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        began = loop.time()
        held = condition()
        if asyncio.iscoroutine(held):
            held = await held
        if held:
            return
        now = loop.time()
        if now > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        await asyncio.sleep(min(max(_LOOK_SECONDS, 2 * (now - began)), _RARELY_SECONDS))


def problem_lines(log: Path) -> list[str]:
    """Lines of a worker's JSON log that report an error."""
    lines = []
    for line in log.read_text("utf-8", "replace").splitlines():
        try:
            level = json.loads(line).get("level", "")
        except (ValueError, AttributeError):
            level = "unreadable"
        if str(level).upper() not in {"INFO", "DEBUG", "WARNING"}:
            lines.append(line)
    return lines
