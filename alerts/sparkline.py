"""The course of an incident's counts as a small picture: PNG, observed against expected with its band. Pure.

Every shape is a height by column: a column of pixels is covered by it from here to there, and a pixel by the
part of it that lies in between. That smooths every edge exactly up and down, and columns are drawn four
times as fine as they are shown. PNG (ISO/IEC 15948) needs no more than zlib: true colour, eight bits, no
filter. On white, for chats show it on light and dark alike.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from alerts.incident import CoursePart

    F64 = NDArray[np.float64]

WIDTH: Final = 480
HEIGHT: Final = 160
MAX_POINTS: Final = 1_000
_FINE: Final = 4
_MARGIN: Final = 10.0
_HEADROOM: Final = 1.08
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_WHITE: Final = (255, 255, 255)
_GRID: Final = (225, 228, 232)
_BAND: Final = (200, 220, 245)
_EXPECTED: Final = (60, 110, 190)
_OBSERVED: Final = (200, 40, 50)
_GONE_BAD: Final = (250, 205, 205)


class _Frame(NamedTuple):
    """How values become heights: ``top`` stands at the upper margin, 0 at the lower."""

    width: int
    height: int
    top: float

    def y(self, values: F64) -> F64:
        """Pixels from above."""
        room = self.height - 2 * _MARGIN
        return self.height - _MARGIN - np.asarray(values) / self.top * room


def sparkline(course: CoursePart, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """A PNG of a course; the same course gives the same bytes.

    What was observed is red, what was expected blue on its band; where observed left the band, the room in
    between is tinted.

    Raises:
        ValueError: no point or too many, lists of different length, a number that is not finite, or a
            picture of no or immense size.
    """
    if min(width, height) <= 2 * _MARGIN or max(width, height) > 4_096:
        raise ValueError("a picture of 21 to 4096 pixels each way")
    observed, expected, low, high = _checked(course)
    frame = _Frame(
        width, height, max(float(max(observed.max(), high.max(), expected.max())) * _HEADROOM, 1.0)
    )
    at = _columns(observed.size, width)
    pixels = np.full((height, width, 3), _WHITE, dtype=np.float64)
    line, middle = frame.y(_along(observed, at)), frame.y(_along(expected, at))
    upper, lower = frame.y(_along(high, at)), frame.y(_along(low, at))
    for level in (0.0, frame.top / _HEADROOM):
        ground = np.full(at.size, float(frame.y(np.array(level))))
        _paint(pixels, ground - 0.5, ground + 0.5, _GRID)
    _paint(pixels, upper, lower, _BAND)
    _paint(pixels, lower, line, _GONE_BAD)
    _paint(pixels, line, upper, _GONE_BAD)
    _stroke(pixels, middle, 1.0, _EXPECTED)
    _stroke(pixels, line, 1.25, _OBSERVED)
    return png(np.clip(np.round(pixels), 0, 255).astype(np.uint8))


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of true colours, shape (height, width, 3)."""
    height, width, _ = pixels.shape
    # Before each row stands its filter: none.
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, width * 3)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _checked(course: CoursePart) -> tuple[F64, F64, F64, F64]:
    lists: tuple[Sequence[float], ...] = (course.observed, course.expected, course.low, course.high)
    if not 0 < len(lists[0]) <= MAX_POINTS or any(len(one) != len(lists[0]) for one in lists):
        raise ValueError("lists of one length, with a point at least")
    observed, expected, low, high = (np.array(one, dtype=np.float64) for one in lists)
    if not all(np.isfinite(one).all() for one in (observed, expected, low, high)):
        raise ValueError("numbers that are finite")
    return observed, expected, low, high


def _columns(points: int, width: int) -> F64:
    """Of each fine column, between which points it lies: 0 at the left margin, ``points - 1`` at the right."""
    x = (np.arange(width * _FINE) + 0.5) / _FINE
    return np.clip((x - _MARGIN) / (width - 2 * _MARGIN), 0.0, 1.0) * (points - 1)


def _along(values: F64, at: F64) -> F64:
    return np.interp(at, np.arange(values.size), np.maximum(values, 0.0))


def _stroke(pixels: F64, y: F64, half: float, colour: tuple[int, int, int]) -> None:
    """A line ``half`` pixels to each side: as if a square pen went along it."""
    reach = round(half * _FINE)
    near = np.lib.stride_tricks.sliding_window_view(np.pad(y, reach, mode="edge"), 2 * reach + 1)
    _paint(pixels, near.min(axis=1) - half, near.max(axis=1) + half, colour)


def _paint(pixels: F64, upper: F64, lower: F64, colour: tuple[int, int, int]) -> None:
    """From ``upper`` to ``lower`` (pixels from above) in each column; nothing where they are crossed."""
    first, last = int(max(upper.min(), 0.0)), int(np.ceil(min(lower.max(), pixels.shape[0])))
    edges = np.arange(first, max(last, first))[:, None]
    covered = np.clip(np.minimum(lower, edges + 1.0) - np.maximum(upper, edges), 0.0, 1.0)
    shown = covered.reshape(edges.size, pixels.shape[1], _FINE).mean(axis=2)[:, :, None]
    inside = slice(round(_MARGIN), pixels.shape[1] - round(_MARGIN))
    part = pixels[first : first + edges.size, inside]
    part += shown[:, inside] * (np.array(colour) - part)
