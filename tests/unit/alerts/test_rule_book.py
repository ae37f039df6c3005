"""Rules over time: how long a line must be crossed, what is told, what is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alerts import rule_book
from alerts.model import EVERYWHERE, Kind, Place, Severity, Step
from alerts.rule_book import RuleBook
from alerts.rules import Comparison, Rule, Subject
from tests.support.measures import FixedMeasures

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from alerts.rule_book import Outcome

SHARE = Subject("click", "paid")
HELD = Rule("r", SHARE, 0.1, dimension="slot", hold_ms=20)
BAD, GOOD, THIN = (200.0, 0.0), (200.0, 40.0), (5.0, 0.0)


def told(outcome: Outcome) -> list[tuple[str, int]]:
    """(key, since) of the findings."""
    return [(finding.scope[0].key, finding.since_ms) for finding in outcome.findings]


def run(book: RuleBook, rows: Iterable[tuple[float, float]], start: int = 0) -> list[Outcome]:
    """One key ``a`` over buckets of 10 ms."""
    return [book.evaluate(start + 10 * n, FixedMeasures({"a": row})) for n, row in enumerate(rows)]


def test_a_line_must_be_crossed_for_as_long_as_the_rule_wants() -> None:
    """Then it is told at every bucket, since when it was crossed first."""
    outcomes = run(RuleBook([HELD]), [BAD, BAD, BAD, BAD])
    assert [told(outcome) for outcome in outcomes] == [[], [], [("a", 0)], [("a", 0)]]


def test_a_break_in_between_begins_anew() -> None:
    """Also one of volume: what is not known does not hold."""
    for between in (GOOD, THIN):
        outcomes = run(RuleBook([HELD]), [BAD, BAD, between, BAD, BAD, BAD])
        assert [bool(outcome.findings) for outcome in outcomes] == [False] * 5 + [True]
        assert [outcome.clear for outcome in outcomes] == [()] * 6


def test_what_was_told_is_taken_back_once_it_is_seen_to_be_over() -> None:
    """Not while it cannot be judged; and once, not at every bucket."""
    outcomes = run(RuleBook([HELD]), [BAD, BAD, BAD, THIN, THIN, GOOD, GOOD])
    assert [outcome.clear for outcome in outcomes] == [*[()] * 5, (("r", Place("slot", "a")),), ()]


def test_a_window_that_is_missing_takes_nothing_back() -> None:
    """Nothing is told and nothing taken back; afterwards it must hold again."""
    book = RuleBook([HELD])
    run(book, [BAD, BAD, BAD])
    gone = book.evaluate(30, FixedMeasures({"a": BAD}, missing=True))
    assert (gone.findings, gone.clear) == ((), ())
    assert [told(outcome) for outcome in run(book, [BAD, BAD, BAD], start=40)] == [[], [], [("a", 40)]]


def test_a_finding_says_what_was_seen_and_claims_no_more() -> None:
    """Counts on both sides of the comparison, the rule's name, no evidence; money for revenue."""
    compared = Rule("r", SHARE, 0.7, relative_to=Comparison.EXPECTED)
    measures = FixedMeasures({"all": (400, 8)}, {Comparison.EXPECTED: {"all": (400, 40)}})
    (finding,) = RuleBook([compared]).evaluate(10, measures).findings
    assert (finding.kind, finding.scope, finding.step) == (Kind.RULE, EVERYWHERE, Step("click", "paid"))
    assert (finding.observed, finding.expected, finding.entries, finding.ratio) == (8, 40, 400, 0.2)
    assert (finding.evidence, finding.threshold, finding.one_in_ms) == (0, 0, 0)
    assert (finding.detail, finding.lost_minor, finding.currency) == ("r", None, None)
    money = Rule("m", Subject(None, None, "CNY"), 1000, severity=Severity.CRITICAL)
    book = RuleBook([money])
    (finding,) = book.evaluate(10, FixedMeasures({"all": (2, 400)})).findings
    assert (finding.step, finding.lost_minor, finding.currency) == (None, 600, "CNY")
    rule = book.rule(finding.detail)
    assert rule is not None
    assert rule.severity is Severity.CRITICAL


def test_a_rule_without_keys_is_about_every_real_key() -> None:
    """But for what has no key and what was summed up; a rule that names those gets them."""
    rows = FixedMeasures({"(none)": BAD, "b": BAD, "(other)": BAD, "a": GOOD})
    everywhere = Rule("r", SHARE, 0.1, dimension="slot")
    named = Rule("r", SHARE, 0.1, dimension="slot", keys=frozenset({"(none)", "a"}))
    assert told(RuleBook([everywhere]).evaluate(0, rows)) == [("b", 0)]
    assert told(RuleBook([named]).evaluate(0, rows)) == [("(none)", 0)]


def test_keys_that_come_later_are_looked_at() -> None:
    """Names grow; each is found by its number."""
    book = RuleBook([Rule("r", SHARE, 0.1, dimension="slot")])
    assert told(book.evaluate(0, FixedMeasures({"a": GOOD}))) == []
    assert told(book.evaluate(10, FixedMeasures({"a": GOOD, "b": BAD}))) == [("b", 10)]


def test_no_more_keys_are_held_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The busiest come first; who is held stays held."""
    monkeypatch.setattr(rule_book, "MOST_HELD", 2)
    book = RuleBook([Rule("r", SHARE, 0.1, dimension="slot")])
    rows = {"a": (200.0, 0.0), "b": (400.0, 0.0), "c": (300.0, 0.0)}
    assert told(book.evaluate(0, FixedMeasures(rows))) == [("b", 0), ("c", 0)]
    assert told(book.evaluate(10, FixedMeasures(rows | {"a": (900.0, 0.0)}))) == [("b", 0), ("c", 0)]
    assert told(book.evaluate(20, FixedMeasures(rows | {"c": GOOD}))) == [("b", 0), ("a", 20)]


def test_a_promotion_that_ends_takes_its_findings_back() -> None:
    """Nobody looks any more, so nothing stays open for good."""
    book = RuleBook([Rule("r", SHARE, 0.1, dimension="slot", promotion="D11")])
    rows = FixedMeasures({"a": BAD})
    assert told(book.evaluate(0, rows)) == []
    assert told(book.evaluate(10, rows, [("D11", "open")])) == [("a", 10)]
    over = book.evaluate(20, rows)
    assert (over.findings, over.clear) == ((), (("r", Place("slot", "a")),))


def test_other_rules_take_back_what_is_not_theirs() -> None:
    """A rule that stays as it is goes on holding; one that is gone or changed is taken back."""
    other = Rule("s", SHARE, 0.1, dimension="slot")
    book = RuleBook([HELD, other])
    run(book, [BAD, BAD])
    book.replace([HELD])
    outcome = book.evaluate(20, FixedMeasures({"a": BAD}))
    assert (told(outcome), outcome.clear) == ([("a", 0)], (("s", Place("slot", "a")),))
    book.replace([Rule("r", SHARE, 0.2, dimension="slot", hold_ms=20)])
    outcome = book.evaluate(30, FixedMeasures({"a": BAD}))
    assert (told(outcome), outcome.clear) == ([], (("r", Place("slot", "a")),))


def test_a_snapshot_of_other_rules_is_taken_as_far_as_it_goes() -> None:
    """What was told by a rule that is there no more, or is about another dimension, is taken back."""
    book = RuleBook([HELD, Rule("s", SHARE, 0.1, dimension="slot")])
    run(book, [BAD, BAD, BAD])
    plain = msgspec.msgpack.decode(msgspec.msgpack.encode(book.snapshot()))
    heir = RuleBook([HELD, Rule("s", SHARE, 0.1, dimension="sku")])
    heir.restore(plain)
    outcome = heir.evaluate(30, FixedMeasures({"a": BAD}))
    assert outcome.clear == (("s", Place("slot", "a")),)
    assert told(outcome) == [("a", 0), ("a", 30)]
