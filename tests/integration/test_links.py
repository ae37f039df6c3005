"""From a message in the chat to an acknowledged incident: a worker on Apache Kafka, real HTTP, real commands."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from alerts.control import Ack, Watches, decode_control
from alerts.incident import decode_incident, encode_incident
from alerts.lifecycle import Lifecycle
from alerts.links import PATH
from alerts.message import LinkKind
from alerts.model import Reason, State
from streams.clock import SystemClock
from streams.errors import KafkaUnreachable
from streams.worker.entry import create_topics
from streams.worker.reception import Reception
from tests.integration.test_end_to_end import write
from tests.support.bots import Bot, bot
from tests.support.findings import rooted
from tests.support.processes import Process, free_ports
from tests.support.producing import Message, produce
from tests.support.steady_shop import visits
from tests.support.workers import Deployment, WorkerProcess, read_topic, until

if TYPE_CHECKING:
    from pathlib import Path

    from alerts.incident import Incident
    from alerts.lifecycle import Change
    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster
    from tests.support.vendors import Call

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

MINUTE = 60_000
PATIENCE_S = 150
HEALTHY_MS, AILING_MS = 75 * MINUTE, 6 * MINUTE
# Event time runs faster than the clock here: nobody is idle, nobody is waited for long.
QUICK = {
    "TOPICS__PARTITIONS": "2",
    # So few keys that a second shard might have none, and nothing to say.
    "TOPICS__ROLLUP_SHARDS": "1",
    "COUNTING__IDLE_TIMEOUT": "10m",
    "COUNTING__SILENCE_TIMEOUT": "10m",
    "WATCH__PATIENCE": "3s",
    "WATCH__MIN_HISTORY": "1m",
    "METRICS__ZERO_HOLD": "0s",
    "METRICS__VANISH_HOLD": "0s",
    "NOTIFY__LINKS__PUBLIC_URL": "https://watch.example",
}


class OnCall:
    """A deployment whose worker tells a robot on loopback, and somebody who reads what it is told."""

    def __init__(self, deployment: Deployment, server: Bot, port: int) -> None:
        self.deployment = deployment
        self._server = server
        self._base = f"http://127.0.0.1:{port}"

    def told(self, state: str) -> list[dict[str, Any]]:
        """Messages that tell this of a step; a busy machine may have more to say, of data that stalls."""
        found = [json.loads(call.body) for call in self._server.calls]
        return [
            one
            for one in found
            if one["state"] == state and one["incidents"] and one["incidents"][0]["step"] is not None
        ]

    async def hears(self, state: str) -> dict[str, Any]:
        """The first message that tells this."""
        await until(lambda: self.told(state), seconds=PATIENCE_S, what=f"a message: {state}")
        return self.told(state)[0]

    def address(self, message: dict[str, Any], kind: LinkKind) -> str:
        """Where a link of a message leads: to the worker, which stands behind ``watch.example``."""
        url: str = message["links"][kind.value]["url"]
        assert url.startswith(f"https://watch.example{PATH}")
        return url.replace("https://watch.example", self._base)

    async def incidents(self) -> list[Incident]:
        """All records, in order."""
        topic = self.deployment.settings().topics.incidents
        records = (await read_topic(self.deployment.bootstrap_servers, topic))[0]
        return [decode_incident(record.value) for record in records]

    async def becomes(self, incident_id: str, state: State, reason: Reason) -> Incident:
        """The first record that says so, once there is one."""
        found: list[Incident] = []

        async def stands_there() -> bool:
            found[:] = [
                one
                for one in await self.incidents()
                if (one.id, one.state, one.reason) == (incident_id, state, reason)
            ]
            return bool(found)

        await until(stands_there, seconds=PATIENCE_S, what=f"{incident_id} {state} {reason}")
        return found[0]

    async def said(self) -> list[Any]:
        """What people said in the control topic."""
        topic = self.deployment.settings().topics.control
        records = (await read_topic(self.deployment.bootstrap_servers, topic))[0]
        found = [decode_control(record.value) for record in records]
        return [one for one in found if not isinstance(one, Watches)]

    async def command(self, *words: str) -> tuple[int, str]:
        """Exit code and output of ``funnelwatch``."""
        log = self.deployment.folder / f"{words[0]}-{len(list(self.deployment.folder.iterdir()))}.out"
        process = Process(
            f"funnelwatch {words[0]}",
            [sys.executable, "-m", "streams.cli", *words],
            log=log,
            env=self.deployment.environment(),
        )
        code = await asyncio.to_thread(process.wait, 90)
        return code, log.read_text("utf-8")


class ByHand:
    """Who watches, its findings given by hand: the life cycle itself, and what it says is written down."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._lifecycle = Lifecycle()
        self._since_ms = SystemClock().now_ms() - MINUTE

    async def finds(self, observed: float) -> None:
        """So many of a hundred in the last minute."""
        at_ms = SystemClock().now_ms()
        found = rooted(since_ms=self._since_ms, at_ms=at_ms, observed=observed)
        await self._write(self._lifecycle.fold([found], [], at_ms))

    async def learns(self, said: Any) -> None:
        """What somebody said."""
        await self._write(self._lifecycle.control(said))

    async def _write(self, changes: tuple[Change, ...]) -> None:
        topic = self._deployment.settings().topics.incidents
        records = [(encode_incident(change.incident), change.incident.id.encode()) for change in changes]
        messages = [Message(topic, record, key, 0) for record, key in records]
        await produce(self._deployment.bootstrap_servers, messages)


@pytest.fixture
async def deployment(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> Deployment:
    """A deployment of this test's own, its topics created and its links signed."""
    secret = tmp_path / "link-secret"
    secret.write_text("a secret of more than sixteen bytes\n")
    overrides = QUICK | {"NOTIFY__LINKS__SECRET_FILE": str(secret)}
    made = Deployment(kafka.bootstrap_servers, topic_names.prefix, tmp_path, overrides)
    await create_topics(made.settings())
    return made


def taken(_: Call) -> tuple[int, bytes]:
    """The robot takes everything."""
    return 200, b"{}"


async def test_from_the_chat_to_the_watcher(deployment: Deployment) -> None:
    """Told, looked at, acknowledged by the link, shown as such; then silenced by command, and no more."""
    now_ms = SystemClock().now_ms()
    records = visits(now_ms - AILING_MS - HEALTHY_MS, now_ms, now_ms, now_ms - AILING_MS)
    async with bot(taken) as server:
        entry = f"{{name: ops, kind: webhook, url: '{server.url}/', allow_private: true}}"
        deployment = replace(deployment, overrides={**deployment.overrides, "NOTIFY__CHANNELS": f"[{entry}]"})
        with WorkerProcess(deployment, "a") as worker:
            on_call = OnCall(deployment, server, worker.port)
            await write(deployment, records)
            incident_id = await _acknowledged_by_link(on_call)
            await _by_command(on_call, incident_id)


async def _acknowledged_by_link(on_call: OnCall) -> str:
    """Follow the link of the first message; the incident's id."""
    message = await on_call.hears("opened")
    incident_id: str = message["incident_id"]
    incident = message["incidents"][0]
    assert message["sparkline_png"], [
        incident[name] for name in ("kind", "detail", "scope", "step", "course")
    ]
    address = on_call.address(message, LinkKind.ACKNOWLEDGE)
    async with aiohttp.ClientSession() as browser:
        for _ in range(3):
            async with browser.get(address) as page:
                assert page.status == 200
                assert 'method="post"' in await page.text()
        # A preview has changed nothing.
        assert await on_call.said() == []
        async with browser.post(address, data={"by": "Li Wei"}) as page:
            assert page.status == 200, await page.text()
    acknowledged = await on_call.becomes(incident_id, State.ACKNOWLEDGED, Reason.ACKNOWLEDGED)
    assert acknowledged.acknowledged_by == "Li Wei (ops)"
    (said,) = await on_call.said()
    assert isinstance(said, Ack)
    told = await on_call.hears("acknowledged")
    assert LinkKind.ACKNOWLEDGE.value not in told["links"]
    return incident_id


async def _by_command(on_call: OnCall, incident_id: str) -> None:
    """List, acknowledge by the beginning of its id, silence and end that."""
    code, listed = await on_call.command("incidents", "--format", "json")
    assert code == 0
    assert incident_id in {one["id"] for one in json.loads(listed)}
    code, said = await on_call.command("ack", incident_id[:8], "--by", "Zhang")
    assert (code, "already, by Li Wei (ops)" in said) == (0, True), said
    code, said = await on_call.command("silence", "--by", "Zhang", "--for", "30m", "--step", "order>paid")
    assert (code, "that it matches: 1" in said) == (0, True), said
    (silence,) = re.findall(r"silence (\S+) until", said)
    silenced = await on_call.becomes(incident_id, State.ACKNOWLEDGED, Reason.SILENCED)
    assert silenced.silenced_by == (silence,)
    code, listed = await on_call.command("silences")
    assert (code, silence in listed, "order>paid" in listed) == (0, True, True), listed
    assert (await on_call.command("unsilence", silence, "--by", "Zhang"))[0] == 0
    await on_call.becomes(incident_id, State.ACKNOWLEDGED, Reason.UNSILENCED)
    code, said = await on_call.command("unsilence", silence, "--by", "Zhang")
    assert (code, "there is none" in said) == (2, True), said


async def test_what_was_acknowledged_and_becomes_worse(deployment: Deployment) -> None:
    """It is nobody's again, and is told again, with a link to acknowledge it; once each time."""
    async with bot(taken) as server:
        entry = f"{{name: ops, kind: webhook, url: '{server.url}/', allow_private: true}}"
        deployment = replace(deployment, overrides={**deployment.overrides, "NOTIFY__CHANNELS": f"[{entry}]"})
        watching = ByHand(deployment)
        with WorkerProcess(deployment, "a") as worker:
            on_call = OnCall(deployment, server, worker.port)
            await watching.finds(observed=80)
            opened = await on_call.hears("opened")
            async with aiohttp.ClientSession() as browser:
                address = on_call.address(opened, LinkKind.ACKNOWLEDGE)
                async with browser.post(address, data={"by": "Li Wei"}) as page:
                    assert page.status == 200, await page.text()
            await watching.learns((await on_call.said())[-1])
            acknowledged = await on_call.hears("acknowledged")
            assert acknowledged["incidents"][0]["acknowledged_by"] == "Li Wei (ops)"
            await watching.finds(observed=70)
            await watching.finds(observed=20)
            worse = await on_call.hears("worse")
            assert worse["incident_id"] == opened["incident_id"]
            assert worse["incidents"][0]["acknowledged_by"] is None
            assert LinkKind.ACKNOWLEDGE.value not in acknowledged["links"]
            assert LinkKind.ACKNOWLEDGE.value in worse["links"]
            code, said = await on_call.command("ack", opened["incident_id"], "--by", "Zhang")
            assert code == 0, said
            await watching.learns((await on_call.said())[-1])
            await until(lambda: len(on_call.told("acknowledged")) == 2, seconds=PATIENCE_S, what="his name")
            assert on_call.told("acknowledged")[1]["incidents"][0]["acknowledged_by"] == "Zhang"
        states = [json.loads(call.body)["state"] for call in server.calls]
        assert states == ["opened", "acknowledged", "worse", "acknowledged"]


async def test_what_is_not_there(deployment: Deployment) -> None:
    """Empty topics are read at once, and a word about nothing is refused before it is written."""
    on_call = OnCall(deployment, Bot(0), 0)
    assert await on_call.command("incidents") == (0, "no incident is open\n")
    assert await on_call.command("silences") == (0, "there is no silence\n")
    code, said = await on_call.command("ack", "abcdef", "--by", "Li")
    assert (code, "none is open" in said) == (2, True), said
    assert await on_call.said() == []


async def test_the_newest_of_each_and_no_more(deployment: Deployment) -> None:
    """Records are read on from where reading ended; the oldest incidents are let go."""
    settings = deployment.settings()
    now = [0.0]
    reception = Reception(settings, 60, most=2, monotonic=lambda: now[0])
    topic = settings.topics.control
    # The topics are alike to it: what is written to one is read as the other.
    both = settings.model_copy(update={"topics": settings.topics.model_copy(update={"incidents": topic})})
    reader = Reception(both, 60, most=2, monotonic=lambda: now[0])
    try:
        for key in (b"a", b"b", b"a", b"c"):
            await reception.write(key, key.upper())
        assert list((await reader.newest()).items()) == [(b"a", b"A"), (b"c", b"C")]
        await reception.write(b"d", b"D")
        assert len(await reader.newest()) == 2
        now[0] += 2
        assert list(await reader.newest()) == [b"c", b"d"]
    finally:
        await reception.stop()
        await reader.stop()


async def test_out_of_reach(deployment: Deployment) -> None:
    """A Kafka that is not there is said to be so, in time."""
    (port,) = free_ports(1)
    away = replace(deployment, bootstrap_servers=f"127.0.0.1:{port}")
    reception = Reception(away.settings(), 3)
    try:
        with pytest.raises(KafkaUnreachable):
            await reception.write(b"k", b"v")
        with pytest.raises(KafkaUnreachable):
            await reception.newest()
    finally:
        await reception.stop()
