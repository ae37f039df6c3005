"""One run: a known stream, a plan of faults, and the comparison with the oracle at the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from streams.worker.entry import create_topics
from tests.chaos.faults import Chaos
from tests.chaos.fleet import Fleet
from tests.chaos.journal import Journal
from tests.chaos.plan import Kind, Scene, plan
from tests.chaos.recovery import Recoveries
from tests.chaos.traffic import Job, Sent, sending, sent_by
from tests.chaos.verdict import Difference, differences, settled_counts, truth
from tests.chaos.watching import GroupWatch, RollupWatch
from tests.support import oracle
from tests.support.apache_kafka import KafkaCluster
from tests.support.tcp_proxy import TcpProxy
from tests.support.workers import Deployment, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.chaos.plan import Fault
    from tests.support.processes import Process

PARTITIONS: Final = 4
SHARDS: Final = 4
# Longer than any topic may stand still while brokers come and go: beyond it, counting goes by the
# wall clock and nobody could say what is true.
SILENCE_S: Final = 45
# The stream outlasts the last fault by this, so that every recovery is seen.
_AFTERMATH_S: Final = 15.0
# Faults may take longer than planned: brokers start when they start.
_OVERTIME_S: Final = 180.0
_FLUSHED_S: Final = 120.0
_READY_S: Final = 60.0
_SETTLED_S: Final = 240.0
_SUPERVISED_EVERY_S: Final = 0.5
ORACLE: Final = oracle.OracleSettings(
    allowed_lateness_ms=20_000, dedupe_horizon_ms=40_000, attribution_window_ms=45_000
)


@dataclass(frozen=True, slots=True)
class Spec:
    """What to run.

    Attributes:
        seed: of the stream and of the faults.
        brokers: one or three.
        seconds: in which faults begin and end.
        rate: records per second.
        workers: when all is well.
        kinds: of faults.
        overrides: settings of the workers, as in :class:`Deployment`.
    """

    seed: int
    brokers: int = 1
    seconds: float = 180.0
    rate: int = 3_000
    workers: int = 2
    kinds: tuple[Kind, ...] = tuple(Kind)
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def scene(self) -> Scene:
        """What faults can befall."""
        return Scene(workers=self.workers, brokers=self.brokers, partitions=PARTITIONS)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it.

    Attributes:
        spec: what was run.
        records: in the source topics at the end.
        outcomes: of these, by the oracle.
        figures: that were compared.
        differences: of these.
        faults: done, by kind.
        missed: faults whose victim did not run, or whose turn came too late.
        recoveries_s: times without counting, by kind of fault.
        ends: of workers that ended by themselves.
        stall_s: longest time that a topic-partition of the sources stood still.
        settled_s: from the end of the stream until the counts were final.
        oracle_s: what the oracle took.
        wall_s: the whole run.
    """

    spec: Spec
    records: int
    outcomes: Mapping[str, int]
    figures: int
    differences: Sequence[Difference]
    faults: Mapping[str, int]
    missed: int
    recoveries_s: Mapping[str, Sequence[float]]
    ends: Sequence[str]
    stall_s: float
    settled_s: float
    oracle_s: float
    wall_s: float

    @property
    def fair(self) -> bool:
        """Whether the sources never stood still for so long that the wall clock decides."""
        return self.stall_s < SILENCE_S

    @property
    def exact(self) -> bool:
        """Whether every figure is the oracle's, in a run that can say so."""
        return self.fair and self.figures > 0 and not self.differences


def overrides(spec: Spec) -> dict[str, str]:
    """Settings of the workers: short sessions, so that faults fit in, and windows that end within the run."""
    return {
        "KAFKA__SESSION_TIMEOUT": f"{spec.scene.session_ms}ms",
        "KAFKA__HEARTBEAT_INTERVAL": "1500ms",
        "KAFKA__REBALANCE_TIMEOUT": "15s",
        "TOPICS__PARTITIONS": str(PARTITIONS),
        "TOPICS__ROLLUP_SHARDS": str(SHARDS),
        "TOPICS__REPLICATION_FACTOR": str(min(3, spec.brokers)),
        "COUNTING__ALLOWED_LATENESS": f"{ORACLE.allowed_lateness_ms}ms",
        "COUNTING__DEDUPE_HORIZON": f"{ORACLE.dedupe_horizon_ms}ms",
        "COUNTING__ATTRIBUTION_WINDOW": f"{ORACLE.attribution_window_ms}ms",
        "COUNTING__IDLE_TIMEOUT": f"{SILENCE_S}s",
        "COUNTING__SILENCE_TIMEOUT": f"{SILENCE_S}s",
        **spec.overrides,
    }


async def run(spec: Spec, folder: Path, *, aloud: bool = False) -> Result:
    """Run it; what it leaves in ``folder`` is the journal, logs, and the differences if there are any.

    Raises:
        Unavailable: there is no Java or no Maven.
        StartFailed, RuntimeError, AssertionError: something other than counting does not work.
    """
    began = time.monotonic()
    journal = Journal(folder / "journal.log", aloud=aloud)
    cluster = await asyncio.to_thread(KafkaCluster, spec.brokers, proxied=True)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_quiet("aiokafka"))
        stack.callback(cluster.close)
        await asyncio.to_thread(cluster.__enter__)
        proxies = [await stack.enter_async_context(TcpProxy(*cluster.way(i))) for i in range(spec.brokers)]
        deployment = Deployment(cluster.bootstrap_servers, "chaos", folder, overrides(spec))
        await create_topics(deployment.settings())
        result = await _Run(spec, journal, cluster, proxies, deployment).result()
    if result.differences:
        (folder / "differences.txt").write_text("".join(f"{item}\n" for item in result.differences))
    return replace(result, wall_s=round(time.monotonic() - began, 1))


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Without a logger's errors: it tells of every broker that goes away, and so does the journal."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


class _Run:
    """A run on a cluster that is up."""

    def __init__(
        self,
        spec: Spec,
        journal: Journal,
        cluster: KafkaCluster,
        proxies: Sequence[TcpProxy],
        deployment: Deployment,
    ) -> None:
        self._spec = spec
        self._journal = journal
        self._deployment = deployment
        self._fleet = Fleet(replace(deployment, bootstrap_servers=cluster.proxied_servers), journal)
        self._rollups = RollupWatch(deployment, journal, SHARDS)
        self._group = GroupWatch(deployment)
        self._chaos = Chaos(
            cluster=cluster,
            proxies=proxies,
            fleet=self._fleet,
            group=self._group,
            deployment=deployment,
            journal=journal,
        )
        self._plan: list[Fault] = plan(spec.seed, spec.seconds, spec.scene, spec.kinds)

    async def result(self) -> Result:
        """Do it all."""
        async with self._rollups, self._group, self._workers():
            sent = await self._chaotic_stream()
            ended_s = self._journal.now_s()
            expected, oracle_s = await self._truth()
            records = sum(expected.outcomes.values())
            counts = await settled_counts(
                self._deployment,
                self._rollups,
                self._journal,
                records=records,
                quiet_s=SILENCE_S + 15,
                within_s=_SETTLED_S,
            )
            settled_s = self._rollups.last_s - ended_s
        found = differences(counts, expected)
        self._journal.note(f"{records} records, {len(found)} differences")
        return self._judged(sent, expected, found, settled_s, oracle_s)

    @contextlib.asynccontextmanager
    async def _workers(self) -> AsyncIterator[None]:
        """Workers that are ready, and watched over."""
        try:
            for number in range(self._spec.workers):
                await asyncio.to_thread(self._fleet.start, number)
            await until(self._ready, seconds=_READY_S, what="the workers are ready")
            async with asyncio.TaskGroup() as together:
                supervisor = together.create_task(self._supervise())
                yield
                supervisor.cancel()
        finally:
            await asyncio.to_thread(self._fleet.close)

    async def _ready(self) -> bool:
        return await asyncio.to_thread(lambda: all(map(self._fleet.ready, range(self._spec.workers))))

    async def _supervise(self) -> None:
        while True:
            await asyncio.to_thread(self._fleet.supervise)
            await asyncio.sleep(_SUPERVISED_EVERY_S)

    async def _chaotic_stream(self) -> Sent:
        """Send the stream while things go wrong, and some more when all is well again."""
        spec, deployment = self._spec, self._deployment
        topics = (deployment.clickstream, deployment.orders)
        seconds = spec.seconds + _AFTERMATH_S + _OVERTIME_S
        job = Job(spec.seed, spec.rate, seconds, deployment.bootstrap_servers, *topics, PARTITIONS)
        with sending(job, deployment.folder) as traffic:
            self._journal.note("the stream begins")
            async with asyncio.TaskGroup() as together:
                alive = together.create_task(self._watch(traffic))
                planned = together.create_task(asyncio.sleep(spec.seconds))
                await self._chaos.execute(self._plan, spec.seconds)
                await planned
                await self._chaos.mend(spec.workers)
                self._journal.note("all is well again")
                await asyncio.sleep(_AFTERMATH_S)
                alive.cancel()
            await asyncio.to_thread(traffic.terminate, _FLUSHED_S)
            sent = sent_by(traffic)
        self._journal.note(f"the stream has ended: {sent}")
        return sent

    @staticmethod
    async def _watch(traffic: Process) -> None:
        """Raise RuntimeError as soon as the stream ends by itself."""
        while traffic.running:  # noqa: ASYNC110 - a process sets no event
            await asyncio.sleep(_SUPERVISED_EVERY_S)
        raise RuntimeError(traffic.explain("ended before it was told to"))

    async def _truth(self) -> tuple[oracle.OracleResult, float]:
        began = time.monotonic()
        expected = await truth(self._deployment, ORACLE)
        return expected, round(time.monotonic() - began, 1)

    def _judged(
        self,
        sent: Sent,
        expected: oracle.OracleResult,
        found: Sequence[Difference],
        settled_s: float,
        oracle_s: float,
    ) -> Result:
        outcomes: Counter[str] = Counter()
        for (_, word), records in expected.outcomes.items():
            outcomes[str(word)] += records
        return Result(
            spec=self._spec,
            records=sum(outcomes.values()),
            outcomes=dict(outcomes),
            figures=len(expected.cells) + len(expected.money) + len(expected.outcomes),
            differences=found,
            faults=dict(Counter(str(done.kind) for done in self._chaos.done)),
            missed=len(self._chaos.missed),
            recoveries_s=self._recoveries(),
            ends=self._fleet.ends,
            stall_s=max(sent.stalls_s.values(), default=0.0),
            settled_s=round(settled_s, 1),
            oracle_s=oracle_s,
            wall_s=0.0,
        )

    def _recoveries(self) -> dict[str, list[float]]:
        recoveries, found = Recoveries(self._rollups.growths), dict[str, list[float]]()
        for done in self._chaos.done:
            seconds: Any = recoveries.seconds(done)
            if seconds is not None:
                found.setdefault(str(done.kind), []).append(round(seconds, 2))
        return found
