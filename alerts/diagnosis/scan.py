"""Names the place: a likelihood scan over combinations of up to three dimensions.

Every scope that occurs among the leaves (``all``, each key, each pair, each triple) is held against
the leaves as one hypothesis: inside it counts follow their expectation times one factor, outside
nothing changed. Its worth is the Poisson log likelihood it gains over "nothing changed",
``x ln(x / e) - (x - e)`` (Kulldorff 1997), by the dispersion of the counts (quasi-likelihood), less
one price.

The price is the length of the scope's name: ``ln`` of the number of keys of each dimension it names,
plus ``ln(n) / 2`` for its factor. This is the two-part code (Rissanen 1978), which for one parameter
is BIC with the prior over models that EBIC takes (Chen and Chen 2008): a scope must pay for how many
others of its sort could have been named by chance. ``all`` has no name to pay for. So what is common
to all is named ``all``, not by its largest slot; and a pair is named only if its slot as a whole fits
clearly worse. There is nothing else to tune. A second factor outside, and a price that grows with
the evidence, were tried on labelled data and named worse.

It refuses to name anything that gains less than its price.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import log
from typing import TYPE_CHECKING

import numpy as np

from alerts.diagnosis.likelihood import Direction, gains, moved
from alerts.model import EVERYWHERE, Place
from streams.funnel import RESERVED_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from alerts.diagnosis.leaves import Groups, Leaves

    Bools = NDArray[np.bool_]

DEEPEST = 3
MOST_SCOPES = 10


@dataclass(frozen=True, slots=True)
class Scope:
    """A place that may be the cause, and how well that fits.

    Attributes:
        places: where; several mean all of them at once.
        gain: log likelihood gained over "nothing changed", less the price; nats.
        observed: downstream count inside.
        expected: what it should have been.
    """

    places: tuple[Place, ...]
    gain: float
    observed: float
    expected: float

    @property
    def ratio(self) -> float:
        """The common factor inside: observed over expected."""
        return self.observed / self.expected if self.expected else float("inf")

    @property
    def lost(self) -> float:
        """Conversions lost; negative is gained."""
        return self.expected - self.observed


def scan(
    leaves: Leaves,
    direction: Direction = Direction.BOTH,
    *,
    dispersion: float = 1.0,
    deepest: int = DEEPEST,
    most: int = MOST_SCOPES,
) -> tuple[Scope, ...]:
    """The scopes that explain the leaves best, best first.

    Args:
        leaves: counts by combination.
        direction: which changes are looked for.
        dispersion: variance of the counts over their mean, at least 1.
        deepest: how many dimensions a scope may name at once.
        most: how many scopes to return.

    Returns:
        At most ``most`` scopes, each of which gains more than its price; equal ones in the order of
        fewer places first, then of dimensions.
    """
    found = [
        scope
        for groups in _groupings(leaves, deepest)
        for scope in _best(leaves, groups, direction, most, dispersion)
    ]
    # sorted() is stable, and groupings come from the widest to the narrowest.
    return tuple(sorted(found, key=lambda scope: -scope.gain)[:most])


def price(leaves: Leaves, dimensions: tuple[int, ...]) -> float:
    """What naming a scope of these dimensions costs, nats."""
    name = sum(log(max(int(leaves.key_counts[dimension]), 1)) for dimension in dimensions)
    return name + 0.5 * log(max(float(leaves.observed.sum()), 1.0))


def _groupings(leaves: Leaves, deepest: int) -> Iterator[Groups]:
    for depth in range(min(deepest, len(leaves.dimensions)) + 1):
        for dimensions in combinations(range(len(leaves.dimensions)), depth):
            yield leaves.groups(dimensions)


def _best(leaves: Leaves, groups: Groups, direction: Direction, most: int, dispersion: float) -> list[Scope]:
    gained = gains(groups.observed, groups.expected) / max(dispersion, 1.0) - price(leaves, groups.dimensions)
    named = _of_keys(leaves, groups)
    worth = np.flatnonzero(moved(groups.observed, groups.expected, direction) & (gained > 0.0) & named)
    best = worth[np.argsort(-gained[worth], kind="stable")[:most]]
    return [_scope(leaves, groups, int(at), float(gained[at])) for at in best]


def _of_keys(leaves: Leaves, groups: Groups) -> Bools:
    """Which groups have names that people can look up, shape (groups,): who has no slot is at no place."""
    found = np.ones(len(groups.keys), dtype=np.bool_)
    for column, dimension in enumerate(groups.dimensions):
        for name in RESERVED_KEYS:
            at = leaves.number(Place(leaves.dimensions[dimension], name))
            if at is not None:
                found &= groups.keys[:, column] != at[1]
    return found


def _scope(leaves: Leaves, groups: Groups, at: int, gain: float) -> Scope:
    keys = zip(groups.dimensions, groups.keys[at].tolist(), strict=True)
    places = tuple(leaves.place(dimension, key) for dimension, key in keys) or EVERYWHERE
    return Scope(places, gain, float(groups.observed[at]), float(groups.expected[at]))
