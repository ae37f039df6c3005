"""What the page says, by language. Every language has every word (a test holds that)."""

from __future__ import annotations

from typing import Final

from streams.web.chinese import CHINESE
from streams.web.english import ENGLISH

WORDS: Final = {"en": ENGLISH, "zh": CHINESE}


def language_of(asked: str, accepted: str) -> str:
    """``en`` or ``zh``: as asked for, else what the browser prefers, else English."""
    if asked in WORDS:
        return asked
    for one in accepted.split(","):
        primary = one.partition(";")[0].strip().lower().partition("-")[0]
        if primary in WORDS:
            return primary
    return "en"
