"""Counts of windows written by hand, for rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from alerts.rules import Comparison, Counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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

    def counts(
        self, subject: Subject, dimension: str, window: str, compared: Comparison | None
    ) -> Counts | None:
        """The counts, NaN for a key that a comparison does not know."""
        if self.missing or (compared is not None and compared not in self.then):
            return None
        known = self.now if compared is None else self.then[compared]
        rows = np.array([known.get(key, (np.nan, np.nan)) for key in self.now]).reshape(-1, 2)
        return Counts(rows[:, 0], rows[:, 1])
