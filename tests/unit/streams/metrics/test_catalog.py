"""The catalogue and what is really exported are one list."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from streams.core.windows import Windows
from streams.metrics.catalog import CATALOG, KEY_FAMILIES, Family, MetricSpec
from streams.metrics.exposition import SNAPSHOT_FAMILIES, TEXT, Exposition
from streams.metrics.key_series import EVENTS, REVENUE
from streams.metrics.pipeline import PipelineMetrics
from streams.metrics.promotion_targets import TargetCollector
from streams.metrics.reloads import PromotionCollector, ReloadMetrics
from streams.metrics.watching import WatchMetrics
from streams.metrics.window_series import WindowSeries
from streams.promotions import Calendar
from streams.reload import ReloadOutcome
from tests.support.clock import ManualClock
from tests.support.promotions import promotion
from tests.support.targeted_sale import a_quarter_in
from tests.support.window_oracle import Buckets
from tests.unit.streams.metrics.scrapes import NOON_MS, owner

KEYLESS_SUFFIXES = ("_bucket", "_sum", "_count")


def exported() -> dict[str, tuple[str, str, set[str]]]:
    """Kind, help and label names of every family on a page where everything happened once."""
    registry = CollectorRegistry()
    pipeline = PipelineMetrics(registry, topics=("orders",))
    pipeline.rebalance()
    pipeline.set_lag("orders", 0, 1)
    pipeline.set_watermark_delay(0, 1.0)
    pipeline.set_state_bytes("visitors", 1)
    pipeline.set_assigned_partitions("orders", 1)
    ReloadMetrics(registry).count(ReloadOutcome.APPLIED)
    calendar = Calendar([promotion("D11", NOON_MS, NOON_MS + 1)])
    PromotionCollector(lambda: calendar, ManualClock(NOON_MS), registry)
    sale = a_quarter_in()
    TargetCollector(lambda: sale.picture, lambda: sale.calendar, registry)
    WatchMetrics(registry).observe_bucket(0.1)
    series = owner()
    series.add(0, EVENTS, "sku", "a", ("click",), 1)
    series.add(0, REVENUE, "sku", "a", ("CNY", "paid"), 1)
    windows, shown = Windows(), WindowSeries(expected=lambda *_: {"a": 0.5})
    windows.take(Buckets().close(NOON_MS, {("sku", "a", 0): 2, ("sku", "a", 1): 1}))
    shown.refresh(windows)
    exposition = Exposition(registry, lambda: series.snapshot(NOON_MS), shown.capture)
    page = exposition.capture()(TEXT).decode()
    families: dict[str, tuple[str, str, set[str]]] = {}
    for family in text_string_to_metric_families(page):
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        families[name] = (family.type, family.documentation, labels)
    return families


def test_the_exported_families_are_those_of_the_catalogue() -> None:
    """Nothing is exported that is not listed, nothing listed is missing; same kind, help, labels."""
    # In the text format an info is a gauge.
    listed = {
        spec.name: (spec.kind.replace("info", "gauge"), spec.help, set(spec.labels)) for spec in CATALOG
    }
    assert exported() == listed


def test_a_name_is_listed_once() -> None:
    """Two specs of one name would be two families of one name on the page."""
    names = [spec.name for spec in CATALOG]
    assert len(set(names)) == len(names)


def test_families_with_keys_are_numbered_as_they_are_listed() -> None:
    """The number of a family is its place."""
    assert [family.name for family in Family] == ["EVENTS", "VISITORS", "ORDERS", "REVENUE"]
    assert len(KEY_FAMILIES) == len(Family)
    assert all(spec.labels[:2] == ("dimension", "key") for spec in KEY_FAMILIES)


def test_what_is_merged_comes_from_snapshots() -> None:
    """Only the owner of a shard may export what is summed over workers."""
    merged = {spec.name for spec in CATALOG if spec.scope == "merged"}
    assert merged < {spec.name for spec in SNAPSHOT_FAMILIES}
    assert {spec.kind for spec in CATALOG if spec.scope == "merged"} == {"counter"}


@pytest.mark.parametrize("spec", CATALOG, ids=lambda spec: spec.name)
def test_names_and_help_follow_the_conventions(spec: MetricSpec) -> None:
    """One prefix, the kind's suffix, the unit last, help in one plain line."""
    assert spec.name.startswith("funnelwatch_")
    assert spec.name.endswith("_total") == (spec.kind == "counter")
    assert spec.name.endswith("_info") == (spec.kind == "info")
    assert spec.family.endswith(spec.unit)
    assert spec.help.endswith(".")
    assert not set(spec.help) & set('\\\n"')
    assert not set(spec.labels) & {"le", "job", "instance"}


@pytest.mark.parametrize("spec", CATALOG, ids=lambda spec: spec.name)
def test_only_histograms_have_buckets_and_they_rise(spec: MetricSpec) -> None:
    """A quantile can only be read off rising bounds."""
    assert bool(spec.buckets) == (spec.kind == "histogram")
    assert list(spec.buckets) == sorted(set(spec.buckets))


def test_freshness_is_measured_from_half_a_second_to_a_minute() -> None:
    """The promise is 3 s beyond the disorder bound; its bucket edges stand around that."""
    spec = next(spec for spec in CATALOG if spec.name == "funnelwatch_freshness_seconds")
    assert (spec.buckets[0], spec.buckets[-1]) == (0.5, 60.0)
    assert {5.0, 8.0} <= set(spec.buckets)
