"""Sends one request through the guard and says what became of it.

Promises: whatever the other side does, an outcome and no exception; nothing with a secret in it is
logged, raised or kept; no redirect is followed, TLS is verified, an answer is read up to a cap, and each
attempt ends in time. Retrying is not its business: an outcome says whether it makes sense.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

import aiohttp
from yarl import URL

from alerts.notify.base import (
    Channel,
    Outcome,
    Request,
    Response,
    Sending,
    Traits,
    Why,
    refused,
    retry,
)
from alerts.notify.guard import ForbiddenAddress, Guard, GuardedResolver
from alerts.notify.secrets import Secret, scrub

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from aiohttp.abc import AbstractResolver

    from alerts.message import Message
    from streams.clock import Clock

_AGENT: Final = "funnelwatch"
_MAX_ANSWER: Final = 300


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an attempt may take, and how much of an answer is read."""

    total_ms: int = 10_000
    connect_ms: int = 5_000
    max_answer_bytes: int = 64 * 1024


class HttpSender:
    """The connections of one channel; a context manager.

    Channels share none: a connection that one was allowed must not serve another that is not.

    Args:
        guard: where requests may go.
        clock: tells when an answer came.
        patience: see there.
        resolver: who asks for addresses; default: the system.
    """

    def __init__(
        self,
        guard: Guard,
        clock: Clock,
        patience: Patience | None = None,
        *,
        resolver: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver,
    ) -> None:
        self._guard = guard
        self._clock = clock
        self._patience = patience or Patience()
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Ready to send; raises OSError where the file of authorities cannot be read."""
        inner = self._resolver()
        connector = aiohttp.TCPConnector(
            ssl=self._tls(),
            # The proxy is the operator's own, wherever it stands, and it resolves the rest.
            resolver=inner if self._guard.proxy else GuardedResolver(self._guard, inner),
            use_dns_cache=False,
            limit=4,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # Compressed, a small answer could become a large one.
            headers={"User-Agent": _AGENT, "Accept-Encoding": "identity"},
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(
                total=self._patience.total_ms / 1000, connect=self._patience.connect_ms / 1000
            ),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _tls(self) -> ssl.SSLContext | bool:
        return ssl.create_default_context(cafile=self._guard.ca_file) if self._guard.ca_file else True

    @property
    def clock(self) -> Clock:
        """Tells when attempts are made."""
        return self._clock

    async def send(self, request: Request) -> Response | Outcome:
        """The answer, or why there is none."""
        try:
            self._guard.check(request.url.reveal())
        except ForbiddenAddress:
            return refused(Why.ADDRESS_FORBIDDEN)
        try:
            return await self._exchange(request)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Its text may hold the address, and goes no further.
            return _no_answer(error)

    async def _exchange(self, request: Request) -> Response:
        if self._session is None:
            raise RuntimeError("not entered")
        proxy = self._guard.proxy
        async with self._session.request(
            request.method,
            URL(request.url.reveal(), encoded=True),
            data=request.body,
            headers={
                "Content-Type": request.content_type,
                **{name: value.reveal() for name, value in request.headers.items()},
            },
            allow_redirects=False,
            proxy=proxy.reveal() if proxy else None,
        ) as answer:
            body, cut = await self._read(answer)
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Response(answer.status, headers, body, self._clock.now_ms(), cut)

    async def _read(self, answer: aiohttp.ClientResponse) -> tuple[bytes, bool]:
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > self._patience.max_answer_bytes:
                answer.close()
                return bytes(body[: self._patience.max_answer_bytes]), True
        return bytes(body), False


def _no_answer(error: Exception) -> Outcome:
    if _forbidden(error):
        # What a name resolves to may be mended, or have been a hijacker's; the words are not at fault.
        return retry(Why.ADDRESS_FORBIDDEN)
    if isinstance(error, TimeoutError):
        return retry(Why.TIMEOUT)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return retry(Why.TLS)
    if isinstance(error, aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError):
        return retry(Why.PROXY)
    if isinstance(error, aiohttp.ClientConnectorError):
        return retry(Why.UNREACHABLE)
    if isinstance(error, ValueError):
        return refused(Why.BAD_REQUEST)
    return retry(Why.CONNECTION_LOST)


def _forbidden(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ForbiddenAddress):
            return True
        error = error.__cause__
    return False


class HttpCarrier:
    """A channel with its sender."""

    def __init__(self, channel: Channel, sender: HttpSender) -> None:
        self._channel = channel
        self._sender = sender

    @property
    def traits(self) -> Traits:
        """What the vendor allows."""
        return self._channel.traits

    async def deliver(self, message: Message, handle: str | None = None) -> Outcome:
        """One attempt; a message that is to be edited and has been deleted is sent anew.

        Returns:
            The outcome, its words without any secret of the request.
        """
        outcome = await self._attempt(message, handle)
        if handle is not None and outcome.why is Why.MESSAGE_GONE:
            return await self._attempt(message, None)
        return outcome

    async def _attempt(self, message: Message, handle: str | None) -> Outcome:
        request = self._channel.request(message, Sending(self._sender.clock.now_ms(), handle))
        answer = await self._sender.send(request)
        if isinstance(answer, Outcome):
            return answer
        outcome = self._channel.judge(answer)
        # Masked before it is cut: half of a secret would not be known for one.
        answer_text = _one_line(scrub(outcome.answer, _secrets(request, message)))
        kept = (outcome.handle or handle) if outcome.delivered else None
        return replace(outcome, handle=kept, answer=answer_text)


def _one_line(text: str) -> str:
    printable = "".join(mark if mark.isprintable() else " " for mark in text[: _MAX_ANSWER * 10])
    return " ".join(printable.split())[:_MAX_ANSWER]


def _secrets(request: Request, message: Message) -> list[Secret]:
    links = [Secret(link.url) for link in message.links]
    links += [Secret(message.picture.url)] if message.picture is not None else []
    return [request.url, *request.headers.values(), *request.secrets, *links]
