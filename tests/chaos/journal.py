"""What happened in a run and when: a file, and lines on the terminal for who wants them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Journal:
    """Lines with the seconds since it was begun.

    Args:
        path: of the file.
        aloud: whether to print the lines as well.
    """

    def __init__(self, path: Path, *, aloud: bool = False) -> None:
        self._path = path
        self._aloud = aloud
        self._begun = time.monotonic()

    def now_s(self) -> float:
        """Seconds since it was begun."""
        return time.monotonic() - self._begun

    def note(self, what: str) -> None:
        """Add a line."""
        line = f"{self.now_s():8.2f} {what}"
        with self._path.open("a") as file:
            file.write(line + "\n")
        if self._aloud:
            print(line, flush=True)
