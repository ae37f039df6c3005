"""S9: a SKU that is sold out is out of stock, not broken."""

from __future__ import annotations

import pytest

from alerts.control import Stock
from alerts.model import EVERYWHERE, Kind, Place
from alerts.stock import SoldOut
from tests.support.findings import finding

SKU = (Place("sku", "A"),)


def sold_out(*skus: str, limit: int = 10) -> SoldOut:
    """These are sold out, in that order."""
    stock = SoldOut(limit)
    for at_ms, sku in enumerate(skus):
        stock.hear(Stock(sku, in_stock=False, at_ms=at_ms))
    return stock


@pytest.mark.parametrize("kind", [Kind.CONVERSION_DROP, Kind.NODE_BREAK, Kind.SLOWER])
def test_fewer_of_what_is_sold_out(kind: Kind) -> None:
    """Is out of stock, in any scope that names the SKU."""
    pair = (Place("banner", "b"), *SKU)
    assert sold_out("A").named(finding(kind, SKU)).kind is Kind.OUT_OF_STOCK
    assert sold_out("A").named(finding(kind, pair)).kind is Kind.OUT_OF_STOCK


def test_anything_else_stays_what_it_is() -> None:
    """More of it, another SKU, everything."""
    for other in (
        finding(Kind.CONVERSION_SURGE, SKU),
        finding(scope=(Place("sku", "B"),)),
        finding(scope=EVERYWHERE),
    ):
        assert sold_out("A").named(other) is other


def test_what_is_there_again_can_break() -> None:
    """Back in stock, a drop is a drop; said twice it changes nothing."""
    stock = sold_out("A", "A")
    stock.hear(Stock("A", in_stock=True, at_ms=9))
    stock.hear(Stock("A", in_stock=True, at_ms=9))
    assert stock.named(finding(scope=SKU)).kind is Kind.CONVERSION_DROP


def test_it_is_bounded() -> None:
    """The one told of first is forgotten."""
    stock = sold_out("A", "B", "C", limit=2)
    assert [sku in stock for sku in "ABC"] == [False, True, True]
    assert SoldOut.restore(stock.snapshot()).snapshot() == stock.snapshot()
