"""Text from outside, made harmless to read: no control, no bidirectional or invisible characters, no length.

An override of direction could make ``refund`` read as something else, a line break forge a line of ours.
Markup is left alone: what is markup depends on the channel, which escapes.
"""

from __future__ import annotations

import unicodedata
from typing import Final

MAX_NAME: Final = 80
_ELLIPSIS: Final = "…"
_EMPTY: Final = "(?)"
# Format (bidirectional marks, zero width, tags), surrogates, private use, unassigned.
_HARMFUL: Final = frozenset({"Cf", "Cs", "Co", "Cn"})
# Hangul fillers and the blank braille pattern are letters to Unicode, and nothing to the eye.
_INVISIBLE: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f")


def harmless(text: str, limit: int = MAX_NAME) -> str:
    """One visible line of at most ``limit`` characters; never empty."""
    kept = "".join(" " if _blank(char) else char for char in text if not _hidden(char))
    line = " ".join(kept.split()) or _EMPTY
    return line if len(line) <= limit else line[: limit - 1].rstrip() + _ELLIPSIS


def _blank(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) == "Cc"


def _hidden(char: str) -> bool:
    return char in _INVISIBLE or unicodedata.category(char) in _HARMFUL
