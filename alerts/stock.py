"""What is sold out: a conversion that ends because there is nothing left to buy is no break.

Told by ``stock`` records of the control topic. Bounded: beyond ``limit`` SKUs the one that was told
of first is forgotten, and counts as in stock.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from alerts.model import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.control import Stock
    from alerts.model import Finding

_LIMIT: Final = 100_000
_FEWER: Final = frozenset({Kind.CONVERSION_DROP, Kind.NODE_BREAK, Kind.SLOWER})


class SoldOut:
    """SKUs that are sold out, and since when."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._since: dict[str, int] = {}

    def __contains__(self, sku: str) -> bool:
        return sku in self._since

    def hear(self, stock: Stock) -> None:
        """Take in what was told of a SKU."""
        if stock.in_stock:
            self._since.pop(stock.sku, None)
            return
        self._since.setdefault(stock.sku, stock.at_ms)
        if len(self._since) > self._limit:
            del self._since[next(iter(self._since))]

    def named(self, finding: Finding) -> Finding:
        """The finding, as out of stock if it says that fewer buy a SKU that is sold out."""
        if finding.kind not in _FEWER or not any(
            place.dimension == "sku" and place.key in self._since for place in finding.scope
        ):
            return finding
        return replace(finding, kind=Kind.OUT_OF_STOCK)

    def snapshot(self) -> dict[str, int]:
        """All that is known, as plain data."""
        return dict(self._since)

    @classmethod
    def restore(cls, state: Mapping[str, int], limit: int = _LIMIT) -> SoldOut:
        """From a snapshot."""
        sold_out = cls(limit)
        sold_out._since = dict(state)
        return sold_out
