"""Closed buckets into the incidents that would have been told, and two such runs side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from alerts.drafting import identity_of_incident
from alerts.model import State
from streams.durations import HOUR
from streams.measures import WindowMeasures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alerts.engine import Engine
    from alerts.identity import Identity
    from alerts.incident import Incident
    from alerts.model import Reason, Severity
    from streams.closed import ClosedBucket
    from streams.core.windows import Windows

# Opened further apart than this, and not at the same time open, two incidents are not the same.
_NEAR_MS: Final = HOUR


class Telling(NamedTuple):
    """One record of an incident: when it was written, why, and what it said."""

    at_ms: int
    reason: Reason
    state: State
    severity: Severity


@dataclass(slots=True)
class Story:
    """An incident as it was last known, and all that was told of it."""

    incident: Incident
    tellings: list[Telling] = field(default_factory=list)

    @property
    def identity(self) -> Identity:
        """What it is about."""
        return identity_of_incident(self.incident)


@dataclass(slots=True)
class Run:
    """What came out of one run; times are ms of event time, ``from_ms`` None if no bucket was closed."""

    stories: list[Story] = field(default_factory=list)
    from_ms: int | None = None
    to_ms: int = 0
    buckets: int = 0

    @property
    def span_ms(self) -> int:
        """Event time that was watched."""
        return self.to_ms - (self.to_ms if self.from_ms is None else self.from_ms)


def tell(buckets: Iterable[ClosedBucket], engine: Engine, windows: Windows | None = None) -> Run:
    """Everything that would have been told of these buckets.

    Args:
        buckets: in order.
        engine: who judges them.
        windows: that rules and targets look at; None where nobody does.
    """
    run, stories = Run(), dict[str, Story]()
    for closed in buckets:
        run.from_ms = closed.start_ms if run.from_ms is None else run.from_ms
        run.to_ms, run.buckets = closed.end_ms, run.buckets + 1
        for incident, reason in engine.observe(closed, measures=_measured(windows, closed)):
            if incident.state is not State.PENDING:
                story = stories.setdefault(incident.id, Story(incident))
                story.incident = incident
                story.tellings.append(Telling(closed.end_ms, reason, incident.state, incident.severity))
    for incident in engine.incidents:
        if incident.id in stories:
            stories[incident.id].incident = incident
    run.stories = sorted(stories.values(), key=lambda story: (story.incident.opened_at_ms, story.incident.id))
    return run


def _measured(windows: Windows | None, closed: ClosedBucket) -> WindowMeasures | None:
    """The windows with the bucket in them."""
    if windows is None:
        return None
    windows.take(closed)
    return WindowMeasures(windows)


class Both(NamedTuple):
    """The same thing in two runs; differences are the second's time less the first's."""

    first: Story
    second: Story

    @property
    def opened_difference_ms(self) -> int:
        """By how much later the second knew."""
        return self.second.incident.opened_at_ms - self.first.incident.opened_at_ms

    @property
    def resolved_difference_ms(self) -> int | None:
        """By how much later the second was over; None unless both were."""
        ends = self.first.incident.resolved_at_ms, self.second.incident.resolved_at_ms
        return None if ends[0] is None or ends[1] is None else ends[1] - ends[0]


class Compared(NamedTuple):
    """Two runs side by side."""

    only_first: list[Story]
    only_second: list[Story]
    both: list[Both]


def compare(first: Run, second: Run) -> Compared:
    """Which incidents two runs have in common: about the same thing, at the same time, nearest first."""
    pairs = sorted(_candidates(first, second), key=lambda both: abs(both.opened_difference_ms))
    taken: set[int] = set()
    both = []
    for pair in pairs:
        if taken.isdisjoint(map(id, pair)):
            taken.update(map(id, pair))
            both.append(pair)
    both.sort(key=lambda pair: pair.first.incident.opened_at_ms)
    return Compared(
        [story for story in first.stories if id(story) not in taken],
        [story for story in second.stories if id(story) not in taken],
        both,
    )


def _candidates(first: Run, second: Run) -> Iterator[Both]:
    by_identity: dict[Identity, list[Story]] = {}
    for story in second.stories:
        by_identity.setdefault(story.identity, []).append(story)
    for story in first.stories:
        for other in by_identity.get(story.identity, ()):
            pair = Both(story, other)
            if abs(pair.opened_difference_ms) <= _NEAR_MS or _overlap(story.incident, other.incident):
                yield pair


def _overlap(one: Incident, other: Incident) -> bool:
    return not (_is_over(one, other.opened_at_ms) or _is_over(other, one.opened_at_ms))


def _is_over(incident: Incident, at_ms: int) -> bool:
    return incident.resolved_at_ms is not None and incident.resolved_at_ms <= at_ms
