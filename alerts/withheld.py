"""Since when findings are held back: what has been so for a day is how it is now, and is learnt from.

A series in alarm is not learnt from, for it might be broken. One whose finding is explained and told to
nobody would stay so for ever: a banner that has moved to another slot for good were never judged again.
So after a day its level begins to follow, as fast as levels do, until nothing is left to explain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alerts.judges.spoken import Series

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

LASTING_MS: Final = 86_400_000
# A series that is not in alarm for so long begins anew; at night evidence comes and goes.
_PATIENCE_MS: Final = 3 * 3_600_000


class Withheld:
    """See the module.

    Args:
        lasting_ms: for so long.
    """

    def __init__(self, lasting_ms: int = LASTING_MS) -> None:
        self._lasting_ms = lasting_ms
        # First and last time.
        self._spans: dict[Series, tuple[int, int]] = {}

    def note(self, series: Collection[Series], at_ms: int) -> None:
        """What is held back in a closing; at its time."""
        kept = {one: span for one, span in self._spans.items() if at_ms - span[1] <= _PATIENCE_MS}
        self._spans = kept | {one: (kept.get(one, (at_ms, at_ms))[0], at_ms) for one in series}

    @property
    def lasting(self) -> frozenset[Series]:
        """Which have been held back for long enough."""
        return frozenset(
            one for one, (first, last) in self._spans.items() if last - first >= self._lasting_ms
        )

    def snapshot(self) -> list[Any]:
        """Plain data."""
        return [[one, *span] for one, span in self._spans.items()]

    def restore(self, state: Iterable[Sequence[Any]]) -> None:
        """Go on from a snapshot."""
        self._spans = {Series(*one): (first, last) for one, first, last in state}
