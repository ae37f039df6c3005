"""The stream of a run, sent as it happens from a process of its own.

Promises: a seed's stream, with disorder, late, too late, future, repeated and broken records, orders
that follow their clicks within seconds, and orders undone; every partition of both topics gets records
several times a second; what Kafka took is in it once and in order. It survives brokers that go and come,
and tells for how long each partition stood still, because counting goes by the wall clock where a
topic falls silent.

``python -m tests.chaos.traffic JOB`` reads a :class:`Job` from a file of JSON, sends until SIGTERM or the
job's end, and prints a :class:`Sent`.
"""

from __future__ import annotations

import asyncio
import heapq
import signal
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import msgspec
from confluent_kafka import KafkaException, Producer

from streams.clock import SystemClock
from streams.demo.circumstances import Neutral
from streams.demo.shop import ShopSettings
from streams.demo.simulator import SimulatedRecord, TrafficSettings, simulate
from streams.demo.sinks import in_real_time, partition_of
from tests.benchmarks.reporting import ROOT
from tests.support.processes import Process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.demo.circumstances import Circumstances

# Of an eager shop's records so many are asked for, to get one: journeys are longer than usual.
_ASKED: Final = 0.85
_HURRY: Final = 0.02
_UNDONE: Final = 0.15
_UNDONE_AFTER_MS: Final = (300, 20_000)
_ARRIVES_AFTER_MS: Final = (20, 3_000)
_FLUSH_S: Final = 120
_QUEUED: Final = 2_000_000
_EAGERNESS: Final = {"view>cart": 3.0, "cart>checkout": 1.7, "checkout>order": 1.3}


@dataclass(frozen=True, slots=True)
class Job:
    """What to send, and where.

    Attributes:
        seed: of the shop.
        rate: records per second.
        seconds: for so long at most.
        servers: of Kafka.
        clickstream: name of the topic.
        orders: name of the topic.
        partitions: of each.
    """

    seed: int
    rate: int
    seconds: float
    servers: str
    clickstream: str
    orders: str
    partitions: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent.

    Attributes:
        records: by topic.
        stalls_s: longest time between two records that Kafka took, by topic-partition.
        overdue_s: how late the latest record was handed to Kafka's client.
    """

    records: dict[str, int] = field(default_factory=dict)
    stalls_s: dict[str, float] = field(default_factory=dict)
    overdue_s: float = 0.0


class Eager(Neutral):
    """Everybody buys at once: orders are many, and soon enough for a run of minutes."""

    def chance(self, step: str, at: Circumstances) -> float:
        """Higher than any shop's."""
        return _EAGERNESS.get(step, 1.0)

    def delay(self, step: str, at: Circumstances) -> float:
        """Seconds instead of minutes."""
        return _HURRY


def stream(seed: int, rate: float, seconds: float, start_ms: int) -> Iterator[SimulatedRecord]:
    """The records of a run in order of arrival."""
    shop = ShopSettings(seed=seed, slots=12, banners=10, skus=60, visitors=3_000)
    settings = TrafficSettings(
        start_ms=start_ms,
        rate=rate * _ASKED,
        duration_ms=round(seconds * 1_000),
        duplicates=0.02,
        late=0.04,
        invalid=0.003,
        future=0.001,
        shop=shop,
    )
    return with_reversals(simulate(settings, Eager()), Random(seed), start_ms + round(seconds * 1_000))


def with_reversals(records: Iterator[SimulatedRecord], rng: Random, end_ms: int) -> Iterator[SimulatedRecord]:
    """Some paid orders are refunded or cancelled seconds later, with or without their lines."""
    undone: list[SimulatedRecord] = []
    for record in records:
        while undone and undone[0].arrival_ms <= record.arrival_ms:
            yield heapq.heappop(undone)
        yield record
        if record.topic == "orders" and b'"event":"paid"' in record.value and rng.random() < _UNDONE:
            reversal = _reversal(record, rng)
            if reversal is not None and reversal.arrival_ms < end_ms:
                heapq.heappush(undone, reversal)
    yield from sorted(undone)


def _reversal(paid: SimulatedRecord, rng: Random) -> SimulatedRecord | None:
    """What undoes a paid order; None if its record is broken."""
    try:
        document = msgspec.json.decode(paid.value, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    kind = rng.choice(["refunded", "cancelled"])
    happens_ms = paid.event_time_ms + rng.randint(*_UNDONE_AFTER_MS)
    arrives_ms = max(paid.arrival_ms, happens_ms) + rng.randint(*_ARRIVES_AFTER_MS)
    document |= {"event_id": f"{document.get('event_id')}-{kind}", "event": kind, "event_time": happens_ms}
    if rng.random() < 0.5:
        document.pop("items", None)
    return SimulatedRecord("orders", arrives_ms, happens_ms, paid.key, msgspec.json.encode(document))


class Sender:
    """Hands records to librdkafka's idempotent producer, and watches what Kafka takes."""

    def __init__(self, job: Job) -> None:
        self.sent = Sent()
        self._job = job
        self._topics = {"clickstream": job.clickstream, "orders": job.orders}
        self._taken_at: dict[str, float] = {}
        self._error: KafkaException | None = None
        self._producer = Producer(
            {
                "bootstrap.servers": job.servers,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 10,
                "queue.buffering.max.messages": _QUEUED,
                "queue.buffering.max.kbytes": _QUEUED,
                "reconnect.backoff.max.ms": 500,
                "log_level": 3,
            }
        )

    def send(self, records: list[SimulatedRecord], now_ms: int) -> None:
        """Hand records over; their timestamp is now. Raises KafkaException once Kafka refused any."""
        for record in records:
            self._producer.produce(
                self._topics[record.topic],
                record.value,
                record.key,
                partition=partition_of(record.key, self._job.partitions),
                timestamp=now_ms,
                on_delivery=self._note,
            )
        self._producer.poll(0)
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Wait until Kafka has everything; raises KafkaException if it does not."""
        left = self._producer.flush(_FLUSH_S)
        if self._error is not None or left:
            raise self._error or KafkaException(f"{left} records not taken in {_FLUSH_S} s")

    def _note(self, error: Any, written: Any) -> None:
        if error is not None:
            self._error = KafkaException(error)
            return
        topic, now = written.topic(), time.monotonic()
        place = f"{topic}/{written.partition()}"
        before = self._taken_at.get(place, now)
        self._taken_at[place] = now
        self.sent.stalls_s[place] = round(max(self.sent.stalls_s.get(place, 0.0), now - before), 2)
        self.sent.records[topic] = self.sent.records.get(topic, 0) + 1


async def _run(job: Job) -> Sent:
    clock, sender, overdue_ms = SystemClock(), Sender(job), 0
    start_ms = clock.now_ms()
    records = stream(job.seed, job.rate, job.seconds, start_ms)
    told_to_end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told_to_end.set)
    async for chunk in in_real_time(records, clock, origin_ms=start_ms):
        if told_to_end.is_set():
            break
        now_ms = clock.now_ms()
        overdue_ms = max(overdue_ms, now_ms - chunk[0].arrival_ms)
        sender.send(chunk, now_ms)
    await asyncio.to_thread(sender.finish)
    return replace(sender.sent, overdue_s=overdue_ms / 1_000)


def sending(job: Job, folder: Path) -> Process:
    """The process that does it, started; read what it sent with :func:`sent_by`."""
    task = folder / "traffic-job.json"
    task.write_bytes(msgspec.json.encode(job))
    command = [sys.executable, "-m", "tests.chaos.traffic", str(task)]
    return Process("traffic", command, log=folder / "traffic.log", cwd=ROOT)


def sent_by(process: Process) -> Sent:
    """What a process that has ended sent; raises RuntimeError if it failed."""
    if process.wait(0) != 0:
        raise RuntimeError(process.explain("failed"))
    return msgspec.json.decode(process.log.read_bytes().splitlines()[-1], type=Sent)


def main() -> None:
    """Read the job's file, do it, print what was sent."""
    job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Job)
    print(msgspec.json.encode(asyncio.run(_run(job))).decode())


if __name__ == "__main__":
    main()
