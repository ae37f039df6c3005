"""Where: scopes and steps in words, with names from outside made harmless."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts.content.clean import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerts.content.words import Words
    from alerts.incident import ScopePart, StepPart

_ALL: Final = "all"
_MAX_PARTS: Final = 6


def where(scope: Iterable[ScopePart], words: Words) -> str:
    """``slot home.top.1 & banner hero``; the whole shop without any condition."""
    parts = [_part(part, words) for part in scope if part.dimension != _ALL][:_MAX_PARTS]
    return " & ".join(parts) or words.everywhere


def step_of(step: StepPart | None) -> str | None:
    """``order > paid``."""
    return f"{harmless(step.from_node)} > {harmless(step.to_node)}" if step else None


def _part(part: ScopePart, words: Words) -> str:
    dimension = words.dimensions.get(part.dimension) or harmless(part.dimension)
    return f"{dimension} {harmless(part.key)}"
