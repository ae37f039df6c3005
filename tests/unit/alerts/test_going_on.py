"""What is open, with the numbers of now."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from alerts.incident import decode_incident
from streams.assembly import make_watcher
from streams.config import Settings, Watch
from streams.core.windows import Windows
from tests.benchmarks.detection import shop
from tests.benchmarks.detection.catalogue import Settings as ShopSettings
from tests.benchmarks.detection.running import ONSET_MS
from tests.benchmarks.detection.scenarios import SCENARIOS
from tests.benchmarks.detection.telling import Teller

_HISTORY = 240
_AFTER = 30


def test_what_is_open_has_the_numbers_of_the_newest_bucket() -> None:
    """Payments hang for five minutes: told once, and what was lost since then is in what goes on."""
    small = ShopSettings(3_000, slots=3, banners=4, skus=10)
    teller = Teller(shop.Shop(small, ONSET_MS - _HISTORY * 10_000))
    watcher = make_watcher(Settings(watch=Watch(min_history_ms=1_800_000)), CollectorRegistry())
    windows, told = Windows(), []
    for bucket in teller.closed(_HISTORY + _AFTER, SCENARIOS["S1@120"].placed(ONSET_MS)):
        windows.take(bucket)
        told += watcher.observe(bucket, windows)
        if bucket.end_ms == ONSET_MS:
            assert not told
            assert not watcher.going_on()
    (now,) = map(decode_incident, watcher.going_on())
    first = decode_incident(told[0][1])
    assert (now.id, now.opened_at_ms) == (first.id, first.opened_at_ms)
    assert first.lost_conversions is not None
    assert now.lost_conversions is not None
    # About ninety orders a minute, for five minutes and for less than one.
    assert now.lost_conversions > 4 * first.lost_conversions
    assert now.updated_at_ms >= first.updated_at_ms
