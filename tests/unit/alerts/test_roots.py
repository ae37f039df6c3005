"""Whose series stand behind which cause."""

from __future__ import annotations

from alerts.diagnosis.fold import Root
from alerts.identity import identity_of
from alerts.model import Finding, Kind, Place, Step
from alerts.roots import Roots

_SKU = (Place("sku", "a"),)


def finding(step: Step, kind: Kind = Kind.CONVERSION_SURGE, scope: tuple[Place, ...] = _SKU) -> Finding:
    """Four times as many as expected."""
    return Finding(kind, scope, step, 0, 60_000, 40.0, 10.0, 400.0, 20.0, 12.0, 1e9)


CHECKOUT, ORDER = finding(Step("cart", "checkout")), finding(Step("checkout", "order"))


def test_surges_of_one_place_are_one_cause() -> None:
    """What sells five times as much surges at several steps: one cause, the others are under it."""
    (root,) = Roots.together([Root(ORDER), Root(CHECKOUT)], ())
    assert (root.finding, root.children[0].finding) == (ORDER, CHECKOUT)


def test_the_surge_that_was_said_stays_the_cause() -> None:
    """Whichever gains most later, the incident that is open stands for it; alone, the other says nothing."""
    held = [identity_of(CHECKOUT)]
    (root,) = Roots.together([Root(ORDER), Root(CHECKOUT)], held)
    assert root.finding == CHECKOUT
    assert Roots.together([Root(ORDER)], held) == []


def test_other_places_and_losses_are_left_alone() -> None:
    """Neither another place's surge nor a loss is put under it."""
    roots = [
        Root(ORDER),
        Root(finding(Step("cart", "checkout"), scope=(Place("sku", "b"),))),
        Root(finding(Step("cart", "checkout"), Kind.CONVERSION_DROP)),
    ]
    assert Roots.together(roots, ()) == roots
