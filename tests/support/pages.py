"""What a worker says over HTTP: pages with their status, and the totals on ``/metrics``.

The page is read by Prometheus' own parser, so that what cannot be scraped cannot pass a test.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from streams.replay import Counts
    from tests.support.oracle import OracleResult

_KEY = ("dimension", "key")
# Of each counter: its labels, in the order in which totals have them.
_COUNTERS = {
    "events": ("funnelwatch_node_events_total", (*_KEY, "node")),
    "visitors": ("funnelwatch_node_visitors_total", (*_KEY, "node")),
    "orders": ("funnelwatch_orders_total", (*_KEY, "status")),
    "revenue": ("funnelwatch_revenue_minor_units_total", (*_KEY, "currency", "kind")),
    "records": ("funnelwatch_records_total", ("topic", "outcome")),
}


@dataclass
class Totals:
    """All that a deployment has counted, by labels; what was never counted is zero or absent."""

    events: Counter[tuple[str, ...]] = field(default_factory=Counter)
    visitors: Counter[tuple[str, ...]] = field(default_factory=Counter)
    orders: Counter[tuple[str, ...]] = field(default_factory=Counter)
    revenue: Counter[tuple[str, ...]] = field(default_factory=Counter)
    records: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def differences(self, expected: Totals) -> list[str]:
        """Where these totals are not the expected ones, for humans."""
        found = []
        for name in (item.name for item in fields(self)):
            ours, theirs = getattr(self, name), getattr(expected, name)
            found += [
                f"{name} {labels}: {ours[labels]} instead of {theirs[labels]}"
                for labels in sorted(set(ours) | set(theirs))
                if ours[labels] != theirs[labels]
            ]
        return found


def fetch(url: str) -> tuple[int, str]:
    """Status and text of a page; status 0 if nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # loopback
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()
    except (urllib.error.URLError, OSError):
        return 0, ""


def totals_on(page: str) -> Totals:
    """The totals on the page ``/metrics``."""
    totals = Totals()
    places = {metric: (getattr(totals, name), labels) for name, (metric, labels) in _COUNTERS.items()}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name in places:
                counter, labels = places[sample.name]
                counter[tuple(sample.labels[label] for label in labels)] += int(sample.value)
    return totals


def totals_of(result: OracleResult | Counts, topics: dict[str, str]) -> Totals:
    """Counts over all time; ``topics`` gives the names of clickstream and orders in Kafka."""
    totals = Totals()
    for (dimension, key, node, _), (events, visitors) in result.cells.items():
        totals.events[dimension, key, node] += events
        totals.visitors[dimension, key, node] += visitors
    for (dimension, key, currency, kind, _), (orders, amount) in result.money.items():
        totals.orders[dimension, key, kind] += orders
        totals.revenue[dimension, key, currency, kind] += amount
    for (topic, outcome), records in result.outcomes.items():
        totals.records[topics[topic], outcome] += records
    return totals
