"""Recordings into closed buckets: files of events, files of rollups, or a range of Kafka's topics.

Promises: the buckets that the workers would have closed, in the order of time; nothing depends on the
time of day. Refuses two sources at once, and files that are not there.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import merge
from typing import TYPE_CHECKING, NamedTuple, Self

from streams.assembly import closing_settings
from streams.backtest.arrivals import from_files, from_partitions
from streams.backtest.beside import beside, worthwhile
from streams.backtest.counting import Recount
from streams.backtest.recording import closed, closed_of, messages_of, recorded, shards_of
from streams.codec import decode_message
from streams.core.ordering import Patience
from streams.errors import ConfigError
from streams.worker.kafka import kafka_options
from streams.worker.ranges import partitions_of, read_range
from streams.worker.wiring import counting_settings, input_format

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from streams.backtest.arrivals import Arrival
    from streams.backtest.recording import Message
    from streams.closed import ClosedBucket
    from streams.config import Settings
    from streams.events import Record


@dataclass(frozen=True, slots=True)
class Recording:
    """Where recorded traffic is: one of files of events, a file of rollups, or Kafka.

    Attributes:
        clickstream: events, JSON lines or ``.parquet``; as are ``orders``.
        format: input format of both files; None is as configured.
        rollups: written by ``backtest --record``.
        kafka: bootstrap servers.
        of_events: with Kafka, count the events anew; else read the rollups.
        from_ms: with Kafka, first record timestamp; ``to_ms`` is the first not to read.
    """

    clickstream: Path | None = None
    orders: Path | None = None
    format: str | None = None
    rollups: Path | None = None
    kafka: str | None = None
    of_events: bool = False
    from_ms: int = 0
    to_ms: int | None = None

    @classmethod
    def named(cls, arguments: argparse.Namespace, verb: str) -> Self:
        """What the arguments of a verb name. Raises ConfigError if that is not one source that exists."""
        given = (arguments.kafka, arguments.rollups, arguments.clickstream or arguments.orders)
        if sum(map(bool, given)) != 1:
            raise ConfigError(verb, "one of --clickstream and --orders, --rollups, --kafka")
        if arguments.rollups is not None and not arguments.rollups.is_file():
            raise ConfigError(verb, f"a file that exists, not {arguments.rollups}")
        return cls(
            arguments.clickstream,
            arguments.orders,
            arguments.format,
            arguments.rollups,
            arguments.kafka,
            arguments.of == "events",
            arguments.from_ms,
            arguments.to_ms,
        )


class ReadOfKafka(NamedTuple):
    """What was read of Kafka: events by (source partition, topic), rollups by shard; the others are empty."""

    events: dict[tuple[int, int], list[Record]]
    rollups: list[list[Record]]


def read_kafka(recording: Recording, settings: Settings) -> ReadOfKafka | None:
    """All of the range, once for any number of runs; None where Kafka is not what is recorded."""
    return asyncio.run(_read_kafka(recording, settings)) if recording.kafka else None


async def _read_kafka(recording: Recording, settings: Settings) -> ReadOfKafka:
    options = kafka_options(settings.kafka) | {"bootstrap_servers": recording.kafka}
    span = recording.from_ms, recording.to_ms

    async def read(topic: str, partition: int) -> list[Record]:
        return await read_range(options, topic, partition, *span)

    if not recording.of_events:
        topic = settings.topics.rollups
        return ReadOfKafka({}, [await read(topic, p) for p in await partitions_of(options, [topic])])
    topics = settings.topics.counted
    events = {
        (partition, number): await read(topic, partition)
        for partition in await partitions_of(options, topics)
        for number, topic in enumerate(topics)
    }
    return ReadOfKafka(events, [])


@contextmanager
def buckets_in(
    recording: Recording, settings: Settings, source: ReadOfKafka | None, record: Path | None = None
) -> Iterator[Iterator[ClosedBucket]]:
    """The closed buckets; closed beside if a long file of rollups is all there is to do.

    Args:
        recording: where they are from.
        settings: how they are counted and closed.
        source: what was read of Kafka.
        record: file in which the rollups are kept.
    """
    closing, rollups = closing_settings(settings), recording.rollups
    if rollups is not None and record is None and worthwhile(rollups.stat().st_size):
        with beside(closed_of, rollups, closing) as buckets:
            yield buckets
        return
    with _messages(recording, settings, source) as (shards, messages):
        if record is None:
            yield closed(messages, shards, closing)
            return
        with record.open("wb") as file:
            yield closed(recorded(messages, shards, file), shards, closing)


@contextmanager
def _messages(
    recording: Recording, settings: Settings, source: ReadOfKafka | None
) -> Iterator[tuple[int, Iterable[Message]]]:
    """The number of shards, and the messages of all of them."""
    if recording.rollups is not None:
        with recording.rollups.open("rb") as file:
            yield shards_of(file), messages_of(file)
    elif source is not None and not recording.of_events:
        # Every shard is told something every ten seconds: one without a word is none.
        spoken = [number for number, log in enumerate(source.rollups, 1) if log]
        yield max(spoken, default=1), messages_of_logs(source.rollups)
    else:
        yield 1, _recount(recording, settings, source)


def messages_of_logs(logs: Iterable[Iterable[Record]]) -> Iterator[Message]:
    """The messages of all shards, evenly: in the order of the broker's times."""
    stamped = (_rising(records) for records in logs)
    return (decode_message(record.value) for _, record in merge(*stamped, key=lambda pair: pair[0]))


def _rising(records: Iterable[Record]) -> Iterator[tuple[int, Record]]:
    at_ms = 0
    for record in records:
        at_ms = max(at_ms, record.timestamp_ms)
        yield at_ms, record


def _recount(recording: Recording, settings: Settings, source: ReadOfKafka | None) -> Iterator[Message]:
    names = (settings.formats.clickstream, settings.formats.orders)
    forms = tuple(input_format(settings, recording.format or name) for name in names)
    counting = settings.counting
    recount = Recount(
        counting_settings(settings),
        settings.funnel_model(),
        (forms[0], forms[1]),
        Patience(counting.idle_timeout_ms, counting.silence_timeout_ms),
        counting.flush_interval_ms,
    )
    arrivals: Iterator[Arrival] = (
        from_files((recording.clickstream, recording.orders), (forms[0], forms[1]))
        if source is None
        else from_partitions(source.events)
    )
    return recount.rollups(arrivals)
