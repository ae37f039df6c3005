"""What is done when judging fails: a bucket is left out, and a state that went wrong is given up.

A bucket at which judging failed three times is left out; of those that follow at once each has one
attempt, for then it is not by chance. After three left out in a row it is not the buckets: what is known
went wrong, and the next beginning is without the snapshot. The buckets are forgiven then.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Final

# More attempts would be no use, and every later bucket waits for them.
_ATTEMPTS: Final = 3
_IN_A_ROW: Final = 3
# Failures that are no bucket's, without any bucket judged that was not judged before.
_ELSEWHERE: Final = 5


class Next(StrEnum):
    """What follows a failure."""

    AGAIN = "again"
    LEAVE_OUT = "leave_out"
    WITHOUT_SNAPSHOT = "without_snapshot"


class Failures:
    """See the module. Buckets are known by their start."""

    def __init__(self) -> None:
        self._times: Counter[int] = Counter()
        self._left_out: set[int] = set()
        self._elsewhere = 0
        self._judged_ms = 0
        self._anew = False

    @property
    def left_out(self) -> frozenset[int]:
        """Buckets that are not to be judged."""
        return frozenset(self._left_out)

    def at(self, start_ms: int, judged_ms: int) -> Next:
        """Judging failed at a bucket.

        Args:
            start_ms: its start.
            judged_ms: start of the newest bucket that was judged; 0 if none was.
        """
        self._note(judged_ms)
        row = sum(left_out > self._judged_ms for left_out in self._left_out)
        self._times[start_ms] += 1
        if not row and self._times[start_ms] < _ATTEMPTS:
            return Next.AGAIN
        if row + 1 >= _IN_A_ROW:
            return self._give_up()
        self._left_out.add(start_ms)
        return Next.LEAVE_OUT

    def elsewhere(self, judged_ms: int) -> Next:
        """Watching failed, but at no bucket."""
        self._note(judged_ms)
        self._elsewhere += 1
        return Next.AGAIN if self._elsewhere < _ELSEWHERE else self._give_up()

    def begin(self) -> bool:
        """Whether to begin without the snapshot; asked once at each beginning."""
        anew, self._anew = self._anew, False
        return anew

    def _note(self, judged_ms: int) -> None:
        if judged_ms > self._judged_ms:
            self._judged_ms, self._elsewhere = judged_ms, 0

    def _give_up(self) -> Next:
        self._times.clear()
        self._left_out.clear()
        self._elsewhere, self._anew = 0, True
        return Next.WITHOUT_SNAPSHOT
