"""Arguments of the verb ``report``; light, for every verb's start asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from streams.backtest.arguments import add_recording

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which promotion, over what, and how it is written; ``--config`` is the caller's."""
    parser.add_argument("--promotion", required=True, metavar="NAME", help="as the configuration names it")
    add_recording(parser)
    last = parser.add_argument_group("the last promotion, where its traffic is in files of its own")
    last.add_argument("--last-clickstream", type=Path, metavar="FILE", help="events of the last promotion")
    last.add_argument("--last-orders", type=Path, metavar="FILE", help="likewise")
    last.add_argument("--last-rollups", type=Path, metavar="FILE", help="likewise, by backtest --record")
    parser.add_argument(
        "--input-format", dest="format", metavar="FORMAT", help="of the files (default: as configured)"
    )
    parser.add_argument(
        "--format", dest="form", choices=("html", "md"), help="of the page; default: as --out ends, else html"
    )
    parser.add_argument("--language", choices=("en", "zh"), default="en", help="default: %(default)s")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
