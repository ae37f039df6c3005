"""Records that benchmarks feed: a shop's traffic, one click per visitor, SKUs nobody knows.

Promises: everything in the native format and padded to 200 bytes, in order of event time up to the
shop's ordinary disorder; the same arguments give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streams.demo.shop import Shop, ShopSettings, padded
from streams.demo.simulator import SimulatedRecord, TrafficSettings, simulate

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENT_BYTES: Final = 200
RATE: Final = 20_000
_MULTIPLIER: Final = 2_654_435_761  # spreads consecutive numbers; Knuth, TAOCP 6.4


@dataclass(frozen=True, slots=True)
class Load:
    """What to feed.

    Attributes:
        kind: ``shop``, ``clicks`` (visitors take turns) or ``skus`` (each exposure of another one).
        events: how many records.
        start_ms: event time of the first.
        rate: records per second of event time.
        visitors: how many distinct ones there are.
        invalid: share of records that a broken producer has spoiled; only of a shop.
        seed: of the shop.
    """

    kind: str
    events: int
    start_ms: int
    rate: int = RATE
    visitors: int = 200_000
    invalid: float = 0.001
    seed: int = 11

    @property
    def span_ms(self) -> int:
        """Event time that it covers."""
        return self.events * 1000 // self.rate

    def shop(self) -> ShopSettings:
        """40 slots, 200 banners, 5,000 SKUs by Zipf's law, 70 % exposures."""
        return ShopSettings(seed=self.seed, visitors=self.visitors)

    def traffic(self) -> TrafficSettings:
        """With 1 % duplicates and 2 % late events."""
        return TrafficSettings(
            start_ms=self.start_ms,
            rate=self.rate,
            events=self.events,
            invalid=self.invalid,
            payload_bytes=EVENT_BYTES,
            shop=self.shop(),
        )

    def records(self) -> Iterator[SimulatedRecord]:
        """The records in order of arrival."""
        made = {"shop": lambda: simulate(self.traffic()), "clicks": self._clicks, "skus": self._unknown_skus}
        return made[self.kind]()

    def _clicks(self) -> Iterator[SimulatedRecord]:
        shop = Shop(self.shop())
        slots, banners, skus = shop.slot_names, shop.banner_names, shop.sku_names
        for number in range(self.events):
            spread = number * _MULTIPLIER >> 8
            yield self._record(
                "click",
                number,
                number % self.visitors,
                slots[spread % len(slots)],
                banners[spread % len(banners)],
                skus[spread % len(skus)],
            )

    def _unknown_skus(self) -> Iterator[SimulatedRecord]:
        for number in range(self.events):
            yield self._record(
                "exposure", number, number % self.visitors, "home.top.1", "hero_v1", f"?{number:x}"
            )

    def _record(
        self, event: str, number: int, visitor: int, slot: str, banner: str, sku: str
    ) -> SimulatedRecord:
        time = self.start_ms + number * 1000 // self.rate
        text = (
            f'{{"event_id":"{self.kind}-{self.start_ms}-{number:x}","event_time":{time},"event":"{event}",'
            f'"visitor_id":"v{visitor}","slot":"{slot}","banner":"{banner}","sku":"{sku}"}}'
        )
        return SimulatedRecord(
            "clickstream", time, time, b"v%d" % visitor, padded(text.encode(), EVENT_BYTES)
        )
