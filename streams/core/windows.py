"""Sliding windows, the local day and each promotion to date, over closed buckets; and what they were before.

Promises: sums are exact, late counts included, as of the newest closed bucket; late money is in the
bucket at whose closing it came. A ratio always has its counts beside it, and is NaN where nothing went
in. Step 0 (exposure to click) compares events with events, every later one visitors with visitors.
Comparisons with earlier times are exact for the time that they name, which is rounded outward to five
minutes where it is more than an hour ago; of keys with little traffic earlier times are not known, and
then there is no comparison rather than a wrong one.

Bounded: buckets are kept for an hour and the lateness that is allowed; after that, for
``history_days``, five minutes at a time of at most ``max_keys`` keys per dimension. The last
promotion's are kept until the next one is over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import numpy as np

from streams.closed import VISITORS
from streams.core.buckets import COLUMN_BITS
from streams.core.local_days import LocalDays
from streams.core.merge import MoneyKey
from streams.core.packed_cells import CellSums, PackedState, pack
from streams.core.ratios import Ratio, Ratios, ratio, ratios
from streams.core.window_history import SLOT_MS, History, HistoryState
from streams.core.window_spans import RecentBuckets, SpanSums

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from streams.closed import Cells, ClosedBucket

    I64 = NDArray[np.int64]

DAY: Final = "day"
SLIDING: Final[Mapping[str, int]] = {"1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": 3_600_000}
_PROMOTION = "promotion:"
_MONEY = "(money)"
_ORDERS, _AMOUNT = 0, 1
_DAY_MS = 86_400_000


class Comparison(StrEnum):
    """With what a window is compared."""

    PREVIOUS = "previous"
    YESTERDAY = "yesterday"
    LAST_WEEK = "last_week"
    LAST_PROMOTION = "last_promotion"


class Sale(NamedTuple):
    """A promotion: its name, its time, and keys by dimension; no scope is everything."""

    name: str
    start_ms: int
    end_ms: int
    scope: Mapping[str, frozenset[str]] = {}  # never written to

    @property
    def window(self) -> str:
        """Name of the window from its start to now."""
        return _PROMOTION + self.name


class Compared(NamedTuple):
    """A ratio now and at another time; ``then`` is None where that is not known.

    The other time is ``[start_ms, end_ms)``, as it was really summed up.
    """

    now: Ratio
    then: Ratio | None
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """How much is kept.

    Attributes:
        zone: time zone of the days, a name in the IANA database.
        lateness_ms: how late counts may come and still find their ten seconds.
        history_days: for so many days earlier times are kept.
        max_keys: of each dimension, for earlier times.
        max_sales: windows of promotions at a time; the ones that started last.
    """

    zone: str = "UTC"
    lateness_ms: int = 600_000
    history_days: int = 8
    max_keys: int = 200
    max_sales: int = 4


class WindowsState(msgspec.Struct, array_like=True):
    """All that is known, as plain data. Names of keys stand in what closes buckets."""

    end_ms: int
    began_ms: int
    stages: tuple[str, ...]
    nodes: int
    names: dict[str, list[str]]
    money: list[tuple[str, str, str, str]]
    recent: dict[int, dict[str, PackedState]]
    history: HistoryState
    to_date: dict[str, tuple[int, int, dict[str, PackedState]]]
    held: list[tuple[int, int]]


@dataclass(slots=True)
class _MoneyNumbers:
    """Sums of money by number, and by what they are of."""

    keys: list[MoneyKey] = field(default_factory=list)
    numbers: dict[MoneyKey, int] = field(default_factory=dict)
    places: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def number(self, key: MoneyKey) -> int:
        """Number of a sum, a new one if it is new."""
        if key not in self.numbers:
            self.numbers[key] = len(self.keys)
            self.keys.append(key)
            self.places.setdefault((key.dimension, key.key), []).append(self.numbers[key])
        return self.numbers[key]


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
        self._end_ms = self._began_ms = 0
        self._stages: tuple[str, ...] = ()
        self._nodes = 0
        self._names: Mapping[str, Sequence[str]] = {}
        self._numbers: dict[str, dict[str, int]] = {}
        self._money = _MoneyNumbers()
        self._recent = RecentBuckets()
        self._history = History(self._settings.max_keys)
        self._sliding = {window: SpanSums(-size, 0) for window, size in SLIDING.items()}
        self._to_date: dict[str, SpanSums] = {}
        # Spans of promotions of which nothing was dropped yet.
        self._held: set[tuple[int, int]] = set()

    @property
    def end_ms(self) -> int:
        """Event time up to which everything is in; 0 before the first bucket."""
        return self._end_ms

    @property
    def windows(self) -> tuple[str, ...]:
        """Names of all windows there are now."""
        return (*self._sliding, *self._to_date)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Dimensions that have windows."""
        return tuple(name for name in self._names if not name.startswith("("))

    @property
    def nodes(self) -> tuple[str, ...]:
        """Nodes of the funnel."""
        return self._stages[: self._nodes]

    @property
    def nbytes(self) -> int:
        """Memory of the counts."""
        sums = (*self._sliding.values(), *self._to_date.values())
        return self._recent.nbytes + self._history.nbytes + sum(span.sums.nbytes for span in sums)

    def names(self, dimension: str) -> Sequence[str]:
        """Keys of a dimension, by number."""
        return self._names.get(dimension, ())

    def span(self, window: str) -> tuple[int, int]:
        """Event time that a window has, half-open. Raises KeyError if there is no such window."""
        span = self._of(window)
        return span.start_ms, min(span.end_ms, self._end_ms)

    def plan(self, sales: Iterable[Sale]) -> None:
        """Other promotions, from the next bucket on.

        One that has begun is summed up from what is left of every ten seconds since.
        """
        self._sales = tuple(sales)

    def take(self, closed: ClosedBucket) -> None:
        """Take in the next closed bucket."""
        self._began_ms = self._began_ms or closed.start_ms
        self._stages, self._nodes, self._names = closed.stages, closed.nodes, closed.names
        self._move_to(closed.start_ms, closed.end_ms)
        self._add(closed.start_ms, closed.counts)
        for start_ms, counts in closed.late:
            self._add(start_ms, counts)
        self._add_money(closed.start_ms, closed.money)
        self._age()

    def counts(self, window: str, dimension: str) -> I64:
        """Counts by key number and column, shape (keys, 32); of keys outside a promotion's scope 0.

        Raises:
            KeyError: there is no such window.
        """
        rows = self._of(window).sums.rows(dimension, len(self.names(dimension)))
        scope = self._scope(window)
        if scope:
            mine = scope.get(dimension, frozenset())
            rows[[key not in mine for key in self.names(dimension)]] = 0
        return rows

    def entries(self, window: str) -> dict[str, I64]:
        """What came to each node, by dimension: shape (keys, nodes); events of the first, then visitors."""
        columns = [0, *range(VISITORS + 1, VISITORS + self._nodes)][: self._nodes]
        return {dimension: self.counts(window, dimension)[:, columns] for dimension in self.dimensions}

    def ratio(self, window: str, dimension: str, step: int) -> Ratios:
        """Conversion of a step for every key, shape (keys,). Step j leads from node j to node j + 1."""
        counts = self.counts(window, dimension)
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
        start_ms, end_ms = self._then(window, with_) or (0, 0)
        row, start_ms, end_ms = self._row(dimension, number, start_ms, end_ms)
        now = self._of(window).sums.row(dimension, number)
        then = None if row is None else _ratio(row, step)
        return Compared(_ratio(now, step), then, start_ms, end_ms)

    def money(
        self, window: str, dimension: str = "all", key: str = "all"
    ) -> dict[tuple[str, str], tuple[int, int]]:
        """Orders and amount in minor units, by (currency, kind)."""
        sums = self._of(window).sums
        found = {}
        for number in self._money.places.get((dimension, key), ()):
            row = sums.row(_MONEY, number)
            name = self._money.keys[number]
            found[name.currency, name.kind] = (int(row[_ORDERS]), int(row[_AMOUNT]))
        return {name: sums for name, sums in found.items() if sums != (0, 0)}

    def snapshot(self) -> WindowsState:
        """All that is known. It goes with the snapshot of what closes the buckets."""
        return WindowsState(
            self._end_ms,
            self._began_ms,
            self._stages,
            self._nodes,
            {dimension: [*names] for dimension, names in self._names.items()},
            [(*key,) for key in self._money.keys],
            self._recent.state(),
            self._history.snapshot(),
            {name: (it.start_ms, it.end_ms, it.sums.state()) for name, it in self._to_date.items()},
            sorted(self._held),
        )

    def restore(self, state: WindowsState) -> None:
        """Go on from a snapshot. Raises ValueError if it is damaged."""
        self._end_ms, self._began_ms = state.end_ms, state.began_ms
        self._stages, self._nodes = state.stages, state.nodes
        self._names = {dimension: tuple(names) for dimension, names in state.names.items()}
        self._numbers, self._money = {}, _MoneyNumbers()
        for key in state.money:
            self._money.number(MoneyKey(*key))
        self._recent.restore(state.recent)
        self._history.restore(state.history)
        self._to_date = {}
        for name, (start_ms, end_ms, sums) in state.to_date.items():
            self._to_date[name] = SpanSums(start_ms, end_ms)
            self._to_date[name].sums = CellSums.restore(sums)
        self._held = {*state.held}
        for window, size in SLIDING.items():
            self._sliding[window] = SpanSums(self._end_ms - size, self._end_ms)
            self._sliding[window].fill(self._recent)

    # --- taking in ---------------------------------------------------------------------------------

    def _move_to(self, start_ms: int, end_ms: int) -> None:
        for span in self._sliding.values():
            span.slide(end_ms, self._recent)
        self._end_ms = end_ms
        day = self._days.day(start_ms)
        if DAY not in self._to_date or self._to_date[DAY].start_ms != day.start_ms:
            self._begin(DAY, day.start_ms, day.end_ms)
        for sale in self._shown_sales(start_ms):
            known = self._to_date.get(sale.window)
            if known is None or known.start_ms != sale.start_ms:
                self._begin(sale.window, sale.start_ms, sale.end_ms)
            self._to_date[sale.window].end_ms = sale.end_ms
        keep = {DAY, *(sale.window for sale in self._shown_sales(start_ms))}
        self._to_date = {name: span for name, span in self._to_date.items() if name in keep}

    def _shown_sales(self, at_ms: int) -> list[Sale]:
        """Promotions that have begun and ended at most a day ago, the last ones."""
        shown = [sale for sale in self._sales if sale.start_ms <= at_ms < sale.end_ms + _DAY_MS]
        return sorted(shown, key=lambda sale: (sale.start_ms, sale.name))[-self._settings.max_sales :]

    def _begin(self, name: str, start_ms: int, end_ms: int) -> None:
        self._to_date[name] = SpanSums(start_ms, end_ms)
        self._to_date[name].fill(self._recent)

    def _add(self, start_ms: int, counts: Mapping[str, Cells]) -> None:
        for dimension, cells in counts.items():
            if not dimension.startswith("("):
                self._add_cells(start_ms, dimension, cells.keys << COLUMN_BITS | cells.columns, cells.counts)

    def _add_money(self, start_ms: int, money: Mapping[MoneyKey, tuple[int, int]]) -> None:
        sums = sorted((self._money.number(key) << COLUMN_BITS, *amounts) for key, amounts in money.items())
        if sums:
            cells = [cell + column for cell, _, _ in sums for column in (_ORDERS, _AMOUNT)]
            counts = [count for _, *amounts in sums for count in amounts]
            self._add_cells(start_ms, _MONEY, np.array(cells), np.array(counts))

    def _add_cells(self, start_ms: int, dimension: str, cells: I64, counts: I64) -> None:
        packed = pack(cells, counts)
        for span in (*self._sliding.values(), *self._to_date.values()):
            span.add(start_ms, dimension, packed)
        if start_ms >= self._recent_from_ms:
            self._recent.add(start_ms, dimension, packed)
        elif dimension != _MONEY:
            self._history.correct(_slot(start_ms), dimension, packed)

    @property
    def _recent_from_ms(self) -> int:
        return _slot(self._end_ms - SLIDING["1h"] - self._settings.lateness_ms)

    def _age(self) -> None:
        """Let what is too old for ten seconds go into the history, and what is too old for that go."""
        for slot_ms, counts in self._recent.pop_slots(self._recent_from_ms):
            hour = self._sliding["1h"].sums
            traffic = {
                dimension: hour.rows(dimension, len(self.names(dimension)))[:, : self._nodes].sum(axis=1)
                for dimension in self.dimensions
            }
            self._history.put(slot_ms, counts, traffic)
            self._hold_sales()
            self._history.forget_before(self._history_from_ms, self._held)

    @property
    def _history_from_ms(self) -> int:
        return _slot(self._end_ms - self._settings.history_days * _DAY_MS) - 2 * SLIDING["1h"]

    def _hold_sales(self) -> None:
        """Of promotions that are over, the last two are kept."""
        past = sorted((sale.start_ms, sale.end_ms) for sale in self._sales if sale.end_ms <= self._end_ms)
        running = ((s.start_ms, s.end_ms) for s in self._sales if s.start_ms <= self._end_ms < s.end_ms)
        longest_ms = self._settings.history_days * _DAY_MS
        wanted = {(_slot(start), end) for start, end in (*past[-2:], *running) if end - start <= longest_ms}
        new = {span for span in wanted - self._held if span[0] >= self._history_from_ms}
        self._held = self._held & wanted | new

    # --- looking back ------------------------------------------------------------------------------

    def _of(self, window: str) -> SpanSums:
        return self._sliding[window] if window in self._sliding else self._to_date[window]

    def _scope(self, window: str) -> Mapping[str, frozenset[str]]:
        return next((sale.scope for sale in self._sales if sale.window == window), {})

    def _number(self, dimension: str, key: str) -> int:
        numbers = self._numbers.setdefault(dimension, {})
        names = self.names(dimension)
        for number in range(len(numbers), len(names)):
            numbers[names[number]] = number
        return numbers[key]

    def _then(self, window: str, with_: Comparison) -> tuple[int, int] | None:
        """The other time; None if there is none."""
        start_ms, end_ms = self.span(window)
        if with_ is Comparison.LAST_PROMOTION:
            return self._last_promotion(window, start_ms, end_ms)
        if with_ is Comparison.PREVIOUS:
            if window == DAY:
                return self._days.day(start_ms - 1)
            return start_ms - (end_ms - start_ms), start_ms
        days = 1 if with_ is Comparison.YESTERDAY else 7
        then_ms = self._days.earlier(end_ms, days)
        if window == DAY:
            return self._days.day(self._days.earlier(start_ms, days)).start_ms, then_ms
        if window in SLIDING:
            return then_ms - SLIDING[window], then_ms
        return self._days.earlier(start_ms, days), then_ms

    def _last_promotion(self, window: str, start_ms: int, end_ms: int) -> tuple[int, int] | None:
        """The same time after the start of the last promotion."""
        running = [sale for sale in self._sales if sale.start_ms < end_ms <= sale.end_ms]
        mine = [sale for sale in self._sales if sale.window == window] or running
        if not mine:
            return None
        now = max(mine, key=lambda sale: sale.start_ms)
        past = [sale for sale in self._sales if sale.end_ms <= now.start_ms]
        if not past:
            return None
        last = max(past, key=lambda sale: sale.start_ms)
        shift_ms = now.start_ms - last.start_ms
        if window == now.window:
            return last.start_ms, min(end_ms - shift_ms, last.end_ms)
        return (start_ms - shift_ms, end_ms - shift_ms) if end_ms - shift_ms <= last.end_ms else None

    def _row(self, dimension: str, key: int, start_ms: int, end_ms: int) -> tuple[I64 | None, int, int]:
        """Counts of a key in a span, shape (32,), and the span as it was summed up."""
        recent_ms = self._recent_from_ms
        known = start_ms >= self._began_ms and start_ms < end_ms
        start_ms = start_ms if start_ms >= recent_ms else _slot(start_ms)
        end_ms = end_ms if end_ms >= recent_ms else -_slot(-end_ms)
        if not known or not self._is_kept(start_ms, end_ms):
            return None, start_ms, end_ms
        row = self._recent.row(dimension, key, start_ms, end_ms)
        before = self._history.row(dimension, key, start_ms, min(end_ms, recent_ms))
        return None if before is None else row + before, start_ms, end_ms

    def _is_kept(self, start_ms: int, end_ms: int) -> bool:
        if start_ms >= self._history_from_ms:
            return True
        return any(start <= start_ms and end_ms <= -_slot(-end) for start, end in self._held)


def columns_of(step: int) -> tuple[int, int]:
    """Columns of the nodes before and after a step: events of the first step, visitors of the others."""
    return (0, 1) if step == 0 else (VISITORS + step, VISITORS + step + 1)


def _slot(time_ms: int) -> int:
    return time_ms // SLOT_MS * SLOT_MS


def _ratio(row: I64, step: int) -> Ratio:
    before, after = columns_of(step)
    return ratio(int(row[after]), int(row[before]))
