"""What every channel must do, whichever it is: each registered one is taken through all of it, over real HTTP."""

from __future__ import annotations

import logging
import pickle
from dataclasses import replace

import pytest

from alerts.links import PATH, LinkSettings
from alerts.notify.base import Outcome, Sending, Verdict, Why
from alerts.notify.registry import channel_of
from alerts.notify.secrets import Secret
from alerts.notify.sending import Patience
from tests.support.bots import bot, never_ends, raw_bot, resets, says_nothing
from tests.support.channels import ALL_SECRETS, HTTP_KINDS, NOW_MS, call_of, carrier, plan
from tests.support.deliveries import incident
from tests.support.messages import ACK_SIGNATURE, every_message, hostile, message
from tests.support.processes import free_ports
from tests.support.telling import Office, plan_of
from tests.support.vendors import WRONG, answer, problems, refusal

MESSAGES = every_message()
# These are believed only if the body says so.
BY_ADDRESS = frozenset({"slack", "teams", "dingtalk"})
BODY_DECIDES = frozenset({"slack", "discord", "dingtalk", "feishu", "wecom", "telegram", "pagerduty"})
# These say what is wrong; the others have a word or a number for it.
SAYS_WHY = frozenset({"dingtalk", "feishu", "wecom", "telegram", "pagerduty"})
STATUSES = {
    301: (Verdict.REFUSED, Why.REDIRECTED),
    400: (Verdict.REFUSED, Why.BAD_REQUEST),
    401: (Verdict.REFUSED, Why.UNAUTHORIZED),
    403: (Verdict.REFUSED, Why.UNAUTHORIZED),
    404: (Verdict.REFUSED, Why.NOT_FOUND),
    408: (Verdict.RETRY, Why.SERVER_ERROR),
    410: (Verdict.REFUSED, Why.NOT_FOUND),
    413: (Verdict.REFUSED, Why.TOO_LARGE),
    429: (Verdict.RETRY, Why.RATE_LIMITED),
    500: (Verdict.RETRY, Why.SERVER_ERROR),
    503: (Verdict.RETRY, Why.SERVER_ERROR),
}


@pytest.fixture(params=HTTP_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Every channel that speaks HTTP."""
    found: str = request.param
    return found


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_is_what_the_vendor_takes(kind: str, name: str) -> None:
    """Form, signature and limits, however long and hostile the words; nothing in them pings."""
    assert problems(kind, call_of(kind, MESSAGES[name])) == []


def test_a_picture_is_fetched_by_those_who_take_an_address(kind: str) -> None:
    """Where there is one it stands in the message, made safe; the others send nothing of it."""
    linked = MESSAGES["linked picture"]
    assert linked.picture is not None
    assert (linked.picture.url.encode() in call_of(kind, linked).body) is (kind in BY_ADDRESS)
    hostile_body = call_of(kind, MESSAGES["hostile linked"]).body
    assert (b"/sparkline.png" in hostile_body) is (kind in BY_ADDRESS)


def test_a_request_is_within_the_limit_it_states(kind: str) -> None:
    """What is attached does not count."""
    traits = channel_of(plan(kind)).traits
    sizes = [len(call_of(kind, one).body) for one in MESSAGES.values() if one.sparkline is None]
    assert max(sizes) <= traits.max_bytes + 200
    assert traits.rates


async def test_the_vendor_takes_it(kind: str) -> None:
    """Over real HTTP, the hostile one as well as the usual."""
    async with bot(lambda call: answer(kind, call), NOW_MS) as server, carrier(kind, server.url) as channel:
        outcomes = [await channel.deliver(one) for one in (message(), hostile(), MESSAGES["picture"])]
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DELIVERED] * 3
    assert [outcome.why for outcome in outcomes] == [Why.ACCEPTED] * 3


@pytest.mark.parametrize("status", STATUSES)
async def test_statuses(kind: str, status: int) -> None:
    """A status means the same for all of them."""
    headers = {"Location": "http://127.0.0.1:1/"}
    async with bot(lambda _: (status, b"", headers)) as server, carrier(kind, server.url) as channel:
        outcome = await channel.deliver(message())
    assert (outcome.verdict, outcome.why) == STATUSES[status]


@pytest.mark.parametrize(
    ("header", "after_ms"),
    [("7", 7_000), ("Sun, 09 Nov 2025 12:00:35 GMT", 30_000), ("never", None), ("-3", None)],
    ids=["seconds", "date", "word", "negative"],
)
async def test_retry_after(kind: str, header: str, after_ms: int | None) -> None:
    """Seconds or a date; nonsense leaves it to the sender."""
    async with (
        bot(lambda _: (429, b"", {"Retry-After": header})) as server,
        carrier(kind, server.url) as channel,
    ):
        outcome = await channel.deliver(message())
    assert (outcome.why, outcome.retry_after_ms) == (Why.RATE_LIMITED, after_ms)


async def test_a_page_instead_of_an_answer(kind: str) -> None:
    """A proxy's login page with status 200 is no delivery where the body decides."""
    async with bot(lambda _: (200, b"<html>login</html>")) as server, carrier(kind, server.url) as channel:
        outcome = await channel.deliver(message())
    assert outcome.delivered == (kind not in BODY_DECIDES)
    if kind in BODY_DECIDES:
        assert (outcome.verdict, outcome.why) == (Verdict.RETRY, Why.ANSWER_UNREADABLE)


async def test_a_refusal_in_its_own_words(kind: str) -> None:
    """As the vendor refuses, with HTTP 200 where it does that; its words are kept, the secrets are not."""
    async with bot(lambda call: refusal(kind, call), NOW_MS) as server, carrier(kind, server.url) as channel:
        outcome = await channel.deliver(message())
    assert outcome.verdict is Verdict.REFUSED
    assert (WRONG in outcome.answer) == (kind in SAYS_WHY)
    assert [secret for secret in ALL_SECRETS if secret in outcome.answer] == []


async def test_a_redirect_is_not_followed(kind: str) -> None:
    """Not to the inside nor anywhere else."""
    async with bot(lambda _: (200, b"ok")) as inside:
        there = {"Location": inside.url}
        async with bot(lambda _: (307, b"", there)) as server, carrier(kind, server.url) as channel:
            outcome = await channel.deliver(message())
        assert (outcome.why, inside.calls, len(server.calls)) == (Why.REDIRECTED, [], 1)


async def test_an_answer_without_end(kind: str) -> None:
    """It is read up to the cap; where the body decides, it decides nothing."""
    async with raw_bot(never_ends) as server, carrier(kind, server.url) as channel:
        outcome = await channel.deliver(message())
    assert outcome.delivered == (kind not in BODY_DECIDES)
    assert outcome.why is (Why.ANSWER_TOO_LARGE if kind in BODY_DECIDES else Why.ACCEPTED)
    assert len(outcome.answer) <= 300


async def test_silence_ends_in_time(kind: str) -> None:
    """Who says nothing is given up on, and tried again."""
    patience = Patience(total_ms=100)
    async with raw_bot(says_nothing) as server, carrier(kind, server.url, patience) as channel:
        outcome = await channel.deliver(message())
    assert (outcome.verdict, outcome.why) == (Verdict.RETRY, Why.TIMEOUT)


async def test_hanging_up_in_the_middle(kind: str) -> None:
    """It may have been taken or not: it is tried again."""
    async with raw_bot(resets) as server, carrier(kind, server.url) as channel:
        outcome = await channel.deliver(message())
    assert (outcome.verdict, outcome.why) == (Verdict.RETRY, Why.CONNECTION_LOST)


async def test_nobody_there(kind: str) -> None:
    """It is tried again."""
    (port,) = free_ports(1)
    async with carrier(kind, f"http://127.0.0.1:{port}") as channel:
        outcome = await channel.deliver(message())
    assert (outcome.verdict, outcome.why) == (Verdict.RETRY, Why.UNREACHABLE)


async def test_no_secret_is_shown(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not in logs, outcomes or reprs, though the robot throws everything back at us, at whatever status."""
    caplog.set_level(logging.DEBUG)
    shown: list[object] = [plan(kind), channel_of(plan(kind)), message()]
    for status in (200, 400, 429, 500):

        def echo(call_seen: object, status: int = status) -> tuple[int, bytes]:
            return status, _echo(call_seen)

        async with bot(echo) as server, carrier(kind, server.url) as channel:
            shown += [await channel.deliver(message()), channel]
    request = channel_of(plan(kind)).request(message(), Sending(NOW_MS))
    shown += [request, request.url, dict(request.headers)]
    text = " ".join([*(f"{one!r} {one}" for one in shown), caplog.text])
    assert [secret for secret in ALL_SECRETS if secret in text] == []


async def test_no_secret_is_shown_when_nothing_answers(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """The client's errors name addresses; none of them comes out."""
    caplog.set_level(logging.DEBUG)
    (port,) = free_ports(1)
    async with carrier(kind, f"http://127.0.0.1:{port}") as channel:
        refused = await channel.deliver(message())
    async with carrier(kind, "ftp://127.0.0.1") as channel:
        wrong = await channel.deliver(message())
    assert wrong.why is Why.ADDRESS_FORBIDDEN
    assert [secret for secret in ALL_SECRETS if secret in f"{refused!r} {wrong!r} {caplog.text}"] == []


async def test_no_secret_is_buried_or_counted(kind: str) -> None:
    """What is refused for good goes to the dead letters, whole; neither they nor metrics nor the ledger name one."""
    async with bot(lambda call: (400, _echo(call))) as server:
        signed = LinkSettings("https://shop.example", (Secret(ACK_SIGNATURE),))
        async with Office(replace(plan_of(plan(kind, server.url)), links=signed)) as office:
            await office.turn(incident())
            (letter,) = office.mailbox.dead
            shown = f"{letter} {office.mailbox.told} {office.metrics()}"
    assert "home.top.1" in shown
    assert [secret for secret in (*ALL_SECRETS, PATH) if secret in shown] == []


def test_no_secret_is_pickled(kind: str) -> None:
    """A channel cannot be pickled: what holds it is no state."""
    with pytest.raises(TypeError):
        pickle.dumps(plan(kind))


def test_the_same_words_are_the_same_request(kind: str) -> None:
    """Nothing is left to chance: an attempt can be told from its like by nothing."""
    channel = channel_of(plan(kind))
    first, second = (channel.request(hostile(), Sending(NOW_MS)) for _ in range(2))
    assert (first.body, first.url, first.headers) == (second.body, second.url, second.headers)


def _echo(call: object) -> bytes:
    """Everything that was sent, as a page and as JSON's escapes would have it."""
    return f"{call}".encode()


def test_outcomes_are_plain() -> None:
    """What became of a message may be written to a topic: words and numbers only."""
    assert Outcome(Verdict.RETRY, Why.TIMEOUT) == Outcome(Verdict("retry"), Why("timeout"), None, None, "")
