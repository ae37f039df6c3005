"""What one worker knows about itself."""

from __future__ import annotations

import platform

import pytest
from prometheus_client import CollectorRegistry

from streams.events import Reason
from streams.metrics import catalog
from streams.metrics.pipeline import PipelineMetrics, WeightedHistogram


@pytest.fixture
def registry() -> CollectorRegistry:
    """A registry of the test's own."""
    return CollectorRegistry()


def test_counters_of_closed_sets_exist_from_the_start(registry: CollectorRegistry) -> None:
    """A series that begins above zero hides its first step from increase()."""
    PipelineMetrics(registry, topics=("orders",))
    for reason in Reason:
        labels = {"topic": "orders", "reason": reason.value}
        assert registry.get_sample_value("funnelwatch_rejected_records_total", labels) == 0
    assert registry.get_sample_value("funnelwatch_deadletter_records_total", {"topic": "orders"}) == 0
    assert registry.get_sample_value("funnelwatch_rollups_total", {"outcome": "stale"}) == 0
    assert registry.get_sample_value("funnelwatch_lost_records_total", {"topic": "orders"}) == 0
    assert registry.get_sample_value("funnelwatch_state_log_bytes_total") == 0
    assert registry.get_sample_value("funnelwatch_rebalances_total") == 0


def test_counts_go_where_they_belong(registry: CollectorRegistry) -> None:
    """Each method counts into its own family and labels."""
    metrics = PipelineMetrics(registry)
    metrics.reject("orders", Reason.NOT_JSON, 3)
    metrics.dead_letter("orders", 2)
    metrics.merge_rollup("applied", 5)
    metrics.rebalance()
    metrics.lose("orders", 7)
    metrics.log_state(4096)
    value = registry.get_sample_value
    assert value("funnelwatch_lost_records_total", {"topic": "orders"}) == 7
    assert value("funnelwatch_state_log_bytes_total") == 4096
    assert value("funnelwatch_rejected_records_total", {"topic": "orders", "reason": "not_json"}) == 3
    assert value("funnelwatch_deadletter_records_total", {"topic": "orders"}) == 2
    assert value("funnelwatch_rollups_total", {"outcome": "applied"}) == 5
    assert value("funnelwatch_rebalances_total") == 1


def test_a_rollup_outcome_outside_the_set_is_refused(registry: CollectorRegistry) -> None:
    """Labels come from closed sets."""
    with pytest.raises(ValueError, match="applied, stale, invalid"):
        PipelineMetrics(registry).merge_rollup("lost")


def test_gauges_show_the_last_value(registry: CollectorRegistry) -> None:
    """Gauges are set, not added to."""
    metrics = PipelineMetrics(registry)
    for number in (7, 4):
        metrics.set_lag("orders", 1, number)
        metrics.set_watermark_delay(1, number / 2)
        metrics.set_state_bytes("visitors", number)
        metrics.set_assigned_partitions("orders", number)
        metrics.set_recovery_left(number)
    value = registry.get_sample_value
    assert value("funnelwatch_consumer_lag_records", {"topic": "orders", "partition": "1"}) == 4
    assert value("funnelwatch_watermark_delay_seconds", {"partition": "1"}) == 2.0
    assert value("funnelwatch_state_bytes", {"kind": "visitors"}) == 4
    assert value("funnelwatch_assigned_partitions", {"topic": "orders"}) == 4
    assert value("funnelwatch_recovery_left_entries") == 4


def test_a_partition_that_went_elsewhere_takes_its_series_along(registry: CollectorRegistry) -> None:
    """Two workers that export one partition's lag would double the sum."""
    metrics = PipelineMetrics(registry)
    for partition in (0, 1):
        metrics.set_lag("orders", partition, 9)
        metrics.set_watermark_delay(partition, 9.0)
    metrics.forget_partition("orders", 0)
    metrics.forget_watermark(0)
    value = registry.get_sample_value
    assert value("funnelwatch_consumer_lag_records", {"topic": "orders", "partition": "0"}) is None
    assert value("funnelwatch_watermark_delay_seconds", {"partition": "0"}) is None
    assert value("funnelwatch_consumer_lag_records", {"topic": "orders", "partition": "1"}) == 9
    assert value("funnelwatch_watermark_delay_seconds", {"partition": "1"}) == 9.0


def test_forgetting_what_was_never_set_is_harmless(registry: CollectorRegistry) -> None:
    """A partition may be revoked before anything was read from it."""
    metrics = PipelineMetrics(registry)
    metrics.forget_partition("orders", 0)
    metrics.forget_watermark(0)


def test_a_batch_is_observed_by_time_and_by_size(registry: CollectorRegistry) -> None:
    """One batch, two histograms."""
    PipelineMetrics(registry).observe_batch(0.02, 600)
    value = registry.get_sample_value
    assert value("funnelwatch_batch_processing_seconds_sum") == 0.02
    assert value("funnelwatch_batch_records_sum") == 600
    assert value("funnelwatch_batch_records_bucket", {"le": "500.0"}) == 0
    assert value("funnelwatch_batch_records_bucket", {"le": "1000.0"}) == 1


def test_a_recovery_is_observed(registry: CollectorRegistry) -> None:
    """How long taking state over took, up to minutes."""
    PipelineMetrics(registry).observe_recovery(12.5)
    value = registry.get_sample_value
    assert value("funnelwatch_recovery_seconds_sum") == 12.5
    assert value("funnelwatch_recovery_seconds_count") == 1


def test_freshness_weighs_events(registry: CollectorRegistry) -> None:
    """A bucket of a thousand events counts a thousand times; bounds are inclusive."""
    metrics = PipelineMetrics(registry)
    metrics.observe_freshness(6.0, 1000)
    metrics.observe_freshness(99.0)
    value = registry.get_sample_value
    assert value("funnelwatch_freshness_seconds_bucket", {"le": "5.0"}) == 0
    assert value("funnelwatch_freshness_seconds_bucket", {"le": "6.0"}) == 1000
    assert value("funnelwatch_freshness_seconds_bucket", {"le": "60.0"}) == 1000
    assert value("funnelwatch_freshness_seconds_bucket", {"le": "+Inf"}) == 1001
    assert value("funnelwatch_freshness_seconds_count") == 1001
    assert value("funnelwatch_freshness_seconds_sum") == 6099.0


def test_a_histogram_claims_its_name(registry: CollectorRegistry) -> None:
    """Two families of one name are refused at start, not found by a scraper."""
    WeightedHistogram(catalog.FRESHNESS, registry)
    with pytest.raises(ValueError, match="Duplicated"):
        WeightedHistogram(catalog.FRESHNESS, registry)


def test_the_build_is_told(registry: CollectorRegistry) -> None:
    """A dashboard can tell which version runs where."""
    PipelineMetrics(registry, version="1.2.3")
    labels = {"version": "1.2.3", "python": platform.python_version()}
    assert registry.get_sample_value("funnelwatch_build_info", labels) == 1


def test_two_workers_in_one_process_do_not_meet(registry: CollectorRegistry) -> None:
    """Nothing is registered globally."""
    PipelineMetrics(registry).rebalance()
    other = CollectorRegistry()
    PipelineMetrics(other)
    assert other.get_sample_value("funnelwatch_rebalances_total") == 0
