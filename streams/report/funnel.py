"""The funnel as a picture: one bar per node, and between two of them what share goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.report.shapes import Scale, canvas, label, rect

if TYPE_CHECKING:
    from collections.abc import Sequence
    from xml.etree.ElementTree import Element

_WIDTH: Final = 880
_ROW: Final = 34
_LEFT: Final = 130
_RIGHT: Final = _WIDTH - 300
# The longest bars are of what is seen by all; a hundredth of that has to be seen as well.
_ROOT: Final = 0.5


def funnel_chart(names: Sequence[str], entries: Sequence[int], notes: Sequence[str]) -> Element:
    """The picture; lengths go by the square root, so that the last bars can be told apart.

    Args:
        names: of the nodes.
        entries: what came to each.
        notes: what stands behind each bar.
    """
    svg = canvas(_WIDTH, _ROW * len(names) + 6)
    x = Scale(0.0, max([*entries, 1]) ** _ROOT, 0.0, _RIGHT - _LEFT)
    for number, (name, count, note) in enumerate(zip(names, entries, notes, strict=True)):
        top = number * _ROW + 4
        length = x(count**_ROOT)
        label(svg, name, (_LEFT - 10, top + 17), "end strong")
        rect(svg, "bar", (_LEFT, top), (_LEFT + max(length, 1.0), top + _ROW - 10))
        label(svg, note, (_LEFT + length + 10, top + 17), "strong")
    return svg
