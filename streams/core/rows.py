"""Decoded events as columns: one array per field, one row per event.

Keys are numbered by a :class:`streams.core.vocabulary.Vocabulary`, identifiers are fingerprints.
Events with order lines keep those in ``details``, found by the row's serial; plain lists of SKUs
lie in one array (:mod:`streams.core.sku_lists`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streams.events import Outcome, Reason

NO_DETAIL = -1


class Line(NamedTuple):
    """One SKU of an event, or one line of an order. Keys are codes, 0 is ``(none)``."""

    sku: int
    slot: int
    banner: int
    amount_minor: int = 0


class Detail(NamedTuple):
    """What does not fit a row: several lines, and the order they belong to.

    ``priced`` is True if the lines are an order's, False if they are just the event's SKUs;
    ``order`` is the fingerprint of the order's id, ``method`` the code of how it is paid. At least
    one line.
    """

    lines: tuple[Line, ...]
    priced: bool = False
    order: int | None = None
    currency: str | None = None
    method: int = 0


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that cannot be counted; ``index`` is its place in the batch."""

    index: int
    outcome: Outcome
    reason: Reason | None
    field: str


@dataclass(slots=True)
class Rows:
    """Columns of equal length n, rows in some stated order.

    ``time`` and ``order_time`` are ms; ``node`` indexes the vocabulary's stages; ``keys`` has one
    row of codes per keyed dimension (slot, banner, sku, extras), shape (dimensions, n). ``record``
    is the record's place in its batch, ``topic`` 0 for the clickstream and 1 for the orders.
    ``first`` is True for the first event of its record: that one stands for the record's outcome.
    """

    record: NDArray[np.int32]
    topic: NDArray[np.int8]
    time: NDArray[np.int64]
    order_time: NDArray[np.int64]
    node: NDArray[np.int16]
    event: NDArray[np.uint64]
    visitor: NDArray[np.uint64]
    keys: NDArray[np.int32]
    detail: NDArray[np.int64]
    first: NDArray[np.bool_]
    late: NDArray[np.bool_]

    def __len__(self) -> int:
        return self.time.size

    @property
    def nbytes(self) -> int:
        """Bytes of all columns."""
        return sum(getattr(self, name).nbytes for name in self.__slots__)

    def take(self, where: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Rows:
        """The rows that an index array, a mask or a slice names, in its order."""
        return Rows(
            self.record[where],
            self.topic[where],
            self.time[where],
            self.order_time[where],
            self.node[where],
            self.event[where],
            self.visitor[where],
            self.keys[:, where],
            self.detail[where],
            self.first[where],
            self.late[where],
        )


def concatenate(parts: Sequence[Rows]) -> Rows:
    """Rows of all parts, one after the other; at least one part."""
    if len(parts) == 1:
        return parts[0]
    return Rows(
        np.concatenate([part.record for part in parts]),
        np.concatenate([part.topic for part in parts]),
        np.concatenate([part.time for part in parts]),
        np.concatenate([part.order_time for part in parts]),
        np.concatenate([part.node for part in parts]),
        np.concatenate([part.event for part in parts]),
        np.concatenate([part.visitor for part in parts]),
        np.concatenate([part.keys for part in parts], axis=1),
        np.concatenate([part.detail for part in parts]),
        np.concatenate([part.first for part in parts]),
        np.concatenate([part.late for part in parts]),
    )


@dataclass(slots=True)
class Decoded:
    """What a batch of records says: rows in record order, details by number, and the rejected.

    ``skus`` are the codes of lists of SKUs, to which rows point (:mod:`streams.core.sku_lists`).
    """

    rows: Rows
    details: dict[int, Detail] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    skus: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
