"""The live page and the API of a worker, put together: what it shows, and the judgement that it is handed.

Part of the composition root: it knows both packages, no room imports it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from alerts.content.facts import facts
from alerts.content.writing import LANGUAGES, headline, summary
from alerts.control import Ack, ScopeMatch, Silence, Unsilence, Watches, control_key, encode_control
from alerts.diagnosis.decomposition import Trade, decompose
from alerts.diagnosis.scorecard import scorecard
from alerts.identity import ABOUT_DATA
from alerts.incident import decode_incident
from alerts.message import Language
from alerts.model import Kind, Severity
from streams.errors import CodecError, TopicError
from streams.metrics.pipeline import installed_version
from streams.web.access import Access
from streams.web.bell import Bell
from streams.web.board import Board
from streams.web.handed import Card, Judgement, PlacedKeys, Said, SilenceWanted
from streams.web.moment import Standing
from streams.web.pages import WebPages
from streams.web.sources import Sources
from streams.worker.board_feed import BoardFeed
from streams.worker.reception import Reception

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np
    from aiohttp import web
    from numpy.typing import NDArray

    from alerts.control import Control
    from streams.core.windows import Windows
    from streams.worker.frame import WorkerFrame

    F64 = NDArray[np.float64]

_LOG = logging.getLogger(__name__)
_CONTRIBUTORS = 3
_ALL_INTERFACES = frozenset({"0.0.0.0", "::"})
# Cards of one incident are asked for in two languages, and again until its next record.
_CARDS = 500


class LivePages:
    """A worker's live page and API, with what keeps them up to date; its pages as the server knows them.

    Args:
        worker: that is looked at.
    """

    def __init__(self, worker: WorkerFrame) -> None:
        settings, bell, board = worker.settings, Bell(), Board()
        self._feed = BoardFeed(settings, board, bell.ring)
        self._reception = Reception(settings)
        self._worker = worker
        self._telling: asyncio.Task[None] | None = None
        watching = worker.watching
        if watching is not None:
            watching.on_picture = bell.ring
            watching.on_begin = self._say_who_watches
        sources = Sources(
            picture=lambda: None if watching is None else watching.picture,
            board=board,
            calendar=lambda: worker.calendar,
            standing=lambda: _standing(worker),
            clock=worker.clock,
            judgement=judgement(settings.watch.time_zone),
            ask=_nobody if watching is None else watching.asked,
            say=self._reception.write,
            bell=bell,
            zone=settings.watch.time_zone,
        )
        self._pages = WebPages(sources, access_of(worker), installed_version())

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """What is served where; from now on the board is kept up to date."""
        self._feed.start()
        return self._pages.routes()

    def _say_who_watches(self) -> None:
        self._telling = asyncio.create_task(self._tell(), name="who watches")

    async def _tell(self) -> None:
        """The pages of the others say where this one is; without that they say that they do not know."""
        host, url = _here(self._worker)
        try:
            await self._reception.write(*_watches(host, url, self._worker.clock.now_ms()))
        except TopicError as error:
            _LOG.warning("other workers do not know that this one watches", extra={"error": str(error)})

    async def stop(self) -> None:
        """Let go of everything."""
        if self._telling is not None:
            self._telling.cancel()
        await self._feed.stop()
        await self._reception.stop()
        await self._pages.stop()


def access_of(worker: WorkerFrame) -> Access:
    """Who may, by the settings of a worker."""
    http, token = worker.settings.http, worker.settings.http.token
    return Access(
        None if token is None else token.get_secret_value(),
        http.host,
        http.allowed_hosts,
        time.monotonic,
        worker.clock.now_ms,
    )


def _standing(worker: WorkerFrame) -> Standing:
    readiness = worker.readiness()
    watching = worker.watching is not None and worker.watching.watching
    return Standing(watching, readiness.ready, readiness.reasons, _here(worker))


def _here(worker: WorkerFrame) -> tuple[str, str]:
    """Name of the machine, and the page's address: on all interfaces the machine's name stands for them."""
    name, host = socket.gethostname(), worker.settings.http.host
    shown = name if host in _ALL_INTERFACES else f"[{host}]" if ":" in host else host
    return name, f"http://{shown}:{worker.http.port}/"


async def _nobody(ask: Callable[[Windows], Any]) -> None:
    """Nobody watches here."""


# ---------------------------------------------------------------------- judgement
def judgement(time_zone: str) -> Judgement:
    """What the page knows of incidents: functions of plain data.

    Args:
        time_zone: IANA name; whose clocks incidents are worded by.
    """
    return Judgement(
        card=_cards(ZoneInfo(time_zone)),
        split=_split,
        place=_place,
        said=Said(ack=_ack, silence=_silence, unsilence=_unsilence),
        kinds=tuple(Kind),
        data_kinds=frozenset(ABOUT_DATA),
        severities=tuple(Severity),
        incident_schema=_schema(),
    )


def _cards(zone: ZoneInfo) -> Callable[[bytes, str], Card]:
    def card(record: bytes, language: str) -> Card:
        words = LANGUAGES[Language(language)]
        try:
            incident = decode_incident(record)
        except CodecError as error:
            # Of another build: better a poor card than no page.
            return Card(str(error), "")
        told = facts(incident, words, zone, _CONTRIBUTORS)
        return Card(
            headline(incident, words),
            summary(incident, words, zone),
            tuple((field.label, field.value) for field in told),
        )

    kept: dict[tuple[bytes, str], Card] = {}

    def known(record: bytes, language: str) -> Card:
        if (record, language) not in kept:
            if len(kept) >= _CARDS:
                kept.clear()
            kept[record, language] = card(record, language)
        return kept[record, language]

    return known


def _split(before: tuple[int, int, int], after: tuple[int, int, int]) -> Mapping[str, int]:
    return decompose(Trade(*before), Trade(*after)).as_dict()


def _place(exposures: F64, clicks: F64, conversions: F64) -> PlacedKeys:
    found = scorecard(exposures, clicks, conversions)
    return PlacedKeys(found.quadrants, found.exposure_line, found.conversion_line, found.lower, found.upper)


def _written(record: Control) -> tuple[bytes, bytes]:
    return control_key(record), encode_control(record)


def _ack(incident_id: str, by: str, at_ms: int) -> tuple[bytes, bytes]:
    return _written(Ack(incident_id, by, at_ms))


def _silence(wanted: SilenceWanted) -> tuple[bytes, bytes]:
    return _written(
        Silence(
            id=wanted.id,
            by=wanted.by,
            starts_ms=wanted.starts_ms,
            ends_ms=wanted.ends_ms,
            comment=wanted.comment,
            kinds=tuple(map(Kind, wanted.kinds)),
            scope=tuple(ScopeMatch(dimension, key) for dimension, key in wanted.scope),
            steps=wanted.steps,
            severities=tuple(map(Severity, wanted.severities)),
            incident_ids=wanted.incident_ids,
        )
    )


def _watches(host: str, url: str, at_ms: int) -> tuple[bytes, bytes]:
    return _written(Watches(host, url, at_ms))


def _unsilence(name: str, by: str, at_ms: int) -> tuple[bytes, bytes]:
    return _written(Unsilence(name, by, at_ms))


@cache
def _schema() -> dict[str, Any]:
    text = (files("alerts") / "schema" / "incident-v1.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
