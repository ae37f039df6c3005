"""Real HTTP servers on loopback that behave like robots do, also the badly behaved."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from aiohttp import web

from tests.support.vendors import Call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Said = tuple[int, bytes] | tuple[int, bytes, dict[str, str]]


class Bot:
    """What was asked, and where."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.calls: list[Call] = []

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def bot(behave: Callable[[Call], Said], at_ms: int = 0) -> AsyncIterator[Bot]:
    """A server that answers as it is told, and remembers the calls."""
    found = Bot(0)

    async def handle(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        call = Call(request.method, request.path, request.rel_url.raw_query_string, headers, body, at_ms)
        found.calls.append(call)
        status, said, *more = behave(call)
        return web.Response(status=status, body=said, headers=more[0] if more else None)

    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found.port = runner.addresses[0][1]
        yield found
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def raw_bot(
    behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[Bot]:
    """A server of bytes: it reads the head of a request, then does as it is told and hangs up."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            await behave(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield Bot(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        # Those that still speak would outlive the test.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Promises a hundred bytes, gives three."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    await writer.drain()


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the other side hangs up."""
    await reader.read()
    while not reader.at_eof():
        await reader.read()


async def never_ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """More than anybody wants to read."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    for _ in range(4_000):
        writer.write(b"x" * 65_536)
        await writer.drain()
