"""The board of a worker, as the topics have it: what was there, what comes, and nothing of what cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alerts.control import Silence, control_key, encode_control
from alerts.incident import encode_incident
from streams.config import Kafka, Settings
from streams.web.board import Board
from streams.worker.board_feed import BoardFeed
from streams.worker.reception import Reception
from streams.worker.wiring import wanted_topics
from tests.support.live import told
from tests.support.producing import Message, produce
from tests.support.workers import until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("confluent_kafka", reason="the embedded broker is not installed (extra: demo)")


@pytest.fixture
def settings() -> Iterator[Settings]:
    """On a broker of its own."""
    from streams.demo.broker import EmbeddedBroker  # noqa: PLC0415  # an extra

    with EmbeddedBroker() as broker:
        made = Settings(kafka=Kafka(bootstrap_servers=(broker.bootstrap_servers,)))
        broker.create_topics(*(spec.name for spec in wanted_topics(made)))
        yield made


async def test_it_knows_what_was_said_and_hears_what_is(settings: Settings) -> None:
    """Incidents from before, a silence from now, both once it was told that something changed."""
    incidents, (server,) = settings.topics.incidents, settings.kafka.bootstrap_servers
    records = [
        b"rubbish",
        encode_incident(told(id="i1", revision=1)),
        encode_incident(told(id="i1", revision=2)),
    ]
    await produce(server, [Message(incidents, record, partition=0) for record in records])
    board, changes = Board(), list[int]()
    feed, reception = BoardFeed(settings, board, lambda: changes.append(board.revision)), Reception(settings)
    feed.start()
    try:

        async def has_the_incident() -> bool:
            found = board.incident("i1")
            return found is not None and found.revision == 2

        await until(has_the_incident, seconds=60, what="the incident")
        silence = Silence(id="s1", by="li", ends_ms=2_000)
        await reception.write(control_key(silence), encode_control(silence))

        async def has_the_silence() -> bool:
            return [one.id for one in board.silences(1_000)] == ["s1"]

        await until(has_the_silence, seconds=60, what="the silence")
    finally:
        await feed.stop()
        await reception.stop()
    assert changes[-1] == board.revision
