"""A watcher that judges nothing: it tells of every bucket and of everything that it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alerts.diagnosis.scorecard import scorecard
from streams.judged import NOTHING_JUDGED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from alerts.diagnosis.scorecard import Scorecard
    from streams.closed import ClosedBucket
    from streams.config import Settings
    from streams.core.windows import Windows
    from streams.judged import Judged

    F64 = NDArray[np.float64]

Message = tuple[bytes, bytes]


class Listener:
    """See the module; its state is how much it has told.

    Args:
        look: called with each bucket; may raise.
    """

    def __init__(self, look: Callable[[ClosedBucket], object] = lambda _: None) -> None:
        self._look = look
        self.told = 0
        self.settings: list[Settings] = []

    def begin(self, state: Any | None) -> None:
        """Begin where another has ended."""
        self.told = state["told"] if state else 0

    def recall(self, *_: object) -> None:
        """It knows by its state what it has told."""

    def observe(self, closed: ClosedBucket, windows: Windows) -> list[Message]:
        """Tell of a bucket: its start and what was in it."""
        self._look(closed)
        counted = sum(int(cells.counts.sum()) for cells in closed.counts.values())
        late = sum(int(cells.counts.sum()) for _, found in closed.late for cells in found.values())
        return self._tell(f"bucket {closed.start_ms} {counted} {late}")

    def control(self, record: bytes) -> list[Message]:
        """Tell of what was said."""
        return self._tell(f"said {record.decode()}")

    def _tell(self, what: str) -> list[Message]:
        self.told += 1
        return [(b"%d" % self.told, what.encode())]

    def expected(self, *_: object) -> Mapping[str, float]:
        """Nothing."""
        return {}

    def judged(self, since_ms: int) -> Judged:
        """Nothing."""
        return NOTHING_JUDGED

    def going_on(self) -> Sequence[bytes]:
        """Nothing."""
        return ()

    @staticmethod
    def scorecard(exposures: F64, entries: F64, conversions: F64) -> Scorecard:
        """As the watcher of incidents does."""
        return scorecard(exposures, entries, conversions)

    def configure(self, settings: Settings) -> None:
        """Remember them."""
        self.settings.append(settings)

    def snapshot(self) -> dict[str, int]:
        """How much was told."""
        return {"told": self.told}
