"""The page as text: equal to the client library's, negotiated, clean to promtool."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from streams.events import Reason
from streams.metrics.exposition import (
    OPENMETRICS,
    TEXT,
    Exposition,
    SnapshotCollector,
    SnapshotRenderer,
    negotiate,
)
from streams.metrics.key_series import EVENTS, ORDERS, REVENUE, ExportSnapshot
from streams.metrics.pipeline import PipelineMetrics
from tests.unit.streams.metrics.scrapes import NOON_MS, clicks, owner, read_openmetrics, settled

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.metrics.held import Cells

NASTY = ['"', "\\", "\n", 'a"b\\c\nd', "\\n", "双十一 红包", "é🛒", "{}", "a,b=c", " "]
PROMETHEUS_2_ACCEPT = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3_ACCEPT = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


def shop() -> ExportSnapshot:
    """A snapshot with small and large numbers, held series and labels that need escaping."""
    series = owner(max_keys=50)
    clicks(series, {key: 10**number for number, key in enumerate(NASTY)})
    series.add(0, ORDERS, "sku", '"', ("paid",), 999_999)
    series.add(0, ORDERS, "sku", '"', ("refunded",), 1_000_000)
    series.add(0, REVENUE, "sku", "双十一 红包", ("CNY", "paid"), 123_456_789_012_345)
    series.add_records(0, "clickstream", "accepted", 12_345_678)
    settled(series, NOON_MS)
    series.add(0, EVENTS, "slot", "home.top.1", ("click",), 3)
    return series.snapshot(NOON_MS + 61_000)


def of_the_library(snapshot: ExportSnapshot, *, openmetrics: bool) -> str:
    """The same families, written by prometheus_client."""
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(lambda: snapshot))
    return (generate_openmetrics if openmetrics else generate_latest)(registry).decode()


@pytest.mark.parametrize("openmetrics", [False, True])
def test_the_text_is_that_of_the_client_library(*, openmetrics: bool) -> None:
    """Ours is faster, not different: equal to the byte in both formats, also the second time."""
    snapshot, renderer = shop(), SnapshotRenderer()
    expected = of_the_library(snapshot, openmetrics=openmetrics).removesuffix("# EOF\n")
    assert renderer.render(snapshot, openmetrics=openmetrics) == expected
    assert renderer.render(snapshot, openmetrics=openmetrics) == expected


@given(key=st.text(st.characters(exclude_categories=["Cs"])), value=st.integers(0, 2**53))
def test_any_label_and_any_number_is_written_as_the_library_does(key: str, value: int) -> None:
    """Whatever a shop calls its banners."""
    cells: Cells = ({("click",): value}, {}, {}, {("CNY", "paid"): value})
    snapshot = ExportSnapshot(
        keys=(("banner", key, cells),), records={("orders", "late"): value}, tracked={}, shown={"sku": 1}
    )
    assert SnapshotRenderer().render(snapshot, openmetrics=False) == of_the_library(
        snapshot, openmetrics=False
    )


def test_a_key_that_cannot_be_encoded_does_not_take_the_page_down() -> None:
    """Lone surrogates are rejected at the door; if one gets through, it costs its own label only."""
    series = owner()
    clicks(series, {"\ud800": 1})
    page = Exposition(CollectorRegistry(), lambda: settled(series, NOON_MS)).capture()(TEXT)
    assert b'key="?",node="click"} 1.0\n' in page


def test_what_was_known_of_keys_that_are_gone_is_dropped() -> None:
    """The renderer remembers no more than it wrote last."""
    renderer = SnapshotRenderer()
    renderer.render(shop(), openmetrics=False)
    assert renderer.remembered > 0
    empty = ExportSnapshot(keys=(), records={}, tracked={}, shown={})
    renderer.render(empty, openmetrics=False)
    assert renderer.remembered == 0


def test_the_worker_and_the_keys_are_on_one_page() -> None:
    """One scrape tells all, and an OpenMetrics page ends once."""
    registry = CollectorRegistry()
    PipelineMetrics(registry).rebalance()
    snapshot = shop()
    page = Exposition(registry, lambda: snapshot).capture()(OPENMETRICS).decode()
    families = {family.name for family in read_openmetrics(page)}
    assert {"funnelwatch_node_events", "funnelwatch_rebalances", "funnelwatch_build"} <= families
    assert page.count("# EOF") == 1


def test_a_worker_without_keys_has_a_page_too() -> None:
    """A worker that only counts exports itself."""
    registry = CollectorRegistry()
    PipelineMetrics(registry)
    page = Exposition(registry).capture()(TEXT).decode()
    assert "funnelwatch_rebalances_total 0.0\n" in page
    assert "funnelwatch_node_events_total" not in page


def test_there_are_no_created_series() -> None:
    """They double the series of every counter and tell nothing here."""
    registry = CollectorRegistry()
    Counter("mine", "A counter whose library would add one.", registry=registry).inc()
    PipelineMetrics(registry).observe_batch(1.0, 1)
    assert b"_created" in generate_latest(registry)
    page = Exposition(registry).capture()
    assert b"_created" not in page(TEXT) + page(OPENMETRICS)


def test_a_capture_is_what_was_true_when_it_was_taken() -> None:
    """Rendering may come later, in a thread."""
    series = owner()
    clicks(series, {"a": 1})
    settled(series, NOON_MS)
    render = Exposition(CollectorRegistry(), lambda: series.snapshot(NOON_MS + 70_000)).capture()
    clicks(series, {"a": 1})
    assert b'{dimension="sku",key="a",node="click"} 1.0\n' in render(TEXT)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html", TEXT),
        ("text/plain", TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        ("Application/OpenMetrics-Text ; Version=1.0.0", OPENMETRICS),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("application/openmetrics-text;version=0.0.1", TEXT),
        ("application/openmetrics-text;q=0.2, text/plain;q=0.9", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=loud", TEXT),
        (PROMETHEUS_2_ACCEPT, OPENMETRICS),
        (PROMETHEUS_3_ACCEPT, OPENMETRICS),
    ],
)
def test_the_format_is_negotiated(accept: str, content_type: str) -> None:
    """What a scraper prefers among what we write; plain text for everybody else."""
    assert negotiate(accept) == content_type


def busy_page() -> Callable[[str], bytes]:
    """A page on which every family has samples."""
    registry = CollectorRegistry()
    pipeline = PipelineMetrics(registry, topics=("clickstream", "orders"))
    pipeline.reject("orders", Reason.BAD_TIME)
    pipeline.set_lag("orders", 0, 5)
    pipeline.set_watermark_delay(0, 5.5)
    pipeline.set_state_bytes("visitors", 10**9)
    pipeline.set_assigned_partitions("orders", 4)
    pipeline.observe_freshness(6.5, 100)
    snapshot = shop()
    return Exposition(registry, lambda: snapshot).capture()


def test_the_openmetrics_page_is_valid() -> None:
    """The strict parser of the client library reads it, with every label as it was."""
    families = list(read_openmetrics(busy_page()(OPENMETRICS).decode()))
    keys = {sample.labels.get("key") for family in families for sample in family.samples}
    assert set(NASTY) <= keys


@pytest.mark.prometheus
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_has_nothing_to_say() -> None:
    """Names, help and units follow Prometheus' conventions."""
    check = subprocess.run(
        ["promtool", "check", "metrics"], input=busy_page()(TEXT), capture_output=True, check=False
    )
    assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")
