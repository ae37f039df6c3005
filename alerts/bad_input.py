"""Rubbish in a topic: over half of a minute's records invalid."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class BadInputSettings:
    """When input is bad.

    Attributes:
        share: more than this of a minute's records are invalid.
        well_below: it is over when less than this is.
        least_records: of fewer in a minute nothing is said, neither way.
        buckets: how many make the minute.
    """

    share: float = 0.5
    well_below: float = 0.25
    least_records: int = 20
    buckets: int = 6


class BadInput:
    """The last minute's records of one topic."""

    def __init__(self, settings: BadInputSettings) -> None:
        self._settings = settings
        self._last: deque[tuple[int, int, int]] = deque(maxlen=settings.buckets)
        self.since_ms: int | None = None

    @property
    def invalid(self) -> int:
        """Invalid records of the minute."""
        return sum(invalid for _, invalid, _ in self._last)

    @property
    def records(self) -> int:
        """All records of the minute."""
        return sum(records for _, _, records in self._last)

    @property
    def doubtful(self) -> bool:
        """The newest bucket is as bad; whether the minute will be is not known yet."""
        _, invalid, records = self._last[-1] if self._last else (0, 0, 0)
        return records > 0 and invalid > self._settings.share * records

    def take(self, invalid: int, records: int, start_ms: int) -> None:
        """Take in a bucket."""
        self._last.append((start_ms, invalid, records))
        if self.records < self._settings.least_records:
            return
        share = self.invalid / self.records
        if share > self._settings.share and self.since_ms is None:
            self.since_ms = self._last[0][0]
        elif share < self._settings.well_below:
            self.since_ms = None

    def snapshot(self) -> list[Any]:
        """All that is known, as plain data."""
        return [[list(bucket) for bucket in self._last], self.since_ms]

    def restore(self, state: Sequence[Any]) -> None:
        """Take up a snapshot."""
        last, self.since_ms = state
        self._last.extend((start, invalid, records) for start, invalid, records in last)
