"""The part *course*: the promotion over time, and its sums beside the last one's."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from streams.closed import EXPONENTS
from streams.report.document import Chart
from streams.report.outline import Times
from streams.report.timeline import Span, activity, cumulated, sums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.report.data import ReportData
    from streams.report.document import Block
    from streams.report.phrases import Phrases


def course(data: ReportData, say: Phrases) -> Iterator[Block]:
    """Both charts."""
    says, heads = say.report.says, say.report.heads
    step = say.length(_step_ms(data))
    svg = activity(
        data.curve,
        data.until_ms,
        [Span(phase.times, say.words.phases[phase.phase.value]) for phase in data.phases],
        [*_troubles(data)],
        (says.orders_per_step.format(step=step), heads.conversion),
        (say.count, say.share, say.clock),
    )
    yield Chart(svg, says.activity.format(step=step), f"{says.marks} {says.lag}")
    yield _sums(data, say)


def _major(say: Phrases, currency: str | None) -> Callable[[float], str]:
    """Whole units for an axis; a count is what it is."""
    digits = 0 if currency is None else EXPONENTS.get(currency, 2)
    return lambda value: say.count(value / 10**digits)


def _step_ms(data: ReportData) -> int:
    edges = data.curve.edges
    return max(end - start for start, end in pairwise(edges))


def _troubles(data: ReportData) -> Iterator[Times]:
    for incident in data.incidents:
        if incident.merged_into is None:
            yield Times(incident.since_ms, incident.resolved_at_ms or data.until_ms)


def _sums(data: ReportData, say: Phrases) -> Chart:
    says, promotion, last = say.report.says, data.promotion, data.last
    of_money = data.currency is not None
    word = "revenue" if of_money else "orders"
    goal = next((target.wanted for target in data.targets if target.word == word), None)
    values = data.curve.revenue if of_money else data.curve.orders
    now = sums(data.curve, values, promotion.start_ms, data.until_ms)
    then: list[tuple[int, float]] = []
    if last is not None and data.last_curve is not None:
        before = data.last_curve.revenue if of_money else data.last_curve.orders
        then = sums(data.last_curve, before, last.times.start_ms, last.times.end_ms)
    length_ms = max(promotion.end_ms - promotion.start_ms, *(at for at, _ in (*now, *then)))
    names = (says.this, says.last.format(name=say.name(last.name)) if last else "", says.goal)
    title = says.cumulated.format(currency=data.currency) if of_money else says.cumulated_orders

    return Chart(
        cumulated(now, then, goal, length_ms, names, (_major(say, data.currency), say.since_start)),
        title,
    )
