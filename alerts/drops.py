"""Why what was not told was not told, each reason counted once for as long as it holds. Pure.

The deciders look again and again at what waits; how often they look says nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerts.stages.stage import Candidate, Dropped, Why


class Drops:
    """See the module. Bounded by incidents and channels: who forgets an incident says so."""

    def __init__(self) -> None:
        self._last: dict[str, dict[str, Why]] = {}

    def count(self, dropped: Iterable[Dropped[Candidate]]) -> Counter[tuple[str, Why]]:
        """Those whose reason is another than the last time, by channel and reason."""
        found: Counter[tuple[str, Why]] = Counter()
        for one in dropped:
            reasons = self._last.setdefault(one.what.incident.id, {})
            if reasons.get(one.what.channel) is not one.why:
                reasons[one.what.channel] = one.why
                found[one.what.channel, one.why] += 1
        return found

    def told(self, candidates: Iterable[Candidate]) -> None:
        """These are not held back any more."""
        for one in candidates:
            self._last.get(one.incident.id, {}).pop(one.channel, None)

    def forget(self, incident_id: str) -> None:
        """Of an incident that is over."""
        self._last.pop(incident_id, None)
