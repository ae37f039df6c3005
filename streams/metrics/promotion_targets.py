"""How far promotions are against their targets, as metrics: the numbers that the live page shows, as shares.

Promises: series only in the worker that watches, and only while a promotion runs and both its sums and its
pace are known; at most three of each promotion of the calendar (orders, revenue, conversion). Shares, because targets are in
three units: a target of one promotion is comparable with that of another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from streams.metrics import catalog
from streams.web.targets import targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import CollectorRegistry

    from streams.promotions import Calendar
    from streams.web.picture import Picture


class TargetCollector(Collector):
    """See the module. Collecting is safe in any thread: a picture is never changed.

    Args:
        picture: what was counted; None in a worker that does not watch.
        calendar: the calendar that is in force.
        registry: where it is registered.
    """

    def __init__(
        self,
        picture: Callable[[], Picture | None],
        calendar: Callable[[], Calendar],
        registry: CollectorRegistry,
    ) -> None:
        self._picture = picture
        self._calendar = calendar
        registry.register(self)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The families, so that no other may take their names."""
        yield from map(_family, (catalog.PROMOTION_REACHED, catalog.PROMOTION_PACE))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families with the picture of now."""
        reached, pace = self.describe()
        picture = self._picture()
        end_ms = 0 if picture is None else picture.end_ms
        for promotion in self._calendar().promotions:
            runs = promotion.start_ms < end_ms <= promotion.end_ms
            for one in targets(picture, promotion) if runs else ():
                if one.so_far is not None and one.by_now is not None:
                    reached.add_metric((promotion.name, one.name), one.so_far / one.target)
                    pace.add_metric((promotion.name, one.name), one.by_now / one.target)
        yield from (reached, pace)


def _family(spec: catalog.MetricSpec) -> GaugeMetricFamily:
    return GaugeMetricFamily(spec.name, spec.help, labels=spec.labels, unit=spec.unit)
