"""Signed links: what stands in one cannot be changed, and it does nothing once it has ended."""

from __future__ import annotations

import base64
import hmac

import msgspec
import pytest

from alerts.incident import CoursePart
from alerts.links import MAX_TOKEN, PATH, Action, Claim, LinkSettings, Refused, Signer
from alerts.message import LinkKind
from alerts.model import State
from alerts.notify.secrets import Secret
from streams.errors import ConfigError
from tests.support.messages import incident

OLD, NEW = Secret("the old secret of twenty"), Secret("the new secret of twenty")
URL = "https://watch.example.com/"
HOUR_MS = 3_600_000
CLAIM = Claim(1, Action.ACKNOWLEDGE, "inc-1", "ops", 1_000)


def signer(*secrets: Secret) -> Signer:
    """One that signs with the first."""
    return Signer(LinkSettings(URL, secrets or (OLD,), expiry_ms=HOUR_MS))


def token_in(url: str) -> str:
    """What stands behind the path."""
    assert url.startswith("https://watch.example.com/do/")
    return url.partition(PATH)[2]


def test_a_link_does_what_stands_in_it() -> None:
    """What is read back is what was signed: action, incident, channel, end, and for how long it mutes."""
    found = incident()
    links = signer().links(found, "ops")
    end_ms = found.updated_at_ms + HOUR_MS
    assert signer().read(token_in(links[LinkKind.ACKNOWLEDGE]), end_ms - 1) == Claim(
        1, Action.ACKNOWLEDGE, found.id, "ops", end_ms
    )
    mute = signer().read(token_in(links[LinkKind.MUTE]), end_ms - 1)
    assert mute == Claim(1, Action.MUTE, found.id, "ops", end_ms, mute_ms=HOUR_MS // 2)


def test_a_picture_is_only_looked_at() -> None:
    """Where chats are let in and there is a course: a link that can be used for nothing else."""
    course = CoursePart(0, 10_000, (1.0, 2.0), (2.0, 2.0), (1.0, 1.0), (3.0, 3.0))
    found = msgspec.structs.replace(incident(), course=course)
    open_doors = Signer(LinkSettings(URL, (OLD,), expiry_ms=HOUR_MS, pictures=True))
    url = open_doors.picture(found, "ops") or ""
    assert url.endswith("/sparkline.png")
    end_ms = found.updated_at_ms + HOUR_MS
    claim = signer().read(token_in(url).partition("/")[0], end_ms - 1)
    assert claim == Claim(1, Action.LOOK, found.id, "ops", end_ms)
    assert open_doors.picture(incident(), "ops") is None
    assert signer().picture(found, "ops") is None


def test_it_ends() -> None:
    """At its end a link does nothing any more."""
    token = signer().token(CLAIM)
    assert signer().read(token, 999) == CLAIM
    assert signer().read(token, 1_000) is Refused.EXPIRED


def test_the_same_record_has_the_same_links() -> None:
    """Whenever it is sent again; another channel has others."""
    found = incident()
    assert signer().links(found, "ops") == signer().links(found, "ops")
    assert signer().links(found, "ops") != signer().links(found, "night")


@pytest.mark.parametrize(
    ("state", "kinds"),
    [
        (State.FIRING, {LinkKind.ACKNOWLEDGE, LinkKind.MUTE}),
        (State.ACKNOWLEDGED, {LinkKind.MUTE}),
        (State.RESOLVED, set()),
    ],
)
def test_links_fit_the_state(state: State, kinds: set[LinkKind]) -> None:
    """What is acknowledged is not to be acknowledged again, what is over is left alone."""
    assert signer().links(msgspec.structs.replace(incident(), state=state), "ops").keys() == kinds


@pytest.mark.parametrize(
    "changed",
    [
        {"action": Action.MUTE, "mute_ms": 10**9},
        {"incident_id": "inc-2"},
        {"channel": "boss"},
        {"ends_ms": 2_000},
    ],
)
def test_nothing_in_it_can_be_changed(changed: dict[str, object]) -> None:
    """A claim with another's signature is refused."""
    data, signature = signer().token(CLAIM).split(".")
    other, _ = signer().token(msgspec.structs.replace(CLAIM, **changed)).split(".")
    assert other != data
    assert signer().read(f"{other}.{signature}", 0) is Refused.BAD_SIGNATURE


def test_every_letter_counts() -> None:
    """No letter of a token can be another: not even those whose last bits say nothing."""
    token = signer().token(CLAIM)
    for place, letter in enumerate(token):
        for other in "ABab01-_.":
            if other != letter:
                changed = f"{token[:place]}{other}{token[place + 1 :]}"
                assert isinstance(signer().read(changed, 0), Refused)


def test_secrets_can_be_changed() -> None:
    """A new secret before the old: links of both hold. Without the old, its links do not."""
    old = signer(OLD).token(CLAIM)
    both = signer(NEW, OLD)
    assert both.read(old, 0) == CLAIM
    assert signer(NEW).read(both.token(CLAIM), 0) == CLAIM
    assert signer(NEW).read(old, 0) is Refused.BAD_SIGNATURE


@pytest.mark.parametrize("token", ["", ".", "a", "a.b.c", "é.é", "=.=", "YQ==.YQ==", "A" * (MAX_TOKEN + 1)])
def test_what_is_no_token_is_refused(token: str) -> None:
    """Whatever it is, it is no error."""
    assert isinstance(signer().read(token, 0), Refused)


def test_a_signature_is_for_links_alone() -> None:
    """The same secret signing the bare claim elsewhere makes no link; nor does another version of a claim."""
    data = msgspec.json.encode(CLAIM)
    bare = base64.urlsafe_b64encode(hmac.digest(OLD.reveal().encode(), data, "sha256"))
    text = base64.urlsafe_b64encode(data)
    token = b".".join(part.rstrip(b"=") for part in (text, bare)).decode()
    assert signer().read(token, 0) is Refused.BAD_SIGNATURE
    later = signer().token(msgspec.structs.replace(CLAIM, version=2))
    assert signer().read(later, 0) is Refused.MALFORMED


@pytest.mark.parametrize(
    ("url", "secrets", "field"),
    [
        ("watch.example.com", (OLD,), "public_url"),
        (URL, (), "secret"),
        (URL, (Secret("short"),), "secret"),
        (URL, (OLD,) * 6, "secret"),
    ],
)
def test_settings_that_do_not_do(url: str, secrets: tuple[Secret, ...], field: str) -> None:
    """They are told by name, without the secret."""
    with pytest.raises(ConfigError, match=field) as raised:
        LinkSettings(url, secrets)
    assert "short" not in str(raised.value).replace("notify.links", "")
