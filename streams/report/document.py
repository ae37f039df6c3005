"""What a page is made of: headings, paragraphs, tiles, tables and charts, in the order of reading.

Text here is plain: whoever writes it as HTML or Markdown escapes all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


class Tile(NamedTuple):
    """One figure that stands out, what it is, and a note; ``tone`` is ``good``, ``bad`` or nothing."""

    label: str
    value: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Tiles:
    """Figures side by side."""

    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A line of text; ``tone`` as of a tile."""

    text: str
    tone: str = ""


class Column(NamedTuple):
    """Of a table: its head, and whether numbers stand in it."""

    head: str
    numeric: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text, each as long as there are columns.

    Attributes:
        tones: of rows by their number.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture, what it shows in words (for those who do not see it), and a note below."""

    svg: Element
    title: str
    note: str = ""


Block = Tiles | Paragraph | Table | Chart


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page."""

    title: str
    blocks: tuple[Block, ...]
    level: int = 2


@dataclass(frozen=True, slots=True)
class Document:
    """The whole page; ``language`` is ``en`` or ``zh``, for screen readers and hyphens."""

    language: str
    title: str
    subtitle: str
    sections: tuple[Section, ...]
    foot: str
