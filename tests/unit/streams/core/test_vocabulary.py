"""Numbers for stages and keys, and the bound on how many keys there may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from streams.core.lags import LAG_EDGES_S
from streams.core.vocabulary import (
    FIRST_CODE,
    INNER_DIMENSIONS,
    NONE_CODE,
    OTHER_CODE,
    REJECTED,
    SEVERAL,
    UNMAPPED_STAGE,
    Column,
    KeyTable,
    SkuTable,
    Stages,
    Vocabulary,
    counted_code,
    counted_codes,
    shard_of,
)
from streams.events import Reason
from streams.formats.keys import key_objection
from streams.funnel import DEFAULT_NODES, ORDER_OUTCOMES, Funnel
from tests.support.columns import i32

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streams.core.vocabulary import KeyTable as Table


def table(max_keys: int = 100, *, dimension: str = "sku", shards: int = 4) -> Table:
    """A table that takes every key a format takes."""
    return KeyTable(dimension, key_objection, max_keys, shards)


def test_no_key_and_other_keys_have_fixed_codes() -> None:
    """An absent key is ``(none)``, 0; what is beyond the bound is ``(other)``, 1."""
    skus = table()
    assert skus[None] == NONE_CODE
    assert skus.names == ["(none)", "(other)"]
    assert skus.names[OTHER_CODE] == "(other)"


def test_numbers_with_a_meaning_never_change() -> None:
    """Keys count up from 2; what is no key is just below zero."""
    assert (NONE_CODE, OTHER_CODE) == (0, 1)
    assert (SEVERAL, UNMAPPED_STAGE, REJECTED) == (-1, -1, -2)


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
    assert skus[key] == REJECTED
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
    assert skus["(none)"] == REJECTED


def test_a_million_unknown_keys_are_other_and_cost_nothing() -> None:
    """Beyond the bound nothing is remembered, however much is thrown at it."""
    skus = table(max_keys=1_000)
    codes = np.array([skus[f"SKU_{number}"] for number in range(1_000_000)])
    assert np.count_nonzero(codes == OTHER_CODE) == 999_000
    assert len(skus) == 1_001
    assert len(skus.names) == skus.prints.size == skus.shards.size == 1_002


def skus_of(max_keys: int, *known: str) -> SkuTable:
    """The table of the dimension sku, having met these."""
    skus = SkuTable(key_objection, max_keys, 4)
    for name in known:
        skus[name]
    return skus


def test_skus_beyond_the_bound_are_told_apart() -> None:
    """Each has a code of its own, always the same, far from all that have a meaning; none is remembered."""
    skus = skus_of(2, "A", "B")
    codes = [skus[f"SKU_{number}"] for number in range(2_000)]
    assert len(set(codes)) == 2_000
    assert min(codes) >= np.iinfo(np.int32).min
    assert max(codes) <= -(1 << 30)
    assert codes == [skus[f"SKU_{number}"] for number in range(2_000)]
    assert (skus["A"], skus[None], skus[("SKU_1",)], skus["a\nb"]) == (2, NONE_CODE, SEVERAL, REJECTED)
    assert (len(skus), len(skus.names), skus.prints.size, skus.shards.size) == (3, 4, 4, 4)


def test_a_sku_has_one_identity_in_every_process() -> None:
    """Numbered early, numbered late, or beyond the bound: below zero, and another one for another SKU."""
    early, late, beyond = skus_of(9, "A", "B"), skus_of(9, "C", "B", "A"), skus_of(1, "C")
    for name in "AB":
        assert early.identity(early[name]) == late.identity(late[name]) == beyond.identity(beyond[name])
    assert beyond["A"] == early.identity(2) < 0
    assert early.identity(2) != early.identity(3)


def test_identities_come_in_bulk() -> None:
    """As one by one, from numbers and from codes beyond the bound; (none) and (other) stay."""
    skus = skus_of(2, "A", "B")
    codes = i32(skus["B"], NONE_CODE, skus["C"], OTHER_CODE, skus["A"])
    identities = skus.identities(codes)
    assert identities.tolist() == [skus.identity(code) for code in codes.tolist()]
    assert identities.tolist() == [skus.identity(3), 0, skus["C"], 1, skus.identity(2)]
    assert identities.dtype == np.int32


def test_skus_beyond_the_bound_are_counted_as_one() -> None:
    """Under (other); numbered ones and (none) as themselves."""
    skus = skus_of(1, "A")
    codes = i32(NONE_CODE, OTHER_CODE, skus["A"], skus["B"], skus["C"])
    assert counted_codes(codes).tolist() == [0, 1, 2, OTHER_CODE, OTHER_CODE]
    assert counted_codes(codes).dtype == np.int32
    assert [counted_code(code) for code in codes.tolist()] == counted_codes(codes).tolist()


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


def test_many_are_appended_at_once() -> None:
    """However many: it grows as far as it must."""
    column = Column(np.int32)
    for size in (3, 0, 500):
        column.extend(np.arange(size, dtype=np.int32))
    assert column.values().tolist() == [0, 1, 2, *range(500)]


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
    assert [vocabulary.slot[name] for name in "AB"] == [2, OTHER_CODE]
    assert vocabulary.sku["A"] == 2
    assert vocabulary.sku["B"] < REJECTED
    assert vocabulary.all_shard == shard_of("all", "all", 3)


# --- dimensions of our own -----------------------------------------------------------------------


def some(max_keys: int = 100) -> Vocabulary:
    """Two slots, banners and SKUs each: codes 2 and 3."""
    vocabulary = Vocabulary(Funnel(), key_objection, max_keys=max_keys, shards=3)
    for table in vocabulary.tables:
        for name in "AB":
            table[name]
    return vocabulary


def test_dimensions_of_our_own_stand_behind_the_others() -> None:
    """A dimension's number is its place, and one less that of its names."""
    vocabulary = some()
    assert vocabulary.dimensions == (*Funnel().dimensions, *INNER_DIMENSIONS)
    for table in vocabulary.keyed:
        assert vocabulary.keyed[vocabulary.number(table) - 1] is table
    assert vocabulary.number(vocabulary.lags) == 4
    assert vocabulary.lags.names[FIRST_CODE:] == [str(edge) for edge in LAG_EDGES_S]


A_B_NONE, B_A_A, NONE_OTHER_B = (2, 3, 0), (3, 2, 2), (0, 1, 3)


def combined(*keys: tuple[int, int, int]) -> NDArray[np.int32]:
    """Codes of slot, banner and SKU, shape (3, n)."""
    return np.array(keys, dtype=np.int32).T


def test_combinations_are_numbered_as_they_come() -> None:
    """Once each; a part may be one of everybody's keys."""
    found = some().combinations
    assert found.codes(combined(B_A_A, A_B_NONE, B_A_A)).tolist() == [2, 3, 2]
    assert found.codes(combined(NONE_OTHER_B, A_B_NONE)).tolist() == [4, 3]
    assert found.names[FIRST_CODE:] == ["B\x1fA\x1fA", "A\x1fB\x1f(none)", "(none)\x1f(other)\x1fB"]
    assert found.codes(np.zeros((3, 0), dtype=np.int32)).tolist() == []


def test_combinations_are_the_same_in_every_process() -> None:
    """Fingerprints and shards depend on names, not on numbers; all shards have some."""
    one, two = some(), some()
    for table in two.tables:
        table["elsewhere"]
    everything = [(slot, banner, sku) for slot in range(4) for banner in range(4) for sku in range(4)]
    one.combinations.codes(combined(*everything))
    two.combinations.codes(combined(*reversed(everything)))
    for column in ("prints", "shards"):
        ours, theirs = (
            dict(zip(of.combinations.names, getattr(of.combinations, column).tolist(), strict=True))
            for of in (one, two)
        )
        assert ours == theirs
    assert set(one.combinations.shards.tolist()) == {0, 1, 2}
    assert len(set(one.combinations.prints.tolist())) == 4**3 + 2


def test_combinations_are_bounded() -> None:
    """Those that came first keep their names; the others are one, however they come."""
    found = some(max_keys=2).combinations
    assert found.codes(combined(B_A_A, A_B_NONE, NONE_OTHER_B, B_A_A)).tolist() == [2, 3, OTHER_CODE, 2]
    assert found.codes(combined(NONE_OTHER_B, A_B_NONE)).tolist() == [OTHER_CODE, 3]
    assert len(found.names) == len(found.prints) == len(found.shards) == 4


def test_a_payment_method_may_have_any_name() -> None:
    """One that may not stand as a key is another one, and so are those beyond the bound; none is none."""
    vocabulary = some(max_keys=1)
    assert vocabulary.method(None) == NONE_CODE
    assert vocabulary.method("card") == vocabulary.method("card") == FIRST_CODE
    assert vocabulary.method("\u202ecard") == vocabulary.method("(none)") == OTHER_CODE
    codes = [vocabulary.method(f"m{number}") for number in range(1_000)]
    assert codes[0] == FIRST_CODE + 1
    assert codes[-1] == OTHER_CODE
