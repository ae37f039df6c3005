"""One cause, one incident: which findings are causes, and what goes under them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from alerts.diagnosis.diagnosing import scopes_of
from alerts.diagnosis.fold import FoldSettings, Opened, Reason, Root, fold
from alerts.model import EVERYWHERE, Finding, Kind, Step
from tests.support.diagnosis import AT_MS, NODES, PAY, SINCE_MS, THRESHOLD, at, finding, findings, shop

if TYPE_CHECKING:
    from numpy.typing import NDArray

SETTINGS = FoldSettings(NODES, key_counts={"slot": 8, "banner": 12, "sku": 40})
CART = Step("click", "cart")
ORDER = Step("cart", "order")
WHOLE = Step("click", "paid")


def scopes(roots: tuple[Root, ...]) -> list[object]:
    """Where the causes are."""
    return [root.finding.scope for root in roots]


def reasons(root: Root) -> dict[object, Reason]:
    """Why each child is under its root, by scope."""
    return {child.finding.scope: child.reason for child in root.children}


@pytest.mark.parametrize("factor", [0.02, 0.3, 0.6])
def test_a_site_wide_break_is_one_incident(factor: float) -> None:
    """S11: 5,257 series of 50 slots, 200 banners, 5,000 SKUs and the total fall; one cause."""
    sizes = {"slot": 50, "banner": 200, "sku": 5000}
    keys = [(name, key) for name, count in sizes.items() for key in range(count)]
    random = np.random.default_rng(1)
    found = [finding(EVERYWHERE, 20_000 * factor, 20_000)]
    for name, key in keys:
        expected = 400.0 * sizes["slot"] / sizes[name] + 200.0
        seen = float(random.poisson(expected * factor))
        found.append(finding(at(**{name: f"{name}{key}"}), seen, expected))
    (root,) = fold(found, replace(SETTINGS, key_counts=sizes))
    assert root.finding.scope == EVERYWHERE
    assert len(root.children) == 5250
    assert {child.reason for child in root.children} == {Reason.INSIDE}


def test_a_slot_that_drags_the_total_is_the_cause() -> None:
    """The total's finding goes under the slot, and so do SKUs that the slot sells."""
    leaves = shop(lambda grid: np.where(grid[:, 0] == 0, 0.3, 1.0))
    found = findings(leaves)
    (root,) = fold(found, SETTINGS, leaves={PAY: leaves})
    assert root.finding.scope == at(slot="slot0")
    assert reasons(root)[EVERYWHERE] is Reason.DRAGGED
    assert Reason.OVERLAPS in reasons(root).values()
    assert len(root.children) == len(found) - 1


def test_a_child_that_is_worse_than_its_root_stays_its_own() -> None:
    """After the root's effect is taken off, a dead slot is still dead."""
    leaves = shop(lambda grid: np.where(grid[:, 0] == 4, 0.0, 0.7))
    roots = fold(findings(leaves), SETTINGS, leaves={PAY: leaves})
    assert set(scopes(roots)) == {EVERYWHERE, at(slot="slot4")}


def test_a_pair_named_by_the_scan_is_the_cause() -> None:
    """S12: slot and banner and total fire; their intersection explains them."""
    leaves = shop(lambda grid: np.where((grid[:, 0] == 1) & (grid[:, 1] == 2), 0.2, 1.0), each=10.0)
    found = findings(leaves)
    assert {one.scope for one in found} > {at(slot="slot1"), at(banner="banner2")}
    (root,) = fold(found, SETTINGS, leaves={PAY: leaves}, proposals=scopes_of(found, leaves))
    assert root.finding.scope == at(slot="slot1", banner="banner2")
    assert len(root.children) == len(found)


def test_a_name_that_was_told_is_kept_while_it_fits_as_well() -> None:
    """A pair and its banner that fit alike: whichever is open stays; by newer counts of the scan, if it has them."""
    pair, banner = at(slot="slot1", banner="banner2"), at(banner="banner2")
    said = finding(banner, 48, 100)
    proposal, old = finding(pair, 38, 86), finding(pair, 30, 70)
    (new,) = fold([said], SETTINGS, proposals=[proposal])
    assert new.finding == said
    (held,) = fold([said], SETTINGS, proposals=[proposal], opened=[Opened("a", old)])
    assert held.finding == proposal
    assert held.incidents == ("a",)
    (clear,) = fold([finding(banner, 20, 100)], SETTINGS, proposals=[proposal], opened=[Opened("a", old)])
    assert clear.finding.scope == banner


def test_two_things_that_break_at_once_are_two() -> None:
    """A slot, and beside it a pair that no detector watches: the second scan finds it."""

    def factor(grid: NDArray[np.int64]) -> NDArray[np.float64]:
        pair = (grid[:, 0] == 1) & (grid[:, 1] == 2)
        return np.where(grid[:, 0] == 4, 0.3, np.where(pair, 0.1, 1.0))

    leaves = shop(factor, noise=1)
    found = findings(leaves)
    roots = fold(found, SETTINGS, leaves={PAY: leaves}, proposals=scopes_of(found, leaves))
    assert set(scopes(roots)) == {at(slot="slot4"), at(slot="slot1", banner="banner2")}


def test_a_proposal_that_explains_nothing_is_no_incident() -> None:
    """Only detectors open incidents."""
    found = [finding(at(sku="sku3"), 10, 100)]
    roots = fold(found, SETTINGS, proposals=[finding(at(sku="sku9"), 0, 5000)])
    assert scopes(roots) == [at(sku="sku3")]


def test_three_slots_that_together_drag_the_total_are_three() -> None:
    """The total fits best at first, but three slots account for all of it."""
    leaves = shop(lambda grid: np.where(grid[:, 0] < 3, 0.6, 1.0), noise=1)
    found = findings(leaves)
    assert max(found, key=lambda one: one.evidence).scope == EVERYWHERE
    roots = fold(found, SETTINGS, leaves={PAY: leaves})
    assert scopes(roots) == [at(slot="slot0"), at(slot="slot1"), at(slot="slot2")]
    assert Reason.DRAGGED in {reason for root in roots for reason in reasons(root).values()}


def test_many_parts_of_one_whole_are_one() -> None:
    """Six of eight slots at once are one incident about the total."""
    leaves = shop(lambda grid: np.where(grid[:, 0] < 6, 0.4, 1.0))
    (root,) = fold(findings(leaves), SETTINGS, leaves={PAY: leaves})
    assert root.finding.scope == EVERYWHERE
    assert Reason.PART_OF_MANY in reasons(root).values()


def test_unrelated_keys_are_apart() -> None:
    """Two SKUs that break while the total does not show it."""
    roots = fold([finding(at(sku="sku1"), 10, 100), finding(at(sku="sku2"), 10, 90)], SETTINGS)
    assert [(one, len(root.children)) for one, root in zip(scopes(roots), roots, strict=True)] == [
        (at(sku="sku1"), 0),
        (at(sku="sku2"), 0),
    ]


def test_the_first_broken_step_explains_the_later_ones() -> None:
    """Even where a later step shows more evidence."""
    first = finding(EVERYWHERE, 300, 1000, step=CART)
    later = finding(EVERYWHERE, 600, 2000, step=ORDER, since_ms=SINCE_MS + 60_000)
    (root,) = fold([later, first], SETTINGS)
    assert root.finding == first
    assert reasons(root) == {EVERYWHERE: Reason.LATER_STEP}


def test_a_later_step_that_broke_before_is_its_own() -> None:
    """What was there first is no consequence."""
    first = finding(EVERYWHERE, 300, 1000, step=CART)
    earlier = finding(EVERYWHERE, 600, 2000, step=ORDER, since_ms=SINCE_MS - 3_600_000)
    assert len(fold([earlier, first], SETTINGS)) == 2


def test_the_whole_funnel_goes_under_the_step() -> None:
    """A fall of click>paid is explained by the step in it that broke."""
    step, whole = finding(EVERYWHERE, 300, 1000), finding(EVERYWHERE, 310, 1010, step=WHOLE)
    (root,) = fold([whole, step], SETTINGS)
    assert root.finding == step
    assert reasons(root) == {EVERYWHERE: Reason.WHOLE_FUNNEL}


def test_one_payment_method_drags_the_total() -> None:
    """S1b: a dead method explains the total and the slots, as far as its share goes."""
    method = finding(EVERYWHERE, 0, 250, kind=Kind.NODE_BREAK, detail="alipay")
    found = [method, finding(EVERYWHERE, 750, 1000), finding(at(slot="slot1"), 225, 300)]
    (root,) = fold(found, SETTINGS)
    assert root.finding == method
    assert len(root.children) == 2


def test_a_sold_out_sku_is_not_a_break() -> None:
    """S9: out of stock stands above the SKU's drop."""
    drop = finding(at(sku="sku1"), 2, 100)
    stock = replace(finding(at(sku="sku1"), 4, 100, kind=Kind.OUT_OF_STOCK), evidence=50.0)
    (root,) = fold([drop, stock], SETTINGS)
    assert root.finding == stock
    assert reasons(root) == {at(sku="sku1"): Reason.SAME}


def test_a_mix_shift_explains_its_own_scope_only() -> None:
    """S8: the total's drop is mix; a slot that broke is not."""
    mix = finding(EVERYWHERE, 8000, 10_000, kind=Kind.MIX_SHIFT)
    drop, slot = finding(EVERYWHERE, 8000, 10_000), finding(at(slot="slot1"), 50, 120)
    roots = fold([drop, mix, slot], SETTINGS)
    assert {root.finding for root in roots} == {mix, slot}


def test_kinds_that_cannot_be_one_cause_stay_apart() -> None:
    """A surge is not under a drop, data are not under business."""
    found = [
        finding(EVERYWHERE, 300, 1000),
        finding(at(sku="sku1"), 500, 100, kind=Kind.CONVERSION_SURGE),
        finding(EVERYWHERE, 0, 1000, kind=Kind.DATA_OUTAGE, step=None, detail="orders"),
        finding(EVERYWHERE, 400, 1000, kind=Kind.TRAFFIC_DROP, step=None),
    ]
    assert {root.finding for root in fold(found, SETTINGS)} == set(found)


def test_surges_fold_like_drops() -> None:
    """S10: an SKU sold at a fifth of its price lifts its banner and the total."""
    leaves = shop(lambda grid: np.where(grid[:, 2] == 0, 5.0, 1.0))
    scopes_ = [EVERYWHERE, at(banner="banner0"), at(sku="sku0")]
    found = []
    for scope in scopes_:
        inside = leaves.inside(scope)
        counts = float(leaves.observed[inside].sum()), float(leaves.expected[inside].sum())
        found.append(finding(scope, *counts, kind=Kind.CONVERSION_SURGE))
    (root,) = fold(found, SETTINGS, leaves={PAY: leaves})
    assert root.finding.scope == at(sku="sku0")


def test_late_children_go_under_the_open_incident() -> None:
    """The total itself is silent by now; its incident still explains the SKU that comes late."""
    known = Opened("i1", replace(finding(EVERYWHERE, 300, 1000), at_ms=AT_MS - 60_000))
    (root,) = fold([finding(at(sku="sku1"), 6, 30)], SETTINGS, opened=[known])
    assert (root.finding, root.incidents) == (known.finding, ("i1",))
    assert scopes((root,)) == [EVERYWHERE]


def test_an_incident_grows_rather_than_being_joined_by_a_second() -> None:
    """A slot fired first; the total shows what it really is, and two open incidents become one."""
    slots = [finding(at(slot=f"slot{key}"), 40 - key, 80) for key in (1, 2)]
    known = [Opened(f"i{at_}", replace(slot, observed=30.0, expected=60.0)) for at_, slot in enumerate(slots)]
    (root,) = fold([*slots, finding(EVERYWHERE, 500, 1000)], SETTINGS, opened=known)
    assert root.finding.scope == EVERYWHERE
    assert root.incidents == ("i0", "i1")


def test_a_drop_that_dies_is_the_same_incident() -> None:
    """From a drop to a break on one scope: one id."""
    known = Opened("i1", finding(EVERYWHERE, 300, 1000))
    (root,) = fold([finding(EVERYWHERE, 10, 1200, kind=Kind.NODE_BREAK)], SETTINGS, opened=[known])
    assert (root.finding.kind, root.incidents, root.children) == (Kind.NODE_BREAK, ("i1",), ())


def test_two_detectors_on_one_series_are_one() -> None:
    """Both are kept, one under the other."""
    (root,) = fold(
        [finding(EVERYWHERE, 10, 1000, kind=Kind.NODE_BREAK), finding(EVERYWHERE, 12, 1000)], SETTINGS
    )
    assert reasons(root) == {EVERYWHERE: Reason.SAME}


def test_an_old_incident_elsewhere_is_not_swallowed() -> None:
    """Slots dead since morning, however many, are not parts of the break that comes at night."""
    slots = [finding(at(slot=f"slot{key}"), 0, 900) for key in range(5)]
    old = [replace(slot, since_ms=SINCE_MS - 36_000_000) for slot in slots]
    new = finding(EVERYWHERE, 50_000, 100_000)
    assert {root.finding for root in fold([*old, new], SETTINGS)} == {*old, new}


def test_nothing_found_is_nothing_folded() -> None:
    """No findings, no roots."""
    assert fold([], SETTINGS) == ()


def test_evidence_below_the_threshold_is_what_explained_means() -> None:
    """The same child is its own or not by its own threshold."""
    total: Finding = finding(EVERYWHERE, 5000, 10_000)
    child = finding(at(slot="slot1"), 30, 100)
    left = replace(child, threshold=1.0)
    assert THRESHOLD > 1.0
    assert len(fold([total, child], SETTINGS)) == 1
    assert len(fold([total, left], SETTINGS)) == 2
