"""Every metric as typed data: the one list that code, dashboards and alert rules go by.

Promises: nothing is exported that is not listed here, and nothing listed is missing. Names are those
of the text exposition, so a counter ends in ``_total``. Labels come from closed sets, or from
:mod:`streams.metrics.labels`, which caps them. Plain data: imports no client library.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["counter", "gauge", "histogram", "info"]
Scope: TypeAlias = Literal["merged", "worker"]


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric family.

    Attributes:
        name: as in the text exposition.
        kind: what PromQL may do with it.
        help: one line for humans.
        labels: names of its labels, in the order in which values are given.
        unit: base unit, the last word of the family's name; empty if it counts things.
        buckets: upper bounds of a histogram, rising, without infinity.
        scope: ``merged`` is counted once in the whole deployment, by the owner of a key's shard, so
            that sums over workers are the truth; ``worker`` describes one process.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    buckets: tuple[float, ...] = ()
    scope: Scope = "worker"

    @property
    def family(self) -> str:
        """The name without the suffix that the kind adds, as OpenMetrics calls the family."""
        return self.name.removesuffix({"counter": "_total", "info": "_info"}.get(self.kind, ""))


class Family(IntEnum):
    """The families whose series carry a key; the number is the place in :data:`KEY_FAMILIES`."""

    EVENTS = 0
    VISITORS = 1
    ORDERS = 2
    REVENUE = 3


_KEY = ("dimension", "key")

RECORDS: Final = MetricSpec(
    "funnelwatch_records_total",
    "counter",
    "Records read from the source topics, by what became of them.",
    ("topic", "outcome"),
    scope="merged",
)
NODE_EVENTS: Final = MetricSpec(
    "funnelwatch_node_events_total",
    "counter",
    "Events counted at a node of the funnel.",
    (*_KEY, "node"),
    scope="merged",
)
NODE_VISITORS: Final = MetricSpec(
    "funnelwatch_node_visitors_total",
    "counter",
    "Visitors counted at a node of the funnel, once per attribution window.",
    (*_KEY, "node"),
    scope="merged",
)
ORDERS: Final = MetricSpec(
    "funnelwatch_orders_total",
    "counter",
    "Orders paid, cancelled or refunded.",
    (*_KEY, "status"),
    scope="merged",
)
REVENUE: Final = MetricSpec(
    "funnelwatch_revenue_minor_units_total",
    "counter",
    "Money paid, cancelled or refunded, in minor units of the currency (cents, fen).",
    (*_KEY, "currency", "kind"),
    scope="merged",
)
TRACKED_KEYS: Final = MetricSpec(
    "funnelwatch_tracked_keys",
    "gauge",
    "Keys that this worker has seen in its shards and still knows by name.",
    ("dimension",),
)
SHOWN_KEYS: Final = MetricSpec(
    "funnelwatch_shown_keys",
    "gauge",
    "Keys that this worker exports by name; the rest is summed in (other).",
    ("dimension",),
)
REJECTED: Final = MetricSpec(
    "funnelwatch_rejected_records_total",
    "counter",
    "Records that could not be counted, by the reason.",
    ("topic", "reason"),
)
DEADLETTERS: Final = MetricSpec(
    "funnelwatch_deadletter_records_total",
    "counter",
    "Records written to the dead-letter topic, by the topic that they came from.",
    ("topic",),
)
LOST_RECORDS: Final = MetricSpec(
    "funnelwatch_lost_records_total",
    "counter",
    "Offsets that were deleted from a source topic before they were read.",
    ("topic",),
)
STATE_LOG_BYTES: Final = MetricSpec(
    "funnelwatch_state_log_bytes_total",
    "counter",
    "Bytes written to the log of counting state.",
    unit="bytes",
)
RECOVERY_LEFT: Final = MetricSpec(
    "funnelwatch_recovery_left_entries",
    "gauge",
    "Entries of the log of counting state that are still to be read before counting goes on.",
    unit="entries",
)
RECOVERY_SECONDS: Final = MetricSpec(
    "funnelwatch_recovery_seconds",
    "histogram",
    "Time from an assignment of source partitions until their state is taken over.",
    unit="seconds",
    buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0),
)
LAG: Final = MetricSpec(
    "funnelwatch_consumer_lag_records",
    "gauge",
    "Records in a partition that are not processed yet.",
    ("topic", "partition"),
    unit="records",
)
WATERMARK_DELAY: Final = MetricSpec(
    "funnelwatch_watermark_delay_seconds",
    "gauge",
    "How far event time of a source partition is behind the clock.",
    ("partition",),
    unit="seconds",
)
FRESHNESS: Final = MetricSpec(
    "funnelwatch_freshness_seconds",
    "histogram",
    "Time from an event until it stands in the metrics.",
    unit="seconds",
    # Finest just above the default bound on disorder (5 s): that much every event waits.
    buckets=(0.5, 1.0, 2.0, 3.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0),
)
BATCH_SECONDS: Final = MetricSpec(
    "funnelwatch_batch_processing_seconds",
    "histogram",
    "Time to decode and count one fetched batch.",
    unit="seconds",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
BATCH_RECORDS: Final = MetricSpec(
    "funnelwatch_batch_records",
    "histogram",
    "Records in one fetched batch.",
    unit="records",
    buckets=(1.0, 10.0, 100.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0, 25_000.0, 50_000.0),
)
STATE_BYTES: Final = MetricSpec(
    "funnelwatch_state_bytes",
    "gauge",
    "Memory held by the state of counting.",
    ("kind",),
    unit="bytes",
)
REBALANCES: Final = MetricSpec(
    "funnelwatch_rebalances_total",
    "counter",
    "Rebalances of the consumer group that this worker took part in.",
)
ASSIGNED_PARTITIONS: Final = MetricSpec(
    "funnelwatch_assigned_partitions", "gauge", "Partitions assigned to this worker.", ("topic",)
)
STALLED: Final = MetricSpec(
    "funnelwatch_stalled_seconds",
    "gauge",
    "How long what should move has stood still, by what it is; the worker ends itself at counting.stall_timeout.",
    ("reason",),
    unit="seconds",
)
NEW_LOGS: Final = MetricSpec(
    "funnelwatch_new_logs_total",
    "counter",
    "Partitions found to end before what was read of them: the topic was made anew, or lost its end.",
    ("topic",),
)
FETCHED_BYTES: Final = MetricSpec(
    "funnelwatch_fetched_bytes",
    "gauge",
    "Fetched from Kafka and not handed on yet, as it came, perhaps compressed.",
    unit="bytes",
)
ROLLUPS: Final = MetricSpec(
    "funnelwatch_rollups_total",
    "counter",
    "Rollups merged: applied, stale (already known), or invalid.",
    ("outcome",),
)
PROMOTION_ACTIVE: Final = MetricSpec(
    "funnelwatch_promotion_active",
    "gauge",
    "1 while a promotion of the calendar is in this phase; not there at other times.",
    ("promotion", "phase"),
)
PROMOTION_START: Final = MetricSpec(
    "funnelwatch_promotion_start_timestamp_seconds",
    "gauge",
    "When a promotion of the calendar starts, past and to come, in seconds since the epoch.",
    ("promotion",),
    unit="seconds",
)
PROMOTION_END: Final = MetricSpec(
    "funnelwatch_promotion_end_timestamp_seconds",
    "gauge",
    "When a promotion of the calendar ends, past and to come, in seconds since the epoch.",
    ("promotion",),
    unit="seconds",
)
PROMOTION_REACHED: Final = MetricSpec(
    "funnelwatch_promotion_target_reached_ratio",
    "gauge",
    "What a promotion has brought of a target (orders, revenue, conversion) so far, as a share of it; the watcher's.",
    ("promotion", "target"),
    unit="ratio",
)
PROMOTION_PACE: Final = MetricSpec(
    "funnelwatch_promotion_target_pace_ratio",
    "gauge",
    "Share of a promotion's target that its expected pace wants by now; the watcher's, not there while unknown.",
    ("promotion", "target"),
    unit="ratio",
)
CONFIG_RELOADS: Final = MetricSpec(
    "funnelwatch_config_reloads_total",
    "counter",
    "Changes of the configuration file: applied, rejected as wrong, or failed.",
    ("outcome",),
)
CONFIG_RELOADED: Final = MetricSpec(
    "funnelwatch_config_last_reload_successful",
    "gauge",
    "1 if the newest configuration file is in force, 0 if it was rejected and the old one is.",
)
WATCHING: Final = MetricSpec(
    "funnelwatch_watching",
    "gauge",
    "1 on the one worker that watches, 0 on the others.",
)
WATCH_LAG: Final = MetricSpec(
    "funnelwatch_watch_lag_records",
    "gauge",
    "Rollups that the watcher has not read yet; 0 where nothing is watched.",
)
WATCH_DELAY: Final = MetricSpec(
    "funnelwatch_watch_delay_seconds",
    "gauge",
    "Time since the end of the last ten seconds of event time that were judged; 0 where nothing is watched.",
    unit="seconds",
)
WATCH_BUCKET: Final = MetricSpec(
    "funnelwatch_watch_bucket_seconds",
    "histogram",
    "What judging ten seconds of event time took.",
    unit="seconds",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
WATCH_FAILURES: Final = MetricSpec(
    "funnelwatch_watch_failures_total",
    "counter",
    "How often watching ended with an error and began again; counting goes on meanwhile.",
)
WATCH_SNAPSHOT_BYTES: Final = MetricSpec(
    "funnelwatch_watch_snapshot_bytes",
    "gauge",
    "Size of the last snapshot of the watcher, compressed.",
    unit="bytes",
)
WATCH_SNAPSHOT_TIME: Final = MetricSpec(
    "funnelwatch_watch_snapshot_timestamp_seconds",
    "gauge",
    "When this watcher last wrote a snapshot, in seconds since the epoch; 0 before its first and where nothing is watched.",
    unit="seconds",
)
BUILD_INFO: Final = MetricSpec(
    "funnelwatch_build_info", "info", "The running version of Funnelwatch.", ("version", "python")
)

_STEP = ("dimension", "key", "from_node", "to_node", "window")
WINDOW_RATIO: Final = MetricSpec(
    "funnelwatch_window_conversion_ratio",
    "gauge",
    "Share of what came to a node in the window that came to the next one; above 1 if more came than went in.",
    _STEP,
    "ratio",
)
WINDOW_LOWER: Final = MetricSpec(
    "funnelwatch_window_conversion_ratio_lower",
    "gauge",
    "Lower bound of the conversion's 95 % interval.",
    _STEP,
)
WINDOW_UPPER: Final = MetricSpec(
    "funnelwatch_window_conversion_ratio_upper",
    "gauge",
    "Upper bound of the conversion's 95 % interval.",
    _STEP,
)
WINDOW_EXPECTED: Final = MetricSpec(
    "funnelwatch_window_conversion_ratio_expected",
    "gauge",
    "Conversion to be expected in the window, delays allowed for.",
    _STEP,
)
WINDOW_ENTRIES: Final = MetricSpec(
    "funnelwatch_window_entries",
    "gauge",
    "What came to a node in the window: events of the first node, visitors of the others.",
    ("dimension", "key", "node", "window"),
)

KEY_FAMILIES: Final = (NODE_EVENTS, NODE_VISITORS, ORDERS, REVENUE)
# In the order in which they are exported.
WINDOW_FAMILIES: Final = (WINDOW_RATIO, WINDOW_LOWER, WINDOW_UPPER, WINDOW_EXPECTED, WINDOW_ENTRIES)
CATALOG: Final = (
    RECORDS,
    *KEY_FAMILIES,
    *WINDOW_FAMILIES,
    TRACKED_KEYS,
    SHOWN_KEYS,
    REJECTED,
    DEADLETTERS,
    LOST_RECORDS,
    STATE_LOG_BYTES,
    RECOVERY_LEFT,
    RECOVERY_SECONDS,
    LAG,
    WATERMARK_DELAY,
    FRESHNESS,
    BATCH_SECONDS,
    BATCH_RECORDS,
    STATE_BYTES,
    REBALANCES,
    ASSIGNED_PARTITIONS,
    STALLED,
    NEW_LOGS,
    FETCHED_BYTES,
    ROLLUPS,
    PROMOTION_ACTIVE,
    PROMOTION_START,
    PROMOTION_END,
    PROMOTION_REACHED,
    PROMOTION_PACE,
    WATCHING,
    WATCH_LAG,
    WATCH_DELAY,
    WATCH_BUCKET,
    WATCH_FAILURES,
    WATCH_SNAPSHOT_BYTES,
    WATCH_SNAPSHOT_TIME,
    CONFIG_RELOADS,
    CONFIG_RELOADED,
    BUILD_INFO,
)
