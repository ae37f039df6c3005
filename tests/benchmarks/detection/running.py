"""Runs a scenario through a watcher: quiet hours once, then many futures from that point.

Promises: the watcher sees closed buckets and nothing else; each future has its own chance; what was
learnt in the quiet hours is shared by the futures of one run, so runs are repeated with other seeds.
Several watchers are shown the same buckets, side by side.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tests.benchmarks.detection import catalogue, laws, light, shop
from tests.benchmarks.detection.effects import What
from tests.benchmarks.detection.light_buckets import STAGES, closed_buckets
from tests.benchmarks.detection.outcome import Judge, Outcome, about_conversion, about_traffic
from tests.benchmarks.detection.scenarios import MINUTE_MS, Scenario, Stage
from tests.benchmarks.detection.scoring import episodes
from tests.benchmarks.detection.telling import Teller
from tests.benchmarks.detection.watching import Budget, Told, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from streams.closed import ClosedBucket
    from tests.benchmarks.detection.catalogue import Catalogue
    from tests.benchmarks.detection.effects import Effect
    from tests.benchmarks.detection.watching import Scope

    Make = Callable[[Budget], Watcher]

# A Monday, 11:00, in UTC.
ONSET_MS: Final = 1_762_167_600_000
_PER_MINUTE: Final = 6
_EVERYWHERE: Final = (("all", "all"),)
_TOUCHED: Final = 0.15  # of the slots; the total moves by 3 % at most


@dataclass(frozen=True, slots=True)
class Plan:
    """How a scenario is run.

    Attributes:
        realistic: see the worlds.
        rate: orders a minute of each slot in the light world.
        slots: replicates at once in the light world.
        futures: how often the future is drawn after the same quiet hours.
        history_min: quiet minutes before.
        clicks: a minute in the shop, where the scenario does not set it.
        skus: of the shop; slots and banners stay.
        seed: all chance comes from it.
        budget_days: days of a slot (of the shop, for scenarios there) per false alarm allowed.
    """

    realistic: bool = True
    rate: float = 6.0
    slots: int = 100
    futures: int = 1
    history_min: int = 24 * 60
    clicks: float = 10_000.0
    skus: int = 5_000
    seed: int = 1
    budget_days: float | None = None


class Timed:
    """A watcher, what it says, and the CPU time it takes."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self.said: list[Told] = []
        self.seconds = 0.0
        self.buckets = 0
        self._learnt: object = None

    def observe(self, closed: ClosedBucket) -> None:
        """Show it a bucket."""
        start = time.process_time()
        self.said.extend(self.watcher.observe(closed))
        self.seconds += time.process_time() - start
        self.buckets += 1

    def learn(self) -> None:
        """What it knows by now is what futures go on from."""
        self._learnt = self.watcher.snapshot()
        self.said = []

    def again(self) -> None:
        """Back to there, with nothing said."""
        self.watcher.restore(self._learnt)
        self.said = []

    def reset(self) -> tuple[float, int]:
        """CPU seconds and buckets since this was last asked."""
        spent, self.seconds, self.buckets = (self.seconds, self.buckets), 0.0, 0
        return spent


class Quiet:
    """The quiet hours before: what watchers and world were at their end, for futures to go on from.

    Args:
        scenario: whose futures are to come; in the light world others of the same lead may share it.
        plan: see it.
        makes: the watchers, each of which sees the same.
    """

    def __init__(self, scenario: Scenario, plan: Plan, *makes: Make) -> None:
        before = ONSET_MS - (plan.history_min + scenario.lead) * MINUTE_MS
        ticks = plan.history_min * _PER_MINUTE
        if scenario.stage is Stage.LIGHT:
            self.world = light.World(
                light.Settings(plan.slots, plan.rate, plan.realistic, seed=plan.seed), before
            )
            budget = Budget.per_slot(plan.slots, plan.budget_days or 60, STAGES)
            buckets = closed_buckets(self.world, ticks)
        else:
            self.teller = Teller(shop.Shop(_shop_settings(scenario, plan), before))
            budget = Budget(7 / (plan.budget_days or 7))
            self._effects, self._scope = _placed(scenario, self.teller, plan.seed)
            # Journeys are drawn whole: those that are under way at the onset are to meet it as well.
            buckets = self.teller.closed(ticks, self._effects)
        self.watching = [Timed(make(budget)) for make in makes]
        for closed in buckets:
            for timed in self.watching:
                timed.observe(closed)
        for timed in self.watching:
            timed.learn()

    def future(self, scenario: Scenario, number: int, *outcomes: Outcome) -> None:
        """One of many that may follow; its scores are added to the outcomes, one for each watcher."""
        for timed in self.watching:
            timed.again()
        if scenario.stage is Stage.LIGHT:
            world = copy.deepcopy(self.world)
            world.reseed(number)
            self._light_future(scenario, world, number, outcomes)
        else:
            teller = copy.deepcopy(self.teller)
            teller.reseed(number)
            self._shop_future(scenario, teller, outcomes)

    def futures(self, scenario: Scenario, count: int) -> list[Outcome]:
        """So many, and what they took, by watcher."""
        outcomes = [Outcome() for _ in self.watching]
        for timed in self.watching:
            timed.reset()
        for number in range(count):
            self.future(scenario, number, *outcomes)
        for timed, outcome in zip(self.watching, outcomes, strict=True):
            outcome.seconds, outcome.buckets = timed.reset()
        return outcomes

    def _light_future(
        self, scenario: Scenario, world: light.World, seed: int, outcomes: Sequence[Outcome]
    ) -> None:
        slots = world.settings.slots
        chance = np.random.default_rng((world.settings.seed, seed, 2))
        touched = sorted(chance.permutation(slots)[: max(int(slots * _TOUCHED), 1)].tolist())
        effects = scenario.placed(ONSET_MS, touched)
        ticks = (scenario.lead + scenario.minutes) * _PER_MINUTE
        self._play(scenario, closed_buckets(world, ticks, effects))
        broken = {world.names[slot] for slot in touched} if scenario.local else set()
        others = [name for name in world.names if name not in broken and name != light.REST]
        judge = Judge(scenario.truth, ONSET_MS, _end(scenario, effects))
        for timed, outcome in zip(self.watching, outcomes, strict=True):
            for name in sorted(broken):
                judge.broken(outcome, _of_slot(timed.said, name), (("slot", name),))
            if not scenario.local and not scenario.silent:
                judge.broken(outcome, timed.said, scenario.truth.scope)
            _cry(outcome, scenario, timed.said, others)
            outcome.slot_days += len(others) * ticks / (_PER_MINUTE * 1_440)

    def _shop_future(self, scenario: Scenario, teller: Teller, outcomes: Sequence[Outcome]) -> None:
        if scenario.sold_out:
            for timed in self.watching:
                timed.watcher.sold_out(scenario.sold_out, ONSET_MS)
        self._play(scenario, teller.closed(scenario.minutes * _PER_MINUTE, self._effects))
        judge = Judge(scenario.truth, ONSET_MS, _end(scenario, self._effects))
        for timed, outcome in zip(self.watching, outcomes, strict=True):
            mine = set() if scenario.silent else judge.broken(outcome, timed.said, self._scope)
            wrong = [told for told in about_conversion(timed.said) if told.incident not in mine]
            outcome.runs += 1
            outcome.crying += bool(wrong)
            outcome.false_episodes += len(wrong)
            outcome.slot_days += scenario.minutes / 1_440
            outcome.traffic += about_traffic(timed.said)
            outcome.kinds.update(told.kind for told in wrong)

    def _play(self, scenario: Scenario, buckets: Iterable[ClosedBucket]) -> None:
        """S15 goes through a restart five minutes after the onset."""
        for closed in buckets:
            for timed in self.watching:
                timed.observe(closed)
                if scenario.name == "S15" and closed.end_ms == ONSET_MS + 5 * MINUTE_MS:
                    timed.watcher.restore(timed.watcher.snapshot())


def run(scenario: Scenario, plan: Plan, make: Make) -> Outcome:
    """All futures of one run."""
    (outcome,) = Quiet(scenario, plan, make).futures(scenario, plan.futures)
    return outcome


def _of_slot(said: Sequence[Told], name: str) -> list[Told]:
    return [told for told in said if ("slot", name) in told.scope]


def _cry(outcome: Outcome, scenario: Scenario, said: Sequence[Told], quiet: Sequence[str]) -> None:
    """False words: about slots that are well, and about the total."""
    wrong = [
        told for told in about_conversion(said) if told.kind not in scenario.truth.kinds or scenario.local
    ]
    by_slot: dict[str, list[float]] = {}
    for told in wrong:
        for _, key in told.scope:
            by_slot.setdefault(key, []).append(told.at_ms / MINUTE_MS)
    crying = [by_slot[name] for name in quiet if name in by_slot]
    outcome.runs += len(quiet)
    outcome.crying += len(crying)
    outcome.false_episodes += sum(episodes(times) for times in crying)
    outcome.wide += sum(bool({key for _, key in told.scope} & {"all", light.REST}) for told in wrong)
    outcome.wide_runs += 1
    outcome.traffic += about_traffic(said)
    outcome.kinds.update(told.kind for told in wrong if set(told.scope) & {("slot", n) for n in quiet})


def _shop_settings(scenario: Scenario, plan: Plan) -> catalogue.Settings:
    seeded = catalogue.Settings(
        plan.clicks,
        skus=plan.skus,
        realistic=plan.realistic,
        seed=plan.seed,
        low_intent=scenario.low_intent,
    )
    if scenario.attempts is None:
        return seeded
    # Where only the rate of attempts matters, a small catalogue does; the onset is a busy hour.
    at_onset = float(laws.traffic_at(np.array([ONSET_MS % 86_400_000 / 1000])).item())
    clicks = scenario.attempts / (0.03 * at_onset)
    return replace(seeded, clicks_per_minute=clicks, slots=5, banners=10, skus=50)


def _placed(scenario: Scenario, teller: Teller, seed: int) -> tuple[tuple[Effect, ...], Scope]:
    """What is done to the shop, and where; what the scenario leaves open is chosen."""
    effects, scope = tuple(scenario.placed(ONSET_MS)), scenario.truth.scope
    if scenario.site is not None:
        parts = teller.shop.combinations
        effects = tuple(replace(each, factor=campaign(parts, each.where, scenario.site)) for each in effects)
    if any(key == "" for _, key in scope):
        where, scope = _pair(teller, seed)
        effects = tuple(replace(effect, where=where) for effect in effects)
    return effects, scope


def campaign(parts: Catalogue, where: Sequence[tuple[str, int]], site: float) -> float:
    """By how much traffic has to grow there for so much of the site's conversion to be left.

    Raises:
        ValueError: those who come there buy too well for that.
    """
    here = np.logical_and.reduce([parts.part(dimension) == number for dimension, number in where])
    share = float(parts.weight[here].sum() / parts.weight.sum())
    usual = float(np.average(parts.conversion, weights=parts.weight))
    bought = float(np.average(parts.conversion[here], weights=parts.weight[here])) / usual
    if bought >= site:
        raise ValueError(f"visitors who buy {bought:.2f} of the usual cannot bring a site to {site:.2f}")
    # With n times the site's visitors more of them: (1 + n bought) / (1 + n) = site.
    return 1 + (1 - site) / (site - bought) / share


def _pair(teller: Teller, seed: int) -> tuple[tuple[tuple[str, int], ...], Scope]:
    """One of the thirty busiest pairs of slot and banner."""
    parts, banners = teller.shop.combinations, teller.shop.settings.banners
    weight = np.bincount(parts.slot * banners + parts.banner, parts.weight)
    slot, banner = divmod(int(np.argsort(-weight)[seed % 30]), banners)
    scope = (("slot", teller.names["slot"][slot]), ("banner", teller.names["banner"][banner]))
    return (("slot", slot), ("banner", banner)), scope


def _end(scenario: Scenario, effects: Sequence[Effect]) -> int | None:
    if not scenario.truth.ends:
        return None
    return max(effect.end_ms for effect in effects if effect.what is not What.TRAFFIC)


def lost_orders(scenario: Scenario, rate: float, delay_min: float) -> float:
    """Orders that a slot of this rate lost before the word: rate x drop x the share already due."""
    drop = 1 - next(effect.factor for effect in scenario.effects if effect.what is What.CONVERSION)
    due = np.cumsum(laws.joint(laws.CLICK_TO_ORDER, 10, laws.ATTRIBUTION_S).sum(axis=1))
    ticks = round(min(delay_min, 240) * _PER_MINUTE)
    held = np.concatenate([due, np.full(max(ticks - due.size, 0), due[-1])])[:ticks] / due[-1]
    return float(rate * 1.3 / _PER_MINUTE * drop * held.sum())
