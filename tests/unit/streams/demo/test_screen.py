"""What the demo says of itself, from its first moment on."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from streams.config import Settings
from streams.demo.live_table import Step
from streams.demo.screen import Screen, ShopProgress
from streams.metrics.catalog import Family
from streams.metrics.http import Readiness
from streams.metrics.key_series import KeySeries, KeySeriesSettings
from tests.support.clock import ManualClock

if TYPE_CHECKING:
    from streams.demo.simulator import SimulatedRecord

PAST_MS = 900_000


def series() -> KeySeries:
    """Counters of the only worker."""
    counters = KeySeries(KeySeriesSettings(total_shards=1, topics=("clickstream", "orders"), max_keys=2))
    counters.own(frozenset({0}), 0)
    return counters


@dataclass
class Seen:
    """A worker as a screen sees it."""

    settings: Settings = field(default_factory=Settings)
    clock: ManualClock = field(default_factory=ManualClock)
    series: KeySeries = field(default_factory=series)
    waits_for: str = "joining the group"
    age_s: float | None = None
    port: int = 8080

    @property
    def merging(self) -> Seen:
        """Itself."""
        return self

    @property
    def http(self) -> Seen:
        """Itself."""
        return self

    def newest_age_s(self) -> float | None:
        """As the test says."""
        return self.age_s

    def readiness(self) -> Readiness:
        """As the test says."""
        return Readiness(not self.waits_for, (self.waits_for,) * bool(self.waits_for))

    def count(self, key: str, clicks: int, age_s: float) -> None:
        """Counts clicks of a SKU, so old when they come."""
        for dimension, name in (("sku", key), ("all", "all")):
            self.series.add(0, Family.EVENTS, dimension, name, ("click",), clicks)
        self.series.add_records(0, "clickstream", "accepted", clicks)
        self.series.tick(self.clock.now_ms())
        self.age_s = age_s


@pytest.fixture
def seen() -> Seen:
    """A worker that begins."""
    return Seen()


@pytest.fixture
def shop() -> ShopProgress:
    """A shop that has not begun."""
    return ShopProgress(PAST_MS, 200)


def tell(shop: ShopProgress, *arrivals_ms: int) -> None:
    """Lets the shop write records that arrive then."""
    records = [cast("SimulatedRecord", SimpleNamespace(arrival_ms=arrival)) for arrival in arrivals_ms]
    assert list(shop.watch(iter(records))) == records


def steps(screen: Screen) -> dict[str, Step]:
    """The steps of the next frame by title."""
    return {step.title: step for step in screen.frame().steps}


def test_the_first_frame_says_what_is_under_way(seen: Seen, shop: ShopProgress) -> None:
    """Broker, shop, worker and counts, before anything has happened."""
    frame = Screen(seen, shop).frame()
    assert [step.title for step in frame.steps] == ["broker", "shop", "worker", "counts"]
    assert frame.steps[0].done
    assert not any(step.done for step in frame.steps[1:])
    assert (frame.rows, frame.freshness_s) == ([], None)
    assert any("http://127.0.0.1:8080/metrics" in note for note in frame.notes)


def test_the_shop_says_how_much_of_its_past_it_has_told(seen: Seen, shop: ShopProgress) -> None:
    """From its first record on; then it is live, at the rate that was asked for."""
    screen = Screen(seen, shop)
    tell(shop, 1_000, 1_000 + PAST_MS // 4)
    assert steps(screen)["shop"] == Step(
        "shop", "simulated, its last 15 minutes in quick motion, 2 records", 0.25
    )
    tell(shop, 1_000 + PAST_MS * 2)
    assert steps(screen)["shop"] == Step("shop", "simulated, live at 200 events a second, 3 records", 1.0)


def test_waiting_is_told_in_seconds(seen: Seen, shop: ShopProgress) -> None:
    """What the worker waits for and since when; once it is ready, the seconds to the first counts."""
    screen = Screen(seen, shop)
    seen.clock.advance(3_000)
    assert "joining the group, for 3 s" in steps(screen)["worker"].text
    seen.waits_for = ""
    assert steps(screen)["worker"].done
    left = []
    for _ in range(8):
        left.append(steps(screen)["counts"].text.split(" at most ")[1].split(" s")[0])
        seen.clock.advance(1_000)
    assert left == ["6", "5", "4", "3", "2", "1", "0", "0"]


def test_there_is_no_freshness_while_the_past_is_counted(seen: Seen, shop: ShopProgress) -> None:
    """Minutes would be shown that say nothing of the worker; a bar shows how far it is instead."""
    screen = Screen(seen, shop)
    seen.waits_for = ""
    seen.count("a", 5, age_s=675.0)
    frame = screen.frame()
    assert frame.freshness_s is None
    assert frame.steps == [Step("counts", "the shop's last 15 minutes first", 0.25)]
    seen.count("a", 5, age_s=6.5)
    frame = screen.frame()
    assert (frame.freshness_s, frame.steps) == (6.5, [])


def test_once_caught_up_a_delay_is_told(seen: Seen, shop: ShopProgress) -> None:
    """A worker that falls behind later shows it, and what it waits for."""
    screen = Screen(seen, shop)
    seen.waits_for = ""
    seen.count("a", 5, age_s=6.5)
    screen.frame()
    seen.age_s, seen.waits_for = 99.0, "rebalancing"
    frame = screen.frame()
    assert frame.freshness_s == 99.0
    assert frame.steps == [Step("worker", "not ready: rebalancing")]


def test_what_has_no_name_is_told_apart(seen: Seen, shop: ShopProgress) -> None:
    """Keys beyond the places, and events without one, reach the table under their reserved names."""
    seen.count("a", 5, age_s=1.0)
    seen.count("b", 7, age_s=1.0)
    seen.count("c", 9, age_s=1.0)
    seen.count("(none)", 1, age_s=1.0)
    rows = {(row.dimension, row.key): row.clicks for row in Screen(seen, shop).frame().rows}
    assert rows == {
        ("all", "all"): 22,
        ("sku", "a"): 5,
        ("sku", "b"): 7,
        ("sku", "(none)"): 1,
        ("sku", "(other)"): 9,
    }


def test_the_rate_is_that_of_some_seconds(seen: Seen, shop: ShopProgress) -> None:
    """Counts come in bursts once a second; a rate of 0 every other moment would say nothing."""
    screen = Screen(seen, shop)
    rates = []
    for second in range(9):
        if second % 2:
            seen.count("a", 200, age_s=1.0)
        rates.append(screen.frame().records_per_s)
        seen.clock.advance(1_000)
    assert rates[0] == 0
    assert all(80 <= rate <= 120 for rate in rates[5:])


def test_the_last_frame_still_knows_where_it_was(seen: Seen, shop: ShopProgress) -> None:
    """The server is gone by then, its port with it."""
    screen = Screen(seen, shop)
    before = screen.frame().notes
    seen.port = 0
    assert screen.frame().notes == before


def test_what_people_were_told_stands_below() -> None:
    """Above the line that says where everything is."""
    seen = Seen()
    screen = Screen(seen, ShopProgress(PAST_MS, 200.0), lambda: ["chat  a slot is broken"])
    assert screen.frame().notes[0] == "chat  a slot is broken"
