"""What a cause takes from another finding."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alerts.diagnosis.explaining import Explaining, Steps, Suspect, family, where
from alerts.model import EVERYWHERE, Finding, Kind, Place, Step
from tests.support.diagnosis import NODES, PAY, SINCE_MS, at, finding, shop

LEAVES = shop()
KNOWN = Explaining(NODES, {PAY: LEAVES})
UNKNOWN = Explaining(NODES, {}, totals={PAY: 1000.0})


def suspect(found: Finding) -> Suspect:
    """A finding in a folding."""
    return Suspect(found, where(found))


def part(explaining: Explaining, inner: tuple[Place, ...], outer: tuple[Place, ...]) -> float:
    """Part of ``outer`` that lies in ``inner``, each with 200 expected."""
    return explaining.part(suspect(finding(inner, 1, 200)), suspect(finding(outer, 1, 400)))


def test_parts_come_from_the_leaves() -> None:
    """The part of a banner that a slot shows is the expectation of their pair over the banner's."""
    pair, banner = at(slot="slot1", banner="banner2"), at(banner="banner2")
    wanted = LEAVES.expected[LEAVES.inside(pair)].sum() / LEAVES.expected[LEAVES.inside(banner)].sum()
    assert part(KNOWN, at(slot="slot1"), banner) == pytest.approx(wanted)
    assert part(KNOWN, pair, banner) == pytest.approx(wanted)
    slot = LEAVES.expected[LEAVES.inside(at(slot="slot1"))].sum() / LEAVES.expected.sum()
    assert part(KNOWN, at(slot="slot1"), EVERYWHERE) == pytest.approx(slot)
    assert part(KNOWN, at(slot="slot1"), at(banner="banner2", sku="sku1")) == pytest.approx(slot)


@pytest.mark.parametrize("explaining", [KNOWN, UNKNOWN])
def test_parts_that_need_no_leaves(explaining: Explaining) -> None:
    """Inside is all of it, another key of the same dimension is nothing."""
    assert part(explaining, EVERYWHERE, at(slot="slot1")) == 1.0
    assert part(explaining, at(slot="slot1"), at(slot="slot1", sku="sku1")) == 1.0
    assert part(explaining, at(slot="slot1"), at(slot="slot2")) == 0.0


def test_parts_without_leaves_go_by_shares() -> None:
    """Of a scope around it by their counts, of another dimension by its share of the total."""
    assert part(UNKNOWN, at(slot="slot1"), EVERYWHERE) == 0.5
    assert part(UNKNOWN, at(slot="slot1"), at(sku="sku1")) == 0.2
    assert part(KNOWN, at(slot="new"), EVERYWHERE) == 0.5


def test_steps() -> None:
    """Same, within, before, or nothing to each other."""
    steps = [PAY, Step("click", "paid"), Step("click", "cart"), None]
    found = [suspect(finding(EVERYWHERE, 1, 2, step=step)) for step in steps]
    said = [[KNOWN.steps(cause, other) for other in found] for cause in found]
    same, within, before, not_ = Steps.SAME, Steps.WITHIN, Steps.BEFORE, Steps.UNRELATED
    assert said == [
        [same, within, not_, not_],
        [not_, same, not_, not_],
        [before, within, same, not_],
        [not_, not_, not_, same],
    ]


def test_with_nothing_taken_all_evidence_is_left() -> None:
    """Whatever unit the detector has its evidence in."""
    other = suspect(replace(finding(EVERYWHERE, 50, 100), evidence=7.25))
    assert KNOWN.left(other, 0.0) == pytest.approx(7.25)
    assert KNOWN.left(other, 0.5) == 0.0
    assert 0.0 < KNOWN.left(other, 0.3) < 7.25


def test_a_cause_takes_only_while_it_is_there() -> None:
    """Half of the time, half of the effect; a little earlier or later is the same moment."""
    cause = suspect(finding(EVERYWHERE, 0, 100))
    early = replace(finding(at(slot="slot1"), 50, 100), since_ms=SINCE_MS - 840_000)
    assert KNOWN.effect(cause, suspect(early)) == pytest.approx(1.0 - 720 / 1440)
    near = replace(early, since_ms=SINCE_MS - 60_000)
    assert KNOWN.effect(cause, suspect(near)) == 1.0


def test_families() -> None:
    """Losses are one family; a mix shift is on the side it moved to."""
    losses = (Kind.NODE_BREAK, Kind.CONVERSION_DROP, Kind.OUT_OF_STOCK, Kind.MIX_SHIFT)
    assert {family(finding(EVERYWHERE, 1, 2, kind=kind)) for kind in losses} == {"loss"}
    up = finding(EVERYWHERE, 3, 2, kind=Kind.MIX_SHIFT)
    assert family(up) == family(finding(EVERYWHERE, 3, 2, kind=Kind.CONVERSION_SURGE))
