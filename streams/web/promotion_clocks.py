"""Promotions as the page shows them: a clock, and each target beside what its pace wants by now. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streams.web import shapes, telling

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from streams.web import answers as a
    from streams.web.moment import Moment

_NEAR_MS: Final = 3 * 86_400_000


def clocks(moment: Moment, words: Mapping[str, str], zone: ZoneInfo) -> list[dict[str, Any]]:
    """Those that run, and those that begin within three days."""
    known = telling.promotions(moment).promotions
    near = (one for one in known if one.start_ms - _NEAR_MS < moment.now_ms < one.end_ms)
    return [_clock(one, moment.now_ms, words, zone) for one in near]


def _clock(one: a.PromotionAnswer, now_ms: int, words: Mapping[str, str], zone: ZoneInfo) -> dict[str, Any]:
    runs = one.start_ms <= now_ms
    left = shapes.duration((one.end_ms if runs else one.start_ms) - now_ms, words)
    return {
        "name": one.name,
        "phase": words.get(f"phase_{one.phase}", ""),
        "clock": words["ends_in" if runs else "starts_in"].format(time=left),
        "span": shapes.between(shapes.instant(one.start_ms, zone), shapes.instant(one.end_ms, zone)),
        "done": _share(now_ms - one.start_ms, one.end_ms - one.start_ms),
        "targets": [_target(target, words) for target in one.targets],
    }


def _target(target: a.Target, words: Mapping[str, str]) -> dict[str, Any]:
    known = target.so_far is not None and target.by_now is not None
    late = known and (target.so_far or 0) < (target.by_now or 0)
    return {
        "name": words[target.name],
        "target": _amount(target, target.target),
        "so_far": _amount(target, target.so_far),
        "by_now": _amount(target, target.by_now),
        "word": words["short" if late else "ahead"] if known else "",
        "late": late,
    }


def _share(part: float, whole: float) -> int:
    return round(100 * min(max(part / whole, 0), 1))


def _amount(target: a.Target, number: float | None) -> str:
    if target.name == "conversion":
        return shapes.percent(number)
    if target.currency is not None:
        return shapes.money(number, target.exponent, target.currency)
    return shapes.count(number)
