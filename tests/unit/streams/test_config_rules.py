"""The section ``rules``: what reaches the rules, and what is refused in which line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alerts.model import Severity
from alerts.rules import Comparison, Rule, Subject, rule_from
from tests.support.settings import loaded, refused

if TYPE_CHECKING:
    from pathlib import Path

SALE = "promotions: [{name: D11, start: 2026-11-11, end: 2026-11-12}]\n"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("step: click>paid, below: 0.01", Rule("r", Subject("click", "paid"), 0.01)),
        (
            "step: order > paid, below: 0.7, relative_to: expected, dimension: slot, minimum: 50, hold: 1m",
            Rule(
                "r",
                Subject("order", "paid"),
                0.7,
                "slot",
                relative_to=Comparison.EXPECTED,
                minimum=50,
                hold_ms=60_000,
            ),
        ),
        (
            "step: click, above: 3, relative_to: last_week, dimension: slot, keys: [a, b], window: 1h",
            Rule(
                "r",
                Subject(None, "click"),
                3.0,
                "slot",
                frozenset({"a", "b"}),
                above=True,
                relative_to=Comparison.LAST_WEEK,
                window="1h",
            ),
        ),
        (
            "step: revenue, currency: CNY, below: 100000, severity: critical, promotion: D11, phases: [open, steady]",
            Rule(
                "r",
                Subject(None, None, "CNY"),
                100_000.0,
                severity=Severity.CRITICAL,
                promotion="D11",
                phases=frozenset({"open", "steady"}),
            ),
        ),
    ],
)
def test_a_rule_reaches_alerts_as_it_is_written(tmp_path: Path, words: str, wanted: Rule) -> None:
    """Conversion, traffic and revenue; absolute and relative; with the defaults of the file."""
    (entry,) = loaded(tmp_path, f"{SALE}rules:\n  - {{name: r, {words}}}\n").rules
    assert rule_from(entry.plain()) == wanted


@pytest.mark.parametrize(
    ("words", "finding"),
    [
        ("below: 1", ".step: must be given"),
        ("step: click", ": needs one of below and above"),
        ("step: click, below: 1, above: 2", ".below: needs one of below and above"),
        ("step: click>paid, below: 0", ".below: must be a number from 1e-06 to 1e+15"),
        ("step: click, above: 1, minimum: 4", ".minimum: goes with conversion, or with relative_to"),
        ("step: click, below: 1, dimension: slot", ".below: needs keys or relative_to: every idle key"),
        ("step: revenue, below: 1", ".currency: stands with step: revenue, which needs it"),
        ("step: click, below: 1, currency: CNY", ".currency: stands with step: revenue, which needs it"),
        ("step: click, below: 1, keys: [x]", ".keys: needs a dimension"),
        ("step: click>paid, below: 0.1, window: promotion", ".window: must be 1m, 5m, 15m, 1h or day"),
        ("step: click>paid, below: 0.1, relative_to: today", ".relative_to: must be expected, previous"),
        (
            "step: clik>paid, below: 0.1",
            ".step: must be a node, node>node or revenue; nodes are exposure, click",
        ),
        ("step: a>b>c, below: 0.1, relative_to: expected", ".step: must be a node, node>node or revenue"),
        ("step: paid>click, below: 0.1", ".step: must lead on in the funnel"),
        ("step: click>click, below: 0.1", ".step: must lead on in the funnel"),
        ("step: exposure>paid, below: 0.1", ".step: must not lead from exposure beyond click"),
        (
            "step: click>paid, below: 0.1, dimension: page",
            ".dimension: must be one of all, slot, banner, sku",
        ),
        (
            "step: click>paid, below: 0.1, promotion: D12",
            ".promotion: must be the name of one of the promotions",
        ),
        (
            "step: click>paid, below: 0.1, phases: [middle]",
            ".phases[0]: must be warmup, open, steady or last_hour",
        ),
    ],
)
def test_a_wrong_rule_is_refused_in_its_line(tmp_path: Path, words: str, finding: str) -> None:
    """One finding, with the line, the setting and what may stand there."""
    (line,) = refused(tmp_path, f"{SALE}rules:\n  - {{name: r, {words}}}\n")
    assert line.startswith(f"3: rules[0]{finding}")


def test_a_name_stands_once(tmp_path: Path) -> None:
    """Incidents go by it."""
    rule = "  - {name: r, step: click>paid, below: 0.1}\n"
    assert refused(tmp_path, f"rules:\n{rule}{rule}") == [
        "3: rules[1].name: must differ from those of the other rules"
    ]
