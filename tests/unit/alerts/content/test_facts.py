"""What is known of an incident: what each kind shows, and what it leaves out."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from alerts.content.chinese import CHINESE
from alerts.content.english import ENGLISH
from alerts.content.facts import amount, facts, loss, observed
from alerts.model import Kind
from tests.support.deliveries import incident

UTC = ZoneInfo("UTC")


def shown(**fields: Any) -> dict[str, str]:
    """Values by label."""
    return {one.label: one.value for one in facts(incident(**fields), ENGLISH, UTC, 3)}


def test_data_has_a_symptom_and_no_expectation() -> None:
    """In words, if it is one of ours."""
    values = shown(kind=Kind.DATA_OUTAGE, step=None, detail="behind", lost_conversions=None)
    assert values["Symptom"] == "counted late"
    assert not {"Observed", "Expected", "Lost conversions"} & values.keys()


def test_a_rule_and_a_method_are_named() -> None:
    """As the operator and the shop call them."""
    assert shown(kind=Kind.RULE, detail="floor")["Rule"] == "floor"
    assert shown(detail="alipay\u200f")["Of"] == "alipay"
    assert not {"Of", "Rule"} & shown(detail="(more)").keys()


def test_order_value_is_money() -> None:
    """Also of a rule and a target on revenue; a step's conversions are counts whatever the currency."""
    value = incident(kind=Kind.REVENUE_DROP, step=None, currency="CNY")
    assert amount(value, 12_345.0) == "CNY 123.45"
    assert observed(value, ENGLISH) == "CNY 0.50 of CNY 1.00 expected (50 %)"
    target = incident(kind=Kind.PROMOTION_BEHIND_TARGET, step=None, currency="CNY")
    assert amount(target, 12_345.0) == "CNY 123.45"
    assert amount(incident(currency="CNY"), 12_345.0) == "12,345"


def test_gains_are_called_so() -> None:
    """A surge loses nothing."""
    gained = incident(lost_minor=-500, lost_minor_per_minute=-5.0, lost_conversions=-2.0, currency="JPY")
    assert loss(gained, ENGLISH) == "JPY 500 gained"
    assert loss(gained, CHINESE) == "多出 JPY 500"
    values = {one.label: one.value for one in facts(gained, ENGLISH, UTC, 3)}
    assert values["Gained money"] == "JPY 500, JPY 5 per minute"
    assert values["Gained conversions"] == "2, 50 per minute"
    assert not {"Lost money", "Lost conversions"} & values.keys()


def test_what_is_not_known_is_left_out() -> None:
    """No interval, no certainty, no loss: no such lines."""
    bare = incident(
        ratio=None, one_in_ms=None, lost_conversions=None, lost_minor=None, contributors=(), folded=0
    )
    labels = {one.label for one in facts(bare, ENGLISH, UTC, 3)}
    assert labels == {"Where", "Step", "Since", "Noticed", "Observed", "Expected"}
