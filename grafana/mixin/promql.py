"""PromQL from parts: selectors that only the catalogue's metrics and labels get into.

Promises: a name or a label that Funnelwatch does not export raises ``UnknownMetric`` while dashboards
are built, not as an empty panel on a sales night.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts import link_pages, metrics, notify_metrics
from streams.metrics.catalog import CATALOG

if TYPE_CHECKING:
    from streams.metrics.catalog import MetricSpec

# What Prometheus adds to every series.
TARGET_LABELS: Final = frozenset({"job", "instance"})
SPECS: Final[tuple[MetricSpec, ...]] = (
    *CATALOG,
    *metrics.FAMILIES,
    *notify_metrics.FAMILIES,
    *link_pages.FAMILIES,
)
_LISTED: Final = {spec.name for spec in SPECS}
_HISTOGRAM_SUFFIXES: Final = ("_bucket", "_sum", "_count")


class UnknownMetric(ValueError):  # noqa: N818  # says what is wrong
    """A metric that is not in the catalogue, or a label that the metric does not have."""


class Like(str):
    """A label's value as a regular expression; of a variable that may have several values, too."""

    __slots__ = ()


def of(spec: MetricSpec, *, suffix: str = "", span: str = "", back: str = "", **labels: str) -> str:
    """The selector of a metric on a dashboard: of the job that the variable ``job`` names.

    Args:
        spec: the metric.
        suffix: ``_bucket``, ``_sum`` or ``_count`` of a histogram.
        span: makes it a range, as ``5m``.
        back: offset into the past.
        labels: what else has to hold.

    Raises:
        UnknownMetric: the catalogue knows no such metric or label.
    """
    return selector(spec, suffix=suffix, span=span, back=back, job="$job", **labels)


def selector(spec: MetricSpec, *, suffix: str = "", span: str = "", back: str = "", **labels: str) -> str:
    """The selector of a metric, of any job unless one is named; otherwise as :func:`of`."""
    _check(spec, suffix, labels)
    found = ",".join(f'{name}{_matcher(value)}"' for name, value in labels.items())
    return (
        f"{spec.name}{suffix}"
        + (f"{{{found}}}" if found else "")
        + (f"[{span}]" if span else "")
        + (f" offset {back}" if back else "")
    )


def _matcher(value: str) -> str:
    return f'=~"{value}' if isinstance(value, Like) else f'="{value}'


def _check(spec: MetricSpec, suffix: str, labels: dict[str, str]) -> None:
    if spec.name not in _LISTED:
        raise UnknownMetric(f"{spec.name} is not in the catalogue")
    if bool(suffix) != (spec.kind == "histogram") or suffix not in ("", *_HISTOGRAM_SUFFIXES):
        raise UnknownMetric(f"{spec.name} has no series {spec.name}{suffix}")
    unknown = set(labels) - set(spec.labels) - TARGET_LABELS - ({"le"} if suffix == "_bucket" else set())
    if unknown:
        raise UnknownMetric(f"{spec.name} has no label {', '.join(sorted(unknown))}")


def rate(spec: MetricSpec, span: str = "$__rate_interval", back: str = "", **labels: str) -> str:
    """Growth of a counter per second; arguments as :func:`of`."""
    return f"rate({of(spec, span=span, back=back, **labels)})"


def increase(spec: MetricSpec, span: str, back: str = "", **labels: str) -> str:
    """Growth of a counter in a span; arguments as :func:`of`."""
    return f"increase({of(spec, span=span, back=back, **labels)})"


def aggregate(operation: str, expression: str, *by: str) -> str:
    """``sum by (key) (...)`` and its like."""
    return f"{operation} by ({', '.join(by)}) ({expression})" if by else f"{operation}({expression})"


def quantile(share: float, spec: MetricSpec, span: str = "$__rate_interval") -> str:
    """A quantile of a histogram over all workers."""
    return f"histogram_quantile({share}, sum by (le) (rate({of(spec, suffix='_bucket', span=span)})))"


def mean(spec: MetricSpec, span: str = "$__rate_interval") -> str:
    """The mean of a histogram over all workers."""
    total, count = (f"sum(rate({of(spec, suffix=suffix, span=span)}))" for suffix in ("_sum", "_count"))
    return f"{total} / ({count} > 0)"
