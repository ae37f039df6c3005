"""Workers that do one part each, on Apache Kafka: together they are one whole worker, and they may be mixed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import urllib.error
import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from streams.worker.entry import create_topics
from tests.integration.test_end_to_end import assert_exact
from tests.integration.test_telling import Telling, fine, now
from tests.integration.test_watching import (
    BROKEN_MS,
    HAS_CLICKSTREAM,
    QUICK,
    Shop,
    assert_told_once,
    incidents,
    judged,
    opened,
    patient,
    value,
)
from tests.integration.test_who_watches import asked
from tests.support.bots import Bot, bot
from tests.support.workers import Deployment, WorkerProcess, merged_counts, problem_lines, read_topic, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from alerts.incident import Incident
    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

PATIENCE_S = 180
MINUTE = 60_000
# Of minutes ago is what the second of two deployments reads.
OLD_MS = 10 * MINUTE
WATCHING = "funnelwatch_watching"
NOTIFYING = "funnelwatch_notifying"
SHORT_SESSION = {"KAFKA__SESSION_TIMEOUT": "6s", "KAFKA__HEARTBEAT_INTERVAL": "1s"}


@pytest.fixture
async def deployment(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> Deployment:
    """A deployment of this test's own, its topics created."""
    made = Deployment(kafka.bootstrap_servers, topic_names.prefix, tmp_path, QUICK | SHORT_SESSION)
    await create_topics(made.settings())
    return patient(made)


def only(deployment: Deployment, part: str, name: str = "", server: Bot | None = None) -> WorkerProcess:
    """A worker that does one part; it tells a webhook, if that is its part."""
    return WorkerProcess(deployment, name or part, telling(server), "--only", part)


def telling(server: Bot | None) -> dict[str, str]:
    """Settings of who tells a webhook."""
    if server is None:
        return {}
    return {"NOTIFY__CHANNELS": f"[{{name: ops, kind: webhook, url: '{server.url}/', allow_private: true}}]"}


@contextlib.contextmanager
def running(*workers: WorkerProcess) -> Iterator[None]:
    """All of them; stopped at the end."""
    with contextlib.ExitStack() as stack:
        for worker in workers:
            stack.enter_context(worker)
        yield


async def ready(*workers: WorkerProcess) -> None:
    """Wait until all of them are."""
    for worker in workers:
        await until(
            lambda one=worker: asyncio.to_thread(one.ready),
            seconds=PATIENCE_S,
            what=f"{worker.name} is ready",
        )


async def watches(worker: WorkerProcess) -> None:
    """Wait until this one does."""
    await until(
        lambda: asyncio.to_thread(lambda: value(worker, WATCHING) == 1),
        seconds=PATIENCE_S,
        what=f"{worker.name} watches",
    )


def told(server: Bot) -> list[tuple[str, str]]:
    """Incident and state of each message."""
    found = [json.loads(call.body) for call in server.calls]
    return [(one["incidents"][0]["id"], one["state"]) for one in found]


def gist(incident: Incident) -> tuple[object, ...]:
    """What an incident says, whoever says it and when."""
    return incident.kind, incident.step, incident.scope, incident.since_ms, incident.opened_at_ms


def errors_of(worker: WorkerProcess) -> list[str]:
    """What it says of itself: aiokafka also calls it an error that a new cluster knows no groups yet."""
    return [line for line in problem_lines(worker.process.log) if '"logger": "aiokafka' not in line]


async def groups(deployment: Deployment) -> set[str]:
    """The deployment's consumer groups that have members or offsets, without what they have in common."""
    admin = AIOKafkaAdminClient(bootstrap_servers=deployment.bootstrap_servers)
    await admin.start()
    try:
        found = [name for name, *_ in await admin.list_consumer_groups()]
    finally:
        await admin.close()
    common = deployment.settings().kafka.group_id
    return {name.removeprefix(common) for name in found if name.startswith(common)}


async def test_the_parts_make_a_whole(deployment: Deployment, topic_names: TopicNames) -> None:
    """The same totals and the same incidents as one worker that does it all, and each message once."""
    shop = Shop()
    async with bot(fine) as server:
        counts = [only(deployment, "count", name) for name in ("count-1", "count-2")]
        watcher, notifier = only(deployment, "watch"), only(deployment, "notify", server=server)
        with running(*counts, watcher, notifier):
            await ready(*counts, watcher, notifier)
            await shop.is_healthy(deployment)
            await shop.breaks(deployment)
            await assert_exact(deployment)
            await until(lambda: opened(deployment), seconds=PATIENCE_S, what="an incident")
            await judged(watcher, OLD_MS)
            wanted = {(one.id, "opened") for one in await opened(deployment)}
            await until(lambda: wanted <= set(told(server)), seconds=PATIENCE_S, what="all are told")
            shares = [value(one, HAS_CLICKSTREAM % deployment.clickstream) for one in counts]
            pages = [await asyncio.to_thread(one.metrics) for one in (*counts, watcher, notifier)]
        assert len(told(server)) == len(set(told(server)))
    assert shares == [1, 1]
    assert [(f"\n{WATCHING} " in page, f"\n{NOTIFYING} " in page) for page in pages] == [
        *[(False, False)] * 2,
        (True, False),
        (False, True),
    ]
    assert await groups(deployment) == {"", ".watch", ".notify"}
    for worker in (*counts, watcher, notifier):
        assert errors_of(worker) == []
    assert_told_once(await incidents(deployment))

    whole = replace(deployment, prefix=topic_names("whole"))
    await create_topics(whole.settings())
    with WorkerProcess(whole, "whole") as worker:
        await ready(worker)
        await shop.is_healthy(whole)
        await shop.breaks(whole)
        await assert_exact(whole)
        await until(lambda: opened(whole), seconds=PATIENCE_S, what="an incident")
        await judged(worker, OLD_MS)
    assert await merged_counts(whole) == await merged_counts(deployment)
    # Afterwards the shop is silent, and for how long is the clock's to say.
    shut_ms = shop.broken_ms + BROKEN_MS
    of_parts, of_whole = [
        {gist(one) for one in await opened(each) if one.opened_at_ms <= shut_ms}
        for each in (deployment, whole)
    ]
    assert of_parts == of_whole
    assert of_parts


async def test_a_watcher_that_is_killed_is_followed(deployment: Deployment) -> None:
    """By one that stood by and is ready all the time: it knows what is open, and tells it no more."""
    shop = Shop()
    with running(only(deployment, "count"), first := only(deployment, "watch", "first")):
        await watches(first)
        with running(second := only(deployment, "watch", "second")):
            await ready(second)
            assert value(second, WATCHING) == 0
            await shop.is_healthy(deployment)
            await shop.breaks(deployment)
            await until(lambda: opened(deployment), seconds=PATIENCE_S, what="an incident")
            before = await opened(deployment)
            first.process.kill()
            await watches(second)
            await judged(second, OLD_MS)
            page = await asyncio.to_thread(second.metrics)
    assert await opened(deployment) == before
    assert 'funnelwatch_incident_active{dimension="all"' in page
    assert_told_once(await incidents(deployment))


async def test_whole_workers_and_parts_have_one_watcher(deployment: Deployment) -> None:
    """Whoever watches goes on when a whole worker comes, which says who does; when he leaves, that one watches."""
    deployment = replace(deployment, overrides={**deployment.overrides, "WATCH__SNAPSHOT_INTERVAL": "1h"})
    with running(watcher := only(deployment, "watch")):
        await watches(watcher)
        assert await groups(deployment) == {".watch"}
        with running(whole := WorkerProcess(deployment, "whole"), count := only(deployment, "count")):
            await ready(whole, count)
            assert [value(one, WATCHING) for one in (watcher, whole)] == [1, 0]
            url = f"http://{watcher.address}/"
            for other in (whole, count):
                await until(
                    lambda one=other: asyncio.to_thread(lambda: asked(one, "health").get("watcher") == url),
                    seconds=PATIENCE_S,
                    what=f"{other.name} says who watches",
                )
            snapshots = deployment.settings().topics.watch
            before = (await read_topic(deployment.bootstrap_servers, snapshots))[0]
            await asyncio.to_thread(watcher.stop)
            after = (await read_topic(deployment.bootstrap_servers, snapshots))[0]
            assert len(after) > len(before)
            await watches(whole)
            assert asked(whole, "health")["watcher"] is None
    assert errors_of(watcher) == []


async def test_notifiers_follow_each_other(deployment: Deployment) -> None:
    """One tells at a time; what it has told it has written down when it ends, and the next one does not repeat it."""
    async with bot(fine) as server:
        story = Telling(deployment, server)
        with running(first := only(deployment, "notify", "first", server)):
            await story.happens(now("one"))
            await story.hears(("one", "opened"))
            with running(second := only(deployment, "notify", "second", server)):
                await ready(second)
                assert [value(one, NOTIFYING) for one in (first, second)] == [1, 0]
                await story.happens(now("two"))
                await story.hears(("one", "opened"), ("two", "opened"))
                await asyncio.to_thread(first.stop)
                await story.happens(now("three"))
                await story.hears(*((name, "opened") for name in ("one", "two", "three")))
                assert await groups(deployment) == {".notify"}


async def test_a_part_says_what_it_waits_for(deployment: Deployment) -> None:
    """Without Kafka it lives and is not ready, and ends when it is told to."""
    away = replace(deployment, bootstrap_servers="127.0.0.1:1")
    with running(watcher := only(away, "watch")):

        def reasons() -> str:
            try:
                with urllib.request.urlopen(f"http://{watcher.address}/readyz", timeout=5) as answer:
                    return f"ready: {answer.read()!r}"
            except urllib.error.HTTPError as refusal:
                with refusal:
                    return str(json.loads(refusal.read())["reasons"])
            except OSError:
                return ""

        await until(
            lambda: asyncio.to_thread(lambda: "group.watch: " in reasons() and "unreachable" in reasons()),
            seconds=PATIENCE_S,
            what="it says that Kafka is away",
        )
        assert asked(watcher, "health")["watching"] is False
        await asyncio.to_thread(watcher.stop)
    assert errors_of(watcher) == []
