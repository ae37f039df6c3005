"""The guard: no way into the inside, however an address is written."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

import pytest
from aiohttp.abc import AbstractResolver

from alerts.notify.guard import ForbiddenAddress, Guard, GuardedResolver

if TYPE_CHECKING:
    from aiohttp.abc import ResolveResult

PUBLIC, PRIVATE = Guard(), Guard(allow_private=True)
OFFICE = Guard(allow_networks=(ipaddress.ip_network("10.2.0.0/16"),))
INSIDE = ("127.0.0.1", "10.2.3.4", "192.168.0.1", "172.16.0.1", "100.64.0.1", "::1", "fd00::1")
# Where clouds keep their metadata, and what no message goes to.
NEVER = ("169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0", "::", "ff02::1")
DISGUISED = ("::ffff:127.0.0.1", "::ffff:a02:304", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe")


class Told(AbstractResolver):
    """Answers what it is told, a different list each time."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The next answer."""
        return [
            {"hostname": host, "host": one, "port": port, "family": family, "proto": 0, "flags": 0}
            for one in self._answers.pop(0)
        ]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("address", [*INSIDE, *NEVER, *DISGUISED, "nonsense", ""])
def test_only_public_addresses(address: str) -> None:
    """Nothing of the inside, in whichever form, without permission."""
    assert not PUBLIC.permits(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_public_addresses(address: str) -> None:
    """The web's are always permitted."""
    assert PUBLIC.permits(address)
    assert PRIVATE.permits(address)
    assert OFFICE.permits(address)


def test_the_inside_by_permission() -> None:
    """All of it, or some networks; metadata of clouds never by the way."""
    assert all(PRIVATE.permits(address) for address in INSIDE)
    assert not any(PRIVATE.permits(address) for address in (*NEVER, "64:ff9b::a9fe:a9fe"))
    assert [address for address in INSIDE if OFFICE.permits(address)] == ["10.2.3.4"]
    assert Guard(allow_networks=(ipaddress.ip_network("169.254.0.0/16"),)).permits("169.254.169.254")


@pytest.mark.parametrize(
    "url",
    [
        "http://bot.example/",
        "ftp://bot.example/",
        "file:///etc/passwd",
        "https:///path",
        "https://user:word@bot.example/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.0.0.1./",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://bot.example:99999/",
        "https://[/",
        "",
    ],
)
def test_addresses_that_are_wrong_as_written(url: str) -> None:
    """No plain HTTP, no names and passwords, no numbers of the inside, also in disguise."""
    with pytest.raises(ForbiddenAddress) as refusal:
        PUBLIC.check(url)
    assert str(refusal.value) == "the address is neither public nor allowed"


def test_addresses_that_are_right() -> None:
    """HTTPS everywhere; HTTP where the inside is allowed."""
    PUBLIC.check("https://bot.example:8443/x?y=z")
    PUBLIC.check("https://93.184.216.34/")
    PRIVATE.check("http://alertmanager:9093")
    OFFICE.check("http://10.2.0.1:9093")


async def test_names_are_judged_each_time() -> None:
    """A name that turns inside after it was judged is judged again; one bad address spoils it."""
    resolver = GuardedResolver(PUBLIC, Told(["93.184.216.34"], ["127.0.0.1"], ["93.184.216.34", "10.0.0.1"]))
    assert [one["host"] for one in await resolver.resolve("bot.example")] == ["93.184.216.34"]
    for _ in range(2):
        with pytest.raises(ForbiddenAddress):
            await resolver.resolve("bot.example")
    await resolver.close()
