"""What nothing is learnt of: steps whose data cannot be believed, and series with an open incident.

An incident that were learnt from would become what is usual, and its end the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.model import EVERYWHERE, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from alerts.identity import Identity
    from alerts.model import Step
    from alerts.series import SeriesTable

    Bools = NDArray[np.bool_]


def frozen(
    table: SeriesTable, steps: Sequence[Step], believed: Bools, identities: Iterable[Identity]
) -> Bools:
    """Of which series nothing is learnt, shape (rows, steps).

    Args:
        table: the rows.
        steps: of the funnel.
        believed: steps whose data can be believed, shape (steps,).
        identities: of open incidents.
    """
    found = np.zeros((len(table), len(steps)), dtype=np.bool_)
    found[:, ~believed] = True
    for identity in identities:
        # A line that somebody drew says nothing of what is usual.
        if identity.family != Kind.RULE and identity.step is not None and identity.step in steps:
            found[_rows(table, identity), steps.index(identity.step)] = True
    return found


def _rows(table: SeriesTable, identity: Identity) -> slice | list[int]:
    if identity.scope == EVERYWHERE:
        return slice(None)
    rows = (table.row(place) for place in identity.scope)
    return [row for row in rows if row is not None]
