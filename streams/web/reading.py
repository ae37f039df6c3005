"""Answers from a picture: funnels, windows, keys, series, places. Pure, and meant for a thread of its own."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from streams.closed import EXPONENTS
from streams.core.ratios import ratio
from streams.funnel import ALL
from streams.web import answers as a
from streams.web.picture import EVENTS, VISITORS
from streams.web.problems import Problem
from streams.web.queries import place_after

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streams.core.ratios import Ratio
    from streams.web.handed import Judgement
    from streams.web.picture import Earlier, Money, Picture, Window
    from streams.web.queries import FunnelQuery, KeysQuery, SeriesQuery

    I64 = NDArray[np.int64]
    F64 = NDArray[np.float64]

CLICK: Final = 1
_BUCKETS_A_MINUTE: Final = 6
_Z: Final = 1.96
# Of a currency that is none: what was reversed of an order whose payment is not known (`XXX`).
_DECIMALS: Final = 2
# What a window is held against when its change is split: as long, and at a time that is like it.
_SPLIT_WITH: Final = {"day": "yesterday", "promotion": "last_promotion"}


def window_of(picture: Picture, name: str) -> Window:
    """A window by name. Raises Problem (404) if there is none."""
    window = picture.windows.get(name)
    if window is None:
        raise Problem(404, f"window: there is none of this name, but {', '.join(picture.windows)}")
    return window


def number_of(picture: Picture, dimension: str, key: str) -> int:
    """The number of a key. Raises Problem (404) if it was never seen."""
    names = names_of(picture, dimension)
    try:
        return names.index(key)
    except ValueError:
        raise Problem(404, "key: none of this name was seen in this dimension") from None


def names_of(picture: Picture, dimension: str) -> Sequence[str]:
    """Keys of a dimension. Raises Problem (404) if there is none."""
    names = picture.names.get(dimension)
    if names is None:
        raise Problem(404, f"dimension: there is none of this name, but {', '.join(picture.names)}")
    return names


def windows(picture: Picture) -> a.WindowList:
    """All windows, and whether their beginning was seen."""
    return a.WindowList(
        windows=tuple(
            a.WindowAnswer(
                name=name,
                start_ms=window.span.start_ms,
                end_ms=window.span.end_ms,
                whole=picture.began_ms <= window.span.start_ms,
            )
            for name, window in picture.windows.items()
        ),
        dimensions={dimension: len(names) for dimension, names in picture.names.items()},
        nodes=picture.nodes,
    )


def funnel(picture: Picture, query: FunnelQuery, judgement: Judgement) -> a.Funnel:
    """The funnel of a key in a window."""
    window = window_of(picture, query.window)
    number = number_of(picture, query.dimension, query.key)
    table = window.counts[query.dimension]
    if number >= len(table):
        raise Problem(404, "key: it was not seen before the newest bucket")
    counts, is_total = table[number], query.dimension == ALL
    return a.Funnel(
        window=query.window,
        start_ms=window.span.start_ms,
        end_ms=window.span.end_ms,
        dimension=query.dimension,
        key=query.key,
        nodes=_nodes(picture.nodes, counts),
        steps=_steps(picture.nodes, counts, _expected_steps(picture, window, query.dimension, query.key)),
        conversion=_conversion(counts, _expected(picture, window, query.dimension, query.key)),
        money=_money(window.money) if is_total else (),
        split=split(picture, query.window, judgement) if is_total else None,
        compared=tuple(_compared(word, then) for word, then in window.earlier.items()) if is_total else (),
    )


def _nodes(nodes: Sequence[str], counts: I64) -> tuple[a.NodeCount, ...]:
    return tuple(
        a.NodeCount(
            node=node, events=int(counts[EVENTS, at]), visitors=int(counts[VISITORS, at]) if at else None
        )
        for at, node in enumerate(nodes)
    )


def _steps(nodes: Sequence[str], counts: I64, expected: Sequence[float | None]) -> tuple[a.StepRate, ...]:
    found = []
    for step, (before, after) in enumerate(pairwise(nodes)):
        which = VISITORS if step else EVENTS
        entered, reached = int(counts[which, step]), int(counts[which, step + 1])
        found.append(
            a.StepRate(from_node=before, to_node=after, rate=rate(ratio(reached, entered), expected[step]))
        )
    return tuple(found)


def _conversion(counts: I64, expected: float | None = None) -> a.Rate:
    return rate(ratio(int(counts[VISITORS, -1]), int(counts[VISITORS, CLICK])), expected)


def rate(found: Ratio, expected: float | None = None) -> a.Rate:
    """A ratio as it is sent: null where nothing went in."""
    return a.Rate(
        entered=found.denominator,
        reached=found.numerator,
        ratio=_known(found.ratio),
        lower=_known(found.lower),
        upper=_known(found.upper),
        expected=expected,
    )


def _known(number: float) -> float | None:
    return round(number, 6) if math.isfinite(number) else None


def _expected_steps(picture: Picture, window: Window, dimension: str, key: str) -> list[float | None]:
    steps = range(len(picture.nodes) - 1)
    return [window.expected.get((dimension, step), {}).get(key) for step in steps]


def _expected(picture: Picture, window: Window, dimension: str, key: str) -> float | None:
    """Expected conversion from click to payment: the product of what each step lets expect."""
    found = 1.0
    for expected in _expected_steps(picture, window, dimension, key)[CLICK:]:
        if expected is None:
            return None
        found *= expected
    # More than all who clicked: a law of delays that is not learnt yet.
    return found if found <= 1.0 else None


def _money(money: Money) -> tuple[a.Money, ...]:
    found = []
    for currency in sorted({currency for currency, _ in money}):
        paid, refunded, cancelled = (
            money.get((currency, kind), (0, 0)) for kind in ("paid", "refunded", "cancelled")
        )
        found.append(
            a.Money(
                currency=currency,
                exponent=EXPONENTS.get(currency, _DECIMALS),
                paid_orders=paid[0],
                paid_minor=paid[1],
                refunded_orders=refunded[0],
                refunded_minor=refunded[1],
                cancelled_orders=cancelled[0],
                cancelled_minor=cancelled[1],
            )
        )
    return tuple(found)


def _compared(word: str, then: Earlier) -> a.Compared:
    return a.Compared(
        with_=word,
        start_ms=then.span.start_ms,
        end_ms=then.span.end_ms,
        conversion=_conversion(then.counts),
    )


def split(picture: Picture, name: str, judgement: Judgement) -> a.GmvSplit | None:
    """The change of revenue by factor; None where the other time is not known, or nothing was paid."""
    window, currency = window_of(picture, name), picture.currency
    word = _SPLIT_WITH.get(name.partition(":")[0], "previous")
    then = window.earlier.get(word)
    if then is None or currency is None or not then.span.size_ms:
        return None
    now = _trade(window.counts[ALL][0], window.money, currency)
    # Rounded outward where it is long ago.
    scale = min(window.span.size_ms / then.span.size_ms, 1.0)
    clicks, orders, revenue = (round(one * scale) for one in _trade(then.counts, then.money, currency))
    parts = judgement.split((clicks, orders, revenue), now)
    return a.GmvSplit(
        with_=word,
        currency=currency,
        exponent=EXPONENTS.get(currency, _DECIMALS),
        now=a.Trade(clicks=now[0], orders=now[1], revenue_minor=now[2]),
        before=a.Trade(clicks=clicks, orders=orders, revenue_minor=revenue),
        traffic_minor=parts["traffic"],
        conversion_minor=parts["conversion"],
        order_value_minor=parts["order_value"],
    )


def _trade(counts: I64, money: Money, currency: str) -> tuple[int, int, int]:
    orders, revenue = money.get((currency, "paid"), (0, 0))
    return int(counts[VISITORS, CLICK]), orders, revenue


# ---------------------------------------------------------------------- keys
def keys(picture: Picture, query: KeysQuery) -> a.KeyPage:
    """Keys of a dimension, ranked and looked for."""
    window, names = window_of(picture, query.window), names_of(picture, query.dimension)
    numbers = _matching(names, len(window.counts[query.dimension]), query.q)
    ranked = numbers[_ranking(window, query.dimension, numbers, query.order)]
    begin = place_after(query.cursor)
    wanted = ranked[begin : begin + query.limit]
    following = begin + len(wanted)
    return a.KeyPage(
        window=query.window,
        end_ms=picture.end_ms,
        dimension=query.dimension,
        currency=picture.currency,
        keys=tuple(key_row(picture, window, query.dimension, number) for number in wanted.tolist()),
        total=len(ranked),
        next_cursor=str(following) if following < len(ranked) else None,
    )


def _matching(names: Sequence[str], known: int, text: str) -> I64:
    if not text:
        return np.arange(known)
    wanted = text.casefold()
    found = [number for number in range(known) if wanted in names[number].casefold()]
    return np.array(found, dtype=np.int64)


def _ranking(window: Window, dimension: str, numbers: I64, order: str) -> I64:
    """Places of some keys, the first first; ties by number. Only those that moved are rising or falling."""
    if order in ("rising", "falling"):
        change = np.array([moved(window, dimension, number) or 0.0 for number in numbers.tolist()])
        signed = change if order == "rising" else -change
        ranked = np.argsort(-signed, kind="stable")
        return ranked[signed[ranked] > 0]
    counts = window.counts[dimension][numbers]
    columns = {
        "clicks": counts[:, EVENTS, CLICK],
        "exposures": counts[:, EVENTS, 0],
        "paid": counts[:, VISITORS, -1],
    }
    paid = window.paid.get(dimension)
    column = columns.get(order, np.zeros(numbers.size) if paid is None else _grown(paid, numbers))
    return np.argsort(-column, kind="stable")


def _grown(paid: I64, numbers: I64) -> I64:
    return np.where(numbers < len(paid), paid[np.minimum(numbers, len(paid) - 1), 1], 0)


def moved(window: Window, dimension: str, number: int) -> float | None:
    """Change of paying visitors against the window before, over its standard error."""
    before = window.before.get(dimension, {}).get(number)
    if before is None:
        return None
    now = int(window.counts[dimension][number, VISITORS, -1])
    return round((now - before[1]) / math.sqrt(max(now + before[1], 1)), 2)


def key_row(picture: Picture, window: Window, dimension: str, number: int) -> a.KeyRow:
    """One key of a dimension, by its number."""
    counts, key = window.counts[dimension][number], picture.names[dimension][number]
    paid = window.paid.get(dimension)
    sums = None if paid is None or number >= len(paid) else paid[number].tolist()
    before = window.before.get(dimension, {}).get(number)
    return a.KeyRow(
        key=key,
        exposures=int(counts[EVENTS, 0]),
        clicks=int(counts[EVENTS, CLICK]),
        paid=int(counts[VISITORS, -1]),
        conversion=_conversion(counts, _expected(picture, window, dimension, key)),
        orders=sums[0] if sums else None,
        revenue_minor=sums[1] if sums else None,
        paid_before=before[1] if before else None,
        moved=moved(window, dimension, number),
    )


# ---------------------------------------------------------------------- series
def series(picture: Picture, query: SeriesQuery) -> a.Series | None:
    """The last buckets of a key and step; None for a key that is not judged by itself (of SKUs)."""
    step = step_of(picture, query.from_node, query.to_node)
    number_of(picture, query.dimension, query.key)
    judged = picture.judged
    try:
        row = judged.keys.index((query.dimension, query.key))
    except ValueError:
        return None
    wanted = query.minutes * _BUCKETS_A_MINUTE
    columns = judged.buckets[-wanted:, :, row, step].astype(np.float64)
    known = bool(judged.monitored[row, step])
    spread = float(judged.dispersion[row, step])
    starts = picture.bucket_starts[-wanted:]
    points = tuple(
        _point(start, (column[0], column[1], column[2]), spread if known else None)
        for start, column in zip(starts, columns.tolist(), strict=True)
    )
    return series_answer(query, points)


def series_answer(query: SeriesQuery, points: tuple[a.Point, ...]) -> a.Series:
    """The answer, given its points."""
    return a.Series(
        dimension=query.dimension,
        key=query.key,
        from_node=query.from_node,
        to_node=query.to_node,
        points=points,
    )


def step_of(picture: Picture, from_node: str, to_node: str) -> int:
    """The number of a step. Raises Problem (404) if the nodes are no neighbours."""
    for step, pair in enumerate(pairwise(picture.nodes)):
        if pair == (from_node, to_node):
            return step
    raise Problem(404, f"from_node, to_node: must be neighbours of {' > '.join(picture.nodes)}")


def _point(start_ms: int, counts: tuple[float, float, float], spread: float | None) -> a.Point:
    entered, reached, expected = counts
    if spread is None:
        return a.Point(start_ms=start_ms, entered=round(entered), reached=round(reached))
    half = _Z * math.sqrt(max(spread * expected, 0.0))
    return a.Point(
        start_ms=start_ms,
        entered=round(entered),
        reached=round(reached),
        expected=round(expected, 3),
        lower=round(max(expected - half, 0.0), 3),
        upper=round(expected + half, 3),
    )
