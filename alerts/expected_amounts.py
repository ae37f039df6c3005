"""Traffic and revenue as they were expected, bucket by bucket of the last hour.

Kept for those series only that some rule compares with what was expected, from when it first does: a
window of which not every bucket is there is not known. Traffic is what the hour of the week and the
last hour let expect at a node; of the last node, what the step to it lets expect; revenue, of the total
alone, that times the value of an order. Bounded: of a dimension the 2,000 keys that were known first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from alerts.expectation.readiness import Code
from alerts.expected_shares import WINDOWS_MS
from alerts.model import EVERYWHERE
from alerts.packing import pack, unpack
from streams.closed import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.expectation.series import Expected
    from alerts.rules import Subject
    from alerts.series import SeriesTable

    F32 = NDArray[np.float32]
    F64 = NDArray[np.float64]

_BUCKETS: Final = 360
# Of a dimension, those that were known first.
_MOST_KEYS: Final = 2_000
_TOTAL: Final = EVERYWHERE[0].dimension


class ExpectedAmounts:
    """See the module.

    Args:
        table: the rows.
        nodes: of the funnel.
        wanted: dimension and subject of each amount that is asked for.
    """

    def __init__(
        self, table: SeriesTable, nodes: Sequence[str], wanted: Iterable[tuple[str, Subject]]
    ) -> None:
        self._table = table
        self._nodes = tuple(nodes)
        self._subjects = {_name(dimension, subject): (dimension, subject) for dimension, subject in wanted}
        # Of the last buckets, oldest first: expected amounts by key number.
        self._past: dict[str, list[F32]] = {name: [] for name in self._subjects}

    def add(self, expected: Expected, value_minor: float, currency: str | None) -> None:
        """What was expected of a bucket, and what an order is worth in a currency."""
        for name, (dimension, subject) in self._subjects.items():
            known = subject.currency is None or (subject.currency, dimension) == (currency, _TOTAL)
            column = self._column(subject, expected) * (_worth(subject, value_minor) if known else np.nan)
            rows = self._table.rows_by_number(dimension)[:_MOST_KEYS]
            amounts = np.where(rows >= 0, column.take(rows, mode="clip"), np.nan) if column.size else rows
            self._past[name].append(amounts.astype(np.float32))
            del self._past[name][:-_BUCKETS]

    def _column(self, subject: Subject, expected: Expected) -> F64:
        last = len(self._nodes) - 1
        node = last if subject.to_node is None else self._nodes.index(subject.to_node)
        column = expected.mean[:, -1] if node == last else expected.traffic[:, node]
        return np.where(expected.readiness[:, 0] == Code.LEARNING, np.nan, column)

    def of(self, dimension: str, subject: Subject, window: str) -> F64 | None:
        """Expected amounts in the window that ends now, by key number; None if they are not known."""
        buckets = WINDOWS_MS.get(window, 0) // BUCKET_MS
        past = self._past.get(_name(dimension, subject), [])[-buckets:]
        if not buckets or len(past) < buckets:
            return None
        keys = past[-1].size
        found = np.zeros(keys)
        for amounts in past:
            found[: amounts.size] += amounts
        return found

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {name: pack(_stacked(past)) for name, past in self._past.items() if past}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot; what nobody asks for any more is let go."""
        for name in self._subjects:
            self._past[name] = [*unpack(state[name])] if name in state else []


def _worth(subject: Subject, value_minor: float) -> float:
    if subject.currency is None:
        return 1.0
    return value_minor if value_minor > 0 else np.nan


def _stacked(past: Sequence[F32]) -> F32:
    """Shape (buckets, keys): of a key that was not there yet nothing was expected."""
    found = np.zeros((len(past), past[-1].size), dtype=np.float32)
    for at, amounts in enumerate(past):
        found[at, : amounts.size] = amounts
    return found


def _name(dimension: str, subject: Subject) -> str:
    return "\x1f".join((dimension, subject.to_node or "", subject.currency or ""))
