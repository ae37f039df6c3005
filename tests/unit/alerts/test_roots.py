"""Whose series stand behind which cause."""

from __future__ import annotations

from dataclasses import replace

from alerts.diagnosis.fold import Child, Reason, Root
from alerts.identity import identity_of
from alerts.judges.spoken import Series
from alerts.model import EVERYWHERE, Finding, Kind, Place, Step
from alerts.roots import Roots

NODES = ("exposure", "click", "view", "cart", "checkout", "order", "paid")
_SKU = (Place("sku", "a"),)


def finding(step: Step, kind: Kind = Kind.CONVERSION_SURGE, scope: tuple[Place, ...] = _SKU) -> Finding:
    """Four times as many as expected."""
    return Finding(kind, scope, step, 0, 60_000, 40.0, 10.0, 400.0, 20.0, 12.0, 1e9)


CHECKOUT, ORDER = finding(Step("cart", "checkout")), finding(Step("checkout", "order"))


def test_surges_of_one_place_are_one_cause() -> None:
    """What sells five times as much surges at several steps: one cause, the others are under it."""
    (root,) = Roots(NODES).together([Root(ORDER), Root(CHECKOUT)], ())
    assert (root.finding, root.children[0].finding) == (ORDER, CHECKOUT)


def test_the_surge_that_was_said_stays_the_cause() -> None:
    """Whichever gains most later, the incident that is open stands for it; alone, the other says nothing."""
    held = [identity_of(CHECKOUT)]
    (root,) = Roots(NODES).together([Root(ORDER), Root(CHECKOUT)], held)
    assert root.finding == CHECKOUT
    assert Roots(NODES).together([Root(ORDER)], held) == []


def test_other_places_and_losses_are_left_alone() -> None:
    """Neither another place's surge nor a loss is put under it."""
    roots = [
        Root(ORDER),
        Root(finding(Step("cart", "checkout"), scope=(Place("sku", "b"),))),
        Root(finding(Step("cart", "checkout"), Kind.CONVERSION_DROP)),
    ]
    assert Roots(NODES).together(roots, ()) == roots


SOLD_OUT = finding(Step("view", "cart"), Kind.NODE_BREAK)


def test_orders_under_way_are_no_surge_beside_a_break_before_them() -> None:
    """A SKU that nobody can put in the cart: who orders it now had it in there, and nothing got better."""
    roots = Roots(NODES).together([Root(SOLD_OUT), Root(ORDER), Root(CHECKOUT)], ())
    assert [root.finding for root in roots] == [SOLD_OUT]
    assert [*roots[0].children] == [Child(one, Reason.LATER_STEP) for one in (ORDER, CHECKOUT)]
    everywhere = replace(SOLD_OUT, scope=EVERYWHERE)
    assert [root.finding for root in Roots(NODES).together([Root(ORDER), Root(everywhere)], ())] == [
        everywhere
    ]


def test_a_surge_has_its_own_cause_where_no_break_comes_before_it() -> None:
    """What was said stays; a break elsewhere, later, at the same step, or a mere drop, explains no surge."""
    held = [identity_of(ORDER)]
    assert len(Roots(NODES).together([Root(SOLD_OUT), Root(ORDER)], held)) == len([SOLD_OUT, ORDER])
    for beside in (
        replace(SOLD_OUT, scope=(Place("sku", "b"),)),
        replace(SOLD_OUT, step=Step("order", "paid")),
        replace(SOLD_OUT, step=Step("cart", "checkout")),
        replace(SOLD_OUT, kind=Kind.CONVERSION_DROP),
        replace(SOLD_OUT, step=Step("another", "funnel")),
    ):
        roots = [Root(beside), Root(CHECKOUT)]
        assert Roots(NODES).together(roots, ()) == roots


PAID = finding(Step("order", "paid"), Kind.NODE_BREAK, EVERYWHERE)
ATTEMPTS, ORDERS, METHOD = Series("payments", 0, 0, 0), Series("steps", 0, 4, 1), Series("payments", 1, 0, 0)


def said_by_both() -> Roots:
    """A break of payments that attempts showed first and most, and orders in the next bucket."""
    roots = Roots(NODES)
    for whose in ([ATTEMPTS], [ATTEMPTS, ORDERS]):
        findings = [replace(PAID, evidence=20.0 - place) for place in range(len(whose))]
        (best,) = roots.strongest(findings, whose)
        roots.note([Root(best)])
    return roots


def test_a_cause_is_over_when_all_who_said_it_say_so() -> None:
    """Attempts that end well while orders are not attempted end nothing; when orders are paid again, it is over."""
    roots, held = said_by_both(), [identity_of(PAID)]
    recovered, anew = roots.over({ATTEMPTS}, held)
    assert (recovered, set(anew)) == ([], {ATTEMPTS})
    assert roots.leads == {ORDERS}
    recovered, anew = roots.over({ORDERS}, held)
    assert [(one.kind, one.step) for one in recovered] == [(PAID.kind, PAID.step)]
    assert set(anew) == {ATTEMPTS, ORDERS}
    assert roots.leads == frozenset()


def test_who_says_it_again_has_to_be_back_again() -> None:
    """What was back and is wrong once more holds the cause; a snapshot remembers who has to be back."""
    roots, held = said_by_both(), [identity_of(PAID)]
    roots.over({ATTEMPTS}, held)
    (best,) = roots.strongest([PAID], [ATTEMPTS])
    roots.note([Root(best)])
    restored = Roots(NODES)
    restored.restore(roots.snapshot())
    assert restored.leads == {ATTEMPTS, ORDERS}
    assert restored.over({ORDERS}, held)[0] == []
    assert len(restored.over({ATTEMPTS}, held)[0]) == 1


def test_where_only_parts_spoke_the_strongest_has_to_be_back() -> None:
    """A cause that folding proposed is over with the part that showed it best."""
    part = finding(Step("order", "paid"), Kind.NODE_BREAK, (Place("payment_method", "a"),))
    roots, held = Roots(NODES), [identity_of(PAID)]
    roots.strongest([part], [METHOD])
    roots.note([Root(PAID, (Child(part, Reason.SAME),))])
    assert roots.leads == {METHOD}
    assert len(roots.over({METHOD}, held)[0]) == 1
