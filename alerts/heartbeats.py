"""When a heartbeat last came through each topic, by the closed buckets in whose records it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts.identity import CLICKSTREAM, ORDERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.closed import ClosedBucket

_TOPICS: Final = (CLICKSTREAM, ORDERS)
# The outcome of such records.
HEARTBEAT: Final = "heartbeat"


class Heartbeats:
    """Time of day of the newest by topic; nothing of a topic that never had one."""

    def __init__(self, newest_ms: Mapping[str, int] | None = None) -> None:
        self._newest_ms = dict(newest_ms or {})

    def take(self, closed: ClosedBucket) -> Mapping[str, int]:
        """Take in the next closed bucket; the newest of each topic, as of its closing."""
        for (_, topic, outcome), records in closed.records.items():
            if outcome == HEARTBEAT and records:
                self._newest_ms[_TOPICS[topic]] = closed.closed_at_ms
        return self._newest_ms

    def snapshot(self) -> dict[str, int]:
        """All of it as plain data."""
        return dict(self._newest_ms)
