"""A shop's promotion written by hand, ten seconds at a time, and the report on it.

D11 lasts an hour after ten minutes of warm-up; two days before there was a Singles' warm-up sale of forty
minutes, ``D9``; one day before there was nothing special. Rates are such that sums can be done in the head:
every bucket of the sale has 100 clicks and 10 orders of CNY 20.00, of D9 50 and 5, of any other time 40 and 2.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from alerts.incident import Incident, ScopePart, StepPart
from alerts.model import Kind, Reason, Severity, State
from streams.core.merge import MoneyKey
from streams.promotions import Calendar, Lift, Phase, PhaseSpan, Promotion, Targets
from streams.report.gathering import Gathering
from streams.report.making import report_of
from streams.report.outline import outline_of
from tests.support.window_oracle import BUCKET, Buckets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.closed import ClosedBucket
    from streams.report.data import ReportData

START = 1_762_689_600_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
PRICE = 2_000
LATENESS = 600_000
# Columns: exposures; visitors who clicked; viewed ... ordered; paid; paid orders (events).
EXPOSURE, CLICK, BETWEEN, PAID, ORDERS = 0, 17, (18, 19, 20, 21), 22, 6


def sale(name: str = "D11", start_ms: int = START, minutes: int = 60, **changes: Any) -> Promotion:
    """A promotion with a warm-up of ten minutes, an opening of twenty and a last hour of ten."""
    end_ms = start_ms + minutes * MINUTE
    bounds = (
        (Phase.WARMUP, start_ms - 10 * MINUTE, start_ms, Lift()),
        (Phase.OPEN, start_ms, start_ms + 20 * MINUTE, Lift(2.0, 1.5)),
        (Phase.STEADY, start_ms + 20 * MINUTE, end_ms - 10 * MINUTE, Lift(2.0)),
        (Phase.LAST_HOUR, end_ms - 10 * MINUTE, end_ms, Lift(2.0)),
    )
    spans = tuple(PhaseSpan(*bound) for bound in bounds if bound[1] < bound[2])
    return replace(Promotion(name, start_ms, end_ms, spans, {}), **changes)


D9 = sale("D9", START - 2 * DAY, minutes=40)
D11 = sale(targets=Targets(orders=4_000, revenue_minor=7_000_000, currency="CNY", conversion=0.12))


def gathering_of(promotion: Promotion = D11, others: Iterable[Promotion] = (D9,), **more: Any) -> Gathering:
    """Nothing gathered yet."""
    calendar = Calendar([promotion, *others])
    return Gathering(outline_of(promotion, calendar, "UTC"), LATENESS, **more)


def counts(clicks: int, orders: int, slots: Iterable[tuple[str, float]] = (("a", 0.6), ("b", 0.4))) -> Any:
    """Of ten seconds: ten exposures a click, steps between as many as orders.

    Slots have shares of it; of those of ``b`` only half pay.
    """
    found: dict[tuple[str, str, int], Any] = {}
    for dimension, key, share in (("all", "all", 1.0), *(("slot", *slot) for slot in slots)):
        bought = orders / 2 if key == "b" else orders
        cells = {EXPOSURE: 10 * clicks, CLICK: clicks, PAID: bought, ORDERS: bought}
        cells |= dict.fromkeys(BETWEEN, orders)
        found |= {(dimension, key, column): round(number * share) for column, number in cells.items()}
    return found


def paid(orders: int, amount: int = PRICE, dimension: str = "all", key: str = "all") -> Any:
    """What orders brought."""
    return {MoneyKey(dimension, key, "CNY", "paid"): (orders, orders * amount)}


def bucket(written: Buckets, start_ms: int, clicks: int, orders: int) -> ClosedBucket:
    """Ten seconds as everybody's, with their records."""
    money = paid(orders) | paid(orders // 2, dimension="slot", key="a")
    closed = written.close(start_ms, counts(clicks, orders), money=money)
    odd = {(0, 0, "late"): 4, (0, 0, "duplicate"): 2, (0, 0, "invalid"): 1}
    return replace(closed, records={(0, 0, "accepted"): 11 * clicks, (0, 1, "accepted"): orders} | odd)


def week(written: Buckets | None = None) -> Iterator[ClosedBucket]:
    """D9, the evening before, and D11."""
    written = written or Buckets()
    for first_ms, minutes, clicks, orders in (
        (D9.begins_ms, 50, 50, 5),
        (D11.begins_ms - DAY, 70, 40, 2),
        (D11.begins_ms, 70, 100, 10),
    ):
        for start_ms in range(first_ms, first_ms + minutes * MINUTE, BUCKET):
            yield bucket(written, start_ms, clicks, orders)


def incident(number: int = 1, **changes: Any) -> Incident:
    """A payment that broke for ten minutes."""
    since_ms = START + 20 * MINUTE
    usual: dict[str, Any] = {
        "id": f"i{number}",
        "revision": 1,
        "kind": Kind.NODE_BREAK,
        "severity": Severity.CRITICAL,
        "state": State.RESOLVED,
        "reason": Reason.RESOLVED,
        "scope": (ScopePart("all", "all"),),
        "step": StepPart("order", "paid"),
        "since_ms": since_ms,
        "opened_at_ms": since_ms + 30_000,
        "updated_at_ms": since_ms + 10 * MINUTE,
        "resolved_at_ms": since_ms + 10 * MINUTE,
        "observed": 3.0,
        "expected": 600.0,
        "entries": 600.0,
        "evidence": 30.0,
        "ratio": 0.005,
        "lost_conversions": 597.0,
        "lost_minor": 1_194_000,
        "currency": "CNY",
    }
    return Incident(**usual | changes)


def outage() -> Incident:
    """Orders that did not arrive for a minute."""
    until_ms = START + 41 * MINUTE
    return incident(
        2,
        kind=Kind.DATA_OUTAGE,
        detail="silent",
        step=None,
        scope=(ScopePart("topic", "orders"),),
        since_ms=until_ms - MINUTE,
        resolved_at_ms=until_ms,
        ratio=None,
        lost_minor=None,
        lost_conversions=None,
    )


def data_of(buckets: Iterable[ClosedBucket] | None = None, **changes: Any) -> ReportData:
    """The report of a week, or of other buckets; with a break and an outage."""
    gathering = gathering_of(**changes)
    for closed in week() if buckets is None else buckets:
        gathering.take(closed)
    return report_of(gathering, [incident(), outage()])
