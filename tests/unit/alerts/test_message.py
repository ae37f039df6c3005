"""Messages: what the parts say of themselves."""

from __future__ import annotations

import msgspec

from alerts.message import Colour, Language, Link, LinkKind, Message, MessageState
from alerts.model import Severity

ACK = Link(LinkKind.ACKNOWLEDGE, "Acknowledge", "https://shop.example/ack?sig=s3cret")
MESSAGE = Message(
    key="k",
    channel="ops",
    state=MessageState.OPENED,
    severity=Severity.CRITICAL,
    colour=Colour.RED,
    language=Language.EN,
    title="t",
    summary="s",
    at_ms=1,
    links=(ACK,),
)


def test_a_link_keeps_its_url_to_itself() -> None:
    """Signed links are secrets: no repr shows them, alone or in a message."""
    assert "s3cret" not in repr(ACK) + repr(MESSAGE)


def test_links_are_found_by_kind() -> None:
    """At most one of each."""
    assert MESSAGE.link(LinkKind.ACKNOWLEDGE) is ACK
    assert MESSAGE.link(LinkKind.MUTE) is None


def test_what_belongs_together() -> None:
    """Messages of one incident share its id; others stand alone."""
    assert MESSAGE.thread == "k"
    assert msgspec.structs.replace(MESSAGE, incident_id="i").thread == "i"


def test_what_fires() -> None:
    """What somebody has to look at; no digest, and nothing that is taken or over."""
    quiet = {MessageState.ACKNOWLEDGED, MessageState.RESOLVED, MessageState.DIGEST, MessageState.META}
    assert {state for state in MessageState if not state.fires} == quiet


def test_messages_survive_json() -> None:
    """An outbox may write them down."""
    assert msgspec.json.decode(msgspec.json.encode(MESSAGE), type=Message) == MESSAGE
