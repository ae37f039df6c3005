"""Stable orders by sorting value and place packed into one integer; distinct values by counting.

A plain sort of integers is several times faster in numpy than a stable argsort, and with the
row's place in the low bits it is stable all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    I64 = NDArray[np.int64]

N = TypeVar("N", np.int64, np.uint64)

_BITS = 63
# Counting runs over all values from the least to the largest: worth it while those are not many more.
_DENSE = 4


def stable_order(values: I64) -> I64:
    """What ``argsort(values, kind="stable")`` answers, shape (n,)."""
    packed = _packed(values)
    if packed is None:
        return np.argsort(values, kind="stable")
    return packed & _mask(values.size)


def first_of_each(values: I64) -> I64:
    """Index of the first occurrence of each distinct value, in the order of the values."""
    if not values.size:
        return values.astype(np.int64)
    order = stable_order(values)
    ordered = values[order]
    return order[np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))]


def sorted_once(values: NDArray[N]) -> NDArray[N]:
    """Each value once, ascending: what ``np.unique(values)`` answers, thirty times faster.

    NumPy puts integers into a hash table first (2.3 and above); sorting them is vectorised.
    """
    ordered = np.sort(values)
    new = np.empty(ordered.size, dtype=np.bool_)
    new[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return ordered[new]


def summed(values: I64, times: I64) -> tuple[I64, I64]:
    """Distinct values, ascending, and the sum of what stands beside each."""
    if not values.size:
        return values, times
    packed = _packed(values)
    if packed is None:
        order = np.argsort(values, kind="stable")
        ordered = values.take(order)
    else:
        order = packed & _mask(values.size)
        ordered = packed >> values.size.bit_length()
        ordered += values.min()
    new = np.empty(ordered.size, dtype=np.bool_)
    new[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    starts = np.flatnonzero(new)
    return ordered.take(starts), np.add.reduceat(times.take(order), starts)


def distinct(values: I64) -> tuple[I64, I64]:
    """Distinct values, ascending, and how often each occurs: ``np.unique``, faster for dense ones."""
    if not values.size:
        return values.astype(np.int64), values.astype(np.int64)
    low, high = int(values.min()), int(values.max())
    if high - low > _DENSE * values.size:
        return np.unique(values, return_counts=True)
    times = np.bincount(values - low)
    present = np.flatnonzero(times)
    return present + low, times[present]


def _packed(values: I64) -> I64 | None:
    """Sorted (value, place) pairs as single numbers, or None if they do not fit into one."""
    if values.size == 0:
        return values.astype(np.int64)
    low = int(values.min())
    bits = values.size.bit_length()
    if (int(values.max()) - low) >> (_BITS - bits):
        return None
    packed: I64 = values - low
    packed <<= bits
    packed |= np.arange(values.size)
    packed.sort()
    return packed


def _mask(size: int) -> int:
    return (1 << size.bit_length()) - 1
