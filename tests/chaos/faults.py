"""Does what a plan says to a real cluster, its proxies and workers, and undoes it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from tests.chaos.plan import EVERY, Kind
from tests.chaos.recovery import TAKING, Done

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tests.chaos.fleet import Fleet
    from tests.chaos.journal import Journal
    from tests.chaos.plan import Fault
    from tests.chaos.watching import GroupWatch
    from tests.support.apache_kafka import KafkaCluster
    from tests.support.tcp_proxy import TcpProxy
    from tests.support.workers import Deployment

    Undo = Callable[[], Awaitable[object]]

_IN_SYNC_S: Final = 40.0
# A broker that came back late is followed by no other at once: workers would see no Kafka for minutes.
_BREATH_S: Final = 6.0
_POLL_S: Final = 0.25
_WORKERS: Final = frozenset({Kind.KILL, Kind.PAUSE, Kind.ADD, Kind.REMOVE})
_BROKERS: Final = frozenset({Kind.BROKER_RESTART, Kind.LEADER_KILL})


class Chaos:
    """See the module.

    Attributes:
        done: what was done, in the order in which it ended.
        missed: faults whose victim did not run, or whose turn came when the time was over.

    Args:
        cluster: of Kafka.
        proxies: between its brokers and the workers, by broker.
        fleet: the workers.
        group: who tells which partitions they have.
        deployment: names of topics.
        journal: where every step is noted.
    """

    def __init__(  # what it acts on, by name
        self,
        *,
        cluster: KafkaCluster,
        proxies: Sequence[TcpProxy],
        fleet: Fleet,
        group: GroupWatch,
        deployment: Deployment,
        journal: Journal,
    ) -> None:
        self.done: list[Done] = []
        self.missed: list[Fault] = []
        self._begun: set[Kind] = set()
        self._cluster = cluster
        self._proxies = proxies
        self._fleet = fleet
        self._group = group
        self._deployment = deployment
        self._journal = journal
        # What was late keeps what comes next waiting.
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def execute(self, plan: Sequence[Fault], seconds: float) -> None:
        """Do it all, counting time from now; where brokers are slow to start, not all can be done in time."""
        zero_s = self._journal.now_s()
        async with asyncio.TaskGroup() as together:
            for fault in plan:
                together.create_task(self._execute(fault, zero_s, zero_s + seconds))

    async def mend(self, workers: int) -> None:
        """Whatever state things are in: the network and all brokers are well again, so many workers run."""
        for proxy in self._proxies:
            proxy.delay_s = 0.0
            proxy.release()
            await proxy.accept()
        await asyncio.to_thread(self._cluster.start_all)
        for number in range(workers):
            await asyncio.to_thread(self._fleet.start, number)

    async def _execute(self, fault: Fault, zero_s: float, end_s: float) -> None:
        await self._until(zero_s + fault.at_ms / 1_000)
        async with self._turns[_turn(fault)]:
            if self._journal.now_s() > end_s and fault.kind in self._begun:
                self.missed.append(fault)
                return
            held = self._group.held(self._fleet.client_id(fault.target))
            began_s = self._journal.now_s()
            undo = await self._do(fault)
            self._begun |= set() if undo is None else {fault.kind}
            if undo is None:
                self.missed.append(fault)
                self._journal.note(f"missed: {_told(fault)}")
                return
            await self._until(began_s + (fault.until_ms - fault.at_ms) / 1_000)
            await undo()
            ended_s = self._journal.now_s()
            self._journal.note(f"over: {_told(fault)}")
            taken = held if fault.kind in TAKING else frozenset()
            self.done.append(Done(fault.kind, began_s, ended_s, taken))
            if fault.kind in _BROKERS:
                await asyncio.sleep(_BREATH_S)

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, at_s - self._journal.now_s()))

    async def _do(self, fault: Fault) -> Undo | None:
        """Begin a fault; how it is undone, or None if its victim is not there."""
        self._journal.note(_told(fault))
        if fault.kind in _WORKERS:
            return await asyncio.to_thread(self._befall_worker, fault)
        if fault.kind in _BROKERS:
            return await self._befall_broker(fault)
        return self._befall_network(fault)

    def _befall_worker(self, fault: Fault) -> Undo | None:
        fleet, number = self._fleet, fault.target
        if fault.kind is Kind.ADD:
            fleet.start(number)
            return lambda: asyncio.to_thread(fleet.stop, number)
        if fault.kind is Kind.PAUSE:
            paused = fleet.pause(number)
            return (lambda: asyncio.to_thread(fleet.wake, number)) if paused else None
        befallen = fleet.kill(number) if fault.kind is Kind.KILL else fleet.stop(number)
        if not befallen:
            fleet.start(number)
            return None
        return lambda: asyncio.to_thread(fleet.start, number)

    async def _befall_broker(self, fault: Fault) -> Undo | None:
        cluster = self._cluster
        if fault.kind is Kind.BROKER_RESTART:
            number: int | None = fault.target
        else:
            number = await asyncio.to_thread(cluster.leader, self._deployment.clickstream, fault.target)
        if number is None or not cluster.running(number):
            return None
        end = cluster.stop_broker if fault.kind is Kind.BROKER_RESTART else cluster.kill_broker
        await asyncio.to_thread(end, number)
        self._journal.note(f"broker {number} is down")
        return lambda: self._start_broker(number)

    async def _start_broker(self, number: int) -> None:
        """Until it has caught up: with two brokers away Kafka would take nothing."""
        await asyncio.to_thread(self._cluster.start_broker, number)
        self._journal.note(f"broker {number} is up")
        topics = (self._deployment.clickstream, self._deployment.orders, self._deployment.rollups)
        deadline_s = self._journal.now_s() + _IN_SYNC_S
        while not await asyncio.to_thread(self._cluster.in_sync, topics):
            if self._journal.now_s() > deadline_s:
                self._journal.note(f"broker {number} is not in sync after {_IN_SYNC_S} s")
                break
            await asyncio.sleep(_POLL_S)

    def _befall_network(self, fault: Fault) -> Undo:
        befallen = self._proxies if fault.target == EVERY else [self._proxies[fault.target]]
        for proxy in befallen:
            match fault.kind:
                case Kind.RESET:
                    proxy.reset()
                case Kind.CUT:
                    proxy.refuse()
                case Kind.HANG:
                    proxy.hold()
                case _:
                    proxy.delay_s = fault.delay_ms / 1_000
        return lambda: self._mend_network(befallen)

    @staticmethod
    async def _mend_network(befallen: Sequence[TcpProxy]) -> None:
        for proxy in befallen:
            proxy.delay_s = 0.0
            proxy.release()
            await proxy.accept()


def _turn(fault: Fault) -> str:
    if fault.kind in _WORKERS:
        return f"worker {fault.target}"
    return "brokers" if fault.kind in _BROKERS else "network"


def _told(fault: Fault) -> str:
    """A fault in words."""
    where = {Kind.LEADER_KILL: f"of partition {fault.target}"}.get(fault.kind, str(fault.target))
    lasting = f" for {(fault.until_ms - fault.at_ms) / 1_000:.1f} s"
    delay = f", {fault.delay_ms} ms each way" if fault.kind is Kind.DELAY else ""
    return f"{fault.kind} {'all' if fault.target == EVERY else where}{lasting}{delay}"
