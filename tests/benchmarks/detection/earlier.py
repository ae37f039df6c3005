"""Outcomes of earlier runs beside the table: the whole takes hours, so it may be run bit by bit.

A row is what its last run gave, with the command it was run by; nothing is added up over runs.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tests.benchmarks.detection.outcome import Outcome
from tests.benchmarks.detection.plans import Row

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ran:
    """What a row's last run gave, and its command."""

    outcome: Outcome
    command: str


def read(path: Path) -> dict[Row, Ran]:
    """All rows that were ever written; none without the file."""
    if not path.exists():
        return {}
    rows: list[Mapping[str, Any]] = json.loads(path.read_text())
    return {Row(**each["row"]): Ran(_outcome(each["outcome"]), each["command"]) for each in rows}


def write(path: Path, rows: Mapping[Row, Ran]) -> None:
    """Replace the file; one row a line."""
    lines = (json.dumps(asdict(ran) | {"row": asdict(row)}, sort_keys=True) for row, ran in rows.items())
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def _outcome(state: Mapping[str, Any]) -> Outcome:
    return Outcome(**{**state, "kinds": Counter(state["kinds"])})
