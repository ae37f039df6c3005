"""A TCP proxy on loopback that a test can make slow, silent, or gone.

Promises: bytes arrive whole and in order, or the connection breaks; a delay holds back each byte, each
way, by that much and takes nothing of the throughput; a refused connection is refused by the kernel,
as where nobody listens. Refuses to look at what it passes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

_HOST: Final = "127.0.0.1"
_CHUNK: Final = 1 << 16
# Chunks on their way in one direction; then the sender has to wait.
_MOST_CHUNKS: Final = 256
# Close at once and tell the other side by a reset.
_RESET: Final = struct.pack("ii", 1, 0)


class TcpProxy:
    """Passes connections to ``port`` on to ``target_port``; a context manager.

    Attributes:
        delay_s: how long every byte is held back, each way.
    """

    def __init__(self, port: int, target_port: int) -> None:
        self.port = port
        self.delay_s = 0.0
        self._target_port = target_port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._placeholder: socket.socket | None = None
        self._links: dict[asyncio.Task[None], tuple[StreamWriter, ...]] = {}

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.refuse()
        if self._placeholder is not None:
            self._placeholder.close()
        await asyncio.gather(*self._links, return_exceptions=True)

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._links)

    async def accept(self) -> None:
        """Take connections again."""
        if self._placeholder is not None:
            self._placeholder.close()
            self._placeholder = None
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, _HOST, self.port)

    def refuse(self) -> None:
        """Reset all connections, and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
            # Bound but not listening: nobody else gets the port in the meantime.
            self._placeholder = socket.socket()
            self._placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # A connection that was being made just now may hold the port for a moment; then none is kept.
            with contextlib.suppress(OSError):
                self._placeholder.bind((_HOST, self.port))
        self.reset()

    def reset(self) -> None:
        """Reset all connections; new ones are welcome."""
        for link, writers in list(self._links.items()):
            for writer in writers:
                _abort(writer)
            link.cancel()

    def hold(self) -> None:
        """Let nothing through, and say nothing: as a cable that was pulled."""
        self._flowing.clear()

    def release(self) -> None:
        """Let everything through, first what was held."""
        self._flowing.set()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        self._links[link] = (writer,)
        try:
            there_reader, there_writer = await asyncio.open_connection(_HOST, self._target_port)
            self._links[link] = (writer, there_writer)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._one_way(reader, there_writer))
                both.create_task(self._one_way(there_reader, writer))
        except (OSError, asyncio.CancelledError, ExceptionGroup):
            # One side is gone: so is the other. Nobody waits for this task.
            pass
        finally:
            for one in self._links.pop(link):
                _abort(one)

    async def _one_way(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Pass on until one side is gone."""
        on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_MOST_CHUNKS)
        async with asyncio.TaskGroup() as ends:
            ends.create_task(self._take(reader, on_its_way))
            ends.create_task(self._give(on_its_way, writer))

    async def _take(self, reader: StreamReader, on_its_way: asyncio.Queue[tuple[float, bytes]]) -> None:
        clock = asyncio.get_running_loop().time
        data = b"?"
        while data:
            data = await reader.read(_CHUNK)
            await on_its_way.put((clock() + self.delay_s, data))

    async def _give(self, on_its_way: asyncio.Queue[tuple[float, bytes]], writer: StreamWriter) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due, data = await on_its_way.get()
            if (early := due - clock()) > 0:
                await asyncio.sleep(early)
            await self._flowing.wait()
            if not data:
                # Ends both ways: no client of Kafka's closes one only.
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()


def _abort(writer: StreamWriter) -> None:
    connected = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
