"""What is held back for a day is how it is now."""

from __future__ import annotations

import msgspec

from alerts.judges.spoken import Series
from alerts.withheld import Withheld

HOUR = 3_600_000
ONE, OTHER = Series("steps", 7, 2, 1), Series("steps", 8, 2, 1)


def test_a_day_without_a_pause_is_lasting() -> None:
    """Not an hour less; others count for themselves."""
    withheld = Withheld()
    for hour in range(24):
        withheld.note([ONE], hour * HOUR)
    assert withheld.lasting == frozenset()
    withheld.note([ONE, OTHER], 24 * HOUR)
    assert withheld.lasting == {ONE}


def test_a_night_without_alarm_does_not_count_as_an_end_but_longer_does() -> None:
    """Three hours are borne, once in a while; four begin anew."""
    for pause, lasts in ((3, True), (4, False)):
        withheld = Withheld()
        for hour in (0, pause, *range(pause, 24), 24):
            withheld.note([ONE], hour * HOUR)
        assert (ONE in withheld.lasting) is lasts
        withheld.note([], (24 + pause) * HOUR)
        assert (ONE in withheld.lasting) is lasts


def test_a_snapshot_goes_on() -> None:
    """With both times of each."""
    withheld, other = Withheld(HOUR), Withheld(HOUR)
    withheld.note([ONE], 0)
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(withheld.snapshot())))
    for each in (withheld, other):
        each.note([ONE], HOUR)
    assert withheld.lasting == other.lasting == {ONE}
