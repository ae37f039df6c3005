"""Numbers for stages and keys, and the bound on how many keys there may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from streams.core.vocabulary import (
    FIRST_REJECTED,
    NONE_CODE,
    OTHER_CODE,
    SEVERAL,
    UNMAPPED_STAGE,
    Column,
    KeyTable,
    Stages,
    Vocabulary,
    shard_of,
)
from streams.events import Reason
from streams.formats.keys import key_objection
from streams.funnel import DEFAULT_NODES, ORDER_OUTCOMES, Funnel

if TYPE_CHECKING:
    from streams.core.vocabulary import KeyTable as Table


def table(max_keys: int = 100, *, dimension: str = "sku", shards: int = 4) -> Table:
    """A table of SKUs that takes every key a format takes."""
    return KeyTable(dimension, key_objection, max_keys, shards)


def test_no_key_and_other_keys_have_fixed_codes() -> None:
    """An absent key is ``(none)``, 0; what is beyond the bound is ``(other)``, 1."""
    skus = table()
    assert skus[None] == NONE_CODE
    assert skus.names == ["(none)", "(other)"]
    assert skus.names[OTHER_CODE] == "(other)"


def test_numbers_with_a_meaning_never_change() -> None:
    """Keys count up from 2; what is no key is below zero, rejections lowest of all."""
    assert (NONE_CODE, OTHER_CODE) == (0, 1)
    assert (SEVERAL, UNMAPPED_STAGE, FIRST_REJECTED) == (-1, -1, -2)


def test_keys_are_numbered_as_they_come() -> None:
    """A key gets the next number when it is first seen and keeps it."""
    skus = table()
    assert [skus[name] for name in ("B", "A", "B", "C", "A")] == [2, 3, 2, 4, 3]
    assert skus.names[2:] == ["B", "A", "C"]


@pytest.mark.parametrize("key", [("A", "B"), ("A",), ()])
def test_a_list_of_keys_is_no_key(key: tuple[str, ...]) -> None:
    """A tuple answers SEVERAL whatever it holds, and is not remembered."""
    skus = table()
    assert skus[key] == SEVERAL
    assert len(skus) == 1


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", Reason.EMPTY_FIELD),
        ("(none)", Reason.RESERVED_KEY),
        ("a\nb", Reason.CONTROL_CHARACTER),
        ("x" * 257, Reason.FIELD_TOO_LONG),
    ],
)
def test_a_key_that_may_not_stand_answers_why(key: str, reason: Reason) -> None:
    """It has no code, takes no place, and its reason can be asked for."""
    skus = table()
    assert skus[key] <= FIRST_REJECTED
    assert skus.objection(key) is reason
    assert skus.names == ["(none)", "(other)"]
    assert len(skus) == 1


def test_a_good_key_has_no_objection() -> None:
    """Asking why a key was rejected that was not is a mistake of the caller."""
    with pytest.raises(ValueError, match="A"):
        table().objection("A")


def test_beyond_the_bound_keys_are_other() -> None:
    """The bound counts keys without (none) and (other); known ones keep their codes."""
    skus = table(max_keys=2)
    assert [skus[name] for name in "ABCDA"] == [2, 3, OTHER_CODE, OTHER_CODE, 2]
    assert skus["(none)"] <= FIRST_REJECTED


def test_a_million_unknown_keys_are_other_and_cost_nothing() -> None:
    """Beyond the bound nothing is remembered, however much is thrown at it."""
    skus = table(max_keys=1_000)
    codes = np.array([skus[f"SKU_{number}"] for number in range(1_000_000)])
    assert np.count_nonzero(codes == OTHER_CODE) == 999_000
    assert len(skus) == 1_001
    assert len(skus.names) == skus.prints.size == skus.shards.size == 1_002


def test_prints_do_not_depend_on_the_order_of_keys() -> None:
    """Two processes number keys differently but fingerprint them alike."""
    one, two = table(), table()
    for name in "ABC":
        one[name]
    for name in "CBA":
        two[name]
    assert one.prints[[one["A"], 0, 1]].tolist() == two.prints[[two["A"], 0, 1]].tolist()


def test_prints_tell_dimensions_apart() -> None:
    """The slot ``A`` is another key than the banner ``A``, and than no key."""
    tables = table(dimension="slot"), table(dimension="banner")
    codes = [[t["A"], t[None]] for t in tables]
    prints = [t.prints[code].tolist() for t, code in zip(tables, codes, strict=True)]
    assert len({number for pair in prints for number in pair}) == 4


@pytest.mark.parametrize(
    ("dimension", "key", "of_4", "of_1024"),
    [
        ("all", "all", 0, 208),
        ("slot", "home.top.1", 2, 638),
        ("sku", "SKU_1", 2, 178),
        ("sku", "(none)", 1, 893),
        ("records", "0", 1, 729),
    ],
)
def test_shards_never_change(dimension: str, key: str, of_4: int, of_1024: int) -> None:
    """Counts of one key go to one owner, in every process and version."""
    assert shard_of(dimension, key, 4) == of_4
    assert shard_of(dimension, key, 1024) == of_1024


@pytest.mark.parametrize("shards", [1, 4, 257, 1024])
def test_tables_know_the_shards_of_their_keys(shards: int) -> None:
    """For every number of shards the configuration allows."""
    skus = table(max_keys=500, shards=shards)
    for number in range(500):
        skus[f"S{number}"]
    assert skus.shards.tolist() == [shard_of("sku", name, shards) for name in skus.names]


def test_a_column_grows() -> None:
    """Values stay in place while more are put behind them."""
    column = Column(np.int32)
    for number in range(200):
        column.append(number)
    assert column.values().tolist() == list(range(200))
    assert column.values().dtype == np.int32


def test_an_empty_column_has_no_values() -> None:
    """Its size is what was appended, not what was set aside."""
    assert Column(np.uint64).values().size == 0


def test_stages_are_nodes_then_payments_then_reversals() -> None:
    """The order that counting relies on: what is a node, and what is only money."""
    stages = Stages.of(Funnel())
    assert stages.names == DEFAULT_NODES + ORDER_OUTCOMES
    assert [stages.names[code] for code in (stages.click, stages.paid)] == ["click", "paid"]
    assert stages.names[stages.nodes - 1] == "paid"
    assert stages.names[stages.first_outcome :] == ORDER_OUTCOMES
    assert stages.names[stages.first_reversal :] == ("cancelled", "refunded")
    assert {name: stages.codes[name] for name in stages.names} == {n: i for i, n in enumerate(stages.names)}


def test_a_funnel_may_end_before_money() -> None:
    """Without a node ``paid`` nothing has its number."""
    stages = Stages.of(Funnel(nodes=("exposure", "click", "signup")))
    assert stages.paid == -1
    assert stages.nodes == 3


def test_a_vocabulary_has_a_table_per_dimension() -> None:
    """All of them but ``all``, in the funnel's order, each with its own name."""
    vocabulary = Vocabulary(Funnel(extra_dimensions=("channel",)), key_objection, max_keys=1, shards=3)
    assert [t.dimension for t in vocabulary.tables] == ["slot", "banner", "sku", "channel"]
    assert vocabulary.tables[:3] == (vocabulary.slot, vocabulary.banner, vocabulary.sku)
    assert vocabulary.slot is vocabulary.tables[0]
    assert vocabulary.banner is vocabulary.tables[1]
    assert vocabulary.sku is vocabulary.tables[2]
    assert [vocabulary.sku[name] for name in "AB"] == [2, OTHER_CODE]
    assert vocabulary.all_shard == shard_of("all", "all", 3)
