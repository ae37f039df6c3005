"""Entries of ``notify.channels``: where messages go.

Secrets never stand in the file: a channel names the variable (``url_env``) or the file (``url_file``) that holds
each, and whoever opens the channel reads it there. What is no secret, such as the address of an Alertmanager,
is written as ``url``. What channels do with it is told in :mod:`alerts.notify`.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from streams.config_errors import wrong
from streams.config_section import Section
from streams.config_types import FromText, Name, Text, span, whole, word
from streams.durations import MINUTE, SECOND

KindName = Literal[
    "slack",
    "teams",
    "discord",
    "dingtalk",
    "feishu",
    "wecom",
    "telegram",
    "pagerduty",
    "alertmanager",
    "webhook",
    "apprise",
]
LanguageName = Literal["en", "zh"]
# Their address alone lets nobody in.
_OPEN_URL: Final = frozenset({"alertmanager", "telegram", "pagerduty", "webhook"})
# Found by a key or a token, at an address that everybody knows.
_BY_SECRET: Final = frozenset({"telegram", "pagerduty"})
_SECRETS: Final = ("url", "secret", "proxy")
Variable = Annotated[Text, word(r"[A-Za-z_][A-Za-z0-9_]*", "must be the name of an environment variable")]


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise wrong("must be an address or a network, such as 10.1.2.3 or 10.0.0.0/8") from None


NetworkText = Annotated[Text, AfterValidator(_network)]


class BudgetEntry(Section):
    """At most ``messages`` in any ``per``, ``burst`` of them at once, ``reserve`` of those for what is urgent.

    What the vendor allows holds beside it. Without one, a channel that people read has these.
    """

    messages: Annotated[int, whole(2, 100_000)] = 20
    per_ms: Annotated[int, span("1s", "1d")] = MINUTE
    burst: Annotated[int, whole(1, 10_000)] = 5
    reserve: Annotated[int, whole(0, 9_999)] = 1

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.burst >= self.messages:
            raise wrong("must be less than messages", at=("burst",))
        if self.reserve >= self.burst:
            raise wrong("must be less than burst", at=("reserve",))
        return self


class ChannelEntry(Section):
    """One channel. ``secret`` is what it signs or authenticates with: see :mod:`alerts.notify.registry`."""

    name: Name
    kind: KindName
    url: Text | None = None
    url_env: Variable | None = None
    url_file: Text | None = None
    secret_env: Variable | None = None
    secret_file: Text | None = None
    proxy_env: Variable | None = None
    proxy_file: Text | None = None
    username: Annotated[str, Field(max_length=256)] = ""
    chat_id: Annotated[str, Field(max_length=256)] = ""
    keyword: Annotated[str, Field(max_length=100)] = ""
    source: Text = "funnelwatch"
    timeout_ms: Annotated[int, span("100ms", "2m")] = 10 * SECOND
    allow_private: bool = False
    allow_networks: Annotated[tuple[NetworkText, ...], FromText, Field(max_length=100)] = ()
    ca_file: Text | None = None
    language: LanguageName | None = None
    budget: BudgetEntry | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in _SECRETS:
            if getattr(self, f"{name}_env") and getattr(self, f"{name}_file"):
                raise wrong(f"must not stand beside {name}_env: give one of them", at=(f"{name}_file",))
        if self.url and self.kind not in _OPEN_URL:
            raise wrong("is a secret: give url_env or url_file", at=("url",))
        if self.url and (self.url_env or self.url_file):
            raise wrong("must not stand beside url_env or url_file", at=("url",))
        needed = "secret" if self.kind in _BY_SECRET else "url"
        if not any(getattr(self, f"{needed}{suffix}") for suffix in _suffixes(needed)):
            raise wrong(f"or {needed}_file must be given for {self.kind}", at=(f"{needed}_env",))
        if (self.kind == "telegram") != bool(self.chat_id):
            raise wrong("stands with kind: telegram, which needs it", at=("chat_id",))
        return self

    def plain(self) -> dict[str, Any]:
        """What it says, as plain data: what :func:`alerts.notify.registry.plan_of` takes."""
        return self.model_dump(by_alias=False)


def _suffixes(name: str) -> tuple[str, ...]:
    return ("", "_env", "_file") if name == "url" else ("_env", "_file")
