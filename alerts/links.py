"""Signed links: whoever holds one may do one thing to one incident until it ends, and nothing else.

Pure. A link is ``<public_url>/do/<token>``, with a name of a file behind it where it shows a picture; a token is ``<claim>.<signature>``, both base64url without
padding (RFC 4648), the claim a JSON list, the signature HMAC-SHA256 (RFC 2104) over a word of ours and the
claim. What a link does stands in the claim and so under the signature: action, incident, whom it was sent
to, when it ends, and for how long it mutes. Signatures are compared in constant time, and before anything
of the claim is read. Several secrets hold at once: the first signs, the others are still believed, so a
secret is changed by putting the new one before the old.

Refuses: to be used once only. A link may be followed again until it ends; what it does is the same each time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from alerts.message import SPARKLINE_NAME, LinkKind
from alerts.model import State
from streams.errors import ConfigError

if TYPE_CHECKING:
    from alerts.incident import Incident
    from alerts.notify.secrets import Secret

PATH: Final = "/do/"
MAX_TOKEN: Final = 2_048
_VERSION: Final = 1
# What is signed for one purpose is not to hold for another, though the secret be the same.
_PURPOSE: Final = b"funnelwatch link 1\n"
_MINUTE_MS: Final = 60_000
_LEAST_SECRET: Final = 16
_MAX_SECRETS: Final = 5


class Action(StrEnum):
    """What a link does."""

    ACKNOWLEDGE = "acknowledge"
    MUTE = "mute"
    LOOK = "look"  # at the sparkline, and at nothing else


# Those that change something: they are asked about, and acted on.
DOING: Final = (Action.ACKNOWLEDGE, Action.MUTE)


class Refused(StrEnum):
    """Why a link does nothing. Also the label ``outcome`` of the metric."""

    MALFORMED = "malformed"
    BAD_SIGNATURE = "bad_signature"
    EXPIRED = "expired"


class Claim(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What stands under the signature.

    Attributes:
        channel: to which the link was sent: so much is known of who follows it.
        ends_ms: the first moment at which it does nothing.
        mute_ms: for how long it mutes; 0 for other actions.
    """

    version: int
    action: Action
    incident_id: str
    channel: str
    ends_ms: int
    mute_ms: int = 0


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Where links lead, what signs them, for how long they hold.

    Attributes:
        public_url: where people reach a worker, such as ``https://funnelwatch.example.com``.
        secrets: at least 16 bytes each, at most five; the first signs.
        expiry_ms: after the record that the message tells of.
        mute_ms: for how long a mute link mutes.
        pictures: whether chats may fetch pictures there.

    Raises:
        ConfigError: something does not do.
    """

    public_url: str
    secrets: tuple[Secret, ...]
    expiry_ms: int = 24 * 60 * _MINUTE_MS
    mute_ms: int = 30 * _MINUTE_MS
    pictures: bool = False

    def __post_init__(self) -> None:
        if not self.public_url.startswith(("https://", "http://")):
            raise ConfigError("notify.links.public_url", "must be an http or https address")
        if not 0 < len(self.secrets) <= _MAX_SECRETS:
            raise ConfigError("notify.links.secret", f"one up to {_MAX_SECRETS} are needed")
        if any(len(secret.reveal().encode()) < _LEAST_SECRET for secret in self.secrets):
            raise ConfigError("notify.links.secret", f"must be at least {_LEAST_SECRET} bytes long")
        if self.expiry_ms <= 0 or self.mute_ms <= 0:
            raise ConfigError("notify.links", "expiry and mute must be more than 0")


class Signer:
    """See the module."""

    def __init__(self, settings: LinkSettings) -> None:
        self._settings = settings

    def links(self, incident: Incident, channel: str) -> dict[LinkKind, str]:
        """Urls for a message about an incident: what :func:`alerts.content.writing.write` takes.

        They end by the record's own time, so the same record gives the same links, however often it is
        sent. Empty of an incident that is over; none to acknowledge what is acknowledged.
        """
        found = {}
        if incident.state is State.FIRING:
            found[LinkKind.ACKNOWLEDGE] = self.url(Action.ACKNOWLEDGE, incident, channel)
        if incident.open:
            found[LinkKind.MUTE] = self.url(Action.MUTE, incident, channel)
        return found

    def picture(self, incident: Incident, channel: str) -> str | None:
        """Where the incident's sparkline can be fetched: a secret; None if it has no course, or chats are not let in."""
        if not self._settings.pictures or incident.course is None:
            return None
        return f"{self.url(Action.LOOK, incident, channel)}/{SPARKLINE_NAME}"

    def url(self, action: Action, incident: Incident, channel: str) -> str:
        """One signed link: a secret."""
        ends_ms = incident.updated_at_ms + self._settings.expiry_ms
        mute_ms = self._settings.mute_ms if action is Action.MUTE else 0
        claim = Claim(_VERSION, action, incident.id, channel, ends_ms, mute_ms)
        return f"{self._settings.public_url.rstrip('/')}{PATH}{self.token(claim)}"

    def token(self, claim: Claim) -> str:
        """A claim and its signature."""
        data = msgspec.json.encode(claim)
        return f"{_text(data)}.{_text(_signature(self._settings.secrets[0], data))}"

    def read(self, token: str, now_ms: int) -> Claim | Refused:
        """The claim of a token that we signed and that still holds, or why it does nothing."""
        parts = token.split(".") if len(token) <= MAX_TOKEN else []
        try:
            data, signature = map(_bytes, parts)
        except ValueError:
            return Refused.MALFORMED
        # All of them: how long it takes does not tell which.
        known = [
            hmac.compare_digest(_signature(secret, data), signature) for secret in self._settings.secrets
        ]
        if not any(known):
            return Refused.BAD_SIGNATURE
        try:
            claim = msgspec.json.decode(data, type=Claim)
        except msgspec.MsgspecError:
            return Refused.MALFORMED
        if claim.version != _VERSION:
            return Refused.MALFORMED
        return claim if now_ms < claim.ends_ms else Refused.EXPIRED


def _signature(secret: Secret, data: bytes) -> bytes:
    return hmac.digest(secret.reveal().encode("utf-8", "surrogatepass"), _PURPOSE + data, hashlib.sha256)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    """Raises ValueError for what :func:`_text` never makes: other letters, or bits left over at the end."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if _text(data) != text:
        raise ValueError("not as it was written")
    return data
