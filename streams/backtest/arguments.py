"""Arguments of the verb ``backtest``; light, for every verb's start asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is read, and where to write; ``--config`` is the caller's."""
    add_recording(parser)
    parser.add_argument("--format", help="input format of both files (default: as configured)")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep the rollups, for many runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the incidents there as well")
    parser.add_argument(
        "--compare", type=Path, metavar="CONFIG", help="run this configuration too, side by side"
    )


def add_recording(parser: argparse.ArgumentParser) -> None:
    """Where recorded traffic is: a :class:`streams.backtest.reading.Recording`."""
    parser.add_argument("--clickstream", type=Path, metavar="FILE", help="events: JSON lines or .parquet")
    parser.add_argument("--orders", type=Path, metavar="FILE", help="events: JSON lines or .parquet")
    parser.add_argument("--rollups", type=Path, metavar="FILE", help="rollups written by --record")
    parser.add_argument("--kafka", metavar="HOST:PORT", help="read a range of the topics instead")
    parser.add_argument(
        "--of", choices=("events", "rollups"), default="rollups", help="with --kafka (default: %(default)s)"
    )
    parser.add_argument("--from-ms", type=int, default=0, help="with --kafka: first record timestamp")
    parser.add_argument("--to-ms", type=int, help="with --kafka: first record timestamp not to read")
