"""Money: what paid orders brought, what reversals took, and the keys an order was paid under."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streams.core.buckets import bucket_of
from streams.core.rows import Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from streams.core.buckets import OpenBuckets
    from streams.core.lines import Lines
    from streams.core.rows import Detail, Rows
    from streams.core.vocabulary import Stages

NO_CURRENCY = "XXX"  # ISO 4217: no currency involved


class PaidOrder(NamedTuple):
    """What is remembered of a paid order."""

    currency: str
    lines: tuple[Line, ...]


class PaidOrders:
    """The last so many paid orders by the fingerprint of their id."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._orders: OrderedDict[int, PaidOrder] = OrderedDict()

    def __len__(self) -> int:
        return len(self._orders)

    def items(self) -> list[tuple[int, PaidOrder]]:
        """All remembered orders, the one paid longest ago first."""
        return list(self._orders.items())

    def remember(self, order: int, paid: PaidOrder) -> None:
        """Keep an order, forgetting the one paid longest ago beyond the limit."""
        self._orders[order] = paid
        self._orders.move_to_end(order)
        if len(self._orders) > self._limit:
            self._orders.popitem(last=False)

    def get(self, order: int | None) -> PaidOrder | None:
        """The order, or None if it was never paid here or is forgotten."""
        return None if order is None else self._orders.get(order)


def reversed_lines(
    own: tuple[Line, ...], credited: tuple[Line, ...], paid: PaidOrder | None
) -> tuple[Line, ...]:
    """Lines a cancelled or refunded order is counted under.

    Args:
        own: lines on the event itself, as they stand; empty if it has none.
        credited: the same lines (or the event's SKUs) after attribution, at least one.
        paid: the order as it was paid, where still known.
    """
    if paid is None:
        return credited
    if not own:
        return paid.lines
    keys = {line.sku: line for line in reversed(paid.lines)}
    return tuple(
        Line(line.sku, keys[line.sku].slot, keys[line.sku].banner, line.amount_minor)
        if line.sku in keys
        else line
        for line in credited
    )


def amounts(lines: Iterable[Line]) -> Iterator[tuple[int, int, int]]:
    """(dimension, key code, amount in minor units) under which an order's lines are counted.

    Dimensions are 0 all, 1 slot, 2 banner, 3 sku. Lines that share a key are one order for it.
    """
    totals: dict[tuple[int, int], int] = {}
    for line in lines:
        for key in ((0, 0), (1, line.slot), (2, line.banner), (3, line.sku)):
            totals[key] = totals.get(key, 0) + line.amount_minor
    for (dimension, code), amount in totals.items():
        yield dimension, code, amount


class OrderBook:
    """Counts the money of paid, cancelled and refunded orders into buckets.

    Args:
        stages: stage numbers.
        buckets: where the money goes.
        remembered: how many paid orders are remembered.
    """

    def __init__(self, stages: Stages, buckets: OpenBuckets, remembered: int) -> None:
        self._stages = stages
        self._buckets = buckets
        self.paid = PaidOrders(remembered)

    def count(self, rows: Rows, lines: Lines, details: Mapping[int, Detail]) -> None:
        """Book rows in processing order; ``lines`` are theirs, as attributed."""
        stages = self._stages
        moving = np.flatnonzero((rows.node == stages.paid) | (rows.node >= stages.first_reversal))
        for at in moving.tolist():
            serial = int(rows.detail[at])
            if serial < 0:
                continue
            kind, detail = stages.names[rows.node[at]], details[serial]
            self._book(bucket_of(int(rows.time[at])), kind, detail, _credited(at, detail, lines))

    def _book(self, bucket_ms: int, kind: str, detail: Detail, credited: tuple[Line, ...]) -> None:
        paid = None
        if kind == "paid":
            if detail.order is not None:
                self.paid.remember(detail.order, PaidOrder(detail.currency or NO_CURRENCY, credited))
        else:
            paid = self.paid.get(detail.order)
            credited = reversed_lines(detail.lines if detail.priced else (), credited, paid)
        currency = detail.currency or (paid.currency if paid else NO_CURRENCY)
        for dimension, code, amount in amounts(credited):
            self._buckets.add_money(bucket_ms, (dimension, code, currency, kind), amount)


def _credited(at: int, detail: Detail, lines: Lines) -> tuple[Line, ...]:
    """The lines of a row with slot and banner as attributed."""
    start, end = np.searchsorted(lines.row, (at, at + 1))
    slots, banners = lines.keys[0, start:end].tolist(), lines.keys[1, start:end].tolist()
    return tuple(
        Line(line.sku, slot, banner, line.amount_minor)
        for line, slot, banner in zip(detail.lines, slots, banners, strict=True)
    )
