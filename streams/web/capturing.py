"""Copies what is to be shown, on the watcher's thread, once a bucket.

Promises: a picture is never changed after it was handed out, so any thread may read it; what is copied is
bounded by the keys that are tracked, and only the busiest are compared with the window before.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from streams.closed import BUCKET_MS
from streams.closed import VISITORS as FIRST_VISITORS
from streams.core.windows import Comparison, Span
from streams.judged import NOTHING_JUDGED
from streams.web.board import incident_of
from streams.web.picture import EVENTS, VISITORS, Earlier, Picture, Window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from streams.clock import Clock
    from streams.core.windows import Windows
    from streams.judged import Judged

    I64 = NDArray[np.int64]

_HOUR_BUCKETS: Final = 360
# Of each dimension so many keys are compared with the window before.
_COMPARED_KEYS: Final = 300
# Longer windows lie half in what is kept by five minutes: their sums would not be of the same keys.
_COMPARED: Final = frozenset({"1m", "5m", "15m"})
_CLICK: Final = 1


class Judging(Protocol):
    """Who judges, as far as it is shown."""

    def expected(self, window: str, dimension: str, step: int, keys: Sequence[str]) -> Mapping[str, float]:
        """Expected conversion of a step in a window, of some keys; those of which it is not known are left out."""
        ...

    def judged(self, since_ms: int) -> Judged:
        """What was expected in the buckets that ended after a moment."""
        ...

    def going_on(self) -> Sequence[bytes]:
        """Records of what is open, with the numbers of now: the worst, a bounded number of them."""
        ...


class Capturing:
    """See the module.

    Args:
        judging: what was expected.
        clock: wall clock.
    """

    def __init__(self, judging: Judging, clock: Clock) -> None:
        self._judging = judging
        self._clock = clock
        self._judged: Judged = NOTHING_JUDGED
        self.picture: Picture | None = None

    def refresh(self, windows: Windows) -> None:
        """Take the next picture; for after a bucket was taken in."""
        if not windows.end_ms:
            return
        self._judged = _joined(self._judged, self._judging.judged(self._judged.end_ms))
        currency = _main_currency(windows)
        self.picture = Picture(
            end_ms=windows.end_ms,
            began_ms=windows.began_ms,
            taken_ms=self._clock.now_ms(),
            nodes=windows.nodes,
            names={dimension: windows.names(dimension) for dimension in windows.dimensions},
            windows={name: self._window(windows, name, currency) for name in windows.windows},
            currency=currency,
            judged=self._judged,
            going_on={one.id: one for one in map(incident_of, self._judging.going_on())},
        )

    def _window(self, windows: Windows, name: str, currency: str | None) -> Window:
        dimensions, steps = windows.dimensions, range(len(windows.nodes) - 1)
        counts = {dimension: _by_node(windows.counts(name, dimension), windows) for dimension in dimensions}
        paid = {} if currency is None else {d: windows.paid(name, d, currency) for d in dimensions}
        busiest = {d: _busiest(counts[d][:, EVENTS].sum(axis=1)) for d in dimensions}
        keys = {d: [windows.names(d)[number] for number in busiest[d].tolist()] for d in dimensions}
        expected = {(d, s): self._judging.expected(name, d, s, keys[d]) for d in dimensions for s in steps}
        return Window(
            span=windows.span(name),
            counts=counts,
            paid=paid,
            money=windows.money(name),
            before=_before(windows, name, busiest) if name in _COMPARED else {},
            earlier=_earlier(windows, name, currency),
            expected={place: known for place, known in expected.items() if known},
        )


def _joined(known: Judged, newer: Judged) -> Judged:
    """The newest hour of both. Keys only grow; where they did, what was before is 0."""
    more = len(newer.keys) - len(known.keys)
    begin_ms = newer.end_ms - len(newer.buckets) * BUCKET_MS
    if not known.keys or more < 0 or begin_ms != known.end_ms:
        return newer
    padded = np.pad(known.buckets, ((0, 0), (0, 0), (0, more), (0, 0))) if more else known.buckets
    return replace(newer, buckets=np.concatenate([padded, newer.buckets])[-_HOUR_BUCKETS:])


def _by_node(counts: I64, windows: Windows) -> I64:
    """Events and visitors by node, shape (keys, 2, nodes), of counts by column."""
    nodes = len(windows.nodes)
    found = np.empty((len(counts), 2, nodes), dtype=np.int64)
    found[:, EVENTS], found[:, VISITORS] = counts[:, :nodes], counts[:, FIRST_VISITORS:][:, :nodes]
    return found


def _main_currency(windows: Windows) -> str | None:
    """In which most orders were paid since the day began, or lately."""
    orders: Counter[str] = Counter()
    for name in windows.windows:
        for (currency, kind), (count, _) in windows.money(name).items():
            orders[currency] += count * (kind == "paid")
    return max(sorted(orders), key=lambda one: orders[one], default=None)


def _before(windows: Windows, name: str, busiest: Mapping[str, I64]) -> dict[str, dict[int, tuple[int, int]]]:
    """Visitors of click and payment in the window before, of the busiest keys."""
    span, found = windows.earlier(name, Comparison.PREVIOUS), {}
    if span is None:
        return {}
    paid = FIRST_VISITORS + len(windows.nodes) - 1
    for dimension, keys in busiest.items():
        past = windows.known(dimension, keys, span)
        if past is not None:
            pairs = past[0][:, [FIRST_VISITORS + _CLICK, paid]].tolist()
            known = past[1].tolist()
            found[dimension] = {
                key: (pair[0], pair[1])
                for key, pair, is_known in zip(keys.tolist(), pairs, known, strict=True)
                if is_known
            }
    return found


def _busiest(traffic: I64) -> I64:
    if traffic.size <= _COMPARED_KEYS:
        return np.arange(traffic.size)
    return np.sort(np.argpartition(-traffic, _COMPARED_KEYS)[:_COMPARED_KEYS])


def _earlier(windows: Windows, name: str, currency: str | None) -> dict[str, Earlier]:
    """The total at every time that the window is compared with, as far as it is known."""
    found = {}
    for word in Comparison:
        span = windows.earlier(name, word)
        past = None if span is None else windows.known("all", np.zeros(1, np.int64), span)
        if span is None or past is None or not past[1].all():
            continue
        found[word.value] = Earlier(
            past[2], _by_node(past[0], windows)[0], _paid_then(windows, currency, span)
        )
    return found


def _paid_then(windows: Windows, currency: str | None, span: Span) -> dict[tuple[str, str], tuple[int, int]]:
    past = None if currency is None else windows.known_paid("all", currency, span)
    if currency is None or past is None or not past[1].all() or not len(past[0]):
        return {}
    orders, amount = past[0][0].tolist()
    return {(currency, "paid"): (orders, amount)}
