"""The parts *funnel*, *phase by phase*, *against plan*, *against last time* and *incidents*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.content.facts import loss, observed
from alerts.content.places import step_of, where
from streams.core.orders import NO_CURRENCY
from streams.durations import DAY
from streams.report.document import Chart, Column, Paragraph, Table
from streams.report.funnel import funnel_chart
from streams.report.phrases import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alerts.incident import Incident
    from streams.report.data import Figures, PhaseFigures, ReportData, Target
    from streams.report.document import Block
    from streams.report.phrases import Phrases


def funnel(data: ReportData, say: Phrases) -> Iterator[Block]:
    """From start to end: what came to each node, and what share of it went on."""
    heads, sale = say.report.heads, data.sale
    nodes = [say.node(name) for name in data.nodes]
    steps = [None, *(sale.step(number) for number in range(len(nodes) - 1))]
    notes = [
        say.count(entries) + ("" if step is None else f"  ({say.rate(step)})")
        for entries, step in zip(sale.entries, steps, strict=True)
    ]
    yield Chart(funnel_chart(nodes, sale.entries, notes), say.report.parts.funnel, say.report.says.root)
    yield Table(
        (
            Column(heads.node, numeric=False),
            Column(heads.visitors),
            Column(heads.rate),
            Column(heads.interval),
        ),
        tuple(
            (
                f"{node} ({say.report.says.events})" if step is None else node,
                say.count(entries),
                "" if step is None else say.rate(step),
                "" if step is None else say.interval(step),
            )
            for node, entries, step in zip(nodes, sale.entries, steps, strict=True)
        ),
    )


def phases(data: ReportData, say: Phrases) -> Iterator[Block]:
    """The funnel and the money of each phase and of the whole sale."""
    heads = say.report.heads
    numbers = (heads.exposures, heads.clicks, heads.ctr, heads.conversion, heads.interval)
    rows = [
        (_phase(phase, say), _span(phase, say), *_figures(phase.figures, data, say)) for phase in data.phases
    ]
    promotion = data.promotion
    whole = (say.words.labels.promotion, say.length(promotion.end_ms - promotion.start_ms))
    yield Table(
        (
            Column(heads.phase, numeric=False),
            Column(heads.time, numeric=False),
            *map(Column, (*numbers, heads.orders, say.named(heads.revenue), heads.aov)),
        ),
        (*rows, (*whole, *_figures(data.sale, data, say))),
    )
    yield Table(
        (
            Column(heads.phase, numeric=False),
            *(
                Column(say.report.says.step_of.format(from_=say.node(from_), to=say.node(to)))
                for from_, to in zip(data.nodes, data.nodes[1:], strict=False)
            ),
        ),
        tuple(
            (name, *(say.rate(figures.step(number)) for number in range(len(data.nodes) - 1)))
            for name, figures in (
                *((_phase(phase, say), phase.figures) for phase in data.phases),
                (whole[0], data.sale),
            )
        ),
    )
    yield from _undone(data, say)


def _undone(data: ReportData, say: Phrases) -> Iterator[Block]:
    """All money to the minor unit: what was paid, cancelled and paid back, by currency."""
    heads = say.report.heads
    pairs = ((head, heads.orders) for head in (heads.revenue, heads.cancelled, heads.refunded))
    if data.sale.money:
        yield Table(
            (Column(heads.currency, numeric=False), *(Column(head) for pair in pairs for head in pair)),
            tuple(
                (
                    say.report.says.no_currency if money.currency == NO_CURRENCY else money.currency,
                    *_sum(money.currency, money.paid, money.paid_orders, say),
                    *_sum(money.currency, money.cancelled, money.cancelled_orders, say),
                    *_sum(money.currency, money.refunded, money.refunded_orders, say),
                )
                for money in data.sale.money
            ),
            say.report.says.unpaid,
        )


def _sum(currency: str, minor: int, orders: int, say: Phrases) -> tuple[str, str]:
    return say.money(minor, currency) if currency != NO_CURRENCY else UNKNOWN, say.count(orders)


def _phase(phase: PhaseFigures, say: Phrases) -> str:
    return say.words.phases[phase.phase.value]


def _span(phase: PhaseFigures, say: Phrases) -> str:
    return say.between(*map(say.clock, phase.times))


def _figures(figures: Figures, data: ReportData, say: Phrases) -> tuple[str, ...]:
    money = figures.in_currency(data.currency)
    value = money.paid / money.paid_orders if money and money.paid_orders else None
    return (
        say.count(figures.entries[0]),
        say.count(figures.clicks),
        say.rate(figures.step(0)),
        say.rate(figures.conversion),
        say.interval(figures.conversion),
        say.count(figures.orders),
        say.amount(money.paid if money else 0),
        say.amount(value),
    )


def plan(data: ReportData, say: Phrases) -> Iterator[Block]:
    """Targets, and what each phase was expected to lift."""
    heads, says = say.report.heads, say.report.says
    if data.targets:
        heads_of = (heads.wanted, heads.reached, heads.share, heads.reached_at)
        yield Table(
            (Column(heads.target, numeric=False), *map(Column, heads_of)),
            tuple(_target(target, say) for target in data.targets),
        )
    else:
        yield Paragraph(says.no_targets)
    columns = (
        f"{heads.traffic}: {heads.expected}",
        heads.actual,
        f"{heads.conversion}: {heads.expected}",
        heads.actual,
    )
    yield Table(
        (
            Column(heads.phase, numeric=False),
            *map(Column, columns),
            Column(heads.compared_with, numeric=False),
        ),
        tuple(_lift(phase, say) for phase in data.phases),
    )
    yield Paragraph(says.lifts)


def _target(target: Target, say: Phrases) -> tuple[str, ...]:
    def amount(value: float) -> str:
        if target.word == "conversion":
            return say.share(value)
        return say.count(value) if target.currency is None else say.money(value, target.currency)

    when = say.moment(target.reached_at_ms) if target.reached_at_ms else UNKNOWN
    if target.word == "conversion":
        met = target.reached >= target.wanted
        when = say.report.says.target_reached if met else say.report.says.target_missed
    return (
        say.report.targets[target.word],
        amount(target.wanted),
        amount(target.reached),
        say.share(target.reached / target.wanted),
        when,
    )


def _lift(phase: PhaseFigures, say: Phrases) -> tuple[str, ...]:
    says, before, now = say.report.says, phase.earlier, phase.figures
    actual = UNKNOWN, UNKNOWN
    if before is not None and before.clicks:
        rate = before.conversion.ratio
        actual = (
            say.factor(now.clicks / before.clicks),
            say.factor(now.conversion.ratio / rate if rate else None),
        )
    compared = (
        says.earlier_unknown if before is None else says.earlier.format(days=say.length(phase.days * DAY))
    )
    return (
        _phase(phase, say),
        say.factor(phase.expected.traffic),
        actual[0],
        say.factor(phase.expected.conversion),
        actual[1],
        compared,
    )


def last(data: ReportData, say: Phrases) -> Iterator[Block]:
    """This promotion and the last one, as long after their starts."""
    says, heads, other = say.report.says, say.report.heads, data.last
    if other is None:
        yield Paragraph(says.no_last)
        return
    start, name = say.moment(other.times.start_ms), say.name(other.name)
    if not other.compared_ms:
        yield Paragraph(says.last_unknown.format(name=name, start=start, seen=say.share(other.seen)))
        return
    length = say.length(other.compared_ms)
    yield Paragraph(says.last_compared.format(name=name, start=start, length=length))
    yield Table(
        (Column("", numeric=False), *map(Column, (heads.this_time, heads.last_time, heads.change))),
        tuple(_compared(other.now, other.then, data, say)),
    )


def _compared(now: Figures, then: Figures, data: ReportData, say: Phrases) -> Iterator[tuple[str, ...]]:
    heads = say.report.heads
    counts = (
        (heads.exposures, now.entries[0], then.entries[0]),
        (heads.clicks, now.clicks, then.clicks),
        (heads.orders, now.orders, then.orders),
    )
    for name, this, other in counts:
        yield name, say.count(this), say.count(other), say.change(this, other)
    rates = ((heads.ctr, now.step(0), then.step(0)), (heads.conversion, now.conversion, then.conversion))
    for name, ours, theirs in rates:
        yield name, say.rate(ours), say.rate(theirs), say.change(ours.ratio, theirs.ratio)
    if data.currency is not None:
        paid = now.revenue(data.currency), then.revenue(data.currency)
        yield say.named(heads.revenue), say.amount(paid[0]), say.amount(paid[1]), say.change(*paid)
        values = [each.revenue(data.currency) / max(each.orders, 1) for each in (now, then)]
        yield say.named(heads.aov), say.amount(values[0]), say.amount(values[1]), say.change(*values)


def incidents(data: ReportData, say: Phrases) -> Iterator[Block]:
    """What went wrong, and what it cost."""
    says, heads = say.report.says, say.report.heads
    if not data.incidents:
        yield Paragraph(says.no_incidents, "good")
        return
    if data.lost:
        amounts = (say.money(minor, currency) for currency, minor in data.lost.items())
        yield Paragraph(says.lost.format(amount=say.words.comma.join(amounts)), "bad")
    yield Table(
        (
            Column(heads.since, numeric=False),
            Column(heads.lasted, numeric=False),
            Column(heads.what, numeric=False),
            Column(heads.where, numeric=False),
            Column(heads.observed, numeric=False),
            Column(heads.lost),
            Column(heads.severity, numeric=False),
        ),
        tuple(_incident(one, say) for one in data.incidents),
    )
    yield Paragraph(says.overlap)
    if data.more_incidents:
        yield Paragraph(says.more.format(count=say.count(data.more_incidents)))


def _incident(one: Incident, say: Phrases) -> tuple[str, ...]:
    step, place = step_of(one.step), where(one.scope, say.words)
    lasted = say.report.says.still
    if one.resolved_at_ms is not None:
        lasted = say.length(one.resolved_at_ms - one.since_ms)
    detail = f" ({say.name(one.detail)})" if one.detail else ""
    return (
        say.moment(one.since_ms, seconds=True),
        lasted,
        say.words.kinds[one.kind] + detail,
        place + (f"{say.words.comma}{step}" if step else ""),
        observed(one, say.words) or UNKNOWN,
        loss(one, say.words) or UNKNOWN,
        say.words.severities[one.severity],
    )
