"""What every section of the settings is."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

# pydantic's models have a method json(), and Python has a word from.
_OTHER_KEYS: Final = {"json_lines": "json", "from_": "from"}


def _yaml_key(name: str) -> str:
    return _OTHER_KEYS.get(name, name.removesuffix("_ms"))


class Section(BaseModel):
    """A part of the tree: frozen, without unknown keys, durations keyed without their ``_ms``."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=_yaml_key,
        validate_by_name=True,
        allow_inf_nan=False,
    )
