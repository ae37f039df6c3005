"""Sums into figures: a time's funnel and money, phases with plan and earlier days, targets, the last time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from streams.closed import VISITORS
from streams.report.data import Curve, Figures, LastTime, Money, PhaseFigures, Target
from streams.report.outline import EARLIER_DAYS, Times, steps_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from streams.promotions import Promotion
    from streams.report.gathering import Gathering
    from streams.report.track import I64, Track

# So much of a time has to be recorded before it is compared with another.
ENOUGH: Final = 0.99
# Over so many of its first minutes a conversion says little: orders follow clicks.
_NOTHING: Final = (0, 0)


def figures_of(track: Track, dimension: str, times: Times, nodes: int) -> Figures:
    """What was counted between two edges of a track."""
    counts = track.counts(dimension, *times)
    entries = entries_of(counts[np.newaxis, :], nodes)[0]
    return Figures(tuple(entries.tolist()), int(counts[nodes - 1]), money_of(track.money(dimension, *times)))


def entries_of(counts: I64, nodes: int) -> I64:
    """What came to each node, shape (n, nodes), of counts by column: events first, then visitors."""
    columns = [0, *range(VISITORS + 1, VISITORS + nodes)]
    entries: I64 = counts[:, columns]
    return entries


def money_of(sums: Mapping[tuple[str, str], tuple[int, int]]) -> tuple[Money, ...]:
    """By currency, most paid first."""
    found = [
        Money(
            currency,
            *sums.get((currency, "paid"), _NOTHING),
            *sums.get((currency, "cancelled"), _NOTHING),
            *sums.get((currency, "refunded"), _NOTHING),
        )
        for currency in sorted({currency for currency, _ in sums})
    ]
    return tuple(sorted(found, key=lambda money: -money.paid))


def speaker(gathering: Gathering) -> str:
    """The dimension that speaks for the promotion: of its scope the one that sold most, for they overlap."""
    paid, promotion = gathering.nodes - 1, gathering.outline.promotion
    times = promotion.start_ms, promotion.end_ms
    return max(gathering.keys_of, key=lambda dimension: int(gathering.now.counts(dimension, *times)[paid]))


def phases_of(gathering: Gathering, dimension: str) -> Iterator[PhaseFigures]:
    """Each phase with its plan, and the same time on an earlier day."""
    nodes, track = gathering.nodes, gathering.now
    for number, span in enumerate(gathering.outline.promotion.spans):
        times = Times(span.start_ms, span.end_ms)
        days, before = _earlier(gathering, number)
        seen = track.seen(*times)
        earlier = None
        if before is not None and seen >= ENOUGH:
            earlier = figures_of(gathering.earlier[days], dimension, before, nodes)
        yield PhaseFigures(
            span.phase, times, figures_of(track, dimension, times, nodes), seen, span.lift, days, earlier
        )


def _earlier(gathering: Gathering, number: int) -> tuple[int, Times | None]:
    """Days before, and the time, of the nearest counterpart that was recorded."""
    for days in EARLIER_DAYS:
        times = gathering.outline.earlier[days][number]
        if times is not None and gathering.earlier[days].seen(*times) >= ENOUGH:
            return days, times
    return 0, None


def targets_of(promotion: Promotion, sale: Figures, curve: Curve) -> Iterator[Target]:
    """Each target with what was reached."""
    targets = promotion.targets
    if targets.orders is not None:
        at_ms = _reached(curve.orders, curve, targets.orders, promotion.start_ms)
        yield Target("orders", targets.orders, sale.orders, at_ms, None)
    if targets.revenue_minor is not None:
        at_ms = _reached(curve.revenue, curve, targets.revenue_minor, promotion.start_ms)
        revenue = sale.revenue(targets.currency)
        yield Target("revenue", targets.revenue_minor, revenue, at_ms, targets.currency)
    if targets.conversion is not None:
        yield Target("conversion", targets.conversion, sale.conversion.ratio, None, None)


def _reached(values: Sequence[int], curve: Curve, wanted: int, start_ms: int) -> int | None:
    """End of the step in which a sum since the start reached what was wanted."""
    sum_ = 0
    for value, (begins_ms, ends_ms) in zip(
        values, zip(curve.edges, curve.edges[1:], strict=False), strict=True
    ):
        sum_ += value if begins_ms >= start_ms else 0
        if sum_ >= wanted:
            return ends_ms
    return None


def curve_of(
    track: Track, promotion: Promotion, dimension: str, nodes: int, step_ms: int, currency: str | None
) -> Curve:
    """A promotion step by step, from its first phase on."""
    edges = steps_of(promotion, step_ms)
    steps = [figures_of(track, dimension, Times(start, end), nodes) for start, end in pairwise(edges)]
    return Curve(
        tuple(edges),
        tuple(step.clicks for step in steps),
        tuple(step.paid for step in steps),
        tuple(step.orders for step in steps),
        tuple(step.revenue(currency) for step in steps),
    )


def last_time(gathering: Gathering, dimension: str, until_ms: int) -> LastTime | None:
    """The last promotion beside this one, both from their starts on; as long as both were on and recorded."""
    promotion, last, track = gathering.outline.promotion, gathering.outline.last, gathering.then
    if last is None or track is None:
        return None
    times = Times(last.start_ms, last.end_ms)
    lengths = min(until_ms, promotion.end_ms) - promotion.start_ms, last.end_ms - last.start_ms
    compared_ms = _whole_steps(min(lengths), promotion, gathering)
    seen = track.seen(*times)
    if seen < ENOUGH:
        compared_ms = 0
    now, then = (
        figures_of(each, dimension, Times(start_ms, start_ms + compared_ms), gathering.nodes)
        for each, start_ms in ((gathering.now, promotion.start_ms), (track, last.start_ms))
    )
    return LastTime(last.name, times, compared_ms, now, then, seen)


def _whole_steps(length_ms: int, promotion: Promotion, gathering: Gathering) -> int:
    """The longest time up to a length after which both have an edge."""
    last = gathering.outline.last
    if last is None or gathering.then is None:
        return 0
    ours = {edge - promotion.start_ms for edge in gathering.now.edges}
    theirs = {edge - last.start_ms for edge in gathering.then.edges}
    return max((edge for edge in ours & theirs if 0 <= edge <= length_ms), default=0)
