"""What is to be said about one incident to one channel: worded, in one language, in no channel's markup.

The border between those who decide and word (``alerts.stages``, ``alerts.content``) and those who send
(``alerts.notify``). Promises: plain data, deterministic, bounded; text holds no control and no
bidirectional characters, and no line breaks within a line, label or value. Refuses: markup. Names of
SKUs, banners and slots come from the shop's events, so a channel escapes everything for its own
markup, buttons included.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from alerts.incident import Incident
from alerts.model import Severity

SPARKLINE_NAME: Final = "sparkline.png"


class MessageState(StrEnum):
    """What a message tells."""

    OPENED = "opened"
    WORSE = "worse"
    WIDER = "wider"
    NARROWER = "narrower"
    REMINDER = "reminder"
    ESCALATED = "escalated"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    DIGEST = "digest"
    META = "meta"

    @property
    def fires(self) -> bool:
        """Whether it says that something is wrong and nobody took it: PagerDuty's ``trigger``."""
        return self in _FIRES


_FIRES: Final = frozenset(
    {
        MessageState.OPENED,
        MessageState.WORSE,
        MessageState.WIDER,
        MessageState.NARROWER,
        MessageState.REMINDER,
        MessageState.ESCALATED,
    }
)


class Language(StrEnum):
    """Languages that messages are worded in."""

    EN = "en"
    ZH = "zh"


class Colour(StrEnum):
    """By name: each channel has its own codes."""

    RED = "red"
    ORANGE = "orange"
    BLUE = "blue"
    GREEN = "green"
    GREY = "grey"


class LinkKind(StrEnum):
    """What a link or button does."""

    DASHBOARD = "dashboard"
    LIVE = "live"
    RUNBOOK = "runbook"
    ACKNOWLEDGE = "acknowledge"
    MUTE = "mute"


class Field(msgspec.Struct, frozen=True):
    """One labelled value. ``short`` ones may stand side by side."""

    label: str
    value: str
    short: bool = True


class Link(msgspec.Struct, frozen=True):
    """A link or button. The url of an acknowledge or mute link is signed: a secret, never to be logged."""

    kind: LinkKind
    label: str
    url: str

    def __repr__(self) -> str:
        """Without the url."""
        return f"Link({self.kind.value})"


class Picture(msgspec.Struct, frozen=True):
    """Where the sparkline can be fetched. The url is signed: a secret, never to be logged."""

    url: str

    def __repr__(self) -> str:
        """Without the url."""
        return "Picture()"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """See the module.

    Attributes:
        key: idempotency key, the same for the same words to the same channel whoever words them and
            after whatever restart. Up to 128 characters of ``A-Za-z0-9._:-``.
        channel: name of the channel, as configured.
        title: one line: mark, severity, what and where.
        summary: one line with the numbers, for previews and where there is room for one line only.
        lines: text under the title, in order; the most important first, so that cutting at the end
            hurts least.
        fields: labelled values, in order, likewise.
        links: at most one of each kind.
        at_ms: of which moment it speaks.
        incident_id: by which it is found, edited and resolved; None of digests and meta-alerts.
        revision: of the incident; 0 without.
        started_at_ms: estimated change point of the incident, or the earliest of a digest's.
        resolved_at_ms: when it was over.
        incidents: the records it speaks of, for channels that send data (webhook, PagerDuty details,
            Alertmanager labels); their text is not made harmless.
        sparkline: PNG of observed against expected, if there is one; its name is ``SPARKLINE_NAME``.
        picture: where it can be fetched, for channels that take no bytes; None unless chats reach us.
    """

    key: str
    channel: str
    state: MessageState
    severity: Severity
    colour: Colour
    language: Language
    title: str
    summary: str
    at_ms: int
    lines: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    links: tuple[Link, ...] = ()
    incident_id: str | None = None
    revision: int = 0
    started_at_ms: int | None = None
    resolved_at_ms: int | None = None
    incidents: tuple[Incident, ...] = ()
    sparkline: bytes | None = None
    picture: Picture | None = None

    @property
    def thread(self) -> str:
        """The incident's id, else the key."""
        return self.incident_id or self.key

    def link(self, kind: LinkKind) -> Link | None:
        """The link of a kind."""
        return next((link for link in self.links if link.kind is kind), None)
