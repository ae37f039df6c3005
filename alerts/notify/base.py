"""What a channel is: a message becomes a request, the answer becomes an outcome. Pure.

A bot that answers 200 may have refused: DingTalk, WeCom and Feishu always do, so a channel is asked to
judge the body. An outcome carries a word of a closed set, which is also the label of the metric.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.message import Message
    from alerts.notify.secrets import Secret


class Verdict(StrEnum):
    """What became of a message."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"


class Why(StrEnum):
    """The reason for a verdict."""

    ACCEPTED = "accepted"
    UNCHANGED = "unchanged"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    CONNECTION_LOST = "connection_lost"
    TLS = "tls"
    PROXY = "proxy"
    ANSWER_UNREADABLE = "answer_unreadable"
    ANSWER_TOO_LARGE = "answer_too_large"
    MESSAGE_GONE = "message_gone"
    ADDRESS_FORBIDDEN = "address_forbidden"
    REDIRECTED = "redirected"
    BAD_REQUEST = "bad_request"
    TOO_LARGE = "too_large"
    UNAUTHORIZED = "unauthorized"
    SIGNATURE = "signature"
    KEYWORD_MISSING = "keyword_missing"
    IP_NOT_ALLOWED = "ip_not_allowed"
    NOT_FOUND = "not_found"
    NOT_INSTALLED = "not_installed"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt.

    Attributes:
        retry_after_ms: what the bot asked for; None leaves it to the sender's own backoff.
        handle: by which the channel edits this message; no secret. None where it cannot.
        answer: the bot's own words, short, without secrets.
    """

    verdict: Verdict
    why: Why
    retry_after_ms: int | None = None
    handle: str | None = None
    answer: str = ""

    @property
    def delivered(self) -> bool:
        """Whether the channel has it."""
        return self.verdict is Verdict.DELIVERED


def delivered(handle: str | None = None, *, why: Why = Why.ACCEPTED, answer: str = "") -> Outcome:
    """The channel has it."""
    return Outcome(Verdict.DELIVERED, why, handle=handle, answer=answer)


def retry(why: Why, after_ms: int | None = None, *, answer: str = "") -> Outcome:
    """Not now; the same words may be taken later."""
    return Outcome(Verdict.RETRY, why, after_ms, answer=answer)


def refused(why: Why, *, answer: str = "") -> Outcome:
    """These words, or this address, will not be taken however often they are sent."""
    return Outcome(Verdict.REFUSED, why, answer=answer)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Its repr shows nothing that could be a secret.

    Attributes:
        url: sent byte for byte as it is.
        headers: beside the content type.
        secrets: what else must not be shown: tokens in the body, signed links.
    """

    url: Secret
    body: bytes = field(repr=False)
    method: str = "POST"
    content_type: str = "application/json"
    headers: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    secrets: tuple[Secret, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """The answer.

    Attributes:
        headers: by lower-case name.
        body: up to the cap.
        at_ms: when it came.
        cut: whether there was more than the cap.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    at_ms: int = 0
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many messages in any span of so many ms.

    Attributes:
        penalty_ms: for how long whoever sends more is blocked; 0: until the span is over.
    """

    messages: int
    span_ms: int
    penalty_ms: int = 0


@dataclass(frozen=True, slots=True)
class Traits:
    """What a vendor allows and can do, as data.

    Attributes:
        max_bytes: of a request's body, without attachments.
        rates: all of them hold at once.
        edits: a message can be edited by its handle.
        closes: what was opened is closed by its key: a resolved message is never left out.
        resend_ms: while the incident is open, the message is to be sent again so often.
        avoids_round_times: not at full and half hours, when everybody's robots speak.
    """

    max_bytes: int
    rates: tuple[Rate, ...]
    edits: bool = False
    closes: bool = False
    resend_ms: int | None = None
    avoids_round_times: bool = False


@dataclass(frozen=True, slots=True)
class Sending:
    """One attempt: when, and the handle of the message to edit, if it is to be edited."""

    at_ms: int
    handle: str | None = None


class Channel(Protocol):
    """The pure half of a channel that speaks HTTP."""

    @property
    def traits(self) -> Traits:
        """What the vendor allows."""
        ...

    def request(self, message: Message, sending: Sending) -> Request:
        """What to send; never larger than the vendor takes."""
        ...

    def judge(self, response: Response) -> Outcome:
        """What the answer means."""
        ...


class Carrier(Protocol):
    """Whatever takes a message to people."""

    @property
    def traits(self) -> Traits:
        """What the vendor allows."""
        ...

    async def deliver(self, message: Message, handle: str | None = None) -> Outcome:
        """One attempt; never raises for what the other side does."""
        ...
