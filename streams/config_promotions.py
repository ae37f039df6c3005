"""The section ``promotions``: sales as people write them down, and the calendar that they make.

Times are local in the promotion's time zone (default: that of ``watch``, which is by default that of
``metrics``) or carry their own offset. Phases begin and end at times, or so long after (``30m``) or
before (``-1h``) the start, or at ``start`` and ``end`` with an offset (``end-45m``); what is not said
follows from start and end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationInfo, field_validator, model_validator

from streams.config_errors import wrong
from streams.config_section import Section
from streams.config_types import Currency, FromText, Name, Text, ZoneName, is_zone, listed, number, whole
from streams.durations import DAY, HOUR, MINUTE, parse_duration_ms
from streams.local_time import parse_local_time_ms
from streams.promotions import Lift, Phase, PhaseSpan, Promotion, Strictness, Targets

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_MS: Final = 100 * DAY
# In 1973 and in 9999: a number below is no time in ms, but perhaps a day written without its dashes.
_FIRST_MS: Final = 10**11
_LAST_MS: Final = 253_402_300_799_999
_WARMUP_MS: Final = HOUR
_OPEN_MS: Final = 30 * MINUTE
_LAST_MS_OF_SALE: Final = HOUR
_MOMENT: Final = re.compile(
    r"(?P<anchor>start|end)?\s*(?:(?P<sign>[+-])?\s*(?P<span>[0-9dhms ]+))?", re.ASCII
)
_A_MOMENT: Final = "must be a time, or start, end, 30m, -1h, start+30m or end-1h"

Factor = Annotated[float, number(0.001, 1000)]
Sensitivity = Annotated[float, number(0.01, 100)]
Tolerance = Annotated[float, number(0, 0.9)]


class Expected(Section):
    """What is expected of a promotion or a phase, and how closely it is looked at."""

    traffic_lift: Factor | None = None
    conversion_lift: Factor | None = None
    sensitivity: Sensitivity | None = None
    tolerance: Tolerance | None = None
    severity_shift: Annotated[int, whole(-2, 2)] | None = None


class TimedPhase(Expected):
    """A phase with a beginning and an end; one that ends where it begins is left out."""

    from_: Text | None = None
    until: Text | None = None

    @field_validator("from_", "until")
    @classmethod
    def _moment(cls, text: str | None) -> str | None:
        try:
            _moment_ms(text or "start", 0, 0, ZoneInfo("UTC"))
        except ValueError as error:
            raise wrong(str(error)) from None
        return text


class Phases(Section):
    """The phases; ``steady`` is what the others leave between start and end."""

    warmup: TimedPhase = TimedPhase()
    open: TimedPhase = TimedPhase()
    steady: Expected = Expected()
    last_hour: TimedPhase = TimedPhase()


class TargetsEntry(Section):
    """What is to be reached from start to end; ``conversion`` is that of clicks into paid."""

    orders: Annotated[int, whole(1, 10**12)] | None = None
    revenue_minor_units: Annotated[int, whole(1, 10**15)] | None = None
    currency: Currency | None = None
    conversion: Annotated[float, number(0.000_001, 1)] | None = None

    @model_validator(mode="after")
    def _money_has_a_currency(self) -> Self:
        if (self.revenue_minor_units is None) != (self.currency is None):
            given = "currency" if self.revenue_minor_units is None else "revenue_minor_units"
            raise wrong("revenue_minor_units and currency stand together", at=(given,))
        return self


Keys = Annotated[tuple[Text, ...], FromText, Field(min_length=1, max_length=10_000)]


class PromotionEntry(Expected):
    """One promotion. Without ``scope`` what it lifts is everything; with it, the keys named there."""

    name: Text
    time_zone: ZoneName = "UTC"
    start_ms: int
    end_ms: int
    phases: Phases = Phases()
    scope: Annotated[Mapping[Name, Keys], FromText, Field(max_length=10)] = {}
    targets: TargetsEntry = TargetsEntry()

    @field_validator("start_ms", "end_ms", mode="plain")
    @classmethod
    def _time(cls, value: object, info: ValidationInfo) -> int:
        if isinstance(value, int) and _FIRST_MS <= value <= _LAST_MS:
            return value
        return _local_ms(value, ZoneInfo(info.data.get("time_zone", "UTC")))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.end_ms <= self.start_ms:
            raise wrong("must be after start", at=("end",))
        if self.end_ms - self.start_ms > _LONGEST_MS:
            raise wrong("must be at most 100 days after start", at=("end",))
        self._bounds()
        return self

    def plain(self) -> Promotion:
        """The promotion as the rest of the code knows it."""
        money = self.targets
        return Promotion(
            name=self.name,
            start_ms=self.start_ms,
            end_ms=self.end_ms,
            spans=tuple(self._spans()),
            scope={dimension: frozenset(keys) for dimension, keys in self.scope.items()},
            targets=Targets(money.orders, money.revenue_minor_units, money.currency, money.conversion),
        )

    def _spans(self) -> Iterable[PhaseSpan]:
        warmup, opening, last = self._bounds()
        steady = _Bounds(opening.end_ms, last.start_ms)
        before = _Bounds(self.start_ms, opening.start_ms)
        after = _Bounds(last.end_ms, self.end_ms)
        timed = (
            (Phase.WARMUP, warmup, self.phases.warmup),
            (Phase.STEADY, before, self.phases.steady),
            (Phase.OPEN, opening, self.phases.open),
            (Phase.STEADY, steady, self.phases.steady),
            (Phase.LAST_HOUR, last, self.phases.last_hour),
            (Phase.STEADY, after, self.phases.steady),
        )
        return [self._span(*each) for each in timed if each[1].start_ms < each[1].end_ms]

    def _span(self, phase: Phase, bounds: _Bounds, own: Expected) -> PhaseSpan:
        # What is expected of the sale is not expected before its start.
        lift = (1.0, 1.0) if phase is Phase.WARMUP else (self.traffic_lift, self.conversion_lift)
        return PhaseSpan(
            phase,
            *bounds,
            Lift(_first(own.traffic_lift, lift[0], 1.0), _first(own.conversion_lift, lift[1], 1.0)),
            Strictness(
                _first(own.sensitivity, self.sensitivity, 1.0),
                self.tolerance if own.tolerance is None else own.tolerance,
                _first(own.severity_shift, self.severity_shift, 0),
            ),
        )

    def _bounds(self) -> tuple[_Bounds, _Bounds, _Bounds]:
        """Of warm-up, opening and last hour; the latter two share what is too short for both."""
        start, end = self.start_ms, self.end_ms
        last_from = self._at("last_hour", "from_", end)
        opening_ends = max(start, min(start + _OPEN_MS, (start + end) // 2, last_from))
        opening = self._phase("open", start, opening_ends)
        last = self._phase("last_hour", max(end - _LAST_MS_OF_SALE, opening.end_ms), end)
        warmup = self._phase("warmup", start - _WARMUP_MS, start)
        self._check("warmup", warmup, _Bounds(start - _LONGEST_MS, start), "before start")
        self._check("open", opening, _Bounds(start, end), "from start to end")
        self._check("last_hour", last, _Bounds(opening.end_ms, end), "from the end of open to end")
        return warmup, opening, last

    def _phase(self, name: str, start_ms: int, end_ms: int) -> _Bounds:
        begins = self._at(name, "from_", start_ms)
        return _Bounds(begins, self._at(name, "until", end_ms))

    def _at(self, phase: str, edge: str, default_ms: int) -> int:
        text: str | None = getattr(getattr(self.phases, phase), edge)
        if text is None:
            return default_ms
        try:
            return _moment_ms(text, self.start_ms, self.end_ms, ZoneInfo(self.time_zone))
        except ValueError as error:
            raise wrong(str(error), at=("phases", phase, edge.rstrip("_"))) from None

    def _check(self, phase: str, bounds: _Bounds, room: _Bounds, where: str) -> None:
        own: TimedPhase = getattr(self.phases, phase)
        edge = "until" if own.until is not None else "from"
        if bounds.end_ms < bounds.start_ms:
            raise wrong("must not end before it begins", at=("phases", phase, edge))
        if bounds.start_ms < room.start_ms:
            raise wrong(f"must lie {where}", at=("phases", phase, "from"))
        if bounds.end_ms > room.end_ms:
            raise wrong(f"must lie {where}", at=("phases", phase, "until"))


class _Bounds(NamedTuple):
    start_ms: int
    end_ms: int


def _first(*values: Any) -> Any:  # noqa: ANN401 - of one kind at each call
    return next(value for value in values if value is not None)


def _local_ms(value: object, zone: ZoneInfo) -> int:
    if not isinstance(value, str):
        raise wrong("must be a time such as 2026-11-11 20:00 or 2026-11-11T20:00:00+08:00")
    try:
        return parse_local_time_ms(value, zone)
    except ValueError as error:
        raise wrong(str(error)) from None


def _moment_ms(text: str, start_ms: int, end_ms: int, zone: ZoneInfo) -> int:
    """When that is; it may lie before the start.

    Raises:
        ValueError: what is wrong with it, for a human.
    """
    match = _MOMENT.fullmatch(text.strip())
    if match is None or not match[0]:
        return _time_ms(text, zone)
    anchor_ms = end_ms if match["anchor"] == "end" else start_ms
    if match["span"] is None:
        return anchor_ms
    if match["anchor"] and not match["sign"]:
        raise ValueError(_A_MOMENT)
    span_ms = _span_ms(match["span"])
    return anchor_ms - span_ms if match["sign"] == "-" else anchor_ms + span_ms


def _span_ms(text: str) -> int:
    try:
        span_ms = parse_duration_ms(text)
    except ValueError:
        span_ms = _LONGEST_MS + 1
    if text.strip().isdigit() or span_ms > _LONGEST_MS:
        raise ValueError(_A_MOMENT)
    return span_ms


def _time_ms(text: str, zone: ZoneInfo) -> int:
    try:
        return parse_local_time_ms(text, zone)
    except ValueError as error:
        raise ValueError(str(error) if "-" in text[1:] else _A_MOMENT) from None


def with_zones(values: object) -> object:
    """The tree as it was written, with the time zone that promotions have if they name none."""
    if not isinstance(values, dict):
        return values
    zone = _zone_in(values.get("metrics"))
    watch = _with_zone(values.get("watch", {}), zone)
    zone = _zone_in(watch) or zone
    promotions = listed(values.get("promotions"))
    if isinstance(promotions, list):
        promotions = [_with_zone(entry, zone) for entry in promotions]
    placed = {"watch": watch, "promotions": promotions}
    return values | {name: value for name, value in placed.items() if value}


def _zone_in(section: object) -> str | None:
    zone = section.get("time_zone") if isinstance(section, dict) else None
    return zone if is_zone(zone) else None


def _with_zone(section: object, zone: str | None) -> object:
    return {"time_zone": zone} | section if isinstance(section, dict) and zone else section
