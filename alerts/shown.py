"""What the engine expected, as plain data for whoever shows it. Pure; nothing is decided here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from alerts.expectation.readiness import Code
from streams.closed import BUCKET_MS
from streams.judged import NOTHING_JUDGED, Judged, Pace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.expectation.series import Expected
    from alerts.recent import RecentCounts
    from alerts.series import SeriesTable
    from alerts.target_pace import Pace as TargetPace


def shown(
    recent: RecentCounts,
    table: SeriesTable,
    expected: Expected | None,
    paces: Mapping[str, TargetPace],
    since_ms: int,
) -> Judged:
    """The buckets that ended after a moment, at most an hour of them.

    Args:
        recent: the last hour.
        table: whose rows they are.
        expected: of the newest bucket; None before the first since a restart, when nothing is shown.
        paces: of promotions with targets.
        since_ms: what ended then or before is not wanted.
    """
    rows = recent.rows
    sold = {name: Pace(pace.shares, pace.slack) for name, pace in paces.items()}
    if expected is None or not rows.size:
        return replace(NOTHING_JUDGED, paces=sold)
    places = [table.place(row) for row in rows.tolist()]
    return Judged(
        keys=tuple((place.dimension, place.key) for place in places),
        end_ms=recent.newest_ms,
        buckets=recent.newest(max((recent.newest_ms - since_ms) // BUCKET_MS, 0)),
        dispersion=expected.dispersion[rows],
        monitored=(expected.readiness == Code.MONITORED)[rows],
        paces=sold,
    )
