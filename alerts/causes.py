"""From findings of one closing to causes: what is held back, named, priced, folded, diagnosed and graded.

Decides nothing about counts; who said a thing and when it is over is in ``roots.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alerts.diagnosis.diagnosing import RuledOut
from alerts.diagnosis.fold import FoldSettings, Opened, fold
from alerts.diagnosis.money import severity
from alerts.identity import ABOUT_DATA
from alerts.mixed import Mixed
from alerts.model import EVERYWHERE, Kind, Rooted, Severity
from alerts.newcomers import of_newcomers
from alerts.roots import Roots
from alerts.stock import SoldOut
from alerts.withheld import Withheld

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alerts.control import Stock
    from alerts.diagnosis.fold import Root
    from alerts.diagnosis.leaves import Leaves
    from alerts.incident import Incident
    from alerts.judges.spoken import Spoken
    from alerts.judges.steps import StepJudge
    from alerts.lifecycle import Lifecycle
    from alerts.model import Finding, Step
    from alerts.places import Places
    from alerts.series import SeriesTable
    from alerts.settings import EngineSettings
    from streams.promotions import Calendar


class Closing(NamedTuple):
    """What is so at the close of a bucket, beside its counts.

    Attributes:
        at_ms: its end.
        value: of an order, minor units; 0 if nobody knows.
        currency: of that.
        calendar: of promotions.
    """

    at_ms: int
    value: float
    currency: str | None
    calendar: Calendar


class Causes:
    """See the module.

    Args:
        settings: the engine's.
        table: the rows.
        judge: of steps, for what they usually bring.
        places: where and why.
    """

    def __init__(
        self, settings: EngineSettings, table: SeriesTable, judge: StepJudge, places: Places
    ) -> None:
        self._settings = settings
        self._table = table
        self._judge = judge
        self._places = places
        self._mixed = Mixed(settings.nodes, settings.sequential.tolerance, places.mixed)
        self._sold_out = SoldOut()
        self.roots = Roots(settings.nodes)
        self.withheld = Withheld()

    def hear(self, stock: Stock) -> None:
        """Somebody said what is sold out, or is back."""
        self._sold_out.hear(stock)

    def find(
        self, spoken: Sequence[Spoken], slower: Sequence[Finding], closing: Closing, lifecycle: Lifecycle
    ) -> list[Rooted]:
        """One for each cause among the findings of one closing.

        Args:
            spoken: what the judges say.
            slower: steps that only take longer.
            closing: what is so besides.
            lifecycle: incidents that are open.
        """
        known = self.roots.series
        withheld = self._mixed.withheld(spoken, known, closing.at_ms)
        withheld |= of_newcomers(spoken, known, closing.at_ms, self._places.campaign)
        self.withheld.note(withheld, closing.at_ms)
        spoken = [each for each in spoken if each.series not in withheld]
        if not spoken and not slower:
            return []
        findings = self._priced(spoken, closing, lifecycle)
        scans = self._places.scans
        current, leaves = self._folded(findings, slower, closing.at_ms, lifecycle)
        unknown = scans.unknown([root.finding for root in current], closing.at_ms)
        if unknown:
            current, leaves = self._folded(findings, slower, closing.at_ms, lifecycle, unknown)
        scans.note([root.finding for root in current], closing.at_ms)
        self.roots.note(current)
        return [self._rooted(root, leaves, closing, slower) for root in current]

    def _priced(self, spoken: Sequence[Spoken], closing: Closing, lifecycle: Lifecycle) -> list[Finding]:
        """Findings with their names and losses, the strongest of each identity."""
        mixed = frozenset(i.step for i in lifecycle.identities if i.family == Kind.MIX_SHIFT and i.step)
        named = self._places.named((finding for finding, _ in spoken), mixed)
        priced = [
            self._places.priced(self._sold_out.named(finding), closing.value, closing.currency)
            for finding in named
        ]
        return self.roots.strongest(priced, [series for _, series in spoken])

    def _folded(
        self,
        findings: Sequence[Finding],
        slower: Sequence[Finding],
        at_ms: int,
        lifecycle: Lifecycle,
        anew: frozenset[Step] = frozenset(),
    ) -> tuple[list[Root], Mapping[Step | None, Leaves]]:
        """The causes of one closing, and the leaves by step that they were looked for in."""
        opened = self._opened(lifecycle.incidents)
        held = [known.finding for known in opened]
        leaves, proposals = self._places.scans.take(findings, at_ms, anew, held)
        roots = fold(
            [*findings, *slower],
            self._fold_settings(),
            opened=opened,
            leaves=leaves,
            proposals=proposals,
        )
        looked = {*proposals}
        current = (root for root in roots if root.finding.at_ms == at_ms or root.finding in looked)
        return self.roots.together(current, lifecycle.identities), leaves

    def _fold_settings(self) -> FoldSettings:
        dimensions = self._table.dimensions
        sizes = np.bincount(self._table.levels, minlength=len(dimensions)).tolist()
        return FoldSettings(
            self._settings.nodes,
            tuple(name for name in dimensions if name != EVERYWHERE[0].dimension),
            dict(zip(dimensions, sizes, strict=True)),
            self._settings.sequential.tolerance,
        )

    def _opened(self, incidents: Sequence[Incident]) -> list[Opened]:
        """Open incidents with their last findings, oldest first."""
        found = []
        for incident in sorted(incidents, key=lambda one: (one.opened_at_ms, one.id)):
            finding = self.roots.last(incident)
            if finding is not None and finding.kind not in ABOUT_DATA:
                found.append(Opened(incident.id, finding))
        return found

    def _rooted(
        self,
        root: Root,
        leaves: Mapping[Step | None, Leaves],
        closing: Closing,
        slower: Sequence[Finding],
    ) -> Rooted:
        finding, value = root.finding, closing.value
        diagnosis = self._places.diagnose(
            finding, leaves.get(finding.step), len(root.children), value, _ruled_out(finding, slower)
        )
        active = [
            one
            for one in closing.calendar.active(finding.at_ms)
            if any(one.promotion.covers(*place) for place in finding.scope)
        ]
        phase = active[0].phase.value if active else None
        level = severity(
            finding,
            normal_minor_per_minute=self._places.normal_minor_per_minute(value),
            share_of_expected=self._share(finding),
            phase=phase,
        )
        shift = max((one.severity_shift for one in active), default=0)
        return Rooted(finding, diagnosis, _shifted(level, shift), active[0].name if active else None, phase)

    def _share(self, finding: Finding) -> float:
        """Part of the total's expected conversions that the finding's place has."""
        steps = self._judge.steps
        if finding.step is None or finding.step not in steps or self._judge.last is None:
            return 1.0
        rates = self._judge.per_minute[:, steps.index(finding.step)]
        total = float(rates[self._table.levels == 0].sum())
        minutes = max(finding.at_ms - finding.since_ms, 60_000) / 60_000
        return min(finding.expected / minutes / total, 1.0) if total > 0 else 1.0

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "mixed": self._mixed.snapshot(),
            "roots": self.roots.snapshot(),
            "withheld": self.withheld.snapshot(),
            "sold_out": self._sold_out.snapshot(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot."""
        self._mixed.restore(state["mixed"])
        self.roots.restore(state["roots"])
        self.withheld.restore(state["withheld"])
        self._sold_out = SoldOut.restore(state["sold_out"])


def _ruled_out(finding: Finding, slower: Sequence[Finding]) -> tuple[RuledOut, ...]:
    """Nothing is judged on data that cannot be believed; what a step reached is held against what entered."""
    if finding.step is None:
        return (RuledOut.DATA,)
    late = any(one.step == finding.step for one in slower)
    return (RuledOut.DATA, RuledOut.TRAFFIC, *(() if late else (RuledOut.LATENCY,)))


def _shifted(level: Severity, by: int) -> Severity:
    """A severity some steps up (or down)."""
    rising = tuple(Severity)
    return rising[min(max(rising.index(level) + by, 0), len(rising) - 1)]
