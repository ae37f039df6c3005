"""Several workers, moving shards and a scraper: the sum of increase() is the truth."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from streams.metrics.catalog import Family
from streams.metrics.key_series import KeySeries
from tests.unit.streams.metrics.scrapes import DAY_MS, NOON_MS, SETTINGS, increase, values

SCRAPE_S = 15
SECONDS = 900
WORKERS = 3
SHARDS = 8
Series = tuple[object, ...]


class Deployment:
    """Three workers that share eight shards, scraped every 15 s."""

    def __init__(self, rng: random.Random, start_ms: int) -> None:
        settings = replace(SETTINGS, total_shards=SHARDS, max_keys=12, warmup_ms=10_000)
        self.rng = rng
        self.workers = [KeySeries(settings) for _ in range(WORKERS)]
        self.owners = [rng.randrange(WORKERS) for _ in range(SHARDS)]
        self.scrapes: list[dict[Series, int]] = []
        self.truth: Counter[object] = Counter()
        self.assign(start_ms)

    def assign(self, now_ms: int) -> None:
        """Tells the workers their shards."""
        for number, worker in enumerate(self.workers):
            shards = (shard for shard, owner in enumerate(self.owners) if owner == number)
            worker.own(frozenset(shards), now_ms)

    def count(self) -> None:
        """Keys by a skewed law; each belongs to one shard."""
        for _ in range(self.rng.randrange(6)):
            number = int(self.rng.paretovariate(0.7))
            shard, value = number % SHARDS, self.rng.randrange(1, 5)
            worker = self.workers[self.owners[shard]]
            worker.add(shard, Family.EVENTS, "sku", f"k{number % 40}", ("click",), value)
            worker.add(shard, Family.REVENUE, "sku", f"k{number % 40}", ("CNY", "paid"), value)
            worker.add_records(shard, "orders", "accepted", value)
            self.truth.update({Family.EVENTS: value, Family.REVENUE: value, "records": value})

    def scrape(self, now_ms: int) -> None:
        """Takes what all workers show."""
        seen: dict[Series, int] = {}
        for number, worker in enumerate(self.workers):
            snapshot = worker.snapshot(now_ms)
            for family in (Family.EVENTS, Family.REVENUE):
                seen |= {
                    (family, number, *labels): value for labels, value in values(snapshot, family).items()
                }
            seen |= {("records", number, *labels): value for labels, value in snapshot.records.items()}
        self.scrapes.append(seen)

    def run(self, start_ms: int, seconds: int, *, busy: bool) -> None:
        """Lets seconds pass; while busy, with traffic, and a rebalance every minute or so."""
        for second in range(seconds):
            now_ms = start_ms + second * 1000
            if busy and self.rng.random() < 0.02:
                self.owners[self.rng.randrange(SHARDS)] = self.rng.randrange(WORKERS)
                self.assign(now_ms)
            if busy:
                self.count()
            for worker in self.workers:
                worker.tick(now_ms)
            if second % SCRAPE_S == 0:
                self.scrape(now_ms)


def deployed(seed: int) -> Deployment:
    """A quarter of an hour around midnight, and a quiet while in which all is told."""
    start_ms = NOON_MS + DAY_MS // 2 - SECONDS * 500
    deployment = Deployment(random.Random(seed), start_ms)
    deployment.run(start_ms, SECONDS, busy=True)
    deployment.run(start_ms + SECONDS * 1000, 120, busy=False)
    return deployment


@pytest.mark.parametrize("seed", range(10))
def test_the_sum_of_increases_is_what_was_counted(seed: int) -> None:
    """No lost step, no spike: through rebalances, the cap, new series and a change of the day."""
    deployment = deployed(seed)
    names = {name for scrape in deployment.scrapes for name in scrape}
    told: Counter[object] = Counter()
    for name in names:
        told[name[0]] += increase(scrape.get(name) for scrape in deployment.scrapes)
    assert told == deployment.truth


@pytest.mark.parametrize("seed", range(10, 13))
def test_no_series_ever_goes_down(seed: int) -> None:
    """Prometheus would read a reset."""
    deployment = deployed(seed)
    highest: dict[Series, int] = {}
    for scrape in deployment.scrapes:
        for name, value in scrape.items():
            assert value >= highest.get(name, 0)
            highest[name] = value


@pytest.mark.parametrize("seed", range(13, 16))
def test_a_series_that_begins_or_returns_stands_still_for_one_scrape(seed: int) -> None:
    """The first sample after a gap is the baseline; the step must come after it."""
    deployment = deployed(seed)
    returned = 0
    for before, now, then in zip(
        deployment.scrapes, deployment.scrapes[1:], deployment.scrapes[2:], strict=False
    ):
        for name in now.keys() - before.keys():
            returned += 1
            assert then.get(name, now[name]) == now[name]
    assert returned


@pytest.mark.parametrize("seed", range(16, 19))
def test_the_cap_holds_for_the_whole_deployment(seed: int) -> None:
    """Keys counted now are at most 12, or one per worker; the frozen ones are on their way out."""
    deployment = deployed(seed)
    for worker in deployment.workers:
        assert worker.snapshot(NOON_MS + DAY_MS).shown["sku"] <= 12
