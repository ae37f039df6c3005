"""The windows as rules and targets of promotions ask for them.

Part of the composition root: here what :mod:`streams.core.windows` has becomes what :mod:`alerts` wants.
An amount (traffic, revenue) of a window of which the beginning was not seen is not known, for it would
be too small; a share is. Amounts of an earlier time that was rounded outward are scaled to the
window's length. What was expected is not the windows' to say: whoever knows puts it in front of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.rules import Comparison, Counts
from streams.closed import VISITORS
from streams.core.windows import SLIDING, Span
from streams.core.windows import Comparison as Earlier

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from alerts.rules import Subject
    from streams.core.windows import Windows

    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]
    Numbers = NDArray[np.intp]

_EARLIER = {
    Comparison.PREVIOUS: Earlier.PREVIOUS,
    Comparison.YESTERDAY: Earlier.YESTERDAY,
    Comparison.LAST_WEEK: Earlier.LAST_WEEK,
}


class WindowMeasures:
    """An :class:`alerts.measures.Measured` over the windows, of the end of one bucket."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        # A hundred rules look at the same few tables.
        self._rows: dict[tuple[str, str], I64] = {}

    def names(self, dimension: str) -> Sequence[str]:
        """The keys of a dimension by number."""
        return self._windows.names(dimension)

    def to_date(self) -> dict[str, int]:
        """Start of each window that begins at a moment: the local day, promotions."""
        windows = self._windows
        return {name: windows.span(name).start_ms for name in windows.windows if name not in SLIDING}

    def counts(self, subject: Subject, dimension: str, window: str) -> Counts | None:
        """Counts in the window that ends now."""
        if not self._is_known(subject, window):
            return None
        if subject.currency is not None:
            return _of_money(self._windows.paid(window, dimension, subject.currency))
        return self._of_nodes(subject, self._counts(window, dimension))

    def _counts(self, window: str, dimension: str) -> I64:
        if (window, dimension) not in self._rows:
            self._rows[window, dimension] = self._windows.counts(window, dimension)
        return self._rows[window, dimension]

    def _is_known(self, subject: Subject, window: str) -> bool:
        if window not in self._windows.windows:
            return False
        return subject.is_conversion or self._windows.began_ms <= self._windows.span(window).start_ms

    def compared(
        self, subject: Subject, dimension: str, window: str, with_: Comparison, numbers: Numbers
    ) -> Counts | None:
        """Counts of these keys at the time that the window is compared with; NaN for all others."""
        if with_ not in _EARLIER or window not in self._windows.windows:
            return None
        span = self._windows.earlier(window, _EARLIER[with_])
        if span is None:
            return None
        if subject.currency is not None:
            return self._paid_then(dimension, subject.currency, span)
        past = self._windows.known(dimension, numbers, span)
        if past is None:
            return None
        rows, known, found = past
        then = self._of_nodes(subject, rows)
        scale = 1.0 if subject.is_conversion else span.size_ms / found.size_ms
        keys = numbers[known], len(self.names(dimension))
        return Counts(
            _placed(then.entries[known] * scale, *keys), _placed(then.reached[known] * scale, *keys)
        )

    def _paid_then(self, dimension: str, currency: str, span: Span) -> Counts | None:
        past = self._windows.known_paid(dimension, currency, span)
        if past is None:
            return None
        sums, known, found = past
        scale = np.where(known, span.size_ms / found.size_ms, np.nan)
        orders, amounts = sums.astype(np.float64).T
        return Counts(orders * scale, amounts * scale)

    def orders(self, dimension: str, keys: Collection[str], start_ms: int, end_ms: int) -> float | None:
        """Paid orders of some keys together in a time that is over; None if they are not known of all."""
        names = self._windows.names(dimension)
        numbers = np.array([number for number, name in enumerate(names) if name in keys], dtype=np.int64)
        past = self._windows.known(dimension, numbers, Span(start_ms, end_ms))
        if past is None or not past[1].all():
            return None
        rows, _, found = past
        return float(rows[:, len(self._windows.nodes) - 1].sum()) * (end_ms - start_ms) / found.size_ms

    def ordered(self, dimension: str, window: str) -> F64 | None:
        """Paid orders by key number in a window; None if there is no such window."""
        if window not in self._windows.windows:
            return None
        column = len(self._windows.nodes) - 1
        return self._counts(window, dimension)[:, column].astype(np.float64)

    def _of_nodes(self, subject: Subject, rows: I64) -> Counts:
        """Entries and what was reached, of counts by column."""
        nodes = self._windows.nodes
        to = nodes.index(subject.to_node or "")
        if subject.from_node is None:
            # Exposures have no visitors.
            own = rows[:, 0 if to == 0 else VISITORS + to].astype(np.float64)
            return Counts(own, own)
        from_ = nodes.index(subject.from_node)
        before, after = (0, 1) if from_ == 0 else (VISITORS + from_, VISITORS + to)
        return Counts(rows[:, before].astype(np.float64), rows[:, after].astype(np.float64))


def _of_money(sums: I64) -> Counts:
    return Counts(sums[:, 0].astype(np.float64), sums[:, 1].astype(np.float64))


def _placed(values: F64, numbers: Numbers, keys: int) -> F64:
    """Values of some keys among all; NaN for the others."""
    found = np.full(keys, np.nan)
    found[numbers] = values
    return found
