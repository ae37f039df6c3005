"""Windows against a plain loop over everything that was ever counted: equal to the unit."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.core.merge import MoneyKey
from streams.core.windows import (
    DAY,
    SLIDING,
    Comparison,
    Sale,
    Span,
    Windows,
    WindowSettings,
    WindowsState,
    columns_of,
)
from tests.support.rollups import STAGES
from tests.support.window_oracle import BUCKET, Buckets, Counts, midnight_before

if TYPE_CHECKING:
    from streams.closed import ClosedBucket

NEW_YORK = "America/New_York"
# The days on which clocks change there, six hours before they do, and an ordinary one.
STARTS = [1_741_478_400_000, 1_762_041_600_000, 1_752_000_000_000]
KEYS = [("all", "all"), *(("slot", key) for key in "AB"), *(("sku", key) for key in "abcde")]
COLUMNS = [0, 1, 17, 18, 22]
HOUR = 3_600_000
# Mostly bucket after bucket; sometimes nothing is said for longer, up to a day.
JUMPS = [0] * 15 + [290_000, 290_000, HOUR, 5 * HOUR, 23 * HOUR]
SALES = [("first", 2 * HOUR, 5 * HOUR), ("second", 20 * HOUR, 40 * HOUR), ("third", 30 * HOUR, 300 * HOUR)]


class Story(NamedTuple):
    """A random stream of closed buckets, by its seed."""

    seed: int
    start_ms: int
    buckets: int
    max_keys: int

    @property
    def sales(self) -> list[Sale]:
        """Promotions in its time; the last one overlaps another."""
        return [Sale(name, self.start_ms + start, self.start_ms + end) for name, start, end in SALES]

    def windows(self) -> Windows:
        """From nothing."""
        return Windows(WindowSettings(NEW_YORK, max_keys=self.max_keys), self.sales)


STORIES = st.builds(
    Story, st.integers(0, 1 << 32), st.sampled_from(STARTS), st.integers(1, 60), st.sampled_from([2, 200])
)


def some_counts(chance: random.Random) -> Counts:
    """Of some keys and columns."""
    cells = [(*key, column) for key in KEYS for column in COLUMNS]
    return {cell: chance.randint(1, 300) for cell in chance.sample(cells, chance.randint(0, 12))}


def told(story: Story, oracle: Buckets) -> list[ClosedBucket]:
    """The buckets of a story."""
    chance, start_ms = random.Random(story.seed), story.start_ms
    closed = []
    for _ in range(story.buckets):
        ago = [chance.choice([1, 6, 40, 400, 2_000]) for _ in range(chance.randint(0, 2))]
        late = [(start_ms - back * BUCKET, some_counts(chance)) for back in {*ago}]
        key = MoneyKey("all", "all", chance.choice(["CNY", "USD"]), "paid")
        closed.append(
            oracle.close(start_ms, some_counts(chance), late, {key: (1, chance.randint(0, 1 << 40))})
        )
        start_ms += BUCKET + chance.choice(JUMPS)
    return closed


def spans_of(story: Story, oracle: Buckets) -> dict[str, Span]:
    """What the windows must have, as of the end."""
    end = oracle.end
    spans = {window: Span(end - size, end) for window, size in SLIDING.items()}
    spans[DAY] = Span(midnight_before(end - BUCKET, ZoneInfo(NEW_YORK)), end)
    for sale in story.sales:
        if sale.start_ms <= end - BUCKET < sale.end_ms + 24 * HOUR:
            spans[sale.window] = Span(sale.start_ms, min(sale.end_ms, end))
    return spans


@given(story=STORIES)
def test_every_window_is_the_sum_of_its_buckets(story: Story) -> None:
    """Counts, entries, ratios and money; late ones, new days, clock changes, promotions on the way."""
    oracle, windows = Buckets(), story.windows()
    for closed in told(story, oracle):
        windows.take(closed)
    spans = spans_of(story, oracle)
    assert {window: windows.span(window) for window in windows.windows} == spans
    for window, span in spans.items():
        sums = oracle.sums(*span)
        for dimension in windows.dimensions:
            rows, names = windows.counts(window, dimension), windows.names(dimension)
            found = {
                (dimension, names[key], column): rows[key, column]
                for key, column in zip(*rows.nonzero(), strict=True)
            }
            assert found == {cell: count for cell, count in sums.items() if cell[0] == dimension}
            for step in range(STAGES.nodes - 1):
                before, after = columns_of(step)
                ratios = windows.ratio(window, dimension, step)
                assert ratios.denominator.tolist() == [sums[dimension, name, before] for name in names]
                assert ratios.numerator.tolist() == [sums[dimension, name, after] for name in names]
                assert windows.entries(window)[dimension][:, step].tolist() == ratios.denominator.tolist()
        money = {(key.currency, key.kind): sums for key, sums in oracle.money(*span).items()}
        assert windows.money(window) == money


@given(story=STORIES)
def test_every_comparison_is_the_sum_of_the_time_that_it_names(story: Story) -> None:
    """Or there is none: if nothing was counted then, or it was not kept, or not of this key."""
    oracle, windows = Buckets(), story.windows()
    for closed in told(story, oracle):
        windows.take(closed)
    for window in windows.windows:
        for dimension, key in KEYS:
            if key in windows.names(dimension):
                for with_ in Comparison:
                    check(story, windows, oracle, window, dimension, key, with_)


def check(
    story: Story,
    windows: Windows,
    oracle: Buckets,
    window: str,
    dimension: str,
    key: str,
    with_: Comparison,
) -> None:
    """One comparison."""
    for step in (0, 1):
        before, after = columns_of(step)
        compared = windows.compare(window, dimension, key, step, with_)
        now = oracle.sums(*windows.span(window))
        assert compared.now[:2] == (now[dimension, key, after], now[dimension, key, before])
        if compared.then is not None and compared.span is not None:
            then = oracle.sums(*compared.span)
            assert compared.then[:2] == (then[dimension, key, after], then[dimension, key, before])
        elif compared.span is not None and story.max_keys > len(KEYS):
            # All keys are kept: then only time can be missing.
            assert oracle.began is not None
            too_old = compared.span.start_ms < oracle.end - 7 * 24 * HOUR
            assert compared.span.start_ms < oracle.began or too_old or compared.span.size_ms <= 0


@given(story=STORIES)
def test_a_snapshot_and_the_rest_are_the_whole(story: Story) -> None:
    """Cut anywhere, the state taken over as bytes: all windows and comparisons are what they would be."""
    buckets = told(story, Buckets())
    cut = story.seed % (len(buckets) + 1)
    whole, first, second = story.windows(), story.windows(), story.windows()
    for closed in buckets[:cut]:
        first.take(closed)
    second.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(first.snapshot()), type=WindowsState))
    for closed in buckets[cut:]:
        second.take(closed)
    for closed in buckets:
        whole.take(closed)
    assert second.windows == whole.windows
    for window in whole.windows:
        assert second.money(window) == whole.money(window)
        for dimension in whole.dimensions:
            assert (second.counts(window, dimension) == whole.counts(window, dimension)).all()
            for key in whole.names(dimension):
                for with_ in Comparison:
                    one = second.compare(window, dimension, key, 1, with_)
                    assert str(one) == str(whole.compare(window, dimension, key, 1, with_))
