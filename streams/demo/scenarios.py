"""Named incidents for the simulated shop, and what is true then: the list S0 to S15.

A scenario is data: what is bent, by how much, where, from when to when. Times stand in minutes after
the onset here and are placed on the clock by :func:`placed`. Its truth says what a watcher should find
and when it began; a scenario with no truth should pass in silence. Slots, banners and SKUs are the
busiest ones, which stand in front in the shop.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from streams.demo.circumstances import MINUTE_MS, Circumstances, Deliveries, Neutral
from streams.demo.shop import METHODS, Floats, Ints, Shop
from streams.demo.sinks import partition_of
from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOREVER_MIN: Final = 10**7
# What was held up comes so many times faster than it should have.
BACKFILL: Final = 20


class What(StrEnum):
    """What is bent; the chances are the steps of :class:`streams.demo.circumstances.Scenario`."""

    TRAFFIC = "traffic"
    EXPOSURES = "exposures"
    ORDER_DELAY = "delay"
    STALL = "stall"
    CART = "view>cart"
    ORDER = "checkout>order"
    ANSWER = "payment_attempt>answer"


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that is bent.

    Attributes:
        what: the thing.
        factor: multiplier; of a stall it means nothing.
        start: minutes after the onset, as are ``end`` and ``ramp``, how long it takes to come about.
        where: numbers by ``slot``, ``banner``, ``sku`` or ``method``; for a stall ``topic`` (0
            clickstream, 1 orders) and ``partition``.
        timed: if not, it always was so.
    """

    what: What
    factor: float = 0.0
    start: float = 0.0
    end: float = FOREVER_MIN
    ramp: float = 0.0
    where: Mapping[str, int] = field(default_factory=dict)
    timed: bool = True


@dataclass(frozen=True, slots=True)
class Truth:
    """What should be found.

    Attributes:
        kinds: any of these; the first says most.
        scope: numbers by dimension; none is everywhere.
        steps: any of these; none where it is about no step.
        detail: a word that has to be there.
        start: minutes after the onset.
    """

    kinds: tuple[str, ...]
    scope: Mapping[str, int] = field(default_factory=dict)
    steps: tuple[str, ...] = ()
    detail: str = ""
    start: float = 0.0


@dataclass(frozen=True, slots=True)
class Named:
    """A scenario of the list. ``lasts`` is how long its trouble lasts, in minutes."""

    name: str
    what: str
    effects: tuple[Effect, ...] = ()
    truth: tuple[Truth, ...] = ()
    lasts: float = FOREVER_MIN
    partitions: int = 1


DROPS: Final = ("conversion_drop", "node_break")
BREAKS: Final = ("node_break", "conversion_drop")
SLOT, BANNER, SKU, SURGING_SKU = 0, 0, 0, 2
_PAY: Final = Truth(BREAKS, {}, ("order>paid",))


def _slot(name: str, what: str, factor: float, **timing: float) -> Named:
    kinds = DROPS if factor else BREAKS
    return Named(
        name,
        what,
        (Effect(What.ORDER, factor, where={"slot": SLOT}, ramp=timing.get("ramp", 0)),),
        (Truth(kinds, {"slot": SLOT}, ("checkout>order",)),),
        timing.get("lasts", FOREVER_MIN),
    )


def _outage(name: str, what: str, where: Mapping[str, int], detail: str, partitions: int = 1) -> Named:
    stall = Effect(What.STALL, where=where)
    return Named(name, what, (stall,), (Truth(("data_outage",), where, (), detail),), 15, partitions)


_FLASH: Final = Effect(What.TRAFFIC, 10, ramp=1)
# Low intent is what the visitors of this slot always had; that they become many is what happens.
_CAMPAIGN: Final = (
    Effect(What.CART, 0.1, where={"slot": SLOT}, timed=False),
    Effect(What.EXPOSURES, 12, ramp=5, where={"slot": SLOT}),
)

_LIST: Final = (
    Named("S0", "nothing"),
    Named("S1", "the payment node hangs", (Effect(What.ANSWER),), (_PAY,)),
    Named(
        "S1b",
        "one payment method hangs",
        (Effect(What.ANSWER, where={"method": METHODS.index("wechat_pay")}),),
        (Truth(BREAKS, {}, ("order>paid",), "wechat_pay"),),
    ),
    _slot("S2", "-30 % on one slot", 0.7),
    _slot("S2c", "-50 % on one slot", 0.5),
    _slot("S2d", "one slot stops converting", 0.0),
    _slot("S3", "one slot sinks to -50 % within two hours", 0.5, ramp=120),
    Named("S4", "traffic doubles, same conversion", (Effect(What.TRAFFIC, 2),)),
    Named("S5", "a flash sale opens: traffic x10 within a minute, same conversion", (_FLASH,)),
    Named("S5b", "a flash sale ends: traffic / 10", (Effect(What.TRAFFIC, 10, -60, 0, 1),)),
    Named(
        "S5b+",
        "one slot -50 % ten minutes before a flash sale ends",
        (
            Effect(What.TRAFFIC, 10, -50, 10, 1),
            Effect(What.ORDER, 0.5, where={"slot": SLOT}),
        ),
        (Truth(DROPS, {"slot": SLOT}, ("checkout>order",)),),
    ),
    Named(
        "S5c",
        "a flash sale opens, and people take twice as long to order",
        (_FLASH, Effect(What.ORDER_DELAY, 2)),
        (Truth(("slower",), {}, ("view>cart", "cart>checkout", "checkout>order")),),
    ),
    _outage("S6a", "the orders topic stalls for 15 min, then back-fills", {"topic": 1}, "silent"),
    _outage("S6b", "all topics stall for 15 min, then back-fill", {}, "silent"),
    _outage("S6c", "one partition stalls for 15 min, then back-fills", {"partition": 1}, "", 4),
    Named("S7", "nothing; with --skus 5000: many SKUs that sell little"),
    Named(
        "S8",
        "a campaign brings visitors of low intent to one slot",
        _CAMPAIGN,
        (Truth(("mix_shift",), {}, ("view>cart",)),),
    ),
    Named(
        "S9",
        "a SKU is sold out",
        (Effect(What.CART, where={"sku": SKU}),),
        (Truth(("out_of_stock", *BREAKS), {"sku": SKU}, ("view>cart",)),),
    ),
    Named(
        "S10",
        "a price error: one SKU is bought five times as much",
        (Effect(What.CART, 5, where={"sku": SURGING_SKU}),),
        (Truth(("conversion_surge",), {"sku": SURGING_SKU}, ("view>cart",)),),
    ),
    Named("S11", "the payment node hangs: one message", (Effect(What.ANSWER),), (_PAY,)),
    Named(
        "S12",
        "-80 % where one slot shows one banner",
        (Effect(What.ORDER, 0.2, where={"slot": SLOT, "banner": BANNER}),),
        (Truth(DROPS, {"slot": SLOT, "banner": BANNER}, ("checkout>order",)),),
    ),
    Named(
        "S13",
        "a slot stops converting, then nobody comes to it any more",
        (
            Effect(What.ORDER, where={"slot": SLOT}),
            Effect(What.EXPOSURES, start=45, where={"slot": SLOT}),
        ),
        (
            Truth(BREAKS, {"slot": SLOT}, ("checkout>order",)),
            Truth(("traffic_drop",), {"slot": SLOT}, start=45),
        ),
    ),
    _slot("S14", "-50 % on one slot for two hours, then well again", 0.5, lasts=120),
    _slot("S15", "-50 % on one slot; restart the watch in the middle", 0.5),
)
SCENARIOS: Final[Mapping[str, Named]] = {scenario.name: scenario for scenario in _LIST}


class Times(NamedTuple):
    """When a scenario's trouble begins; how long it lasts, None for as long as it does in the list."""

    onset_ms: int
    lasts_ms: int | None = None


def scenario_named(name: str) -> Named:
    """A scenario by name, in upper or lower case.

    Raises:
        ConfigError: there is none.
    """
    found = {key.lower(): scenario for key, scenario in SCENARIOS.items()}.get(name.lower())
    if found is None:
        raise ConfigError("--scenario", f"one of {', '.join(SCENARIOS)}")
    return found


class Placed(Neutral):
    """A scenario at its time.

    Args:
        scenario: of the list.
        times: when.
        partitions: source partitions there are, for what stalls one of them.
    """

    def __init__(self, scenario: Named, times: Times, partitions: int = 1) -> None:
        self._scenario = scenario
        self._times = times
        self._partitions = partitions

    def traffic(self, time_ms: int) -> float:
        """All visitors."""
        at = np.array([time_ms])
        levels = (self._level(effect, at).item() for effect in self._of(What.TRAFFIC))
        return float(np.prod(list(levels)))

    def chance(self, step: str, at: Circumstances) -> Floats | float:
        """Of those who are at a step."""
        return self._bent(step, at)

    def delay(self, step: str, at: Circumstances) -> Floats | float:
        """From click to order."""
        return self._bent(What.ORDER_DELAY, at) if step == What.ORDER else 1.0

    def exposures(self, at: Circumstances) -> Floats | None:
        """How many see a place."""
        if not any(True for _ in self._of(What.EXPOSURES)):
            return None
        return self._bent(What.EXPOSURES, at) * np.ones(len(at.time_ms))

    def arrivals(self, at: Deliveries) -> Ints:
        """What stalls comes after its end, faster than it should have."""
        arrival_ms = at.arrival_ms
        for effect in self._of(What.STALL):
            start_ms, end_ms = self._span(effect)
            held = (arrival_ms >= start_ms) & self._stalls(effect, at)
            # What comes while the rest is still being sent waits behind it.
            sent_ms = end_ms + (arrival_ms - start_ms) // BACKFILL
            arrival_ms = np.where(held, np.maximum(arrival_ms, sent_ms), arrival_ms)
        return arrival_ms

    def _stalls(self, effect: Effect, at: Deliveries) -> Any:  # noqa: ANN401 - an array of flags or True
        topic, partition = effect.where.get("topic"), effect.where.get("partition")
        held = np.ones(len(at.visitor), np.bool_) if topic is None else at.orders == bool(topic)
        if partition is None:
            return held
        mine = (partition_of(b"v%d" % v, self._partitions) == partition for v in at.visitor.tolist())
        return held & np.fromiter(mine, np.bool_, len(at.visitor))

    def _of(self, what: str) -> Iterator[Effect]:
        return (effect for effect in self._scenario.effects if effect.what == what)

    def _bent(self, what: str, at: Circumstances) -> Floats | float:
        factor: Floats | float = 1.0
        for effect in self._of(what):
            here = np.ones(len(at.time_ms), np.bool_)
            for column, number in effect.where.items():
                here &= _is(getattr(at, column), column, number)
            factor = factor * np.where(here, self._level(effect, at.time_ms), 1.0)
        return factor

    def _level(self, effect: Effect, time_ms: Ints) -> Floats:
        """The multiplier at these times."""
        if not effect.timed:
            return np.full(len(time_ms), effect.factor)
        start_ms, end_ms = self._span(effect)
        ramp_ms = max(effect.ramp * MINUTE_MS, 1.0)
        part = np.clip((time_ms - start_ms + 1) / ramp_ms, 0.0, 1.0) * (time_ms < end_ms)
        level: Floats = 1 + (effect.factor - 1) * part
        return level

    def _span(self, effect: Effect) -> tuple[int, int]:
        return _span(self._scenario, self._times, effect.start, effect.end)


def _span(scenario: Named, times: Times, start: float, end: float) -> tuple[int, int]:
    lasts_ms = round(scenario.lasts * MINUTE_MS) if times.lasts_ms is None else times.lasts_ms
    last_ms = times.onset_ms + (lasts_ms if end == FOREVER_MIN else round(end * MINUTE_MS))
    return times.onset_ms + round(start * MINUTE_MS), last_ms


def _is(numbers: Ints, column: str, number: int) -> Any:  # noqa: ANN401 - an array of flags
    """A method has several numbers, for it has a share of the payments."""
    if column == "method":
        return np.isin(numbers, [n for n, name in enumerate(METHODS) if name == METHODS[number]])
    return numbers == number


def truth_of(scenario: Named, times: Times, shop: Shop) -> dict[str, Any]:
    """What is true, as plain data; ``incidents`` is empty where silence is right."""
    return {
        "version": 1,
        "scenario": scenario.name,
        "what": scenario.what,
        "seed": shop.settings.seed,
        "silent": not scenario.truth,
        "onset_ms": times.onset_ms,
        "incidents": [_incident(scenario, truth, times, shop) for truth in scenario.truth],
    }


def _incident(scenario: Named, truth: Truth, times: Times, shop: Shop) -> dict[str, Any]:
    start_ms, end_ms = _span(scenario, times, truth.start, FOREVER_MIN)
    forever = scenario.lasts == FOREVER_MIN and times.lasts_ms is None
    return {
        "kind": truth.kinds[0],
        "kinds": list(truth.kinds),
        "scope": _scope(truth.scope, shop),
        "step": truth.steps[0] if truth.steps else None,
        "steps": list(truth.steps),
        "detail": truth.detail,
        "start_ms": start_ms,
        "end_ms": None if forever else end_ms,
    }


def _scope(where: Mapping[str, int], shop: Shop) -> list[dict[str, str]]:
    names = {
        "slot": shop.slot_names,
        "banner": shop.banner_names,
        "sku": shop.sku_names,
        "topic": ["clickstream", "orders"],
    }
    found = [
        {"dimension": name, "key": names[name][number] if name in names else str(number)}
        for name, number in where.items()
    ]
    return found or [{"dimension": "all", "key": "all"}]
