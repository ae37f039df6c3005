"""Everything that can be shown of one moment, as plain data that nobody changes any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams.closed import BUCKET_MS
from streams.judged import NOTHING_JUDGED, Judged

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from streams.core.windows import Span
    from streams.web.board import Incident

    I64 = NDArray[np.int64]

# Orders and amount in minor units, by currency and kind: paid, cancelled, refunded.
Money = Mapping[tuple[str, str], tuple[int, int]]
EVENTS, VISITORS = 0, 1


@dataclass(frozen=True, slots=True)
class Earlier:
    """Another time that a window is compared with.

    Attributes:
        span: as it was really summed up.
        counts: of the total, shape (2, nodes): events, visitors.
        money: of the total.
    """

    span: Span
    counts: I64
    money: Money = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Window:
    """One window at one moment.

    Attributes:
        span: event time that it has.
        counts: by dimension, shape (keys, 2, nodes): events, visitors; keys by number.
        paid: paid orders and their amount in the main currency by dimension, shape (keys, 2).
        money: of the total.
        before: clicks' and payments' visitors in the window before, of the keys with most traffic, by
            dimension and key number; of others it is not known.
        earlier: the total at the times that the window is compared with, by word.
        expected: conversion of a step by (dimension, step) and key, where it is known.
    """

    span: Span
    counts: Mapping[str, I64]
    paid: Mapping[str, I64]
    money: Money
    before: Mapping[str, Mapping[int, tuple[int, int]]]
    earlier: Mapping[str, Earlier]
    expected: Mapping[tuple[str, int], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Picture:
    """See the module.

    Attributes:
        end_ms: event time up to which everything is in.
        began_ms: event time from which on everything is in.
        taken_ms: time of day at which it was taken.
        nodes: of the funnel.
        names: keys of each dimension, by number; may have grown since.
        windows: by name.
        currency: in which most is paid; None before anything was.
        judged: buckets of the last hour, with what was expected.
        going_on: open incidents by id, with the numbers of this moment.
    """

    end_ms: int
    began_ms: int
    taken_ms: int
    nodes: tuple[str, ...]
    names: Mapping[str, Sequence[str]]
    windows: Mapping[str, Window]
    currency: str | None = None
    judged: Judged = NOTHING_JUDGED
    going_on: Mapping[str, Incident] = field(default_factory=dict)

    @property
    def bucket_starts(self) -> list[int]:
        """Start of each judged bucket, oldest first."""
        count = len(self.judged.buckets)
        return [self.judged.end_ms - (count - at) * BUCKET_MS for at in range(count)]
