"""Where and why: what is known of findings beside their counts, for folding and for the message."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from alerts.combinations import Combinations, Ratios
from alerts.diagnosis.decomposition import GmvChange, Trade, decompose
from alerts.diagnosis.diagnosing import Evidence, RuledOut, diagnose
from alerts.diagnosis.leaves import Leaves
from alerts.diagnosis.mix import MixChange, Period, split
from alerts.diagnosis.money import lost_minor
from alerts.model import EVERYWHERE, Kind
from alerts.recent import RecentCounts
from alerts.scans import Scans
from streams.closed import BUCKET_MS, VISITORS
from streams.funnel import ALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.combinations import Carried, Mix
    from alerts.model import Diagnosis, Finding, Step
    from alerts.recent import Sums
    from alerts.series import SeriesTable, StepCounts
    from streams.closed import ClosedBucket

    F64 = NDArray[np.float64]
    Bools = NDArray[np.bool_]

_CLICK: Final = 1
_HOUR_BUCKETS: Final = 360
_SKU: Final = "sku"
_SLOT: Final = "slot"
_TINY: Final = 1e-9
NO_LEAVES: Final = Leaves((), (), np.zeros((0, 0), np.int64), np.zeros(0), np.zeros(0), np.zeros(0))
_ABOUT_CONVERSION: Final = frozenset({Kind.CONVERSION_DROP, Kind.CONVERSION_SURGE})


class Places:
    """See the module.

    Args:
        table: the rows.
        steps: of the funnel, the last is the payment.
        tolerance: relative change that is none.
    """

    def __init__(self, table: SeriesTable, steps: Sequence[Step], tolerance: float) -> None:
        self._table = table
        self._tolerance = tolerance
        self._steps = tuple(steps)
        paid = len(steps)
        # Visitors of clicks, orders and payments.
        self._click, self._order, self._paid = (VISITORS + node for node in (_CLICK, paid - 1, paid))
        self.recent = RecentCounts(paid)
        self._combinations = Combinations((self._click, self._order, self._paid))
        self._revenue: deque[tuple[int, int]] = deque(maxlen=_HOUR_BUCKETS)
        # Rows only grow, so it stays there.
        self._total_at: int | None = None
        self._rows_seen = 0
        self.scans = Scans(self._steps[0], self._leaves)

    def add(
        self, closed: ClosedBucket, counts: StepCounts, expected: F64, frozen: Bools, currency: str | None
    ) -> None:
        """Take in a bucket as it was judged."""
        sku = self._table.dimensions.index(_SKU) if _SKU in self._table.dimensions else -1
        if self._rows_seen != len(self._table):
            self._rows_seen = len(self._table)
            self.recent.resize(np.flatnonzero(self._table.levels != sku))
        self.recent.add(counts.entered, counts.reached, expected, closed.end_ms, frozen)
        self._combinations.add(closed, frozen=bool(frozen.any()))
        amount = sum(
            amount
            for (dimension, _, code, kind), (_, amount) in closed.money.items()
            if dimension == ALL and kind == "paid" and code == currency
        )
        self._revenue.append((closed.start_ms, amount))

    # ------------------------------------------------------------------ before folding
    def named(self, findings: Iterable[Finding], mixed: frozenset[Step]) -> tuple[Finding, ...]:
        """Findings of the total that are a shift of mix get that name; those of ``mixed`` keep it."""
        return tuple(self._named(finding, mixed) for finding in findings)

    def _named(self, finding: Finding, mixed: frozenset[Step]) -> Finding:
        if finding.kind not in _ABOUT_CONVERSION or finding.scope != EVERYWHERE or finding.step is None:
            return finding
        mix = None if finding.step in mixed else self._mix(finding.step, finding.since_ms)
        if finding.step in mixed or (mix is not None and mix.explains(self._tolerance)):
            return replace(finding, kind=Kind.MIX_SHIFT)
        return finding

    def mixed(self, step: Step, since_ms: int) -> dict[tuple[str, str], Mix]:
        """By dimension and key, what other combinations than usual make of conversion; of exposures, other slots."""
        if step == self._steps[0]:
            return self._combinations.shown(self._click, since_ms)
        return self._combinations.mixed(*self._columns(step), since_ms)

    def campaign(self, step: Step, since_ms: int) -> Carried | None:
        """Of each key, the share of its visitors since a moment that its slots do not usually have.

        None unless the total's change at the step is mostly another mix of slots.
        """
        mix = self._mix(step, since_ms)
        if mix is None or not mix.is_mostly_mix:
            return None
        at, slots = self._steps.index(step), self._slots()
        buckets = min((self.recent.newest_ms - since_ms) // BUCKET_MS, _HOUR_BUCKETS)
        # At the step itself: what is in alarm there does not become usual.
        came = self.recent.since_at(since_ms, slots, at).entered
        usual = self.recent.usual(buckets).entered[slots, at]
        new = np.maximum(1.0 - usual / np.maximum(came, _TINY), 0.0)
        names = (self._table.place(row).key for row in self.recent.rows[slots].tolist())
        return self._combinations.carried(self._click, since_ms, dict(zip(names, new.tolist(), strict=True)))

    def _leaves(self, step: Step, since_ms: int) -> Leaves | None:
        ratios = self._ratios(self._steps.index(step), since_ms)
        return self._combinations.leaves(*self._columns(step), since_ms, ratios)

    def _columns(self, step: Step) -> tuple[int, int]:
        """Of entries and arrivals by combination, for a step: those of payments, or all up to the order."""
        return (self._order, self._paid) if step == self._steps[-1] else (self._click, self._order)

    def _ratios(self, step: int, since_ms: int) -> Ratios:
        """Of the total and of all slots since a moment: orders without a slot become fewer by themselves."""
        total, sums = self._total(), self.recent.since(since_ms)
        if total is None:
            return Ratios(1.0, 1.0)
        of_total = _over(sums, np.array([total]), step, 1.0)
        return Ratios(of_total, _over(sums, self._slots(), step, of_total))

    def _slots(self) -> NDArray[np.intp]:
        """Places of the slots' rows among those of ``recent``."""
        if _SLOT not in self._table.dimensions:
            return np.zeros(0, np.intp)
        return np.flatnonzero(self._table.levels[self.recent.rows] == self._table.dimensions.index(_SLOT))

    def _total(self) -> int | None:
        """Place of the total's row among those of ``recent``."""
        if self._total_at is None:
            found = np.flatnonzero(self._table.levels[self.recent.rows] == 0)
            self._total_at = int(found[0]) if found.size else None
        return self._total_at

    # ------------------------------------------------------------------ of one finding
    def priced(self, finding: Finding, value_minor: float, currency: str | None) -> Finding:
        """A finding with what it costs, for those about a step."""
        if finding.step is None or finding.kind is Kind.SLOWER or currency is None or value_minor <= 0:
            return finding
        onward = self._onward(self._steps.index(finding.step) + 1)
        lost = finding.expected - finding.observed
        return replace(
            finding, lost_minor=lost_minor(lost, round(value_minor), 1, onward=onward), currency=currency
        )

    def _onward(self, step: int) -> float:
        """Share of the total's visitors at a step who usually go on and pay."""
        total = self._total()
        if total is None:
            return 1.0
        usual = self.recent.usual()
        later = range(step, len(self._steps))
        shares = (float(usual.reached[total, at] / max(usual.entered[total, at], _TINY)) for at in later)
        return prod(min(share, 1.0) for share in shares)

    def normal_minor_per_minute(self, value_minor: float) -> int | None:
        """Usual revenue of the total per minute."""
        total = self._total()
        if total is None or value_minor <= 0:
            return None
        return round(float(self.recent.usual(60_000 / BUCKET_MS).reached[total, -1]) * value_minor)

    def diagnose(
        self,
        finding: Finding,
        leaves: Leaves | None,
        folded: int,
        value_minor: float,
        ruled_out: Iterable[RuledOut],
    ) -> Diagnosis:
        """What stands beside a root, given the leaves of its step."""
        evidence = Evidence(
            mix=None if finding.step is None else self._mix(finding.step, finding.since_ms),
            gmv=self._gmv(finding, value_minor),
            not_the_cause=ruled_out,
        )
        found = diagnose(finding, NO_LEAVES, evidence, folded=folded)
        return (
            found if leaves is None else replace(found, contributors=self.scans.contributors(finding, leaves))
        )

    def _mix(self, step: Step, since_ms: int) -> MixChange | None:
        """The total's change by slot. Entries are those that the expected arrivals stand for."""
        if step == self._steps[0] or _SLOT not in self._table.dimensions:
            return None
        at, slots = self._steps.index(step), self._slots()
        now, usual = self.recent.since_at(since_ms, slots, at), self.recent.usual(_HOUR_BUCKETS)
        rates = usual.reached[slots, at] / np.maximum(usual.entered[slots, at], _TINY)
        there = (rates > 0) & (usual.entered[slots, at] > 0)
        if not there.any() or not now.expected.any():
            return None
        before = Period(usual.entered[slots, at][there], usual.reached[slots, at][there])
        entries = now.expected[there] / rates[there]
        return split(before, Period(entries, now.reached[there]))

    def _gmv(self, finding: Finding, value_minor: float) -> GmvChange | None:
        """The total's GMV since the change point, at most of the last hour, against what is usual."""
        total = self._total()
        if total is None or value_minor <= 0:
            return None
        wanted = max((finding.at_ms - finding.since_ms) // BUCKET_MS, 1)
        recent = [amount for start, amount in self._revenue if start >= finding.since_ms]
        buckets = min(wanted, len(recent), _HOUR_BUCKETS)
        if not buckets:
            return None
        usual = self.recent.usual(buckets)
        clicks, paid = (
            self.recent.since_at(finding.at_ms - buckets * BUCKET_MS, np.array([total]), step)
            for step in (_CLICK, len(self._steps) - 1)
        )
        orders = round(float(usual.reached[total, -1]))
        before = Trade(round(float(usual.entered[total, _CLICK])), orders, round(orders * value_minor))
        after = Trade(
            round(float(clicks.entered[0])),
            round(float(paid.reached[0])),
            sum(recent[-buckets:]),
        )
        return decompose(before, after)

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "recent": self.recent.snapshot(),
            "combinations": self._combinations.snapshot(),
            "revenue": list(self._revenue),
            "scans": self.scans.snapshot(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot."""
        self.recent.restore(state["recent"])
        self._combinations.restore(state["combinations"])
        self._revenue = deque(((start, amount) for start, amount in state["revenue"]), _HOUR_BUCKETS)
        self.scans.restore(state["scans"], self._combinations.names)


def _over(sums: Sums, rows: NDArray[np.intp], step: int, unknown: float) -> float:
    """Reached over expected of some rows together."""
    due = float(sums.expected[rows, step].sum())
    return float(sums.reached[rows, step].sum()) / due if due > 0 else unknown
