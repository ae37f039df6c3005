"""What became of messages, in Prometheus. Of the workers of a deployment one tells people.

``funnelwatch_notifications_total`` counts messages by what a channel said, incidents that were given up, and
incidents that are not told now with the reason, when that begins; the channel is ``(none)`` where none was
chosen. Why an attempt ended as it did is counted beside. Labels are names of channels and closed sets.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from alerts.message import MessageState
from streams.metrics.catalog import MetricSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alerts.incident import Incident
    from alerts.lane import Sent
    from alerts.rounds import DeadLetter
    from alerts.stages.stage import Candidate, Why

NOTIFICATIONS: Final = MetricSpec(
    "funnelwatch_notifications_total",
    "counter",
    "Messages by what became of them, and incidents that are not told now by the reason.",
    ("channel", "outcome"),
)
ATTEMPTS: Final = MetricSpec(
    "funnelwatch_notification_attempts_total",
    "counter",
    "Attempts to send a message, by how they ended.",
    ("channel", "reason"),
)
PENDING: Final = MetricSpec(
    "funnelwatch_notifications_pending",
    "gauge",
    "Incidents of which a channel is still to be told something.",
    ("channel",),
)
OLDEST: Final = MetricSpec(
    "funnelwatch_notifications_oldest_pending_seconds",
    "gauge",
    "For how long a channel has been owed what it is owed longest.",
    ("channel",),
    "seconds",
)
DELAY: Final = MetricSpec(
    "funnelwatch_notification_delay_seconds",
    "histogram",
    "From an incident's record to the channel's acceptance, of what is new.",
    ("channel",),
    "seconds",
    (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400),
)
NOTIFYING: Final = MetricSpec(
    "funnelwatch_notifying", "gauge", "Whether this worker tells people of incidents."
)
NOTIFY_FAILURES: Final = MetricSpec(
    "funnelwatch_notify_failures_total",
    "counter",
    "Times that telling people ended with an error and began again.",
)
TEMPLATE_FAILURES: Final = MetricSpec(
    "funnelwatch_template_failures_total",
    "counter",
    "Messages in built-in words because a template made nothing of them.",
    ("state",),
)
FAMILIES: Final = (
    *(NOTIFICATIONS, ATTEMPTS, PENDING, OLDEST, DELAY, NOTIFYING, NOTIFY_FAILURES),
    TEMPLATE_FAILURES,
)
NO_CHANNEL: Final = "(none)"
_REMEMBERED: Final = 5_000
# Of time, not of a record.
_BY_THE_CLOCK: Final = frozenset({MessageState.REMINDER, MessageState.ESCALATED})


class NotifyMetrics:
    """See the module. Observing is safe while another thread collects."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(spec: MetricSpec) -> Counter:
            return Counter(spec.family, spec.help, spec.labels, registry=registry)

        def gauge(spec: MetricSpec) -> Gauge:
            return Gauge(spec.name, spec.help, spec.labels, registry=registry)

        self._notifications, self._attempts = counter(NOTIFICATIONS), counter(ATTEMPTS)
        self._failures, self._templates = counter(NOTIFY_FAILURES), counter(TEMPLATE_FAILURES)
        self._pending, self._oldest = gauge(PENDING), gauge(OLDEST)
        self._notifying = gauge(NOTIFYING)
        self._delay = Histogram(
            DELAY.name, DELAY.help, DELAY.labels, registry=registry, buckets=DELAY.buckets
        )
        # When each revision of an incident was written; the last few of the last so many incidents.
        self._written: OrderedDict[str, dict[int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def notify(self, *, notifying: bool) -> None:
        """Whether this worker tells people; who does not owes nothing."""
        self._notifying.set(notifying)
        if not notifying:
            self._pending.clear()
            self._oldest.clear()

    def fail(self) -> None:
        """It ended with an error, and begins again."""
        self._failures.inc()

    def template_failed(self, state: str) -> None:
        """A template made nothing of a message that tells this."""
        self._templates.labels(state).inc()

    def written(self, incident: Incident, written_ms: int) -> None:
        """When a record of an incident was written."""
        with self._lock:
            revisions = self._written.pop(incident.id, {})
            revisions[incident.revision] = written_ms
            self._written[incident.id] = dict(sorted(revisions.items())[-8:])
            if len(self._written) > _REMEMBERED:
                self._written.popitem(last=False)

    def sent(self, sent: Iterable[Sent]) -> None:
        """What became of messages."""
        for one in sent:
            channel, outcome = one.parcel.channel, one.outcome
            self._attempts.labels(channel, outcome.why.value).inc()
            if one.parcel.again and outcome.delivered:
                continue
            self._notifications.labels(channel, outcome.verdict.value).inc()
            if outcome.delivered:
                for candidate in one.parcel.told:
                    self._observe(candidate, one.at_ms)

    def _observe(self, candidate: Candidate, at_ms: int) -> None:
        with self._lock:
            written_ms = self._written.get(candidate.incident.id, {}).get(candidate.owed_revision)
        if written_ms is not None and candidate.state not in _BY_THE_CLOCK:
            self._delay.labels(candidate.channel).observe(max(at_ms - written_ms, 0) / 1000)

    def held_back(self, dropped: Mapping[tuple[str, Why], int]) -> None:
        """What is not told now."""
        for (channel, why), many in dropped.items():
            self._notifications.labels(channel or NO_CHANNEL, why.value).inc(many)

    def lost(self, dead: Iterable[DeadLetter]) -> None:
        """What nobody will be told; a refusal is counted as the message's already."""
        for letter in dead:
            if letter.why.value != "refused":
                self._notifications.labels(letter.candidate.channel, letter.why.value).inc()

    def owed(self, owed: Mapping[str, tuple[int, int]], now_ms: int) -> None:
        """How much each channel is owed, and since when."""
        for channel, (many, since_ms) in owed.items():
            self._pending.labels(channel).set(many)
            self._oldest.labels(channel).set(max(now_ms - since_ms, 0) / 1000 if many else 0)
