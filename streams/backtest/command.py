"""The verb ``backtest``: recorded traffic and a configuration give the incidents that would have been sent."""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from heapq import merge
from os import environ
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import orjson
from rich.console import Console

from streams.assembly import closing_settings, engine, windows_of
from streams.backtest.arrivals import from_files, from_partitions
from streams.backtest.beside import beside, worthwhile
from streams.backtest.counting import Recount
from streams.backtest.recording import closed, closed_of, messages_of, recorded, shards_of
from streams.backtest.report import as_json, compared_as_json, compared_table, table_of
from streams.backtest.story import compare, tell
from streams.codec import decode_message
from streams.config import load_settings
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
    from streams.backtest.story import Run
    from streams.closed import ClosedBucket
    from streams.config import Settings
    from streams.events import Record

# Beyond the width of any terminal a table that goes to a file is cut nowhere.
_WIDE = 200


def backtest(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run what the arguments name, write the table and the JSON."""
    _check(arguments)
    source = _source(arguments, settings)
    first = _run(arguments, settings, source, arguments.record)
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    zone = ZoneInfo(settings.watch.time_zone)
    console.print(table_of(first.stories, zone, _title(first)))
    plain = as_json(first)
    if arguments.compare is not None:
        other = load_settings(arguments.compare, environ)
        second = _run(arguments, other, source, None)
        compared = compare(first, second)
        console.print(compared_table(compared, zone, _names(arguments)))
        plain = compared_as_json(first, second, compared)
    if arguments.json is not None:
        arguments.json.write_bytes(orjson.dumps(plain, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    given = (arguments.kafka, arguments.rollups, arguments.clickstream or arguments.orders)
    if sum(map(bool, given)) != 1:
        raise ConfigError("backtest", "one of --clickstream and --orders, --rollups, --kafka")
    if arguments.rollups is not None and not arguments.rollups.is_file():
        raise ConfigError("backtest", f"a file that exists, not {arguments.rollups}")


def _names(arguments: argparse.Namespace) -> tuple[str, str]:
    return (arguments.config.name if arguments.config else "as it is"), arguments.compare.name


def _title(run: Run) -> str:
    hours = run.span_ms / 3_600_000
    return f"{len(run.stories)} incidents in {hours:,.1f} h"


class _Kafka(NamedTuple):
    """What was read of Kafka, once for both configurations."""

    events: dict[tuple[int, int], list[Record]]
    rollups: list[list[Record]]


def _source(arguments: argparse.Namespace, settings: Settings) -> _Kafka | None:
    return asyncio.run(_read_kafka(arguments, settings)) if arguments.kafka else None


async def _read_kafka(arguments: argparse.Namespace, settings: Settings) -> _Kafka:
    options = kafka_options(settings.kafka) | {"bootstrap_servers": arguments.kafka}
    span = arguments.from_ms, arguments.to_ms

    async def read(topic: str, partition: int) -> list[Record]:
        return await read_range(options, topic, partition, *span)

    if arguments.of == "rollups":
        topic = settings.topics.rollups
        return _Kafka({}, [await read(topic, p) for p in await partitions_of(options, [topic])])
    topics = settings.topics.counted
    events = {
        (partition, number): await read(topic, partition)
        for partition in await partitions_of(options, topics)
        for number, topic in enumerate(topics)
    }
    return _Kafka(events, [])


def _run(
    arguments: argparse.Namespace, settings: Settings, source: _Kafka | None, record: Path | None
) -> Run:
    started = perf_counter()
    judges, windows = engine(settings), windows_of(settings)
    with _buckets(arguments, settings, source, record) as buckets:
        run = tell(buckets, judges, windows)
    seconds = max(perf_counter() - started, 1e-9)
    factor = run.span_ms / 1_000 / seconds
    print(f"{run.buckets} buckets in {seconds:.1f} s: {factor:,.0f} times real time", file=sys.stderr)
    return run


@contextmanager
def _buckets(
    arguments: argparse.Namespace, settings: Settings, source: _Kafka | None, record: Path | None
) -> Iterator[Iterator[ClosedBucket]]:
    """What is judged; closed beside if a long recording is all there is to do."""
    closing = closing_settings(settings)
    rollups = arguments.rollups
    if rollups is not None and record is None and worthwhile(rollups.stat().st_size):
        with beside(closed_of, rollups, closing) as buckets:
            yield buckets
        return
    with _messages(arguments, settings, source) as (shards, messages):
        if record is None:
            yield closed(messages, shards, closing)
            return
        with record.open("wb") as file:
            yield closed(recorded(messages, shards, file), shards, closing)


@contextmanager
def _messages(
    arguments: argparse.Namespace, settings: Settings, source: _Kafka | None
) -> Iterator[tuple[int, Iterable[Message]]]:
    """The number of shards, and the messages of all of them."""
    if arguments.rollups is not None:
        with arguments.rollups.open("rb") as file:
            yield shards_of(file), messages_of(file)
    elif source is not None and arguments.of == "rollups":
        # Every shard is told something every ten seconds: one without a word is none.
        spoken = [number for number, log in enumerate(source.rollups, 1) if log]
        yield max(spoken, default=1), _of_logs(source.rollups)
    else:
        yield 1, _recount(arguments, settings, source)


def _of_logs(logs: Iterable[Iterable[Record]]) -> Iterator[Message]:
    """The messages of all shards, evenly: in the order of the broker's times."""
    stamped = (_rising(records) for records in logs)
    return (decode_message(record.value) for _, record in merge(*stamped, key=lambda pair: pair[0]))


def _rising(records: Iterable[Record]) -> Iterator[tuple[int, Record]]:
    at_ms = 0
    for record in records:
        at_ms = max(at_ms, record.timestamp_ms)
        yield at_ms, record


def _recount(arguments: argparse.Namespace, settings: Settings, source: _Kafka | None) -> Iterator[Message]:
    names = (settings.formats.clickstream, settings.formats.orders)
    forms = tuple(input_format(settings, arguments.format or name) for name in names)
    counting = settings.counting
    recount = Recount(
        counting_settings(settings),
        settings.funnel_model(),
        (forms[0], forms[1]),
        Patience(counting.idle_timeout_ms, counting.silence_timeout_ms),
        counting.flush_interval_ms,
    )
    arrivals: Iterator[Arrival] = (
        from_files((arguments.clickstream, arguments.orders), (forms[0], forms[1]))
        if source is None
        else from_partitions(source.events)
    )
    return recount.rollups(arrivals)
