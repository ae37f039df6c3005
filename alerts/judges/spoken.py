"""What a judge says, and the mirror tests of all that it has said and not yet taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from alerts.detectors.recovery import Recovery, Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from alerts.model import Finding


class Series(NamedTuple):
    """One series of a judge: its row and step there, and the direction (``Way``)."""

    judge: str
    row: int
    step: int
    way: int


class Spoken(NamedTuple):
    """A finding, and whose it is."""

    finding: Finding
    series: Series


class Verdicts(NamedTuple):
    """What a judge says at the close of a bucket: what is wrong, and what is over."""

    spoken: tuple[Spoken, ...]
    back: frozenset[Series]


class Now(NamedTuple):
    """A series' counts of the bucket that has closed, for its mirror test."""

    observed: float
    expected: float
    dispersion: float
    judged: bool


class Mirrors:
    """The mirror tests of one judge.

    Args:
        tolerance: a ratio within it is back.
    """

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._tests: dict[Series, Recovery] = {}

    def __len__(self) -> int:
        return len(self._tests)

    def __contains__(self, series: Series) -> bool:
        return series in self._tests

    def watch(self, spoken: Iterable[Spoken]) -> None:
        """Begin a test of what is said for the first time."""
        for finding, series in spoken:
            if series not in self._tests:
                self._tests[series] = Recovery(finding.ratio, finding.threshold, self._tolerance)

    def look(self, now: Callable[[Series], Now]) -> frozenset[Series]:
        """Give every test its bucket; those that are back are over and their tests gone."""
        back = set()
        for series, test in self._tests.items():
            counts = now(series)
            if counts.judged and test.update(counts.observed, counts.expected, counts.dispersion) is (
                Standing.BACK
            ):
                back.add(series)
        self.forget(back)
        return frozenset(back)

    def forget(self, which: Iterable[Series]) -> None:
        """Drop tests, if they are there."""
        for series in which:
            self._tests.pop(series, None)

    def snapshot(self) -> list[tuple[Series, dict[str, Any]]]:
        """All of it as plain data."""
        return [(series, test.snapshot()) for series, test in self._tests.items()]

    def restore(self, state: Iterable[Sequence[Any]]) -> None:
        """Go on from a snapshot."""
        self._tests = {Series(*series): Recovery.restored(test) for series, test in state}
