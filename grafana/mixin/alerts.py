"""Alerts on Funnelwatch itself; what is wrong with the shop Funnelwatch tells on its own.

Each has a test in ``grafana/prometheus/tests`` and a heading in ``alerts/RUNBOOK.md``. Severities:
``critical`` means that numbers or messages are missing now, ``warning`` that they will be, ``none`` is
the watchdog, which always fires: its silence means that alerting is broken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from alerts.notify_metrics import NOTIFICATIONS, NOTIFY_FAILURES, NOTIFYING, TEMPLATE_FAILURES
from grafana.mixin import rules
from grafana.mixin.promql import Like, selector
from streams.metrics import catalog

if TYPE_CHECKING:
    from grafana.mixin.config import Config

Severity = Literal["critical", "warning", "none"]
PIPELINE: Final = "funnelwatch-pipeline"
INCIDENTS: Final = "funnelwatch-incidents"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Attributes:
        name: CamelCase; also its heading in the runbook.
        expr: fires for each series of its result.
        wait: how long it has to hold, as Prometheus writes it; empty for not at all.
        severity: see the module.
        summary: one line; may use ``{{ $labels... }}``.
        description: what is known, with the figure.
        keep: fires on for so long after it has ceased, against flapping.
        board: uid of the dashboard that shows it.
    """

    name: str
    expr: str
    wait: str
    severity: Severity
    summary: str
    description: str
    keep: str = ""
    board: str = PIPELINE


def alerts(config: Config) -> dict[str, tuple[Alert, ...]]:
    """All alerts by group."""
    return {
        "funnelwatch.alive": _alive(config),
        "funnelwatch.reading": _reading(config),
        "funnelwatch.records": _records(config),
        "funnelwatch.watching": _watching(config),
        "funnelwatch.telling": _telling(),
        "funnelwatch.settings": _settings(),
    }


def _grew(spec: catalog.MetricSpec, *by: str, span: str = "10m", over: int = 0, **labels: str) -> str:
    return f"sum by ({', '.join(('job', *by))}) (increase({selector(spec, span=span, **labels)})) > {over}"


def _alive(config: Config) -> tuple[Alert, ...]:
    up, stalled = f'up{{job="{config.job}"}}', selector(catalog.STALLED)
    assigned = selector(catalog.ASSIGNED_PARTITIONS)
    return (
        Alert(
            "FunnelwatchWatchdog",
            "vector(1)",
            "",
            "none",
            "Alerting works",
            "This alert always fires. Route it to something that raises an alarm when it stops coming.",
        ),
        Alert(
            "FunnelwatchDown",
            f"absent({up} == 1)",
            "1m",
            "critical",
            "No worker of Funnelwatch answers",
            "Prometheus reaches no worker: nothing is counted, watched or told.",
        ),
        Alert(
            "FunnelwatchWorkerDown",
            f"{up} == 0",
            "2m",
            "warning",
            "Worker {{ $labels.instance }} does not answer",
            "Prometheus has not reached {{ $labels.instance }} for two minutes.",
        ),
        Alert(
            "FunnelwatchStalled",
            f"max by (job, instance, reason) ({stalled}) > {config.stalled_seconds}",
            "",
            "critical",
            "Worker {{ $labels.instance }} stands still: {{ $labels.reason }}",
            "Nothing has moved for {{ $value | humanizeDuration }}; at counting.stall_timeout it ends itself.",
            keep="2m",
        ),
        Alert(
            "FunnelwatchNothingAssigned",
            f"sum by (job, topic) ({assigned}) == 0",
            "3m",
            "critical",
            "No worker has partitions of {{ $labels.topic }}",
            "Workers are up, but none of them reads {{ $labels.topic }}.",
        ),
        Alert(
            "FunnelwatchVersionsDiffer",
            f"count by (job) (count by (job, version) ({selector(catalog.BUILD_INFO)})) > 1",
            "30m",
            "warning",
            "Workers run different versions",
            "{{ $value }} versions have run side by side for half an hour.",
        ),
        Alert(
            "FunnelwatchStateLarge",
            f"sum by (job, instance) ({selector(catalog.STATE_BYTES)}) > {config.state_bytes}",
            "10m",
            "warning",
            "Worker {{ $labels.instance }} holds much state",
            "Counting state takes {{ $value | humanize1024 }}B; the limit that is planned for is 2 GiB.",
        ),
    )


def _reading(config: Config) -> tuple[Alert, ...]:
    records = f"sum by (job) ({rules.RECORDS.name})"
    return (
        Alert(
            "FunnelwatchConsumerLag",
            f"{rules.LAG.name} > {config.lag_records}",
            "2m",
            "warning",
            "{{ $labels.topic }} is read too slowly",
            "{{ $value | humanize }} records wait in {{ $labels.topic }}.",
            keep="5m",
        ),
        Alert(
            "FunnelwatchStale",
            f"{rules.FRESHNESS.name} > {config.stale_seconds}",
            "2m",
            "critical",
            "The numbers are old",
            "Of the counts shown one in a hundred is over {{ $value | humanizeDuration }} behind its event.",
            keep="5m",
        ),
        Alert(
            "FunnelwatchNoData",
            f"{records} == 0 and sum by (job) ({rules.RECORDS.name} offset 30m) > 0",
            "3m",
            "critical",
            "No records come in",
            "Nothing was read from any source for minutes; half an hour ago there was traffic.",
        ),
        Alert(
            "FunnelwatchPartitionSilent",
            f"max by (job, partition) ({selector(catalog.WATERMARK_DELAY)}) > {config.silent_seconds}"
            f" and on (job) {records} > 0",
            "5m",
            "warning",
            "Partition {{ $labels.partition }} is silent",
            "Its newest event is {{ $value | humanizeDuration }} old, while others go on.",
        ),
        Alert(
            "FunnelwatchRecoverySlow",
            f"max by (job, instance) ({selector(catalog.RECOVERY_LEFT)}) > 0",
            "5m",
            "critical",
            "Worker {{ $labels.instance }} has been reading its state for minutes",
            "{{ $value | humanize }} entries are left; its partitions are not counted until then.",
        ),
        Alert(
            "FunnelwatchRebalancing",
            _grew(catalog.REBALANCES, span="15m", over=config.rebalances),
            "",
            "warning",
            "The workers rebalance again and again",
            "{{ $value | humanize }} rebalances in a quarter of an hour; each stops all workers for seconds.",
        ),
    )


def _records(config: Config) -> tuple[Alert, ...]:
    dead = f"sum by (job, topic) (rate({selector(catalog.DEADLETTERS, span='10m')}))"
    read = f"sum by (job, topic) (rate({selector(catalog.RECORDS, span='10m')}))"
    return (
        Alert(
            "FunnelwatchDeadLetters",
            f"{dead} / ({read} > 0) > {config.dead_letter_ratio}",
            "5m",
            "warning",
            "Many records of {{ $labels.topic }} cannot be counted",
            "{{ $value | humanizePercentage }} of its records go to the dead-letter topic.",
        ),
        Alert(
            "FunnelwatchRecordsLost",
            _grew(catalog.LOST_RECORDS, "topic"),
            "",
            "critical",
            "Records of {{ $labels.topic }} were deleted before they were read",
            "{{ $value | humanize }} records are missing from the counts for good.",
        ),
        Alert(
            "FunnelwatchTopicMadeAnew",
            _grew(catalog.NEW_LOGS, "topic"),
            "",
            "warning",
            "{{ $labels.topic }} ends before what was read of it",
            "The topic was made anew or lost its end, and is read from its start.",
        ),
        Alert(
            "FunnelwatchRollupsInvalid",
            _grew(catalog.ROLLUPS, outcome="invalid"),
            "",
            "critical",
            "Workers do not understand each other's counts",
            "{{ $value | humanize }} rollups were skipped: totals are too low.",
        ),
    )


def _watching(config: Config) -> tuple[Alert, ...]:
    watching = selector(catalog.WATCHING)
    kept = selector(catalog.WATCH_SNAPSHOT_TIME)
    return (
        Alert(
            "FunnelwatchNobodyWatches",
            f"sum by (job) ({watching}) == 0",
            "3m",
            "critical",
            "No worker watches",
            "Counting goes on, but nobody judges the counts: no incident is found.",
        ),
        Alert(
            "FunnelwatchTwoWatchers",
            f"sum by (job) ({watching}) > 1",
            "3m",
            "warning",
            "{{ $value }} workers watch at once",
            "Windows and incidents are exported twice; one of them was replaced and has not noticed.",
        ),
        Alert(
            "FunnelwatchWatcherBehind",
            f"max by (job) ({selector(catalog.WATCH_DELAY)}) > {config.watch_delay_seconds}",
            "2m",
            "critical",
            "Watching is behind",
            "The last counts that were judged ended {{ $value | humanizeDuration }} ago.",
            keep="2m",
        ),
        Alert(
            "FunnelwatchWatcherFailing",
            _grew(catalog.WATCH_FAILURES),
            "",
            "warning",
            "Watching failed and began again",
            "{{ $value | humanize }} failures in ten minutes.",
        ),
        Alert(
            "FunnelwatchWatcherSlow",
            f"{rules.WATCH_BUCKET.name} > {config.bucket_seconds}",
            "5m",
            "warning",
            "Judging takes too long",
            "Ten seconds of event time take {{ $value | humanizeDuration }} at p99; over ten it falls behind.",
        ),
        Alert(
            "FunnelwatchSnapshotFailing",
            f"(time() - {kept} > {config.snapshot_seconds}) and {kept} > 0",
            "1m",
            "warning",
            "The watcher writes no snapshots",
            "The last one is {{ $value | humanizeDuration }} old; after a crash all since then is judged again.",
        ),
    )


def _telling() -> tuple[Alert, ...]:
    """Boards of incidents show it."""
    retried, taken = (_grew(NOTIFICATIONS, "channel", outcome=outcome) for outcome in ("retry", "delivered"))
    lost = selector(NOTIFICATIONS, outcome=Like("refused|given_up"))
    telling = selector(NOTIFYING)
    return (
        Alert(
            "FunnelwatchNotificationsFailing",
            f"{retried} unless {taken}",
            "2m",
            "critical",
            "Channel {{ $labels.channel }} takes no messages",
            "{{ $value | humanize }} attempts in ten minutes, none of them delivered.",
            keep="5m",
            board=INCIDENTS,
        ),
        Alert(
            "FunnelwatchNotificationsLost",
            # A counter is born with its first message, of which increase knows nothing.
            f"{_grew(NOTIFICATIONS, 'channel', outcome=Like('refused|given_up'))}"
            f" or sum by (job, channel) ({lost} unless {lost} offset 10m) > 0",
            "",
            "critical",
            "Messages to {{ $labels.channel }} were refused or given up",
            "{{ $value | humanize }} messages in ten minutes that nobody has got.",
            board=INCIDENTS,
        ),
        Alert(
            "FunnelwatchNobodyTells",
            f"sum by (job) ({telling}) == 0 and sum by (job) (max_over_time({telling}[1d])) > 0",
            "3m",
            "critical",
            "No worker tells people of incidents",
            "One did within the last day; incidents are found and nobody is told.",
            board=INCIDENTS,
        ),
        Alert(
            "FunnelwatchTellingFailing",
            _grew(NOTIFY_FAILURES),
            "",
            "warning",
            "Telling people failed and began again",
            "{{ $value | humanize }} failures in ten minutes.",
        ),
        Alert(
            "FunnelwatchTemplateFailing",
            _grew(TEMPLATE_FAILURES, "state")
            + f" or sum by (job, state) ({selector(TEMPLATE_FAILURES)}"
            + f" unless {selector(TEMPLATE_FAILURES)} offset 10m) > 0",
            "",
            "warning",
            "A message template fails",
            "{{ $value | humanize }} messages of state {{ $labels.state }} were sent in built-in words.",
        ),
    )


def _settings() -> tuple[Alert, ...]:
    return (
        Alert(
            "FunnelwatchConfigRejected",
            f"min by (job, instance) ({selector(catalog.CONFIG_RELOADED)}) == 0",
            "1m",
            "warning",
            "Worker {{ $labels.instance }} refused its configuration file",
            "The settings from before are in force; the log says what is wrong, line by line.",
        ),
    )
