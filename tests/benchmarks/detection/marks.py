"""The pass marks: what has to be reached, from which runs it is seen, and whether it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.benchmarks.detection.plans import OURS, Row
from tests.benchmarks.detection.scoring import Delays, rate_bound, upper_bound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.benchmarks.detection.outcome import Outcome

    Judged = Callable[[Outcome, "Known"], "Verdict"]

_PER_SLOT_DAY: Final = 1 / 60
_REGRET: Final = 1.25
# Medians wanted at 6 orders a minute, by drop.
_AT_MOST: Final = {0.3: 40.0, 0.5: 23.0, 1.0: 11.0}
# A CUSUM that knows true conversion, ideal mode, a minute's clock.
_S3_OPTIMUM_MIN: Final = 80.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was seen: the value in words, how many runs it is of, and whether that is enough.

    Attributes:
        count: runs in which what is not wanted could have been; None where each has a delay of its own.
    """

    value: str
    runs: str
    reached: bool
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What a verdict may need besides its own row: the optimum's delays by drop, and other rows."""

    optimum: Mapping[float, Delays]
    others: Callable[[str], Outcome | None]


@dataclass(frozen=True, slots=True)
class Mark:
    """One pass mark."""

    scenario: str
    realistic: bool
    wants: str
    judged: Judged

    @property
    def row(self) -> Row:
        """Whose outcome it looks at."""
        return Row(self.scenario, OURS, self.realistic)


def _quiet_days(outcome: Outcome, _: Known) -> Verdict:
    rate = outcome.false_episodes / outcome.slot_days
    bound = rate_bound(outcome.false_episodes) / outcome.slot_days
    value = f"{rate:.4f} a slot-day (95 % bound {bound:.4f}); {outcome.wide} on the total"
    return Verdict(value, f"{outcome.slot_days:.0f} slot-days", rate <= _PER_SLOT_DAY)


def _no_alarm(outcome: Outcome, _: Known) -> Verdict:
    bound = upper_bound(outcome.crying, outcome.runs)
    value = f"{outcome.crying} (95 % bound {100 * bound:.2g} %); {outcome.wide} on the total"
    runs = f"{outcome.runs} slots in {outcome.wide_runs} runs" if outcome.wide_runs else f"{outcome.runs}"
    return Verdict(value, runs, outcome.crying == 0 and outcome.wide == 0, outcome.runs)


def _seconds(limit: float) -> Judged:
    def judged(outcome: Outcome, _: Known) -> Verdict:
        p95, median = 60 * outcome.delay.p95, 60 * outcome.delay.median
        return Verdict(f"p95 {p95:.0f} s, median {median:.0f} s", str(outcome.delay.runs), p95 <= limit)

    return judged


def _regret(drop: float) -> Judged:
    def judged(outcome: Outcome, known: Known) -> Verdict:
        best, seen = known.optimum[drop].median, outcome.delay.median
        value = f"median {seen:.1f} min, optimum {best:.1f}: {seen / best:.2f} times"
        reached = seen <= _REGRET * best and seen <= _AT_MOST[drop]
        return Verdict(value, str(outcome.delay.runs), reached)

    return judged


def _slow(outcome: Outcome, _: Known) -> Verdict:
    value = f"median {outcome.delay.median:.1f} min, found {outcome.delay.found:.3f}"
    return Verdict(value, str(outcome.delay.runs), outcome.delay.median <= _REGRET * _S3_OPTIMUM_MIN)


def _outage(outcome: Outcome, _: Known) -> Verdict:
    delay = outcome.delay
    named = outcome.right / delay.runs if delay.runs else 0.0
    value = f"named {named:.3f}, p95 {60 * delay.p95:.0f} s, {outcome.false_episodes} conversion alerts"
    return Verdict(value, str(delay.runs), named >= 0.99 and delay.p95 <= 0.5 and not outcome.false_episodes)


def _per_day(outcome: Outcome, _: Known) -> Verdict:
    rate, days = outcome.false_episodes / outcome.slot_days, outcome.slot_days
    bound = rate_bound(outcome.false_episodes) / days
    return Verdict(f"{rate:.2f} a day (95 % bound {bound:.1f})", f"{days:.0f} days", rate <= 1)


def _named(outcome: Outcome, _: Known) -> Verdict:
    found, median = outcome.delay.found, outcome.delay.median
    value = f"named {outcome.right}, median {median:.1f} min, {outcome.false_episodes} other"
    return Verdict(
        value, str(outcome.delay.runs), found >= 0.99 and outcome.right >= 0.9 * outcome.delay.runs
    )


def _one_incident(outcome: Outcome, _: Known) -> Verdict:
    each = outcome.messages / max(outcome.incidents, 1)
    per_run = (outcome.incidents + outcome.false_episodes) / max(outcome.runs, 1)
    value = f"{per_run:.2f} incidents a run, {each:.1f} messages on each"
    return Verdict(value, str(outcome.runs), bool(outcome.incidents) and per_run <= 1)


def _places(outcome: Outcome, _: Known) -> Verdict:
    found = max(sum(minute < float("inf") for minute in outcome.delays), 1)
    top, near = outcome.right / found, outcome.near / found
    value = f"top-1 {top:.2f}, top-3 {near:.2f}, found {outcome.delay.found:.2f}"
    return Verdict(value, str(outcome.delay.runs), top >= 0.6 and near >= 0.9)


def _stays(outcome: Outcome, _: Known) -> Verdict:
    value = f"{outcome.cleared} of {outcome.incidents} said to be over"
    return Verdict(value, str(outcome.delay.runs), bool(outcome.incidents) and not outcome.cleared)


def _resolves(outcome: Outcome, known: Known) -> Verdict:
    seen, limit = Delays(tuple(outcome.resolved)).median, 2 * known.optimum[0.5].median
    value = f"median {seen:.1f} min after the end; twice the optimum's delay is {limit:.1f}"
    return Verdict(value, str(len(outcome.resolved)), seen <= limit)


def _same_times(outcome: Outcome, known: Known) -> Verdict:
    other = known.others("S15-")
    if other is None or len(other.delays) != len(outcome.delays):
        return Verdict("not compared", "0", reached=False)
    apart = sum(a != b and abs(a - b) > 1 / 6 for a, b in zip(outcome.delays, other.delays, strict=True))
    doubled = outcome.incidents - other.incidents
    value = f"{apart} more than a step apart, {doubled} incidents more"
    return Verdict(value, str(outcome.delay.runs), apart == 0 and doubled <= 0)


MARKS: Final = (
    Mark("S0", False, "ideal: at most 1/60 false alarms a slot-day", _quiet_days),
    Mark("S0", True, "realistic: at most 1/60 false alarms a slot-day", _quiet_days),
    Mark("S1@120", True, "p95 at most 30 s", _seconds(30)),
    Mark("S1@30", True, "p95 at most 90 s", _seconds(90)),
    Mark("S1b", True, "payment method named", _named),
    Mark("S2", False, "-30 %: median at most 1.25 x optimum", _regret(0.3)),
    Mark("S2c", False, "-50 %: likewise", _regret(0.5)),
    Mark("S2d", False, "dead: likewise", _regret(1.0)),
    Mark("S3", False, "ideal, slow drop: median at most 1.25 x 80 min", _slow),
    Mark("S3", True, "realistic, slow drop: likewise", _slow),
    *(Mark(name, True, "no conversion alarm", _no_alarm) for name in ("S4", "S5", "S5b", "S5c")),
    Mark("S5b+", True, "drop before the flash ends found as fast as -50 %", _regret(0.5)),
    *(
        Mark(name, True, "named >= 99 %, <= 30 s, no conversion alert", _outage)
        for name in ("S6a", "S6b", "S6c")
    ),
    Mark("S7", True, "at most one alarm a day over 5,000 SKUs", _per_day),
    Mark("S8", True, "no alarm but mix shift", _no_alarm),
    Mark("S9", True, "out of stock, named", _named),
    Mark("S10", True, "surge, SKU named", _named),
    Mark("S11", True, "one incident", _one_incident),
    Mark("S12", True, "top-1 >= .6, top-3 >= .9", _places),
    Mark("S13", True, "stays firing", _stays),
    Mark("S14", True, "over when it is over", _resolves),
    Mark("S15", True, "same alarms after a restart", _same_times),
)
