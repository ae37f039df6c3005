"""What is particular to each vendor: signatures, words of refusal, edits, keys. Bodies are the vendors' own."""

from __future__ import annotations

from typing import Any, Final

import orjson
import pytest

from alerts.message import MessageState
from alerts.model import Severity
from alerts.notify.base import Channel, Response, Sending, Verdict, Why
from alerts.notify.dingtalk import DingTalk, signed
from alerts.notify.discord import Discord
from alerts.notify.feishu import Feishu, signature
from alerts.notify.multipart import Part, form
from alerts.notify.pagerduty import PagerDuty, dedup_key
from alerts.notify.secrets import Secret
from alerts.notify.slack import Slack
from alerts.notify.telegram import Telegram
from alerts.notify.webhook import FRESH_MS, verify
from alerts.notify.webhook import signature as webhook_signature
from alerts.notify.wecom import WeCom
from tests.support.channels import call_of
from tests.support.messages import hostile, message

URL: Final = Secret("https://bot.example/hook")
CHANNELS: Final[dict[str, Channel]] = {
    "slack": Slack(URL),
    "discord": Discord(URL),
    "dingtalk": DingTalk(URL),
    "feishu": Feishu(URL),
    "wecom": WeCom(URL),
    "telegram": Telegram(Secret("t"), "1"),
    "pagerduty": PagerDuty(Secret("k")),
}
NO, LATER, YES = Verdict.REFUSED, Verdict.RETRY, Verdict.DELIVERED
# Channel, status, body; verdict, reason, ms to wait.
ANSWERS: Final = [
    ("slack", 200, "ok", YES, Why.ACCEPTED, None),
    ("slack", 404, "no_service", NO, Why.NOT_FOUND, None),
    ("slack", 403, "action_prohibited", NO, Why.UNAUTHORIZED, None),
    ("slack", 400, "invalid_blocks", NO, Why.BAD_REQUEST, None),
    ("discord", 429, '{"message":"limited","retry_after":0.65,"global":false}', LATER, Why.RATE_LIMITED, 650),
    ("discord", 404, '{"message":"Unknown Webhook","code":10015}', NO, Why.NOT_FOUND, None),
    ("discord", 404, '{"message":"Unknown Message","code":10008}', NO, Why.MESSAGE_GONE, None),
    ("dingtalk", 200, '{"errcode":0,"errmsg":"ok"}', YES, Why.ACCEPTED, None),
    ("dingtalk", 200, '{"errcode":130101,"errmsg":"send too fast"}', LATER, Why.RATE_LIMITED, 600_000),
    ("dingtalk", 200, '{"errcode":310000,"errmsg":"sign not match"}', NO, Why.SIGNATURE, None),
    ("dingtalk", 200, '{"errcode":310000,"errmsg":"keywords not in content"}', NO, Why.KEYWORD_MISSING, None),
    (
        "dingtalk",
        200,
        '{"errcode":310000,"errmsg":"ip 1.2.3.4 not in whitelist"}',
        NO,
        Why.IP_NOT_ALLOWED,
        None,
    ),
    ("dingtalk", 200, '{"errcode":-1,"errmsg":"busy"}', LATER, Why.SERVER_ERROR, 5_000),
    ("dingtalk", 200, '{"errcode":true}', LATER, Why.ANSWER_UNREADABLE, None),
    ("dingtalk", 200, '{"errcode":987654}', NO, Why.OTHER, None),
    ("feishu", 200, '{"code":0,"msg":"success","data":{}}', YES, Why.ACCEPTED, None),
    ("feishu", 200, '{"StatusCode":0,"StatusMessage":"success"}', YES, Why.ACCEPTED, None),
    ("feishu", 200, '{"code":19021,"msg":"sign match fail"}', NO, Why.SIGNATURE, None),
    ("feishu", 200, '{"code":19022,"msg":"Ip Not Allowed"}', NO, Why.IP_NOT_ALLOWED, None),
    ("feishu", 200, '{"code":19024,"msg":"Key Words Not Found"}', NO, Why.KEYWORD_MISSING, None),
    ("feishu", 200, '{"code":9499,"msg":"Bad Request"}', NO, Why.BAD_REQUEST, None),
    ("feishu", 200, '{"code":11232,"msg":"frequency limited"}', LATER, Why.RATE_LIMITED, 60_000),
    ("wecom", 200, '{"errcode":0,"errmsg":"ok"}', YES, Why.ACCEPTED, None),
    ("wecom", 200, '{"errcode":45009,"errmsg":"api freq out of limit"}', LATER, Why.RATE_LIMITED, 60_000),
    ("wecom", 200, '{"errcode":93000,"errmsg":"invalid webhook url"}', NO, Why.NOT_FOUND, None),
    ("wecom", 200, '{"errcode":40058,"errmsg":"exceed max length 4096"}', NO, Why.BAD_REQUEST, None),
    ("telegram", 200, '{"ok":true,"result":{"message_id":7}}', YES, Why.ACCEPTED, None),
    ("telegram", 429, '{"ok":false,"parameters":{"retry_after":35}}', LATER, Why.RATE_LIMITED, 35_000),
    ("telegram", 401, '{"ok":false,"description":"Unauthorized"}', NO, Why.UNAUTHORIZED, None),
    ("telegram", 400, '{"ok":false,"description":"Bad Request: chat not found"}', NO, Why.NOT_FOUND, None),
    ("telegram", 400, '{"ok":false,"description":"message is not modified: x"}', YES, Why.UNCHANGED, None),
    ("telegram", 400, '{"ok":false,"description":"message to edit not found"}', NO, Why.MESSAGE_GONE, None),
    ("telegram", 200, '{"ok":false,"description":"?"}', NO, Why.OTHER, None),
    ("pagerduty", 202, '{"status":"success","dedup_key":"x"}', YES, Why.ACCEPTED, None),
    ("pagerduty", 400, '{"status":"invalid event","errors":["x"]}', NO, Why.BAD_REQUEST, None),
    ("pagerduty", 429, "", LATER, Why.RATE_LIMITED, None),
]


@pytest.mark.parametrize(("kind", "status", "body", "verdict", "why", "after_ms"), ANSWERS)
def test_answers(kind: str, status: int, body: str, verdict: Verdict, why: Why, after_ms: int | None) -> None:
    """Each vendor's own words, of success and of refusal."""
    outcome = CHANNELS[kind].judge(Response(status, body=body.encode()))
    assert (outcome.verdict, outcome.why, outcome.retry_after_ms) == (verdict, why, after_ms)


def test_the_signature_of_dingtalk() -> None:
    """As ``openssl dgst -sha256 -hmac SECabc`` reckons it, percent-encoded."""
    url = signed(Secret("https://oapi.example/send?access_token=x"), Secret("SECabc"), 1_577_262_236_757)
    sign = "I5TKCOTTj6fad4sJ4q9RsIffw0PAChVQZQGTdtRbNEQ%3D"
    wanted = f"https://oapi.example/send?access_token=x&timestamp=1577262236757&sign={sign}"
    assert url.reveal() == wanted


def test_the_signature_of_feishu() -> None:
    """As ``openssl dgst`` reckons it of nothing, time and secret being the key."""
    assert signature(Secret("sec"), 1_599_360_473) == "3z0brDRut3Cc2hyOIFoi6JwTNci+/xxAJmhEcPOGYiE="


def test_the_signature_of_a_webhook() -> None:
    """As ``openssl dgst`` reckons it; old and changed requests are not believed."""
    secret, body, at_ms = Secret("k3y"), b'{"a":1}', 1_762_689_605_000
    given = webhook_signature(secret, at_ms, body)
    assert given == "sha256=c66ae5cdd50d12b044aa7359512c0d8d76337f12ca6be68c7c5025dc40422634"
    assert verify(secret, str(at_ms), body, given, at_ms + FRESH_MS)
    assert not verify(secret, str(at_ms), body, given, at_ms + FRESH_MS + 1)
    assert not verify(secret, str(at_ms + 1), body, given, at_ms)
    assert not verify(secret, str(at_ms), b"{}", given, at_ms)
    assert not verify(secret, "²", body, given, at_ms)


def test_robots_that_go_by_keyword_find_it() -> None:
    """However little else fits."""
    for channel in (DingTalk(URL, keyword="告警"), Feishu(URL, keyword="告警")):
        assert "告警" in channel.request(hostile(), Sending(0)).body.decode()


def test_unsigned_robots() -> None:
    """Whoever goes by keyword or address sends no signature."""
    assert DingTalk(URL).request(message(), Sending(5)).url == URL
    assert b"sign" not in Feishu(URL).request(message(links=()), Sending(5)).body


def test_discord_edits_in_place() -> None:
    """The message by its id, the thread and the rest of the address kept."""
    request = Discord(Secret("https://d.example/api/webhooks/1/t?thread_id=9")).request(
        message(), Sending(0, "7")
    )
    wanted = "https://d.example/api/webhooks/1/t/messages/7?thread_id=9&wait=true&with_components=true"
    assert (request.method, request.url.reveal()) == ("PATCH", wanted)


@pytest.mark.parametrize(
    ("handle", "method", "key"), [("7", "editMessageText", "text"), ("p7", "editMessageCaption", "caption")]
)
def test_telegram_edits_in_place(handle: str, method: str, key: str) -> None:
    """The text, or the caption where it was a picture."""
    call = call_of("telegram", message(), handle)
    body = orjson.loads(call.body)
    assert (call.path.rsplit("/", 1)[1], body["message_id"], key in body) == (method, 7, True)


def test_telegram_tells_pictures_from_texts() -> None:
    """By the handle, since they are edited differently."""
    judge = CHANNELS["telegram"].judge
    text = judge(Response(200, body=b'{"ok":true,"result":{"message_id":7}}'))
    picture = judge(Response(200, body=b'{"ok":true,"result":{"message_id":7,"photo":[]}}'))
    assert (text.handle, picture.handle) == ("7", "p7")


@pytest.mark.parametrize(
    ("state", "action"),
    [
        (MessageState.OPENED, "trigger"),
        (MessageState.WORSE, "trigger"),
        (MessageState.ACKNOWLEDGED, "acknowledge"),
        (MessageState.RESOLVED, "resolve"),
    ],
)
def test_pagerduty_knows_the_incident_by_its_key(state: MessageState, action: str) -> None:
    """The same key all its life; only what is to be done changes."""
    body = orjson.loads(call_of("pagerduty", message(state=state)).body)
    assert (body["event_action"], body["dedup_key"]) == (action, message().incident_id)


def test_a_digest_pages_nobody() -> None:
    """It is a change event."""
    call = call_of("pagerduty", message(state=MessageState.DIGEST))
    assert call.path == "/v2/change/enqueue"
    assert "event_action" not in orjson.loads(call.body)


def test_long_keys_are_digested() -> None:
    """To what PagerDuty takes, the same each time."""
    some = message(incident_id="i" * 300)
    assert len(dedup_key(some)) == 64
    assert dedup_key(some) == dedup_key(some)


def alerts_of(**fields: Any) -> list[dict[str, Any]]:
    """What Alertmanager gets."""
    found: list[dict[str, Any]] = orjson.loads(call_of("alertmanager", message(**fields)).body)
    return found


def test_an_open_alert_ends_by_itself() -> None:
    """Four minutes after it was last sent, so that three sendings may be lost."""
    (alert,) = alerts_of()
    assert alert["startsAt"] == "2025-11-09T11:59:00.000Z"
    assert alert["endsAt"] == "2025-11-09T12:04:05.000Z"
    assert alert["annotations"]["dashboard_url"].startswith("https://grafana.example")
    assert "sig=" not in orjson.dumps(alert).decode()


def test_another_severity_ends_the_former() -> None:
    """Or the former alert would ring on beside it."""
    from msgspec.structs import replace  # noqa: PLC0415 - used here only

    worse = replace(message().incidents[0], revision=2, severity=Severity.WARNING)
    ends = {one["labels"]["severity"]: one["endsAt"] for one in alerts_of(incidents=(worse,))}
    assert ends == {
        "warning": "2025-11-09T12:04:05.000Z",
        "critical": "2025-11-09T12:00:05.000Z",
        "info": "2025-11-09T12:00:05.000Z",
    }


def test_a_form_is_the_same_each_time() -> None:
    """And its boundary is in none of its parts."""
    parts = [Part("a", b"1", "text/plain"), Part("f", b"\x00\r\n--", "image/png", "x.png")]
    body, content_type = form(parts)
    assert (body, content_type) == form(parts)
    assert body.count(content_type.split("=")[1].encode()) == 3
