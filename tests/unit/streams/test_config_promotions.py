"""The section ``promotions``: what follows from start and end, and what is refused in which line."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from streams.config import Settings
from streams.durations import HOUR, MINUTE
from streams.local_time import parse_local_time_ms
from streams.promotions import Lift, Strictness, Targets
from tests.support.settings import loaded, refused

if TYPE_CHECKING:
    from pathlib import Path

    from streams.promotions import PhaseSpan, Promotion

ZONE = "Asia/Shanghai"
START = parse_local_time_ms("2026-11-11 00:00", ZoneInfo(ZONE))
DAY = f"name: D11, time_zone: {ZONE}, start: 2026-11-11 00:00, end: 2026-11-12 00:00"


def sale(folder: Path, text: str) -> Promotion:
    """The one promotion of these words."""
    (found,) = loaded(folder, f"promotions:\n  - {{{text}}}\n").calendar().promotions
    return found


def hours(spans: tuple[PhaseSpan, ...]) -> list[tuple[str, float, float]]:
    """Phases with their bounds in hours from the start."""
    return [(s.phase.value, (s.start_ms - START) / HOUR, (s.end_ms - START) / HOUR) for s in spans]


def test_phases_follow_from_start_and_end(tmp_path: Path) -> None:
    """An hour of warm-up, half an hour of opening, the last hour, and what is between."""
    assert hours(sale(tmp_path, DAY).spans) == [
        ("warmup", -1, 0),
        ("open", 0, 0.5),
        ("steady", 0.5, 23),
        ("last_hour", 23, 24),
    ]


@pytest.mark.parametrize(
    ("end", "wanted"),
    [
        ("00:20", [("warmup", -1, 0), ("open", 0, 1 / 6), ("last_hour", 1 / 6, 1 / 3)]),
        ("01:00", [("warmup", -1, 0), ("open", 0, 0.5), ("last_hour", 0.5, 1)]),
        ("01:30", [("warmup", -1, 0), ("open", 0, 0.5), ("last_hour", 0.5, 1.5)]),
        ("02:00", [("warmup", -1, 0), ("open", 0, 0.5), ("steady", 0.5, 1), ("last_hour", 1, 2)]),
    ],
)
def test_a_short_sale_shares_its_time(
    tmp_path: Path, end: str, wanted: list[tuple[str, float, float]]
) -> None:
    """The opening has at most half of it, the last hour what is left."""
    text = f"name: x, time_zone: {ZONE}, start: 2026-11-11 00:00, end: 2026-11-11 {end}"
    assert hours(sale(tmp_path, text).spans) == wanted


def test_phases_are_where_they_are_put(tmp_path: Path) -> None:
    """By offsets from start and end, by local times; a phase without length is left out."""
    phases = "warmup: {from: -4h}, open: {from: start+30m, until: 2026-11-11 02:00}, last_hour: {from: end-2h, until: end-30m}"
    assert hours(sale(tmp_path, f"{DAY}, phases: {{{phases}}}").spans) == [
        ("warmup", -4, 0),
        ("steady", 0, 0.5),
        ("open", 0.5, 2),
        ("steady", 2, 22),
        ("last_hour", 22, 23.5),
        ("steady", 23.5, 24),
    ]
    none = "warmup: {from: start}, open: {until: 0s}, last_hour: {from: end}"
    assert hours(sale(tmp_path, f"{DAY}, phases: {{{none}}}").spans) == [("steady", 0, 24)]


def test_an_hour_of_a_sale_is_an_hour_when_clocks_change(tmp_path: Path) -> None:
    """A local day of 25 hours is one; its last hour is the last sixty minutes."""
    text = "name: x, time_zone: Europe/Berlin, start: 2026-10-25 00:00, end: 2026-10-26 00:00"
    found = sale(tmp_path, text)
    assert found.end_ms - found.start_ms == 25 * HOUR
    assert found.spans[1].end_ms - found.start_ms == 30 * MINUTE
    assert found.end_ms - found.spans[-1].start_ms == HOUR


def test_what_a_phase_does_not_say_the_promotion_says(tmp_path: Path) -> None:
    """But for lifts before the start: what is expected of a sale is not expected of its warm-up."""
    own = "warmup: {traffic_lift: 1.5}, open: {traffic_lift: 10, sensitivity: 2, tolerance: 0, severity_shift: 1}"
    text = (
        f"{DAY}, traffic_lift: 4, conversion_lift: 0.8, tolerance: 0.2, severity_shift: -1, phases: {{{own}}}"
    )
    warmup, opening, steady, last = sale(tmp_path, text).spans
    assert (warmup.lift, warmup.strictness) == (Lift(1.5, 1.0), Strictness(1.0, 0.2, -1))
    assert (opening.lift, opening.strictness) == (Lift(10.0, 0.8), Strictness(2.0, 0.0, 1))
    assert steady.lift == last.lift == Lift(4.0, 0.8)


def test_scope_and_targets_arrive(tmp_path: Path) -> None:
    """Keys by dimension, one alone without brackets; money with its currency."""
    scope = "scope: {slot: [home.1, home.2], sku: SKU_1}"
    targets = "targets: {orders: 10000, revenue_minor_units: 5, currency: CNY, conversion: 0.03}"
    found = sale(tmp_path, f"{DAY}, {scope}, {targets}")
    assert found.scope == {"slot": frozenset({"home.1", "home.2"}), "sku": frozenset({"SKU_1"})}
    assert found.targets == Targets(10_000, 5, "CNY", 0.03)


@pytest.mark.parametrize(
    ("sections", "zone"),
    [
        ("", "UTC"),
        ("metrics: {time_zone: Asia/Tokyo}\n", "Asia/Tokyo"),
        ("metrics: {time_zone: Asia/Tokyo}\nwatch: {time_zone: Europe/Berlin}\n", "Europe/Berlin"),
    ],
)
def test_the_zone_is_that_of_the_watch_then_of_the_metrics(tmp_path: Path, sections: str, zone: str) -> None:
    """A promotion that names none takes the nearest one that is named."""
    text = f"{sections}promotions:\n  - {{name: a, start: 2026-07-01, end: 2026-07-02}}\n"
    settings = loaded(tmp_path, text)
    assert settings.watch.time_zone == settings.promotions[0].time_zone == zone
    assert settings.promotions[0].start_ms == parse_local_time_ms("2026-07-01", ZoneInfo(zone))


def test_a_variable_may_hold_the_calendar(tmp_path: Path) -> None:
    """As YAML on one line, with the same default of the time zone."""
    entry = "[{name: a, start: 2026-07-01, end: 2026-07-02}]"
    settings = loaded(tmp_path, "metrics: {time_zone: Asia/Tokyo}", FUNNELWATCH__PROMOTIONS=entry)
    assert settings.promotions[0].time_zone == "Asia/Tokyo"


def test_a_tree_written_out_is_the_same_tree(tmp_path: Path) -> None:
    """Times become milliseconds and are read as such; reload relies on it."""
    settings = loaded(tmp_path, f"promotions:\n  - {{{DAY}, phases: {{open: {{until: 1h}}}}}}\n")
    again = Settings.model_validate(settings.model_dump(by_alias=True), by_alias=True, by_name=False)
    assert again == settings
    assert again.calendar().promotions == settings.calendar().promotions


@pytest.mark.parametrize(
    ("words", "finding"),
    [
        ("start: 2026-11-11, end: 2026-11-12", "name: must be given"),
        ("name: a, start: 2026-11-11, end: 2026-11-11", "end: must be after start"),
        ("name: a, start: 2026-01-01, end: 2026-11-11", "end: must be at most 100 days after start"),
        ("name: a, start: 20261111, end: 2026-11-12", "start: must be a time such as"),
        (
            "name: a, time_zone: Europe/Berlin, start: 2026-03-29 02:30, end: 2026-03-30",
            "start: is a time that the clocks of Europe/Berlin skip",
        ),
        (f"{DAY}, traffic_lift: 0", "traffic_lift: must be a number from 0.001 to 1000"),
        (f"{DAY}, traffic_lift: true", "traffic_lift: must be a number from 0.001 to 1000"),
        (f"{DAY}, severity_shift: 3", "severity_shift: must be a whole number from -2 to 2"),
        (
            f"{DAY}, phases: {{opn: {{}}}}",
            "phases.opn: is no setting; did you mean promotions[0].phases.open?",
        ),
        (f"{DAY}, phases: {{steady: {{from: 1h}}}}", "phases.steady.from: is no setting; here are: "),
        (
            f"{DAY}, phases: {{open: {{until: 10 minutes}}}}",
            "phases.open.until: must be a time, or start, end, 30m, -1h, start+30m or end-1h",
        ),
        (f"{DAY}, phases: {{open: {{until: start30m}}}}", "phases.open.until: must be a time, or start"),
        (f"{DAY}, phases: {{open: {{until: 90}}}}", "phases.open.until: must be text"),
        (
            f"{DAY}, phases: {{open: {{until: 2026-11-31}}}}",
            "phases.open.until: must be a day of the calendar",
        ),
        (f"{DAY}, phases: {{open: {{from: -1h}}}}", "phases.open.from: must lie from start to end"),
        (f"{DAY}, phases: {{warmup: {{until: 1h}}}}", "phases.warmup.until: must lie before start"),
        (f"{DAY}, phases: {{warmup: {{from: 1h}}}}", "phases.warmup.from: must not end before it begins"),
        (
            f"{DAY}, phases: {{last_hour: {{until: end+1h}}}}",
            "phases.last_hour.until: must lie from the end of open",
        ),
        (
            f"{DAY}, phases: {{open: {{until: 4h}}, last_hour: {{from: 3h}}}}",
            "phases.last_hour.from: must lie from the end of open to end",
        ),
        (
            f"{DAY}, phases: {{last_hour: {{from: -3h}}}}",
            "phases.last_hour.from: must lie from the end of open",
        ),
        (
            f"{DAY}, targets: {{currency: CNY}}",
            "targets.currency: revenue_minor_units and currency stand together",
        ),
        (f"{DAY}, scope: {{slot: []}}", "scope.slot: must have 1 or more entries"),
        (f"{DAY}, scope: {{page: x}}", "scope.page: must be one of slot, banner, sku"),
        (f"{DAY}, scope: {{all: all}}", "scope.all: must be one of slot, banner, sku"),
    ],
)
def test_a_wrong_promotion_is_refused_in_its_line(tmp_path: Path, words: str, finding: str) -> None:
    """One finding, with the line, the setting and what may stand there."""
    (line,) = refused(tmp_path, f"promotions:\n\n  - {{{words}}}\n")
    assert line.startswith(f"3: promotions[0].{finding}")


def test_all_findings_at_once(tmp_path: Path) -> None:
    """Names that stand twice and places that are not there, each in its own line."""
    twice = refused(tmp_path, f"promotions:\n  - {{{DAY}}}\n  - {{{DAY}}}\n  - {{{DAY}}}\n")
    assert [line.split(":")[0] for line in twice] == ["3", "4"]
    places = refused(
        tmp_path,
        f"promotions:\n  - {{{DAY}, scope: {{a: x, b: x}}}}\nrules:\n  - {{name: r, step: a, below: 1}}\n",
    )
    assert [line.split(": ")[1] for line in places] == [
        "promotions[0].scope.a",
        "promotions[0].scope.b",
        "rules[0].step",
    ]
