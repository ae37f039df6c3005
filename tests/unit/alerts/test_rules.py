"""One rule at the end of one bucket: which side of its line a key is on, and when that is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from alerts.rules import Comparison, Rule, Subject, judge
from tests.support.measures import FixedMeasures

if TYPE_CHECKING:
    Row = tuple[float, float]

CONVERSION = Subject("click", "paid")
TRAFFIC = Subject(None, "click")
REVENUE = Subject(None, None, "CNY")
NAN = float("nan")


def side(subject: Subject, line: float, now: Row, then: Row | None = None, **rule: Any) -> str:
    """``beyond``, ``within`` or ``unknown``: what is said of one key."""
    compared = None if then is None else Comparison.YESTERDAY
    measures = FixedMeasures({"a": now}, {} if then is None else {Comparison.YESTERDAY: {"a": then}})
    verdicts = judge(Rule("r", subject, line, relative_to=compared, **rule), measures)
    if verdicts is None or not verdicts.judged[0]:
        assert verdicts is None or not verdicts.beyond[0]
        return "unknown"
    return "beyond" if verdicts.beyond[0] else "within"


@pytest.mark.parametrize(
    ("reached", "above", "wanted"),
    [(9, False, "beyond"), (10, False, "within"), (10, True, "within"), (11, True, "beyond")],
)
def test_an_absolute_line_on_a_conversion(reached: float, above: bool, wanted: str) -> None:  # noqa: FBT001 - a column of the table
    """On the line is not beyond it, from either side."""
    assert side(CONVERSION, 0.1, (100, reached), above=above) == wanted


@pytest.mark.parametrize(
    ("now", "then", "wanted"),
    [
        ((1000, 69), (500, 50), "beyond"),
        ((1000, 71), (500, 50), "within"),
        ((1000, 0), (500, 50), "beyond"),
        ((99, 0), (500, 50), "unknown"),
        ((1000, 0), (99, 50), "unknown"),
        ((1000, 0), (500, 0), "unknown"),
        ((1000, 0), (0, 0), "unknown"),
        ((0, 0), (500, 50), "unknown"),
        ((1000, 0), (NAN, NAN), "unknown"),
        ((NAN, NAN), (500, 50), "unknown"),
        ((1000, NAN), (500, 50), "unknown"),
    ],
)
def test_a_conversion_is_compared_as_a_share(now: Row, then: Row, wanted: str) -> None:
    """Whatever the traffic of the two; each needs the least volume, a numerator and a denominator."""
    assert side(CONVERSION, 0.7, now, then) == wanted


@pytest.mark.parametrize("minimum", [0, 1])
def test_without_entries_there_is_no_share(minimum: float) -> None:
    """Not even where the rule asks for no volume at all."""
    assert side(CONVERSION, 0.1, (0, 0), minimum=minimum) == "unknown"


@pytest.mark.parametrize(
    ("now", "then", "above", "wanted"),
    [
        ((0, 0), (200, 200), False, "beyond"),
        ((101, 101), (200, 200), False, "within"),
        ((0, 0), (99, 99), False, "unknown"),
        ((0, 0), (0, 0), False, "unknown"),
        ((101, 101), (30, 30), True, "beyond"),
        ((99, 99), (30, 30), True, "unknown"),
        ((500, 500), (0, 0), True, "unknown"),
    ],
)
def test_traffic_needs_volume_where_it_was_or_is(now: Row, then: Row, above: bool, wanted: str) -> None:  # noqa: FBT001 - a column of the table
    """A slot that is dead now had visitors; one that is crowded now has them."""
    assert side(TRAFFIC, 0.5 if not above else 2.0, now, then, above=above) == wanted


def test_revenue_stands_on_orders() -> None:
    """The least volume is of paid orders, the line is on the amount."""
    assert side(REVENUE, 0.5, (3, 49_000), (200, 100_000)) == "beyond"
    assert side(REVENUE, 0.5, (3, 49_000), (20, 100_000)) == "unknown"


def test_a_fixed_line_on_an_amount_is_its_own_minimum() -> None:
    """Zero is below it."""
    assert side(TRAFFIC, 10, (0, 0)) == "beyond"
    assert side(REVENUE, 1000, (1, 1000)) == "within"


def test_without_counts_nothing_is_said() -> None:
    """A window that is not there yet, or a comparison that is not."""
    assert judge(Rule("r", CONVERSION, 0.1), FixedMeasures({"a": (200, 0)}, missing=True)) is None
    rule = Rule("r", CONVERSION, 0.1, relative_to=Comparison.LAST_WEEK)
    assert judge(rule, FixedMeasures({"a": (200, 0)})) is None


@pytest.mark.parametrize(
    ("promotion", "phases", "wanted"),
    [
        (None, (), [True, True, True]),
        ("D11", (), [False, True, True]),
        ("D12", (), [False, False, False]),
        (None, ("open",), [False, True, False]),
        ("D11", ("open", "steady"), [False, True, True]),
        ("D12", ("open",), [False, False, False]),
    ],
)
def test_a_rule_applies_while_its_promotion_and_phase_are_on(
    promotion: str | None, phases: tuple[str, ...], wanted: list[bool]
) -> None:
    """Both of one and the same promotion; without either it always does."""
    rule = Rule("r", CONVERSION, 0.1, promotion=promotion, phases=frozenset(phases))
    moments: list[list[tuple[str, str]]] = [[], [("D11", "open"), ("x", "warmup")], [("D11", "steady")]]
    assert [rule.applies(active) for active in moments] == wanted
