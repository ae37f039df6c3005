"""The runbook as data: ``alerts/RUNBOOK.md`` has one heading per alert and per kind of incident.

Parts are headings of the second level, entries of the third. An entry's heading is its name, exactly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_HEADING: Final = re.compile(r"^(##|###) (.+)$", re.MULTILINE)
_ALERT: Final = re.compile(r"Funnelwatch[A-Z]\w+")


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands under one heading, as Markdown."""

    part: str
    name: str
    text: str

    @property
    def is_alert(self) -> bool:
        """Whether it is about an alert; else it is about a kind of incident."""
        return _ALERT.fullmatch(self.name) is not None


def entries(text: str) -> tuple[Entry, ...]:
    """All entries in order.

    Raises:
        ValueError: two entries have one name, or one stands before the first part.
    """
    found, part = list[Entry](), ""
    marks = [*_HEADING.finditer(text)]
    for mark, end in zip(marks, [*(m.start() for m in marks[1:]), len(text)], strict=True):
        level, name = mark.groups()
        if level == "##":
            part = name
            continue
        if not part or name in {entry.name for entry in found}:
            raise ValueError(f"runbook: {name} stands before any part, or twice")
        found.append(Entry(part, name, text[mark.end() : end].strip()))
    return tuple(found)
