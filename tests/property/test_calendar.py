"""The calendar against its definition: every moment has the phases that say so, and no others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from streams.config_promotions import PromotionEntry
from streams.local_time import parse_local_time_ms
from streams.promotions import Calendar, Phase

NOON = int(datetime(2026, 11, 11, 12, tzinfo=UTC).timestamp() * 1000)
MINUTE = 60_000
ENTRIES = st.builds(
    lambda name, start, length, warm, opening, last: PromotionEntry.model_validate(
        {
            "name": name,
            "start": NOON + start * MINUTE,
            "end": NOON + (start + length) * MINUTE,
            "phases": {
                "warmup": {"from": f"-{warm}m"},
                "open": {"until": f"{opening * length // 20}m"},
                "last_hour": {"from": f"end-{last * length // 20}m"},
            },
        }
    ),
    st.text("abc", min_size=1, max_size=3),
    st.integers(0, 300),
    st.integers(1, 400),
    st.integers(0, 90),
    st.integers(0, 10),
    st.integers(0, 10),
)


@given(st.lists(ENTRIES, max_size=5, unique_by=lambda entry: entry.name), st.integers(-100, 800))
def test_a_moment_has_the_phases_whose_spans_hold_it(entries: list[PromotionEntry], minute: int) -> None:
    """Each promotion at most once, and exactly once from its start to its end."""
    at = NOON + minute * MINUTE
    calendar = Calendar(entry.plain() for entry in entries)
    on = {active.name: active for active in calendar.active(at)}
    assert len(on) == len(calendar.active(at))
    for promotion in calendar.promotions:
        holding = [span for span in promotion.spans if span.start_ms <= at < span.end_ms]
        assert [on[promotion.name].span] == holding if promotion.name in on else holding == []
        if promotion.start_ms <= at < promotion.end_ms:
            assert on[promotion.name].running
        elif promotion.name in on:
            assert on[promotion.name].phase is Phase.WARMUP


@given(st.lists(ENTRIES, max_size=5, unique_by=lambda entry: entry.name), st.integers(-100, 800))
def test_nothing_changes_before_the_next_change(entries: list[PromotionEntry], minute: int) -> None:
    """And at it something does."""
    at = NOON + minute * MINUTE
    calendar = Calendar(entry.plain() for entry in entries)
    change = calendar.next_change(at)
    if change is None:
        assert calendar.active(at) == ()
        return
    assert calendar.active(change - 1) == calendar.active(at)
    assert calendar.active(change) != calendar.active(change - 1)


@given(
    st.sampled_from(["UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    st.integers(0, 366 * 24 * 4),
)
def test_a_local_time_is_read_as_it_is_shown(zone_name: str, quarter: int) -> None:
    """Any moment, written as the clocks of its zone show it with their offset, is that moment again."""
    zone = ZoneInfo(zone_name)
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * quarter)
    shown, wanted = moment.astimezone(zone), int(moment.timestamp() * 1000)
    assert parse_local_time_ms(shown.isoformat(), zone) == wanted
    twice = shown.replace(fold=0).utcoffset() != shown.replace(fold=1).utcoffset()
    if not twice:
        assert parse_local_time_ms(shown.strftime("%Y-%m-%d %H:%M"), zone) == wanted
