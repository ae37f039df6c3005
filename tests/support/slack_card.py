"""A message as Slack shows it: the blocks of its body as a page. Only what our messages are made of.

An own reading of Block Kit's documents, for pictures: an attachment's colour is the bar at its side, a header is
bold, fields stand in two columns, ``*text*`` is bold. Refuses a block that it does not know.
"""

from __future__ import annotations

import html
import re
from typing import Any, Final

_STYLE: Final = """
body { margin: 0; padding: 20px 24px; width: 712px; background: #fff; color: #1d1c1d; font: 15px/1.46 Lato, "Noto Sans", sans-serif; }
.who { display: flex; gap: 10px; align-items: baseline; margin-left: 46px; }
.who b { font-weight: 900; } .who i { font: 700 10px sans-serif; background: #ddd; padding: 1px 3px; border-radius: 2px; color: #555; }
.icon { position: absolute; width: 36px; height: 36px; border-radius: 6px; background: #0a57c2; }
.icon::after { content: ""; position: absolute; left: 9px; top: 9px; border: 9px solid transparent; border-top: 16px solid #fff; border-bottom: 0; }
.card { margin: 8px 0 0 46px; padding: 2px 0 2px 12px; border-left: 4px solid var(--bar); border-radius: 3px; }
h1 { font-size: 18px; line-height: 1.3; margin: 0 0 8px; }
p { margin: 0 0 10px; white-space: pre-line; }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 16px; margin-bottom: 10px; }
.fields p { margin: 0; font-size: 14px; }
.button { display: inline-block; border: 1px solid #bbb; border-radius: 4px; padding: 5px 12px; margin: 0 8px 4px 0; font-weight: 700; font-size: 13px; }
.primary { background: #007a5a; border-color: #007a5a; color: #fff; }
"""


def page_of(body: dict[str, Any]) -> str:
    """HTML of the body of a webhook's call."""
    (attachment,) = body["attachments"]
    blocks = "".join(map(_block, attachment["blocks"]))
    who = '<div class="icon"></div><div class="who"><b>Funnelwatch</b> <i>APP</i></div>'
    card = f'<div class="card">{blocks}</div>'
    style = f"<style>:root {{ --bar: {attachment['color']}; }}{_STYLE}</style>"
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Slack</title>{style}{who}{card}'


def _block(block: dict[str, Any]) -> str:
    kind = block["type"]
    if kind == "header":
        return f"<h1>{html.escape(block['text']['text'])}</h1>"
    if kind == "actions":
        return "".join(map(_button, block["elements"]))
    assert kind == "section", kind
    if "text" in block:
        return f"<p>{_marked(block['text']['text'])}</p>"
    fields = "".join(f"<p>{_marked(one['text'])}</p>" for one in block["fields"])
    return f'<div class="fields">{fields}</div>'


def _button(button: dict[str, Any]) -> str:
    return f'<span class="button {button.get("style", "")}">{html.escape(button["text"]["text"])}</span>'


def _marked(text: str) -> str:
    """Slack's markup: brackets come escaped, as HTML wants them."""
    return re.sub(r"(?m)^\*(.+?)\*$", r"<b>\1</b>", text)
