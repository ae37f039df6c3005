"""The demo's chat shows what it is sent, and nothing that could harm a terminal."""

from __future__ import annotations

from aiohttp import ClientSession

from streams.demo.chat import SHOWN, Chat, line_of


async def post(chat: Chat, body: bytes) -> int:
    """The status of a message."""
    async with ClientSession() as session, session.post(chat.url, data=body) as answer:
        return answer.status


async def test_the_last_few_are_kept_and_each_is_handed_on() -> None:
    """Oldest first."""
    said: list[str] = []
    async with Chat(said.append) as chat:
        for number in range(SHOWN + 1):
            assert await post(chat, b'{"title": "t%d", "summary": "s"}' % number) == 200
        assert chat.lines == said[1:] == [f"chat  t{number}  s" for number in range(1, SHOWN + 1)]


async def test_samples_are_taken_and_not_shown() -> None:
    """What it shows was told; a sample that is no message is refused all the same."""
    said: list[str] = []
    async with Chat(said.append) as chat, ClientSession() as session:
        for body, status in ((b'{"title": "t", "summary": "s"}', 200), (b"[]", 400)):
            async with session.post(chat.samples_url, data=body) as answer:
                assert answer.status == status
        assert (chat.lines, said) == ([], [])


async def test_what_is_no_message_is_refused() -> None:
    """And not shown."""
    async with Chat() as chat:
        assert [await post(chat, body) for body in (b"", b"[]", b'{"title": "t"}')] == [400, 400, 400]
        assert chat.lines == []


def test_names_cannot_move_the_cursor() -> None:
    """They come from the shop's events."""
    assert "\x1b" not in line_of({"title": "\x1b[2J", "summary": ""})
