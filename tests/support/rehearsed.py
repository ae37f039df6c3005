"""A small shop where people decide within seconds, so that half an hour is history enough, and what becomes of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from streams.cli import main
from streams.demo.circumstances import MINUTE_MS
from streams.demo.scenarios import Placed, Times, scenario_named
from streams.demo.shop import ShopSettings
from streams.demo.simulator import TrafficSettings, simulate
from streams.demo.sinks import json_line, partition_of

if TYPE_CHECKING:
    from pathlib import Path

    from streams.demo.circumstances import Circumstances
    from streams.demo.shop import Floats

START_MS = 1_762_689_600_000
ONSET_MS = START_MS + 30 * MINUTE_MS
SHOP = ShopSettings(seed=5, slots=4, banners=4, skus=12, visitors=1_000_000)
CONFIG = "watch: {min_history: 20m}\n"


class Hurried(Placed):
    """The scenario with buyers who are many and quick."""

    def chance(self, step: str, at: Circumstances) -> Floats | float:
        """Every other visitor who saw a product puts it into the cart."""
        return super().chance(step, at) * (3.0 if step == "view>cart" else 1.0)

    def delay(self, step: str, at: Circumstances) -> Floats | float:
        """Of minutes they make seconds."""
        return super().delay(step, at) * (1 / 30 if step == "checkout>order" else 1.0)


def record_scenario(  # what a rehearsal is, by name
    folder: Path, name: str, minutes: int, rate: float, partitions: int = 1, lasts_ms: int | None = None
) -> list[str]:
    """Write a scenario's traffic; the words of the command line that read it."""
    times = Times(ONSET_MS, lasts_ms)
    traffic = TrafficSettings(START_MS, rate, minutes * MINUTE_MS, shop=SHOP, late=0.002)
    lines: dict[str, list[bytes]] = {"clickstream": [], "orders": []}
    for record in simulate(traffic, Hurried(scenario_named(name), times, partitions)):
        placed = partition_of(record.key, partitions) if partitions > 1 else None
        lines[record.topic].append(json_line(record.value, record.arrival_ms, placed))
    words = []
    for topic, written in lines.items():
        path = folder / f"{topic}.jsonl"
        path.write_bytes(b"".join(written))
        words += [f"--{topic}", str(path)]
    return words


def incidents(folder: Path, *words: str) -> list[dict[str, Any]]:
    """What a backtest with these words tells."""
    config, found = folder / "quick.yaml", folder / "found.json"
    config.write_text(CONFIG)
    assert main(["backtest", *words, "--config", str(config), "--json", str(found)]) == 0
    told: list[dict[str, Any]] = json.loads(found.read_bytes())["incidents"]
    return told
