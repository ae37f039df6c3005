"""Columns of events: taking rows, and putting parts together."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from streams.core.rows import Rows, concatenate
from tests.support.columns import i64, mask, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = [field.name for field in fields(Rows)]


def distinct(start: int, count: int) -> Rows:
    """Rows that differ in every column that is not a flag."""
    numbers: list[int] = list(range(start, start + count))
    flags = [number % 2 == 0 for number in numbers]
    values: dict[str, Sequence[Any]] = {
        name: numbers for name in COLUMNS if name not in ("keys", "first", "late")
    }
    keys = [(n, n + 100, n + 200, n + 300) for n in numbers]
    return rows(count, keys, **values, first=flags, late=[not flag for flag in flags])


def as_lists(some: Rows) -> dict[str, list[Any]]:
    """Every column, rows first."""
    return {name: np.asarray(getattr(some, name)).T.tolist() for name in COLUMNS}


def test_the_number_of_rows_is_their_length() -> None:
    """None, or as many as there are times."""
    assert [len(rows(count)) for count in (0, 1, 7)] == [0, 1, 7]


@pytest.mark.parametrize("where", [i64(3, 0), mask(1, 0, 0, 1), slice(1, 3), i64(), slice(4, 4)])
def test_taking_rows_takes_every_column(where: Any) -> None:
    """Index arrays in their order, masks and slices; the same rows of each column."""
    taken = as_lists(distinct(10, 4).take(where))
    numbers = np.arange(10, 14)[where].tolist()
    assert taken == as_lists(distinct(10, 4)) | {
        name: [as_lists(distinct(number, 1))[name][0] for number in numbers] for name in COLUMNS
    }


def test_taking_a_mask_leaves_the_rows_alone() -> None:
    """What was taken are copies: later changes do not reach back."""
    some = distinct(0, 3)
    some.take(mask(1, 1, 1)).time[:] = 99
    assert some.time.tolist() == [0, 1, 2]


def test_parts_are_put_one_after_the_other() -> None:
    """Every column in the order of the parts, empty ones included."""
    parts = [distinct(0, 2), distinct(0, 2).take(slice(2, 2)), distinct(2, 3)]
    assert as_lists(concatenate(parts)) == as_lists(distinct(0, 5))


def test_column_types_stay() -> None:
    """Taking and concatenating keep the types that state and arithmetic rely on."""
    some = distinct(0, 2)
    for other in (some.take(slice(0, 1)), concatenate([some, some])):
        assert [getattr(other, name).dtype for name in COLUMNS] == [
            getattr(some, name).dtype for name in COLUMNS
        ]


def test_a_single_part_is_given_back() -> None:
    """Nothing is copied where nothing has to be."""
    part = distinct(0, 2)
    assert concatenate([part]) is part
