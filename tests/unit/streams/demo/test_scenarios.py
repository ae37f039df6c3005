"""The list of scenarios: what happens in the traffic is what the truth beside it says."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from alerts.model import Kind
from streams.cli import main
from streams.demo.circumstances import Circumstances, Deliveries
from streams.demo.scenarios import SCENARIOS, Placed, Times, scenario_named, truth_of
from streams.demo.shop import METHODS, Shop, ShopSettings
from streams.demo.simulator import TrafficSettings, simulate
from streams.demo.sinks import partition_of
from streams.errors import ConfigError
from streams.funnel import DEFAULT_NODES

if TYPE_CHECKING:
    from pathlib import Path

START_MS = 1_762_689_600_000
MINUTE_MS = 60_000
ONSET_MS = START_MS + 60 * MINUTE_MS
TIMES = Times(ONSET_MS)
SHOP = ShopSettings(seed=3, slots=6, banners=6, skus=20, visitors=2_000)
ASKED = {
    *("S0", "S1", "S1b", "S2", "S2c", "S2d", "S3", "S4", "S5", "S5b", "S5b+", "S5c", "S6a", "S6b", "S6c"),
    *("S7", "S8", "S9", "S10", "S11", "S12", "S13", "S14", "S15"),
}
SILENT = {"S0", "S4", "S5", "S5b", "S7"}


def at(minutes: float, slot: int = 0, banner: int = 0, sku: int = 0, method: int = 0) -> Circumstances:
    """One event so long after the onset."""
    time_ms = ONSET_MS + round(minutes * MINUTE_MS)
    return Circumstances(*(np.array([n]) for n in (time_ms, slot, banner, sku, method)))


def chance(name: str, step: str, where: Circumstances) -> float:
    """The multiplier of a step there."""
    return float(np.mean(Placed(SCENARIOS[name], TIMES).chance(step, where)))


def traffic(name: str, minutes: float) -> float:
    """The multiplier of traffic so long after the onset."""
    return Placed(SCENARIOS[name], TIMES).traffic(ONSET_MS + round(minutes * MINUTE_MS))


def test_the_whole_list_is_there() -> None:
    """S0 to S15 with their variants; those that should pass in silence have no truth."""
    assert SCENARIOS.keys() == ASKED
    assert {name for name, scenario in SCENARIOS.items() if not scenario.truth} == SILENT


@pytest.mark.parametrize("name", sorted(ASKED))
def test_truths_use_the_words_of_incidents(name: str) -> None:
    """Kinds, steps and keys are those that an incident could have."""
    steps = {f"{one}>{two}" for one, two in pairwise(DEFAULT_NODES)}
    truth = truth_of(SCENARIOS[name], TIMES, Shop(SHOP))
    assert truth["silent"] == (not truth["incidents"])
    for incident in truth["incidents"]:
        assert set(incident["kinds"]) <= {kind.value for kind in Kind}
        assert set(incident["steps"]) <= steps
        assert incident["start_ms"] >= ONSET_MS


@pytest.mark.parametrize(
    ("name", "step", "minutes", "factor"),
    [
        ("S1", "payment_attempt>answer", -1, 1),
        ("S1", "payment_attempt>answer", 0, 0),
        ("S2", "checkout>order", 1, 0.7),
        ("S2d", "checkout>order", 1, 0),
        ("S2d", "view>cart", 1, 1),
        ("S3", "checkout>order", 60, 0.75),
        ("S3", "checkout>order", 500, 0.5),
        ("S10", "view>cart", 1, 1),
        ("S14", "checkout>order", 119, 0.5),
        ("S14", "checkout>order", 121, 1),
    ],
)
def test_chances_are_bent_from_the_onset(name: str, step: str, minutes: float, factor: float) -> None:
    """Not before, not at another step, and no longer than it lasts."""
    assert chance(name, step, at(minutes)) == pytest.approx(factor, abs=1e-3)


def test_places_are_bent_alone() -> None:
    """Another slot, another pair, another SKU and another method are as ever."""
    assert chance("S2c", "checkout>order", at(1, slot=1)) == 1
    assert chance("S12", "checkout>order", at(1)) == pytest.approx(0.2)
    assert chance("S12", "checkout>order", at(1, banner=1)) == 1
    assert chance("S10", "view>cart", at(1, sku=2)) == 5
    hanging = {METHODS[m] for m in range(16) if not chance("S1b", "payment_attempt>answer", at(1, method=m))}
    assert hanging == {"wechat_pay"}


def test_traffic_is_bent() -> None:
    """Doubled, tenfold within a minute, and back again."""
    assert [traffic("S4", minutes) for minutes in (-1, 1)] == [1, 2]
    assert traffic("S5", 0.5) == pytest.approx(5.5, abs=0.01)
    assert [traffic("S5", minutes) for minutes in (-1, 2)] == [1, 10]
    assert [traffic("S5b", minutes) for minutes in (-61, -30, 1)] == [1, 10, 1]


def test_what_stalls_comes_later_in_its_order() -> None:
    """From the onset for a quarter of an hour nothing comes; then all of it, before what is new."""
    arrival_ms = ONSET_MS + np.arange(-60, 3_600) * 1_000
    orders = np.ones(len(arrival_ms), np.bool_)
    stalled = Placed(SCENARIOS["S6a"], TIMES).arrivals(Deliveries(arrival_ms, orders, arrival_ms * 0))
    end_ms = ONSET_MS + 15 * MINUTE_MS
    assert not ((stalled >= ONSET_MS) & (stalled < end_ms)).any()
    assert (np.diff(stalled) >= 0).all()
    assert (stalled == arrival_ms)[arrival_ms > end_ms + 2 * MINUTE_MS].all()
    clicks = Placed(SCENARIOS["S6a"], TIMES).arrivals(Deliveries(arrival_ms, ~orders, arrival_ms * 0))
    assert (clicks == arrival_ms).all()


def test_one_partition_stalls() -> None:
    """Those visitors whose records Kafka would have put there."""
    visitors = np.arange(100)
    at_ms = np.full(100, ONSET_MS + 1_000)
    came = Placed(SCENARIOS["S6c"], TIMES, 4).arrivals(Deliveries(at_ms, visitors == 1, visitors))
    held = {int(v) for v in visitors[came > at_ms]}
    assert held == {v for v in range(100) if partition_of(b"v%d" % v, 4) == 1}


def test_a_campaign_brings_others_to_a_slot() -> None:
    """Exposures of the slot multiply, and none of another."""
    times = Times(START_MS + 2 * MINUTE_MS)
    settings = TrafficSettings(START_MS, 60.0, 12 * MINUTE_MS, shop=SHOP)
    name = Shop(SHOP).slot_names[0]
    seen: Counter[tuple[int, bool]] = Counter()
    for record in simulate(settings, Placed(SCENARIOS["S8"], times)):
        if b'"event":"exposure"' in record.value:
            minute = (record.event_time_ms - times.onset_ms) // MINUTE_MS
            seen[minute, f'"slot":"{name}"'.encode() in record.value] += 1
    assert seen[8, True] > 8 * seen[-1, True]
    assert seen[8, False] < 1.3 * seen[-1, False]


def test_nothing_happens_is_the_plain_shop() -> None:
    """S0 draws the bytes that the shop draws without any scenario."""
    settings = TrafficSettings(START_MS, 200.0, 20_000, shop=SHOP)
    assert list(simulate(settings, Placed(SCENARIOS["S0"], TIMES))) == list(simulate(settings))


def test_an_unknown_scenario_is_refused() -> None:
    """The message holds the list."""
    assert scenario_named("s5B+").name == "S5b+"
    with pytest.raises(ConfigError, match="S5c"):
        scenario_named("S99")


def test_the_command_writes_traffic_and_truth(tmp_path: Path) -> None:
    """The same words give the same bytes; the truth stands beside them."""
    shop = ["--slots", "6", "--banners", "6", "--skus", "20", "--visitors", "900"]
    words = ["--start-ms", str(START_MS), "--rate", "50", "--duration", "60", "--seed", "3", *shop]
    words += ["--scenario", "S6c", "--onset", "20s", "--lasts", "15s", "--truth", str(tmp_path / "truth")]
    written = []
    for folder in ("a", "b"):
        assert main(["simulate", "--out", str(tmp_path / folder), *words]) == 0
        written.append((tmp_path / folder / "clickstream.jsonl").read_bytes())
    assert written[0] == written[1]
    stamps = [json.loads(line) for line in written[0].splitlines() if line.endswith(b"}")]
    assert {stamp["kafka_partition"] for stamp in stamps if "kafka_partition" in stamp} == {0, 1, 2, 3}
    [incident] = json.loads((tmp_path / "truth").read_bytes())["incidents"]
    assert incident["kind"] == "data_outage"
    assert incident["scope"] == [{"dimension": "partition", "key": "1"}]
    assert (incident["start_ms"] - START_MS, incident["end_ms"] - START_MS) == (20_000, 35_000)


def test_the_command_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    """One line each."""
    assert main(["simulate", "--list-scenarios"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == ASKED
