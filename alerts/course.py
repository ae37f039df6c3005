"""How an incident's counts went in the last half hour, for a picture beside the words. Pure.

Of the rows of which the last hour is kept: everything and single keys, not SKUs and no combinations. Not of
what is no count of a step: slower customers, amounts, rules, one payment method, data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from alerts.identity import ABOUT_DATA
from alerts.incident import CoursePart
from alerts.model import Kind, Place, Step
from streams.closed import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from alerts.incident import Incident
    from alerts.lifecycle import Change
    from alerts.recent import RecentCounts
    from alerts.series import SeriesTable

    F64 = NDArray[np.float64]

_SPAN_BUCKETS: Final = 6
_SPANS: Final = 30
# 95 % of a normal distribution lie within.
_Z: Final = 1.96
_OTHER: Final = ABOUT_DATA | {Kind.SLOWER, Kind.RULE, Kind.TRAFFIC_DROP, Kind.TRAFFIC_SURGE}
_DECIMALS: Final = 2


def drawn(
    changes: Iterable[Change], recent: RecentCounts, table: SeriesTable, steps: Sequence[Step]
) -> tuple[Change, ...]:
    """Changes with the course of each incident: it is told, and not kept."""
    return tuple(
        change._replace(
            incident=msgspec.structs.replace(
                change.incident, course=course_of(change.incident, recent, table, steps)
            )
        )
        for change in changes
    )


def course_of(
    incident: Incident, recent: RecentCounts, table: SeriesTable, steps: Sequence[Step]
) -> CoursePart | None:
    """The course of its counts by the minute; None where it is not kept, or where there is none yet.

    Args:
        incident: of which.
        recent: the last hour, up to now.
        table: whose rows those are.
        steps: of the funnel.
    """
    place = _place(incident, table, steps)
    lately = recent.of_row(*place, _SPANS * _SPAN_BUCKETS) if place else None
    if lately is None or lately.reached.size < _SPAN_BUCKETS:
        return None
    reached, due = _by_span(lately.reached), _by_span(lately.expected)
    apart = _Z * np.sqrt(due * max(lately.dispersion, 1.0) + (due * lately.uncertainty) ** 2)
    lists = (_plain(values) for values in (reached, due, np.maximum(due - apart, 0.0), due + apart))
    return CoursePart(recent.newest_ms, _SPAN_BUCKETS * BUCKET_MS, *lists)


def _place(incident: Incident, table: SeriesTable, steps: Sequence[Step]) -> tuple[int, int] | None:
    """Row and step of what an incident is about."""
    if incident.step is None or len(incident.scope) != 1 or incident.detail or incident.kind in _OTHER:
        return None
    (part,), step = incident.scope, Step(incident.step.from_node, incident.step.to_node)
    row = table.row(Place(part.dimension, part.key))
    return None if row is None or step not in steps else (row, steps.index(step))


def _by_span(counts: F64) -> F64:
    """Sums over whole spans, the newest whole."""
    spans = counts.size // _SPAN_BUCKETS
    whole = counts[counts.size - spans * _SPAN_BUCKETS :].reshape(spans, _SPAN_BUCKETS)
    return np.asarray(whole.sum(axis=1))


def _plain(values: F64) -> tuple[float, ...]:
    return tuple(np.round(values, _DECIMALS).tolist())
