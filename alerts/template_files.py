"""Templates from a folder: every ``.txt`` in it is one, nothing else is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts.content.clean import harmless
from alerts.content.templates import MAX_BYTES, Templates
from streams.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_MAX_FILES: Final = 100


def read_templates(folder: Path) -> Templates:
    """The templates of a folder.

    Raises:
        ConfigError: it is no folder, a file cannot be read, or says what means nothing.
    """
    if not folder.is_dir():
        raise ConfigError("notify.templates.folder", "must be a folder that is there")
    paths = sorted(path for path in folder.iterdir() if path.suffix == ".txt")
    if len(paths) > _MAX_FILES:
        raise ConfigError("notify.templates.folder", f"must hold at most {_MAX_FILES} templates")
    return Templates({path.name: _text(path) for path in paths})


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1).decode("utf-8-sig")
    except (OSError, ValueError):
        raise ConfigError(
            "notify.templates.folder", f"{harmless(path.name)}: must be a text in UTF-8"
        ) from None
