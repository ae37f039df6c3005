"""What is booked beside counts: money of payments, and records read."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from streams.closed import BUCKET_MS
from streams.core.merge import MoneyKey
from tests.benchmarks.detection.catalogue import NODES, NONE, PARTITIONS, STAGES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tests.benchmarks.detection.catalogue import Catalogue, Events
    from tests.benchmarks.detection.shop import Shop

    I64 = NDArray[np.int64]
    Money = dict[MoneyKey, tuple[int, int]]
    Records = dict[tuple[int, int, str], int]

_CURRENCY: Final = "CNY"
_DUPLICATES: Final = 0.01


def money_of(
    events: Events, start: int, shop: Shop, names: Mapping[str, Sequence[str]], prices: I64
) -> dict[int, Money]:
    """Orders paid and their amounts, by bucket after ``start``; what comes late is booked as it comes."""
    out: dict[int, Money] = {}
    paid = events.take(events.stage == STAGES.index("paid"))
    parts = shop.combinations
    ticks = ((paid.due - start) // BUCKET_MS).tolist()
    amounts = prices.take(parts.sku.take(paid.combination)).tolist()
    keys: dict[tuple[int, bool], tuple[MoneyKey, ...]] = {}
    for tick, amount, place in zip(
        ticks, amounts, zip(paid.combination.tolist(), paid.within.tolist(), strict=True), strict=True
    ):
        if place not in keys:
            keys[place] = _keys(place, parts, names)
        into = out.setdefault(tick, {})
        for key in keys[place]:
            orders, before = into.get(key, (0, 0))
            into[key] = (orders + 1, before + amount)
    return out


def _keys(
    place: tuple[int, bool], parts: Catalogue, names: Mapping[str, Sequence[str]]
) -> tuple[MoneyKey, ...]:
    """What an order of a combination, within the attribution window or not, is booked under."""
    combination, within = place
    numbers = (("slot", parts.slot), ("banner", parts.banner), ("sku", parts.sku))
    found = (
        _key(name, names[name][number[combination]] if within or name == "sku" else NONE)
        for name, number in numbers
    )
    return (*found, _key("all", "all"))


@cache
def _key(dimension: str, name: str) -> MoneyKey:
    return MoneyKey(dimension, name, _CURRENCY, "paid")


def records_of(events: Events, start: int, until: int, *, repeated: bool) -> list[Records]:
    """By what was read while a bucket was open."""
    topic = (events.stage >= NODES.index("order")).astype(np.int64)
    ticks = (events.due - start) // BUCKET_MS
    size = (until - start) // BUCKET_MS
    flat = (ticks * PARTITIONS + events.partition) * 2 + topic
    table = np.bincount(flat, minlength=size * PARTITIONS * 2).reshape(size, PARTITIONS, 2)
    return [_outcomes(row, repeated=repeated) for row in table]


def _outcomes(row: I64, *, repeated: bool) -> Records:
    out: Records = {}
    for partition in range(PARTITIONS):
        for topic, read in enumerate(row[partition].tolist()):
            if read:
                out[partition, topic, "accepted"] = read
            if repeated and read >= 1 / _DUPLICATES:
                out[partition, topic, "duplicate"] = round(read * _DUPLICATES)
    return out
