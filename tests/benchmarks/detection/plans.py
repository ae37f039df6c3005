"""Which runs make the table: scenarios, modes, watchers and seeds, cut into pieces of work.

Thresholds were chosen looking at seeds below ``FIRST_SEED`` at most; the table uses those from there.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final

from tests.benchmarks.detection import yardsticks
from tests.benchmarks.detection.ours import engine_for
from tests.benchmarks.detection.outcome import Outcome
from tests.benchmarks.detection.rules import FixedLine, LagCusum, ThreeSigma, WeekOverWeek
from tests.benchmarks.detection.running import Plan, run
from tests.benchmarks.detection.scenarios import SCENARIOS, Stage
from tests.benchmarks.detection.watching import Budget, RuleWatcher, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

FIRST_SEED: Final = 1_000
OURS: Final = "Funnelwatch"
_SLOTS: Final = 100
_BROKEN: Final = 15  # of a hundred slots
_SMALL_SHOP: Final = 2_000.0  # clicks a minute: 60 orders
_SMALL: Final = frozenset({"S6a", "S6b", "S6c"})
_FUTURES_PER_SEED: Final = 10
# Days for one false alarm where a yardstick names another number than 60 for a slot, 7 for the shop.
_BUDGET_DAYS: Final = {"S7": 1.0}


def _cusum(*, realistic: bool) -> Watcher:
    p, taps = yardsticks.known(realistic=realistic), yardsticks.BUCKETS.taps()
    return RuleWatcher(lambda: LagCusum(p, taps, 0.3), ticks=1)


# By name, what makes one for a budget and a mode; rules have no budget, and few know the mode.
WATCHERS: Final[dict[str, Callable[[Budget, bool], Watcher]]] = {
    OURS: lambda budget, _: engine_for(budget),
    "CUSUM r=.3 that knows p and delays": lambda _, realistic: _cusum(realistic=realistic),
    "fixed < .7 p0, 5 min": lambda _, __: RuleWatcher(lambda: FixedLine(_seen())),
    "3-sigma, 5 min vs last 60": lambda _, __: RuleWatcher(ThreeSigma),
    "day before < .7, 60 min": lambda _, __: RuleWatcher(lambda: WeekOverWeek(60, period=1_440)),
}


def _seen() -> float:
    """Orders per click that come within the attribution window."""
    return yardsticks.P0 * float(yardsticks.BUCKETS.taps().sum())


@dataclass(frozen=True, slots=True)
class Row:
    """What outcomes are summed over."""

    scenario: str
    watcher: str
    realistic: bool
    rate: float = 6.0


@dataclass(frozen=True, slots=True)
class Work:
    """A piece of work for one process."""

    row: Row
    plan: Plan

    def done(self) -> Outcome:
        """Run it."""
        make = WATCHERS[self.row.watcher]
        return run(SCENARIOS[self.row.scenario], self.plan, lambda budget: make(budget, self.row.realistic))


@dataclass(frozen=True, slots=True)
class Size:
    """How much is run: replicates of each scenario, and quiet hours before."""

    replicates: int = 1_000
    shop_replicates: int = 20
    history_hours: int = 24
    slots: int = _SLOTS


def works(rows: Iterable[Row], size: Size) -> Iterator[Work]:
    """Each row's pieces: a seed and the futures drawn from its history."""
    for row in rows:
        futures = _futures(row, size)
        for seed, first in enumerate(range(0, futures, _FUTURES_PER_SEED)):
            plan = Plan(
                realistic=row.realistic,
                rate=row.rate,
                slots=size.slots,
                futures=min(_FUTURES_PER_SEED, futures - first),
                history_min=60 * size.history_hours,
                clicks=_SMALL_SHOP if row.scenario in _SMALL else 10_000.0,
                seed=FIRST_SEED + seed,
                budget_days=_BUDGET_DAYS.get(row.scenario),
            )
            yield Work(row, plan)


def _futures(row: Row, size: Size) -> int:
    """How many futures give that many replicates; a slot's day is one of S0."""
    scenario = SCENARIOS[row.scenario]
    if scenario.stage is Stage.SHOP:
        return max(size.shop_replicates if scenario.minutes < 1_440 else size.shop_replicates // 10, 1)
    per_future = max(size.slots * _BROKEN // 100, 1) if scenario.local else size.slots
    return -(-size.replicates // per_future)


def results(rows: Sequence[Row], size: Size, jobs: int, note: Callable[[str], None]) -> dict[Row, Outcome]:
    """Outcomes by row; ``note`` hears of every piece that is done."""
    todo = list(works(rows, size))
    out: dict[Row, Outcome] = {row: Outcome() for row in rows}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for work, outcome in zip(todo, pool.map(Work.done, todo), strict=True):
            out[work.row].add(outcome)
            note(f"{work.row.scenario} {work.row.watcher} seed {work.plan.seed}: {outcome.runs} runs")
    return out
