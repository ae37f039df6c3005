"""Signed links over real HTTP: a GET changes nothing, a POST writes, and every answer is honest."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import msgspec
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from alerts.control import Ack, Control, Silence, decode_control
from alerts.incident import CoursePart, encode_incident
from alerts.link_pages import LinkPages
from alerts.links import Action, Claim, LinkSettings, Signer
from alerts.model import State
from alerts.notify.secrets import Secret
from alerts.sparkline import sparkline
from streams.errors import KafkaUnreachable
from tests.support.clock import ManualClock
from tests.support.messages import incident

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

FIRING = incident()
SIGNER = Signer(LinkSettings("http://here.example", (Secret("a secret of sixteen bytes"),)))
HOUR_MS = 3_600_000


class PaperReception:
    """A reception that keeps what is said in memory, or is out of reach."""

    def __init__(self, *records: bytes) -> None:
        self.records = {msgspec.json.decode(record)["id"].encode(): record for record in records}
        self.said: list[Control] = []
        self.reachable = True
        self.stopped = False

    async def newest(self) -> Mapping[bytes, bytes]:
        """All of them."""
        if not self.reachable:
            raise KafkaUnreachable("no broker answers")
        return self.records

    async def write(self, _key: bytes, record: bytes) -> None:
        """Kept."""
        self.said.append(decode_control(record))

    async def stop(self) -> None:
        """Noted."""
        self.stopped = True


class Served:
    """The pages on a port of their own, and a browser."""

    def __init__(
        self, reception: PaperReception, clock: ManualClock, session: aiohttp.ClientSession, pages: LinkPages
    ) -> None:
        self.reception, self.clock, self._session, self.pages = reception, clock, session, pages

    async def ask(self, token: str) -> tuple[int, str]:
        """GET."""
        async with self._session.get(f"/do/{token}") as answer:
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            return answer.status, await answer.text()

    async def look(self, token: str) -> tuple[int, str, bytes]:
        """GET of the picture: status, type, body."""
        async with self._session.get(f"/do/{token}/sparkline.png") as answer:
            return answer.status, answer.content_type, await answer.read()

    async def act(self, token: str, data: object = None, **headers: str) -> tuple[int, str]:
        """POST."""
        async with self._session.post(f"/do/{token}", data=data, headers=headers) as answer:
            self.headers = answer.headers
            return answer.status, await answer.text()


@asynccontextmanager
async def serving(*records: bytes) -> AsyncIterator[Served]:
    """Pages that know one firing incident, unless told otherwise."""
    reception, clock = PaperReception(*(records or (encode_incident(FIRING),))), ManualClock()
    pages, app = LinkPages(SIGNER, reception, clock, CollectorRegistry()), web.Application()
    app.add_routes(pages.routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
            yield Served(reception, clock, session, pages)
    finally:
        await runner.cleanup()
        await pages.stop()
        assert reception.stopped


def token(action: Action = Action.ACKNOWLEDGE, mute_ms: int = 0, incident_id: str = FIRING.id) -> str:
    """One that holds for an hour."""
    return SIGNER.token(Claim(1, action, incident_id, "ops", ManualClock().now_ms() + HOUR_MS, mute_ms))


async def test_a_preview_changes_nothing() -> None:
    """A chat that fetches the link, however often, gets the question and writes nothing."""
    async with serving() as served:
        for _ in range(49):
            await served.ask(token())
        status, page = await served.ask(token())
        assert (status, served.reception.said) == (200, [])
        assert "Acknowledge this incident?" in page
        assert FIRING.id in page


async def test_a_press_acknowledges() -> None:
    """Who is what he calls himself, and the channel the link was sent to."""
    async with serving() as served:
        status, page = await served.act(token(), {"by": " Li\u202e Wei\n"})
        assert (status, "Written down" in page) == (200, True)
        assert served.reception.said == [Ack(FIRING.id, "Li Wei (ops)", served.clock.now_ms())]


@pytest.mark.parametrize("data", [None, {"by": "   "}, {"other": "x"}, b"\xff\xfe"])
async def test_without_a_name_the_channel_answers(data: object) -> None:
    """The name is of no weight: the channel is signed."""
    async with serving() as served:
        assert (await served.act(token(), data))[0] == 200
        assert [one.by for one in served.reception.said if isinstance(one, Ack)] == ["ops"]


async def test_a_press_mutes_for_as_long_as_was_signed() -> None:
    """Pressed twice it is one silence, of this incident alone."""
    async with serving() as served:
        for _ in range(2):
            assert (await served.act(token(Action.MUTE, mute_ms=1_800_000)))[0] == 200
        first, second = served.reception.said
        assert first == second
        assert isinstance(first, Silence)
        assert first.incident_ids == (FIRING.id,)
        assert first.ends_ms == served.clock.now_ms() + 1_800_000


async def test_out_of_reach_is_said() -> None:
    """Nobody is to believe that something was done: 503, and when to try again."""
    async with serving() as served:
        served.reception.reachable = False
        status, page = await served.act(token())
        assert (status, served.headers["Retry-After"]) == (503, "5")
        assert "Kafka cannot be reached" in page


@pytest.mark.parametrize(
    ("state", "action", "status"),
    [
        (State.ACKNOWLEDGED, Action.ACKNOWLEDGE, 200),
        (State.RESOLVED, Action.ACKNOWLEDGE, 409),
        (State.RESOLVED, Action.MUTE, 409),
    ],
)
async def test_what_has_no_point_is_not_written(state: State, action: Action, status: int) -> None:
    """It is over, or somebody was faster; who, stands there."""
    record = encode_incident(msgspec.structs.replace(FIRING, state=state, acknowledged_by="<b>Zhang"))
    async with serving(record) as served:
        found, page = await served.act(token(action, mute_ms=60_000))
        assert (found, served.reception.said) == (status, [])
        assert ("by &lt;b&gt;Zhang" in page) is (state is State.ACKNOWLEDGED)


async def test_an_incident_nobody_knows() -> None:
    """Forgotten, or of another deployment with the same secret."""
    async with serving() as served:
        assert (await served.act(token(incident_id="gone")))[0] == 404
        assert served.reception.said == []


async def test_whom_it_believes_can_be_changed() -> None:
    """A new secret is taken up while it runs; without one no link is believed."""
    async with serving() as served:
        served.pages.believe(None)
        assert (await served.act(token()))[0] == 403
        served.pages.believe(SIGNER)
        assert (await served.act(token()))[0] == 200


async def test_a_link_ends() -> None:
    """Neither asking nor acting; 410."""
    async with serving() as served:
        good = token()
        served.clock.advance(HOUR_MS)
        assert [(await served.ask(good))[0], (await served.act(good))[0]] == [410, 410]
        assert served.reception.said == []


async def test_whoever_guesses_waits_and_keeps_nobody_away() -> None:
    """Forged links are refused, then slowed down; a true one from the same place goes through."""
    async with serving() as served:
        other = Signer(LinkSettings("http://here.example", (Secret("another secret of sixteen"),)))
        forged = other.token(Claim(1, Action.ACKNOWLEDGE, FIRING.id, "ops", 10**15))
        statuses = [(await served.act(forged))[0] for _ in range(40)]
        assert statuses == [403] * 30 + [429] * 10
        assert int(served.headers["Retry-After"]) == 2
        assert (await served.act(token()))[0] == 200


async def test_one_link_cannot_flood_the_topic() -> None:
    """Ten at once, then one each six seconds."""
    async with serving() as served:
        mute = token(Action.MUTE, mute_ms=60_000)
        assert [(await served.act(mute))[0] for _ in range(12)] == [200] * 10 + [429] * 2
        served.clock.advance(6_000)
        assert (await served.act(mute))[0] == 200
        assert len(served.reception.said) == 11


async def test_a_huge_form_is_refused() -> None:
    """It is not read into memory."""
    async with serving() as served:
        assert (await served.act(token(), {"by": "x" * 100_000}))[0] == 413
        assert served.reception.said == []


async def test_in_the_browsers_language() -> None:
    """Also where it refuses."""
    async with serving() as served:
        _, page = await served.act("nothing", **{"Accept-Language": "zh-CN"})
        assert "链接不完整" in page


COURSE = CoursePart(0, 10_000, (1.0, 2.0), (2.0, 2.0), (1.0, 1.0), (3.0, 3.0))
DRAWN = encode_incident(msgspec.structs.replace(FIRING, course=COURSE))


async def test_a_picture_is_that_of_the_newest_record() -> None:
    """Whoever holds the link sees the course as it is now; nothing is written."""
    async with serving(DRAWN) as served:
        assert await served.look(token(Action.LOOK)) == (200, "image/png", sparkline(COURSE))
        assert served.reception.said == []


async def test_a_link_is_of_use_for_one_thing_only() -> None:
    """A picture's neither asks nor acts, and one that acts shows no picture."""
    async with serving(DRAWN) as served:
        look = token(Action.LOOK)
        assert [(await served.ask(look))[0], (await served.act(look))[0]] == [400, 400]
        assert (await served.look(token()))[0] == 400
        assert served.reception.said == []


async def test_no_picture_without_a_course() -> None:
    """Of what is not known, or was told without one; and none while Kafka is out of reach."""
    async with serving() as served:
        assert (await served.look(token(Action.LOOK)))[0] == 404
        assert (await served.look(token(Action.LOOK, incident_id="gone")))[0] == 404
        served.reception.reachable = False
        assert (await served.look(token(Action.LOOK)))[0] == 503


async def test_who_looks_too_often_waits() -> None:
    """Sixty at once, then one a second: drawing takes time."""
    async with serving(DRAWN) as served:
        statuses = [(await served.look(token(Action.LOOK)))[0] for _ in range(62)]
        assert statuses == [200] * 60 + [429] * 2
        served.clock.advance(1_000)
        assert (await served.look(token(Action.LOOK)))[0] == 200
