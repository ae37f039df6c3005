"""Pipeline health: is Funnelwatch itself well, how far is it behind, what does it hold."""

from __future__ import annotations

from typing import Any, Final

from alerts.notify_metrics import NOTIFY_FAILURES, NOTIFYING, TEMPLATE_FAILURES
from grafana.mixin.boards.links import INCIDENTS, OVERVIEW, RUNBOOK
from grafana.mixin.dashboard import Board, Row
from grafana.mixin.panels import Json, Panel, Query, stat, table, thresholds, timeseries
from grafana.mixin.promql import mean, quantile
from grafana.mixin.queries import pipeline
from grafana.mixin.variables import JOB
from streams.metrics import catalog

_ZERO_IS_GOOD: Final = thresholds((None, "green"), (1, "red"))
_ONE_IS_GOOD: Final = thresholds((None, "red"), (1, "green"))


def board() -> Board:
    """The board."""
    return Board(
        "pipeline",
        "Funnelwatch: pipeline health",
        "Whether Funnelwatch itself is well: lag, freshness, records by outcome, state, watching, settings.",
        (JOB,),
        (
            Row("Now", _now()),
            Row("Reading", _reading()),
            Row("Records", _records()),
            Row("Work and state", _state()),
            Row("Watching", _watching()),
            Row("Telling people", _telling()),
            Row("Workers", _workers()),
        ),
    )


def _small(title: str, words: str, unit: str, query: str, defaults: Json | None = None) -> Panel:
    return stat(title, words, unit, RUNBOOK, Query(query), defaults=defaults or {})


def _lines(title: str, words: str, unit: str, *queries: Query, **more: Any) -> Panel:
    return timeseries(title, words, unit, RUNBOOK, *queries, **{"width": 8, **more})


def _now() -> tuple[Panel, ...]:
    old = thresholds((None, "green"), (15, "orange"), (30, "red"))
    return (
        _small("Workers", "That answer Prometheus.", "none", pipeline.workers_up(), _ONE_IS_GOOD),
        _small("Records a second", "Read from the sources.", "short", pipeline.records()),
        _small(
            "Age of the numbers",
            "99 of 100 events are younger when they show.",
            "s",
            pipeline.freshness(),
            old,
        ),
        _small("Records waiting", "In all partitions of all topics.", "short", pipeline.total(catalog.LAG)),
        _small(
            "Watchers",
            "One, or incidents are found twice or never.",
            "none",
            pipeline.total(catalog.WATCHING),
            _ONE_IS_GOOD,
        ),
        _small(
            "Judged up to",
            "Age of the last counts that were judged.",
            "s",
            pipeline.largest(catalog.WATCH_DELAY),
        ),
        _small(
            "Lost records",
            "Deleted by Kafka before they were read, in the time shown.",
            "short",
            pipeline.in_range(catalog.LOST_RECORDS),
            _ZERO_IS_GOOD,
        ),
        _small(
            "Settings in force",
            "1 if every worker has the newest file.",
            "none",
            f"min({pipeline.largest(catalog.CONFIG_RELOADED, 'instance')})",
            _ONE_IS_GOOD,
        ),
    )


def _reading() -> tuple[Panel, ...]:
    shares = (0.5, 0.9, 0.99)
    return (
        _lines("Lag", "Records that wait, by topic.", "short", Query(pipeline.lag(), "{{topic}}")),
        _lines(
            "Freshness",
            "Time from an event until it stands in the metrics.",
            "s",
            *(Query(quantile(share, catalog.FRESHNESS), f"p{share * 100:g}") for share in shares),
        ),
        _lines(
            "Event time behind the clock",
            "By source partition; one alone means that its source is silent.",
            "s",
            Query(pipeline.largest(catalog.WATERMARK_DELAY, "partition"), "partition {{partition}}"),
        ),
        _lines(
            "Standing still",
            "How long what should move has not, by what it is.",
            "s",
            Query(pipeline.largest(catalog.STALLED, "reason"), "{{reason}}"),
        ),
        _lines(
            "Partitions",
            "Assigned to workers, by topic.",
            "short",
            Query(pipeline.total(catalog.ASSIGNED_PARTITIONS, "topic"), "{{topic}}"),
        ),
        _lines(
            "Rebalances",
            "In the time shown; each stops all workers for some seconds.",
            "short",
            Query(pipeline.in_range(catalog.REBALANCES, "instance"), "{{instance}}"),
        ),
    )


def _records() -> tuple[Panel, ...]:
    return (
        _lines(
            "By outcome",
            "Records a second, by what became of them.",
            "short",
            Query(pipeline.outcomes(), "{{outcome}}"),
        ),
        _lines(
            "Rejected",
            "Records a second that could not be counted, by reason.",
            "short",
            Query(f"{pipeline.per_second(catalog.REJECTED, 'reason')} > 0", "{{reason}}"),
        ),
        _lines(
            "Dead letters",
            "Share of records that went to the dead-letter topic, and how many a second, by source.",
            "percentunit",
            Query(pipeline.dead_share(), "share"),
            Query(pipeline.per_second(catalog.DEADLETTERS, "topic"), "{{topic}} a second"),
        ),
        _lines(
            "Lost",
            "Records deleted before they were read, in the time shown.",
            "short",
            Query(pipeline.in_range(catalog.LOST_RECORDS, "topic"), "{{topic}}"),
        ),
        _lines(
            "Topics made anew",
            "Partitions that end before what was read of them, in the time shown.",
            "short",
            Query(pipeline.in_range(catalog.NEW_LOGS, "topic"), "{{topic}}"),
        ),
        _lines(
            "Rollups",
            "Merged a second, by outcome; invalid ones are missing in the totals.",
            "short",
            Query(pipeline.per_second(catalog.ROLLUPS, "outcome"), "{{outcome}}"),
        ),
    )


def _state() -> tuple[Panel, ...]:
    return (
        _lines(
            "Time of a batch",
            "To decode and count what was fetched at once.",
            "s",
            Query(quantile(0.99, catalog.BATCH_SECONDS), "p99"),
            Query(mean(catalog.BATCH_SECONDS), "mean"),
        ),
        _lines(
            "Records of a batch",
            "Small batches mean little traffic; large ones a backlog.",
            "short",
            Query(mean(catalog.BATCH_RECORDS), "mean"),
        ),
        _lines(
            "State",
            "Memory of counting, by what it is for, over all workers.",
            "bytes",
            Query(pipeline.total(catalog.STATE_BYTES, "kind"), "{{kind}}"),
        ),
        _lines(
            "Fetched and waiting",
            "Taken from Kafka and not handed on yet.",
            "bytes",
            Query(pipeline.total(catalog.FETCHED_BYTES, "instance"), "{{instance}}"),
        ),
        _lines(
            "State log",
            "Written a second.",
            "Bps",
            Query(pipeline.per_second(catalog.STATE_LOG_BYTES), "bytes a second"),
        ),
        _lines(
            "Taking over",
            "Entries of state that are still to be read, and how often state was taken over in the time shown.",
            "short",
            Query(pipeline.total(catalog.RECOVERY_LEFT, "instance"), "{{instance}}: entries left"),
            Query(pipeline.recoveries(), "takings-over"),
        ),
    )


def _watching() -> tuple[Panel, ...]:
    return (
        timeseries(
            "Watching",
            "1 on the worker that watches.",
            "none",
            INCIDENTS,
            Query(pipeline.largest(catalog.WATCHING, "instance"), "{{instance}}"),
            width=8,
        ),
        _lines(
            "Behind",
            "Age of the last counts that were judged.",
            "s",
            Query(pipeline.largest(catalog.WATCH_DELAY), "seconds"),
        ),
        _lines(
            "Rollups to read",
            "That the watcher has not read yet.",
            "short",
            Query(pipeline.largest(catalog.WATCH_LAG), "rollups"),
        ),
        _lines(
            "Time to judge",
            "Ten seconds of event time; at over ten it falls behind.",
            "s",
            Query(quantile(0.99, catalog.WATCH_BUCKET), "p99"),
            Query(mean(catalog.WATCH_BUCKET), "mean"),
        ),
        _lines(
            "Snapshot",
            "Age of the watcher's last snapshot; a new one comes every watch.snapshot_interval.",
            "s",
            Query(pipeline.snapshot_age(), "age"),
        ),
        _lines(
            "Snapshot size and failures",
            "Size of the last snapshot; failures of watching in the time shown.",
            "bytes",
            Query(pipeline.largest(catalog.WATCH_SNAPSHOT_BYTES), "size"),
            Query(pipeline.in_range(catalog.WATCH_FAILURES), "failures"),
        ),
    )


def _telling() -> tuple[Panel, ...]:
    return (
        timeseries(
            "Telling",
            "1 on the worker that tells people.",
            "none",
            INCIDENTS,
            Query(pipeline.largest(NOTIFYING, "instance"), "{{instance}}"),
            width=8,
        ),
        _lines(
            "Failures",
            "Times that telling people ended with an error and began again, in the time shown.",
            "short",
            Query(pipeline.in_range(NOTIFY_FAILURES), "failures"),
        ),
        _lines(
            "Templates that failed",
            "Messages sent in built-in words because a template made nothing of them, in the time shown.",
            "short",
            Query(pipeline.in_range(TEMPLATE_FAILURES, "state"), "{{state}}"),
        ),
    )


def _workers() -> tuple[Panel, ...]:
    hidden = {
        "excludeByName": {"Time": True},
        "includeByName": {},
        "indexByName": {},
        "renameByName": {"Value": "workers"},
    }
    return (
        timeseries(
            "Answering",
            "1 for each worker that answers Prometheus.",
            "none",
            OVERVIEW,
            Query(pipeline.workers(), "{{instance}}"),
            width=8,
        ),
        _lines(
            "Settings",
            "Changes of the configuration file in the time shown, by outcome.",
            "short",
            Query(pipeline.in_range(catalog.CONFIG_RELOADS, "outcome"), "{{outcome}}"),
        ),
        table(
            "Versions",
            "What workers run; two versions side by side do not understand each other's counts.",
            "none",
            RUNBOOK,
            Query(pipeline.versions(), instant=True, table=True),
            transformations=({"id": "organize", "options": hidden},),
            width=8,
        ),
    )
