"""Everything else, through Apprise: the extra ``[apprise]``.

Refuses nothing on its own: Apprise speaks to the network itself, so the guard does not reach it (redirects are
switched off, TLS is verified by default), it believes bots that answer 200 to a refusal, and it tells nothing of
why something failed. Where a channel of ours exists, take that.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from typing import TYPE_CHECKING, Any, Final

from alerts.message import Colour
from alerts.notify.base import Outcome, Rate, Traits, Why, delivered, refused, retry
from alerts.notify.text import clean, fitted

if TYPE_CHECKING:
    from alerts.message import Message
    from alerts.notify.secrets import Secret

PREFIX: Final = "apprise://"
TRAITS: Final = Traits(max_bytes=16_000, rates=(Rate(20, 60_000),))
_KINDS: Final = {
    Colour.RED: "failure",
    Colour.ORANGE: "warning",
    Colour.BLUE: "info",
    Colour.GREEN: "success",
    Colour.GREY: "info",
}


class AppriseCarrier:
    """One address of Apprise's.

    Args:
        url: as Apprise writes it, with or without ``apprise://`` before it.
        timeout_ms: for one attempt.
    """

    def __init__(self, url: Secret, timeout_ms: int = 30_000) -> None:
        self._url = url
        self._timeout_ms = timeout_ms

    @property
    def traits(self) -> Traits:
        """Of an unknown vendor: modest."""
        return TRAITS

    async def deliver(self, message: Message, handle: str | None = None) -> Outcome:  # noqa: ARG002 - none
        """One attempt."""
        try:
            apprise = importlib.import_module("apprise")
        except ImportError:
            return refused(Why.NOT_INSTALLED)
        # It logs addresses, masked as well as it knows how.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        sender = apprise.Apprise(asset=apprise.AppriseAsset(http_redirects=False, secure_logging=True))
        if not sender.add(self._url.reveal().removeprefix(PREFIX)):
            return refused(Why.BAD_REQUEST)
        return await self._notify(sender, message)

    async def _notify(self, sender: Any, message: Message) -> Outcome:  # noqa: ANN401 - it may not be there
        body = fitted(message, _text, TRAITS.max_bytes).decode()
        notify = sender.async_notify(
            body=body, title=clean(message.title), notify_type=_KINDS[message.colour]
        )
        try:
            done = await asyncio.wait_for(notify, self._timeout_ms / 1000)
        except TimeoutError:
            return retry(Why.TIMEOUT)
        except Exception:  # noqa: BLE001 - 170 plugins; their words may hold the address
            return retry(Why.OTHER)
        return delivered() if done else retry(Why.OTHER)


def _text(message: Message) -> bytes:
    facts = [f"{one.label}: {one.value}" for one in message.fields]
    links = [f"{link.label}: {link.url}" for link in message.links]
    return "\n".join((message.summary, *message.lines, *facts, *links)).encode("utf-8", "replace")
