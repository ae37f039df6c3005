"""The section ``http``: where is listened, and the token of the page and the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.config import load_settings
from streams.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "sesame-sesame-sesame"


def test_a_token_from_a_file_or_a_variable(tmp_path: Path) -> None:
    """As every secret; it does not show in what is printed."""
    (tmp_path / "token").write_text(TOKEN + "\n")
    config = tmp_path / "funnelwatch.yaml"
    config.write_text("http:\n  token_file: token\n  allowed_hosts: [watch.example]\n")
    for settings in (load_settings(config, {}), load_settings(None, {"FUNNELWATCH__HTTP__TOKEN": TOKEN})):
        assert settings.http.token is not None
        assert settings.http.token.get_secret_value() == TOKEN
        assert TOKEN not in repr(settings)
    assert load_settings(config, {}).http.allowed_hosts == ("watch.example",)


def test_without_one_there_is_none() -> None:
    """Nobody writes then."""
    assert load_settings(None, {}).http.token is None


def test_a_short_token_is_refused() -> None:
    """It could be guessed; the refusal does not repeat it."""
    with pytest.raises(ConfigError) as refused:
        load_settings(None, {"FUNNELWATCH__HTTP__TOKEN": "hunter2"})
    assert "at least 16 characters" in str(refused.value)
    assert "hunter2" not in str(refused.value)
