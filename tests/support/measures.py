"""Counts of windows written by hand, for rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from alerts.rules import Comparison, Counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.rules import Subject

    Row = tuple[float, float]


@dataclass
class FixedMeasures:
    """An :class:`alerts.rules.Measures`: (entries, reached) of each key now, and in comparisons."""

    now: Mapping[str, Row]
    then: Mapping[Comparison, Mapping[str, Row]] = field(default_factory=dict)
    missing: bool = False

    def names(self, dimension: str) -> Sequence[str]:
        """The keys."""
        return list(self.now)

    def counts(self, subject: Subject, dimension: str, window: str) -> Counts | None:
        """The counts of now."""
        return None if self.missing else self._columns(self.now)

    def compared(
        self,
        subject: Subject,
        dimension: str,
        window: str,
        with_: Comparison,
        numbers: NDArray[np.intp],
    ) -> Counts | None:
        """Those that are asked for; NaN for all others, and for a key that was not there."""
        if with_ not in self.then:
            return None
        asked = {list(self.now)[number] for number in numbers}
        return self._columns({key: row for key, row in self.then[with_].items() if key in asked})

    def _columns(self, known: Mapping[str, Row]) -> Counts:
        rows = np.array([known.get(key, (np.nan, np.nan)) for key in self.now]).reshape(-1, 2)
        return Counts(rows[:, 0], rows[:, 1])
