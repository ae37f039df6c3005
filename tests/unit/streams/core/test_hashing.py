"""Fingerprints of identifiers: the same in every process and version, since state is kept by them."""

from __future__ import annotations

import numpy as np
import pytest

from streams.core.hashing import combine, fingerprint, fingerprints
from tests.support.columns import u64

# The first is XXH3-64's own test vector for no input.
KNOWN = {"": 0x2D06800538D394C2, "SKU_1": 0xCA77FE98B06AB19A, "坑位": 0x7CF4B6C055CB1EEC}


@pytest.mark.parametrize(("text", "expected"), KNOWN.items())
def test_fingerprints_never_change(text: str, expected: int) -> None:
    """A snapshot written by one version is read by the next: XXH3-64 of the UTF-8 bytes."""
    assert fingerprint(text) == expected


def test_many_are_as_each() -> None:
    """A batch gives for every text what the text alone gives, in order."""
    texts = ["v1", "", "visitor-00000001", "坑位", "x" * 300, "v1"]
    assert fingerprints(texts).tolist() == [fingerprint(text) for text in texts]


def test_no_texts_no_fingerprints() -> None:
    """An empty batch is an empty array of the same type."""
    prints = fingerprints([])
    assert prints.size == 0
    assert prints.dtype == np.uint64


def test_texts_that_differ_have_other_fingerprints() -> None:
    """A hundred thousand ids of one pattern, no collision."""
    assert np.unique(fingerprints([f"visitor-{number:08d}" for number in range(100_000)])).size == 100_000


def test_pairs_never_change() -> None:
    """State is kept by combined fingerprints as well."""
    assert combine(u64(1, 2), u64(3, 4)).tolist() == [0x8633FED0E7558B6B, 0x0D0DD138ACD71B39]


def test_pairs_are_ordered() -> None:
    """(a, b) is another pair than (b, a)."""
    assert combine(u64(1), u64(2)).tolist() != combine(u64(2), u64(1)).tolist()


def test_one_side_may_be_a_single_number() -> None:
    """A lone right side is combined with every left side, also where the product wraps around."""
    largest = np.uint64(2**64 - 1)
    assert combine(u64(1, 2), largest).tolist() == combine(u64(1, 2), u64(2**64 - 1, 2**64 - 1)).tolist()


def test_pairs_of_small_numbers_do_not_collide() -> None:
    """Small numbers on both sides, as stages are, spread over all 64 bits."""
    left = np.repeat(np.arange(1_000, dtype=np.uint64), 100)
    right = np.tile(np.arange(100, dtype=np.uint64), 1_000)
    pairs = combine(left, right)
    assert np.unique(pairs).size == pairs.size
    set_bits = np.bitwise_count(pairs).mean()
    assert 31 < set_bits < 33
