"""The report in words: its data becomes a document in one language, part by part in order of importance."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from alerts.identity import ABOUT_DATA
from streams.report.courses import course
from streams.report.document import Document, Paragraph, Section, Tile, Tiles
from streams.report.keys_part import dimensions
from streams.report.phrases import UNKNOWN, phrases
from streams.report.tables import funnel, incidents, last, phases, plan
from streams.report.trust import quality

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alerts.message import Language
    from streams.report.data import ReportData
    from streams.report.document import Block
    from streams.report.phrases import Phrases


def write(data: ReportData, language: Language, zone: str) -> Document:
    """The page.

    Args:
        data: what it says.
        language: its words.
        zone: whose clocks.
    """
    say = phrases(language, ZoneInfo(zone), data.currency)
    says, promotion = say.report.says, data.promotion
    return Document(
        language=language.value,
        title=says.title.format(name=say.name(promotion.name)),
        subtitle=says.subtitle.format(
            start=say.moment(promotion.start_ms),
            end=say.moment(promotion.end_ms),
            length=say.length(promotion.end_ms - promotion.start_ms),
        ),
        sections=tuple(_sections(data, say)),
        foot=says.foot.format(zone=zone),
    )


def _sections(data: ReportData, say: Phrases) -> Iterator[Section]:
    parts = say.report.parts
    yield Section(parts.glance, tuple(_glance(data, say)))
    yield Section(parts.course, tuple(course(data, say)))
    yield Section(parts.funnel, tuple(funnel(data, say)))
    yield Section(parts.phases, tuple(phases(data, say)))
    yield Section(parts.plan, tuple(plan(data, say)))
    yield Section(parts.last, tuple(last(data, say)))
    yield Section(parts.incidents, tuple(incidents(data, say)))
    yield from dimensions(data, say)
    yield Section(parts.quality, tuple(quality(data, say)))


def _glance(data: ReportData, say: Phrases) -> Iterator[Block]:
    says = say.report.says
    if data.until_ms < data.promotion.end_ms:
        yield Paragraph(says.running.format(until=say.moment(data.until_ms)), "bad")
    if data.counted_as != "all":
        dimension = say.dimension(data.counted_as)
        yield Paragraph(says.scoped.format(count=say.count(data.counted_keys), dimension=dimension))
    yield Tiles(tuple(_tiles(data, say)))


def _tiles(data: ReportData, say: Phrases) -> Iterator[Tile]:
    heads, sale = say.report.heads, data.sale
    money = sale.in_currency(data.currency)
    if money is not None:
        yield Tile(say.named(heads.revenue), say.amount(money.paid), *_beside(data, say, "revenue"))
    yield Tile(heads.orders, say.count(sale.orders), *_beside(data, say, "orders"))
    yield Tile(heads.conversion, say.rate(sale.conversion), say.interval(sale.conversion))
    if money is not None:
        value = money.paid / money.paid_orders if money.paid_orders else None
        yield Tile(say.named(heads.aov), say.amount(value))
    yield _lost(data, say)


def _beside(data: ReportData, say: Phrases, word: str) -> tuple[str, str]:
    """The note of a figure: how much of its target that is, or how much more than last time; and its tone."""
    says = say.report.says
    for target in data.targets:
        if target.word == word and target.wanted:
            met = target.reached >= target.wanted
            return says.of_target.format(
                share=say.share(target.reached / target.wanted)
            ), "good" if met else "bad"
    if data.last is None or not data.last.compared_ms:
        return "", ""
    now, then = data.last.now, data.last.then
    pair = (now.orders, then.orders)
    if word == "revenue":
        pair = (now.revenue(data.currency), then.revenue(data.currency))
    return says.against_last.format(change=say.change(*pair)), ""


def _lost(data: ReportData, say: Phrases) -> Tile:
    says = say.report.says
    ours = [*data.lost] == [data.currency]
    head = say.named(say.report.heads.lost) if ours else say.report.heads.lost
    amounts = say.words.comma.join(
        say.amount(minor) if ours else say.money(minor, currency) for currency, minor in data.lost.items()
    )
    number = len([one for one in data.incidents if one.kind not in ABOUT_DATA]) + data.more_incidents
    note = says.incidents.format(count=say.count(number)) if number else ""
    return Tile(head, amounts or (UNKNOWN if number else says.nothing_lost), note, "bad" if amounts else "")
