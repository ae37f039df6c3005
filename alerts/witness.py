"""Whether the data can be believed: topics and partitions that fell silent, fell behind, or hold rubbish.

The second witness beside the detectors: no orders because payment is broken, and no orders because
nobody delivers them, look alike from the orders alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from alerts.model import WELL, DataState, Finding, Recovered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.closed import ClosedBucket


class Testimony(NamedTuple):
    """What a closed bucket says of the data.

    Attributes:
        findings: outages and bad input, as long as they last. Their scope is ``topic`` and, for one
            partition, ``partition``; ``EVERYWHERE`` for all. ``detail`` is the symptom: ``silent``,
            ``behind``, ``worker``, ``heartbeat``.
        recoveries: those that are over.
        data: which topics cannot be believed.
    """

    findings: tuple[Finding, ...]
    recoveries: tuple[Recovered, ...]
    data: DataState


class Witness:
    """See the module."""

    def observe(self, closed: ClosedBucket, heartbeats: Mapping[str, int] | None = None) -> Testimony:
        """Take in the next closed bucket.

        Args:
            closed: the bucket.
            heartbeats: by topic, time of the newest heartbeat that came through.
        """
        return Testimony((), (), WELL)
