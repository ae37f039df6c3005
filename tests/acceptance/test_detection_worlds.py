"""The worlds that detection is measured in are what they say, and so are the yardsticks."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING

import numpy as np
import pytest

from streams.closed import BUCKET_MS, LAG, PAYMENT_METHOD, VISITORS, ClosedBucket
from tests.benchmarks.detection import catalogue, laws, light, shop
from tests.benchmarks.detection.adaptive import AdaptiveBands
from tests.benchmarks.detection.earlier import Ran, read, write
from tests.benchmarks.detection.effects import Effect, What
from tests.benchmarks.detection.light_buckets import closed_buckets
from tests.benchmarks.detection.outcome import Outcome
from tests.benchmarks.detection.pieces import Pieces, program
from tests.benchmarks.detection.plans import (
    FIRST_SEED,
    OURS,
    WATCHERS,
    Row,
    Size,
    Work,
    results,
    watchers_of,
)
from tests.benchmarks.detection.rules import FixedLine, LagCusum
from tests.benchmarks.detection.running import ONSET_MS, Plan, Quiet, campaign, run
from tests.benchmarks.detection.scenarios import SCENARIOS
from tests.benchmarks.detection.scoring import episodes, rate_bound, upper_bound
from tests.benchmarks.detection.telling import Teller
from tests.benchmarks.detection.watching import Budget, RuleWatcher, Watcher
from tests.benchmarks.detection.yardsticks import BUCKETS, MINUTES, Morning, by_hour, false_alarms, flat

if TYPE_CHECKING:
    from pathlib import Path

_SMALL = catalogue.Settings(600.0, slots=5, banners=10, skus=40)


def _total(buckets: list[ClosedBucket], dimension: str, column: int) -> int:
    cells = [one.cells(dimension) for one in buckets]
    cells += [counts[dimension] for one in buckets for _, counts in one.late if dimension in counts]
    return sum(int(one.counts[one.columns == column].sum()) for one in cells)


@pytest.mark.parametrize("realistic", [False, True])
def test_light_world_adds_up(*, realistic: bool) -> None:
    """The total is the sum of the slots, in every bucket, late counts too."""
    world = light.World(light.Settings(5, realistic=realistic), ONSET_MS)
    for one in closed_buckets(world, 120):
        for counts in (one.counts, *(late for _, late in one.late)):
            for column in np.unique(counts["slot"].columns).tolist():
                slots = counts["slot"].column(column, 6).sum()
                assert counts["all"].column(column, 1).sum() == slots


def test_nothing_is_lost_by_coming_late() -> None:
    """What came in time and what came late of a bucket are together what happened in it."""
    world = light.World(light.Settings(5, realistic=True), ONSET_MS)
    happened = copy.deepcopy(world).block(180).clicks.sum(axis=1)[:120]  # the rest may still be due
    told = np.zeros(180, np.int64)
    for one in closed_buckets(world, 180):
        for start, counts in ((one.start_ms, one.counts), *one.late):
            told[(start - ONSET_MS) // BUCKET_MS] += counts["all"].column(1, 1).sum()
    assert told[:120].tolist() == happened.tolist()


def test_light_world_has_the_rate_it_is_asked_for() -> None:
    """Six orders a minute per slot over a day, within what chance allows."""
    world = light.World(light.Settings(50, background=0, tick_s=60), ONSET_MS)
    orders = world.block(1_440).orders
    assert orders.mean() == pytest.approx(6, rel=0.01)


def test_lags_of_the_light_world_follow_the_law() -> None:
    """At steady traffic the share of orders by lag is the delay law's."""
    world = light.World(light.Settings(200), ONSET_MS)
    seen = world.block(360).lags.sum(axis=0)
    law = laws.joint(laws.CLICK_TO_ORDER, 10, laws.ATTRIBUTION_S).sum(axis=0)
    assert np.abs(seen / seen.sum() - law / law.sum()).max() < 0.01


def test_lags_after_a_jump_are_those_of_journeys() -> None:
    """Half a minute after traffic rises tenfold, lags are distributed as when each journey is drawn."""
    world = light.World(light.Settings(400, 30.0, background=0), ONSET_MS)
    jump = Effect(What.TRAFFIC, 10, ONSET_MS)
    seen = world.block(3, [jump]).lags[2]
    rng = np.random.default_rng(1)
    clicks = np.concatenate([rng.uniform(-1_800, 0, 400_000), rng.uniform(0, 30, 10 * 400_000 // 60)])
    delays = laws.CLICK_TO_ORDER.draw(rng, clicks.size)
    within = (clicks + delays >= 20) & (clicks + delays < 30) & (delays < laws.ATTRIBUTION_S)
    bins = np.searchsorted(laws.LAG_EDGES, delays[within], side="right") - 1
    drawn = np.bincount(bins, minlength=len(laws.LAG_EDGES))
    assert np.abs(seen / seen.sum() - drawn / drawn.sum()).max() < 0.02


@pytest.mark.parametrize("realistic", [False, True])
def test_shop_adds_up(*, realistic: bool) -> None:
    """Slots, banners and SKUs each add up to the total for every stage, late events included."""
    teller = Teller(shop.Shop(replace(_SMALL, realistic=realistic), ONSET_MS))
    buckets = list(teller.closed(180))
    for stage in range(1, len(catalogue.STAGES)):
        totals = {_total(buckets, name, stage) for name in ("all", "slot", "banner", "sku")}
        assert len(totals) == 1


def test_payments_of_the_shop() -> None:
    """Attempts end in a payment or a failure, 92 % well; methods add up; each payment has its lag."""
    buckets = list(Teller(shop.Shop(replace(_SMALL, clicks_per_minute=6_000), ONSET_MS)).closed(360))
    attempts, paid, failed = (
        _total(buckets, "all", catalogue.STAGES.index(name))
        for name in ("payment_attempt", "paid", "payment_failed")
    )
    assert paid / (paid + failed) == pytest.approx(0.92, abs=0.02)
    assert 0 <= attempts - paid - failed < 100  # under way
    assert _total(buckets, PAYMENT_METHOD, catalogue.STAGES.index("paid")) == paid
    assert _total(buckets, LAG, VISITORS + catalogue.STAGES.index("paid")) == paid


def test_a_stalled_feed_loses_nothing() -> None:
    """While orders stall none is told; afterwards they come late, and as many as without the stall."""
    scenario = SCENARIOS["S6a"]
    teller = Teller(shop.Shop(_SMALL, ONSET_MS))
    other = copy.deepcopy(teller)
    stalled = list(teller.closed(180, scenario.placed(ONSET_MS)))
    order = catalogue.STAGES.index("order")
    assert _total(stalled[:90], "all", order) == 0
    assert not [key for one in stalled[:90] for key in one.records if key[1] == catalogue.ORDERS_TOPIC]
    assert _total(stalled, "all", order) == _total(list(other.closed(180)), "all", order)


def test_the_same_seed_tells_the_same() -> None:
    """Two worlds of one seed give equal buckets; a fork that is reseeded gives others."""
    first, second = (light.World(light.Settings(3), ONSET_MS) for _ in range(2))
    fork = copy.deepcopy(first)
    fork.reseed(5)
    orders = [world.block(60).orders.tolist() for world in (first, second, fork)]
    assert orders[0] == orders[1] != orders[2]


def test_naive_rule_repeats_what_was_found_before() -> None:
    """Fixed line, 5 min: 10.6 false alarms per slot-day were found before."""
    settings = MINUTES.settings(60, 3)
    assert false_alarms(lambda: FixedLine(0.03), MINUTES, settings) == pytest.approx(10.6, rel=0.1)


def test_cusum_repeats_what_was_found_before() -> None:
    """CUSUM for -30 % with the guaranteed threshold: 40 to 44, 21 and 11 min were found before."""
    morning = Morning.of(
        lambda: LagCusum(flat, MINUTES.taps(), 0.3),
        MINUTES,
        MINUTES.settings(150, 4, realistic=False),
        day=False,
    )
    medians = [morning.delays(drop).median for drop in (0.3, 0.5, 1.0)]
    assert medians == pytest.approx([42, 21.5, 11], rel=0.12)


def test_adaptive_rules_repeat_what_was_found_before() -> None:
    """A dead slot took 12 min, through its stragglers; half of a slot's conversion was found in .18 of slots."""
    morning = Morning.of(AdaptiveBands, MINUTES, MINUTES.settings(60, 12))
    dead, half = morning.delays(1.0), morning.delays(0.5)
    assert dead.median == pytest.approx(12, abs=1)
    assert dead.found == 1
    assert half.found < 0.35


def test_adaptive_rules_take_zero_for_no_sample() -> None:
    """Orders that vanish at once are no alarm, for what is exactly zero is not selected."""
    rule = AdaptiveBands()
    clicks, orders = np.array([200]), np.array([6])
    alarms = [rule.step(0, clicks, orders if minute < 90 else 0 * orders).item() for minute in range(120)]
    # The five minutes that still hold some of before are below the band, but not for five minutes.
    assert not any(alarms)


def test_scores() -> None:
    """Episodes merge within half an hour; no alarm in 1,000 runs bounds the share by .3 %."""
    assert episodes([0, 10, 40, 71]) == 2
    assert upper_bound(0, 1_000) == pytest.approx(0.003, rel=0.01)
    assert rate_bound(0) == pytest.approx(3.0, rel=0.01)


def _cusum(_: Budget) -> Watcher:
    return RuleWatcher(lambda: LagCusum(by_hour, BUCKETS.taps(), 0.3), ticks=1)


def test_a_restart_changes_nothing_for_a_yardstick() -> None:
    """The runner's snapshot and restore in the middle of a drop leave every alarm where it was."""
    plan = Plan(slots=20, history_min=60)
    with_restart, without = (run(SCENARIOS[name], plan, _cusum) for name in ("S15", "S15-"))
    assert with_restart.delays == without.delays
    assert with_restart.delay.found == 1


def test_the_runner_scores_crying_wolf() -> None:
    """The fixed line cries in nearly every flash start, and the score says so."""
    plan = Plan(slots=20, history_min=30)
    outcome = run(SCENARIOS["S5"], plan, lambda _: RuleWatcher(lambda: FixedLine(0.0257)))
    assert outcome.runs == 20
    assert outcome.crying >= 15


def test_watchers_side_by_side_score_as_alone() -> None:
    """Who else is shown the same buckets changes nothing."""
    plan = Plan(slots=10, history_min=30)
    fixed = partial(RuleWatcher, lambda: FixedLine(0.0257))
    makes = [lambda _: fixed(), _cusum]
    together = Quiet(SCENARIOS["S5"], plan, *makes).futures(SCENARIOS["S5"], 2)
    alone = [Quiet(SCENARIOS["S5"], plan, make).futures(SCENARIOS["S5"], 2)[0] for make in makes]
    assert [replace(one, seconds=0) for one in together] == [replace(one, seconds=0) for one in alone]
    assert together[0].crying > together[1].crying


@pytest.mark.parametrize("rule", ["fixed < .7 of usual, 5 min", "CUSUM that knows rates and delays"])
def test_rules_in_the_shop_see_payments_die(rule: str) -> None:
    """S1 at 120 attempts a minute, in the order that can be expected: at most five minutes."""
    row = Row("S1@120", rule, realistic=True)
    ((_, outcome),) = Work(((row, 1),), Plan(history_min=60)).done()
    assert outcome.delays[0] <= 5
    assert outcome.right == 1
    assert outcome.false_episodes == 0


def test_every_rule_stands_where_it_can() -> None:
    """What is best is known of payments only, in the shop; all else stands beside ours in every row."""
    assert set(watchers_of(SCENARIOS["S2"])) == set(WATCHERS) == set(watchers_of(SCENARIOS["S1@30"]))
    assert set(WATCHERS) - set(watchers_of(SCENARIOS["S8"])) == {"CUSUM that knows rates and delays"}


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    """What a run gave, false words by kind among it, is the same after it was kept in a file."""
    outcome = Outcome(delays=[1.5, inf], runs=7, crying=2, kinds=Counter(slower=2, mix_shift=1))
    rows = {Row("S8", OURS, realistic=True): Ran(outcome, "make bench-detection")}
    write(tmp_path / "rows.json", rows)
    assert read(tmp_path / "rows.json") == rows


@pytest.mark.parametrize("seed", range(3))
def test_a_campaign_does_to_each_shop_what_its_scenario_says(seed: int) -> None:
    """Whatever the slot's share is: S8 leaves the site with four fifths of its conversion, all slots as they were."""
    parts = catalogue.catalogue(catalogue.Settings(skus=500, seed=seed, low_intent=49))
    (effect,) = SCENARIOS["S8"].effects
    factor = campaign(parts, effect.where, 0.8)
    weight = np.where(parts.slot == 49, factor, 1.0) * parts.weight
    assert factor > 2
    assert np.average(parts.conversion, weights=weight) == pytest.approx(
        0.8 * np.average(parts.conversion, weights=parts.weight)
    )


def test_a_campaign_of_buyers_is_refused() -> None:
    """More of those who buy as well as others make no site worse."""
    parts = catalogue.catalogue(catalogue.Settings(skus=500))
    with pytest.raises(ValueError, match="cannot bring a site"):
        campaign(parts, (("slot", 49),), 0.2)


def test_a_command_goes_on_from_the_pieces_that_are_done(tmp_path: Path) -> None:
    """What was kept is not run again, what was not is, and all together are what one run gives."""
    rows = [Row("S4", OURS, realistic=True)]
    two = Size(replicates=6, slots=3, futures=1, history_hours=1)
    ran: list[str] = []
    first = results(rows, replace(two, replicates=3), 1, ran.append, Pieces(tmp_path))
    both = results(rows, two, 1, ran.append, Pieces(tmp_path))
    assert [first[row].runs for row in rows] == [3]
    assert [both[row].runs for row in rows] == [6]
    assert [text.split(":")[0] for text in ran] == [f"S4 {OURS} seed {FIRST_SEED + n}" for n in (0, 1)]
    again = results(rows, two, 1, ran.append)
    assert len(ran) == 4
    timeless = [replace(each[rows[0]], seconds=0.0) for each in (both, again)]
    assert timeless[0] == timeless[1]


def test_a_piece_of_another_program_is_not_taken(tmp_path: Path) -> None:
    """Whatever is changed in the sources, pieces that were kept before are run again."""
    source = tmp_path / "deep" / "engine.py"
    source.parent.mkdir()
    source.write_text("TOLERANCE = 1\n")
    before = program([tmp_path])
    assert program([tmp_path]) == before
    source.write_text("TOLERANCE = 2\n")
    assert program([tmp_path]) != before
