"""The part on the data itself: what was read, what became of it, what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts.content.writing import headline
from streams.events import Outcome
from streams.report.document import Column, Paragraph, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from streams.report.data import Quality, ReportData
    from streams.report.document import Block
    from streams.report.phrases import Phrases

# What these are given as is in the dead-letter topic; a late or repeated record is not.
DEAD: Final = (Outcome.INVALID, Outcome.UNMAPPED, Outcome.FUTURE, Outcome.TOO_LATE)
_WHOLE: Final = 0.9995
_NAMED: Final = 10


def quality(data: ReportData, say: Phrases) -> Iterator[Block]:
    """What was read, and every way in which it was not perfect."""
    of = data.quality
    yield from _time(of, say)
    yield from _records(of, say)
    yield _outages(data, say)
    yield _table(of.records, say)


def _time(of: Quality, say: Phrases) -> Iterator[Block]:
    says = say.report.says
    if of.seen >= _WHOLE and not of.missing_ms:
        yield Paragraph(says.whole, "good")
    else:
        yield Paragraph(says.partly.format(seen=say.share(of.seen)), "bad")
    if of.missing_ms:
        gaps = (say.between(*map(say.moment, gap)) for gap in of.gaps[:_NAMED])
        more = [say.words.more(len(of.gaps) - _NAMED)] if len(of.gaps) > _NAMED else []
        named = say.words.comma.join([*gaps, *more])
        yield Paragraph(says.gaps.format(length=say.length(of.missing_ms), gaps=named), "bad")
    if of.incomplete:
        behind = says.incomplete.format(count=say.count(of.incomplete), all=say.count(of.buckets))
        yield Paragraph(behind, "bad")
    else:
        yield Paragraph(says.clean, "good")


def _records(of: Quality, say: Phrases) -> Iterator[Block]:
    says, read = say.report.says, sum(of.records.values())

    def counted(text: str, outcomes: Iterable[Outcome]) -> Paragraph:
        records = sum(_of(of.records, outcome) for outcome in outcomes)
        return Paragraph(text.format(count=say.count(records), share=_share(records, read, say)))

    accepted = _of(of.records, Outcome.ACCEPTED) + _of(of.records, Outcome.LATE)
    share = _share(accepted, read, say)
    yield Paragraph(says.read.format(records=say.count(read), accepted=say.count(accepted), share=share))
    yield counted(says.late, (Outcome.LATE,))
    yield counted(says.duplicates, (Outcome.DUPLICATE,))
    yield counted(says.dead_letters, DEAD)


def _share(records: int, read: int, say: Phrases) -> str:
    return say.share(records / read if read else 0.0)


def _of(records: Mapping[tuple[int, str], int], outcome: Outcome) -> int:
    return sum(number for (_, of), number in records.items() if of == outcome)


def _outages(data: ReportData, say: Phrases) -> Paragraph:
    says, found = say.report.says, data.quality.about_data
    if not found:
        return Paragraph(says.no_outages, "good")
    length = sum((one.resolved_at_ms or data.until_ms) - one.since_ms for one in found)
    named = "; ".join(f"{headline(one, say.words)} ({say.moment(one.since_ms)})" for one in found[:_NAMED])
    text = says.outages.format(count=say.count(len(found)), length=say.length(max(length, 0)), list=named)
    return Paragraph(text, "bad")


def _table(records: Mapping[tuple[int, str], int], say: Phrases) -> Table:
    heads, names = say.report.heads, say.report.outcomes
    totals = [max(sum(n for (of, _), n in records.items() if of == topic), 1) for topic in range(2)]

    def cells(outcome: Outcome) -> Iterator[str]:
        for topic in range(2):
            number = records.get((topic, outcome), 0)
            yield say.count(number)
            yield say.share(number / totals[topic])

    columns = [
        Column(head) for topic in say.report.topics for head in (topic, f"{topic}: {heads.share_of_records}")
    ]
    return Table(
        (Column(heads.outcome, numeric=False), *columns),
        tuple((names[outcome], *cells(outcome)) for outcome in reversed(Outcome)),
        heads.records,
    )
