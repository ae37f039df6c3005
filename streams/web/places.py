"""Where traffic should go: every key of a dimension in the exposure x conversion matrix, from a picture. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streams.web import answers as a
from streams.web.picture import EVENTS, VISITORS
from streams.web.queries import place_after
from streams.web.reading import CLICK, names_of, window_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streams.web.handed import Judgement, PlacedKeys
    from streams.web.picture import Picture
    from streams.web.queries import ScorecardQuery

    F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Places:
    """Keys of a dimension, the most exposed first: names, counts, places; ``(none)`` and ``(other)`` are no keys."""

    keys: Sequence[str]
    exposures: F64
    clicks: F64
    paid: F64
    placed: PlacedKeys

    def count(self, word: str) -> int:
        """How many keys have this place."""
        return sum(one == word for one in self.placed.quadrants)

    def first(self, word: str, most: int) -> list[tuple[str, float | None]]:
        """The most exposed of them, with their conversion."""
        mine = (at for at, one in enumerate(self.placed.quadrants) if one == word)
        return [(self.keys[at], self.ratio(at)) for at, _ in zip(mine, range(most), strict=False)]

    def ratio(self, at: int) -> float | None:
        """Conversion of a key; None without clicks."""
        return float(self.paid[at] / self.clicks[at]) if self.clicks[at] else None


def places(picture: Picture, window: str, dimension: str, judgement: Judgement) -> Places:
    """All keys in their places. Raises Problem (404) if there is no such window or dimension."""
    counts, names = window_of(picture, window).counts, names_of(picture, dimension)
    table = counts[dimension]
    mine = np.array([at for at in range(len(table)) if not names[at].startswith("(")], dtype=np.int64)
    mine = mine[np.argsort(-table[mine, EVENTS, 0], kind="stable")]
    columns = ((EVENTS, 0), (VISITORS, CLICK), (VISITORS, -1))
    exposures, clicks, paid = (table[mine, which, column].astype(np.float64) for which, column in columns)
    placed = judgement.place(exposures, clicks, paid)
    return Places([names[at] for at in mine.tolist()], exposures, clicks, paid, placed)


def scorecard(picture: Picture, query: ScorecardQuery, judgement: Judgement) -> a.ScorecardAnswer:
    """The same as an answer, page by page."""
    found = places(picture, query.window, query.dimension, judgement)
    words = found.placed.quadrants
    begin = place_after(query.cursor)
    end = min(begin + query.limit, len(found.keys))
    return a.ScorecardAnswer(
        window=query.window,
        end_ms=picture.end_ms,
        dimension=query.dimension,
        exposure_line=found.placed.exposure_line,
        conversion_line=found.placed.conversion_line,
        quadrants={word: found.count(word) for word in sorted(set(words))},
        keys=tuple(_placed(found, at) for at in range(begin, end)),
        total=len(found.keys),
        next_cursor=str(end) if begin < end < len(found.keys) else None,
    )


def _placed(found: Places, at: int) -> a.Placed:
    return a.Placed(
        key=found.keys[at],
        quadrant=found.placed.quadrants[at],
        exposures=int(found.exposures[at]),
        clicks=int(found.clicks[at]),
        paid=int(found.paid[at]),
        ratio=found.ratio(at),
        lower=float(found.placed.lower[at]),
        upper=float(found.placed.upper[at]),
    )
