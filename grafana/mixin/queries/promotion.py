"""A promotion: its clock, what it has brought, and the earlier one at the same time after its start."""

from __future__ import annotations

from grafana.mixin.promql import aggregate, of
from grafana.mixin.queries.funnel import ALIGNED, PAID
from grafana.mixin.queries.funnel import entered as entered_in
from streams.funnel import ALL
from streams.metrics import catalog


def window(name: str = "$promotion") -> str:
    """Name of the window from a promotion's start to now."""
    return f"promotion:{name}"


def since_start() -> str:
    """Seconds since it started; negative before."""
    return f"time() - max({of(catalog.PROMOTION_START, promotion='$promotion')})"


def until_end() -> str:
    """Seconds until it ends, not below 0."""
    return f"clamp_min(max({of(catalog.PROMOTION_END, promotion='$promotion')}) - time(), 0)"


def phases() -> str:
    """1 while a promotion is in a phase."""
    return aggregate("max", of(catalog.PROMOTION_ACTIVE), "promotion", "phase")


def paid(name: str = "$promotion", back: str = "") -> str:
    """Visitors who paid, from its start to now."""
    return entered_in(PAID, window(name), back)


def paid_then() -> str:
    """Visitors who had paid of the earlier one at the same time after its start."""
    return paid("$previous", ALIGNED)


def best(dimension: str) -> str:
    """Keys by visitors who paid, from its start to now."""
    found = of(catalog.WINDOW_ENTRIES, dimension=dimension, node=PAID, window=window())
    return f"sort_desc(topk(10, {aggregate('max', found, 'key')}))"


def to_date(spec: catalog.MetricSpec, name: str = "$promotion", back: str = "") -> str:
    """Steps of the whole shop from its start to now."""
    found = of(spec, back=back, dimension=ALL, key=ALL, window=window(name))
    return aggregate("max", found, "to_node")


def reached() -> str:
    """What it has brought of each target, as a share of it."""
    return aggregate("max", of(catalog.PROMOTION_REACHED, promotion="$promotion"), "target")


def wanted() -> str:
    """Share of each target that its pace wants by now."""
    return aggregate("max", of(catalog.PROMOTION_PACE, promotion="$promotion"), "target")


def of_pace() -> str:
    """What it has brought of each target, over what the pace wants by now."""
    return f"{reached()} / ({wanted()} > 0)"
