"""The last buckets of one key, looked up in the windows: for keys of which nothing is expected one by one.

Called in the watcher's thread, so that windows stand still meanwhile.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from streams.closed import BUCKET_MS
from streams.core.windows import columns_of
from streams.web import answers as a

if TYPE_CHECKING:
    from streams.core.windows import Windows
    from streams.web.queries import SeriesQuery


def key_series(windows: Windows, query: SeriesQuery) -> a.Series | None:
    """What entered the step and reached its end, by ten seconds; None if the key is not known any more."""
    pairs = list(pairwise(windows.nodes))
    names = windows.names(query.dimension)
    if query.key not in names or (query.from_node, query.to_node) not in pairs:
        return None
    entered, reached = columns_of(pairs.index((query.from_node, query.to_node)))
    start_ms = max(windows.end_ms - query.minutes * 60_000, windows.began_ms)
    rows = windows.buckets(query.dimension, names.index(query.key), start_ms)
    points = tuple(
        a.Point(start_ms=start_ms + at * BUCKET_MS, entered=int(row[entered]), reached=int(row[reached]))
        for at, row in enumerate(rows)
    )
    return a.Series(
        dimension=query.dimension,
        key=query.key,
        from_node=query.from_node,
        to_node=query.to_node,
        points=points,
    )
