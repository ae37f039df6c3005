"""The full world: a shop's journeys, click by click, and when each of their events is told.

Promises: 50 slots, 200 banners and 5,000 SKUs (Zipf), joined in 20,000 combinations; every visitor who
clicks may view, put in the cart, go to the checkout, order and pay, with the delays of ``laws``;
what is counted under a slot is what COUNT would count there. One visitor clicks once, but for a tenth
of clicks that are repeated. Refuses to make bytes: the path from bytes to buckets has its own tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from streams.closed import BUCKET_MS
from tests.benchmarks.detection import laws
from tests.benchmarks.detection.catalogue import (
    NODES,
    PARTITIONS,
    STAGES,
    Catalogue,
    Events,
    Settings,
    catalogue,
    joined,
)
from tests.benchmarks.detection.effects import Effect, What

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    B = NDArray[np.bool_]
    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

_RATES: Final = {"view": 0.95, "cart": 0.2, "checkout": 0.4, "order": 0.03 / (0.95 * 0.2 * 0.4)}
ATTEMPT_AFTER_MS: Final = 1_000  # after the order
_SUCCESS: Final = 0.92
_REPEATED: Final = 0.1
_FIRST_ORDERS_STAGE: Final = NODES.index("order")
_LATE_SHARE: Final = 0.02
_CHUNK: Final = 30  # buckets


@dataclass(slots=True)
class Shop:
    """Makes journeys; ``copy.deepcopy`` forks it, ``reseed`` parts the forks."""

    settings: Settings
    now_ms: int
    combinations: Catalogue = field(init=False)
    _rng: np.random.Generator = field(init=False)
    _noise: laws.Noise = field(init=False)

    def __post_init__(self) -> None:
        self.combinations = catalogue(self.settings)
        self._rng = np.random.default_rng(self.settings.seed)
        self._noise = laws.Noise(self.settings.slots, BUCKET_MS // 1000, self._rng)

    def reseed(self, seed: int) -> None:
        """Go on with other chance."""
        self._rng = np.random.default_rng((self.settings.seed, seed))

    def journeys(self, until_ms: int, effects: Sequence[Effect]) -> Events:
        """Events of all visitors who click before then, and how far that is: see ``now_ms``."""
        ticks = self._ticks(until_ms, effects)
        times = self.now_ms + BUCKET_MS * np.arange(ticks, dtype=np.int64)
        clicks, combination = self._clicks(times, effects)
        noise = self._mood(times)
        factor = noise[(clicks - self.now_ms) // BUCKET_MS, self.combinations.slot[combination]]
        self.now_ms += ticks * BUCKET_MS
        events = self._follow(clicks, combination, factor, effects)
        return self._tell(events, effects)

    def _ticks(self, until_ms: int, effects: Sequence[Effect]) -> int:
        """Until weights change: at most five minutes, ten seconds while something grows."""
        moving = [e for e in effects if e.what is What.TRAFFIC]
        edges = [time for e in moving for time in (e.start_ms, e.end_ms) if time > self.now_ms]
        growing = any(e.ramp_ms and e.start_ms <= self.now_ms < e.start_ms + e.ramp_ms for e in moving)
        longest = self.now_ms + BUCKET_MS * (1 if growing else _CHUNK)
        return max((min([until_ms, longest, *edges]) - self.now_ms) // BUCKET_MS, 1)

    def _clicks(self, times: I64, effects: Sequence[Effect]) -> tuple[I64, I64]:
        weight = self.weights(int(times[0]), effects)
        rate = self.settings.clicks_per_minute * BUCKET_MS / 60_000 * weight.sum()
        seconds = times % (laws.DAY_S * 1000) / 1000
        each = self._rng.poisson(rate * laws.traffic_at(seconds.astype(np.float64)))
        clicks = np.repeat(times, each) + self._rng.integers(0, BUCKET_MS, int(each.sum()))
        edges = np.cumsum(weight) / weight.sum()
        picked = np.searchsorted(edges, self._rng.random(clicks.size))
        return clicks, np.minimum(picked, weight.size - 1)

    def weights(self, at_ms: int, effects: Sequence[Effect]) -> F64:
        """Traffic of each combination, relative to all of it on an average day."""
        weight = self.combinations.weight.copy()
        for effect in effects:
            if effect.what is What.TRAFFIC:
                weight[self._here(effect)] *= effect.at(np.array([at_ms]))[0]
        return weight

    def _here(self, effect: Effect) -> B:
        """Which combinations an effect is about."""
        here = np.ones(self.combinations.slot.size, bool)
        for dimension, number in effect.where:
            if dimension in {"slot", "banner", "sku"}:
                here &= self.combinations.part(dimension) == number
        return here

    def _mood(self, times: I64) -> F64:
        """What conversion is multiplied by, shape (ticks, slots)."""
        if not self.settings.realistic:
            return np.ones((times.size, self.settings.slots))
        seconds = (times % (laws.DAY_S * 1000) / 1000).astype(np.float64)
        noise = 1 + laws.NOISE_SD * self._noise.draw(times.size, self._rng)
        return np.asarray(laws.conversion_at(seconds)[:, None] * np.maximum(noise, 0))

    def _follow(self, clicks: I64, combination: I64, factor: F64, effects: Sequence[Effect]) -> Events:
        """All that comes after the clicks."""
        rng, size = self._rng, clicks.size
        walk = _Walk(clicks, combination, rng.integers(0, PARTITIONS, size), rng.integers(0, 4, size))
        found = [walk.events("click", walk.times, -1)]
        again = rng.random(size) < _REPEATED
        found.append(found[0].take(again)._replace(mark=np.zeros(int(again.sum()), bool)))
        delay = laws.CLICK_TO_ORDER.draw(rng, size) * self._product(What.DELAY, clicks, effects)
        # How much of the delay has gone by at the view, the cart, the checkout and the order.
        parts = np.column_stack([np.zeros(size), np.sort(rng.random((size, 2)), axis=1), np.ones(size)])
        seen = walk.times + 1000 * rng.exponential(4.0, size)
        liking = factor * self.combinations.conversion[combination]
        for number, (node, rate) in enumerate(_RATES.items()):
            at = (seen + 1000 * delay * parts[:, number]).astype(np.int64)
            like = liking if node == "cart" else 1.0
            go = rng.random(at.size) < rate * like * self._conversion(node, walk, at, effects)
            found.append(walk.onward(node, at, go))
            who = np.flatnonzero(go)
            seen, delay, parts, liking = (each.take(who, axis=0) for each in (seen, delay, parts, liking))
        return joined([*found, *self._pay(walk, effects)])

    def _pay(self, walk: _Walk, effects: Sequence[Effect]) -> list[Events]:
        rng, orders = self._rng, walk.times
        attempt = orders + ATTEMPT_AFTER_MS
        after = attempt + (1000 * laws.PAYMENT.draw(rng, orders.size)).astype(np.int64)
        hung = np.zeros(orders.size)
        for effect in effects:
            if effect.what is What.HANG:
                hung = np.maximum(hung, (1 - effect.at(attempt)) * self._held(effect, walk))
        resolved = rng.random(orders.size) >= hung
        success = _SUCCESS * self._product(What.SUCCESS, attempt, effects, walk)
        good = rng.random(orders.size) < success
        lag = after - orders
        return [
            walk.events("payment_attempt", attempt, -1),
            walk.events("paid", after, lag).take(resolved & good),
            walk.events("payment_failed", after, lag).take(resolved & ~good),
        ]

    def _held(self, effect: Effect, walk: _Walk) -> B:
        here = self._here(effect)[walk.combination]
        for dimension, number in effect.where:
            if dimension == "method":
                here &= walk.method == number
        return here

    def _conversion(self, node: str, walk: _Walk, at: I64, effects: Sequence[Effect]) -> F64:
        about = [effect for effect in effects if effect.node == node]
        return self._product(What.CONVERSION, at, about, walk)

    def _product(self, what: What, at: I64, effects: Sequence[Effect], walk: _Walk | None = None) -> F64:
        out = np.ones(at.size)
        for effect in effects:
            if effect.what is what:
                held = self._held(effect, walk) if walk is not None else True
                out = np.where(held, out * effect.at(at), out)
        return out

    def _tell(self, events: Events, effects: Sequence[Effect]) -> Events:
        """With the buckets they are told with: their own, or a later one."""
        own = events.time // BUCKET_MS * BUCKET_MS
        due = own.copy()
        if self.settings.realistic:
            late = self._rng.random(own.size) < _LATE_SHARE
            due += np.where(late, 60_000 * self._rng.integers(1, 11, own.size), 0)
        for effect in effects:
            if effect.what is What.FEED:
                stalled = (due >= effect.start_ms) & (due < effect.end_ms) & fed_by(effect, events)
                due[stalled] = effect.end_ms
        return events._replace(due=due)


def fed_by(effect: Effect, events: Events) -> B:
    """Which events come through the feed that stalls."""
    out = np.ones(events.time.size, bool)
    for dimension, number in effect.where:
        topic = (events.stage >= _FIRST_ORDERS_STAGE).astype(np.int64)
        out &= (topic if dimension == "topic" else events.partition) == number
    return out


@dataclass(slots=True)
class _Walk:
    """Those who have come this far: their clicks' or last node's time, and who they are."""

    times: I64
    combination: I64
    partition: I64
    method: I64
    clicked: I64 = field(init=False)

    def __post_init__(self) -> None:
        self.clicked = self.times

    def events(self, stage: str, at: I64, lag: I64 | int) -> Events:
        """An event of each of them."""
        size = at.size
        return Events(
            time=at,
            stage=np.full(size, STAGES.index(stage)),
            combination=self.combination,
            method=self.method,
            partition=self.partition,
            lag=np.broadcast_to(np.asarray(lag, np.int64), (size,)),
            mark=np.full(size, stage in NODES),
            within=at - self.clicked <= laws.ATTRIBUTION_S * 1000,
            due=at,
        )

    def onward(self, node: str, at: I64, go: B) -> Events:
        """Some reach the next node; the others are left behind."""
        who = np.flatnonzero(go)
        at, before = at.take(who), self.times.take(who)
        self.times, self.clicked = at, self.clicked.take(who)
        self.combination, self.partition = self.combination.take(who), self.partition.take(who)
        self.method = self.method.take(who)
        return self.events(node, at, at - before)
