"""Secrets: where they come from, and that they do not come out."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING

import pytest

from alerts.notify.secrets import MASK, Secret, read_secret, scrub
from streams.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

URL = Secret("https://user:pa55word@bot.example/hooks/T0123456?key=abc%2Fdefgh")


def read(base: Path, env: str | None = None, file: str | None = None, **environ: str) -> Secret | None:
    """As a channel's address is read."""
    return read_secret("notify.channels.ops.url", env=env, file=file, environ=environ, base=base)


def test_a_secret_shows_nothing() -> None:
    """Neither printed, nor formatted, pickled or encoded; only when it is asked to."""
    assert f"{URL} {URL!r} {[URL]}" == f"{MASK} Secret({MASK}) [Secret({MASK})]"
    with pytest.raises(TypeError):
        pickle.dumps(URL)
    with pytest.raises(TypeError):
        json.dumps(URL)
    assert (Secret(URL.reveal()) == URL, Secret("x") == URL, URL == "x") == (True, False, False)
    assert len({URL, Secret(URL.reveal())}) == 1


def test_from_a_variable_or_a_file(tmp_path: Path) -> None:
    """Without the line feed that editors leave; None where nothing is named."""
    (tmp_path / "url").write_text("https://a.example/1\n", encoding="utf-8")
    assert read(tmp_path) is None
    assert read(tmp_path, file="url") == Secret("https://a.example/1")
    assert read(tmp_path, env="URL", URL=" https://a.example/2 ") == Secret("https://a.example/2")


@pytest.mark.parametrize("content", [b"", b" \n", b"a\nb", b"\xff", b"a" * 20_000, None])
def test_what_is_no_secret(tmp_path: Path, content: bytes | None) -> None:
    """Empty, of several lines, no text, too long, not there: refused, and not shown."""
    if content is not None:
        (tmp_path / "url").write_bytes(content)
    with pytest.raises(ConfigError) as refusal:
        read(tmp_path, file="url")
    assert refusal.value.field == "notify.channels.ops.url_file"
    assert "aaa" not in str(refusal.value)


def test_one_place_only(tmp_path: Path) -> None:
    """Which of two is meant is nobody's guess; a variable that is not set is named."""
    with pytest.raises(ConfigError, match="give one of them"):
        read(tmp_path, env="URL", file="url")
    with pytest.raises(ConfigError, match="variable URL"):
        read(tmp_path, env="URL")


@pytest.mark.parametrize(
    "text",
    [
        URL.reveal(),
        "no such hook T0123456",
        "key abc%2Fdefgh",
        "key abc/defgh",
        "https%3A%2F%2Fuser%3Apa55word%40bot.example%2Fhooks%2FT0123456%3Fkey%3Dabc%252Fdefgh",
        "auth pa55word failed",
        "/hooks/T0123456",
    ],
)
def test_parts_of_an_address_are_masked(text: str) -> None:
    """Whole, in part, encoded and decoded."""
    masked = scrub(text, [URL])
    assert MASK in masked
    assert [part for part in ("T0123456", "defgh", "pa55word") if part in masked] == []


def test_innocent_words_stay() -> None:
    """What has nothing of a secret is left as it is, also where a secret is empty."""
    assert scrub("errcode 310000 hooks", [URL, Secret("")]) == "errcode 310000 hooks"
