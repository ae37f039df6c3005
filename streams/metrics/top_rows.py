"""Rows of a live table: the true totals of the busiest keys, and of what has no name.

Promises: what is counted, at once; holds are for Prometheus, and none is started or ended by looking.
Pure.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.funnel import RESERVED_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.metrics.key_counters import KeyCounters


@dataclass(frozen=True, slots=True)
class TopRow:
    """The true totals of one key; by node, by node, by status, by (currency, kind)."""

    key: str
    events: dict[str, int]
    visitors: dict[str, int]
    orders: dict[str, int]
    revenue: dict[tuple[str, str], int]


def busiest_rows(shown: Iterable[tuple[str, KeyCounters]], n: int) -> list[TopRow]:
    """The ``n`` keys with most events in the life of the process, without the reserved ones."""
    items = ((key, counters) for key, counters in shown if key not in RESERVED_KEYS)
    busiest = heapq.nsmallest(n, items, key=lambda item: (-item[1].traffic, item[0]))
    return [_row(key, counters) for key, counters in busiest]


def reserved_rows(shown: Iterable[tuple[str, KeyCounters]]) -> list[TopRow]:
    """``(none)`` and ``(other)``, as far as they counted events."""
    return [
        _row(key, counters)
        for key, counters in sorted(shown, key=lambda item: item[0])
        if key in RESERVED_KEYS and counters.traffic
    ]


def _row(key: str, counters: KeyCounters) -> TopRow:
    events, visitors, orders, revenue = counters.cells
    return TopRow(
        key=key,
        events={labels[0]: value for labels, value in events.items()},
        visitors={labels[0]: value for labels, value in visitors.items()},
        orders={labels[0]: value for labels, value in orders.items()},
        revenue={(labels[0], labels[1]): value for labels, value in revenue.items()},
    )
