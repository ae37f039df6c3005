"""Over half of a minute's records invalid."""

from __future__ import annotations

import pytest

from alerts.bad_input import BadInput, BadInputSettings


def judged(*buckets: tuple[int, int]) -> list[int | None]:
    """Since when input is bad, after each (invalid, records)."""
    state = BadInput(BadInputSettings())
    since = []
    for number, (invalid, records) in enumerate(buckets):
        state.take(invalid, records, number * 10_000)
        since.append(state.since_ms)
    return since


def test_more_than_half_of_a_minute() -> None:
    """Half is not enough; it began where the minute did."""
    assert judged(*[(10, 20)] * 6) == [None] * 6
    assert judged(*[(0, 20)] * 6, *[(20, 20)] * 4) == [None] * 9 + [40_000]


def test_a_few_say_nothing() -> None:
    """Nineteen records a minute, all invalid, are no incident."""
    assert judged(*[(3, 3)] * 6, (1, 1)) == [None] * 6 + [None]
    assert judged(*[(4, 4)] * 5)[-1] == 0


def test_it_is_over_well_below() -> None:
    """Between a quarter and a half it stays what it was; without records too."""
    bad = [(20, 20)] * 6
    assert judged(*bad, *[(6, 20)] * 9)[-1] is not None
    assert judged(*bad, *[(0, 0)] * 9)[-1] is not None
    assert judged(*bad, *[(4, 20)] * 9)[-1] is None


@pytest.mark.parametrize(("bucket", "doubtful"), [((6, 10), True), ((5, 10), False), ((0, 0), False)])
def test_a_bad_bucket_makes_doubt(bucket: tuple[int, int], doubtful: bool) -> None:  # noqa: FBT001 - a column
    """Before the minute is known to be bad."""
    state = BadInput(BadInputSettings())
    assert not state.doubtful
    state.take(0, 100, 0)
    state.take(*bucket, 10_000)
    assert state.doubtful is doubtful


def test_a_snapshot_goes_on() -> None:
    """With the same minute."""
    state, other = BadInput(BadInputSettings()), BadInput(BadInputSettings())
    for number in range(4):
        state.take(9, 9, number * 10_000)
    other.restore(state.snapshot())
    assert (other.records, other.invalid, other.since_ms) == (36, 36, state.since_ms)
