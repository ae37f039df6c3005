"""Which runs make the table: scenarios, modes, watchers and seeds, cut into pieces of work.

Thresholds were chosen looking at seeds below ``FIRST_SEED`` at most; the table uses those from there. But for S8:
the engine was mended looking at nine of its shops, so the table uses those behind them.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final

import numpy as np

from tests.benchmarks.detection import laws, yardsticks
from tests.benchmarks.detection.adaptive import AdaptiveBands
from tests.benchmarks.detection.ours import engine_for
from tests.benchmarks.detection.outcome import Outcome
from tests.benchmarks.detection.rules import FixedLine, LagCusum, ThreeSigma, WeekOverWeek
from tests.benchmarks.detection.running import Plan, Quiet
from tests.benchmarks.detection.scenarios import SCENARIOS, Scenario, Stage
from tests.benchmarks.detection.watching import Budget, RuleWatcher, Together, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tests.benchmarks.detection.pieces import Pieces
    from tests.benchmarks.detection.rules import Rule

FIRST_SEED: Final = 1_000
_FIRST_UNSEEN: Final = {"S8": 1_009}
OURS: Final = "Funnelwatch"
_SLOTS: Final = 100
_BROKEN: Final = 15  # of a hundred slots
_SMALL_SHOP: Final = 2_000.0  # clicks a minute: 60 orders
_SMALL: Final = frozenset({"S6a", "S6b", "S6c"})
# Days for one false alarm where a yardstick names another number than 60 for a slot, 7 for the shop.
_BUDGET_DAYS: Final = {"S7": 1.0}


# Visitors in five minutes under which people do not look at a ratio.
_LEAST: Final = 50
# Calibrated to one false alarm in 60 days of a slot; see the optima.
_OPTIMAL: Final = 9.8
_SUCCESS: Final = 0.92
_SHOP_SERIES: Final = (
    ("all", ("order", "paid")),
    *((dimension, ("click", "order")) for dimension in ("all", "slot", "banner", "sku")),
)
_OPTIMUM: Final = "CUSUM that knows rates and delays"


def _cusum(stage: Stage, *, realistic: bool) -> Watcher:
    """Of slots for -30 %; in the shop of payments, whose rate is the same everywhere, for -50 %."""
    if stage is Stage.LIGHT:
        p, taps = yardsticks.known(realistic=realistic), yardsticks.BUCKETS.taps()
        return RuleWatcher(lambda: LagCusum(p, taps, 0.3, (_OPTIMAL,)), ticks=1)
    taps = np.asarray(laws.joint(laws.PAYMENT, 10, laws.ATTRIBUTION_S).sum(axis=1))
    rule = LagCusum(lambda _: _SUCCESS, taps, 0.5, (yardsticks.GUARANTEED,))
    return RuleWatcher(lambda: rule, ticks=1, dimension="all", step=("order", "paid"))


def _rule(stage: Stage, make: Callable[[float], Rule]) -> Watcher:
    """A rule in use today, told the usual ratio: on slots, or on all that a shop would set it up for."""
    if stage is Stage.LIGHT:
        return RuleWatcher(lambda: make(_seen()))
    return Together(
        [
            RuleWatcher(
                partial(make, _SUCCESS if step[1] == "paid" else _seen()),
                dimension=dimension,
                step=step,
                least=_LEAST,
            )
            for dimension, step in _SHOP_SERIES
        ]
    )


# By name, what makes one for a budget, a mode and a world; rules have no budget, and few know the mode.
WATCHERS: Final[dict[str, Callable[[Budget, bool, Stage], Watcher]]] = {
    OURS: lambda budget, _, __: engine_for(budget),
    _OPTIMUM: lambda _, realistic, stage: _cusum(stage, realistic=realistic),
    "fixed < .7 of usual, 5 min": lambda _, __, stage: _rule(stage, FixedLine),
    "3-sigma, 5 min vs last 60": lambda _, __, stage: _rule(stage, lambda _: ThreeSigma()),
    "day before < .7, 60 min": lambda _, __, stage: _rule(stage, lambda _: WeekOverWeek(60, period=1_440)),
    # Has nothing to say before it saw a week and an hour: not with less than ``--history-hours 170``.
    "week before < .7, 60 min": lambda _, __, stage: _rule(stage, lambda _: WeekOverWeek(60)),
    "adaptive recording rules, 5 min": lambda _, __, stage: _rule(stage, lambda _: AdaptiveBands()),
}


def watchers_of(scenario: Scenario) -> tuple[str, ...]:
    """Who can be run on it: in the shop, what is best is known of payments only."""
    best_is_known = scenario.stage is Stage.LIGHT or scenario.truth.step == "paid"
    return tuple(name for name in WATCHERS if name != _OPTIMUM or best_is_known)


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
    """A piece of work for one process: one history, and by row how many futures go on from it."""

    rows: tuple[tuple[Row, int], ...]
    plan: Plan

    def done(self) -> list[tuple[Row, Outcome]]:
        """Run it, all watchers side by side."""
        first, _ = self.rows[0]
        scenario = SCENARIOS[first.scenario]
        watchers = [*dict.fromkeys(row.watcher for row, _ in self.rows)]
        quiet = Quiet(scenario, self.plan, *(partial(_made, first, name) for name in watchers))
        counts = {row.scenario: futures for row, futures in self.rows}
        found = {name: quiet.futures(SCENARIOS[name], count) for name, count in counts.items()}
        return [(row, found[row.scenario][watchers.index(row.watcher)]) for row, _ in self.rows]


def _made(row: Row, watcher: str, budget: Budget) -> Watcher:
    return WATCHERS[watcher](budget, row.realistic, SCENARIOS[row.scenario].stage)


@dataclass(frozen=True, slots=True)
class Shop:
    """The full shop, which may be run smaller than it is."""

    clicks: float = 10_000.0
    skus: int = 5_000
    history_hours: int = 24


@dataclass(frozen=True, slots=True)
class Size:
    """How much is run: replicates of each scenario, quiet hours before, and futures after each of these."""

    replicates: int = 1_000
    shop_replicates: int = 20
    history_hours: int = 24
    slots: int = _SLOTS
    futures: int = 10
    shop: Shop = Shop()


def works(rows: Iterable[Row], size: Size) -> Iterator[Work]:
    """Pieces of rows that may share their histories: a seed and the futures drawn from its history."""
    shared: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        shared.setdefault(_history(row), []).append(row)
    for group in shared.values():
        futures = {row: _futures(row, size) for row in group}
        for seed, first in enumerate(range(0, max(futures.values()), size.futures)):
            now = {row: min(size.futures, many - first) for row, many in futures.items() if many > first}
            yield Work(tuple(now.items()), _plan(group[0], size, seed))


def _history(row: Row) -> tuple[object, ...]:
    """Rows alike in it may go on from the same quiet hours; the shop's know of what is to come."""
    scenario = SCENARIOS[row.scenario]
    own = scenario.lead if scenario.stage is Stage.LIGHT else scenario.name
    return row.realistic, row.rate, own


def _plan(row: Row, size: Size, seed: int) -> Plan:
    light = SCENARIOS[row.scenario].stage is Stage.LIGHT
    hours = size.history_hours if light else size.shop.history_hours
    return Plan(
        realistic=row.realistic,
        rate=row.rate,
        slots=size.slots,
        history_min=60 * hours,
        clicks=min(_SMALL_SHOP, size.shop.clicks) if row.scenario in _SMALL else size.shop.clicks,
        skus=size.shop.skus,
        seed=_FIRST_UNSEEN.get(row.scenario, FIRST_SEED) + seed,
        budget_days=_BUDGET_DAYS.get(row.scenario),
    )


def _futures(row: Row, size: Size) -> int:
    """How many futures give that many replicates; a slot's day is one of S0."""
    scenario = SCENARIOS[row.scenario]
    if scenario.stage is Stage.SHOP:
        return max(size.shop_replicates if scenario.minutes < 1_440 else size.shop_replicates // 10, 1)
    per_future = max(size.slots * _BROKEN // 100, 1) if scenario.local else size.slots
    return -(-size.replicates // per_future)


def results(
    rows: Sequence[Row], size: Size, jobs: int, note: Callable[[str], None], pieces: Pieces | None = None
) -> dict[Row, Outcome]:
    """Outcomes by row.

    Args:
        rows: to be run.
        size: how much of each.
        jobs: processes.
        note: hears of every piece that is done.
        pieces: those that were done before, which are not run again; new ones are kept there.
    """
    todo = list(works(rows, size))
    out: dict[Row, Outcome] = {row: Outcome() for row in rows}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        earlier = {work: pieces.done(work) for work in todo} if pieces else {}
        begun = {pool.submit(work.done): work for work in todo if not earlier.get(work)}
        done = {work: found for work, found in earlier.items() if found}
        for future in as_completed(begun):
            work, found = begun[future], future.result()
            done[work] = found
            if pieces:
                pieces.keep(work, found)
            for row, outcome in found:
                note(f"{row.scenario} {row.watcher} seed {work.plan.seed}: {outcome.runs} runs")
    # In the order of the plan, whatever was done first: the same command gives the same file.
    for row, outcome in (each for work in todo for each in done[work]):
        out[row].add(outcome)
    return out
