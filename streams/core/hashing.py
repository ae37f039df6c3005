"""64-bit fingerprints of identifiers, stable across processes and versions.

State keeps fingerprints instead of strings: eight bytes an id, whatever its length. With N ids
alive, one more id is mistaken for another with probability N / 2**64: at ten million live ids
once in 1.8e12 events. Source of the hash: XXH3-64 (xxHash 0.8); the mixer is the finaliser of
MurmurHash3 (Appleby, public domain).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from xxhash import xxh3_64_digest, xxh3_64_intdigest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    U64 = NDArray[np.uint64]

_FIRST = np.uint64(0xFF51AFD7ED558CCD)
_SECOND = np.uint64(0xC4CEB9FE1A85EC53)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(33)


def fingerprints(texts: Sequence[str]) -> U64:
    """One fingerprint per text, shape (n,)."""
    return from_digests([digests(texts)])


def digests(texts: Sequence[str]) -> bytes:
    """The fingerprints of texts as bytes, for :func:`from_digests`."""
    return b"".join(map(xxh3_64_digest, map(str.encode, texts)))


def from_digests(parts: Sequence[bytes]) -> U64:
    """Fingerprints from their bytes, those of all parts in a row."""
    # xxHash's canonical digest is big-endian.
    return np.frombuffer(b"".join(parts), dtype=">u8").astype(np.uint64)


def fingerprint(text: str) -> int:
    """The fingerprint of one text, equal to what :func:`fingerprints` gives for it."""
    return int(xxh3_64_intdigest(text.encode()))


def combine(left: U64, right: U64 | np.uint64) -> U64:
    """Fingerprints of pairs; both sides broadcast."""
    # As an array, since numpy warns when a lone scalar wraps around.
    mixed = left ^ (np.atleast_1d(right) * _GOLDEN + _SECOND)
    mixed = (mixed ^ (mixed >> _SHIFT)) * _FIRST
    mixed = (mixed ^ (mixed >> _SHIFT)) * _SECOND
    return np.asarray(mixed ^ (mixed >> _SHIFT), dtype=np.uint64)
