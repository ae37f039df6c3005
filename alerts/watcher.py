"""The engine as the worker knows it: closed buckets and bytes in, records for the incidents topic out.

Nothing of the worker is imported here: it knows this by its methods. They are called from one thread;
metrics are collected in others and see what was left after the last bucket.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import numpy as np

from alerts.control import decode_control
from alerts.diagnosis.scorecard import scorecard
from alerts.drafting import loss_per_minute, severity_rank
from alerts.engine import Engine
from alerts.expectation.readiness import Code
from alerts.expected_windows import ExpectedWindows
from alerts.incident import decode_incident, encode_incident
from alerts.measures import Measured
from alerts.metrics import IncidentMetrics
from alerts.model import Place, State
from alerts.settings import EngineSettings
from streams.errors import CodecError
from streams.promotions import Calendar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray
    from prometheus_client import CollectorRegistry

    from alerts.diagnosis.scorecard import Scorecard
    from alerts.incident import Incident
    from alerts.lifecycle import Change
    from streams.closed import ClosedBucket
    from streams.judged import Judged

    F64 = NDArray[np.float64]

_LOG: Final = logging.getLogger(__name__)
# Windows of which the engine still knows what was expected.
_WINDOWS_MS: Final = {"1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": 3_600_000}
_SKU: Final = "sku"
_GOING_ON: Final = frozenset({State.FIRING, State.ACKNOWLEDGED})
# Nobody reads more of them at once, and each is written anew every bucket.
_SHOWN: Final = 50
S = TypeVar("S")
W = TypeVar("W")


@dataclass(frozen=True, slots=True)
class Plan:
    """What the engine goes by."""

    settings: EngineSettings = field(default_factory=EngineSettings)
    calendar: Calendar = field(default_factory=Calendar)


class WindowsMeasured(Measured, Protocol):
    """The windows at the end of a bucket: what is asked of them, and when they begin."""

    def to_date(self) -> Mapping[str, int]:
        """Start of each window that begins at a moment: the local day, promotions."""
        ...


class IncidentWatcher(Generic[S, W]):
    """See the module.

    Args:
        settings: of the deployment.
        plan: what the engine is to be told of those.
        registry: where its metrics are.
        measures: what rules and targets ask the windows, of those who keep them.
    """

    def __init__(
        self,
        settings: S,
        plan: Callable[[S], Plan],
        registry: CollectorRegistry,
        measures: Callable[[W], WindowsMeasured],
    ) -> None:
        self._read = plan
        self._measures = measures
        self._plan = plan(settings)
        self._engine = Engine(self._plan.settings, self._plan.calendar)
        self.incidents: tuple[Incident, ...] = ()
        self._metrics = IncidentMetrics(registry, lambda: self.incidents)
        self._sums: dict[str, dict[tuple[str, int], dict[str, float]]] = {}
        self._windows = ExpectedWindows(len(self._engine.steps))

    def begin(self, state: Any | None) -> None:  # noqa: ANN401  # plain data
        """Forget everything; go on from a snapshot, or from nothing.

        Raises:
            ValueError, KeyError, TypeError: it is not one of this version.
        """
        self._engine = Engine(self._plan.settings, self._plan.calendar)
        self.incidents = ()
        self._sums.clear()
        self._windows = ExpectedWindows(len(self._engine.steps))
        if state is not None:
            self._engine.restore(state)
            self._windows.restore(state.get("windows", {}))
            self.incidents = self._engine.incidents

    def recall(self, told: Iterable[bytes], latest_ms: int) -> None:
        """Learn what a predecessor told since the snapshot, newest last; what cannot be read is passed over."""
        known = []
        for record in told:
            try:
                known.append(decode_incident(record))
            except CodecError as error:
                _LOG.warning("what was told cannot be read", extra={"error": str(error)})
        self._engine.recall(known, latest_ms)

    def observe(self, closed: ClosedBucket, windows: W) -> list[tuple[bytes, bytes]]:
        """Take in the next closed bucket, which the windows have already; records to be written because of it."""
        self._sums.clear()
        measures = self._measures(windows)
        told = self._told(self._engine.observe(closed, measures=measures))
        if self._engine.expected is not None:
            self._windows.add(
                closed.start_ms, self._engine.entered, self._engine.expected, measures.to_date()
            )
        return told

    def control(self, record: bytes) -> list[tuple[bytes, bytes]]:
        """Take in a record of the control topic; one that cannot be read changes nothing."""
        try:
            said = decode_control(record)
        except CodecError as error:
            _LOG.warning("control record cannot be read", extra={"error": str(error)})
            return []
        return self._told(self._engine.control(said))

    def _told(self, changes: Iterable[Change]) -> list[tuple[bytes, bytes]]:
        changes = tuple(changes)
        self.incidents = self._engine.incidents
        self._metrics.count(changes)
        for incident, reason in changes:
            _LOG.info("incident", extra={"incident": incident.id, "kind": incident.kind, "reason": reason})
        return [(incident.id.encode(), encode_incident(incident)) for incident, _ in changes]

    def expected(self, window: str, dimension: str, step: int, keys: Sequence[str]) -> Mapping[str, float]:
        """Expected conversion of a step in a window, of some keys.

        Of SKUs in sliding windows from when they are first asked for, see :mod:`alerts.expected_windows`.
        """
        if window in _WINDOWS_MS and dimension != _SKU:
            if window not in self._sums:
                self._sums[window] = self._engine.expected_ratios(_WINDOWS_MS[window])
            found = self._sums[window].get((dimension, step), {})
            return {key: found[key] for key in keys if key in found}
        return self._looked_up(window, dimension, step, keys)

    def _looked_up(self, window: str, dimension: str, step: int, keys: Sequence[str]) -> dict[str, float]:
        judged = self._engine.expected
        placed = [(key, self._engine.table.row(Place(dimension, key))) for key in keys]
        rows = {key: row for key, row in placed if row is not None}
        if judged is None or not rows:
            return {}
        numbers = np.array([*rows.values()], dtype=np.int64)
        size_ms = _WINDOWS_MS.get(window)
        ratios = (
            self._windows.to_date(window, numbers, step)
            if size_ms is None
            else self._windows.sliding(size_ms, numbers, step)
        )
        if ratios is None:
            return {}
        known = np.isfinite(ratios) & (judged.readiness[numbers, step] == Code.MONITORED)
        return {key: float(ratios[at]) for at, key in enumerate(rows) if known[at]}

    def going_on(self) -> list[bytes]:
        """Records of the worst that is open and was told, with the numbers of now; they may differ from those told."""
        mine = [one for one in self.incidents if one.state in _GOING_ON and one.merged_into is None]
        mine.sort(key=lambda one: (-severity_rank(one.severity), -loss_per_minute(one), one.id))
        return [encode_incident(one) for one in mine[:_SHOWN]]

    @staticmethod
    def scorecard(exposures: F64, entries: F64, conversions: F64) -> Scorecard:
        """Keys of one dimension in quadrants; counts of shape (keys,)."""
        return scorecard(exposures, entries, conversions)

    def judged(self, since_ms: int) -> Judged:
        """What was expected in the buckets that ended after a moment."""
        return self._engine.judged(since_ms)

    def configure(self, settings: S) -> None:
        """Go by other settings; what was learnt stays."""
        plan = self._read(settings)
        engine = Engine(plan.settings, plan.calendar)
        engine.restore(self._engine.snapshot())
        self._engine, self._plan = engine, plan

    def snapshot(self) -> dict[str, Any]:
        """All that is known, as plain data."""
        return self._engine.snapshot() | {"windows": self._windows.snapshot()}
