"""The sender: where it connects to, whom it believes, and what it does with edited messages."""

from __future__ import annotations

import ipaddress
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from alerts.notify.base import Outcome, Request, Response, Verdict, Why
from alerts.notify.discord import Discord
from alerts.notify.guard import Guard
from alerts.notify.secrets import Secret
from alerts.notify.sending import HttpCarrier, HttpSender, Patience
from tests.support.bots import bot, raw_bot
from tests.support.clock import ManualClock
from tests.support.messages import message
from tests.unit.alerts.notify.test_guard import Told

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from tests.support.vendors import Call

PRIVATE = Guard(allow_private=True)


async def sent(url: str, guard: Guard = PRIVATE, **options: Any) -> Any:
    """What becomes of one request."""
    async with HttpSender(guard, ManualClock(), Patience(total_ms=5_000), **options) as sender:
        return await sender.send(Request(Secret(url), b"{}"))


async def test_the_request_goes_out_byte_for_byte() -> None:
    """The address is not encoded anew: signatures stand in it."""
    async with bot(lambda _: (200, b"ok")) as server:
        answer = await sent(f"{server.url}/a%2fb?sig=x%2By&sp=%2Ftriggers")
        assert isinstance(answer, Response)
        (call,) = server.calls
    assert (answer.status, answer.body, answer.at_ms) == (200, b"ok", ManualClock().now_ms())
    assert (call.method, call.body, call.headers["content-type"]) == ("POST", b"{}", "application/json")
    assert call.headers["accept-encoding"] == "identity"


async def test_the_query_is_kept() -> None:
    """As it was written, percent signs and all."""
    async with bot(lambda call: (200, call.query.encode())) as server:
        answer = await sent(f"{server.url}/?sig=x%2By&sp=%2Ftriggers%2Frun")
    assert isinstance(answer, Response)
    assert answer.body == b"sig=x%2By&sp=%2Ftriggers%2Frun"


async def test_a_name_that_leads_inside_is_not_connected_to() -> None:
    """What it resolves to decides, at each connection; it is tried again, for names can be mended."""
    async with bot(lambda _: (200, b"ok")) as server:
        guard = Guard(allow_networks=(ipaddress.ip_network("10.9.0.0/16"),))
        url = f"http://bot.example:{server.port}/"
        outcome = await sent(url, guard, resolver=lambda: Told(["127.0.0.1"]))
        allowed = await sent(url, PRIVATE, resolver=lambda: Told(["127.0.0.1"]))
        assert len(server.calls) == 1
    assert outcome.verdict is Verdict.RETRY
    assert outcome.why is Why.ADDRESS_FORBIDDEN
    assert isinstance(allowed, Response)


async def test_the_inside_is_refused_as_written() -> None:
    """For good: no attempt will make it right."""
    async with bot(lambda _: (200, b"ok")) as server:
        outcome = await sent(f"https://127.0.0.1:{server.port}/", Guard())
        assert server.calls == []
    assert outcome.verdict is Verdict.REFUSED


async def test_everything_goes_through_the_proxy() -> None:
    """Names are its business, and its own address is the operator's choice."""
    async with bot(lambda call: (200, call.headers["host"].encode())) as proxy:
        guard = Guard(allow_private=True, proxy=Secret(proxy.url))
        answer = await sent("http://bot.example/x", guard)
    assert isinstance(answer, Response)
    assert answer.body == b"bot.example"


async def test_a_proxy_that_is_away() -> None:
    """It is tried again."""
    guard = Guard(allow_private=True, proxy=Secret("http://user:proxy-word@127.0.0.1:1"))
    outcome = await sent("http://bot.example/x", guard)
    assert (outcome.why, "proxy-word" in repr(outcome)) == (Why.PROXY, False)


async def test_certificates_are_verified(certificate: Path) -> None:
    """One that nobody vouches for is refused; one's own authority may be named."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    async with _Tls(context) as port:
        url = f"https://127.0.0.1:{port}/"
        stranger = await sent(url)
        known = await sent(url, Guard(allow_private=True, ca_file=certificate))
    assert stranger.why is Why.TLS
    assert isinstance(known, Response)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of 127.0.0.1, signed by itself; its key is beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    key, found = tmp_path / "key.pem", tmp_path / "cert.pem"
    wanted = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=bot"]
    files = ["-keyout", str(key), "-out", str(found), "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(["openssl", *wanted, *files], check=True, capture_output=True)
    return found


class _Tls:
    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._runner = web.AppRunner(web.Application(), access_log=None)

    async def __aenter__(self) -> int:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._context).start()
        port: int = self._runner.addresses[0][1]
        return port

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


async def test_a_deleted_message_is_sent_anew() -> None:
    """What was to be edited is gone: the words still reach people."""

    def behave(call: Call) -> tuple[int, bytes]:
        return (404, b'{"code": 10008}') if call.method == "PATCH" else (200, b'{"id": "8"}')

    async with bot(behave) as server, HttpSender(PRIVATE, ManualClock()) as sender:
        carrier = HttpCarrier(Discord(Secret(f"{server.url}/hook")), sender)
        outcome = await carrier.deliver(message(), "7")
        assert [call.method for call in server.calls] == ["PATCH", "POST"]
    assert (outcome.delivered, outcome.handle) == (True, "8")


async def test_an_edited_message_keeps_its_handle() -> None:
    """So that it can be edited again."""
    async with bot(lambda _: (204, b"")) as server, HttpSender(PRIVATE, ManualClock()) as sender:
        outcome = await HttpCarrier(Discord(Secret(f"{server.url}/hook")), sender).deliver(message(), "7")
    assert (outcome.delivered, outcome.handle) == (True, "7")


async def test_what_is_no_http_is_a_lost_connection() -> None:
    """Whatever the other side speaks, there is an outcome."""

    async def gibberish(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x01 hello\r\n\r\n")

    async with raw_bot(gibberish) as server:
        outcome = await sent(server.url)
    assert outcome.why is Why.CONNECTION_LOST


@pytest.mark.parametrize("before", range(270, 301, 5))
async def test_no_half_of_a_secret_is_shown(before: int) -> None:
    """An answer is cut after it was masked: wherever the cut falls, nothing of the address is left."""
    said = b"x" * before + b"hook-token-a81f6d33"
    async with bot(lambda _: (400, said)) as server, HttpSender(PRIVATE, ManualClock()) as sender:
        discord = Discord(Secret(f"{server.url}/hook-token-a81f6d33"))
        outcome = await HttpCarrier(discord, sender).deliver(message())
    assert "hook" not in outcome.answer
    assert len(outcome.answer) <= 300


async def test_what_cannot_be_a_header_is_refused() -> None:
    """A line feed within would begin another header; nothing is sent, and nothing shown."""
    async with bot(lambda _: (200, b"ok")) as server, HttpSender(PRIVATE, ManualClock()) as sender:
        request = Request(Secret(server.url), b"{}", headers={"X-Word": Secret("a\r\nX-Evil: s3cret")})
        outcome = await sender.send(request)
        assert server.calls == []
    assert isinstance(outcome, Outcome)
    assert (outcome.verdict, outcome.why) == (Verdict.REFUSED, Why.BAD_REQUEST)
    assert "s3cret" not in repr((request, outcome))
