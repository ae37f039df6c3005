"""Incidents of a run, and two runs side by side."""

from __future__ import annotations

from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console

from alerts.drafting import draft
from alerts.incident import decode_incident, encode_incident
from alerts.model import EVERYWHERE, Kind, Reason, State
from streams.backtest.report import as_json, compared_as_json, compared_table, table_of
from streams.backtest.story import Run, Story, Telling, compare
from tests.support.findings import SLOT, T0, rooted

UTC = ZoneInfo("UTC")


def story(opened_s: int = 0, resolved_s: int | None = None, kind: Kind = Kind.CONVERSION_DROP, **of: Any) -> Story:  # fmt: skip
    """An incident that opened, and was resolved, so long after T0."""
    at_ms = T0 + opened_s * 1_000
    incident = draft(rooted(kind, at_ms=at_ms, since_ms=at_ms - 60_000, **of), at_ms, 0)
    end_ms = None if resolved_s is None else T0 + resolved_s * 1_000
    state = State.FIRING if end_ms is None else State.RESOLVED
    fields = {"opened_at_ms": at_ms, "resolved_at_ms": end_ms, "state": state}
    incident = type(incident)(
        **{name: getattr(incident, name) for name in incident.__struct_fields__} | fields
    )
    return Story(incident, [Telling(at_ms, Reason.OPENED, State.FIRING, incident.severity)])


def run(*stories: Story) -> Run:
    """A run of an hour."""
    return Run(list(stories), T0, T0 + 3_600_000, 360)


def test_the_same_thing_at_about_the_same_time_is_in_both() -> None:
    """Also where one of them says drop and the other break; the difference is the second's delay."""
    compared = compare(run(story(0, 600)), run(story(90, 700, Kind.NODE_BREAK)))
    [pair] = compared.both
    assert (pair.opened_difference_ms, pair.resolved_difference_ms) == (90_000, 100_000)
    assert not compared.only_first
    assert not compared.only_second


def test_other_places_and_other_times_are_not_the_same() -> None:
    """Another scope, another step, or hours later."""
    first = story(0, 600)
    for other in (story(0, scope=EVERYWHERE), story(0, step=None), story(20_000)):
        compared = compare(run(first), run(other))
        assert (compared.only_first, compared.only_second, compared.both) == ([first], [other], [])


def test_long_ones_that_overlap_are_the_same() -> None:
    """One run sees in minutes what the other one sees after hours."""
    assert compare(run(story(0)), run(story(20_000))).both
    assert compare(run(story(0, 30_000)), run(story(20_000))).both


def test_each_has_one_partner_the_nearest() -> None:
    """Twice in one run, once in the other."""
    early, late, other = story(0, 300), story(1_200, 1_500), story(1_230, 1_500)
    compared = compare(run(early, late), run(other))
    assert [(pair.first, pair.second) for pair in compared.both] == [(late, other)]
    assert compared.only_first == [early]


def test_one_run_as_json() -> None:
    """Each incident is its record, which reads back, and has its history beside it."""
    first = story(0, 600)
    [incident] = as_json(run(first))["incidents"]
    assert incident["history"][0]["reason"] == "opened"
    assert incident["opened_at"] == "2025-11-09T12:00:00.000Z"
    assert decode_incident(encode_incident(first.incident)) == first.incident


def test_two_runs_as_json() -> None:
    """By ids: what is only in one, what is in both and how much later."""
    first, second = run(story(0, 600)), run(story(60, 600), story(0, scope=EVERYWHERE))
    plain = compared_as_json(first, second, compare(first, second))
    assert plain["only_a"] == []
    assert plain["only_b"] == [second.stories[1].incident.id]
    assert plain["both"][0]["opened_difference_ms"] == 60_000


def printed(table: object) -> str:
    """What a table says."""
    console = Console(width=200, record=True, file=StringIO())
    console.print(table)
    return console.export_text()


def test_the_table_says_what_an_operator_asks() -> None:
    """When, what, where, how much, how sure; still firing where it is not over."""
    text = printed(table_of([story(0, 600), story(0)], UTC, "2 incidents"))
    for word in ("11-09 12:00:00", "11-09 12:10:00", "firing", "conversion_drop", "slot home.top.1"):
        assert word in text
    assert "order>paid" in text


def test_side_by_side() -> None:
    """Each incident once, with the time that one run had before the other."""
    compared = compare(run(story(0)), run(story(60), story(0, scope=EVERYWHERE)))
    text = printed(compared_table(compared, UTC, ("a.yaml", "b.yaml")))
    assert "+60 s" in text
    assert "only b.yaml" in text
    assert len(SLOT) == text.count("home.top.1")
