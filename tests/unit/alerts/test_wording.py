"""The message of a parcel has what its channel can show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from alerts.content.templates import Templates
from alerts.incident import CoursePart
from alerts.links import LinkSettings
from alerts.message import Language, LinkKind, MessageState
from alerts.notify.registry import ChannelKind
from alerts.notify.secrets import Secret
from alerts.notify_plan import Addresses
from alerts.stages.stage import Candidate, Parcel
from alerts.wording import message_of
from tests.support.deliveries import incident
from tests.support.telling import channel, plan_of

if TYPE_CHECKING:
    import pytest

PLAN = replace(
    plan_of(channel("hook", "http://h"), channel("chat", "http://c", ChannelKind.SLACK)),
    languages={"chat": Language.ZH},
    addresses=Addresses("https://fw.example"),
    links=LinkSettings("https://fw.example", (Secret("s" * 32),)),
)


def parcel(name: str, *incidents: object) -> Parcel:
    """For a channel."""
    told = tuple(Candidate(one, name, state=MessageState.OPENED) for one in incidents)  # type: ignore[arg-type]  # built loosely
    return Parcel("k", name, MessageState.OPENED if len(told) == 1 else MessageState.DIGEST, told)


def test_each_channel_has_its_language_and_its_links() -> None:
    """Signed for whom they are sent to."""
    hook, chat = (message_of(parcel(name, incident()), PLAN) for name in ("hook", "chat"))
    assert (hook.language, chat.language) == (Language.EN, Language.ZH)
    urls = [one.link(LinkKind.ACKNOWLEDGE) for one in (hook, chat)]
    assert all(link and link.url.startswith("https://fw.example/do/") for link in urls)
    assert urls[0] != urls[1]


def test_a_digest_cannot_be_acknowledged() -> None:
    """It is about several."""
    found = message_of(parcel("hook", incident("a"), incident("b")), PLAN)
    assert [link.kind for link in found.links] == [LinkKind.LIVE]


def test_the_course_is_drawn_where_it_is_shown() -> None:
    """Not where a picture is not taken, nor where nothing is known of it."""
    course = CoursePart(0, 10_000, (1.0, 2.0), (2.0, 2.0), (1.0, 1.0), (3.0, 3.0))
    known = msgspec.structs.replace(incident(), course=course)
    assert (message_of(parcel("hook", known), PLAN).sparkline or b"").startswith(b"\x89PNG")
    assert message_of(parcel("chat", known), PLAN).sparkline is None
    assert message_of(parcel("hook", incident()), PLAN).sparkline is None


def test_where_chats_fetch_pictures_there_is_an_address() -> None:
    """Signed for whom it is sent to, and shown nowhere; not of what has no course."""
    plan = replace(PLAN, links=LinkSettings("https://fw.example", (Secret("s" * 32),), pictures=True))
    course = CoursePart(0, 10_000, (1.0, 2.0), (2.0, 2.0), (1.0, 1.0), (3.0, 3.0))
    known = msgspec.structs.replace(incident(), course=course)
    hook, chat = (message_of(parcel(name, known), plan).picture for name in ("hook", "chat"))
    assert hook is not None
    assert chat is not None
    assert hook.url.startswith("https://fw.example/do/")
    assert hook.url != chat.url
    assert hook.url not in repr(message_of(parcel("hook", known), plan))
    assert message_of(parcel("chat", incident()), plan).picture is None


def test_in_ones_own_words() -> None:
    """Where there are some for what is told."""
    plan = replace(
        PLAN, templates=Templates({"opened.txt": "Look at $where", "opened.zh.txt": "请看 $where"})
    )
    titles = [message_of(parcel(name, incident()), plan).title for name in ("hook", "chat")]
    assert titles == ["Look at slot home.top.1", "请看 资源位 home.top.1"]


def test_a_template_that_makes_nothing_is_not_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """The built-in words are said, and it is counted and logged."""
    plan, failed = replace(PLAN, templates=Templates({"opened.txt": "$acknowledged"})), list[str]()
    found = message_of(parcel("hook", incident()), plan, failed.append)
    assert found == message_of(parcel("hook", incident()), PLAN)
    assert failed == ["opened"]
    assert [record.message for record in caplog.records] == ["template failed, built-in words are said"]
