"""Every channel, pointed at a server on loopback."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from alerts.notify.base import Sending
from alerts.notify.guard import Guard
from alerts.notify.registry import ChannelKind, ChannelPlan, channel_of, open_carrier
from alerts.notify.secrets import Secret
from alerts.notify.sending import Patience
from tests.support.clock import ManualClock
from tests.support.messages import ACK_SIGNATURE
from tests.support.vendors import SECRET, TOKEN, Call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from alerts.message import Message
    from alerts.notify.base import Carrier, Request

NOW_MS: Final = 1_762_689_605_000
HTTP_KINDS: Final = tuple(kind.value for kind in ChannelKind if kind is not ChannelKind.APPRISE)
ALL_SECRETS: Final = (SECRET, TOKEN, ACK_SIGNATURE)
_PATHS: Final = {
    "slack": f"/services/T1/B1/{TOKEN}",
    "teams": f"/workflows/1/run?api-version=1&sp=%2Ftriggers%2Frun&sig={TOKEN}",
    "discord": f"/api/webhooks/123/{TOKEN}",
    "dingtalk": f"/robot/send?access_token={TOKEN}",
    "feishu": f"/open-apis/bot/v2/hook/{TOKEN}",
    "wecom": f"/cgi-bin/webhook/send?key={TOKEN}",
    "webhook": f"/hook/{TOKEN}",
}


def plan(kind: str, base: str = "https://bot.example", *, patience: Patience | None = None) -> ChannelPlan:
    """A channel with every secret that it takes."""
    secret = TOKEN if kind == "telegram" else SECRET
    return ChannelPlan(
        name="ops",
        kind=ChannelKind(kind),
        url=Secret(base + _PATHS.get(kind, "")),
        secret=Secret(secret),
        chat_id="-100200" if kind == "telegram" else "",
        guard=Guard(allow_private=True),
        patience=patience or Patience(),
    )


@contextlib.asynccontextmanager
async def carrier(kind: str, base: str, patience: Patience | None = None) -> AsyncIterator[Carrier]:
    """The channel, ready to send, on a clock that stands still."""
    async with open_carrier(plan(kind, base, patience=patience), ManualClock(NOW_MS)) as found:
        yield found


def call_of(kind: str, message: Message, handle: str | None = None) -> Call:
    """What a server would see of a message, without sending it."""
    request = channel_of(plan(kind)).request(message, Sending(NOW_MS, handle))
    return seen(request)


def seen(request: Request) -> Call:
    """A request as a server sees it."""
    address = request.url.reveal().removeprefix("https://bot.example")
    path, _, query = address.partition("?")
    headers = {name.lower(): value.reveal() for name, value in request.headers.items()}
    return Call(
        request.method, path, query, headers | {"content-type": request.content_type}, request.body, NOW_MS
    )
