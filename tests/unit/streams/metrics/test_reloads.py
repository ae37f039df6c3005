"""Reloads and promotions as Prometheus sees them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from streams.metrics.reloads import PromotionCollector, ReloadMetrics
from streams.promotions import Calendar
from streams.reload import ReloadOutcome
from tests.support.clock import ManualClock
from tests.support.promotions import promotion

TOTAL = "funnelwatch_config_reloads_total"
LAST = "funnelwatch_config_last_reload_successful"


def test_outcomes_are_counted_from_zero() -> None:
    """Each has its series from the start, so that the first step is seen; the start was a success."""
    registry = CollectorRegistry()
    metrics = ReloadMetrics(registry)
    assert [registry.get_sample_value(TOTAL, {"outcome": o.value}) for o in ReloadOutcome] == [0, 0, 0]
    assert registry.get_sample_value(LAST) == 1
    metrics.count(ReloadOutcome.REJECTED)
    assert registry.get_sample_value(TOTAL, {"outcome": "rejected"}) == 1
    assert registry.get_sample_value(LAST) == 0
    metrics.count(ReloadOutcome.APPLIED)
    assert registry.get_sample_value(LAST) == 1
    metrics.count(ReloadOutcome.FAILED)
    assert registry.get_sample_value(LAST) == 0


def test_a_promotion_is_there_while_it_is_on() -> None:
    """1 in its phase; no series before it and none after it."""
    registry, clock = CollectorRegistry(), ManualClock(99)
    calendars = [Calendar([promotion("D11", 100, 200)])]
    PromotionCollector(lambda: calendars[-1], clock, registry)

    def shown() -> list[tuple[dict[str, str], float]]:
        family = next(iter(registry.collect()))
        return [(sample.labels, sample.value) for sample in family.samples]

    assert shown() == []
    clock.advance(1)
    assert shown() == [({"promotion": "D11", "phase": "steady"}, 1)]
    calendars.append(Calendar())
    assert shown() == []
    calendars.pop()
    clock.advance(100)
    assert shown() == []


def test_start_and_end_are_there_all_the_time() -> None:
    """Of each promotion of the calendar, in seconds, before, while and after it is on."""
    registry, clock = CollectorRegistry(), ManualClock(0)
    calendars = [Calendar([promotion("D11", 100_000, 200_000), promotion("D12", 300_500, 400_000)])]
    PromotionCollector(lambda: calendars[-1], clock, registry)

    def at(what: str, name: str) -> float | None:
        return registry.get_sample_value(
            f"funnelwatch_promotion_{what}_timestamp_seconds", {"promotion": name}
        )

    for _ in range(3):
        found = [at(what, name) for name in ("D11", "D12") for what in ("start", "end")]
        assert found == [100, 200, 300.5, 400]
        clock.advance(150_000)
    calendars.append(Calendar())
    assert at("start", "D11") is None
