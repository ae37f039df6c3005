"""Checks of texts that become keys of the counts: slots, banners, SKUs, values of extra dimensions, ids.

Promises that a key can be shown in a chart, a chat message and a Prometheus label without surprises. Refuses control
and format characters (bidirectional overrides, zero-width joiners), separators that break lines, and the names that
Funnelwatch uses itself. Ids are compared only, so they are held to length alone.
"""

from __future__ import annotations

import unicodedata

from streams.errors import RejectedRecord
from streams.events import MAX_FIELD_BYTES, Outcome, Reason
from streams.funnel import RESERVED_KEYS

_MAX_UTF8_BYTES_PER_CHARACTER = 4
_SURELY_SHORT = MAX_FIELD_BYTES // _MAX_UTF8_BYTES_PER_CHARACTER
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def check_text(text: str, field: str) -> str:
    """Return the text if it is non-empty and at most 256 bytes of UTF-8.

    Raises:
        RejectedRecord: ``empty_field`` or ``field_too_long``.
    """
    reason = text_objection(text)
    if reason is not None:
        raise RejectedRecord(Outcome.INVALID, reason, field)
    return text


def text_objection(text: str) -> Reason | None:
    """Why a text may not be an id, or None if it may."""
    if not text:
        return Reason.EMPTY_FIELD
    if len(text) > _SURELY_SHORT and _utf8_length(text) > MAX_FIELD_BYTES:
        return Reason.FIELD_TOO_LONG
    return None


def check_key(text: str, field: str) -> str:
    """Return the text if it may name a key.

    Raises:
        RejectedRecord: ``empty_field``, ``field_too_long``, ``control_character`` or ``reserved_key``.
    """
    reason = key_objection(text)
    if reason is not None:
        raise RejectedRecord(Outcome.INVALID, reason, field)
    return text


def key_objection(text: str) -> Reason | None:
    """Why a text may not name a key, or None if it may."""
    reason = text_objection(text)
    if reason is not None:
        return reason
    # isprintable() is one C loop, but also False for spaces such as U+3000 and for characters not yet assigned.
    if not text.isprintable() and _has_forbidden_character(text):
        return Reason.CONTROL_CHARACTER
    return Reason.RESERVED_KEY if text in RESERVED_KEYS else None


def _has_forbidden_character(text: str) -> bool:
    return any(unicodedata.category(character) in _FORBIDDEN_CATEGORIES for character in text)


def _utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
