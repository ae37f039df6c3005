"""The parts about dimensions: best and worst slots, banners and SKUs, and the scorecard of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.diagnosis.scorecard import Quadrant
from streams.report.document import Chart, Column, Paragraph, Section, Table
from streams.report.scatter import scorecard_chart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.report.data import DimensionFigures, KeyFigures, ReportData
    from streams.report.document import Block
    from streams.report.phrases import Phrases


def dimensions(data: ReportData, say: Phrases) -> Iterator[Section]:
    """One part for each dimension."""
    for figures in data.dimensions:
        title = say.report.parts.dimension.format(dimension=say.dimension(figures.dimension))
        yield Section(title, tuple(_blocks(figures, say)))


def _blocks(figures: DimensionFigures, say: Phrases) -> Iterator[Block]:
    says, parts = say.report.says, say.report.parts
    last = any(key.last is not None for key in (*figures.most, *figures.best, *figures.worst))
    if figures.most:
        yield _table(figures.most, say, parts.most, last=last)
    line = say.share(figures.all_rate)
    for keys, title, none in (
        (figures.best, parts.best, says.none_better),
        (figures.worst, parts.worst, says.none_worse),
    ):
        if keys:
            yield _table(keys, say, f"{title} ({line})", last=last)
        else:
            yield Paragraph(none.format(rate=line))
    yield Paragraph(says.beyond)
    yield from _scorecard(figures, say)


def _table(keys: tuple[KeyFigures, ...], say: Phrases, title: str, *, last: bool) -> Table:
    heads = say.report.heads
    numbers = [heads.exposures, heads.clicks, heads.conversion, heads.interval]
    numbers += [heads.last_conversion] if last else []
    numbers += [heads.orders, heads.beyond, say.named(heads.revenue)]
    return Table(
        (Column(heads.key, numeric=False), *map(Column, numbers), Column(heads.place, numeric=False)),
        tuple(_row(key, say, last=last) for key in keys),
        title,
    )


def _row(key: KeyFigures, say: Phrases, *, last: bool) -> tuple[str, ...]:
    return (
        say.name(key.key),
        say.count(key.exposures),
        say.count(key.clicks),
        say.rate(key.conversion),
        say.interval(key.conversion),
        *((say.rate(key.last),) if last else ()),
        say.count(key.orders),
        say.signed(key.beyond),
        say.amount(key.revenue),
        say.report.quadrants[key.quadrant],
    )


def _scorecard(figures: DimensionFigures, say: Phrases) -> Iterator[Block]:
    says, heads, names = say.report.says, say.report.heads, say.report.quadrants
    dimension = say.dimension(figures.dimension)
    if figures.points:
        svg = scorecard_chart(
            figures,
            names,
            (heads.exposures, heads.conversion),
            say.count,
            say.share,
            lambda key: f"{say.name(key.key)}: {say.count(key.exposures)}, {say.rate(key.conversion)}",
        )
        lines = says.lines.format(
            exposures=say.count(figures.exposure_line), rate=say.share(figures.conversion_line)
        )
        if len(figures.points) < figures.known:
            dots = says.dots.format(count=say.count(len(figures.points)), known=say.count(figures.known))
            lines = f"{lines} {dots}"
        yield Chart(svg, says.scorecard.format(dimension=dimension), lines)
    yield Table(
        (Column(heads.place, numeric=False), Column(heads.keys), Column(heads.busiest, numeric=False)),
        tuple(
            (
                names[quadrant],
                say.count(figures.quadrants[quadrant]),
                say.words.comma.join(say.name(key.key) for key in figures.named[quadrant]),
            )
            for quadrant in Quadrant
        ),
        say.report.parts.scorecard,
    )
