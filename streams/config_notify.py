"""The section ``notify``: who is told of incidents, by which channel, when, and in which words.

Without channels nothing is sent. Without routes every channel is told of everything. Secrets never stand in
the file; see :mod:`streams.config_channels`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from pydantic import Field, model_validator

from streams.config_channels import ChannelEntry, LanguageName, Variable
from streams.config_errors import wrong, wrong_all
from streams.config_routes import RouteEntry
from streams.config_section import Section
from streams.config_types import FromText, Name, Text, ZoneName, number, span, whole, word
from streams.durations import DAY, HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from streams.config_source import KeyPath

    Finding = tuple[KeyPath, str]

MAX_CHANNELS: Final = 50
MAX_ROUTES: Final = 200
# What every deployment has that names none: all of them.
EVERYTHING: Final = "everything"
WebAddress = Annotated[
    Text,
    word(r"https?://[^\s/?#@]+(?:/[^\s]*)?", "must be an address such as https://shop.example/funnelwatch"),
]


class Links(Section):
    """Addresses as those who read messages reach them; a link without one is left out.

    ``public_url`` is the live page and API, ``grafana_url`` Grafana, ``runbook_url`` a page with a heading for
    each kind. Acknowledge and mute links are signed with ``secret`` (``secret_env``, ``secret_file``) and need
    ``public_url``; they work for ``valid_for``, and a mute link mutes for ``mute_for``. While a secret is
    changed, ``old_secret`` is the one before: nothing is signed with it, and what it signed still works.
    With ``pictures`` Slack, Teams and DingTalk fetch the course of an incident from ``public_url``, by a signed
    link as well: only where they can reach it, for Slack may refuse a message whose picture it cannot fetch.
    """

    public_url: WebAddress | None = None
    grafana_url: WebAddress | None = None
    runbook_url: WebAddress | None = None
    secret_env: Variable | None = None
    secret_file: Text | None = None
    old_secret_env: Variable | None = None
    old_secret_file: Text | None = None
    valid_for_ms: Annotated[int, span("5m", "30d")] = DAY
    mute_for_ms: Annotated[int, span("1m", "7d")] = 30 * MINUTE
    pictures: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in ("secret", "old_secret"):
            if getattr(self, f"{name}_env") and getattr(self, f"{name}_file"):
                raise wrong(f"must not stand beside {name}_env: give one of them", at=(f"{name}_file",))
        if (self.old_secret_env or self.old_secret_file) and not (self.secret_env or self.secret_file):
            raise wrong("or secret_file must be given beside an old one", at=("secret_env",))
        if self.pictures and not (self.secret_env or self.secret_file):
            raise wrong("or secret_file must be given for pictures", at=("secret_env",))
        if (self.secret_env or self.secret_file) and not self.public_url:
            raise wrong("must be given for signed links", at=("public_url",))
        return self


class Templates(Section):
    """Words of one's own: files in a folder, relative to this file. Without one, the built-in words."""

    folder: Text | None = None


class Attempts(Section):
    """How long is tried, and who is told of a channel that fails.

    What a channel is owed for longer than ``give_up``, while it fails, becomes a dead letter; one that fails
    for ``alarm_after`` is told to another (``alarm_to``, or any).
    """

    first_wait_ms: Annotated[int, span("100ms", "1m")] = SECOND
    longest_wait_ms: Annotated[int, span("1s", "1h")] = 2 * MINUTE
    give_up_ms: Annotated[int, span("2m", "7d")] = DAY
    alarm_after_ms: Annotated[int, span("10s", "1d")] = 5 * MINUTE
    alarm_every_ms: Annotated[int, span("1m", "7d")] = HOUR
    alarm_to: Annotated[tuple[Name, ...], FromText, Field(max_length=MAX_CHANNELS)] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.first_wait_ms > self.longest_wait_ms:
            raise wrong("must be at most longest_wait", at=("first_wait",))
        if self.give_up_ms <= self.longest_wait_ms:
            raise wrong("must be more than longest_wait", at=("give_up",))
        return self


class Notify(Section):
    """See the module. ``worse_factor``: the loss per minute has grown by so much, and that is told.

    ``linger``: after its end an incident hides those that it explained for so long.
    """

    channels: Annotated[tuple[ChannelEntry, ...], FromText, Field(max_length=MAX_CHANNELS)] = ()
    routes: Annotated[tuple[RouteEntry, ...], FromText, Field(max_length=MAX_ROUTES)] = ()
    language: LanguageName = "en"
    time_zone: ZoneName | None = None
    contributors: Annotated[int, whole(0, 20)] = 3
    digest_lines: Annotated[int, whole(1, 50)] = 10
    worse_factor: Annotated[float, number(1.1, 100)] = 2.0
    linger_ms: Annotated[int, span("0s", "1h")] = MINUTE
    attempts: Attempts = Attempts()
    links: Links = Links()
    templates: Templates = Templates()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [channel.name for channel in self.channels]
        wrong_all([*_twice("channels", names), *_twice("routes", self._route_names), *self._strangers(names)])
        return self

    @property
    def _route_names(self) -> list[str]:
        return [route.name for route in self.routes]

    def _strangers(self, names: Collection[str]) -> Iterator[Finding]:
        named: list[tuple[KeyPath, tuple[str, ...]]] = [(("attempts", "alarm_to"), self.attempts.alarm_to)]
        for index, route in enumerate(self.routes):
            named.append((("routes", index, "channels"), route.channels))
            named.append((("routes", index, "escalate_to"), route.escalate_to))
        for path, channels in named:
            for at, name in enumerate(channels):
                if name not in names:
                    yield (*path, at), "must be the name of one of the channels"

    def unknown(self, dimensions: Collection[str], promotions: Collection[str]) -> Iterator[Finding]:
        """Places and promotions that routes name and that are not there."""
        for index, route in enumerate(self.routes):
            for path, allowed in route.unknown(dimensions, promotions):
                yield ("notify", "routes", index, *path), allowed

    def plain_routes(self) -> list[dict[str, Any]]:
        """The routes as plain data, the one that there is without any included."""
        if self.routes or not self.channels:
            return [route.plain() for route in self.routes]
        every = RouteEntry(name=EVERYTHING, channels=tuple(channel.name for channel in self.channels))
        return [every.plain()]


def _twice(section: str, names: Iterable[str]) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield (section, index, "name"), f"must differ from those of the other {section}"
        seen.add(name)
