"""Elections on Apache Kafka: one is elected at a time, whoever comes, leaves, is cut off or is replaced."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from streams.config import Kafka
from streams.worker.election import Election
from streams.worker.static_member import InstanceIdTaken
from tests.integration.conftest import skip_if_unavailable
from tests.support.apache_kafka import KafkaCluster
from tests.support.batch_reader import create, fill
from tests.support.tcp_proxy import TcpProxy
from tests.support.workers import until

if TYPE_CHECKING:
    from typing import Self

    from tests.integration.conftest import MakeKafkaCluster, TopicNames

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

PATIENCE_S = 90


class Ballot:
    """Who acts, of all who stand in one election; more than one at a time is remembered."""

    def __init__(self, servers: str, topic: str) -> None:
        self.servers = servers
        self.topic = topic
        self.acting: list[Candidate] = []
        self.crowds: list[set[str]] = []

    def candidate(self, name: str, servers: str = "", *, instance: str | None = None) -> Candidate:
        """One more; a context manager that stands for election."""
        kafka = Kafka(
            bootstrap_servers=(servers or self.servers,),
            group_id=f"{self.topic}.group",
            instance_id=instance,
            session_timeout_ms=6_000,
            heartbeat_interval_ms=500,
        )
        return Candidate(self, name, kafka)

    async def elects(self, *some: Candidate) -> Candidate:
        """Wait until one of these acts and all of them may be elected next."""
        await until(
            lambda: (
                len(self.acting) == 1 and self.acting[0] in some and not any(one.waiting_for for one in some)
            ),
            seconds=PATIENCE_S,
            what=f"one of {[one.name for one in some]} is elected",
        )
        return self.acting[0]


class Candidate:
    """One who stands for election and notes what he is told."""

    def __init__(self, ballot: Ballot, name: str, kafka: Kafka) -> None:
        self.name = name
        self.told: list[str] = []
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self.going = asyncio.Event()
        self.going.set()
        self._ballot = ballot
        self._election = Election(kafka, "watch", ballot.topic, self, self.failed.set_result)

    @property
    def waiting_for(self) -> str:
        """Why he cannot be elected."""
        return self._election.waiting_for

    @property
    def acts(self) -> bool:
        """Whether he does what he was elected to."""
        return self in self._ballot.acting

    async def revoked(self) -> None:
        """Hold still, once that is possible."""
        self.told.append("hold still")
        await self.going.wait()
        if self.acts:
            self._ballot.acting.remove(self)

    async def assigned(self, *, mine: bool) -> None:
        """Act, or be done."""
        self.told.append("act" if mine else "done")
        if mine:
            self._ballot.acting.append(self)
            if len(self._ballot.acting) > 1:
                self._ballot.crowds.append({one.name for one in self._ballot.acting})
        elif self.acts:
            self._ballot.acting.remove(self)

    async def stop(self) -> None:
        """Leave."""
        await self._election.stop()

    async def __aenter__(self) -> Self:
        self._election.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


@pytest.fixture
async def ballot(kafka: KafkaCluster, topic_names: TopicNames) -> Ballot:
    """An election about a topic of its own, in which there are records."""
    topic = topic_names("control")
    await create(kafka.bootstrap_servers, topic)
    await fill(kafka.bootstrap_servers, topic, [b"x"] * 10)
    return Ballot(kafka.bootstrap_servers, topic)


async def test_one_is_elected_and_stays_so(ballot: Ballot) -> None:
    """Those who come later take it from nobody; when he leaves, one of them is next, and he is told no more."""
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(ballot.candidate("z"))
        assert await ballot.elects(first) is first
        later = [await stack.enter_async_context(ballot.candidate(name)) for name in "abc"]
        assert await ballot.elects(first, *later) is first
        await first.stop()
        assert first.told[-2:] == ["hold still", "done"]
        heir = await ballot.elects(*later)
        assert heir is not first
        assert all(one.told == [] for one in later if one is not heir)
    assert not ballot.acting
    assert ballot.crowds == []


async def test_the_next_one_waits_for_the_one_before(ballot: Ballot) -> None:
    """Who takes his time to hold still is not followed until he does."""
    async with ballot.candidate("slow") as slow:
        await ballot.elects(slow)
        async with ballot.candidate("next") as heir:
            await ballot.elects(slow, heir)
            slow.going.clear()
            leaving = asyncio.create_task(slow.stop())
            await until(lambda: slow.told[-1] == "hold still", seconds=PATIENCE_S, what="it is to hold still")
            # Longer than a session: its heartbeats go on.
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(leaving), 8)
            assert heir.told == []
            slow.going.set()
            await leaving
            await ballot.elects(heir)
    assert ballot.crowds == []


async def test_nothing_is_committed(ballot: Ballot) -> None:
    """The group elects and does no more."""
    async with ballot.candidate("one") as one:
        await ballot.elects(one)
    admin = AIOKafkaAdminClient(bootstrap_servers=ballot.servers)
    await admin.start()
    try:
        assert await admin.list_consumer_group_offsets(f"{ballot.topic}.group.watch") == {}
    finally:
        await admin.close()


async def test_of_two_with_one_instance_id_the_older_ends(ballot: Ballot) -> None:
    """It says why, and holds still; the newer one acts."""
    async with ballot.candidate("older", instance="a") as older:
        await ballot.elects(older)
        async with ballot.candidate("newer", instance="a") as newer:
            error = await asyncio.wait_for(older.failed, PATIENCE_S)
            assert isinstance(error, InstanceIdTaken)
            await ballot.elects(newer)
            assert not older.acts
            assert "'a'" in older.waiting_for


async def test_who_is_cut_off_holds_still_before_another_acts(topic_names: TopicNames) -> None:
    """A cable is pulled: he is of no use to the group, and knows it; plugged in again he is as good as anybody."""
    with skip_if_unavailable():
        cluster = await asyncio.to_thread(lambda: KafkaCluster(proxied=True))
    topic = topic_names("control")
    with contextlib.ExitStack() as running:
        await asyncio.to_thread(running.enter_context, cluster)
        await create(cluster.bootstrap_servers, topic)
        ballot = Ballot(cluster.bootstrap_servers, topic)
        async with (
            TcpProxy(*cluster.way(0)) as cable,
            ballot.candidate("far", cluster.proxied_servers) as far,
        ):
            await ballot.elects(far)
            async with ballot.candidate("near") as near:
                await ballot.elects(far, near)
                cable.hold()
                await until(lambda: not far.acts, seconds=PATIENCE_S, what="it holds still")
                assert "kafka does not answer" in far.waiting_for
                await ballot.elects(near)
                cable.release()
                assert await ballot.elects(far, near) is near
                assert far.told[-1] == "done"
        assert ballot.crowds == []


async def test_an_outage_is_waited_out(kafka_cluster: MakeKafkaCluster, topic_names: TopicNames) -> None:
    """While Kafka is away nobody acts for longer than a session; when it is back, one does."""
    cluster = await asyncio.to_thread(kafka_cluster)
    topic = topic_names("control")
    async with contextlib.AsyncExitStack() as stack:
        ballot = Ballot(cluster.bootstrap_servers, topic)
        await create(cluster.bootstrap_servers, topic)
        both = [await stack.enter_async_context(ballot.candidate(name)) for name in "ab"]
        await ballot.elects(*both)
        await asyncio.to_thread(cluster.kill_broker, 0)
        await until(lambda: not ballot.acting, seconds=PATIENCE_S, what="it holds still")
        late = await stack.enter_async_context(ballot.candidate("late"))
        await until(
            lambda: "unreachable" in late.waiting_for, seconds=PATIENCE_S, what="it says why it waits"
        )
        await asyncio.to_thread(cluster.start_broker, 0)
        await ballot.elects(*both, late)
        await asyncio.to_thread(cluster.kill_broker, 0)
    assert not ballot.acting
    assert ballot.crowds == []
