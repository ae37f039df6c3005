"""Rows and lines into questions and clicks, and the state behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from streams.core.attribution import MODELS, Attribution
from streams.core.lines import open_lines
from streams.core.rows import Detail, Line
from streams.core.slots import SWEEP
from streams.core.vocabulary import OTHER_CODE, Vocabulary
from streams.formats.keys import key_objection
from streams.funnel import Funnel
from tests.support.columns import i32, rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from streams.core.lines import Lines
    from streams.core.rows import Rows
    from streams.core.settings import AttributionModel

WINDOW = 100
T0 = 1_762_689_600_000
FOREVER_BACK = -(1 << 62)
EXPOSURE, CLICK, VIEW = 0, 1, 2
EVERY = pytest.mark.parametrize("model", list(MODELS))


def known(max_keys: int = 9) -> Vocabulary:
    """A vocabulary that has met as many SKUs as it numbers."""
    vocabulary = Vocabulary(Funnel(), key_objection, max_keys=max_keys)
    for number in range(max_keys):
        vocabulary.sku[f"S{number}"]
    return vocabulary


def attribution(model: AttributionModel = "last") -> Attribution:
    """Of a vocabulary that has met nine SKUs."""
    return Attribution(known(), model, WINDOW)


def attribute(owes: Attribution, some: Rows, details: Mapping[int, Detail] | None = None) -> Lines:
    """The lines of rows, as attributed."""
    return owes.attribute(some, open_lines(some, details or {}), FOREVER_BACK)


def follow(owes: Attribution, copy: Attribution, codes: Sequence[NDArray[np.int32]] | None = None) -> None:
    """Bring all clicks into a copy; ``codes`` has its numbers of slots and of banners."""
    for name, table in copy.tables().items():
        state = owes.tables()[name].changes(range(SWEEP), FOREVER_BACK)
        columns = [np.frombuffer(column, dtype=np.int32) for column in state.payload]
        if codes:
            columns = [new[column] for new, column in zip(codes, columns, strict=True)]
        table.apply(state, columns, FOREVER_BACK)


@EVERY
def test_an_event_sees_the_clicks_before_it(model: AttributionModel) -> None:
    """In its batch and in those before; other visitors' clicks are not its."""
    owes = attribution(model)
    some = rows(4, [(0, 0, 0), (5, 6, 0), (0, 0, 0), (0, 0, 0)], node=[VIEW, CLICK, VIEW, VIEW],
                visitor=[1, 1, 1, 2], time=T0)  # fmt: skip
    assert attribute(owes, some).keys[:2].T.tolist() == [[0, 0], [5, 6], [5, 6], [0, 0]]
    again = rows(2, node=VIEW, visitor=[1, 2], time=T0)
    assert attribute(owes, again).keys[:2].T.tolist() == [[5, 6], [0, 0]]


@EVERY
def test_exposures_and_clicks_ask_nothing(model: AttributionModel) -> None:
    """They stay as they stand."""
    some = rows(3, [(5, 6, 0), (0, 0, 0), (0, 0, 0)], node=[CLICK, CLICK, EXPOSURE], visitor=1, time=T0)
    assert attribute(attribution(model), some).keys[:2].T.tolist() == [[5, 6], [0, 0], [0, 0]]


@EVERY
def test_each_line_asks_for_its_own_sku(model: AttributionModel) -> None:
    """A line without a SKU asks for any click, here the only one; (other) is no SKU either."""
    owes = attribution(model)
    attribute(owes, rows(1, [(3, 0, 4)], node=CLICK, visitor=1, time=T0))
    attribute(owes, rows(1, [(5, 0, OTHER_CODE)], node=CLICK, visitor=2, time=T0))
    details = {0: Detail((Line(4, 0, 0), Line(OTHER_CODE, 0, 0), Line(0, 0, 0)))}
    for visitor, slot in ((1, 3), (2, 5)):
        some = rows(1, node=VIEW, visitor=visitor, time=T0, detail=0)
        assert attribute(owes, some, details).keys[0].tolist() == [slot] * 3


@EVERY
def test_unknown_skus_leave_no_clicks_of_their_own(model: AttributionModel) -> None:
    """(other) is many SKUs, and (none) is none."""
    owes = attribution(model)
    attribute(owes, rows(2, [(3, 0, OTHER_CODE), (3, 0, 0)], node=CLICK, visitor=1, time=T0))
    assert owes.tables()["clicks_by_sku"].live(FOREVER_BACK)[0].size == 0
    assert owes.tables()["clicks"].live(FOREVER_BACK)[0].size > 0


@EVERY
def test_skus_beyond_the_bound_have_clicks_of_their_own(model: AttributionModel) -> None:
    """Each line finds the click on its SKU, not the visitor's other ones."""
    vocabulary = known(max_keys=1)
    owes = Attribution(vocabulary, model, WINDOW)
    codes = [vocabulary.sku[name] for name in ("S0", "X", "Y")]
    clicks = [(slot, 0, code) for slot, code in zip((3, 4, 5), codes, strict=True)]
    attribute(owes, rows(3, clicks, node=CLICK, visitor=1, time=[T0, T0 + 1, T0 + 2]))
    views = [(0, 0, code) for code in codes]
    assert attribute(owes, rows(3, views, node=VIEW, visitor=1, time=T0 + 9)).keys[0].tolist() == [3, 4, 5]


@EVERY
@pytest.mark.parametrize(("before", "after"), [(1, 9), (9, 1)])
def test_the_next_owner_may_number_other_skus(model: AttributionModel, before: int, after: int) -> None:
    """A click on a SKU that has a number in one process and none in the other is found all the same."""
    writer, reader = known(before), known(after)
    owes, next_owes = Attribution(writer, model, WINDOW), Attribution(reader, model, WINDOW)
    clicks = [(3, 0, writer.sku["S4"]), (5, 0, writer.sku["S5"])]
    attribute(owes, rows(2, clicks, node=CLICK, visitor=1, time=[T0, T0 + 1]))
    follow(owes, next_owes)
    some = rows(1, [(0, 0, reader.sku["S4"])], node=VIEW, visitor=1, time=T0 + 9)
    assert attribute(next_owes, some).keys[0].tolist() == [3]


@EVERY
def test_slots_and_banners_may_have_other_numbers_there(model: AttributionModel) -> None:
    """Each has numbers of its own; times stay."""
    before, owes = attribution(model), attribution(model)
    attribute(before, rows(2, [(1, 2, 0), (2, 1, 4)], node=CLICK, visitor=[1, 2], time=[T0, T0 + 1]))
    follow(before, owes, [i32(0, 10, 20), i32(0, 100, 200)])
    some = rows(4, [(0, 0, 0), (0, 0, 4)] * 2, node=VIEW, visitor=[1, 2] * 2,
                time=[T0 + WINDOW, T0 + WINDOW + 1, T0 + WINDOW + 1, T0 + WINDOW + 2])  # fmt: skip
    assert attribute(owes, some).keys[:2].T.tolist() == [[10, 200], [20, 100], [0, 0], [0, 0]]


@EVERY
def test_bytes_are_those_of_both_tables(model: AttributionModel) -> None:
    """By visitor, and by visitor and SKU."""
    owes = attribution(model)
    before = owes.nbytes
    assert before == sum(table.nbytes for table in owes.tables().values()) > 0
    many = rows(5_000, [(1, 1, 4)] * 5_000, node=CLICK, visitor=range(1, 5_001), time=T0)
    attribute(owes, many)
    assert owes.nbytes > before
