"""The scenarios S0 to S15 as data: what is done to a world, and what is true then.

An effect's times are minutes after the onset here; ``placed`` sets them on the clock. ``{slots}``
scenarios run in the light world, where each replicate is a slot; the others in the full shop.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from alerts.model import Kind
from tests.benchmarks.detection.effects import FOREVER_MS, Effect, What

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.detection.watching import Scope

MINUTE_MS: Final = 60_000
_FOREVER_MIN: Final = FOREVER_MS // MINUTE_MS
# Stands for the slots that are broken in a run.
_BROKEN: Final = (("slot", -1),)
DROPS: Final = (Kind.CONVERSION_DROP, Kind.NODE_BREAK)
# What says that conversion moved. Traffic that doubles may be told as traffic, never as one of these.
CONVERSION_KINDS: Final = (*DROPS, Kind.CONVERSION_SURGE, Kind.SLOWER, Kind.MIX_SHIFT)


class Stage(StrEnum):
    """The world that a scenario runs in."""

    LIGHT = "light"
    SHOP = "shop"


@dataclass(frozen=True, slots=True)
class Truth:
    """What a watcher should say.

    Attributes:
        kinds: any of these is right; none means silence.
        scope: the place; in the light world the slot that is broken, whichever it is.
        step: the later node of the step, or None.
        detail: further word that has to be there, as detail or in the scope: a payment method.
        ends: whether it is over within the run.
    """

    kinds: tuple[Kind, ...] = ()
    scope: Scope = ()
    step: str | None = None
    detail: str = ""
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario.

    Attributes:
        name: as in the list, such as ``S2c``.
        what: in a line.
        stage: the world.
        truth: what is right.
        effects: with times in minutes after the onset.
        minutes: how long it runs after the onset.
        lead: minutes that it needs before the onset (effects that begin then are in ``effects``).
        local: some slots are broken, and each of them is a replicate.
        attempts: payment attempts a minute, where the site's size matters; None leaves it.
        low_intent: first slot whose visitors hardly buy.
        site: what is left of the site's conversion once traffic has grown; by how much it has to grow for that
            depends on the shop, so the factor of the effect is not looked at. None leaves the factor.
        sold_out: a SKU of which the watcher is told at the onset that its stock has ended.
    """

    name: str
    what: str
    stage: Stage
    truth: Truth
    effects: tuple[Effect, ...] = ()
    minutes: int = 240
    lead: int = 0
    local: bool = False
    attempts: float | None = None
    low_intent: int | None = None
    site: float | None = None
    sold_out: str = ""

    @property
    def silent(self) -> bool:
        """Nothing should be said."""
        return not self.truth.kinds

    def placed(self, onset_ms: int, slots: Sequence[int] = ()) -> tuple[Effect, ...]:
        """Effects on the clock; local ones at these slots."""
        return tuple(self._placed(effect, onset_ms, slots) for effect in self.effects)

    def _placed(self, effect: Effect, onset_ms: int, slots: Sequence[int]) -> Effect:
        local = effect.where == _BROKEN
        return replace(
            effect,
            start_ms=onset_ms + effect.start_ms * MINUTE_MS,
            end_ms=min(onset_ms + effect.end_ms * MINUTE_MS, FOREVER_MS),
            ramp_ms=effect.ramp_ms * MINUTE_MS,
            where=tuple(("slot", slot) for slot in slots) if local else effect.where,
        )


def _e(
    what: What,
    factor: float,
    start: int = 0,
    end: int = _FOREVER_MIN,
    ramp: int = 0,
    where: Scope = (),
    node: str = "order",
) -> Effect:
    """Times in minutes after the onset; keys of ``where`` are numbers."""
    return Effect(what, factor, start, end, ramp, tuple((d, int(k)) for d, k in where), node)


def _broken(what: What, factor: float, start: int = 0, end: int = _FOREVER_MIN, ramp: int = 0) -> Effect:
    """Of the slots that are broken."""
    return Effect(what, factor, start, end, ramp, _BROKEN)


def _drop(name: str, what: str, factor: float, ramp: int = 0, minutes: int = 240) -> Scenario:
    """What is found far sooner than in four hours is not followed for so long."""
    effect = _broken(What.CONVERSION, factor, ramp=ramp)
    return Scenario(name, what, Stage.LIGHT, Truth(DROPS, step="order"), (effect,), minutes, local=True)


def _still(name: str, what: str, *effects: Effect, minutes: int = 120, lead: int = 0) -> Scenario:
    return Scenario(name, what, Stage.LIGHT, Truth(), effects, minutes, lead)


_FLASH: Final = _e(What.TRAFFIC, 10, ramp=1)
_FLASH_ENDS: Final = _e(What.TRAFFIC, 10, start=-60, end=0, ramp=1)
_PAY: Final = Truth((Kind.NODE_BREAK, Kind.CONVERSION_DROP), (("all", "all"),), "paid")


def _pay_dies(attempts: float) -> Scenario:
    what = f"payment dies, {attempts:g} attempts/min"
    hang = (_e(What.HANG, 0),)
    return Scenario(f"S1@{attempts:g}", what, Stage.SHOP, _PAY, hang, minutes=30, attempts=attempts)


def _outage(name: str, what: str, scope: Scope, where: Scope) -> Scenario:
    stall = (_e(What.FEED, 0, end=15, where=where),)
    return Scenario(name, what, Stage.SHOP, Truth((Kind.DATA_OUTAGE,), scope, ends=True), stall, minutes=60)


_LIGHT: Final = (
    _still("S0", "nothing", minutes=1_440),
    _drop("S2", "one slot -30 %", 0.7),
    _drop("S2c", "one slot -50 %", 0.5, minutes=120),
    _drop("S2d", "one slot stops converting", 0.0, minutes=60),
    _drop("S3", "linear to -50 % in 120 min", 0.5, ramp=120),
    _still("S4", "traffic x2, same conversion", _e(What.TRAFFIC, 2)),
    _still("S5", "flash start x10 within a minute", _FLASH),
    _still("S5b", "flash ends, traffic / 10", _FLASH_ENDS, lead=60),
    Scenario(
        "S5b+",
        "-50 % begins 10 min before the flash ends",
        Stage.LIGHT,
        Truth(DROPS, step="order"),
        (_e(What.TRAFFIC, 10, start=-50, end=10, ramp=1), _broken(What.CONVERSION, 0.5)),
        lead=60,
        local=True,
    ),
    Scenario(
        "S5c",
        "flash start x10, checkout twice as slow",
        Stage.LIGHT,
        Truth((Kind.SLOWER,), (("all", "all"),), "order"),
        (_FLASH, _e(What.DELAY, 2)),
        minutes=120,
    ),
    Scenario(
        "S13",
        "a slot dies, then its traffic vanishes",
        Stage.LIGHT,
        Truth(DROPS, step="order"),
        (_broken(What.CONVERSION, 0), _broken(What.TRAFFIC, 0, start=45)),
        minutes=120,
        local=True,
    ),
    Scenario(
        "S14",
        "-50 % for two hours, then well again",
        Stage.LIGHT,
        Truth(DROPS, step="order", ends=True),
        (_broken(What.CONVERSION, 0.5, end=120),),
        minutes=240,
        local=True,
    ),
    replace(_drop("S15", "one slot -50 %, restart in the middle", 0.5), minutes=120),
    replace(_drop("S15-", "the same without the restart", 0.5), minutes=120),
)

_SHOP: Final = (
    *(_pay_dies(attempts) for attempts in (6, 30, 120)),
    Scenario(
        "S1b",
        "one of four payment methods dies, 120 attempts/min",
        Stage.SHOP,
        replace(_PAY, detail="alipay"),
        (_e(What.HANG, 0, where=(("method", "0"),)),),
        minutes=60,
        attempts=120,
    ),
    _outage("S6a", "orders stall for 15 min, clicks flow", (("topic", "orders"),), (("topic", "1"),)),
    _outage("S6b", "all topics stall for 15 min", (("all", "all"),), ()),
    _outage("S6c", "one partition stalls for 15 min", (("partition", "1"),), (("partition", "1"),)),
    Scenario("S7", "5,000 SKUs, nothing, a day", Stage.SHOP, Truth(), minutes=1_440),
    Scenario(
        "S8",
        "a campaign brings visitors who hardly buy: site -20 %",
        Stage.SHOP,
        Truth((Kind.MIX_SHIFT,), (("all", "all"),)),
        (_e(What.TRAFFIC, 1, ramp=5, where=(("slot", "49"),)),),
        minutes=120,
        low_intent=49,
        site=0.8,
    ),
    Scenario(
        "S9",
        "the best-selling SKU is sold out",
        Stage.SHOP,
        Truth((Kind.OUT_OF_STOCK,), (("sku", "SKU_0000"),)),
        (_e(What.CONVERSION, 0, where=(("sku", "0"),), node="cart"),),
        minutes=120,
        sold_out="SKU_0000",
    ),
    Scenario(
        "S10",
        "price error: one SKU sells five times as much",
        Stage.SHOP,
        Truth((Kind.CONVERSION_SURGE,), (("sku", "SKU_0003"),)),
        (
            _e(What.CONVERSION, 2.5, where=(("sku", "3"),), node="order"),
            _e(What.CONVERSION, 2, where=(("sku", "3"),), node="checkout"),
        ),
        minutes=120,
    ),
    Scenario("S11", "payment dies, whole shop: messages", Stage.SHOP, _PAY, (_e(What.HANG, 0),), minutes=30),
    Scenario(
        "S12",
        "-80 % where one slot shows one banner",
        Stage.SHOP,
        Truth(DROPS, (("slot", ""), ("banner", "")), "order"),
        (_e(What.CONVERSION, 0.2),),
    ),
)

SCENARIOS: Final = {scenario.name: scenario for scenario in (*_LIGHT, *_SHOP)}
