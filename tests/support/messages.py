"""Messages to send: usual ones, and those that somebody with a strange shop or bad intent would cause."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

from alerts.lifecycle import Lifecycle
from alerts.message import Colour, Field, Language, Link, LinkKind, Message, MessageState, Picture
from alerts.model import Place, Severity
from tests.support.findings import T0, at, rooted

if TYPE_CHECKING:
    from alerts.incident import Incident

ACK_SIGNATURE: Final = "ack-signature-5f2c9e"
LINKS: Final = (
    Link(LinkKind.ACKNOWLEDGE, "Acknowledge", f"https://shop.example/ack?i=1&sig={ACK_SIGNATURE}"),
    Link(LinkKind.MUTE, "Mute 30 min", f"https://shop.example/mute?i=1&sig={ACK_SIGNATURE}"),
    Link(LinkKind.DASHBOARD, "Dashboard", "https://grafana.example/d/1?from=1&to=2"),
    Link(LinkKind.LIVE, "Live page", "https://shop.example/live"),
    Link(LinkKind.RUNBOOK, "Runbook", "https://shop.example/runbook#drop"),
)
# Mentions, markup of every channel, quotes, a right-to-left override, an emoji of several parts, halves.
HOSTILE: Final = (
    '@everyone <!channel> <@U123> <at id=all></at> @all <at user_id="all">x</at> [x](http://evil.example) '
    "*b* _i_ ~s~ `c` </b><script> & \\ \" ' | # > 😀👨‍👩‍👧‍👦🇨🇳 \u202egnp.exe\u202c שלום مرحبا é\u0301 \x00\x1b[31m "
    "\ud800 ${jndi} %7B {{7*7}} http://evil.example/a)b(c "
)
PICTURE: Final = Picture(f"https://shop.example/do/{ACK_SIGNATURE}/sparkline.png")
CHINESE: Final = "转化率下跌、首页第一坑位、每分钟损失三百元"


def incident(**fields: Any) -> Incident:
    """One that has just been opened."""
    lifecycle = Lifecycle()
    (change,) = lifecycle.fold([rooted(lost_minor=995, currency="CNY", **fields)], [], at(1))
    return change.incident


def message(**fields: Any) -> Message:
    """A critical drop that was just opened, unless told otherwise."""
    found = incident(severity=Severity.CRITICAL)
    known: dict[str, Any] = {
        "key": f"{found.id}:opened:ops",
        "channel": "ops",
        "state": MessageState.OPENED,
        "severity": Severity.CRITICAL,
        "colour": Colour.RED,
        "language": Language.EN,
        "title": "CRITICAL conversion drop at home.top.1",
        "summary": "50 paid of 100 expected since 11:59",
        "at_ms": at(1),
        "lines": ("Lost 9.95 CNY, 5.00 a minute.", "Sure: 1 in 300 years."),
        "fields": (
            Field("Observed", "50"),
            Field("Expected", "100 (82 to 118)"),
            Field("Top", "hero", short=False),
        ),
        "links": LINKS,
        "incident_id": found.id,
        "revision": 1,
        "started_at_ms": T0 - 60_000,
        "incidents": (found,),
    }
    return Message(**known | fields)


def hostile() -> Message:
    """Everything in it is :data:`HOSTILE`, and far too long."""
    text = HOSTILE * 40
    scope = (Place("slot", HOSTILE),)
    return message(
        title=text,
        summary=text,
        lines=(text,) * 60,
        fields=tuple(Field(text, text, short=index % 2 == 0) for index in range(60)),
        links=tuple(
            Link(link.kind, text, link.url + "&x=" + HOSTILE.replace("\ud800", "")) for link in LINKS
        ),
        incidents=(incident(scope=scope),),
    )


def chinese() -> Message:
    """Of three bytes a character, and too long for everybody."""
    text = CHINESE * 60
    fields = tuple(Field(CHINESE, text) for _ in range(30))
    return message(title=text, summary=text, lines=(text,) * 30, fields=fields, language=Language.ZH)


def emoji() -> Message:
    """Of four bytes a character."""
    text = "👩🏽‍🚀" * 800
    return message(title=text, summary=text, lines=(text,) * 10, fields=(Field(text, text),) * 10)


def bare() -> Message:
    """With nothing but what there must be, a title; a meta-alert."""
    nothing: dict[str, Any] = {"lines": (), "fields": (), "links": (), "incidents": (), "incident_id": None}
    return message(state=MessageState.META, title="!", summary="", started_at_ms=None, **nothing)


def hostile_linked() -> Message:
    """The hostile one, its picture's address as well."""
    address = PICTURE.url + HOSTILE.replace("\ud800", "")
    return msgspec.structs.replace(hostile(), picture=Picture(address))


def png() -> bytes:
    """A picture of one pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")


def every_message() -> dict[str, Message]:
    """Those above, every state of one, and one with a picture."""
    states = {state.value: message(state=state) for state in MessageState}
    special = {"hostile": hostile(), "chinese": chinese(), "emoji": emoji(), "bare": bare()}
    pictures = {"picture": message(sparkline=png()), "hostile picture": with_picture(hostile())}
    linked = {"linked picture": message(picture=PICTURE), "hostile linked": hostile_linked()}
    return states | special | pictures | linked


def with_picture(some: Message) -> Message:
    """The same with a sparkline."""
    return Message(**{name: getattr(some, name) for name in some.__struct_fields__} | {"sparkline": png()})
