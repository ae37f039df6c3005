"""A document as Markdown: what chats, wikis and diffs show.

Promises: every character from outside stands there as itself: what would be markup (tables, links,
HTML, emphasis) is escaped. Charts are left out; what they show stands in tables beside them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from streams.report.document import Chart, Paragraph, Table, Tiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.report.document import Block, Document

# What begins markup in CommonMark or GitHub's dialect, wherever it stands.
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|~&!@$])")
# Only where a line begins: lists, rules and headings' underlines.
_BEGINS: Final = re.compile(r"^([-+=]+|\d+[.)])(?=\s|$)")
# What becomes a link by itself.
_LINKED: Final = re.compile(r"(?i)(https?|ftp|mailto|xmpp):|www\.")
_TONES: Final = {"good": "🟢 ", "bad": "🔴 ", "": ""}


def as_markdown(document: Document) -> str:
    """The page."""
    lines = [f"# {escaped(document.title)}", "", escaped(document.subtitle), ""]
    for section in document.sections:
        if all(isinstance(block, Chart) for block in section.blocks):
            continue
        lines += [f"{'#' * section.level} {escaped(section.title)}", ""]
        for block in section.blocks:
            lines += _lines(block)
    return "\n".join([*lines, f"*{escaped(document.foot)}*", ""])


def escaped(text: str) -> str:
    """The same characters, none of which is markup."""
    safe = _MARKUP.sub(r"\\\1", " ".join(text.split()))
    safe = _LINKED.sub(lambda found: found[0][:-1] + "\\" + found[0][-1], safe)
    return _BEGINS.sub(lambda found: f"{found[1][:-1]}\\{found[1][-1]}", safe)


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Tiles(tiles):
            for tile in tiles:
                note = f" ({escaped(tile.note)})" if tile.note else ""
                yield f"- {_TONES[tile.tone]}{escaped(tile.label)}: **{escaped(tile.value)}**{note}"
            yield ""
        case Paragraph(text, tone):
            yield f"{_TONES[tone]}{escaped(text)}"
            yield ""
        case Table():
            yield from _table(block)
        case Chart():
            return


def _table(table: Table) -> Iterator[str]:
    if table.caption:
        yield f"**{escaped(table.caption)}**"
        yield ""
    yield _row(column.head for column in table.columns)
    yield "|" + "|".join(" ---: " if column.numeric else " --- " for column in table.columns) + "|"
    for row in table.rows:
        yield _row(row)
    yield ""


def _row(cells: Iterator[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(escaped(cell) or " " for cell in cells) + " |"
