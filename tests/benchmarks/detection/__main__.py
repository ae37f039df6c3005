"""``python -m tests.benchmarks.detection``: runs scenarios through watchers and writes the table.

Without arguments everything, which takes hours; ``--scenarios S2,S5 --replicates 100`` some of it. The
table is replaced only by ``--write``, and keeps what earlier runs gave of other rows; else it goes to the
terminal.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.benchmarks.detection.earlier import (
    Ran,
    Yardsticks,
    read,
    read_yardsticks,
    write,
    write_yardsticks,
)
from tests.benchmarks.detection.pieces import Pieces
from tests.benchmarks.detection.plans import WATCHERS, Row, Shop, Size, results, watchers_of
from tests.benchmarks.detection.scenarios import SCENARIOS, Stage
from tests.benchmarks.detection.table import Measured, markdown
from tests.benchmarks.detection.validation import optima, repeated
from tests.benchmarks.detection.whole_path import NAMES, passage
from tests.benchmarks.detection.whole_path import read as read_passages
from tests.benchmarks.detection.whole_path import write as write_passages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.benchmarks.detection.whole_path import Passage

_TABLE: Final = Path(__file__).with_name("TABLE.md")
_ROWS: Final = Path(__file__).with_name("rows.json")
_YARDSTICKS: Final = Path(__file__).with_name("yardsticks.json")
_PASSAGES: Final = Path(__file__).with_name("whole_path.json")
_MODES: Final = ("ideal", "realistic")
# Modes are both for these; else the one that the pass mark names.
_BOTH: Final = frozenset({"S0", "S3"})
_IDEAL: Final = frozenset({"S2", "S2c", "S2d"})


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """What was asked for; exits with what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.detection", description=__doc__)
    parser.add_argument(
        "--scenarios", type=_names(SCENARIOS), default=tuple(SCENARIOS), help="comma separated, or none"
    )
    parser.add_argument(
        "--watchers", type=_names(WATCHERS, ";"), default=tuple(WATCHERS), help="separated by ;"
    )
    parser.add_argument("--modes", type=_names(_MODES), default=_MODES, help="ideal, realistic or both")
    parser.add_argument("--replicates", type=int, default=1_000, help="in the light world (%(default)s)")
    parser.add_argument("--shop-replicates", type=int, default=20, help="in the full shop (%(default)s)")
    parser.add_argument("--history-hours", type=int, default=24, help="quiet, before (%(default)s)")
    parser.add_argument("--shop-history-hours", type=int, default=24, help="in the shop (%(default)s)")
    parser.add_argument("--shop-clicks", type=float, default=10_000.0, help="a minute (%(default)s)")
    parser.add_argument("--shop-skus", type=int, default=5_000, help="SKUs of the shop (%(default)s)")
    parser.add_argument("--slots", type=int, default=100, help="replicates side by side (%(default)s)")
    parser.add_argument("--futures", type=int, default=10, help="after the same quiet hours (%(default)s)")
    parser.add_argument("--rates", type=_rates, default=(6.0,), help="orders a minute of a slot (6)")
    parser.add_argument("--yardstick-slots", type=int, default=300, help="0: as they were run last")
    parser.add_argument(
        "--whole-path",
        type=int,
        default=0,
        help="seeds of each scenario through the whole path (%(default)s)",
    )
    parser.add_argument(
        "--whole-path-scenarios",
        type=_names(NAMES),
        default=NAMES,
        help="these only; others stay as they were",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        help="a folder for pieces that are done: begun anew, the command goes on from there",
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes (%(default)s)")
    parser.add_argument("--write", action="store_true", help=f"replace {_TABLE.name}")
    return parser.parse_args(words)


def _names(known: Iterable[str], mark: str = ",") -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        asked = () if text == "none" else tuple(text.split(mark))
        for name in asked:
            if name not in tuple(known):
                raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
        return asked

    return names


def _rates(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split(",")))


def rows(scenarios: Sequence[str], watchers: Sequence[str], rates: Sequence[float]) -> list[Row]:
    """What is to be run."""
    out = []
    for name in scenarios:
        light = SCENARIOS[name].stage is Stage.LIGHT
        modes = (False, True) if name in _BOTH else (name not in _IDEAL,)
        for watcher in [each for each in watchers_of(SCENARIOS[name]) if each in watchers]:
            out += [Row(name, watcher, mode, rate) for mode in modes for rate in (rates if light else (6.0,))]
    return out


def _place(row: Row) -> tuple[object, ...]:
    """Order in the table: scenarios and watchers as they are listed."""
    return list(SCENARIOS).index(row.scenario), row.realistic, row.rate, list(WATCHERS).index(row.watcher)


def _yardsticks(slots: int) -> Yardsticks:
    if not slots:
        return read_yardsticks(_YARDSTICKS)
    return Yardsticks(optima(slots), list(repeated(slots)))


def _passages(names: Sequence[str], seeds: int, jobs: int, command: str) -> list[Passage]:
    """New ones, and of others those that were run last."""
    known = {(one.scenario, one.seed): one for one in read_passages(_PASSAGES)}
    if names == NAMES and seeds:
        known.clear()
    wanted = [*product(names, range(1, seeds + 1))]
    if wanted:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            for one in pool.map(passage, *zip(*wanted, strict=True)):
                known[one.scenario, one.seed] = replace(one, command=command)
                print(one, file=sys.stderr)
    return sorted(known.values(), key=lambda one: (NAMES.index(one.scenario), one.seed))


def _command(words: Sequence[str]) -> str:
    """What gives the same; where pieces were kept makes no difference to that."""
    kept = [word for word in words if not word.startswith("--keep=")]
    while "--keep" in kept:
        at = kept.index("--keep")
        del kept[at : at + 2]
    return shlex.join(["make", "bench-detection", *([f"ARGS={shlex.join(kept)}"] if kept else [])])


def main(words: Sequence[str]) -> int:
    """See the module."""
    asked = arguments(words)
    asked_for = rows(asked.scenarios, asked.watchers, asked.rates)
    todo = [row for row in asked_for if _MODES[row.realistic] in asked.modes]
    shop = Shop(asked.shop_clicks, asked.shop_skus, asked.shop_history_hours)
    size = Size(
        asked.replicates, asked.shop_replicates, asked.history_hours, asked.slots, asked.futures, shop
    )
    pieces = Pieces(asked.keep) if asked.keep else None
    found = results(todo, size, asked.jobs, lambda text: print(text, file=sys.stderr), pieces)
    command = _command(words)
    known = read(_ROWS) | {row: Ran(outcome, command) for row, outcome in found.items()}
    ran = dict(sorted(known.items(), key=lambda item: _place(item[0])))
    yardsticks = _yardsticks(asked.yardstick_slots)
    passages = _passages(asked.whole_path_scenarios, asked.whole_path, asked.jobs, command)
    measured = Measured(
        repeated=yardsticks.repeated,
        optima=yardsticks.optima,
        outcomes={row: each.outcome for row, each in ran.items()},
        commands={row: each.command for row, each in ran.items()},
        passages=passages,
    )
    text = markdown(measured)
    print(text)
    if asked.write:
        _TABLE.write_text(text)
        write(_ROWS, ran)
        write_yardsticks(_YARDSTICKS, yardsticks)
        write_passages(_PASSAGES, passages)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
