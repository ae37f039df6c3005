"""Text that fits: cut by what a vendor counts, escaped for its markup, never in the middle of anything.

A name from the shop's events is escaped character by character, and what is cut is the name, not its
escaped form; so neither an escape nor a character is ever cut in two, nor a letter from its accents, nor
an emoji from its parts.
"""

from __future__ import annotations

import bisect
import re
import unicodedata
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

import msgspec

from alerts.message import Field, Link, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ELLIPSIS: Final = "…"
MAX_URL: Final = 2_000
_JOINER: Final = "\u200d"
# So far back and no further: letters with more accents than this are somebody's joke.
_MAX_BACK: Final = 32
_HIDDEN: Final = re.compile("[\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_HALF: Final = re.compile("[\ud800-\udfff]")
_MAX_PARTS: Final = 30
_CAPS: Final = (1_000, 300)


def characters(text: str) -> int:
    """Code points."""
    return len(text)


def utf8(text: str) -> int:
    """Bytes in UTF-8: three for a Chinese character."""
    return len(text.encode("utf-8", "surrogatepass"))


def utf16(text: str) -> int:
    """Code units in UTF-16: two for an emoji, as Telegram and Discord count."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def as_is(text: str) -> str:
    """For channels without markup."""
    return text


def escaping(table: Mapping[str, str]) -> Callable[[str], str]:
    """An escape that replaces single characters."""
    translation = str.maketrans(dict(table))
    return lambda text: text.translate(translation)


def wide(marks: str) -> dict[str, str]:
    """The marks' wide twins, for markup without escapes: they look alike and mean nothing."""
    return {mark: chr(ord(mark) + 0xFEE0) for mark in marks}


def clean(text: str) -> str:
    """One line without control characters, direction marks and halves of characters."""
    if not text.isprintable():
        text = _HALF.sub("\ufffd", _CONTROL.sub(" ", _HIDDEN.sub("", text)))
    return text.strip()


def cut(
    text: str,
    limit: int,
    *,
    size: Callable[[str], int] = characters,
    escape: Callable[[str], str] = as_is,
) -> str:
    """The text cleaned and escaped, of at most ``limit`` by ``size``; with an ellipsis where it is cut."""
    # No size counts a character as less than one: what is far beyond the limit need not be looked at.
    seen = text[: 2 * max(limit, 0) + _MAX_BACK]
    shorter = len(seen) < len(text)
    text = clean(seen)
    whole = escape(text)
    if size(whole) <= limit and not shorter:
        return whole
    room = limit - size(ELLIPSIS)
    if room < 0:
        return ""
    kept = _boundary(text, _longest(text, lambda part: size(escape(part)) <= room))
    return escape(text[:kept].rstrip()) + ELLIPSIS


def _longest(text: str, fits: Callable[[str], bool]) -> int:
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(text[:middle]) else (low, middle - 1)
    return low


def _boundary(text: str, at: int) -> int:
    for back in range(min(at, _MAX_BACK) + 1):
        if not _belongs(text, at - back):
            return at - back
    return at


def _belongs(text: str, at: int) -> bool:
    """Whether the character at this place belongs to the one before it."""
    if not 0 < at < len(text):
        return False
    mark, before = text[at], text[at - 1]
    if _JOINER in (before, mark) or unicodedata.category(mark).startswith("M"):
        return True
    if "\U0001f3fb" <= mark <= "\U0001f3ff":  # skin
        return True
    return _is_flag_letter(mark) and _flag_letters_before(text, at) % 2 == 1


def _is_flag_letter(mark: str) -> bool:
    return "\U0001f1e6" <= mark <= "\U0001f1ff"


def _flag_letters_before(text: str, at: int) -> int:
    count = 0
    while count < at and _is_flag_letter(text[at - 1 - count]):
        count += 1
    return count


def safe_url(url: str, limit: int = MAX_URL) -> str | None:
    """The address with nothing in it that markup could stumble over; None if it is none of the web's."""
    quoted = quote(url, safe="%/:?#&=+,;@~!$-._")
    try:
        split = urlsplit(quoted)
    except ValueError:
        return None
    good = split.scheme in ("http", "https") and bool(split.netloc) and len(quoted) <= limit
    return quoted if good else None


def safe_links(message: Message, limit: int = MAX_URL) -> list[Link]:
    """The links that can be followed, their addresses made safe."""
    found = [(link, safe_url(link.url, limit)) for link in message.links]
    return [msgspec.structs.replace(link, url=url) for link, url in found if url is not None]


def safe_picture(message: Message, limit: int = MAX_URL) -> str | None:
    """Where the picture can be fetched, made safe; None if there is none."""
    return safe_url(message.picture.url, limit) if message.picture is not None else None


def fitted(message: Message, render: Callable[[Message], bytes], limit: int) -> bytes:
    """The message as rendered, with as much of it as ``limit`` bytes hold.

    Long texts are shortened first; then lines and fields go from the end, then words of the title, then
    links.
    """
    for cap in _CAPS:
        message = _capped(message, cap)
        body = render(message)
        if len(body) <= limit:
            return body
    smaller = [*_shrinking(message)]
    # Each is smaller than the one before: the first that fits is found without rendering all.
    first = bisect.bisect_left(smaller, True, key=lambda one: len(render(one)) <= limit)
    return render(smaller[min(first, len(smaller) - 1)])


def _shrinking(message: Message) -> Iterator[Message]:
    """Less and less of the message."""
    while message.fields or message.lines:
        message = _without_last(message)
        yield message
    for cap in (120, 40):
        message = _capped(message, cap)
        yield message
    while message.links:
        message = msgspec.structs.replace(message, links=message.links[:-1])
        yield message


def _capped(message: Message, cap: int) -> Message:
    fields = tuple(
        Field(cut(one.label, cap), cut(one.value, cap), one.short) for one in message.fields[:_MAX_PARTS]
    )
    return msgspec.structs.replace(
        message,
        title=cut(message.title, cap),
        summary=cut(message.summary, cap),
        lines=tuple(cut(line, cap) for line in message.lines[:_MAX_PARTS]),
        fields=fields,
    )


def _without_last(message: Message) -> Message:
    if message.fields and len(message.fields) >= len(message.lines):
        return msgspec.structs.replace(message, fields=message.fields[:-1])
    return msgspec.structs.replace(message, lines=message.lines[:-1])
