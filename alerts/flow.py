"""Records of one series (a topic, one of its partitions, or all) that come, or do not come any more.

A gap is judged under the rate learned before it: nothing for so long that it would happen with
probability ``exp(-evidence)``. What is not there is evidence only if it would be there: the expected
count is scaled by what the *others* saw in the same gap, since a sale that ends takes orders and
clicks with it. Rates follow within minutes, by the lower of a fast and a slow mean, and by the hour of
the week; wild counts are clipped; counts that vary more than a Poisson's weigh less. Rates below
``least_per_minute`` are never judged.

Time is counted in *beats*: one closed bucket, or as many as close together after a pause. A beat's
exposure is no more than what passed by the clock, so buckets that close at once prove nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

_CLIP: Final = 4.0
_CLIP_LEAST: Final = 10.0
# Of a squared residual over its mean; else one jump of traffic would blind for hours.
_RESIDUAL_CLIP: Final = 25.0


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """How silence is told from quiet.

    Attributes:
        threshold: evidence, nats, at which a silence is named: 16.1 is a chance of 1e-7.
        doubt: evidence from which on what is found elsewhere waits.
        least_known_beats: so many beats have to be known of a series before it is judged.
        least_empty_beats: so many have to be empty in a row.
        least_per_minute: slower ones are never judged.
        alone: what a count is scaled by where there are no others to compare with.
        surge: times the rate that is still back-fill after an outage.
        settled_beats: after so many beats without back-fill an outage is over.
        backfill_beats: after so many it is over whatever comes.
    """

    threshold: float = 16.1
    doubt: float = 5.0
    least_known_beats: int = 60
    least_empty_beats: int = 2
    least_per_minute: float = 1.0
    alone: float = 0.1
    surge: float = 3.0
    settled_beats: int = 2
    backfill_beats: int = 60
    fast_half_beats: float = 12.0
    slow_half_beats: float = 180.0
    spread_half_beats: float = 360.0


class Mean(msgspec.Struct):
    """A mean in which each beat leaves ``keep`` of the weight of those before."""

    keep: float
    total: float = 0.0
    weight: float = 0.0

    @classmethod
    def halving(cls, beats: float) -> Mean:
        """One whose weights halve in so many beats."""
        return cls(0.5 ** (1 / beats))

    def add(self, value: float, times: int = 1) -> None:
        """Take in a value, that often."""
        keep = self.keep if times == 1 else self.keep**times
        new = 1.0 if times == 1 else (1 - keep) / (1 - self.keep)
        self.total = self.total * keep + value * new
        self.weight = self.weight * keep + new

    @property
    def value(self) -> float:
        """The mean; 0 before the first value."""
        return self.total / self.weight if self.weight else 0.0


class Gap(msgspec.Struct):
    """Beats without a record: when they began, how many, their exposure (in buckets), what others saw."""

    since_ms: int
    beats: int = 0
    exposure: float = 0.0
    others_seen: float = 0.0
    others_expected: float = 0.0


class Beat(msgspec.Struct, frozen=True):
    """One step of time: from when, its exposure and its span, in buckets. Exposure <= span."""

    start_ms: int
    exposure: float
    span: float


class Flow(msgspec.Struct):
    """See the module. ``silent`` from when a silence is named until records flow as before.

    Attributes:
        settled: beats without back-fill since records came again; None while none have come.
    """

    fast: Mean
    slow: Mean
    spread: Mean
    beats: int = 0
    gap: Gap | None = None
    silent: bool = False
    settled: int | None = None
    resumed: int = 0

    @classmethod
    def begin(cls, settings: FlowSettings) -> Flow:
        """Nothing is known."""
        return cls(
            Mean.halving(settings.fast_half_beats),
            Mean.halving(settings.slow_half_beats),
            Mean.halving(settings.spread_half_beats),
        )

    @property
    def rate(self) -> float:
        """Records per bucket that are to be expected."""
        return min(self.fast.value, self.slow.value)

    @property
    def dispersion(self) -> float:
        """Variance of counts over their mean, at least 1."""
        return max(1.0, self.spread.value)

    def judged(self, settings: FlowSettings) -> bool:
        """Whether enough is known, and comes."""
        return self.beats >= settings.least_known_beats and self.rate * 6 >= settings.least_per_minute

    def take(self, records: int, beat: Beat, *, learn: bool, settings: FlowSettings) -> None:
        """Take in a beat's records.

        Args:
            records: how many came.
            beat: the step of time.
            learn: the rate may be learned from it: no outage is open that reaches this series.
            settings: see there.
        """
        if records == 0:
            self._lengthen(beat)
        elif self.silent:
            self._resume(records, beat, settings)
        else:
            if learn and self.gap is not None:
                self._learn(0.0, self.gap.beats)
            if learn:
                self._learn(records / beat.span)
            self.gap = None

    def _lengthen(self, beat: Beat) -> None:
        gap = self.gap = self.gap or Gap(beat.start_ms)
        gap.beats += 1
        gap.exposure += beat.exposure
        if self.settled is not None:
            self.settled = 0

    def _resume(self, records: int, beat: Beat, settings: FlowSettings) -> None:
        """Records come again: first those that were held up."""
        self.resumed += 1
        calm = records <= settings.surge * self.rate * beat.span + _CLIP_LEAST
        self.settled = (self.settled or 0) + 1 if calm else 0
        if self.settled >= settings.settled_beats or self.resumed >= settings.backfill_beats:
            self.gap, self.silent, self.settled, self.resumed = None, False, None, 0

    def _learn(self, value: float, times: int = 1) -> None:
        expected = self.rate
        if self.beats:
            value = min(value, _CLIP * expected + _CLIP_LEAST)
            residual = (value - expected) ** 2 / max(expected, 1.0)
            self.spread.add(min(residual, _RESIDUAL_CLIP), times)
        self.fast.add(value, times)
        self.slow.add(value, times)
        self.beats += times

    def compare(self, seen: float, expected: float) -> None:
        """What the others saw in this beat, if it is one of a gap."""
        if self.gap is not None:
            self.gap.others_seen += seen
            self.gap.others_expected += expected

    def missing(self, settings: FlowSettings, *, alone: bool) -> float:
        """Records that should have come in the gap, by what the others saw; ``alone`` has no others."""
        if self.gap is None:
            return 0.0
        scale = settings.alone
        if not alone:
            others = self.gap.others_expected
            scale = min(1.0, self.gap.others_seen / others) if others > 0 else settings.alone
        return self.rate * self.gap.exposure * scale

    def name_silence(self, evidence: float, threshold: float, settings: FlowSettings) -> None:
        """Name the silence if the evidence is there."""
        if self.gap is not None and self.gap.beats >= settings.least_empty_beats and evidence >= threshold:
            self.silent = True
