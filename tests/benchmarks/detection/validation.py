"""The world held against figures that another program found: naive rules at a minute's clock."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Final

from tests.benchmarks.detection.yardsticks import (
    BUCKETS,
    MINUTES,
    RULES,
    Morning,
    Optimum,
    false_alarms,
    optimum,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.detection.scoring import Delays

DROPS: Final = (0.3, 0.5, 1.0)
# False alarms a day; delay and share found of -30, -50 and -100 %; alarms at x2 and x10.
_EARLIER: Final[dict[str, tuple[str, ...]]] = {
    "fixed < .7 p0, 5 min": ("10.6", "8 (1.0)", "6", "5", ".80", "1.00"),
    "same, for: 5m": ("5.4", "24 (.99)", "13", "9", ".53", "1.00"),
    "3-sigma, 5 min vs last 60": ("3.0", "212 (.53)", "18 (.73)", "7", ".25", ".91"),
    "same time before < .7, 5 min": ("13.1", "8 (1.0)", "6", "5", ".97", "1.00"),
    "same time before < .7, 60 min": (".07", "90 (.96)", "47", "26", ".01", ".57"),
    "adaptive recording rules, 5 min": (".19", "never (.01)", "never (.18)", "12", "0", ".60"),
    "binomial z < -4, 5 min": (".04", "155 (.66)", "38", "9", ".30", "1.00"),
    "CUSUM r=.3, lag-aware, flat p0": ("1.03", "44", "20", "11", ".19", ".23"),
    "CUSUM r=.3, lag-aware, hour-of-day p": (".02", "40", "21", "11", ".01", "0"),
}


@dataclass(frozen=True, slots=True)
class Repeated:
    """What one rule scored here, beside what was found before."""

    rule: str
    false_per_day: float
    delays: tuple[Delays, ...]
    jumps: tuple[float, float]

    def cells(self) -> tuple[str, ...]:
        """For the table."""
        mine = (
            f"{self.false_per_day:.2f}",
            *(_found(delay) for delay in self.delays),
            *(f"{share:.2f}" for share in self.jumps),
        )
        beside = zip(mine, _EARLIER[self.rule], strict=True)
        return (self.rule, *(f"{here} [{there}]" for here, there in beside))


def _found(delay: Delays) -> str:
    median = f"{delay.median:.0f}" if isfinite(delay.median) else "never"
    return median if delay.found > 0.995 else f"{median} ({delay.found:.2f})"


def repeated(slots: int) -> Iterator[Repeated]:
    """Each rule of the earlier table, on that many slots."""
    for name, make in RULES.items():
        quiet = MINUTES.settings(slots, 11)
        morning = Morning.of(make, MINUTES, MINUTES.settings(slots, 12))
        yield Repeated(
            name,
            false_alarms(make, MINUTES, quiet, days=3),
            tuple(morning.delays(drop) for drop in DROPS),
            (morning.jump(2), morning.jump(10)),
        )


def optima(slots: int) -> dict[str, list[Optimum]]:
    """The best there can be, at both clocks."""
    clocks = (("60 s", MINUTES, slots), ("10 s", BUCKETS, max(slots // 2, 20)))
    return {name: [optimum(drop, clock, many) for drop in DROPS] for name, clock, many in clocks}
