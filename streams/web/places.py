"""Where traffic should go: every key of a dimension in the exposure x conversion matrix, from a picture. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streams.funnel import RESERVED_KEYS
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
    I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Places:
    """Keys of a dimension, the most exposed first: numbers, counts, places. Keys of our own are none.

    ``names`` are of all keys by number; only those that are shown are looked up.
    """

    names: Sequence[str]
    numbers: I64
    exposures: F64
    clicks: F64
    paid: F64
    placed: PlacedKeys

    def __len__(self) -> int:
        return len(self.numbers)

    def key(self, at: int) -> str:
        """A key by its rank."""
        return self.names[int(self.numbers[at])]

    def ranks(self) -> dict[str, list[int]]:
        """Ranks of the keys of each place, the most exposed first."""
        found: dict[str, list[int]] = {}
        for at, word in enumerate(self.placed.quadrants):
            found.setdefault(word, []).append(at)
        return found

    def ratio(self, at: int) -> float | None:
        """Conversion of a key; None without clicks."""
        return float(self.paid[at] / self.clicks[at]) if self.clicks[at] else None


def places(picture: Picture, window: str, dimension: str, judgement: Judgement) -> Places:
    """All keys in their places. Raises Problem (404) if there is no such window or dimension."""
    counts, names = window_of(picture, window).counts, names_of(picture, dimension)
    table = counts[dimension]
    numbers = np.argsort(-table[:, EVENTS, 0], kind="stable")
    ours = [names.index(key) for key in RESERVED_KEYS if key in names]
    numbers = numbers[~np.isin(numbers, ours)]
    columns = ((EVENTS, 0), (VISITORS, CLICK), (VISITORS, -1))
    exposures, clicks, paid = (table[numbers, which, column].astype(np.float64) for which, column in columns)
    return Places(names, numbers, exposures, clicks, paid, judgement.place(exposures, clicks, paid))


def scorecard(picture: Picture, query: ScorecardQuery, judgement: Judgement) -> a.ScorecardAnswer:
    """The same as an answer, page by page."""
    found = places(picture, query.window, query.dimension, judgement)
    begin = place_after(query.cursor)
    end = min(begin + query.limit, len(found))
    return a.ScorecardAnswer(
        window=query.window,
        end_ms=picture.end_ms,
        dimension=query.dimension,
        exposure_line=found.placed.exposure_line,
        conversion_line=found.placed.conversion_line,
        quadrants={word: len(ranks) for word, ranks in sorted(found.ranks().items())},
        keys=tuple(_placed(found, at) for at in range(begin, end)),
        total=len(found),
        next_cursor=str(end) if begin < end < len(found) else None,
    )


def _placed(found: Places, at: int) -> a.Placed:
    return a.Placed(
        key=found.key(at),
        quadrant=found.placed.quadrants[at],
        exposures=int(found.exposures[at]),
        clicks=int(found.clicks[at]),
        paid=int(found.paid[at]),
        ratio=found.ratio(at),
        lower=float(found.placed.lower[at]),
        upper=float(found.placed.upper[at]),
    )
