"""Pieces of work that are done are kept, so that a command which takes hours may be ended and begun anew.

A piece is known by its plan and by the program that ran it: whatever changes in either, it is run again.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.detection.earlier import Ran, read, write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.benchmarks.detection.outcome import Outcome
    from tests.benchmarks.detection.plans import Row, Work

_PROJECT = Path(__file__).parents[3]
_PROGRAM = ("alerts", "streams", "tests/benchmarks/detection", "tests/support")


class Pieces:
    """Outcomes by piece, a file each.

    Args:
        folder: where they are; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._program = program(_PROJECT / each for each in _PROGRAM)

    def done(self, work: Work) -> list[tuple[Row, Outcome]]:
        """What came of a piece; empty if it was not run."""
        return [(row, ran.outcome) for row, ran in read(self._file(work)).items()]

    def keep(self, work: Work, found: Iterable[tuple[Row, Outcome]]) -> None:
        """Write what came of a piece, whole or not at all."""
        file = self._file(work)
        begun = file.with_suffix(".begun")
        write(begun, {row: Ran(outcome, "") for row, outcome in found})
        begun.replace(file)

    def _file(self, work: Work) -> Path:
        return self._folder / f"{sha256(f'{self._program} {work}'.encode()).hexdigest()[:24]}.json"


def program(folders: Iterable[Path]) -> str:
    """Digest of all Python sources in folders."""
    sources = sorted(source for folder in folders for source in folder.rglob("*.py"))
    return sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()
