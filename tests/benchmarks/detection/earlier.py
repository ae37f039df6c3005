"""Outcomes of earlier runs beside the table: the whole takes hours, so it may be run bit by bit.

A row is what its last run gave, with the command it was run by; nothing is added up over runs. Yardsticks
are of their last run.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tests.benchmarks.detection.outcome import Outcome
from tests.benchmarks.detection.plans import Row
from tests.benchmarks.detection.scoring import Delays
from tests.benchmarks.detection.validation import Repeated
from tests.benchmarks.detection.yardsticks import Optimum

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ran:
    """What a row's last run gave, and its command."""

    outcome: Outcome
    command: str


@dataclass(frozen=True, slots=True)
class Yardsticks:
    """The best there can be, by clock, and the rules of today on a world of their own."""

    optima: Mapping[str, Sequence[Optimum]] = field(default_factory=dict)
    repeated: Sequence[Repeated] = ()


def read_yardsticks(path: Path) -> Yardsticks:
    """Those that were written last; none without the file."""
    if not path.exists():
        return Yardsticks()
    state = json.loads(path.read_text())
    optima = {
        clock: [Optimum(**{**each, "delays": _delays(each["delays"])}) for each in found]
        for clock, found in state["optima"].items()
    }
    return Yardsticks(optima, [_repeated(each) for each in state["repeated"]])


def write_yardsticks(path: Path, yardsticks: Yardsticks) -> None:
    """Replace the file."""
    path.write_text(json.dumps(asdict(yardsticks)) + "\n")


def _repeated(state: Mapping[str, Any]) -> Repeated:
    delays, (double, tenfold) = tuple(map(_delays, state["delays"])), state["jumps"]
    return Repeated(state["rule"], state["false_per_day"], delays, (double, tenfold))


def _delays(state: Mapping[str, Any]) -> Delays:
    return Delays(tuple(state["minutes"]))


def read(path: Path) -> dict[Row, Ran]:
    """All rows that were ever written; none without the file."""
    if not path.exists():
        return {}
    rows: list[Mapping[str, Any]] = json.loads(path.read_text())
    return {Row(**each["row"]): Ran(_outcome(each["outcome"]), each["command"]) for each in rows}


def write(path: Path, rows: Mapping[Row, Ran]) -> None:
    """Replace the file; one row a line."""
    lines = (json.dumps(_plain(row, ran), sort_keys=True) for row, ran in rows.items())
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def _plain(row: Row, ran: Ran) -> dict[str, Any]:
    # ``asdict`` would count the pairs of a Counter.
    outcome = asdict(replace(ran.outcome, kinds=Counter())) | {"kinds": dict(ran.outcome.kinds)}
    return {"row": asdict(row), "outcome": outcome, "command": ran.command}


def _outcome(state: Mapping[str, Any]) -> Outcome:
    return Outcome(**{**state, "kinds": Counter(state["kinds"])})
