"""What a page or an API asks of the watcher: the scorecard, and windows beside other times, as plain data.

Promises: answers are of one closed bucket, whole, and worked out in the watcher's thread, never on the
event loop; so they wait for the bucket that is judged, seconds in a backlog. None is the answer of a
worker that does not watch, or not yet: one worker of a deployment does. Structs that msgspec writes as
JSON: :class:`streams.core.score_table.ScoreTable`, :class:`streams.core.compare_table.Compared`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from streams.core.compare_table import compare_table
from streams.core.score_table import score_table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from streams.core.compare_table import Compared
    from streams.core.score_table import Placed, ScoreTable
    from streams.core.windows import Windows

    F64 = NDArray[np.float64]

T = TypeVar("T")


class Judge(Protocol):
    """What is asked of who judges; a :class:`streams.worker.watcher.Watcher` is one."""

    def expected(self, window: str, dimension: str, step: int, keys: Sequence[str]) -> Mapping[str, float]:
        """Expected conversion of a step in a window, of some keys; those of which it is not known are left out."""
        ...

    def scorecard(self, exposures: F64, entries: F64, conversions: F64) -> Placed:
        """Keys of one dimension in quadrants; counts of shape (keys,)."""
        ...


class Ask(Protocol):
    """Looks at the windows in the watcher's thread; None if there are none."""

    async def __call__(self, ask: Callable[[Windows], T]) -> T | None:
        """What ``ask`` returns."""
        ...


class WatchReads:
    """See the module.

    Args:
        ask: looks at the windows.
        judge: who knows what was expected.
    """

    def __init__(self, ask: Ask, judge: Judge) -> None:
        self._ask = ask
        self._judge = judge

    async def scorecard(self, dimension: str, window: str = "1h", *, most: int = 200) -> ScoreTable | None:
        """Where traffic should go: keys in the exposure x conversion matrix.

        Args:
            dimension: ``slot``, ``banner``, ``sku``, or one that the settings add.
            window: ``1m``, ``5m``, ``15m``, ``1h``, ``day`` or ``promotion:<name>``.
            most: rows, the most exposed keys first; lines and totals are of all keys.

        Raises:
            KeyError: there is no such window or dimension (at present).
        """
        return await self._ask(
            lambda windows: score_table(windows, window, dimension, self._judge.scorecard, most)
        )

    async def comparisons(
        self,
        dimension: str = "all",
        window: str = "1h",
        *,
        from_node: str = "click",
        to_node: str = "paid",
        keys: Collection[str] | None = None,
        most: int = 50,
    ) -> Compared | None:
        """Conversion and payments by key: now, as expected, and at other times.

        The other times are ``previous`` (the window before), ``yesterday``, ``last_week`` and
        ``last_promotion``.

        Args:
            dimension: whose keys; ``all`` has the single key ``all``.
            window: as for :meth:`scorecard`.
            from_node: visitors of this node (events, if it is the funnel's first) ...
            to_node: ... and of this later one; from the first node only to the second.
            keys: which; None for those with most traffic in the last hour.
            most: rows.

        Raises:
            KeyError: there is no such window or dimension (at present), or no such pair of nodes.
        """
        expected, step = self._judge.expected, (from_node, to_node)
        return await self._ask(
            lambda windows: compare_table(
                windows, window, dimension, step=step, expected=expected, keys=keys, most=most
            )
        )
