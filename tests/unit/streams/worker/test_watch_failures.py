"""What follows when judging fails: again, without the bucket, or without what was known."""

from __future__ import annotations

from streams.worker.watch_failures import Failures, Next


def test_a_bucket_has_three_attempts() -> None:
    """Then it is left out, and those after it are judged."""
    failures = Failures()
    assert [failures.at(50, 40) for _ in range(3)] == [Next.AGAIN, Next.AGAIN, Next.LEAVE_OUT]
    assert failures.left_out == {50}
    assert not failures.begin()


def test_a_state_that_went_wrong_is_given_up() -> None:
    """Nothing can be judged any more: soon it begins without the snapshot, once, and nothing is left out."""
    failures = Failures()
    said = [failures.at(at, 40) for at in (50, 50, 50, 60, 70)]
    assert said[2:] == [Next.LEAVE_OUT, Next.LEAVE_OUT, Next.WITHOUT_SNAPSHOT]
    assert failures.left_out == frozenset()
    assert [failures.begin(), failures.begin()] == [True, False]


def test_buckets_that_are_judged_between_say_that_all_is_well() -> None:
    """Bad buckets here and there are no bad state, also if what came before is judged once more."""
    failures = Failures()
    for at in (50, 70, 90):
        assert [failures.at(at, judged) for judged in (at - 10, 20, 20)][-1] is Next.LEAVE_OUT
    assert failures.left_out == {50, 70, 90}
    assert not failures.begin()


def test_failing_without_end_elsewhere() -> None:
    """Five times without any bucket that is new; one that is new begins the count again."""
    failures = Failures()
    assert {failures.elsewhere(40) for _ in range(4)} == {Next.AGAIN}
    assert {failures.elsewhere(50) for _ in range(4)} == {Next.AGAIN}
    assert failures.elsewhere(50) is Next.WITHOUT_SNAPSHOT
    assert failures.begin()
