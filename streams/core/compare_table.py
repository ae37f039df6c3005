"""Conversion and payments of keys in a window, now and at other times, as a plain table for those who show it.

The other times are the window before (previous, 环比), the same time yesterday and last week (同比), and as
long after the start of the last promotion. Promises: every ratio stands beside its counts; what is not
known is None, never 0. At most ``most`` rows, the keys with most traffic in the last hour first; a key
that was never seen is left out. Structs that msgspec writes as JSON.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import numpy as np

from streams.closed import VISITORS
from streams.core.ratios import ratios
from streams.core.score_table import check_dimension
from streams.core.window_earlier import Comparison, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from streams.core.windows import Windows

    I64 = NDArray[np.int64]

    # Expected conversion of some keys, for a window, dimension and step; those of which it is not known are left out.
    ExpectedOf = Callable[[str, str, int, Sequence[str]], Mapping[str, float]]


class Amount(msgspec.Struct, frozen=True):
    """Paid orders and their amount in minor units of the currency, before refunds."""

    currency: str
    orders: int
    minor: int


Paid: TypeAlias = "tuple[Amount, ...] | None"


class Measures(msgspec.Struct, frozen=True):
    """What was counted of one key in one span of time.

    Attributes:
        entries: what came to the node before: events of the funnel's first node, else visitors.
        reached: what came to the node after.
        ratio: the one over the other; None where nothing came to the node before. With its 95 %
            interval (see :mod:`streams.core.ratios`).
        paid: by currency, none of those in which nothing was paid; None where it is not known.
    """

    entries: int
    reached: int
    ratio: float | None
    lower: float | None
    upper: float | None
    paid: tuple[Amount, ...] | None = None


class Then(msgspec.Struct, frozen=True):
    """The same at another time, event time ``[start_ms, end_ms)`` as it was really summed up.

    That may be up to ten minutes longer than the window (earlier times are kept by five minutes): scale
    counts by length before they are compared; ratios need none.
    ``measures`` is None for a key of which that time is not known.
    """

    start_ms: int
    end_ms: int
    measures: Measures | None


class CompareRow(msgspec.Struct, frozen=True):
    """One key: now, as expected, and at other times; a time that there was not is left out of ``then``.

    ``expected`` is the conversion that was expected in the window; None where it is not known.
    """

    key: str
    now: Measures
    expected: float | None
    then: dict[str, Then]


class Compared(msgspec.Struct, frozen=True):
    """Conversion between two nodes in a window ``[start_ms, end_ms)``, by key."""

    dimension: str
    window: str
    from_node: str
    to_node: str
    start_ms: int
    end_ms: int
    rows: tuple[CompareRow, ...]


def compare_table(
    windows: Windows,
    window: str,
    dimension: str,
    *,
    step: tuple[str, str],
    expected: ExpectedOf,
    keys: Collection[str] | None,
    most: int,
) -> Compared:
    """Conversion between two nodes by key, now and at other times.

    Args:
        windows: as of the last closed bucket.
        window: its name.
        dimension: whose keys.
        step: nodes before and after; from the funnel's first node only to the second.
        expected: who knows what was expected.
        keys: which; None for those with most traffic.
        most: rows.

    Raises:
        KeyError: there is no such window, dimension or pair of nodes.
    """
    check_dimension(windows, dimension)
    columns = _columns(windows.nodes, step)
    numbers = _chosen(windows, dimension, keys)[:most]
    names = [windows.names(dimension)[number] for number in numbers.tolist()]
    paid = _Paid(windows, dimension, numbers)
    now = _measures(windows.counts(window, dimension, numbers)[:, columns], paid.now(window))
    then = {
        with_.value: _then(windows, window, dimension, numbers, columns, with_, paid) for with_ in Comparison
    }
    known = _expected(windows, window, dimension, step, expected, names)
    rows = tuple(
        CompareRow(
            name,
            now[at],
            known.get(name),
            {with_: found[at] for with_, found in then.items() if found is not None},
        )
        for at, name in enumerate(names)
    )
    return Compared(dimension, window, *step, *windows.span(window), rows)


def _columns(nodes: Sequence[str], step: tuple[str, str]) -> list[int]:
    """Columns of two nodes: events of the first step, visitors of all others."""
    before, after = (nodes.index(node) if node in nodes else -1 for node in step)
    if (before, after) == (0, 1):
        return [0, 1]
    if not 0 < before < after:
        raise KeyError(step)
    return [VISITORS + before, VISITORS + after]


def _chosen(windows: Windows, dimension: str, keys: Collection[str] | None) -> I64:
    """Numbers of some keys, those with most traffic first."""
    traffic = windows.traffic(dimension)
    numbers = np.argsort(-traffic, kind="stable")
    if keys is None:
        return numbers
    wanted, names = frozenset(keys), windows.names(dimension)
    return np.array([number for number in numbers.tolist() if names[number] in wanted], dtype=np.int64)


def _measures(counts: I64, paid: Sequence[Paid]) -> list[Measures]:
    """Of counts before and after, shape (keys, 2)."""
    found = ratios(counts[:, 1], counts[:, 0])
    return [
        Measures(
            one.denominator,
            one.numerator,
            _finite(one.ratio),
            _finite(one.lower),
            _finite(one.upper),
            amounts,
        )
        for one, amounts in zip(map(found.at, range(len(counts))), paid, strict=True)
    ]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _then(
    windows: Windows,
    window: str,
    dimension: str,
    numbers: I64,
    columns: list[int],
    with_: Comparison,
    paid: _Paid,
) -> list[Then] | None:
    span = windows.earlier(window, with_)
    past = None if span is None else windows.known(dimension, numbers, span)
    if span is None or past is None:
        return None
    counts, known, found = past
    measures = _measures(counts[:, columns], paid.then(span))
    return [
        Then(*found, each if is_known else None)
        for each, is_known in zip(measures, known.tolist(), strict=True)
    ]


def _expected(
    windows: Windows,
    window: str,
    dimension: str,
    step: tuple[str, str],
    expected: ExpectedOf,
    names: Sequence[str],
) -> Mapping[str, float]:
    """Of several steps the product; known where it is of each."""
    first, last = (windows.nodes.index(node) for node in step)
    found = [expected(window, dimension, each, names) for each in range(first, last)]
    known = [name for name in names if all(name in each for each in found)]
    return {name: math.prod(each[name] for each in found) for name in known}


class _Paid:
    """Amounts of some keys by currency."""

    def __init__(self, windows: Windows, dimension: str, numbers: I64) -> None:
        self._windows = windows
        self._dimension = dimension
        self._numbers = numbers
        self._currencies = windows.currencies

    def now(self, window: str) -> list[Paid]:
        """In a window."""
        sums = {one: self._windows.paid(window, self._dimension, one) for one in self._currencies}
        return self._amounts(sums)

    def then(self, span: Span) -> list[Paid]:
        """At another time; None of keys of which it is not known in every currency."""
        sums, known = {}, np.ones(len(self._windows.names(self._dimension)), dtype=np.bool_)
        for currency in self._currencies:
            past = self._windows.known_paid(self._dimension, currency, span)
            if past is None:
                return [None] * self._numbers.size
            sums[currency] = past[0]
            known &= past[1]
        mine = known[self._numbers].tolist()
        return [paid if each else None for paid, each in zip(self._amounts(sums), mine, strict=True)]

    def _amounts(self, sums: Mapping[str, I64]) -> list[Paid]:
        columns = [(currency, found[self._numbers].tolist()) for currency, found in sums.items()]
        return [
            tuple(Amount(currency, *rows[at]) for currency, rows in columns if rows[at][0])
            for at in range(self._numbers.size)
        ]
