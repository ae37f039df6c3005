"""Open incidents by what they are about."""

from __future__ import annotations

from alerts.drafting import draft
from alerts.identity import identity_of
from alerts.kept import Kept
from alerts.model import EVERYWHERE, Place, State
from alerts.population import Population
from tests.support.findings import PAIR, SLOT, T0, finding, rooted

HERE, TWO, ALL = (identity_of(finding(scope=scope)) for scope in (SLOT, PAIR, EVERYWHERE))


def firing(scope: tuple[Place, ...]) -> Kept:
    """One that is open there."""
    kept = Kept(draft(rooted(scope=scope), T0, 0), T0, T0)
    kept.change(state=State.FIRING)
    return kept


def test_those_under_a_scope_are_found() -> None:
    """As long as they are there and open."""
    population, pair = Population(), firing(PAIR)
    population.put(TWO, pair)
    population.put(HERE, firing(SLOT))
    assert population.narrower(ALL) == [TWO, HERE]
    assert population.narrower(HERE) == [TWO]
    pair.change(state=State.PENDING)
    assert population.narrower(ALL) == [HERE]
    population.take_out(TWO)
    population.take_out(HERE)
    assert (population.narrower(ALL), len(population), population.get(HERE)) == ([], 0, None)


def test_what_is_under_an_open_one_is_covered() -> None:
    """Not by itself, nor by one that is pending."""
    population, slot = Population(), firing(SLOT)
    population.put(HERE, slot)
    assert [population.covered(identity) for identity in (TWO, HERE, ALL)] == [True, False, False]
    slot.change(state=State.PENDING)
    assert not population.covered(TWO)
