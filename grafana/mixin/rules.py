"""Recording rules: sums that dashboards ask for often, and far back.

Names are ``level:metric:operations``, the newest operation first, ``_total`` stripped. ``key`` is one
key of one dimension, ``topic`` a source topic, ``job`` the deployment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from grafana.mixin.promql import selector
from streams.metrics import catalog

if TYPE_CHECKING:
    from streams.metrics.catalog import MetricSpec

_SPAN: Final = "5m"


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded series and what it is of."""

    name: str
    expr: str

    def of(self, back: str = "", **labels: str) -> str:
        """Its selector on a dashboard."""
        found = "".join(f',{name}="{value}"' for name, value in labels.items())
        return f'{self.name}{{job="$job"{found}}}' + (f" offset {back}" if back else "")


def _rate(level: str, spec: MetricSpec, *by: str) -> Recording:
    """Growth per second, summed over workers."""
    expr = f"sum by (job, {', '.join(by)}) (rate({selector(spec, span=_SPAN)}))"
    return Recording(f"{level}:{spec.family}:rate{_SPAN}", expr)


def _ratio(name: str, above: Recording, below: Recording, numerator: str, denominator: str) -> Recording:
    """Of two nodes of one recording; absent where nothing went in."""
    parts = [
        f'sum by (job, dimension, key) ({recording.name}{{node="{node}"}}{more})'
        for recording, node, more in ((above, numerator, ""), (below, denominator, " > 0"))
    ]
    return Recording(name, " / ".join(parts))


KEY: Final = ("dimension", "key")
NODE_EVENTS: Final = _rate("key", catalog.NODE_EVENTS, *KEY, "node")
NODE_VISITORS: Final = _rate("key", catalog.NODE_VISITORS, *KEY, "node")
ORDERS: Final = _rate("key", catalog.ORDERS, *KEY, "status")
REVENUE: Final = _rate("key", catalog.REVENUE, *KEY, "currency", "kind")
CTR: Final = _ratio(
    "key:funnelwatch_clicks_per_exposures:ratio_rate5m", NODE_EVENTS, NODE_EVENTS, "click", "exposure"
)
CVR: Final = _ratio(
    "key:funnelwatch_paid_visitors_per_click_visitors:ratio_rate5m",
    NODE_VISITORS,
    NODE_VISITORS,
    "paid",
    "click",
)
RECORDS: Final = _rate("topic", catalog.RECORDS, "topic", "outcome")
LAG: Final = Recording(
    "topic:funnelwatch_consumer_lag_records:sum", f"sum by (job, topic) ({selector(catalog.LAG)})"
)
FRESHNESS: Final = Recording(
    "job:funnelwatch_freshness_seconds:p99_rate5m",
    "histogram_quantile(0.99, sum by (job, le) "
    f"(rate({selector(catalog.FRESHNESS, suffix='_bucket', span=_SPAN)})))",
)
WATCH_BUCKET: Final = Recording(
    "job:funnelwatch_watch_bucket_seconds:p99_rate5m",
    "histogram_quantile(0.99, sum by (job, le) "
    f"(rate({selector(catalog.WATCH_BUCKET, suffix='_bucket', span=_SPAN)})))",
)

GROUPS: Final[dict[str, tuple[Recording, ...]]] = {
    "funnelwatch.keys": (NODE_EVENTS, NODE_VISITORS, ORDERS, REVENUE, CTR, CVR),
    "funnelwatch.pipeline": (RECORDS, LAG, FRESHNESS, WATCH_BUCKET),
}
