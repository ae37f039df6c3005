"""What everything generated goes by: names, thresholds and times, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the mixin. Spans are written as Prometheus writes them.

    Attributes:
        job: the scrape job of the workers; dashboards begin with it, alerts ask for it.
        grafana_url: where people open Grafana; alerts link there.
        lag_records: records in one topic that are too many to be waiting.
        stale_seconds: age of what 99 of 100 counts show, from which on the page is not live.
        silent_seconds: event time of one partition so far behind the clock is a silent source.
        watch_delay_seconds: so old the last judged ten seconds may be.
        stalled_seconds: so long what should move may stand still.
        snapshot_seconds: so old the watcher's snapshot may be.
        bucket_seconds: judging ten seconds of event time may take so long.
        dead_letter_ratio: share of records that may end as dead letters.
        state_bytes: memory of counting state of one worker.
        rebalances: in a quarter of an hour.
    """

    job: str = "funnelwatch"
    grafana_url: str = "http://127.0.0.1:3000"
    lag_records: int = 100_000
    stale_seconds: int = 30
    silent_seconds: int = 900
    watch_delay_seconds: int = 120
    stalled_seconds: int = 30
    snapshot_seconds: int = 900
    bucket_seconds: int = 5
    dead_letter_ratio: float = 0.05
    state_bytes: int = 1_500_000_000
    rebalances: int = 6


DEFAULT = Config()
