"""Events and visitors per node, dimension and key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streams.closed import COMBINATION
from streams.core.buckets import COLUMN_BITS, COLUMN_MASK, BucketCounts
from streams.core.lines import open_lines
from streams.core.merge import column_of
from streams.core.nodes import NodeCounts
from streams.core.rows import Detail, Line
from streams.core.vocabulary import Vocabulary
from streams.formats.keys import key_objection
from streams.funnel import Funnel
from tests.support.columns import rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.core.rows import Rows

T0 = 1_762_689_600_000
WINDOW = 100
FUNNEL = Funnel(extra_dimensions=("channel",))
NEVER = -(1 << 62)
Table = dict[tuple[str, str], tuple[int, int]]


class Counting:
    """Node counts over hand-made rows, read by the names of dimensions and keys."""

    def __init__(self, *, combinations: bool = True) -> None:
        self.vocabulary = Vocabulary(FUNNEL, key_objection, shards=1)
        for table in self.vocabulary.tables:
            for name in "ABC":
                table[name]
        self.buckets = BucketCounts(len(self.vocabulary.dimensions))
        self.nodes = NodeCounts(self.vocabulary, self.buckets, WINDOW, combinations=combinations)
        self.table: dict[tuple[str, str, str, int], tuple[int, int]] = {}

    def count(self, some: Rows, details: Mapping[int, Detail] | None = None) -> None:
        """Count rows and add them to the table."""
        self.nodes.count(some, open_lines(some, details or {}), NEVER)
        for change in self.buckets.flush():
            for dimension, columns in enumerate(change.cells):
                for cell, added in zip(*(column.tolist() for column in columns), strict=True):
                    self._add(change.bucket_ms, dimension, cell, added)

    def _add(self, bucket: int, dimension: int, cell: int, added: int) -> None:
        stage, visitors = column_of(cell & COLUMN_MASK)
        code = cell >> COLUMN_BITS
        names = ["all"] if dimension == 0 else self.vocabulary.keyed[dimension - 1].names
        key = names[code]
        name = (self.vocabulary.dimensions[dimension], key, self.vocabulary.stages.names[stage], bucket - T0)
        held = self.table.get(name, (0, 0))
        self.table[name] = (held[0], held[1] + added) if visitors else (held[0] + added, held[1])

    def of(self, node: str, dimension: str = "all") -> dict[str, tuple[int, int]]:
        """Key -> (events, visitors) over all buckets."""
        found: dict[str, tuple[int, int]] = {}
        for (in_dimension, key, stage, _), (events, visitors) in self.table.items():
            if (in_dimension, stage) == (dimension, node):
                held = found.get(key, (0, 0))
                found[key] = (held[0] + events, held[1] + visitors)
        return found


@pytest.fixture
def counting() -> Counting:
    """A fresh count."""
    return Counting()


A, B, C = 2, 3, 4


def some(counting: Counting, *names: str, keys: Any = None, **columns: Any) -> Rows:
    """Rows of the named stages."""
    codes = counting.vocabulary.stages.codes
    keys = keys or [(0, 0, 0, 0)] * len(names)
    return rows(len(names), keys, node=[codes[n] for n in names], **{"time": T0, "visitor": 5} | columns)


def test_an_event_counts_under_each_of_its_keys(counting: Counting) -> None:
    """Once per dimension, under (none) where it has no key."""
    counting.count(some(counting, "click", keys=[(A, 0, B, C)]))
    assert {dimension: counting.of("click", dimension) for dimension in FUNNEL.dimensions} == {
        "all": {"all": (1, 1)},
        "slot": {"A": (1, 1)},
        "banner": {"(none)": (1, 1)},
        "sku": {"B": (1, 1)},
        "channel": {"C": (1, 1)},
    }


def test_several_lines_count_once_per_distinct_key(counting: Counting) -> None:
    """Two lines of one slot are one event of it; all and the extras count the event once."""
    details = {0: Detail((Line(A, B, 0), Line(C, B, 0), Line(A, B, 0)))}
    counting.count(some(counting, "view", keys=[(0, 0, 0, C)], detail=[0]), details)
    assert counting.of("view", "sku") == {"A": (1, 1), "C": (1, 1)}
    assert counting.of("view", "slot") == {"B": (1, 1)}
    assert counting.of("view") == {"all": (1, 1)}
    assert counting.of("view", "channel") == {"C": (1, 1)}


def test_exposures_have_no_visitors(counting: Counting) -> None:
    """They are too many; a step compares them as events."""
    counting.count(some(counting, "exposure"))
    assert counting.of("exposure") == {"all": (1, 0)}


@pytest.mark.parametrize("kind", ["payment_attempt", "payment_failed"])
def test_payment_outcomes_are_counted_without_visitors(counting: Counting, kind: str) -> None:
    """They are stages but no nodes."""
    counting.count(some(counting, kind))
    assert counting.of(kind) == {"all": (1, 0)}


@pytest.mark.parametrize("kind", ["refunded", "cancelled"])
def test_reversals_are_money_only(counting: Counting, kind: str) -> None:
    """They are not counted as events of anything."""
    counting.count(some(counting, kind))
    assert counting.table == {}


@pytest.mark.parametrize(("later", "visitors"), [(WINDOW, 1), (WINDOW + 1, 2)])
def test_a_visitor_counts_again_only_after_the_window(counting: Counting, later: int, visitors: int) -> None:
    """Exactly the window apart is one visit, in one batch or two."""
    counting.count(some(counting, "click", "click", time=[T0, T0 + later]))
    assert counting.of("click") == {"all": (2, visitors)}
    in_two = Counting()
    in_two.count(some(in_two, "click"))
    in_two.count(some(in_two, "click", time=T0 + later))
    assert in_two.of("click")["all"][1] == visitors


def test_a_visitor_counts_once_per_node_and_key(counting: Counting) -> None:
    """Once for all, once for each slot, once for each node."""
    keys = [(A, 0, 0, 0), (B, 0, 0, 0), (A, 0, 0, 0), (A, 0, 0, 0)]
    counting.count(some(counting, "click", "click", "click", "view", keys=keys))
    assert counting.of("click") == {"all": (3, 1)}
    assert counting.of("click", "slot") == {"A": (2, 1), "B": (1, 1)}
    assert counting.of("view", "slot") == {"A": (1, 1)}


def test_one_name_in_two_dimensions_is_two_keys(counting: Counting) -> None:
    """A visitor of slot A is not yet one of banner A."""
    counting.count(some(counting, "click", keys=[(A, 0, 0, 0)]))
    counting.count(some(counting, "click", keys=[(0, A, 0, 0)]))
    assert counting.of("click", "banner")["A"] == (1, 1)


def test_marks_are_kept_by_the_name_of_the_key(counting: Counting) -> None:
    """Not by its number in this process: the next owner numbers otherwise."""
    other = Counting()
    other.vocabulary.slot["D"]  # no other dimension has so many keys
    other.nodes.visitors = counting.nodes.visitors
    for table in counting.vocabulary.tables:
        table["X"]
    counting.count(some(counting, "click", keys=[(counting.vocabulary.slot["D"], A, A, A)]))
    other.count(some(other, "click", keys=[(other.vocabulary.slot["D"], B, B, B)]))
    assert other.of("click", "slot") == {"D": (1, 0)}
    assert other.of("click", "banner") == {"B": (1, 1)}


def test_visitors_are_told_apart(counting: Counting) -> None:
    """Two visitors are two, however close."""
    counting.count(some(counting, "click", "click", visitor=[5, 6]))
    assert counting.of("click") == {"all": (2, 2)}


def test_counts_lie_in_the_bucket_of_the_event_time(counting: Counting) -> None:
    """Visitors too: in the bucket of the event that made them count."""
    counting.count(some(counting, "click", "click", time=[T0 + 9_999, T0 + 10_000]))
    buckets = {key[3]: value for key, value in counting.table.items() if key[0] == "all"}
    assert buckets == {0: (1, 1), 10_000: (1, 0)}


def test_a_late_event_never_counts_before_a_mark(counting: Counting) -> None:
    """A visitor marked at a later time stays marked."""
    counting.count(some(counting, "click", time=T0 + 50_000))
    counting.count(some(counting, "click", time=T0))
    assert counting.of("click") == {"all": (2, 1)}


# --- combinations --------------------------------------------------------------------------------


def test_a_combination_counts_visitors_of_clicks_orders_and_payments(counting: Counting) -> None:
    """Once each within the window; other nodes have none, and nothing has events."""
    keys = [(A, B, C, 0)] * 5
    counting.count(some(counting, "exposure", "click", "view", "order", "paid", keys=keys))
    counting.count(some(counting, "click", time=T0 + WINDOW, keys=keys[:1]))
    one = {"A\x1fB\x1fC": (0, 1)}
    found = {node: counting.of(node, COMBINATION) for node in FUNNEL.nodes}
    assert found == {node: one if node in ("click", "order", "paid") else {} for node in FUNNEL.nodes}


def test_combinations_are_of_each_line(counting: Counting) -> None:
    """Not of every slot with every SKU of the order."""
    details = {0: Detail((Line(A, B, 0), Line(C, A, 0), Line(A, B, 0)))}
    counting.count(some(counting, "order", detail=[0]), details)
    assert counting.of("order", COMBINATION) == {
        "B\x1f(none)\x1fA": (0, 1),
        "A\x1f(none)\x1fC": (0, 1),
    }


def test_combinations_can_be_left_out() -> None:
    """Then all else is counted as before."""
    counting = Counting(combinations=False)
    counting.count(some(counting, "click", keys=[(A, B, C, 0)]))
    assert counting.of("click", COMBINATION) == {}
    assert counting.of("click", "sku") == {"C": (1, 1)}
