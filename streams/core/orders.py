"""Money: what paid orders brought, what reversals took, and the keys an order was paid under.

Where attribution splits lines between clicks, a line's amount is split to the minor unit: every
share the same, what is left over to the earliest, so that shares add up to the line.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streams.core.buckets import bucket_of
from streams.core.rows import Line
from streams.core.vocabulary import counted_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from streams.core.buckets import BucketCounts
    from streams.core.lines import Lines
    from streams.core.rows import Detail, Rows
    from streams.core.vocabulary import Vocabulary

    Identity = Callable[[int], int]

NO_CURRENCY = "XXX"  # ISO 4217: no currency involved


class PaidOrder(NamedTuple):
    """What is remembered of a paid order.

    ``shares`` says how many of ``lines`` each line of the order was split into, the earliest
    click's first; empty where attribution splits none.
    """

    currency: str
    lines: tuple[Line, ...]
    shares: tuple[int, ...] = ()


class PaidOrders:
    """The last so many paid orders by the fingerprint of their id, numbered as they were paid."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._orders: dict[int, tuple[int, PaidOrder]] = {}
        # Serial -> order. Looked through by number: the front of a dict is slow to find.
        self._ids: dict[int, int] = {}
        self._oldest = self._next = self._reported = 0

    def __len__(self) -> int:
        return len(self._orders)

    @property
    def serials(self) -> range:
        """The numbers of all remembered orders; some in between are forgotten."""
        return range(self._oldest, self._next)

    def remember(self, order: int, paid: PaidOrder) -> None:
        """Keep an order, forgetting the one paid longest ago beyond the limit."""
        self._put(self._next, order, paid)

    def _put(self, serial: int, order: int, paid: PaidOrder) -> None:
        known = self._orders.get(order)
        if known is not None:
            if known[0] >= serial:
                return
            del self._ids[known[0]]
        self._orders[order] = serial, paid
        self._ids[serial] = order
        self._oldest, self._next = min(self._oldest, serial), max(self._next, serial + 1)
        while len(self._orders) > self._limit:
            oldest = self._ids.pop(self._oldest, None)
            self._oldest += 1
            if oldest is not None:
                del self._orders[oldest]

    def changes(self, swept: range) -> list[tuple[int, int, PaidOrder]]:
        """Orders paid since the last call, and those of a range of serials: (serial, order, paid)."""
        new = range(max(self._reported, self._oldest), self._next)
        self._reported = self._next
        return [
            (serial, self._ids[serial], self._orders[self._ids[serial]][1])
            for part in (range(swept.start, min(swept.stop, new.start)), new)
            for serial in part
            if serial in self._ids
        ]

    def apply(self, changes: Iterable[tuple[int, int, PaidOrder]]) -> None:
        """Take up what :meth:`changes` gave."""
        for serial, order, paid in changes:
            if not self._orders:
                self._oldest = serial
            self._put(serial, order, paid)
        self._reported = self._next

    def get(self, order: int | None) -> PaidOrder | None:
        """The order, or None if it was never paid here or is forgotten."""
        known = None if order is None else self._orders.get(order)
        return None if known is None else known[1]


def reversed_lines(
    own: tuple[Line, ...], credited: tuple[Line, ...], paid: PaidOrder | None, identity: Identity
) -> tuple[Line, ...]:
    """Lines a cancelled or refunded order is counted under.

    Args:
        own: lines on the event itself, as they stand; empty if it has none.
        credited: the same lines (or the event's SKUs) after attribution, at least one.
        paid: the order as it was paid, where still known.
        identity: of a SKU by its code. The order may have been paid in another process, where a
            SKU was beyond the bound that has a number here, or the other way round.
    """
    if paid is None:
        return credited
    if not own:
        return paid.lines
    places = {identity(line.sku): line for line in reversed(paid.lines)}
    found = ((line, places.get(identity(line.sku), line)) for line in credited)
    return tuple(Line(line.sku, place.slot, place.banner, line.amount_minor) for line, place in found)


def split(line: Line, places: Sequence[Line]) -> Iterator[Line]:
    """A line's amount in equal shares under the slots and banners of ``places``, at least one."""
    each, left = divmod(line.amount_minor, len(places))
    for number, (_, slot, banner, _) in enumerate(places):
        yield Line(line.sku, slot, banner, each + (number < left))


def reversed_shares(
    own: tuple[Line, ...], credited: PaidOrder, paid: PaidOrder | None, identity: Identity
) -> tuple[Line, ...]:
    """What :func:`reversed_lines` answers where lines are split: each as it was when it was paid.

    ``credited`` are the shares that the event's own lines would have on their own.
    """
    if paid is None:
        return credited.lines
    if not own:
        return paid.lines
    places: dict[int, tuple[Line, ...]] = {}
    for group in _groups(paid):
        places.setdefault(identity(group[0].sku), group)
    return tuple(
        share
        for line, group in zip(own, _groups(credited), strict=True)
        for share in split(line, places.get(identity(line.sku), group))
    )


def _groups(order: PaidOrder) -> Iterator[tuple[Line, ...]]:
    """The shares of each line of an order."""
    lines = iter(order.lines)
    for size in order.shares:
        yield tuple(islice(lines, size))


def amounts(lines: Iterable[Line]) -> Iterator[tuple[int, int, int]]:
    """(dimension, key code, amount in minor units) under which an order's lines are counted.

    Dimensions are 0 all, 1 slot, 2 banner, 3 sku. Lines that share a key are one order for it, as
    are lines whose SKUs are beyond the bound.
    """
    totals: dict[tuple[int, int], int] = {}
    for line in lines:
        for key in ((0, 0), (1, line.slot), (2, line.banner), (3, counted_code(line.sku))):
            totals[key] = totals.get(key, 0) + line.amount_minor
    for (dimension, code), amount in totals.items():
        yield dimension, code, amount


class OrderBook:
    """Counts the money of paid, cancelled and refunded orders into buckets.

    Args:
        vocabulary: stages and key numbers.
        buckets: where the money goes.
        remembered: how many paid orders are remembered.
    """

    def __init__(self, vocabulary: Vocabulary, buckets: BucketCounts, remembered: int) -> None:
        self._stages = vocabulary.stages
        self._identity = vocabulary.sku.identity
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

    def _book(self, bucket_ms: int, kind: str, detail: Detail, credited: PaidOrder) -> None:
        paid, counted = None, credited.lines
        if kind == "paid":
            if detail.order is not None:
                self.paid.remember(detail.order, credited)
        else:
            paid = self.paid.get(detail.order)
            counted = self._reversed(detail.lines if detail.priced else (), credited, paid)
        currency = detail.currency or (paid.currency if paid else NO_CURRENCY)
        for dimension, code, amount in amounts(counted):
            self._buckets.add_money(bucket_ms, (dimension, code, currency, kind), amount)

    def _reversed(
        self, own: tuple[Line, ...], credited: PaidOrder, paid: PaidOrder | None
    ) -> tuple[Line, ...]:
        if credited.shares:
            return reversed_shares(own, credited, paid, self._identity)
        return reversed_lines(own, credited.lines, paid, self._identity)


def _credited(at: int, detail: Detail, lines: Lines) -> PaidOrder:
    """The order of a row with slots and banners as attributed."""
    start, end = np.searchsorted(lines.row, (at, at + 1))
    slots, banners = lines.keys[0, start:end].tolist(), lines.keys[1, start:end].tolist()
    currency = detail.currency or NO_CURRENCY
    if lines.share_of is None:
        whole = (
            Line(line.sku, slot, banner, line.amount_minor)
            for line, slot, banner in zip(detail.lines, slots, banners, strict=True)
        )
        return PaidOrder(currency, tuple(whole))
    shares = np.unique(lines.share_of[start:end], return_counts=True)[1].tolist()
    places = (Line(0, slot, banner) for slot, banner in zip(slots, banners, strict=True))
    parts = (
        share
        for line, size in zip(detail.lines, shares, strict=True)
        for share in split(line, tuple(islice(places, size)))
    )
    return PaidOrder(currency, tuple(parts), tuple(shares))
