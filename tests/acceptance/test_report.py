"""``simulate`` to ``report``, end to end: the page's numbers are the oracle's sums, what went wrong is on it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pytest

from streams.backtest.reading import Recording
from streams.cli import main
from streams.config import load_settings
from streams.funnel import DEFAULT_NODES
from streams.report.gathering import Gathering
from streams.report.making import report_of
from streams.report.outline import outline_of
from streams.report.source import gather
from tests.support import oracle
from tests.support.rehearsed import CONFIG, ONSET_MS, START_MS, record_scenario

if TYPE_CHECKING:
    from pathlib import Path

    from streams.report.data import Figures, ReportData

MINUTE_MS = 60_000
SALE = (START_MS + 3 * MINUTE_MS, START_MS + 9 * MINUTE_MS)


def config(folder: Path, start_ms: int, end_ms: int) -> Path:
    """Settings with one promotion."""
    path = folder / "funnelwatch.yaml"
    path.write_text(f"""{CONFIG}promotions:
  - name: D11
    start: {start_ms}
    end: {end_ms}
    phases: {{warmup: {{from: -2m}}, open: {{until: 2m}}, last_hour: {{from: end-1m}}}}
    targets: {{orders: 1000000, revenue_minor_units: 100, currency: CNY}}
""")
    return path


class Night(NamedTuple):
    """What was recorded, what that counts to, and the report on it."""

    folder: Path
    words: list[str]
    truth: oracle.OracleResult
    gathering: Gathering
    data: ReportData


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """Twelve minutes with late, repeated and broken records; the sale is in the middle of them."""
    folder = tmp_path_factory.mktemp("night")
    words = record_scenario(folder, "S0", minutes=12, rate=25.0)
    files = folder / "clickstream.jsonl", folder / "orders.jsonl"
    clicks, orders = (oracle.file_records(path.read_bytes().splitlines()) for path in files)
    truth = oracle.count(clicks, orders)
    settings = load_settings(config(folder, *SALE), {})
    calendar = settings.calendar()
    gathering = Gathering(outline_of(calendar.promotions[0], calendar, "UTC"), 600_000)
    told = gather(Recording(*files), settings, gathering, 0)
    return Night(folder, words, truth, gathering, report_of(gathering, told))


def entries(
    truth: oracle.OracleResult, dimension: str, key: str, start_ms: int, end_ms: int
) -> tuple[int, ...]:
    """Events of the first node, visitors of the others."""
    sums: Counter[str] = Counter()
    for (of, name, node, bucket_ms), (events, visitors) in truth.cells.items():
        if (of, name) == (dimension, key) and start_ms <= bucket_ms < end_ms:
            sums[node] += events if node == DEFAULT_NODES[0] else visitors
    return tuple(sums[node] for node in DEFAULT_NODES)


def money(truth: oracle.OracleResult, kind: str, start_ms: int, end_ms: int) -> tuple[int, int]:
    """Orders and amount of the whole shop."""
    rows = [
        row
        for (of, _, currency, what, bucket_ms), row in truth.money.items()
        if (of, currency, what) == ("all", "CNY", kind) and start_ms <= bucket_ms < end_ms
    ]
    return sum(orders for orders, _ in rows), sum(amount for _, amount in rows)


def assert_figures(figures: Figures, truth: oracle.OracleResult, start_ms: int, end_ms: int) -> None:
    """Every count and every amount of a time, to the unit."""
    assert figures.entries == entries(truth, "all", "all", start_ms, end_ms)
    found = figures.in_currency("CNY")
    assert found is not None
    assert (found.paid_orders, found.paid) == money(truth, "paid", start_ms, end_ms)
    assert (found.cancelled_orders, found.cancelled) == money(truth, "cancelled", start_ms, end_ms)
    assert (found.refunded_orders, found.refunded) == money(truth, "refunded", start_ms, end_ms)


def test_sale_and_phases_are_the_oracles_sums(night: Night) -> None:
    """Late events and late money stand in the phase that they are of."""
    assert_figures(night.data.sale, night.truth, *SALE)
    assert len(night.data.phases) == 4
    for phase in night.data.phases:
        assert_figures(phase.figures, night.truth, *phase.times)
    assert sum(night.data.sale.entries) > 1_000


def test_every_key_is_the_oracles_sum(night: Night) -> None:
    """Of slots, banners and SKUs: counts, and what was paid."""
    for dimension in ("slot", "banner", "sku"):
        keyed = night.gathering.keyed
        paid = keyed.paid(dimension, "CNY").tolist()
        counts = keyed.counts(dimension)
        for number, name in enumerate(keyed.names(dimension)):
            wanted = entries(night.truth, dimension, name, *SALE)
            assert (int(counts[number, 0]), *counts[number, 17:23].tolist()) == wanted
            assert paid[number] == sum(
                amount
                for (of, key, currency, kind, bucket_ms), (_, amount) in night.truth.money.items()
                if (of, key, currency, kind) == (dimension, name, "CNY", "paid")
                and SALE[0] <= bucket_ms < SALE[1]
            )


def test_the_command_says_the_same(night: Night) -> None:
    """The verb reads the files itself; its Markdown has the oracle's numbers."""
    out = night.folder / "page.md"
    words = ["--config", str(night.folder / "funnelwatch.yaml"), "--out", str(out), "--format", "md"]
    assert main(["report", "--promotion", "D11", *night.words, *words]) == 0
    page = out.read_text(encoding="utf-8")
    for node, count in zip(("Click", "View", "Paid"), (1, 2, 6), strict=True):
        assert f"| {node} | {night.data.sale.entries[count]:,} |" in page
    orders, amount = money(night.truth, "paid", *SALE)
    assert f"| CNY | CNY {amount // 100:,}.{amount % 100:02d} | {orders:,} |" in page


@pytest.mark.slow
def test_a_break_is_on_the_page_with_its_loss(tmp_path: Path) -> None:
    """Of a payment that hangs: since when, where, and that it cost money."""
    words = record_scenario(tmp_path, "S1", minutes=35, rate=60.0)
    path = config(tmp_path, START_MS + 20 * MINUTE_MS, ONSET_MS + 4 * MINUTE_MS)
    out = tmp_path / "page.md"
    assert main(["report", "--promotion", "D11", *words, "--config", str(path), "--out", str(out)]) == 0
    [row] = [line for line in out.read_text("utf-8").splitlines() if "Step is broken" in line]
    _, since, _, _, where, _, lost, severity, _ = (cell.strip() for cell in row.split("|"))
    assert since.startswith("2025-11-09 12:30")
    assert where == r"whole shop, order \> paid"
    assert lost.startswith("CNY ")
    assert lost.endswith(" lost")
    assert severity == "critical"
