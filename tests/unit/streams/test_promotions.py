"""The calendar: what is on, in which phase, and what it does to whom."""

from __future__ import annotations

from streams.promotions import (
    NO_LIFT,
    USUAL,
    Calendar,
    Lift,
    Phase,
    PhaseSpan,
    Promotion,
    Strictness,
)
from tests.support.promotions import promotion

WARM = PhaseSpan(Phase.WARMUP, 50, 100)
OPEN = PhaseSpan(Phase.OPEN, 100, 130, Lift(8.0, 0.5))
STEADY = PhaseSpan(Phase.STEADY, 130, 170, Lift(4.0, 1.0))
LAST = PhaseSpan(Phase.LAST_HOUR, 170, 200)
SALE = Promotion("D11", 100, 200, (WARM, OPEN, STEADY, LAST), {})
HOME = {"slot": frozenset({"home.1"})}


def phases(calendar: Calendar, *moments: int) -> list[list[tuple[str, str]]]:
    """What is on at each moment."""
    return [[(on.name, on.phase.value) for on in calendar.active(at)] for at in moments]


def test_phases_are_half_open() -> None:
    """Each begins on its first millisecond and is over on the next one's; outside nothing is on."""
    calendar = Calendar([SALE])
    assert phases(calendar, 49, 200) == [[], []]
    assert phases(calendar, 50, 99) == [[("D11", "warmup")]] * 2
    assert phases(calendar, 100, 129) == [[("D11", "open")]] * 2
    assert phases(calendar, 130, 169) == [[("D11", "steady")]] * 2
    assert phases(calendar, 170, 199) == [[("D11", "last_hour")]] * 2


def test_an_active_promotion_knows_its_times() -> None:
    """The sale's start and end, whether it has begun, and what its phase expects."""
    warm, opened = (Calendar([SALE]).active(at)[0] for at in (60, 100))
    assert (warm.started_ms, warm.ends_ms, warm.running) == (100, 200, False)
    assert (opened.running, opened.expected_traffic, opened.expected_conversion) == (True, 8.0, 0.5)
    assert (opened.sensitivity, opened.tolerance, opened.severity_shift) == (1.0, None, 0)


def test_an_empty_calendar_has_nothing() -> None:
    """Without promotions all is as usual."""
    calendar = Calendar()
    assert calendar.active(0) == ()
    assert calendar.lift(0, "all", "all") == NO_LIFT
    assert calendar.strictness(0, "all", "all") == USUAL
    assert calendar.next_change(0) is None


def test_the_next_change_is_after_now() -> None:
    """Every beginning and end of a phase once, none of them twice, then nothing."""
    calendar = Calendar([SALE, promotion("b", 130, 150)])
    seen, at = [], 0
    while (change := calendar.next_change(at)) is not None:
        seen.append(at := change)
    assert seen == [50, 100, 130, 150, 170, 200]


def test_lifts_of_promotions_at_once_multiply() -> None:
    """Two sales that both double traffic make it fourfold; beside them nothing is lifted."""
    calendar = Calendar([promotion(name, 0, 10, lift=Lift(2.0, 0.9)) for name in "ab"])
    traffic, conversion = calendar.lift(5, "all", "all")
    assert (traffic, round(conversion, 9)) == (4.0, 0.81)
    assert calendar.lift(10, "all", "all") == NO_LIFT


def test_a_scope_lifts_only_what_it_names() -> None:
    """Neither other keys, nor other dimensions, nor the total, on which nothing was said."""
    calendar = Calendar([promotion("a", 0, 10, scope=HOME, lift=Lift(3.0))])
    assert calendar.lift(5, "slot", "home.1") == Lift(3.0, 1.0)
    for place in (("slot", "home.2"), ("sku", "home.1"), ("all", "all")):
        assert calendar.lift(5, *place) == NO_LIFT


def test_of_several_promotions_the_closest_look_counts() -> None:
    """Most sensitive, least tolerant, most severe; a tolerance that nobody sets stays open."""
    loose = Strictness(sensitivity=0.5, severity_shift=1)
    close = Strictness(sensitivity=2.0, tolerance=0.2, severity_shift=-1)
    calendar = Calendar([promotion("a", 0, 10, strictness=loose), promotion("b", 0, 5, strictness=close)])
    assert calendar.strictness(4, "all", "all") == Strictness(2.0, 0.2, 1)
    assert calendar.strictness(5, "all", "all") == loose


def test_the_promotion_before_is_the_last_of_its_kind_that_is_over() -> None:
    """Same scope, ended before this one starts; that is what it is compared with."""
    first, second = promotion("a", 0, 10), promotion("b", 20, 30)
    other, this = promotion("c", 35, 36, scope=HOME), promotion("d", 40, 50)
    overlapping = promotion("e", 31, 41)
    calendar = Calendar([this, overlapping, first, other, second])
    assert calendar.before(this) == second
    assert calendar.before(second) == first
    assert calendar.before(first) is None
    assert calendar.named("c") == other
    assert calendar.named("z") is None


def test_a_promotion_begins_with_its_warm_up() -> None:
    """Or with its start if it has none."""
    assert (SALE.begins_ms, promotion("a", 7, 9).begins_ms) == (50, 7)
