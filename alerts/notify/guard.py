"""Where requests may go: public addresses, and what the operator allowed. No way into the inside.

Names are resolved and judged at each new connection, and the connection goes to an address that was judged:
a name that changes its mind between the two gains nothing. Numbers in disguise (``127.1``, ``0x7f000001``) are
refused, and so are IPv6 forms of inside IPv4 addresses. Redirects are never followed (the sender's part).
With a proxy the proxy resolves names: then only addresses written as numbers are judged here.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp.abc import ResolveResult

    from alerts.notify.secrets import Secret

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# RFC 6052: the IPv4 address stands in the last 32 bits.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
# A host whose last part is a number is an IPv4 address to many resolvers, however it is written.
_NUMBERS: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9a-fA-F]*)\.?")


class ForbiddenAddress(OSError):  # noqa: N818 - named for what it is
    """A host that requests may not go to; the text names neither host nor address."""

    def __init__(self) -> None:
        super().__init__("the address is neither public nor allowed")


@dataclass(frozen=True, slots=True)
class Guard:
    """What one channel may reach, and how.

    Attributes:
        allow_private: addresses of the inside and plain HTTP are allowed; link-local ones, where clouds
            keep their metadata, only through ``allow_networks``.
        allow_networks: allowed besides.
        proxy: through which everything goes.
        ca_file: authorities to believe instead of the system's.
    """

    allow_private: bool = False
    allow_networks: tuple[Network, ...] = ()
    proxy: Secret | None = None
    ca_file: Path | None = None

    def check(self, url: str) -> None:
        """Refuse an address that is wrong as it is written.

        Raises:
            ForbiddenAddress: no HTTPS, no host, a name and password within, or a number not permitted.
        """
        try:
            split = urlsplit(url)
            host, _ = split.hostname, split.port
        except ValueError:
            raise ForbiddenAddress from None
        if not host or split.username is not None or split.password is not None:
            raise ForbiddenAddress
        if split.scheme != "https" and not (split.scheme == "http" and self._inside_allowed):
            raise ForbiddenAddress
        if not self._permits_literal(host):
            raise ForbiddenAddress

    def permits(self, address: str) -> bool:
        """Whether a connection may go to this address, written as the system writes it."""
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return self._permits(found) and all(self._permits(inner) for inner in _inner(found))

    @property
    def _inside_allowed(self) -> bool:
        return self.allow_private or bool(self.allow_networks)

    def _permits_literal(self, host: str) -> bool:
        if ":" in host or _NUMBERS.fullmatch(host):
            return self.permits(host)
        return True

    def _permits(self, address: Address) -> bool:
        if any(address in network for network in self.allow_networks):
            return True
        if address.is_multicast or address.is_unspecified or address.is_link_local:
            return False
        return self.allow_private or address.is_global


def _inner(address: Address) -> list[Address]:
    """IPv4 addresses that an IPv6 one leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found: list[Address | None] = [address.ipv4_mapped, address.sixtofour]
    if address.teredo:
        found += address.teredo
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return [one for one in found if one is not None]


class GuardedResolver(AbstractResolver):
    """Answers only what the guard permits; one address of a name that is forbidden forbids the name."""

    def __init__(self, guard: Guard, inner: AbstractResolver) -> None:
        self._guard = guard
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host.

        Raises:
            ForbiddenAddress: one of them is not permitted.
            OSError: there are none.
        """
        found = await self._inner.resolve(host, port, family)
        if not all(self._guard.permits(one["host"]) for one in found):
            raise ForbiddenAddress
        return found

    async def close(self) -> None:
        """Close the one that asks."""
        await self._inner.close()
