"""The verb ``replay``: files or a range of topics through the counting core."""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from streams.errors import ConfigError
from streams.files import read_records
from streams.replay import Counts, Replay
from streams.worker.kafka import kafka_options
from streams.worker.ranges import partitions_of, read_range
from streams.worker.wiring import counting_settings, input_format

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from streams.config import Settings
    from streams.events import Record
    from streams.formats.base import Format


def replay_to(arguments: argparse.Namespace, settings: Settings) -> int:
    """Count what the arguments name, write the counts, print the outcomes."""
    files = arguments.clickstream or arguments.orders
    if bool(arguments.kafka) == bool(files):
        raise ConfigError("replay", "--clickstream, --orders or --kafka" + " (not both)" * bool(files))
    forms = (
        input_format(settings, arguments.format or settings.formats.clickstream),
        input_format(settings, arguments.format or settings.formats.orders),
    )
    if files:
        counts = _from_files(arguments, settings, forms)
    else:
        counts = asyncio.run(_from_kafka(arguments, settings, forms))
    _write(counts, arguments.counts)
    for (topic, outcome), records in sorted(counts.outcomes.items()):
        print(f"{topic} {outcome} {records}", file=sys.stderr)
    return 0


def _from_files(arguments: argparse.Namespace, settings: Settings, forms: tuple[Format, Format]) -> Counts:
    def records(path: Path | None, form: Format) -> Iterable[Record]:
        if path is None:
            return ()
        if not path.is_file():
            raise ConfigError("replay", f"a file that exists, not {path}")
        return read_records(path, form)

    replay = Replay(counting_settings(settings), funnel=settings.funnel_model(), formats=forms)
    return replay.run(records(arguments.clickstream, forms[0]), records(arguments.orders, forms[1]))


async def _from_kafka(
    arguments: argparse.Namespace, settings: Settings, forms: tuple[Format, Format]
) -> Counts:
    options = kafka_options(settings.kafka) | {"bootstrap_servers": arguments.kafka}
    topics = (settings.topics.clickstream, settings.topics.orders)
    total = Counts()
    for partition in await partitions_of(options, topics):
        clickstream, orders = [
            await read_range(options, topic, partition, arguments.from_ms, arguments.to_ms)
            for topic in topics
        ]
        replay = Replay(counting_settings(settings), funnel=settings.funnel_model(), formats=forms)
        total.add(replay.run(clickstream, orders))
    return total


def _write(counts: Counts, path: Path | None) -> None:
    with ExitStack() as stack:
        file = stack.enter_context(path.open("wb")) if path else sys.stdout.buffer
        file.writelines(_ended(counts.lines()))
        file.flush()


def _ended(lines: Iterator[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield line + b"\n"
