"""Templates from a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alerts.content.templates import Templates
from alerts.template_files import read_templates
from streams.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def test_texts_by_name(tmp_path: Path) -> None:
    """Also with the mark that some editors put first; what is no text file is left alone."""
    (tmp_path / "opened.txt").write_bytes(b"\xef\xbb\xbf$title")
    (tmp_path / "default.zh.txt").write_text("事件 $title", encoding="utf-8")
    (tmp_path / "README.md").write_text("$$$")
    assert read_templates(tmp_path) == Templates({"opened.txt": "$title", "default.zh.txt": "事件 $title"})


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("opened.txt", b"\xff\xfe", r"opened\.txt: must be a text in UTF-8"),
        ("opened.txt", b"x" * 20_000, "16384 bytes"),
        ("strange.txt", b"x", r"strange\.txt: must be named"),
        ("opened.txt", b"$odd", r"opened\.txt, line 1: names \$odd"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """By the name of the file."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        read_templates(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """Or that holds far too many."""
    with pytest.raises(ConfigError, match="folder that is there"):
        read_templates(tmp_path / "nowhere")
    for number in range(101):
        (tmp_path / f"{number}.txt").touch()
    with pytest.raises(ConfigError, match="at most 100"):
        read_templates(tmp_path)


def test_a_folder_named_like_a_text(tmp_path: Path) -> None:
    """It cannot be read, and is said so."""
    (tmp_path / "opened.txt").mkdir()
    with pytest.raises(ConfigError, match="UTF-8"):
        read_templates(tmp_path)
