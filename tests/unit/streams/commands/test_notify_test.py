"""``notify-test`` against robots on loopback: what they say is what is shown."""

from __future__ import annotations

import argparse
import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from alerts.notify.base import Rate
from alerts.notify.registry import ChannelKind
from alerts.notify.samples import Sample
from streams.commands.notify_test import Rehearsal, notify_test, wait_ms
from streams.errors import ConfigError
from tests.support.bots import Bot, bot
from tests.support.channels import HTTP_KINDS, NOW_MS
from tests.support.clock import ManualClock
from tests.support.settings import loaded
from tests.support.vendors import SECRET, TOKEN, Call, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streams.config import Settings

LINK_SECRET = "link-secret-of-enough-bytes"
ENVIRON = {"TOKEN": TOKEN, "SECRET": SECRET, "LINKS": LINK_SECRET}
BY_SECRET = {"telegram": "secret_env: TOKEN, chat_id: '1'", "pagerduty": "secret_env: SECRET"}


@contextmanager
def listening(behave: Callable[[Call], tuple[int, bytes]]) -> Iterator[Bot]:
    """A robot in a loop of its own, for a command that has one too."""
    loop, found, done = asyncio.new_event_loop(), list[Bot](), asyncio.Event()
    ready = threading.Event()

    async def serve() -> None:
        async with bot(behave, NOW_MS) as server:
            found.append(server)
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


def settings(folder: Path, port: int, *kinds: str) -> Settings:
    """One channel of each of these kinds, named after it."""
    lines = [
        f"    - {{name: {kind}_1, kind: {kind}, allow_private: true, "
        + (BY_SECRET.get(kind) or "url_env: URL, secret_env: SECRET")
        + (f", url: 'http://127.0.0.1:{port}'" if kind in BY_SECRET else "")
        + "}"
        for kind in kinds
    ]
    links = "  links: {public_url: 'https://watch.example', secret_env: LINKS}"
    return loaded(folder, "\n".join(["notify:", links, "  channels:", *lines]))


def arguments(
    *, dry_run: bool = False, channel: tuple[str, ...] = (), kind: tuple[str, ...] = ()
) -> argparse.Namespace:
    """As the parser leaves them."""
    return argparse.Namespace(dry_run=dry_run, channel=list(channel), kind=list(kind))


def environ(port: int) -> dict[str, str]:
    """The address is a secret."""
    return ENVIRON | {"URL": f"http://127.0.0.1:{port}/hook/{TOKEN}"}


def test_each_answer_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every kind of message to the channel, each with the verdict; 0 when all were taken."""
    with listening(lambda call: answer("webhook", call)) as server:
        code = notify_test(
            arguments(), settings(tmp_path, server.port, "webhook"), environ(server.port), tmp_path
        )
    lines = capsys.readouterr().out.splitlines()
    assert (code, len(server.calls)) == (0, 5)
    assert lines[0].split() == ["CHANNEL", "KIND", "MESSAGE", "RESULT", "WHY", "ANSWER"]
    assert [line.split()[:5] for line in lines[1:]] == [
        ["webhook_1", "webhook", kind.value, "delivered", "accepted"] for kind in Sample
    ]


def test_a_refusal_is_shown_in_the_robots_own_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """DingTalk says 200 and refuses: 1, its words, and no secret among them."""
    words = f'{{"errcode":310000,"errmsg":"sign not match for {TOKEN}"}}'.encode()
    with listening(lambda _: (200, words)) as server:
        made = settings(tmp_path, server.port, "dingtalk")
        code = notify_test(arguments(kind=("opened",)), made, environ(server.port), tmp_path)
    (_, line) = capsys.readouterr().out.splitlines()
    assert code == 1
    assert line.split()[:5] == ["dingtalk_1", "dingtalk", "opened", "refused", "signature"]
    assert "sign not match" in line
    assert TOKEN not in line


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_dry_run_shows_bodies_and_no_secret(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is sent; neither tokens nor what signed the links stand in it, nor the links."""
    made = settings(tmp_path, 1, kind)
    assert notify_test(arguments(dry_run=True), made, environ(1), tmp_path) == 0
    shown = capsys.readouterr().out
    assert shown.count(f"--- {kind}_1 ({kind}): ") == len(Sample)
    assert "home.top.1" in shown
    for secret in (TOKEN, SECRET, LINK_SECRET, "watch.example/do/"):
        assert secret not in shown


def test_only_what_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One channel of two, one kind of five; and one that there is not is an error."""
    made = settings(tmp_path, 1, "slack", "webhook")
    asked = arguments(dry_run=True, channel=("slack_1",), kind=("digest",))
    assert notify_test(asked, made, environ(1), tmp_path) == 0
    assert capsys.readouterr().out.count("---") == 1
    with pytest.raises(ConfigError, match="slack_1, webhook_1"):
        notify_test(arguments(channel=("nobody",)), made, environ(1), tmp_path)
    with pytest.raises(ConfigError, match=r"notify\.channels"):
        notify_test(arguments(), loaded(tmp_path, ""), {}, tmp_path)


def test_an_apprise_channel_has_words_to_show(tmp_path: Path) -> None:
    """It has no body of ours."""
    made = settings(tmp_path, 1, "apprise")
    rehearsal = Rehearsal(made, environ(1), tmp_path, ManualClock(NOW_MS))
    (plan,) = rehearsal.plans(())
    assert plan.kind is ChannelKind.APPRISE
    assert rehearsal.body(plan, Sample.OPENED).startswith("[TEST]")


def test_a_test_does_not_get_a_channel_blocked() -> None:
    """It waits until the message is within each of the vendor's rates."""
    rates = (Rate(1, 1_000), Rate(3, 60_000))
    assert wait_ms(rates, [], 0) == 0
    assert wait_ms(rates, [0], 400) == 600
    assert wait_ms(rates, [0, 1_000, 2_000], 10_000) == 50_000
    assert wait_ms(rates, [0, 1_000, 2_000], 70_000) == 0


def test_in_ones_own_words_and_with_the_links_there_would_be(tmp_path: Path) -> None:
    """Templates and addresses are tried as well; the live page's address is no secret."""
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "opened.txt").write_text("Up and running: $where")
    made = settings(tmp_path, 1, "slack")
    notify = made.notify.model_copy(
        update={"templates": made.notify.templates.model_copy(update={"folder": "words"})}
    )
    rehearsal = Rehearsal(
        made.model_copy(update={"notify": notify}), environ(1), tmp_path, ManualClock(NOW_MS)
    )
    (plan,) = rehearsal.plans(())
    body = rehearsal.body(plan, Sample.OPENED)
    assert "[TEST] Up and running: slot home.top.1" in body
    assert "https://watch.example/#incident-notify-test-" in body
