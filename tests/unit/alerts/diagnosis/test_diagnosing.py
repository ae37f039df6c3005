"""What stands beside an incident."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alerts.diagnosis.decomposition import Trade, decompose
from alerts.diagnosis.diagnosing import Evidence, RuledOut, diagnose, proposed, scopes_of
from alerts.diagnosis.mix import Period, split
from alerts.model import EVERYWHERE, Kind
from tests.support.diagnosis import at, finding, findings, shop


def test_a_diagnosis_says_who_what_and_what_not() -> None:
    """Contributors, the part of rates, GMV by factor, and words for what it is not, in fixed order."""
    leaves = shop(lambda grid: np.where(grid[:, 2] == 0, 0.0, 1.0))
    total = next(one for one in findings(leaves) if one.scope == EVERYWHERE)
    mix = split(
        Period(np.array([1e5, 1e5]), np.array([3e3, 3e3])), Period(np.array([1e5, 1e5]), np.array([2e3, 2e3]))
    )
    gmv = decompose(Trade(1000, 50, 5000), Trade(1000, 40, 4000))
    evidence = Evidence(mix=mix, gmv=gmv, not_the_cause=(RuledOut.DATA, RuledOut.TRAFFIC))
    said = diagnose(total, leaves, evidence, folded=7)
    assert said.contributors[0].place == at(sku="sku0")
    assert said.rate_share == pytest.approx(1.0)
    assert said.decomposition == {"traffic": 0, "conversion": -1000, "order_value": 0}
    assert said.ruled_out == ("mix", "traffic", "data")
    assert said.folded == 7


def test_what_is_not_known_is_left_out() -> None:
    """Without a comparison there is no share and no decomposition."""
    leaves = shop(0.5)
    said = diagnose(findings(leaves)[0], leaves)
    assert (said.rate_share, said.decomposition, said.ruled_out) == (None, {}, ())


def test_the_scan_proposes_only_what_fits_clearly_better() -> None:
    """A slot that is the cause is left as it is; a pair inside it is proposed, with its loss."""
    slot = shop(lambda grid: np.where(grid[:, 0] == 1, 0.3, 1.0))
    found = next(one for one in findings(slot) if one.scope == at(slot="slot1"))
    assert proposed(found, slot) == ()
    pair = shop(lambda grid: np.where((grid[:, 0] == 1) & (grid[:, 1] == 2), 0.2, 1.0), each=10.0)
    (better,) = scopes_of(findings(pair), pair)
    assert better.scope == at(slot="slot1", banner="banner2")
    assert better.observed == pytest.approx(0.2 * better.expected)
    assert better.entries == pytest.approx(30.0 * better.expected)


@pytest.mark.parametrize(("rest", "kept"), [(0.61, True), (0.4, False)])
def test_what_people_were_told_is_proposed_unless_another_place_is_clearly_better(
    rest: float, *, kept: bool
) -> None:
    """A pair and its banner that fit alike: the pair stays if it was told, and gives way if the banner fits better."""
    pair, banner = at(slot="slot0", banner="banner2"), at(banner="banner2")
    leaves = shop(
        lambda grid: np.where(grid[:, 1] == 2, np.where(grid[:, 0] == 0, 0.2, rest), 1.0),
        each=0.6,
        sizes=(4, 12, 10),
    )
    found = next(one for one in findings(leaves) if one.scope == banner)
    assert proposed(found, leaves, rounds=1) == ()
    again = proposed(found, leaves, rounds=1, held=[frozenset(pair)])
    assert [one.scope for one in again] == ([pair] if kept else [])


def test_what_comes_where_nothing_was_expected_is_named() -> None:
    """A surge from a slot nobody expected anything of is proposed once, and what is left is no number gone wrong."""
    usual = shop(each=10.0)
    silent = usual.codes[:, 0] == 3
    leaves = replace(
        usual,
        expected=np.where(silent, 0.0, usual.expected),
        observed=np.where(silent, 40.0, usual.observed),
    )
    observed, expected = float(leaves.observed.sum()), float(leaves.expected.sum())
    total = finding(EVERYWHERE, observed, expected, kind=Kind.CONVERSION_SURGE)
    (found,) = proposed(total, leaves)
    assert found.scope == at(slot="slot3")
    assert (found.observed, found.expected) == (40.0 * silent.sum(), 0.0)


def test_without_findings_nothing_is_proposed() -> None:
    """The scan answers, it does not ask."""
    assert scopes_of([], shop(0.5)) == ()
