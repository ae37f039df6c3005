"""Pictures of the windows: whole, unchanging, and joined from bucket to bucket."""

from __future__ import annotations

import numpy as np

from streams.core.windows import Windows
from streams.web.capturing import Capturing
from streams.web.picture import EVENTS, VISITORS
from tests.support.clock import ManualClock
from tests.support.live import Judging, picture_of, windows_of
from tests.support.window_oracle import BUCKET, Buckets


def test_a_picture_holds_what_the_windows_have() -> None:
    """Events and visitors by node, money, expectation, and the window before."""
    picture = picture_of(windows_of(60))
    window = picture.windows["5m"]
    assert window.counts["all"][0, EVENTS].tolist()[:2] == [9_000, 3_000]
    assert window.counts["all"][0, VISITORS, -1] == 300
    assert window.paid["sku"].tolist() == [[300, 1_500_000]] * 3
    assert window.before["sku"] == dict.fromkeys(range(3), (3_000, 300))
    assert window.earlier["previous"].span.end_ms == window.span.start_ms
    assert window.expected["all", 1] == {"all": 0.9}
    assert picture.currency == "CNY"


def test_nothing_before_the_first_bucket() -> None:
    """There is nothing to be seen."""
    capturing = Capturing(Judging(), ManualClock(0))
    capturing.refresh(Windows())
    assert capturing.picture is None


def test_a_picture_stays_as_it_was() -> None:
    """Whoever still reads it is not disturbed by the next."""
    windows, judging, made = Windows(), Judging(), Buckets()
    capturing = Capturing(judging, ManualClock(0))
    seen = []
    for number in range(3):
        windows.take(made.close(number * BUCKET, {("all", "all", 1): 1}))
        capturing.refresh(windows)
        assert capturing.picture is not None
        seen.append((capturing.picture, capturing.picture.windows["1m"].counts["all"].copy()))
    assert [int(counts[0, EVENTS, 1]) for _, counts in seen] == [1, 2, 3]
    for picture, counts in seen:
        assert np.array_equal(picture.windows["1m"].counts["all"], counts)


def test_judged_buckets_are_joined_for_an_hour() -> None:
    """Each once, whether they come one by one or many at a time."""
    windows, judging = windows_of(3), Judging()
    capturing = Capturing(judging, ManualClock(0))
    lengths = []
    for number in (10, 11, 11, 30, 500):
        judging.end_ms = windows.began_ms + number * BUCKET
        capturing.refresh(windows)
        assert capturing.picture is not None
        lengths.append(len(capturing.picture.judged.buckets))
        assert capturing.picture.judged.end_ms == judging.end_ms
    assert lengths == [10, 11, 11, 30, 360]
