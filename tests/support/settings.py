"""Settings from text, and what is said of text that is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.config import explain, load_settings
from streams.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from streams.config import Settings


def loaded(folder: Path, text: str, **environ: str) -> Settings:
    """The settings of a file with this text."""
    path = folder / "funnelwatch.yaml"
    path.write_text(text)
    return load_settings(path, environ)


def refused(folder: Path, text: str, **environ: str) -> list[str]:
    """The findings of a file that must be refused, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text, **environ)
    return explain(caught.value).replace(f"{folder}/funnelwatch.yaml:", "").splitlines()
