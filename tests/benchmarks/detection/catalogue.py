"""What a shop sells and where, and the events that its visitors leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    B = NDArray[np.bool_]
    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

NODES: Final = ("exposure", "click", "view", "cart", "checkout", "order", "paid")
STAGES: Final = (*NODES, "payment_attempt", "payment_failed", "cancelled", "refunded")
METHODS: Final = ("alipay", "wechat", "card", "wallet")
PARTITIONS: Final = 4
ORDERS_TOPIC: Final = 1
NONE: Final = "(none)"


@dataclass(frozen=True, slots=True)
class Settings:
    """A shop.

    Attributes:
        clicks_per_minute: of the whole site, daily mean.
        realistic: conversion swings and has noise, and events come late.
        low_intent: slots from this number on convert at a fifth (there are none by default).
        seed: all chance but that of ``reseed`` comes from it.
    """

    clicks_per_minute: float = 10_000.0
    slots: int = 50
    banners: int = 200
    skus: int = 5_000
    realistic: bool = False
    low_intent: int | None = None
    seed: int = 1


class Catalogue(NamedTuple):
    """Combinations of slot, banner and SKU, shape (combinations,): their parts, weight and conversion."""

    slot: I64
    banner: I64
    sku: I64
    weight: F64
    conversion: F64

    def part(self, dimension: str) -> I64:
        """Key numbers in one dimension."""
        return {"slot": self.slot, "banner": self.banner, "sku": self.sku}[dimension]


class Events(NamedTuple):
    """Events, one per row.

    ``stage`` numbers STAGES, ``lag`` is ms since the visitor's node before or -1, ``mark`` says
    whether the visitor counts, ``within`` whether the click is still within the attribution window,
    ``due`` the bucket with which it is told.
    """

    time: I64
    stage: I64
    combination: I64
    method: I64
    partition: I64
    lag: I64
    mark: B
    within: B
    due: I64

    def take(self, rows: I64 | B) -> Events:
        """Some of them."""
        places = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return Events._make(column.take(places) for column in self)


def joined(parts: Sequence[Events]) -> Events:
    """One after the other."""
    return Events._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def catalogue(chosen: Settings) -> Catalogue:
    """Each SKU is on two banners, each banner in two slots."""
    rng = np.random.default_rng((chosen.seed, 0))
    sku = np.repeat(np.arange(chosen.skus), 4)
    on = rng.integers(0, chosen.banners, (chosen.skus, 2))
    banner = np.repeat(on.ravel(), 2)
    # A banner's two slots: every slot has as many banners as the others.
    shown = rng.permuted(np.arange(2 * chosen.banners) % chosen.slots).reshape(chosen.banners, 2)
    slot = shown[banner, np.tile([0, 1], 2 * chosen.skus)]
    weight = 1 / (1.0 + sku)
    conversion = rng.lognormal(0, 0.2, chosen.slots)[slot] * rng.lognormal(0, 0.3, chosen.skus)[sku]
    if chosen.low_intent is not None:
        conversion[slot >= chosen.low_intent] *= 0.2
    weight /= weight.sum()
    return Catalogue(slot, banner, sku, weight, conversion / (weight @ conversion))
