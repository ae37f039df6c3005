"""Selectors take only what the catalogue has."""

from __future__ import annotations

import pytest

from grafana.mixin.promql import Like, UnknownMetric, mean, of, quantile, rate, selector
from streams.metrics import catalog
from streams.metrics.catalog import MetricSpec


def test_a_selector_is_of_the_chosen_deployment() -> None:
    """Job first, then what is asked; ranges and offsets behind."""
    assert of(catalog.LAG, topic="orders") == 'funnelwatch_consumer_lag_records{job="$job",topic="orders"}'
    assert selector(catalog.WATCHING) == "funnelwatch_watching"
    found = of(catalog.ORDERS, span="5m", back="1w", key=Like("$key"))
    assert found == 'funnelwatch_orders_total{job="$job",key=~"$key"}[5m] offset 1w'
    assert rate(catalog.REBALANCES, "5m") == 'rate(funnelwatch_rebalances_total{job="$job"}[5m])'


INVENTED = MetricSpec("funnelwatch_invented_total", "counter", "")


@pytest.mark.parametrize(
    ("spec", "suffix", "labels"),
    [
        (INVENTED, "", {}),
        (catalog.LAG, "", {"dimension": "slot"}),
        (catalog.LAG, "_bucket", {}),
        (catalog.FRESHNESS, "", {}),
        (catalog.FRESHNESS, "_total", {}),
    ],
)
def test_what_is_not_exported_cannot_be_asked_for(
    spec: MetricSpec, suffix: str, labels: dict[str, str]
) -> None:
    """Unknown metrics, unknown labels, and series that a kind does not have."""
    with pytest.raises(UnknownMetric):
        of(spec, suffix=suffix, **labels)


def test_histograms_are_summed_before_they_are_read() -> None:
    """A quantile of all workers is one of summed buckets; a mean never divides by nothing."""
    assert quantile(0.99, catalog.FRESHNESS, "5m") == (
        'histogram_quantile(0.99, sum by (le) (rate(funnelwatch_freshness_seconds_bucket{job="$job"}[5m])))'
    )
    assert mean(catalog.BATCH_SECONDS).endswith(" > 0)")
