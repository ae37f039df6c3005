"""Who signs links, from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alerts.links import Action, Claim
from streams.errors import ConfigError
from streams.pages import signer_of
from tests.support.settings import loaded

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = "the old secret of twenty", "the new secret of twenty"
CLAIM = Claim(1, Action.ACKNOWLEDGE, "i", "ops", 10)


def links(words: str) -> str:
    """A file with these words about links."""
    return f"notify: {{links: {{public_url: 'https://a.example', {words}}}}}"


def test_a_secret_is_changed_without_losing_links(tmp_path: Path) -> None:
    """The new one signs; what the old one signed is believed while it is named."""
    (tmp_path / "old").write_text(OLD)
    before = signer_of(loaded(tmp_path, links("secret_file: old")), {}, tmp_path)
    both = signer_of(loaded(tmp_path, links("secret_env: NEW, old_secret_file: old")), {"NEW": NEW}, tmp_path)
    after = signer_of(loaded(tmp_path, links("secret_env: NEW")), {"NEW": NEW}, tmp_path)
    assert before is not None
    assert both is not None
    assert after is not None
    assert both.read(before.token(CLAIM), 0) == CLAIM
    assert after.read(both.token(CLAIM), 0) == CLAIM
    assert after.read(before.token(CLAIM), 0) != CLAIM


def test_without_a_secret_nobody_signs(tmp_path: Path) -> None:
    """And one that is not there, or too short, is an error by its name."""
    assert signer_of(loaded(tmp_path, ""), {}, tmp_path) is None
    made = loaded(tmp_path, links("secret_env: NEW"))
    with pytest.raises(ConfigError, match=r"notify\.links\.secret_env"):
        signer_of(made, {}, tmp_path)
    with pytest.raises(ConfigError, match="at least 16 bytes"):
        signer_of(made, {"NEW": "short"}, tmp_path)
