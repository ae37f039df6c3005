"""Conversion by window on the page: ratios with their counts, of the busiest keys."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from streams.core.windows import Sale, Windows
from streams.metrics.window_series import WindowSeries
from tests.support.window_oracle import BUCKET, Buckets, Counts

T0 = 1_762_819_200_000  # midnight, UTC
DAY = 86_400_000
RATIO = "funnelwatch_window_conversion_ratio"


def sku(key: str, exposures: int, clicks: int = 0) -> Counts:
    """Events of a SKU."""
    return {("sku", key, 0): exposures, ("sku", key, 1): clicks}


def page(series: WindowSeries) -> dict[tuple[str, ...], float]:
    """Values by name, key, node before (or node), and window."""
    text = series.capture()(False)
    return {
        (
            s.name,
            s.labels["key"],
            s.labels.get("from_node", s.labels.get("node", "")),
            s.labels["window"],
        ): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


def shown(series: WindowSeries) -> set[str]:
    """Keys on the page."""
    return {key for _, key, _, _ in page(series)}


def test_a_ratio_with_its_counts_interval_and_expectation() -> None:
    """In every window, that of a promotion included."""
    windows = Windows(sales=[Sale("D11", T0, T0 + DAY)])
    windows.take(Buckets().close(T0, sku("a", 263, 81)))
    series = WindowSeries(
        expected=lambda window, _, step, __: {"a": 0.25} if (window, step) == ("1h", 0) else {}
    )
    series.refresh(windows)
    found = page(series)
    for window in ("1m", "5m", "15m", "1h", "day", "promotion:D11"):
        assert found[RATIO, "a", "exposure", window] == 81 / 263
        assert round(found[RATIO + "_lower", "a", "exposure", window], 4) == 0.2553
        assert round(found[RATIO + "_upper", "a", "exposure", window], 4) == 0.3662
        assert found["funnelwatch_window_entries", "a", "exposure", window] == 263
    assert {name[3] for name in found if name[0] == RATIO + "_expected"} == {"1h"}


def test_no_ratio_without_a_denominator() -> None:
    """It is absent, not 0 and not NaN; the count says 0."""
    windows, series = Windows(), WindowSeries()
    windows.take(Buckets().close(T0, sku("a", 0, 5)))
    series.refresh(windows)
    found = page(series)
    assert found["funnelwatch_window_entries", "a", "exposure", "1m"] == 0
    assert not [name for name in found if name[0].startswith(RATIO)]


def test_the_busiest_keys_for_the_day() -> None:
    """Who has a place keeps it, but for one twice as busy; another day begins anew."""
    windows, buckets, series = Windows(), Buckets(), WindowSeries(max_keys=2)

    def at(start_ms: int, counts: Counts) -> set[str]:
        windows.take(buckets.close(start_ms, counts))
        series.refresh(windows)
        return shown(series)

    assert at(T0, sku("a", 900) | sku("b", 800) | sku("c", 700)) == {"a", "b"}
    assert at(T0 + 40 * BUCKET, sku("c", 800)) == {"a", "b"}
    assert at(T0 + 80 * BUCKET, sku("c", 800)) == {"a", "c"}
    assert at(T0 + DAY, sku("b", 900) | sku("d", 800) | sku("a", 700)) == {"b", "d"}
    assert series.shown("sku") == 2


def test_our_renderer_writes_what_the_library_does() -> None:
    """To the byte, in both formats; keys that need escapes, large counts and tiny ratios too."""
    windows, series = Windows(), WindowSeries(expected=lambda *_: {'"\\\n': 1e-7})
    windows.take(Buckets().close(T0, sku('"\\\n', 5_000_000_000, 3) | sku("坑位", 3, 7)))
    series.refresh(windows)
    registry = CollectorRegistry()
    registry.register(series)
    for openmetrics in (False, True, False):
        text = (generate_openmetrics if openmetrics else generate_latest)(registry).decode()
        assert series.capture()(openmetrics) == text.removesuffix("# EOF\n")


def test_what_is_captured_stays() -> None:
    """A page that is being rendered does not change when the next bucket closes."""
    windows, buckets, series = Windows(), Buckets(), WindowSeries()
    windows.take(buckets.close(T0, sku("a", 4, 1)))
    series.refresh(windows)
    render = series.capture()
    before = render(False)
    windows.take(buckets.close(T0 + BUCKET, sku("b", 4, 1)))
    series.refresh(windows)
    assert render(False) == before
    assert shown(series) == {"a", "b"}
