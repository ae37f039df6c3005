"""What each vendor's robot would say of a request: its form, limits and signature, checked from its documents.

An independent reading of those: nothing here is taken from :mod:`alerts.notify`. :func:`problems` names what is
wrong, :func:`answer` says it as the vendor does, with HTTP 200 where the vendor does that.
"""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import hmac
import json
import re
import urllib.parse
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft202012Validator

import alerts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SECRET: Final = "SEC-4b1d8c7e90"
TOKEN: Final = "hook-token-a81f6d33"
WRONG: Final = "something is wrong"
NOTIFICATION: Final[dict[str, Any]] = json.loads(
    (Path(alerts.__file__).parent / "schema" / "notification-v1.json").read_text(encoding="utf-8")
)
_TAG: Final = re.compile(r"<(/?)([a-z]+)>")
_ENTITY: Final = re.compile(r"&(?!(?:amp|lt|gt|quot);)")


@dataclass(frozen=True, slots=True)
class Call:
    """A request as a server sees it."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    at_ms: int = 0
    known: dict[str, str] = field(default_factory=dict)


def problems(kind: str, call: Call) -> list[str]:
    """What the vendor would refuse."""
    return [*_CHECKS[kind](call)]


def answer(kind: str, call: Call) -> tuple[int, bytes]:
    """Status and body as the vendor answers."""
    wrong = problems(kind, call)
    return _ANSWERS[kind](call, wrong)


def refusal(kind: str, call: Call) -> tuple[int, bytes]:
    """Status and body as the vendor refuses, repeating what it was asked."""
    return _ANSWERS[kind](call, [WRONG, f"{call.path}?{call.query}"])


def units(text: str) -> int:
    """UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def _json(call: Call) -> dict[str, Any]:
    found = json.loads(call.body.decode("utf-8"))
    assert isinstance(found, dict)
    return found


def _url_problems(url: str) -> Iterator[str]:
    if not re.fullmatch(r"https?://[!-~]+", url) or any(mark in url for mark in "()[]<>|\"'` "):
        yield f"not an address: {url[:80]}"


def _slack(call: Call) -> Iterator[str]:
    body = _json(call)
    (attachment,) = body["attachments"]
    blocks = attachment["blocks"]
    if len(call.body) > 13_000 or not 1 <= len(blocks) <= 50 or not body["text"].strip():
        yield "too large, or without text"
    if not re.fullmatch(r"#[0-9A-F]{6}", attachment["color"]):
        yield "colour"
    for block in blocks:
        yield from _slack_block(block)
    yield from _slack_text(body["text"])


def _slack_block(block: dict[str, Any]) -> Iterator[str]:
    if block["type"] == "image":
        yield from _slack_image(block)
    if block["type"] == "header" and not 1 <= len(block["text"]["text"]) <= 150:
        yield "header"
    for text, limit in ((block.get("text"), 3_000), *((one, 2_000) for one in block.get("fields", ()))):
        if text and text["type"] == "mrkdwn":
            yield from _slack_text(text["text"])
        if text and not 1 <= len(text["text"]) <= limit:
            yield "length of a text"
    if len(block.get("fields", ())) > 10:
        yield "fields"
    buttons = block.get("elements", ())
    if len({button["action_id"] for button in buttons}) != len(buttons):
        yield "action_id"
    for button in buttons:
        yield from _url_problems(button["url"])
        if not 1 <= len(button["text"]["text"]) <= 75 or len(button["url"]) > 3_000:
            yield "button"


def _slack_image(block: dict[str, Any]) -> Iterator[str]:
    yield from _url_problems(block["image_url"])
    if not 1 <= len(block["alt_text"]) <= 2_000 or len(block["image_url"]) > 3_000:
        yield "image"


def _slack_text(text: str) -> Iterator[str]:
    if re.search(r"[<>]", text) or re.search(r"&(?!(?:amp|lt|gt);)", text):
        yield f"markup that is not ours: {text[:80]}"


def _teams(call: Call) -> Iterator[str]:
    body = _json(call)
    # Teams counts after encoding anew, with everything beyond ASCII as \uXXXX.
    if len(json.dumps(body, ensure_ascii=True)) > 28_000 or len(call.body) > 16 * 1024:
        yield "too large"
    (attachment,) = body["attachments"]
    card = attachment["content"]
    if (body["type"], card["type"], card["version"]) != ("message", "AdaptiveCard", "1.4"):
        yield "no card of version 1.4"
    if attachment["contentType"] != "application/vnd.microsoft.card.adaptive":
        yield "contentType"
    known = {"Container", "TextBlock", "FactSet", "Image"}
    for picture in (part for part in card["body"] if part["type"] == "Image"):
        yield from _url_problems(picture["url"])
        if not picture["altText"]:
            yield "a picture without words"
    if not card["body"] or {part["type"] for part in card["body"]} - known or "<at>" in call.body.decode():
        yield "body"
    for action in card["actions"]:
        yield from _url_problems(action["url"])
        if action["type"] != "Action.OpenUrl":
            yield "action"
    if len(card["actions"]) > 6 or urllib.parse.parse_qs(call.query).get("sig") != [TOKEN]:
        yield "actions or signature"


def _discord(call: Call) -> Iterator[str]:
    body = _json(call) if "json" in call.headers["content-type"] else _form(call)
    (embed,) = body["embeds"]
    texts = [embed["title"], embed["description"]]
    for one in embed["fields"]:
        texts += [one["name"], one["value"]]
        if not 1 <= units(one["name"]) <= 256 or not 1 <= units(one["value"]) <= 1024:
            yield "length of a field"
    if units(embed["title"]) > 256 or units(embed["description"]) > 4096 or len(embed["fields"]) > 25:
        yield "length of a text"
    if sum(map(units, texts)) > 6000 or not 0 <= embed["color"] <= 0xFFFFFF:
        yield "all together"
    if body["allowed_mentions"] != {"parse": []} or re.search(r"@(?:everyone|here)", "".join(texts)):
        yield "it pings"
    if call.method == "PATCH" and not re.search(r"/messages/\d+$", call.path):
        yield "path"
    yield from _discord_buttons(call, body["components"])


def _discord_buttons(call: Call, rows: list[dict[str, Any]]) -> Iterator[str]:
    query = urllib.parse.parse_qs(call.query)
    if query.get("wait") != ["true"] or query.get("with_components") != ["true"]:
        yield "query"
    for row in rows:
        if row["type"] != 1 or not 1 <= len(row["components"]) <= 5:
            yield "row"
        for button in row["components"]:
            yield from _url_problems(button["url"])
            if button["style"] != 5 or not 1 <= units(button["label"]) <= 80 or len(button["url"]) > 512:
                yield "button"


def _form(call: Call) -> dict[str, Any]:
    parts = form_parts(call)
    assert parts["files[0]"].startswith(b"\x89PNG")
    found: dict[str, Any] = json.loads(parts["payload_json"])
    assert found["attachments"] == [{"id": 0, "filename": "sparkline.png"}]
    return found


def form_parts(call: Call) -> dict[str, bytes]:
    """The parts of a form by name, read by Python's own parser."""
    head = f"Content-Type: {call.headers['content-type']}\r\n\r\n".encode()
    read = email.message_from_bytes(head + call.body, policy=email.policy.HTTP)
    found = {}
    for part in read.iter_parts():
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found[str(part.get_param("name", header="content-disposition"))] = content
    return found


def _dingtalk(call: Call) -> Iterator[str]:
    body = _json(call)
    kind = body["msgtype"]
    card = body[kind]
    if len(call.body) > 20_000 or kind not in ("markdown", "actionCard") or body["at"] != {"isAtAll": False}:
        yield "too large, or of no kind"
    query = urllib.parse.parse_qs(call.query)
    stamp = query.get("timestamp", ["0"])[0]
    digest = hmac.new(SECRET.encode(), f"{stamp}\n{SECRET}".encode(), hashlib.sha256).digest()
    if query.get("sign") != [base64.b64encode(digest).decode()] or abs(int(stamp) - call.at_ms) > 3_600_000:
        yield "sign not match"
    if query.get("access_token") != [TOKEN]:
        yield "token is not exist"
    pictures = re.findall(r"^!\[\]\((.*)\)$", card["text"], flags=re.MULTILINE)
    for url in pictures:
        yield from _url_problems(url)
    text = re.sub(r"^!\[\]\(.*\)$", "", card["text"], flags=re.MULTILINE)
    if len(pictures) > 1 or "@" in text or re.search(r"<(?!/?font)", text) or "[" in text:
        yield "markup that is not ours"
    for button in card.get("btns", ()):
        yield from _url_problems(button["actionURL"])
        if not button["title"]:
            yield "button"


def _feishu(call: Call) -> Iterator[str]:
    body = _json(call)
    key = f"{body['timestamp']}\n{SECRET}".encode()
    if body["sign"] != base64.b64encode(hmac.new(key, digestmod=hashlib.sha256).digest()).decode():
        yield "sign match fail"
    if abs(int(body["timestamp"]) * 1000 - call.at_ms) > 3_600_000:
        yield "timestamp is not within one hour"
    if len(call.body) > 20 * 1024 or body["msg_type"] != "interactive":
        yield "too large"
    card = body["card"]
    templates = {
        "blue",
        "wathet",
        "turquoise",
        "green",
        "yellow",
        "orange",
        "red",
        "carmine",
        "violet",
        "grey",
    }
    if card["header"]["template"] not in templates or card["header"]["title"]["tag"] != "plain_text":
        yield "header"
    for text in _texts(card):
        if re.search(r"[<>]|\]\(", text):
            yield f"markup that is not ours: {text[:80]}"
    for element in card["elements"]:
        for button in element.get("actions", ()):
            yield from _url_problems(button["url"])


def _texts(node: object) -> Iterator[str]:
    """Every text of Feishu's Markdown within."""
    if isinstance(node, dict):
        if node.get("tag") == "lark_md":
            yield node["content"]
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)


def _wecom(call: Call) -> Iterator[str]:
    body = _json(call)
    content = body["markdown"]["content"]
    if body["msgtype"] != "markdown" or not 1 <= len(content.encode()) <= 4096:
        yield f"markdown content of {len(content.encode())} bytes"
    if "<@" in content or "@" in re.sub(r"\(https?://[^)]*\)", "", content):
        yield "it pings"
    if re.search(r'<(?!/?font(?: color="(?:info|comment|warning)")?>)', content):
        yield "markup that is not ours"
    for url in re.findall(r"\]\(([^)]*)\)", content):
        yield from _url_problems(url)
    if urllib.parse.parse_qs(call.query).get("key") != [TOKEN]:
        yield "key"


def _telegram(call: Call) -> Iterator[str]:
    if "json" in call.headers["content-type"]:
        body = _json(call)
    else:
        parts = form_parts(call)
        assert parts.pop("photo").startswith(b"\x89PNG")
        body = {name: value.decode() for name, value in parts.items()}
        body["reply_markup"] = json.loads(body["reply_markup"])
    method = call.path.removeprefix(f"/bot{TOKEN}/")
    known = {"sendMessage": 4096, "editMessageText": 4096, "sendPhoto": 1024, "editMessageCaption": 1024}
    text = body["text" if method in ("sendMessage", "editMessageText") else "caption"]
    if method not in known or not 1 <= units(_without_html(text)) <= known[method]:
        yield "message is too long"
    if re.search(r"@\w", text) or _ENTITY.search(text) or not _balanced(text) or body["parse_mode"] != "HTML":
        yield "can't parse entities"
    if body["chat_id"] != "-100200":
        yield "chat not found"
    for row in body["reply_markup"]["inline_keyboard"]:
        for button in row:
            yield from _url_problems(button["url"])
            if not button["text"]:
                yield "text buttons are unallowed"


def _without_html(text: str) -> str:
    plain = _TAG.sub("", text)
    for entity, mark in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        plain = plain.replace(entity, mark)
    return plain


def _balanced(text: str) -> bool:
    opened: list[str] = []
    for closes, name in _TAG.findall(text):
        if closes and (not opened or opened.pop() != name):
            return False
        if not closes:
            opened.append(name)
    return not opened and "<" not in _TAG.sub("", text)


def _pagerduty(call: Call) -> Iterator[str]:
    body = _json(call)
    payload = body["payload"]
    if len(call.body) > 512 * 1024 or body["routing_key"] != SECRET:
        yield "too large, or no key"
    if not 1 <= len(payload["summary"]) <= 1024 or not payload["source"]:
        yield "summary or source"
    datetime.fromisoformat(payload["timestamp"])
    for link in body["links"]:
        yield from _url_problems(link["href"])
        if "sig=" in link["href"]:
            yield "a link that does something"
    if call.path == "/v2/change/enqueue":
        return
    if call.path != "/v2/enqueue" or body["event_action"] not in ("trigger", "acknowledge", "resolve"):
        yield "action"
    if not 1 <= len(body["dedup_key"]) <= 255:
        yield "dedup_key"
    if payload["severity"] not in ("critical", "error", "warning", "info"):
        yield "severity"


def _alertmanager(call: Call) -> Iterator[str]:
    found = json.loads(call.body)
    if call.path != "/api/v2/alerts" or not found:
        yield "path"
    if call.headers.get("authorization") != f"Bearer {SECRET}":
        yield "authorization"
    for alert in found:
        if not alert["labels"]["alertname"] or not all(alert["labels"].values()):
            yield "labels"
        if datetime.fromisoformat(alert["startsAt"]) > datetime.fromisoformat(alert["endsAt"]):
            yield "start time must be before end time"


def _webhook(call: Call) -> Iterator[str]:
    errors = Draft202012Validator(NOTIFICATION).iter_errors(_json(call))
    yield from (error.message for error in errors)
    stamp = call.headers["x-funnelwatch-timestamp"]
    mac = hmac.new(SECRET.encode(), f"{stamp}.".encode() + call.body, hashlib.sha256).hexdigest()
    if call.headers["x-funnelwatch-signature"] != f"sha256={mac}":
        yield "signature"
    if call.headers["x-funnelwatch-delivery"] != _json(call)["delivery_id"]:
        yield "delivery"


_CHECKS: Final[dict[str, Callable[[Call], Iterator[str]]]] = {
    "slack": _slack,
    "teams": _teams,
    "discord": _discord,
    "dingtalk": _dingtalk,
    "feishu": _feishu,
    "wecom": _wecom,
    "telegram": _telegram,
    "pagerduty": _pagerduty,
    "alertmanager": _alertmanager,
    "webhook": _webhook,
}


def _said(status: int, body: object) -> tuple[int, bytes]:
    return status, json.dumps(body).encode()


_ANSWERS: Final[dict[str, Callable[[Call, list[str]], tuple[int, bytes]]]] = {
    "slack": lambda _, wrong: (400, b"invalid_blocks") if wrong else (200, b"ok"),
    "teams": lambda _, wrong: (400, b"") if wrong else (202, b""),
    "discord": lambda _, wrong: _said(400, {"code": 50035}) if wrong else _said(200, {"id": "77"}),
    "dingtalk": lambda _, wrong: _said(
        200, {"errcode": 310000 if wrong else 0, "errmsg": ";".join(wrong) or "ok"}
    ),
    "feishu": lambda _, wrong: _said(
        200, {"code": 19021 if wrong else 0, "msg": ";".join(wrong) or "success"}
    ),
    "wecom": lambda _, wrong: _said(
        200, {"errcode": 40058 if wrong else 0, "errmsg": ";".join(wrong) or "ok"}
    ),
    "telegram": lambda call, wrong: (
        _said(400, {"ok": False, "error_code": 400, "description": f"Bad Request: {wrong}"})
        if wrong
        else _said(200, {"ok": True, "result": {"message_id": 7} | _photo(call)})
    ),
    "pagerduty": lambda _, wrong: (
        _said(400, {"status": "invalid event", "errors": wrong})
        if wrong
        else _said(202, {"status": "success"})
    ),
    "alertmanager": lambda _, wrong: (400, b"bad") if wrong else (200, b""),
    "webhook": lambda _, wrong: (422, b"bad") if wrong else (204, b""),
}


def _photo(call: Call) -> dict[str, Any]:
    return {"photo": []} if call.path.endswith("sendPhoto") else {}
