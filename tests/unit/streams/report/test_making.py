"""Everything together: which incidents, what they lost, how good the data is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from alerts.model import Kind, State
from streams.errors import ConfigError
from streams.report.making import report_of
from tests.support.reported import (
    D11,
    DAY,
    MINUTE,
    START,
    data_of,
    gathering_of,
    incident,
    outage,
    sale,
    week,
)

if TYPE_CHECKING:
    from alerts.incident import Incident


def told(*incidents: Incident) -> tuple[list[str], dict[str, int], int]:
    """Ids of what is listed, losses, and how many are not listed."""
    gathering = gathering_of()
    for closed in week():
        gathering.take(closed)
    data = report_of(gathering, incidents)
    return [one.id for one in data.incidents], dict(data.lost), data.more_incidents


def test_incidents_of_the_promotions_time() -> None:
    """Not what was over before, began after it, or was never told; and in the order of time."""
    ended = D11.begins_ms - MINUTE
    ids, _, _ = told(
        incident(3, since_ms=START + 30 * MINUTE),
        incident(4, since_ms=ended - DAY, resolved_at_ms=ended),
        incident(5, since_ms=D11.end_ms),
        incident(6, state=State.PENDING),
        incident(7, since_ms=ended - DAY, resolved_at_ms=None, state=State.FIRING),
        outage(),
    )
    assert ids == ["i7", "i3"]


def test_nothing_is_lost_twice() -> None:
    """Parts of wider incidents, rules, targets and gains are listed and not added up."""
    ids, lost, _ = told(
        incident(1),
        incident(2, lost_minor=6, currency="USD"),
        incident(3, merged_into="i1"),
        incident(4, kind=Kind.RULE),
        incident(5, kind=Kind.PROMOTION_BEHIND_TARGET),
        incident(6, kind=Kind.CONVERSION_SURGE, lost_minor=-500),
    )
    assert len(ids) == 6
    assert lost == {"CNY": 1_194_000, "USD": 6}


def test_a_storm_is_cut_to_what_cost_most() -> None:
    """The others are counted, and their losses are in the sum."""
    ids, lost, more = told(*(incident(number, lost_minor=number) for number in range(1, 131)))
    assert (len(ids), more) == (100, 30)
    assert {*ids} == {f"i{number}" for number in range(31, 131)}
    assert lost == {"CNY": 130 * 131 // 2}


def test_outages_are_about_data() -> None:
    """They stand with the data's quality, not with what the shop lost."""
    data = data_of()
    assert [one.id for one in data.incidents] == ["i1"]
    assert [one.id for one in data.quality.about_data] == ["i2"]
    assert data.quality.records == {
        (0, "accepted"): 420 * 1_100,
        (0, "duplicate"): 420 * 2,
        (0, "invalid"): 420,
        (0, "late"): 420 * 4,
        (1, "accepted"): 4_200,
    }
    assert (data.quality.seen, data.quality.buckets, data.quality.gaps) == (1.0, 420, ())


def test_the_currency_is_the_targets_or_the_one_with_most() -> None:
    """Of a shop that sold nothing there is none."""
    plain = replace(D11, targets=sale().targets)
    assert data_of().currency == data_of(promotion=plain).currency == "CNY"
    unpaid = (replace(closed, money={}) for closed in week())
    assert data_of(unpaid, promotion=plain).currency is None


def test_nothing_recorded_is_refused() -> None:
    """A page of zeros would look like a bad night."""
    with pytest.raises(ConfigError, match="recordings of the time of promotion D11"):
        data_of(closed for closed in week() if closed.start_ms < START - DAY)
