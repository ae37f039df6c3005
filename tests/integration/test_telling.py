"""Workers on Apache Kafka tell a webhook of incidents: once, also after a crash, a restart and a rebalance."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from alerts.incident import encode_incident
from alerts.ledger import decode_delivery
from streams.clock import SystemClock
from streams.worker.entry import create_topics, verify_topics
from tests.support.bots import Bot, bot
from tests.support.deliveries import incident, over, taken
from tests.support.processes import Process, free_ports
from tests.support.producing import Message, produce
from tests.support.workers import Deployment, WorkerProcess, problem_lines, read_topic, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from alerts.incident import Incident
    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster
    from tests.support.vendors import Call

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

PATIENCE_S = 90
QUICK = {
    "TOPICS__PARTITIONS": "2",
    "TOPICS__ROLLUP_SHARDS": "2",
    "KAFKA__SESSION_TIMEOUT": "6s",
    "KAFKA__HEARTBEAT_INTERVAL": "1s",
    "METRICS__ZERO_HOLD": "0s",
    "METRICS__VANISH_HOLD": "0s",
}


def fine(_: Call) -> tuple[int, bytes]:
    """It is taken."""
    return 200, b"{}"


class Telling:
    """A deployment that tells one webhook."""

    def __init__(self, deployment: Deployment, server: Bot) -> None:
        self.deployment = deployment
        self.server = server

    def worker(self, name: str) -> WorkerProcess:
        """One more worker."""
        entry = f"{{name: ops, kind: webhook, url: '{self.server.url}/', allow_private: true}}"
        return WorkerProcess(self.deployment, name, {"NOTIFY__CHANNELS": f"[{entry}]"})

    async def happens(self, *incidents: Incident) -> None:
        """Records of incidents."""
        topic = self.deployment.settings().topics.incidents
        messages = [Message(topic, encode_incident(one), one.id.encode(), 0) for one in incidents]
        await produce(self.deployment.bootstrap_servers, messages)

    def told(self) -> list[tuple[str, str]]:
        """Incident and state of each message."""
        found = [json.loads(call.body) for call in self.server.calls]
        return [(one["incidents"][0]["id"], one["state"]) for one in found]

    async def hears(self, *wanted: tuple[str, str]) -> None:
        """Wait until the webhook has heard exactly this."""
        await until(lambda: self.told() == [*wanted], seconds=PATIENCE_S, what=f"{wanted}, not {self.told()}")

    async def written(self, incident_id: str) -> None:
        """Wait until it is written down that the incident was told."""

        async def stands_there() -> bool:
            topic = self.deployment.settings().topics.deliveries
            records = (await read_topic(self.deployment.bootstrap_servers, topic))[0]
            return any(decode_delivery(one.value).incident_id == incident_id for one in records)

        await until(stands_there, seconds=PATIENCE_S, what=f"{incident_id} is written down")


def now(name: str) -> Incident:
    """One that was opened now."""
    at_ms = SystemClock().now_ms()
    made: Incident = incident(name, since_ms=at_ms - 60_000, opened_at_ms=at_ms, updated_at_ms=at_ms)
    return made


@pytest.fixture
async def deployment(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> Deployment:
    """A deployment of this test's own, its topics created."""
    made = Deployment(kafka.bootstrap_servers, topic_names.prefix, tmp_path, QUICK)
    await create_topics(made.settings())
    assert await verify_topics(made.settings()) == []
    return made


async def test_an_incident_is_told_once_and_a_restart_repeats_nothing(deployment: Deployment) -> None:
    """What is told after the restart is only what happened then."""
    async with bot(fine) as server:
        telling, first = Telling(deployment, server), now("first")
        with telling.worker("one"):
            await telling.happens(first)
            await telling.hears(("first", "opened"))
            await telling.written("first")
        with telling.worker("two") as worker:
            await telling.happens(now("second"))
            await telling.hears(("first", "opened"), ("second", "opened"))
            await telling.happens(over(first, SystemClock().now_ms()))
            await telling.hears(("first", "opened"), ("second", "opened"), ("first", "resolved"))

            async def counted() -> bool:
                page = await asyncio.to_thread(worker.metrics)
                return 'funnelwatch_notifications_total{channel="ops",outcome="delivered"} 2.0' in page

            # What the robot has heard is counted once its answer was read.
            await until(counted, seconds=PATIENCE_S, what="both are counted")
        assert problem_lines(deployment.folder / "two.log") == []


async def test_killed_between_sending_and_writing(deployment: Deployment) -> None:
    """The next worker sends it again under the same key, and then no more."""
    kill: list[Callable[[], object]] = []

    def murder(_: Call) -> tuple[int, bytes]:
        while kill:
            kill.pop()()
        return 200, b"{}"

    async with bot(murder) as server:
        telling = Telling(deployment, server)
        with telling.worker("one") as worker:
            kill.append(worker.process.kill)
            await telling.happens(now("first"))
            await telling.hears(("first", "opened"))
        with telling.worker("two"):
            await telling.hears(("first", "opened"), ("first", "opened"))
            await telling.written("first")
            await telling.happens(now("second"))
            await telling.hears(("first", "opened"), ("first", "opened"), ("second", "opened"))
        keys = [json.loads(call.body)["delivery_id"] for call in server.calls]
        assert keys[0] == keys[1] != keys[2]


async def test_a_rebalance_repeats_nothing(deployment: Deployment) -> None:
    """Workers come and go while incidents happen; each is told once, by whoever has the turn."""
    async with bot(fine) as server:
        telling, wanted = Telling(deployment, server), []
        with telling.worker("one") as one:
            await telling.happens(now("a"))
            wanted.append(("a", "opened"))
            await telling.hears(*wanted)
            with telling.worker("two") as two:
                await until(lambda: asyncio.to_thread(two.ready), seconds=PATIENCE_S, what="two is ready")
                await telling.happens(*map(now, "bcd"))
                await until(lambda: len(telling.told()) == 4, seconds=PATIENCE_S, what="four are told")
                await asyncio.to_thread(one.stop)
                await telling.happens(now("e"))
                await until(lambda: len(telling.told()) >= 5, seconds=PATIENCE_S, what="five are told")
                await telling.written("e")
        assert sorted(telling.told()) == [(name, "opened") for name in "abcde"]


async def test_what_cannot_be_told_is_buried_and_the_worker_goes_on(deployment: Deployment) -> None:
    """A refusal for good: the dead letter has all of it, and the next incident is told."""
    answers = [(400, b"no")]

    async with bot(lambda call: answers.pop() if answers else fine(call)) as server:
        telling = Telling(deployment, server)
        with telling.worker("one"):
            await telling.happens(now("bad"))
            await telling.hears(("bad", "opened"))
            await telling.written("bad")
            await telling.happens(now("good"))
            await telling.hears(("bad", "opened"), ("good", "opened"))
        dead = await read_topic(deployment.bootstrap_servers, deployment.deadletter)
        (letter,) = [record for records in dead.values() for record in records]
        assert dict(letter.headers)["reason"] == b"bad_request"
        assert msgspec.json.decode(letter.value or b"")["incident"]["id"] == "bad"


async def test_if_nobody_acknowledges_others_are_asked(deployment: Deployment) -> None:
    """One channel hears of it at once, the other when it has been nobody's for too long; what is taken asks no one."""
    long_ago_ms = SystemClock().now_ms() - 30 * 60_000
    waiting = msgspec.structs.replace(now("waiting"), opened_at_ms=long_ago_ms, updated_at_ms=long_ago_ms)
    async with bot(fine) as server, bot(fine) as boss:
        telling, asked = Telling(deployment, server), Telling(deployment, boss)
        entries = ", ".join(
            f"{{name: {name}, kind: webhook, url: '{one.url}/', allow_private: true}}"
            for name, one in (("ops", server), ("boss", boss))
        )
        route = "{name: all, channels: [ops], escalate_to: [boss], escalate_after: 10m}"
        settings = {"NOTIFY__CHANNELS": f"[{entries}]", "NOTIFY__ROUTES": f"[{route}]"}
        with WorkerProcess(deployment, "one", settings):
            await telling.happens(taken(now("taken"), long_ago_ms), now("young"), waiting)
            await asked.hears(("waiting", "escalated"))
            await until(lambda: len(telling.told()) == 3, seconds=PATIENCE_S, what="all three")
        wanted = [("taken", "acknowledged"), ("waiting", "opened"), ("young", "opened")]
        assert sorted(telling.told()) == wanted


async def test_channels_are_taken_up_while_it_runs(deployment: Deployment) -> None:
    """A channel that is written into the file is told what is open; one whose secret is not there changes nothing."""
    config = deployment.folder / "funnelwatch.yaml"
    config.write_text("{}")
    (port,) = free_ports(1)
    environment = deployment.environment() | {"FUNNELWATCH__HTTP__PORT": str(port)}
    command = [sys.executable, "-m", "streams.cli", "worker", "--config", str(config)]
    log = deployment.folder / "worker.log"
    async with bot(fine) as server:
        telling = Telling(deployment, server)
        with Process("worker", command, log=log, env=environment) as worker:
            await telling.happens(now("first"))
            await until(lambda: '"watching"' in log.read_text(), seconds=PATIENCE_S, what="it watches")
            entry = f"{{name: ops, kind: webhook, url: '{server.url}/', allow_private: true}}"
            config.write_text(f"notify: {{channels: [{entry}]}}\n")
            await telling.hears(("first", "opened"))
            config.write_text("notify: {channels: [{name: ops, kind: slack, url_env: NOT_THERE}]}\n")
            await until(
                lambda: "needs the environment variable NOT_THERE" in log.read_text(),
                seconds=PATIENCE_S,
                what="it is refused",
            )
            await telling.happens(now("second"))
            await telling.hears(("first", "opened"), ("second", "opened"))
            await asyncio.to_thread(worker.terminate)
