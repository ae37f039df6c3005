"""The verb ``report``: what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.cli import main

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """promotions:
  - {name: D11, start: 2026-11-11 20:00, end: 2026-11-11 22:00}
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--promotion", "D12", "--rollups", "there"), "one of the configured promotions (D11)"),
        (("--promotion", "D11"), "one of --clickstream and --orders, --rollups, --kafka"),
        (("--promotion", "D11", "--rollups", "there", "--kafka", "x:1"), "one of --clickstream"),
        (("--promotion", "D11", "--rollups", "gone"), "a file that exists, not gone"),
        (
            ("--promotion", "D11", "--rollups", "there", "--last-rollups", "gone"),
            "a file that exists, not gone",
        ),
        (
            ("--promotion", "D11", "--rollups", "there", "--last-rollups", "there", "--last-orders", "there"),
            "not both",
        ),
        (
            ("--promotion", "D11", "--rollups", "there", "--last-rollups", "there"),
            "a promotion with the same scope before D11",
        ),
        (("--promotion", "D11", "--clickstream", "empty"), "recordings of the time of promotion D11"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_words_are_refused(
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2 and what is allowed; no page is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "funnelwatch.yaml").write_text(CONFIG)
    (tmp_path / "there").write_bytes(b"not rollups")
    (tmp_path / "empty").write_bytes(b"")
    assert main(["report", *words, "--out", "page.html"]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()
