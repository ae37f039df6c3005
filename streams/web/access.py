"""Who may ask and who may write, and how often.

Promises: every write, and every read that does not come to this machine by one of its own names, needs
the token: as a bearer, or as a cookie that the page got for it. Tokens are compared in constant time.
A page of another site reaches nothing: its host name is not ours (DNS rebinding), its Origin is not ours,
and the cookie is not sent along (SameSite). Asking too often is answered 429, bounded by a thousand clients.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aiohttp import hdrs

from streams.web.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

SESSION_S: Final = 12 * 3_600
_CLIENTS: Final = 1_000
_NEEDS_TOKEN: Final = {"WWW-Authenticate": 'Bearer realm="funnelwatch"'}


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and so many per second in the long run."""

    burst: float
    per_s: float


READS: Final = Rate(200, 50)
WRITES: Final = Rate(20, 2)
# Wrong tokens: nobody finds one by trying.
FAILURES: Final = Rate(10, 0.2)


class Buckets:
    """A bucket of tokens for each client.

    Args:
        rate: how fast they fill.
        now_s: of any clock that does not jump.
    """

    def __init__(self, rate: Rate, now_s: Callable[[], float]) -> None:
        self._rate = rate
        self._now_s = now_s
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def take(self, client: str) -> None:
        """One request. Raises Problem (429) if it is one of too many."""
        wait_s = self.wait_s(client)
        if wait_s > 0:
            raise Problem(429, "too many requests", {"Retry-After": str(int(wait_s) + 1)})
        left, at = self._level(client), self._now_s()
        self._left[client] = (left - 1, at)
        self._left.move_to_end(client)
        if len(self._left) > _CLIENTS:
            self._left.popitem(last=False)

    def wait_s(self, client: str) -> float:
        """How long until there is one again; 0 if there is."""
        left = self._level(client)
        return 0.0 if left >= 1 else (1 - left) / self._rate.per_s

    def _level(self, client: str) -> float:
        left, at = self._left.get(client, (self._rate.burst, 0.0))
        return min(left + (self._now_s() - at) * self._rate.per_s, self._rate.burst)


class Access:
    """See the module.

    Args:
        token: that is needed; None lets nobody write, and nobody read from beyond this machine.
        host: that is listened on.
        allowed_hosts: further names under which this machine is asked, such as a proxy's.
        now_s: of any clock that does not jump.
        now_ms: wall clock.
    """

    def __init__(
        self,
        token: str | None,
        host: str,
        allowed_hosts: tuple[str, ...],
        now_s: Callable[[], float],
        now_ms: Callable[[], int],
    ) -> None:
        self._token = None if token is None else token.encode()
        self._listens_here = is_this_machine(host)
        self._allowed = frozenset(name.lower() for name in allowed_hosts)
        self._now_ms = now_ms
        self._reads, self._writes = Buckets(READS, now_s), Buckets(WRITES, now_s)
        self._failures = Buckets(FAILURES, now_s)

    @property
    def has_token(self) -> bool:
        """Whether anybody may write."""
        return self._token is not None

    def read(self, request: web.Request) -> None:
        """Let a read through. Raises Problem (401, 403, 429)."""
        self._reads.take(_client(request))
        self._look_at_host(request)
        self._look_at_origin(request)
        if not self._is_local(request):
            self._need(request)

    def write(self, request: web.Request) -> None:
        """Let a write through. Raises Problem (401, 403, 429)."""
        self._writes.take(_client(request))
        self._look_at_host(request)
        self._look_at_origin(request)
        self._need(request)
        if hdrs.AUTHORIZATION not in request.headers and hdrs.ORIGIN not in request.headers:
            raise Problem(403, "with a cookie the Origin has to be told")

    def enter(self, request: web.Request, token: str) -> str:
        """A cookie's value for the token. Raises Problem (401, 403, 429)."""
        self._writes.take(_client(request))
        self._look_at_host(request)
        self._look_at_origin(request)
        self._check(request, token.encode())
        return self._session(self._now_ms() // 1000 + SESSION_S)

    def is_ours(self, request: web.Request) -> bool:
        """Whether it is asked by a name of ours and not from another site, so that a page may be shown for it."""
        try:
            self._look_at_host(request)
            self._look_at_origin(request)
        except Problem:
            return False
        return True

    def may_write(self, request: web.Request) -> bool:
        """Whether this browser has what it takes to write."""
        return self._has_session(request)

    def _need(self, request: web.Request) -> None:
        if self._token is None:
            raise Problem(403, "nobody may: the settings give no http.token (or http.token_file)")
        scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.lower() == "bearer":
            self._check(request, given.strip().encode("utf-8", "surrogateescape"))
        elif not self._has_session(request):
            raise Problem(401, "needs the token: Authorization: Bearer ...", _NEEDS_TOKEN)

    def _check(self, request: web.Request, given: bytes) -> None:
        client = _client(request)
        wait_s = self._failures.wait_s(client)
        if wait_s > 0:
            raise Problem(429, "too many wrong tokens", {"Retry-After": str(int(wait_s) + 1)})
        if self._token is None:
            raise Problem(403, "nobody may: the settings give no http.token (or http.token_file)")
        if not hmac.compare_digest(self._token, given):
            self._failures.take(client)
            raise Problem(401, "the token is another one", _NEEDS_TOKEN)

    def _session(self, ends_s: int) -> str:
        assert self._token is not None  # noqa: S101  # only asked for where there is one
        signed = hmac.new(self._token, b"page until %d" % ends_s, hashlib.sha256).hexdigest()
        return f"{ends_s}.{signed}"

    def _has_session(self, request: web.Request) -> bool:
        value = request.cookies.get(cookie_name(request), "")
        ends, _, _ = value.partition(".")
        if self._token is None or not (ends.isascii() and ends.isdigit() and len(ends) <= 12):
            return False
        return int(ends) * 1000 > self._now_ms() and hmac.compare_digest(
            self._session(int(ends)).encode(), value.encode("utf-8", "surrogateescape")
        )

    def _is_local(self, request: web.Request) -> bool:
        return self._listens_here and is_this_machine(_name(request.host))

    def _look_at_host(self, request: web.Request) -> None:
        """On loopback nobody is to be led here by a name of his own."""
        name = _name(request.host)
        if self._listens_here and not is_this_machine(name) and name not in self._allowed:
            raise Problem(403, "the host is none of http.allowed_hosts")

    def _look_at_origin(self, request: web.Request) -> None:
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
            raise Problem(403, "comes from a page of another site")
        if request.headers.get("Sec-Fetch-Site") == "cross-site" and request.method != hdrs.METH_GET:
            raise Problem(403, "comes from a page of another site")


def cookie_name(request: web.Request) -> str:
    """Cookies know no ports: two workers of a machine have one each."""
    return f"funnelwatch_{request.url.port or 0}"


def is_this_machine(name: str) -> bool:
    """Whether a name or address is a loopback one."""
    if name.lower() in ("localhost", "localhost."):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    """A host without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower()


def _client(request: web.Request) -> str:
    return request.remote or "unknown"
