"""The demo's chat: a webhook on loopback that shows what a worker would have told the people on call.

Promises: it takes what a channel of kind ``webhook`` sends, keeps the last few titles and hands each one on as it
comes; names in them cannot move the cursor. Samples have an address of their own: they are taken alike, and
not shown. Refuses to be more: nothing is checked, signed or kept.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Self

import orjson
from aiohttp import web

from streams.demo.live_table import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

SHOWN: Final = 3
_LONGEST: Final = 200
_MAX_BYTES: Final = 2 << 20
_SAMPLES: Final = "/samples"


class Chat:
    """See the module; a context manager; ``url`` and ``samples_url`` are set while it is entered.

    Args:
        said: is told each message as one line.
    """

    def __init__(self, said: Callable[[str], None] = lambda _: None) -> None:
        self._said = said
        self._runner: web.AppRunner | None = None
        self._lines: deque[str] = deque(maxlen=SHOWN)
        self.url = self.samples_url = ""

    @property
    def lines(self) -> list[str]:
        """The last few messages, oldest first."""
        return list(self._lines)

    async def __aenter__(self) -> Self:
        """Listen on a free port; raises OSError."""
        app = web.Application(client_max_size=_MAX_BYTES)
        app.router.add_post("/", self._take)
        app.router.add_post(_SAMPLES, self._taste)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        self._runner = runner
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        self.samples_url = self.url.removesuffix("/") + _SAMPLES
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        line = await _read(request)
        self._lines.append(line)
        self._said(line)
        return web.json_response({"ok": True})

    async def _taste(self, request: web.Request) -> web.Response:
        await _read(request)
        return web.json_response({"ok": True})


async def _read(request: web.Request) -> str:
    try:
        return line_of(orjson.loads(await request.read()))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise web.HTTPBadRequest(text="not a message") from None


def line_of(message: dict[str, str]) -> str:
    """Title and summary in one line."""
    return printable(f"chat  {message['title']}  {message['summary']}"[:_LONGEST])
