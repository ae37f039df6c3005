"""Diagnosis: decompositions are exact; every finding is under one root, whatever the order."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alerts.diagnosis.decomposition import Trade, decompose, rounded
from alerts.diagnosis.fold import FoldSettings, Opened, fold
from alerts.diagnosis.mix import Period, split
from alerts.diagnosis.scan import scan
from alerts.model import EVERYWHERE, Finding, Kind, Place, Step
from tests.support.diagnosis import NODES, PAY, SINCE_MS, finding, shop

if TYPE_CHECKING:
    from alerts.diagnosis.leaves import Leaves

COUNTS = st.integers(0, 10**9)
TRADES = st.builds(Trade, COUNTS, COUNTS, st.integers(-(10**15), 10**15))
LEAVES = shop(0.6, sizes=(3, 3, 4), noise=1)
STEPS = [*(Step(*pair) for pair in pairwise(NODES)), Step("click", "paid"), None]
KNOWN: dict[Step | None, Leaves] = {PAY: LEAVES}
KEYS = {"slot": 3, "banner": 3, "sku": 4}
SETTINGS = FoldSettings(NODES, key_counts=KEYS)


@given(TRADES, TRADES)
def test_gmv_parts_add_up_to_its_change_to_the_unit(before: Trade, after: Trade) -> None:
    """Whatever the counts, zeros and refunds among them."""
    assert decompose(before, after).total == after.revenue_minor - before.revenue_minor


@given(TRADES, TRADES)
def test_gmv_parts_turn_round_with_time(before: Trade, after: Trade) -> None:
    """Back again undoes each part, but for the rounding of a unit."""
    there, back = decompose(before, after).as_dict(), decompose(after, before).as_dict()
    assert all(abs(there[word] + back[word]) <= 1 for word in there)


@given(st.lists(st.fractions(max_denominator=10**6), min_size=1, max_size=6))
def test_rounding_moves_no_part_by_a_unit(parts: list[Fraction]) -> None:
    """Each is next to its exact value, and the whole is kept."""
    whole = [*parts, -sum(parts, Fraction(0))]
    found = rounded(whole)
    assert sum(found) == 0
    assert all(abs(one - exact) < 1 for one, exact in zip(found, whole, strict=True))


@given(st.lists(st.tuples(*[st.integers(0, 10**6)] * 4), min_size=1, max_size=20))
def test_rate_and_mix_add_up_to_the_change(rows: list[tuple[int, int, int, int]]) -> None:
    """Kitagawa's two effects leave no rest, also with keys that come and go."""
    columns = np.array(rows, np.float64).T
    change = split(
        Period(columns[0], np.minimum(columns[1], columns[0])),
        Period(columns[2], np.minimum(columns[3], columns[2])),
    )
    assert change.rate_effect + change.mix_effect == pytest.approx(change.change, abs=1e-12)


@st.composite
def scopes(draw: st.DrawFn) -> tuple[Place, ...]:
    """Up to two keys of the made-up shop."""
    names = draw(st.lists(st.sampled_from(list(KEYS)), max_size=2, unique=True))
    return tuple(Place(name, f"{name}{draw(st.integers(0, KEYS[name] - 1))}") for name in names) or EVERYWHERE


@st.composite
def any_finding(draw: st.DrawFn) -> Finding:
    """Of any kind, anywhere, of any size."""
    expected = draw(st.integers(0, 2000)) / 2
    since = SINCE_MS - 60_000 * draw(st.integers(0, 60))
    found = finding(
        draw(scopes()),
        float(draw(st.integers(0, 1000))),
        expected,
        kind=draw(st.sampled_from(Kind)),
        step=draw(st.sampled_from(STEPS)),
        since_ms=since,
        detail=draw(st.sampled_from(["", "", "alipay"])),
    )
    return replace(found, threshold=draw(st.sampled_from([0.5, 8.0])))


FINDINGS = st.lists(any_finding(), max_size=10)


@given(FINDINGS, st.lists(any_finding(), max_size=3), st.booleans())
def test_every_finding_is_under_exactly_one_root(
    found: list[Finding],
    old: list[Finding],
    leaves: bool,  # noqa: FBT001 - drawn
) -> None:
    """None is lost, none is told twice, and no incident is claimed by two."""
    opened = [Opened(f"i{at}", one) for at, one in enumerate(old)]
    roots = fold(found, SETTINGS, opened=opened, leaves=KNOWN if leaves else None)
    placed = [one for root in roots for one in (root.finding, *(child.finding for child in root.children))]
    assert len(placed) == len(set(placed))
    assert set(found) <= set(placed) <= {*found, *old}


@given(FINDINGS, FINDINGS, st.randoms(use_true_random=False))
def test_the_order_of_findings_does_not_matter(
    found: list[Finding], offered: list[Finding], random: object
) -> None:
    """Nor does that of proposals."""
    wanted = fold(found, SETTINGS, leaves=KNOWN, proposals=offered)
    random.shuffle(found)  # type: ignore[attr-defined]  # hypothesis' random.Random
    random.shuffle(offered)  # type: ignore[attr-defined]  # likewise
    assert fold(found, SETTINGS, leaves=KNOWN, proposals=offered) == wanted


@given(FINDINGS, st.booleans())
def test_folding_the_roots_changes_nothing(found: list[Finding], leaves: bool) -> None:  # noqa: FBT001 - drawn
    """The causes of the causes are the causes."""
    known = KNOWN if leaves else None
    causes = [root.finding for root in fold(found, SETTINGS, leaves=known)]
    again = fold(causes, SETTINGS, leaves=known)
    assert [root.finding for root in again] == causes
    assert not any(root.children for root in again)


@given(st.permutations(range(36)), st.integers(0, 99))
def test_the_scan_does_not_depend_on_the_order_of_leaves(order: list[int], seed: int) -> None:
    """Sums have no order."""
    leaves = shop(0.8, sizes=(3, 3, 4), noise=seed)
    assume(len(leaves) == len(order))
    mixed = replace(
        leaves,
        codes=leaves.codes[order],
        observed=leaves.observed[order],
        expected=leaves.expected[order],
        entries=leaves.entries[order],
    )
    assert [scope.places for scope in scan(mixed)] == [scope.places for scope in scan(leaves)]
