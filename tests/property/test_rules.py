"""Rules as a fold: a restart anywhere changes nothing, and nothing stands on too little."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from alerts.rule_book import RuleBook
from alerts.rules import Comparison, Rule, Subject
from tests.support.measures import FixedMeasures

KEYS = ("a", "b", "(none)")
ROW = st.tuples(st.sampled_from([0.0, 20.0, 99.0, 100.0, 500.0]), st.sampled_from([0.0, 1.0, 30.0, 60.0]))
ROWS = st.fixed_dictionaries(dict.fromkeys(KEYS, ROW))
ACTIVE = st.sampled_from([(), (("D11", "open"),)])


class Bucket(NamedTuple):
    """What the rules are shown at the end of one bucket."""

    now: dict[str, tuple[float, float]]
    then: dict[str, tuple[float, float]] | None
    missing: bool
    active: tuple[tuple[str, str], ...]


BUCKETS = st.lists(st.builds(Bucket, ROWS, st.none() | ROWS, st.booleans(), ACTIVE), max_size=12)
SHARE = Subject("click", "paid")
RULES = (
    Rule("absolute", SHARE, 0.1, dimension="slot", hold_ms=10),
    Rule("relative", SHARE, 0.5, dimension="slot", relative_to=Comparison.YESTERDAY, hold_ms=20),
    Rule("traffic", Subject(None, "click"), 2.0, "slot", above=True, relative_to=Comparison.YESTERDAY),
    Rule("sale", SHARE, 0.2, dimension="slot", above=True, promotion="D11"),
)


def measures(bucket: Bucket) -> FixedMeasures:
    """The windows at the end of one drawn bucket."""
    then = {} if bucket.then is None else {Comparison.YESTERDAY: bucket.then}
    # A key keeps its number; hypothesis draws dictionaries in any order.
    return FixedMeasures({key: bucket.now[key] for key in KEYS}, then, missing=bucket.missing)


@given(BUCKETS, st.integers(0, 12))
def test_a_restart_anywhere_changes_nothing(buckets: list[Bucket], cut: int) -> None:
    """Whoever takes the snapshot up says at every bucket what the first would have said."""
    book, heir = RuleBook(RULES), RuleBook(RULES)
    for number, bucket in enumerate(buckets):
        if number == cut:
            heir = RuleBook(RULES)
            heir.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(book.snapshot())))
        wanted = book.evaluate(10 * number, measures(bucket), bucket.active)
        got = heir.evaluate(10 * number, measures(bucket), bucket.active)
        assert got == wanted


@given(BUCKETS)
def test_nothing_stands_on_too_little(buckets: list[Bucket]) -> None:
    """Every finding on a share has the least volume; every one is taken back at most once."""
    book = RuleBook(RULES)
    open_now: set[tuple[str, str]] = set()
    for number, bucket in enumerate(buckets):
        outcome = book.evaluate(10 * number, measures(bucket), bucket.active)
        for name, place in outcome.clear:
            assert (name, place.key) in open_now
            open_now.remove((name, place.key))
        for finding in outcome.findings:
            assert finding.step is None or finding.entries >= 100
            assert finding.expected > 0
            open_now.add((finding.detail, finding.scope[0].key))
