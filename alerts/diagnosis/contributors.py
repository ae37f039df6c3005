"""Who lost most: the keys under a scope, and each one's share of the scope's loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.model import EVERYWHERE, Contributor, Place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.diagnosis.leaves import Leaves

    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

MOST = 3


def contributors(
    leaves: Leaves,
    scope: tuple[Place, ...] = EVERYWHERE,
    *,
    worth: F64 | None = None,
    most: int = MOST,
) -> tuple[Contributor, ...]:
    """The keys of the other dimensions that made most of the scope's change.

    Shares of one dimension's keys add up to 1; a key that went the other way has a negative share.
    A dimension in which the scope has a single key says nothing, and is left out.

    Args:
        leaves: counts by combination.
        scope: whose loss is looked into.
        worth: minor units a conversion is worth by leaf, shape (leaves,); then shares are of the
            money lost instead of conversions.
        most: how many keys of each dimension at most.

    Returns:
        The largest shares, first; none if the scope's total has not moved.
    """
    rows = leaves.rows(scope)
    lost = (leaves.expected[rows] - leaves.observed[rows]) * (1.0 if worth is None else worth[rows])
    total = float(lost.sum())
    if total == 0.0:
        return ()
    named = {place.dimension for place in scope}
    found = [
        contributor
        for dimension, name in enumerate(leaves.dimensions)
        if name not in named
        for contributor in _of_dimension(leaves, scope, rows, dimension, lost / total, most)
    ]
    return tuple(sorted(found, key=lambda contributor: -contributor.share))


def _of_dimension(
    leaves: Leaves, scope: tuple[Place, ...], rows: I64, dimension: int, shares: F64, most: int
) -> list[Contributor]:
    codes = leaves.codes[rows, dimension]
    keys = int(leaves.key_counts[dimension])
    present = np.flatnonzero(np.bincount(codes, minlength=keys))
    if len(present) < 2:
        return []
    share, observed, expected = (
        np.bincount(codes, values, minlength=keys)
        for values in (shares, leaves.observed[rows], leaves.expected[rows])
    )
    outer = () if scope == EVERYWHERE else scope
    largest = present[np.argsort(-share[present], kind="stable")[:most]]
    return [
        Contributor(
            (*outer, leaves.place(dimension, key)),
            float(observed[key]),
            float(expected[key]),
            float(share[key]),
        )
        for key in largest.tolist()
        if share[key] > 0.0
    ]
