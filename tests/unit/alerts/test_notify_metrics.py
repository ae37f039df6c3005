"""Metrics of messages: as they are catalogued, and of what they are."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from alerts.lane import Sent
from alerts.message import MessageState
from alerts.notify.base import Why, delivered, retry
from alerts.notify_metrics import FAMILIES, NotifyMetrics
from alerts.stages.stage import Parcel
from alerts.stages.stage import Why as Held
from tests.support.deliveries import candidate, incident
from tests.support.findings import T0


def sent(state: MessageState = MessageState.OPENED, *, again: bool = False, at_ms: int = T0) -> Sent:
    """A message that was taken."""
    told = (candidate(incident(), state=state, owed_revision=1),)
    return Sent(Parcel("k", "ops", state, told, again=again), delivered(), at_ms)


def test_what_is_exported_is_what_is_listed() -> None:
    """Kind and help of every family."""
    registry = CollectorRegistry()
    NotifyMetrics(registry)
    shown = {family.name: (family.type, family.documentation) for family in registry.collect()}
    assert shown == {spec.family: (spec.kind, spec.help) for spec in FAMILIES}


def test_the_delay_is_from_the_record_that_said_it() -> None:
    """Not of reminders, nor of what is sent again, nor of records that nobody saw written."""
    registry = CollectorRegistry()
    metrics = NotifyMetrics(registry)
    metrics.sent([sent()])
    metrics.written(incident(), T0 - 400)
    metrics.sent([sent(), sent(MessageState.REMINDER), sent(again=True)])
    assert registry.get_sample_value("funnelwatch_notification_delay_seconds_sum", {"channel": "ops"}) == 0.4
    delivered_ones = {"channel": "ops", "outcome": "delivered"}
    assert registry.get_sample_value("funnelwatch_notifications_total", delivered_ones) == 3
    attempts = {"channel": "ops", "reason": "accepted"}
    assert registry.get_sample_value("funnelwatch_notification_attempts_total", attempts) == 4


def test_reasons_are_words_of_closed_sets() -> None:
    """Of an attempt, and of silence; without a channel there is a word for that too."""
    registry = CollectorRegistry()
    metrics = NotifyMetrics(registry)
    metrics.sent([Sent(sent().parcel, retry(Why.TIMEOUT), T0)])
    metrics.held_back({("", Held.SILENCED): 2, ("ops", Held.QUIET_HOURS): 1})
    page = generate_latest(registry).decode()
    assert 'funnelwatch_notification_attempts_total{channel="ops",reason="timeout"} 1.0' in page
    assert 'funnelwatch_notifications_total{channel="(none)",outcome="silenced"} 2.0' in page
    assert 'funnelwatch_notifications_total{channel="ops",outcome="quiet_hours"} 1.0' in page


def test_who_does_not_tell_owes_nothing() -> None:
    """Another worker does: what this one owed is gone from its page."""
    registry = CollectorRegistry()
    metrics = NotifyMetrics(registry)
    metrics.notify(notifying=True)
    metrics.owed({"ops": (3, T0)}, T0 + 5_000)
    assert registry.get_sample_value("funnelwatch_notifications_pending", {"channel": "ops"}) == 3
    oldest = "funnelwatch_notifications_oldest_pending_seconds"
    assert registry.get_sample_value(oldest, {"channel": "ops"}) == 5
    metrics.notify(notifying=False)
    assert registry.get_sample_value(oldest, {"channel": "ops"}) is None
    assert registry.get_sample_value("funnelwatch_notifying") == 0
