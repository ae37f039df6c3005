"""Sliding windows, the local day and each promotion to date, over closed buckets; and what they were before.

Promises: sums are exact, late counts included, as of the newest closed bucket; late money is in the
bucket at whose closing it came. A ratio always has its counts beside it, and is NaN where nothing went
in. Step 0 (exposure to click) compares events with events, every later one visitors with visitors.
Comparisons with earlier times are exact for the time that they name, which is rounded outward to five
minutes where it is more than an hour ago; of keys with little traffic earlier times are not known, and
then there is no comparison rather than a wrong one.

Bounded: buckets are kept for an hour and the lateness that is allowed; after that, for
``history_days``, five minutes at a time of at most ``max_keys`` keys per dimension. The last two
promotions are kept longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from streams.closed import BUCKET_MS, VISITORS
from streams.core.buckets import COLUMN_BITS
from streams.core.local_days import LocalDays
from streams.core.merge import MoneyKey
from streams.core.packed_cells import PackedCells, PackedState, pack
from streams.core.ratios import Ratio, Ratios, ratio, ratios
from streams.core.window_earlier import Comparison, Span, earlier
from streams.core.window_history import HistoryState
from streams.core.window_money import MONEY, ORDERS_AND_AMOUNT, MoneyNumbers
from streams.core.window_past import Past
from streams.core.window_settings import DAY, DAY_MS, SLIDING, Sale, WindowSettings
from streams.core.window_spans import AllSpans, SpanState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from streams.closed import Cells, ClosedBucket

    I64 = NDArray[np.int64]

__all__ = [
    "DAY",
    "SLIDING",
    "Compared",
    "Comparison",
    "Sale",
    "Span",
    "WindowSettings",
    "Windows",
    "WindowsState",
    "columns_of",
]


class Compared(NamedTuple):
    """A ratio now and at another time; ``then`` is None where that is not known.

    ``span`` is the other time as it was really summed up; None if there is none.
    """

    now: Ratio
    then: Ratio | None
    span: Span | None


class WindowsState(msgspec.Struct, array_like=True):
    """All that is known, as plain data."""

    end_ms: int
    began_ms: int
    stages: tuple[str, ...]
    nodes: int
    names: dict[str, list[str]]
    money: list[MoneyKey]
    recent: dict[int, dict[str, PackedState]]
    history: HistoryState
    to_date: dict[str, SpanState]
    held: list[tuple[int, int]]


class Windows:
    """See the module.

    Args:
        settings: how much is kept.
        sales: promotions, running, past and to come.
    """

    def __init__(self, settings: WindowSettings | None = None, sales: Iterable[Sale] = ()) -> None:
        self._settings = settings or WindowSettings()
        self._days = LocalDays(self._settings.zone)
        self._sales = tuple(sales)
        self._stages: tuple[str, ...] = ()
        self._nodes = 0
        self._names: Mapping[str, Sequence[str]] = {}
        self._numbers: dict[str, dict[str, int]] = {}
        self._money = MoneyNumbers(self._settings.max_money)
        self._past = Past(self._settings)
        self._spans = AllSpans(self._past.recent)

    @property
    def end_ms(self) -> int:
        """Event time up to which everything is in; 0 before the first bucket."""
        return self._past.end_ms

    @property
    def windows(self) -> tuple[str, ...]:
        """Names of all windows there are now: sliding ones, ``day``, and ``promotion:<name>``."""
        return tuple(self._spans)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Dimensions that have windows: all but our own."""
        return tuple(name for name in self._names if not name.startswith("("))

    @property
    def nodes(self) -> tuple[str, ...]:
        """Nodes of the funnel."""
        return self._stages[: self._nodes]

    @property
    def nbytes(self) -> int:
        """Memory of the counts."""
        return self._past.recent.nbytes + self._past.history.nbytes + self._spans.nbytes

    def names(self, dimension: str) -> Sequence[str]:
        """Keys of a dimension, by number."""
        return self._names.get(dimension, ())

    @property
    def began_ms(self) -> int:
        """From here on everything is in; 0 before the first bucket."""
        return self._past.began_ms

    def span(self, window: str) -> Span:
        """Event time that a window has. Raises KeyError if there is no such window."""
        span = self._spans[window]
        return Span(span.start_ms, min(span.end_ms, self.end_ms))

    def plan(self, sales: Iterable[Sale]) -> None:
        """Other promotions, from the next bucket on.

        One that has begun already is summed up from where every ten seconds are kept.
        """
        self._sales = tuple(sales)

    def take(self, closed: ClosedBucket) -> None:
        """Take in the next closed bucket."""
        self._stages, self._nodes, self._names = closed.stages, closed.nodes, closed.names
        self._move_to(closed.start_ms, closed.end_ms)
        self._add_counts(closed.start_ms, closed.counts)
        for start_ms, counts in closed.late:
            self._add_counts(start_ms, counts)
        if closed.money:
            self._add(closed.start_ms, MONEY, self._money.pack(closed.money))
        if self._past.overdue():
            traffic = {dimension: self.traffic(dimension) for dimension in self.dimensions}
            numbers = np.arange(len(self._money.keys))
            traffic[MONEY] = self._spans["1h"].sums.rows(MONEY, numbers)[:, ORDERS_AND_AMOUNT.start]
            self._past.age(traffic, self._sales)

    def counts(self, window: str, dimension: str, keys: I64 | None = None) -> I64:
        """Counts by key and column, shape (keys, 32); of keys outside a promotion's scope 0.

        Args:
            window: its name.
            dimension: whose keys.
            keys: numbers of some keys; all if None.

        Raises:
            KeyError: there is no such window.
        """
        names = self.names(dimension)
        numbers = np.arange(len(names)) if keys is None else keys
        rows = self._spans[window].sums.rows(dimension, numbers)
        scope = next((sale.scope for sale in self._sales if sale.window == window), {})
        if scope:
            mine = scope.get(dimension, frozenset())
            rows[[names[number] not in mine for number in numbers.tolist()]] = 0
        return rows

    def traffic(self, dimension: str) -> I64:
        """Events of all nodes in the last hour, by key number; shape (keys,)."""
        events: I64 = self.counts("1h", dimension)[:, : self._nodes].sum(axis=1)
        return events

    def entries(self, window: str) -> dict[str, I64]:
        """What came to each node, by dimension: shape (keys, nodes); events of the first, then visitors."""
        columns = [columns_of(step)[0] for step in range(self._nodes)]
        return {dimension: self.counts(window, dimension)[:, columns] for dimension in self.dimensions}

    def ratio(self, window: str, dimension: str, step: int, keys: I64 | None = None) -> Ratios:
        """Conversion of a step, shape (keys,): of some keys by number, or of all.

        Step j leads from node j to node j + 1.
        """
        counts = self.counts(window, dimension, keys)
        before, after = columns_of(step)
        return ratios(counts[:, after], counts[:, before])

    def compare(
        self, window: str, dimension: str, key: str, step: int, with_: Comparison = Comparison.PREVIOUS
    ) -> Compared:
        """Conversion of a step for one key, now and at another time.

        Raises:
            KeyError: there is no such window, or the key was never seen.
        """
        number = self._number(dimension, key)
        now = _ratio(self._spans[window].sums.row(dimension, number), step)
        span = self.earlier(window, with_)
        if span is None:
            return Compared(now, None, None)
        row, span = self._past.row(dimension, number, span)
        return Compared(now, None if row is None else _ratio(row, step), span)

    def buckets(self, dimension: str, key: int, start_ms: int) -> I64:
        """Counts of one key, by number, in every bucket from a moment of the last hour on: shape (buckets, 32)."""
        starts = range(start_ms, self.end_ms, BUCKET_MS)
        recent = self._past.recent
        rows = [recent.row(dimension, key, start, start + BUCKET_MS) for start in starts]
        return np.array(rows, dtype=np.int64).reshape(-1, 1 << COLUMN_BITS)

    def money(
        self, window: str, dimension: str = "all", key: str = "all"
    ) -> dict[tuple[str, str], tuple[int, int]]:
        """Orders and amount in minor units, by (currency, kind): paid, cancelled, refunded."""
        return self._money.of(self._spans[window].sums, dimension, key)

    @property
    def currencies(self) -> tuple[str, ...]:
        """In which anything was paid, in alphabetical order."""
        return self._money.currencies

    def paid(self, window: str, dimension: str, currency: str) -> I64:
        """Paid orders and their amount in minor units by key number, shape (keys, 2).

        Raises:
            KeyError: there is no such window.
        """
        sums = self._spans[window].sums
        numbers, keys = self._paid(dimension, currency)
        found = np.zeros((len(self.names(dimension)), 2), dtype=np.int64)
        found[keys] = sums.rows(MONEY, numbers)[:, ORDERS_AND_AMOUNT]
        return found

    def earlier(self, window: str, with_: Comparison) -> Span | None:
        """The time that a window is compared with; None if there is none. Raises KeyError without the window."""
        return earlier(window, self.span(window), with_, self._days, self._sales)

    def known(self, dimension: str, keys: I64, span: Span) -> tuple[I64, NDArray[np.bool_], Span] | None:
        """Counts of some keys in an earlier time: shape (keys, 32), and which of them are known.

        With them the span as it was summed up; None if nothing is known of it.
        """
        return self._past.rows(dimension, keys, span)

    def known_paid(
        self, dimension: str, currency: str, span: Span
    ) -> tuple[I64, NDArray[np.bool_], Span] | None:
        """Paid orders and amount of all keys in an earlier time, shape (keys, 2), and which are known."""
        numbers, keys = self._paid(dimension, currency)
        past = self._past.rows(MONEY, numbers, span)
        if past is None:
            return None
        found = np.zeros((len(self.names(dimension)), 2), dtype=np.int64)
        known = np.ones(len(found), dtype=np.bool_)
        found[keys], known[keys] = past[0][:, ORDERS_AND_AMOUNT], past[1]
        return found, known, past[2]

    def _paid(self, dimension: str, currency: str) -> tuple[I64, I64]:
        """Numbers of the sums of what was paid, and of the keys under which it was."""
        numbers = self._money.column(dimension, currency, "paid")
        places = self._places(dimension)
        pairs = [(number, places.get(self._money.keys[number].key, -1)) for number in numbers]
        found = np.array([pair for pair in pairs if pair[1] >= 0], dtype=np.int64).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def snapshot(self) -> WindowsState:
        """All that is known. It goes with the snapshot of what closes the buckets."""
        past = self._past
        return WindowsState(
            past.end_ms,
            past.began_ms,
            self._stages,
            self._nodes,
            {dimension: [*names] for dimension, names in self._names.items()},
            [*self._money.keys],
            past.recent.state(),
            past.history.snapshot(),
            self._spans.state(),
            sorted(past.held),
        )

    def restore(self, state: WindowsState) -> None:
        """Go on from a snapshot. Raises ValueError if it is damaged."""
        past = self._past = Past(self._settings)
        past.move_to(state.began_ms, state.end_ms)
        past.recent.restore(state.recent)
        past.history.restore(state.history)
        past.held = {*state.held}
        self._stages, self._nodes = state.stages, state.nodes
        self._names = {dimension: tuple(names) for dimension, names in state.names.items()}
        self._numbers = {}
        self._money = MoneyNumbers(self._settings.max_money, state.money)
        self._spans = AllSpans(past.recent, past.end_ms)
        self._spans.restore(state.to_date)

    def _move_to(self, start_ms: int, end_ms: int) -> None:
        self._past.move_to(start_ms, end_ms)
        to_date: dict[str, tuple[int, int]] = {DAY: self._days.day(start_ms)}
        to_date |= {sale.window: (sale.start_ms, sale.end_ms) for sale in self._shown(start_ms)}
        self._spans.move_to(end_ms, to_date)

    def _shown(self, at_ms: int) -> list[Sale]:
        """Promotions that have begun and did not end more than a day ago, the last ones."""
        shown = [sale for sale in self._sales if sale.start_ms <= at_ms < sale.end_ms + DAY_MS]
        return sorted(shown, key=lambda sale: (sale.start_ms, sale.name))[-self._settings.max_sales :]

    def _add_counts(self, start_ms: int, counts: Mapping[str, Cells]) -> None:
        for dimension, (keys, columns, times) in counts.items():
            if not dimension.startswith("("):
                self._add(start_ms, dimension, pack(keys << COLUMN_BITS | columns, times))

    def _add(self, start_ms: int, dimension: str, packed: PackedCells) -> None:
        self._spans.add(start_ms, dimension, packed)
        self._past.add(start_ms, dimension, packed)

    def _number(self, dimension: str, key: str) -> int:
        return self._places(dimension)[key]

    def _places(self, dimension: str) -> Mapping[str, int]:
        """Number of each key."""
        numbers, names = self._numbers.setdefault(dimension, {}), self.names(dimension)
        numbers.update(zip(names[len(numbers) :], range(len(numbers), len(names)), strict=True))
        return numbers


def columns_of(step: int) -> tuple[int, int]:
    """Columns of the nodes before and after a step: events of the first step, visitors of the others."""
    return (0, 1) if step == 0 else (VISITORS + step, VISITORS + step + 1)


def _ratio(row: I64, step: int) -> Ratio:
    before, after = columns_of(step)
    return ratio(int(row[after]), int(row[before]))
