"""What a report is made of: closed buckets of recordings, and incidents that were told or would have been.

Of files, and of events in Kafka, the engine judges the buckets as a backtest does. Of a deployment's own
rollups in Kafka the incidents that its watcher told are read, acknowledgements and all. Rollups are read
as they are needed: a day of them need not fit into memory.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from alerts.incident import decode_incident
from streams.assembly import closing_settings, engine, windows_of
from streams.backtest.reading import buckets_in, messages_of_logs, read_kafka
from streams.backtest.recording import closed
from streams.backtest.story import tell
from streams.durations import DAY, HOUR
from streams.errors import CodecError
from streams.report.outline import Times
from streams.worker.kafka import kafka_options
from streams.worker.ranges import ranges_of_topic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerts.incident import Incident
    from streams.backtest.reading import Recording
    from streams.config import Settings
    from streams.events import Record
    from streams.report.gathering import Gathering
    from streams.report.outline import Outline

# Before the first bucket that is wanted, so that it is whole; incidents are told for so long after.
_BEFORE_MS: Final = 15 * 60_000
_TOLD_MS: Final = DAY


def gather_last(recording: Recording, settings: Settings, gathering: Gathering) -> None:
    """Take in the last promotion, where it is recorded apart; nobody judges it."""
    source = read_kafka(recording, settings)
    with buckets_in(recording, settings, source) as buckets:
        for bucket in buckets:
            gathering.take_last(bucket)


def gather(recording: Recording, settings: Settings, gathering: Gathering, now_ms: int) -> list[Incident]:
    """Take in everything that was recorded; the incidents, each as it was last known.

    Args:
        recording: one of :class:`streams.backtest.reading.Recording`.
        settings: whose topics, formats and thresholds.
        gathering: takes the closed buckets.
        now_ms: up to when Kafka is read.
    """
    if recording.kafka and not recording.of_events:
        return _gather_rollups(recording, settings, gathering, now_ms)
    source = read_kafka(recording, settings)
    with buckets_in(recording, settings, source) as buckets:
        run = tell(gathering.passing(buckets), engine(settings), windows_of(settings))
    return [story.incident for story in run.stories]


def ranges_of(outline: Outline, now_ms: int) -> list[Times]:
    """Broker times in which rollups of what is looked at were written, ascending and apart.

    The promotion's own ends now at the latest, for a backlog may have been counted much later than it
    happened; whoever reads may stop before.
    """
    promotion, last = outline.promotion, outline.last
    wanted = [Times(promotion.begins_ms, max(promotion.end_ms, now_ms))]
    if last is not None:
        wanted.append(Times(last.begins_ms, last.end_ms + HOUR))
    known = [times for spans in outline.earlier.values() for times in spans if times is not None]
    wanted += [Times(times.start_ms, times.end_ms + HOUR) for times in known]
    merged: list[Times] = []
    for start_ms, end_ms in sorted(wanted):
        start_ms, end_ms = start_ms - _BEFORE_MS, min(end_ms, now_ms)  # noqa: PLW2901 - the range to read
        if merged and start_ms <= merged[-1].end_ms:
            merged[-1] = Times(merged[-1].start_ms, max(merged[-1].end_ms, end_ms))
        elif start_ms < end_ms:
            merged.append(Times(start_ms, end_ms))
    return merged


def _gather_rollups(
    recording: Recording, settings: Settings, gathering: Gathering, now_ms: int
) -> list[Incident]:
    options = kafka_options(settings.kafka) | {"bootstrap_servers": recording.kafka}
    with ranges_of_topic(options, settings.topics.rollups) as read:
        ranges = ranges_of(gathering.outline, now_ms)
        messages = chain.from_iterable(messages_of_logs(read(*times)) for times in ranges)
        for _ in gathering.passing(
            closed(messages, settings.topics.rollup_shards, closing_settings(settings))
        ):
            pass
    promotion = gathering.outline.promotion
    with ranges_of_topic(options, settings.topics.incidents) as read:
        return newest(read(promotion.begins_ms, promotion.end_ms + _TOLD_MS))


def newest(logs: Iterable[Iterable[Record]]) -> list[Incident]:
    """Of records of incidents the newest of each; records of another version are passed over."""
    found: dict[str, Incident] = {}
    for record in chain.from_iterable(logs):
        try:
            incident = decode_incident(record.value)
        except CodecError:
            continue
        if incident.id not in found or found[incident.id].revision <= incident.revision:
            found[incident.id] = incident
    return [*found.values()]
