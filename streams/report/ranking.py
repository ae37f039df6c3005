"""Best and worst keys of a dimension, and where each stands in the scorecard.

Promises: a key is called better or worse only if its interval lies wholly on one side of the rate of all
keys together; how many orders that gained or lost puts them in order, so a SKU with three clicks leads
nothing. ``(none)`` and ``(other)`` are no keys and are ranked nowhere, but are part of all together.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from alerts.diagnosis.scorecard import Quadrant, scorecard
from streams.core.ratios import ratios
from streams.funnel import RESERVED_KEYS
from streams.report.data import DimensionFigures, KeyFigures
from streams.report.figures import entries_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from streams.core.ratios import Ratio
    from streams.report.keyed import KeyedSums

_TOP: Final = 10
_NAMED: Final = 5
# Further ones are on top of each other anyway, and each is a node of the page.
_POINTS: Final = 300


def dimensions_of(
    keyed: KeyedSums, then: KeyedSums | None, nodes: int, currency: str | None
) -> Iterator[DimensionFigures]:
    """Every dimension that has keys with traffic.

    Args:
        keyed: this promotion's sums.
        then: the last one's; None where they are not to be compared.
        nodes: of the funnel.
        currency: of the revenue.
    """
    for dimension in keyed.dimensions:
        figures = _dimension(dimension, keyed, _rates(dimension, then, nodes), nodes, currency)
        if figures.known:
            yield figures


def _rates(dimension: str, then: KeyedSums | None, nodes: int) -> Mapping[str, Ratio]:
    """Conversion by key at the last promotion."""
    if then is None or dimension not in then.dimensions:
        return {}
    entries = entries_of(then.counts(dimension), nodes)
    found = ratios(entries[:, -1], entries[:, 1])
    clicked = np.flatnonzero(entries[:, 1]).tolist()
    names = then.names(dimension)
    return {names[number]: found.at(number) for number in clicked}


def _dimension(
    dimension: str, keyed: KeyedSums, last: Mapping[str, Ratio], nodes: int, currency: str | None
) -> DimensionFigures:
    counts = keyed.counts(dimension)
    entries, revenue = entries_of(counts, nodes), keyed.paid(dimension, currency)
    orders, names = counts[:, nodes - 1], keyed.names(dimension)
    clicks, paid = entries[:, 1], entries[:, -1]
    rate = float(paid.sum()) / max(float(clicks.sum()), 1.0)
    found = ratios(paid, clicks)
    card = scorecard(entries[:, 0].astype(float), clicks.astype(float), paid.astype(float))

    def key(number: int) -> KeyFigures:
        return KeyFigures(
            names[number],
            int(entries[number, 0]),
            int(clicks[number]),
            int(orders[number]),
            int(revenue[number]),
            found.at(number),
            float(paid[number] - rate * clicks[number]),
            card.quadrants[number],
            last.get(names[number]),
        )

    busy = np.flatnonzero((entries.sum(axis=1) > 0) | (orders > 0)).tolist()
    own = [number for number in busy if names[number] not in RESERVED_KEYS]
    beyond = paid - rate * clicks
    sure_better = [number for number in own if found.lower[number] > rate]
    sure_worse = [number for number in own if found.upper[number] < rate]
    placed = Counter(card.quadrants[number] for number in own)

    def first(numbers: list[int], order: Callable[[int], float], most: int) -> tuple[KeyFigures, ...]:
        return tuple(key(number) for number in sorted(numbers, key=lambda n: (order(n), names[n]))[:most])

    return DimensionFigures(
        dimension,
        len(own),
        rate,
        first([number for number in own if revenue[number] > 0], lambda n: -revenue[n], _TOP),
        first(sure_better, lambda n: -beyond[n], _TOP),
        first(sure_worse, lambda n: beyond[n], _TOP),
        {quadrant: placed[quadrant] for quadrant in Quadrant},
        {
            quadrant: first([n for n in own if card.quadrants[n] is quadrant], lambda n: -clicks[n], _NAMED)
            for quadrant in Quadrant
        },
        first([n for n in own if clicks[n] > 0 and entries[n, 0] > 0], lambda n: -entries[n, 0], _POINTS),
        card.exposure_line,
        card.conversion_line,
    )
