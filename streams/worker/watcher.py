"""Who judges closed buckets, as the rooms that count know him: a contract and no more.

Promises nothing itself; an implementation has its own state as plain data, works out the same from the
same buckets, and never waits for anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from prometheus_client import CollectorRegistry

    from streams.closed import ClosedBucket
    from streams.config import Settings
    from streams.core.score_table import Placed
    from streams.core.windows import Windows
    from streams.judged import Judged

    F64 = NDArray[np.float64]
    MakeWatcher: TypeAlias = Callable[[Settings, CollectorRegistry], "Watcher"]

# Key and value of a record for the topic of incidents.
Message: TypeAlias = tuple[bytes, bytes]


class Watcher(Protocol):
    """Who judges closed buckets. Called from one thread, but for its metrics."""

    def begin(self, state: Any | None) -> None:  # noqa: ANN401  # its own plain data
        """Forget everything; go on from what :meth:`snapshot` returned, or from nothing."""
        ...

    def recall(self, told: Sequence[bytes], latest_ms: int) -> None:
        """Learn what was told since the snapshot, newest last; nothing that closed can be later than that time."""
        ...

    def observe(self, closed: ClosedBucket, windows: Windows) -> Sequence[Message]:
        """Take in the next closed bucket, which the windows have already; what is to be told because of it."""
        ...

    def control(self, record: bytes) -> Sequence[Message]:
        """Take in what somebody said; what is to be told because of it."""
        ...

    def expected(self, window: str, dimension: str, step: int, keys: Sequence[str]) -> Mapping[str, float]:
        """Expected conversion of a step in a window, of some keys; those of which it is not known are left out."""
        ...

    def scorecard(self, exposures: F64, entries: F64, conversions: F64) -> Placed:
        """Keys of one dimension in quadrants; counts of shape (keys,)."""
        ...

    def judged(self, since_ms: int) -> Judged:
        """What was expected in the buckets that ended after a moment."""
        ...

    def going_on(self) -> Sequence[bytes]:
        """Records of what is open, with the numbers of now: the worst, a bounded number of them."""
        ...

    def configure(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        ...

    def snapshot(self) -> Any:  # noqa: ANN401  # likewise
        """All that is known, as plain data for MessagePack."""
        ...
