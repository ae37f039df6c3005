"""The verb ``backtest``: recorded traffic and a configuration give the incidents that would have been sent."""

from __future__ import annotations

import gc
import sys
from os import environ
from time import perf_counter
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import orjson
from rich.console import Console

from streams.assembly import engine, windows_of
from streams.backtest.reading import Recording, buckets_in, read_kafka
from streams.backtest.report import as_json, compared_as_json, compared_table, table_of
from streams.backtest.story import compare, tell
from streams.config import load_settings

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from streams.backtest.reading import ReadOfKafka
    from streams.backtest.story import Run
    from streams.config import Settings

# Beyond the width of any terminal a table that goes to a file is cut nowhere.
_WIDE = 200


def backtest(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run what the arguments name, write the table and the JSON."""
    recording = Recording.named(arguments, "backtest")
    # What is loaded by now stays: the collector need not walk through it again and again.
    gc.freeze()
    source = read_kafka(recording, settings)
    first = _run(recording, settings, source, arguments.record)
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    zone = ZoneInfo(settings.watch.time_zone)
    console.print(table_of(first.stories, zone, _title(first)))
    plain = as_json(first)
    if arguments.compare is not None:
        other = load_settings(arguments.compare, environ)
        second = _run(recording, other, source, None)
        compared = compare(first, second)
        console.print(compared_table(compared, zone, _names(arguments)))
        plain = compared_as_json(first, second, compared)
    if arguments.json is not None:
        arguments.json.write_bytes(orjson.dumps(plain, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


def _names(arguments: argparse.Namespace) -> tuple[str, str]:
    return (arguments.config.name if arguments.config else "as it is"), arguments.compare.name


def _title(run: Run) -> str:
    hours = run.span_ms / 3_600_000
    return f"{len(run.stories)} incidents in {hours:,.1f} h"


def _run(recording: Recording, settings: Settings, source: ReadOfKafka | None, record: Path | None) -> Run:
    started = perf_counter()
    judges, windows = engine(settings), windows_of(settings)
    with buckets_in(recording, settings, source, record) as buckets:
        run = tell(buckets, judges, windows)
    seconds = max(perf_counter() - started, 1e-9)
    factor = run.span_ms / 1_000 / seconds
    print(f"{run.buckets} buckets in {seconds:.1f} s: {factor:,.0f} times real time", file=sys.stderr)
    return run
