"""Paid orders and those who follow them, against a plain list of payments."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.core.orders import PaidOrder, PaidOrders

PAYMENTS = st.lists(st.integers(0, 12), max_size=12)
# Per flush: the orders that were paid since the one before.
FLUSHES = st.lists(PAYMENTS, min_size=1, max_size=12)


def newest(payments: list[int], limit: int) -> dict[int, int]:
    """Order -> number of its last payment, of the orders that were paid last."""
    last = {order: number for number, order in enumerate(payments)}
    kept = sorted(last.items(), key=lambda pair: pair[1], reverse=True)[:limit]
    return dict(kept)


def held(paid: PaidOrders) -> dict[int, int]:
    """The same of what is remembered; the currency says which payment it was."""
    orders = {order: paid.get(order) for order in range(13)}
    return {order: int(one.currency) for order, one in orders.items() if one is not None}


@given(before=PAYMENTS, stale=PAYMENTS, flushes=FLUSHES, limit=st.integers(0, 8), cuts=st.data())
def test_a_copy_holds_the_orders_paid_last(
    before: list[int], stale: list[int], flushes: list[list[int]], limit: int, cuts: st.DataObject
) -> None:
    """After every part of one rotation and every change in it, also if it held older ones before.

    Orders are paid again, forgotten and paid once more while the parts go over; the copy goes on as the
    first would, and so does a copy of the copy.
    """
    paid, copies = PaidOrders(limit), [PaidOrders(limit), PaidOrders(limit)]
    payments: list[int] = []

    def pay(orders: list[int]) -> None:
        for order in orders:
            paid.remember(order, PaidOrder(str(len(payments)), ()))
            payments.append(order)

    pay(stale)
    copies[1].apply(paid.changes(range(0)))
    pay(before)
    paid.changes(range(0))
    serials = paid.serials
    ends = sorted(
        cuts.draw(
            st.lists(
                st.integers(serials.start, serials.stop), min_size=len(flushes) - 1, max_size=len(flushes) - 1
            )
        )
    )
    starts = [serials.start, *ends]
    for orders, start, end in zip(flushes, starts, [*ends, serials.stop], strict=True):
        pay(orders)
        changes = paid.changes(range(start, end))
        for copy in copies:
            copy.apply(changes)
    third = PaidOrders(limit)
    third.apply(copies[0].changes(copies[0].serials))
    for one in (paid, *copies, third):
        assert held(one) == newest(payments, limit)
        assert len(one) == len(newest(payments, limit))
    pay([3, 99, 3])
    for copy in (*copies, third):
        for number, order in enumerate((3, 99, 3), len(payments) - 3):
            copy.remember(order, PaidOrder(str(number), ()))
        assert held(copy) == held(paid)
