"""Targets of promotions as Prometheus sees them: shares, from the watcher, while the promotion runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from streams.metrics.promotion_targets import TargetCollector
from tests.support.targeted_sale import HOUR, a_quarter_in

if TYPE_CHECKING:
    from streams.web.moment import Moment

REACHED = "funnelwatch_promotion_target_reached_ratio"
PACE = "funnelwatch_promotion_target_pace_ratio"


def shown(moment: Moment) -> dict[tuple[str, str], float]:
    """Values by name and target."""
    registry = CollectorRegistry()
    TargetCollector(lambda: moment.picture, lambda: moment.calendar, registry)
    return {
        (sample.name, sample.labels["target"]): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def test_what_was_reached_beside_the_pace() -> None:
    """540 orders of 100 wanted, of which two fifths by now; half of the conversion that is wanted all along."""
    found = shown(a_quarter_in())
    assert found[REACHED, "orders"] == pytest.approx(5.4)
    assert found[PACE, "orders"] == pytest.approx(0.4)
    assert found[REACHED, "conversion"] == pytest.approx(0.5)
    assert found[PACE, "conversion"] == 1.0
    # Nothing was paid in a currency here.
    assert (REACHED, "revenue") not in found


def test_who_does_not_watch_has_none() -> None:
    """Else Prometheus had two values of one target."""
    assert shown(replace(a_quarter_in(), picture=None)) == {}


def test_none_without_a_pace() -> None:
    """A line at zero would read as a target that is missed; the conversion wanted is known at all times."""
    moment = a_quarter_in()
    assert moment.picture is not None
    unjudged = replace(moment.picture, judged=replace(moment.picture.judged, paces={}))
    assert {target for _, target in shown(replace(moment, picture=unjudged))} == {"conversion"}


def test_none_once_it_is_over() -> None:
    """The series end with the promotion, as its phases do."""
    moment = a_quarter_in()
    assert moment.picture is not None
    later = replace(moment.picture, end_ms=moment.picture.end_ms + HOUR)
    assert shown(replace(moment, picture=later)) == {}
