"""Simulated events as rows of one numpy array: what a record will say, in numbers.

Promises: all columns are integers, so rows can be seen as a plain matrix, and that is how they are
joined and read out. ``-1`` is none. Refuses to know what the numbers stand for: that is the shop's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from streams.demo.shop import Floats, Ints

Rows = NDArray[np.void]
Flags = NDArray[np.bool_]

COLUMNS = ("arrival", "time", "kind", "number", "visitor", "slot", "banner", "sku", "order", "spoiled")
ROW = np.dtype([(name, np.int64) for name in COLUMNS])


def joined(*parts: Rows) -> Rows:
    """One array after the other, as a copy. Ten times faster than numpy does it field by field."""
    return np.concatenate([plain(part) for part in parts]).view(ROW).reshape(-1)


def plain(rows: Rows) -> Ints:
    """The rows as a matrix, one column per name in :data:`COLUMNS`; not a copy."""
    return rows.view(np.int64).reshape(-1, len(COLUMNS))


def later(rows: Rows, kind: int, delay_ms: Floats | Ints) -> Rows:
    """Events of another kind, each so much later than the one that brings it."""
    events = joined(rows)
    events["kind"] = kind
    events["time"] += delay_ms.astype(np.int64)
    return events
