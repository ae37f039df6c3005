"""Rows opened into lines, and the distinct keys of each row."""

from __future__ import annotations

from streams.core.lines import Lines, open_lines
from streams.core.rows import Detail, Line
from streams.core.vocabulary import OTHER_CODE, Vocabulary
from streams.formats.keys import key_objection
from streams.funnel import Funnel
from tests.support.columns import i64, mask, rows

SLOT, BANNER, SKU = 0, 1, 2
DETAILS = {
    70: Detail((Line(5, 1, 2), Line(6, 3, 4), Line(5, 1, 4))),
    71: Detail((Line(8, 0, 9),)),
}


def opened() -> Lines:
    """Four rows: plain, three lines, plain, one line."""
    keys = [(11, 12, 13), (9, 9, 0), (21, 22, 23), (9, 9, 0)]
    return open_lines(rows(4, keys, detail=[-1, 70, -1, 71]), DETAILS)


def test_a_plain_row_is_its_own_line() -> None:
    """Without details every row is one line under the row's keys."""
    lines = open_lines(rows(2, [(1, 2, 3), (4, 5, 6)]), {})
    assert lines.row.tolist() == [0, 1]
    assert lines.keys.tolist() == [[1, 4], [2, 5], [3, 6]]
    assert lines.several.tolist() == [False, False]


def test_lines_take_the_place_of_the_row_that_names_them() -> None:
    """In the order of the rows, each line under its own keys."""
    lines = opened()
    assert lines.row.tolist() == [0, 1, 1, 1, 2, 3]
    assert lines.keys.T.tolist() == [[11, 12, 13], [1, 2, 5], [3, 4, 6], [1, 4, 5], [21, 22, 23], [0, 9, 8]]


def test_several_marks_rows_of_more_than_one_line() -> None:
    """A row with a single line of its own is as good as a plain one."""
    assert opened().several.tolist() == [False, True, True, True, False, False]


def test_extra_dimensions_stay_with_the_row() -> None:
    """Lines carry slot, banner and SKU; the extras are the event's."""
    assert open_lines(rows(1, [(1, 2, 3, 4)]), {}).keys.shape == (3, 1)


def test_the_rows_keys_are_not_shared() -> None:
    """Attribution fills lines in; the rows stay as they were read."""
    some = rows(1, [(1, 2, 3)])
    open_lines(some, {}).keys[0, 0] = 99
    assert some.keys[0, 0] == 1


def test_each_key_of_a_row_counts_once() -> None:
    """Two lines of one SKU are one pair, two SKUs are two; rows ascend."""
    everyone = mask(1, 1, 1, 1)
    row, key = opened().pairs(SKU, everyone)
    assert row.tolist() == [0, 1, 1, 2, 3]
    assert sorted(key.tolist()[1:3]) == [5, 6]
    assert key.tolist()[0:1] + key.tolist()[3:] == [13, 23, 8]


def test_two_lines_of_one_key_are_one_pair() -> None:
    """Two are several already."""
    details = {0: Detail((Line(5, 1, 2), Line(5, 1, 3)))}
    lines = open_lines(rows(1, detail=[0]), details)
    sizes = [lines.pairs(dimension, mask(1))[0].size for dimension in (SLOT, BANNER, SKU)]
    assert (sizes, lines.several.tolist()) == ([1, 2, 1], [True, True])


def test_skus_beyond_the_bound_are_one_key() -> None:
    """Several of them in a row are one pair under (other), as is one alone."""
    details = {0: Detail((Line(-(1 << 31) + 1, 1, 2), Line(-(1 << 30), 1, 2), Line(5, 1, 2)))}
    some = rows(2, [(0, 0, 0), (1, 2, -(1 << 30) - 7)], detail=[0, -1])
    row, key = open_lines(some, details).pairs(SKU, mask(1, 1))
    assert (row.tolist(), key.tolist()) == ([0, 0, 1], [OTHER_CODE, 5, OTHER_CODE])
    assert open_lines(some, details).pairs(SKU, mask(0, 1))[1].tolist() == [OTHER_CODE]


def test_pairs_are_of_one_dimension() -> None:
    """What is distinct in one dimension may be one key in another."""
    pairs = {
        dimension: list(
            zip(*(column.tolist() for column in opened().pairs(dimension, mask(0, 1, 0, 0))), strict=True)
        )
        for dimension in (SLOT, BANNER, SKU)
    }
    assert pairs == {SLOT: [(1, 1), (1, 3)], BANNER: [(1, 2), (1, 4)], SKU: [(1, 5), (1, 6)]}


def test_no_key_is_a_key() -> None:
    """A line without a slot counts under (none), code 0."""
    row, key = opened().pairs(SLOT, mask(0, 0, 0, 1))
    assert (row.tolist(), key.tolist()) == ([3], [0])


def test_rows_that_are_not_kept_have_no_pairs() -> None:
    """The mask is over rows, and all lines of a row go with it."""
    row, _ = opened().pairs(SKU, mask(1, 0, 1, 0))
    assert row.tolist() == [0, 2]
    assert opened().pairs(SKU, mask(0, 0, 0, 0))[0].size == 0


def test_the_largest_codes_do_not_meet() -> None:
    """Row and key are packed into one number to be sorted; neither spills into the other."""
    details = {0: Detail((Line(2**31 - 1, 0, 0), Line(0, 0, 0))), 1: Detail((Line(0, 0, 0), Line(1, 0, 0)))}
    row, key = open_lines(rows(2, detail=[0, 1]), details).pairs(SKU, mask(1, 1))
    assert sorted(zip(row.tolist(), key.tolist(), strict=True)) == [(0, 0), (0, 2**31 - 1), (1, 0), (1, 1)]


# --- shares --------------------------------------------------------------------------------------


def test_lines_are_split_into_shares() -> None:
    """Each as often as said, one after the other, and every share knows its line."""
    lines, at = opened().split(i64(1, 2, 1, 1, 3, 1), i64(1, 4))
    assert lines.share_of is not None
    assert lines.share_of.tolist() == [0, 1, 1, 2, 3, 4, 4, 4, 5]
    assert lines.row.tolist() == [0, 1, 1, 1, 1, 2, 2, 2, 3]
    assert lines.keys[SKU].tolist() == [13, 5, 5, 6, 5, 23, 23, 23, 8]
    assert lines.several.tolist() == [False, *[True] * 4, *[True] * 3, False]
    assert at.tolist() == [1, 2, 5, 6, 7]


def test_shares_of_one_key_are_one_pair() -> None:
    """However a plain row is split, its SKU counts once."""
    lines, _ = open_lines(rows(1, [(1, 2, 3)]), {}).split(i64(3), i64(0))
    assert [column.tolist() for column in lines.pairs(SKU, mask(1))] == [[0], [3]]


def test_nothing_is_split_of_nothing() -> None:
    """No lines, no shares."""
    lines, at = open_lines(rows(0), {}).split(i64(), i64())
    assert (lines.row.size, at.size) == (0, 0)


def test_combinations_are_distinct_per_row() -> None:
    """Slot, banner and SKU of a line together; SKUs beyond the bound are one, and rows not asked for are left out."""
    vocabulary = Vocabulary(Funnel(), key_objection)
    for table in vocabulary.tables:
        for name in "AB":
            table[name]
    beyond = [-(1 << 30), -(1 << 30) - 1]
    details = {
        0: Detail((Line(2, 2, 0), Line(2, 3, 0), Line(2, 2, 0), Line(beyond[0], 2, 0), Line(beyond[1], 2, 0)))
    }
    lines = open_lines(rows(3, [(2, 0, 2), (0, 0, 0), (3, 0, 0)], detail=[-1, 0, -1]), details)
    row, key = lines.combinations(mask(1, 1, 0), vocabulary.combinations)
    names = [
        (at, vocabulary.combinations.names[code]) for at, code in zip(row.tolist(), key.tolist(), strict=True)
    ]
    assert names == [
        (0, "A\x1f(none)\x1fA"),
        (1, "A\x1f(none)\x1fA"),
        (1, "B\x1f(none)\x1fA"),
        (1, "A\x1f(none)\x1f(other)"),
    ]
