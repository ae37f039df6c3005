"""The proxy passes bytes on whole and in order, and does what a test tells it to do to them."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import free_ports
from tests.support.tcp_proxy import TcpProxy
from tests.support.workers import until

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import AsyncIterator

DATA = bytes(range(256)) * 4_000


@asynccontextmanager
async def echo() -> AsyncIterator[TcpProxy]:
    """A proxy before a server that sends everything back."""

    async def back(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    port, target = free_ports(2)
    async with await asyncio.start_server(back, "127.0.0.1", target), TcpProxy(port, target) as proxy:
        yield proxy


@asynccontextmanager
async def connected(proxy: TcpProxy) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
    """A connection through the proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answered(reader: StreamReader, writer: StreamWriter, data: bytes) -> bytes:
    """What comes back."""
    writer.write(data)
    return await asyncio.wait_for(reader.readexactly(len(data)), 10)


async def test_bytes_come_back_as_they_went() -> None:
    """A megabyte goes through whole, both ways."""
    async with echo() as proxy, connected(proxy) as link:
        assert await answered(*link, DATA) == DATA


async def test_a_delay_counts_both_ways() -> None:
    """Each way takes the delay, however much is on its way."""
    async with echo() as proxy, connected(proxy) as link:
        proxy.delay_s = 0.1
        clock = asyncio.get_running_loop().time
        began = clock()
        assert await answered(*link, DATA) == DATA
        assert clock() - began >= 0.2


async def test_what_is_held_comes_later() -> None:
    """Nothing comes while it is held, and all of it afterwards."""
    async with echo() as proxy, connected(proxy) as (reader, writer):
        proxy.hold()
        writer.write(b"question")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        proxy.release()
        assert await asyncio.wait_for(reader.readexactly(8), 10) == b"question"


async def test_a_reset_is_an_error_and_the_next_connection_works() -> None:
    """The client is told at once; nobody is refused."""
    async with echo() as proxy:
        async with connected(proxy) as (reader, writer):
            assert await answered(reader, writer, b"a") == b"a"
            proxy.reset()
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(1), 10)
        async with connected(proxy) as link:
            assert await answered(*link, b"b") == b"b"


async def test_who_is_refused_may_come_again() -> None:
    """While it refuses there is nobody to connect to; afterwards it is as before."""
    async with echo() as proxy:
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        await proxy.accept()
        async with connected(proxy) as link:
            assert await answered(*link, b"a") == b"a"


async def test_without_a_server_behind_it_hangs_up() -> None:
    """A broker that is down is a connection that breaks, not one that waits."""
    port, target = free_ports(2)
    async with TcpProxy(port, target) as proxy, connected(proxy) as (reader, _):
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(1), 10) == b""


async def test_both_sides_end_together() -> None:
    """A client that hangs up leaves nothing behind."""
    async with echo() as proxy:
        async with connected(proxy) as link:
            assert await answered(*link, b"a") == b"a"
            assert proxy.connections == 1
        await until(lambda: proxy.connections == 0, seconds=10, what="no connection is left")
