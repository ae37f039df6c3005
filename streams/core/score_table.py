"""The scorecard of a dimension as a plain table for those who show it.

Promises: lines and totals are of all keys, rows of the ``most`` that are exposed most; a rate stands
beside its counts and is None without entries. Structs that msgspec writes as JSON. Which key is placed
where is not decided here.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np

from streams.closed import VISITORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from streams.core.windows import Windows

    F64 = NDArray[np.float64]


class ScoreRow(msgspec.Struct, frozen=True):
    """A key's place in the exposure x conversion matrix.

    Attributes:
        exposures: events of the first node.
        entries: visitors of the node after (clicks).
        conversions: visitors of the last node.
        rate: conversions over entries, with the interval by which the key was placed; None without entries.
        quadrant: ``star``, ``hidden_gem``, ``wasted_traffic``, ``tail`` or ``unclear``.
    """

    key: str
    exposures: int
    entries: int
    conversions: int
    rate: float | None
    lower: float
    upper: float
    quadrant: str


class ScoreTable(msgspec.Struct, frozen=True):
    """The scorecard of a dimension over a window ``[start_ms, end_ms)``.

    Attributes:
        exposure_line: exposures from which a key is much exposed.
        conversion_line: rate above which a key converts better.
        keys: how many keys stand in each quadrant, those without a row among them.
        rows: the most exposed keys first.
    """

    dimension: str
    window: str
    start_ms: int
    end_ms: int
    exposure_line: float
    conversion_line: float
    keys: dict[str, int]
    rows: tuple[ScoreRow, ...]


class Placed(Protocol):
    """Keys in quadrants, as whoever judges places them; arrays of shape (keys,)."""

    @property
    def quadrants(self) -> Sequence[str]: ...  # noqa: D102 - see ScoreRow
    @property
    def exposure_line(self) -> float: ...  # noqa: D102 - see ScoreTable
    @property
    def conversion_line(self) -> float: ...  # noqa: D102 - see ScoreTable
    @property
    def lower(self) -> F64: ...  # noqa: D102 - see ScoreRow
    @property
    def upper(self) -> F64: ...  # noqa: D102 - see ScoreRow


def score_table(
    windows: Windows, window: str, dimension: str, place: Callable[[F64, F64, F64], Placed], most: int
) -> ScoreTable:
    """The scorecard of a dimension.

    Args:
        windows: as of the last closed bucket.
        window: its name.
        dimension: whose keys.
        place: exposures, entries and conversions of all keys, shape (keys,), to their places.
        most: rows.

    Raises:
        KeyError: there is no such window or dimension.
    """
    check_dimension(windows, dimension)
    span, counts = windows.span(window), windows.counts(window, dimension)
    columns = (0, VISITORS + 1, VISITORS + len(windows.nodes) - 1)
    exposures, entries, conversions = (counts[:, column] for column in columns)
    placed = place(*(each.astype(np.float64) for each in (exposures, entries, conversions)))
    names = windows.names(dimension)
    first = np.lexsort((np.arange(len(names)), -entries, -exposures))[:most].tolist()
    return ScoreTable(
        dimension,
        window,
        *span,
        float(placed.exposure_line),
        float(placed.conversion_line),
        dict(Counter(str(quadrant) for quadrant in placed.quadrants)),
        tuple(
            ScoreRow(
                names[at],
                int(exposures[at]),
                int(entries[at]),
                int(conversions[at]),
                int(conversions[at]) / int(entries[at]) if entries[at] else None,
                float(placed.lower[at]),
                float(placed.upper[at]),
                str(placed.quadrants[at]),
            )
            for at in first
        ),
    )


def check_dimension(windows: Windows, dimension: str) -> None:
    """Raises KeyError if there are no windows of it."""
    if dimension not in windows.dimensions:
        raise KeyError(dimension)
