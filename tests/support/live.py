"""The live page over a small shop made by hand: windows, what was expected, incidents, and what people say."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec
import numpy as np

from alerts.control import Watches, encode_control
from alerts.incident import encode_incident
from streams.closed import VISITORS
from streams.core.merge import MoneyKey
from streams.core.windows import Windows
from streams.judged import Judged
from streams.live_page import judgement
from streams.metrics.http import HttpServer, Readiness
from streams.promotions import Calendar
from streams.web.access import Access
from streams.web.bell import Bell
from streams.web.board import Board
from streams.web.capturing import Capturing
from streams.web.moment import Standing
from streams.web.pages import WebPages
from streams.web.sources import Sources
from tests.support.clock import ManualClock
from tests.support.messages import incident
from tests.support.window_oracle import BUCKET, Buckets
from tests.unit.streams.metrics.test_http import CountingPage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from alerts.incident import Incident
    from streams.web.picture import Picture

T0: Final = 1_762_819_200_000  # midnight, UTC
TOKEN: Final = "sesame-sesame-sesame"
STEPS: Final = 6
# Of each node, a bucket: a tenth of those who click pay.
_SHARES: Final = (300, 100, 90, 40, 20, 12, 10)


class Judging:
    """Expects what there is: of ``all`` and of the slot ``home``."""

    def __init__(self) -> None:
        self.end_ms = T0
        self.open_records: Sequence[bytes] = ()

    def expected(self, window: str, dimension: str, step: int, keys: Sequence[str]) -> Mapping[str, float]:
        """As a bucket has it."""
        wanted = {"all", "home"} & set(keys)
        return dict.fromkeys(wanted, _SHARES[step + 1] / _SHARES[step])

    def going_on(self) -> Sequence[bytes]:
        """As it was set."""
        return self.open_records

    def judged(self, since_ms: int) -> Judged:
        """The same in every bucket."""
        bucket = np.array([[_SHARES[:-1]] * 2, [_SHARES[1:]] * 2, [_SHARES[1:]] * 2], dtype=np.float32)
        wanted = (self.end_ms - max(since_ms, T0)) // BUCKET
        return Judged(
            keys=(("all", "all"), ("slot", "home")),
            end_ms=self.end_ms,
            buckets=np.repeat(bucket[None], wanted, axis=0),
            dispersion=np.ones((2, STEPS)),
            monitored=np.ones((2, STEPS), dtype=np.bool_),
        )


def windows_of(buckets: int, skus: int = 3) -> Windows:
    """So many buckets: a shop with the slots ``home`` and ``list``, and some SKUs."""
    windows, made = Windows(), Buckets()
    places = [("all", "all"), ("slot", "home"), ("slot", "<b>list</b>")]
    places += [("sku", f"SKU_{number}") for number in range(skus)]
    counts = {}
    for dimension, key in places:
        for node, count in enumerate(_SHARES):
            counts[dimension, key, node] = count
            if node:
                counts[dimension, key, VISITORS + node] = count
    money = {MoneyKey(dimension, key, "CNY", "paid"): (10, 50_000) for dimension, key in places}
    # Of an order whose payment nobody saw: no currency is known.
    money[MoneyKey("all", "all", "XXX", "refunded")] = (1, 0)
    for number in range(buckets):
        windows.take(made.close(T0 + number * BUCKET, counts, money=money))
    return windows


def picture_of(windows: Windows, clock: ManualClock | None = None) -> Picture:
    """A picture of the windows as they are."""
    judging = Judging()
    judging.end_ms = windows.end_ms
    capturing = Capturing(judging, clock or ManualClock(windows.end_ms))
    capturing.refresh(windows)
    assert capturing.picture is not None
    return capturing.picture


def told(**fields: Any) -> Incident:
    """An incident that is open, with other fields where they are given."""
    return msgspec.structs.replace(incident(), **{"opened_at_ms": T0, **fields})


class Stage:
    """A worker that watches, as far as the page can see it; ``said`` is what was written to the controls."""

    def __init__(self, buckets: int = 60, **changes: Any) -> None:
        self.windows = windows_of(buckets)
        self.clock = ManualClock(self.windows.end_ms + 5_000)
        self.board, self.bell = Board(), Bell()
        self.said: list[tuple[bytes, bytes]] = []
        self.picture: Picture | None = picture_of(self.windows, self.clock)
        self.standing = Standing(watching=True, ready=True)
        given: dict[str, Any] = {
            "picture": lambda: self.picture,
            "board": self.board,
            "calendar": Calendar,
            "standing": lambda: self.standing,
            "clock": self.clock,
            "judgement": judgement("UTC"),
            "ask": self._ask,
            "say": self._say,
            "bell": self.bell,
        }
        self.sources = Sources(**(given | changes))

    async def _ask(self, ask: Callable[[Windows], Any]) -> Any:
        return ask(self.windows)

    async def _say(self, key: bytes, record: bytes) -> None:
        self.said.append((key, record))

    def opens(self, name: str = "i1", **fields: Any) -> None:
        """An incident is told."""
        self.board.tell(encode_incident(told(id=name, **fields)))
        self.bell.ring()

    def watches(self, host: str, url: str) -> None:
        """A worker says that it watches."""
        self.board.hear(encode_control(Watches(host, url, self.clock.now_ms())))
        self.bell.ring()


@asynccontextmanager
async def served(
    stage: Stage, token: str | None = TOKEN, *, host: str = "127.0.0.1", hosts: tuple[str, ...] = ()
) -> AsyncIterator[aiohttp.ClientSession]:
    """A server with the page and the API; a client that keeps no cookies but those it is given."""
    access = Access(token, host, hosts, lambda: stage.clock.monotonic_ms() / 1000, stage.clock.now_ms)
    server = HttpServer(
        port=0,
        page=CountingPage(),
        heartbeat_age=lambda: 0.0,
        readiness=lambda: Readiness(ready=True),
        pages=(WebPages(stage.sources, access, "1.2.3"),),
    )
    await server.start()
    try:
        async with aiohttp.ClientSession(
            f"http://127.0.0.1:{server.port}", cookie_jar=aiohttp.CookieJar(unsafe=True)
        ) as client:
            yield client
    finally:
        await server.stop()


def bearer(token: str = TOKEN) -> dict[str, str]:
    """The header that lets one write."""
    return {"Authorization": f"Bearer {token}"}
