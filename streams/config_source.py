"""Where settings come from: one YAML file, ``${ENV}`` inside it, ``FUNNELWATCH__...`` above it.

Promises plain values and, for each of them, the place it came from, so that a wrong setting can be
shown in its line. Scalars are read as YAML 1.2 does: ``on`` and ``no`` are words and ``1:30`` is
text, not 90. Null means "the default", but where the caller says that it is a value. What settings mean is :mod:`streams.config`'s business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PREFIX: Final = "FUNNELWATCH__"
WHOLE_FILE: Final = "(file)"
MAX_FILE_BYTES: Final = 1 << 20
# Aliases may nest; no honest file is this deep or this wide.
_MAX_DEPTH: Final = 8
_MAX_VALUES: Final = 50_000
_STRING: Final = "tag:yaml.org,2002:str"
_VARIABLE = re.compile(r"\$(\$?)\{([^}]*)\}")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)

KeyPath = tuple[str | int, ...]


class Place(NamedTuple):
    """Where a value stands: a file (or ``$VARIABLE``) and a 1-based line."""

    file: str | None = None
    line: int | None = None


@dataclass(slots=True)
class Source:
    """Values as they were written, the place of each, and what was wrong on the way."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[ConfigError] = field(default_factory=list)

    def place_of(self, path: KeyPath) -> Place:
        """The place of ``path``, or of the nearest value around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return Place()

    def reject(self, path: KeyPath, allowed: str, place: Place | None = None) -> None:
        """Note that the value at ``path`` is wrong."""
        at = place or self.place_of(path)
        self.problems.append(ConfigError(dotted(path), allowed, file=at.file, line=at.line))


class _Scalars(yaml.SafeLoader):
    """PyYAML with the scalars of YAML 1.2's core schema instead of 1.1's."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own class attribute, emptied


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", "-+0123456789"),
    ("float", r"[-+]?[0-9]+(?:\.[0-9]*(?:[eE][-+]?[0-9]+)?|[eE][-+][0-9]+)", "-+0123456789"),
):
    _Scalars.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}",
        re.compile(rf"(?:{_pattern})\Z"),
        [*_first, ""] if _tag == "null" else [*_first],
    )


def dotted(path: KeyPath) -> str:
    """``("funnel", "nodes", 2)`` as ``funnel.nodes[2]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or WHOLE_FILE


def read_source(
    path: Path | None, environ: Mapping[str, str], *, keep_null_in: frozenset[KeyPath] = frozenset()
) -> Source:
    """Read the file (none: only defaults), then lay the overrides of the environment over it.

    Args:
        path: the file.
        environ: the variables.
        keep_null_in: sections whose entries may be null; other nulls are as if they were not there.

    Raises:
        ConfigError: the file cannot be read or is not YAML; nothing in it can be trusted then.
    """
    source = Source()
    if path is not None:
        _read_file(path, _NodeReader(str(path), environ, source, keep_null_in), source)
    for name in sorted(environ):
        if name.startswith(PREFIX) and environ[name]:
            _override(source, name, environ[name])
    return source


def parse_flow(text: str) -> object:
    """The value of a one-line YAML text such as ``[a, b]``.

    Raises:
        ValueError: it is not YAML.
    """
    try:
        return yaml.load(text, Loader=_Scalars)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError("not YAML") from error


def _read_file(path: Path, reader: _NodeReader, source: Source) -> None:
    file = str(path)
    root = _compose(file, _read_bytes(path))
    source.places[()] = Place(file, 1)
    if root is None:
        return
    values = reader.value(root, ())
    if isinstance(values, dict):
        source.values = values
    elif values is not None:
        raise ConfigError(WHOLE_FILE, "must be sections with keys, such as `kafka:`", file=file, line=1)


def _read_bytes(path: Path) -> bytes:
    file = str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(WHOLE_FILE, f"cannot be read: {error.strerror}", file=file) from error
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(WHOLE_FILE, "must be smaller than 1 MiB", file=file)
    return raw


def _compose(file: str, raw: bytes) -> yaml.Node | None:
    try:
        return yaml.compose(raw, Loader=_Scalars)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise ConfigError(WHOLE_FILE, f"is not YAML: {error.problem}", file=file, line=line) from error
    except RecursionError:
        raise ConfigError(WHOLE_FILE, "nests too deep", file=file) from None
    except yaml.YAMLError as error:
        raise ConfigError(
            WHOLE_FILE, "must be YAML in UTF-8 without control characters", file=file
        ) from error


class _NodeReader:
    """Turns YAML nodes into values and notes the line of each."""

    def __init__(
        self, file: str, environ: Mapping[str, str], source: Source, keep_null_in: frozenset[KeyPath]
    ) -> None:
        self._keep_null_in = keep_null_in
        self._file = file
        self._environ = environ
        self._source = source
        self._scalars = yaml.constructor.SafeConstructor()

    def value(self, node: yaml.Node, path: KeyPath) -> object:
        """The value of ``node``, which stands at ``path``."""
        place = Place(self._file, node.start_mark.line + 1)
        self._source.places.setdefault(path, place)
        if len(path) > _MAX_DEPTH or len(self._source.places) > _MAX_VALUES:
            raise ConfigError(dotted(path), "nests or repeats too much", file=place.file, line=place.line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path, place)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = Place(self._file, key_node.start_mark.line + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                self._source.reject(path, "keys must be plain words", place)
                continue
            here = (*path, key_node.value)
            if here in self._source.places:
                self._source.reject(here, "stands here a second time", place)
                continue
            self._source.places[here] = place
            value = self.value(value_node, here)
            if value is not None or path in self._keep_null_in:
                values[key_node.value] = value
        return values

    def _scalar(self, node: yaml.Node, path: KeyPath, place: Place) -> object:
        if node.tag == _STRING:
            return self._interpolate(node.value, path, place)
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self._source.reject(path, "must be a plain value: text, number, true or false", place)
            return None

    def _interpolate(self, text: str, path: KeyPath, place: Place) -> str:
        def resolve(match: re.Match[str]) -> str:
            if match[1]:
                return match[0][1:]
            return self._variable(match[2], path, place)

        return _VARIABLE.sub(resolve, text)

    def _variable(self, expression: str, path: KeyPath, place: Place) -> str:
        match = _NAME.fullmatch(expression)
        if not match:
            self._source.reject(path, "takes ${NAME} or ${NAME:-default}; $${ stands for a plain ${", place)
            return ""
        name, default = match[1], match[2]
        value = self._environ.get(name)
        if value or (value is not None and default is None):
            return value
        if default is None:
            self._source.reject(
                path, f"needs the environment variable {name}; set it or write ${{{name}:-default}}", place
            )
        return default or ""


def _override(source: Source, name: str, text: str) -> None:
    path: KeyPath = tuple(name.removeprefix(PREFIX).lower().split("__"))
    place = Place(f"${name}")
    if not all(path):
        source.reject(path, f"overrides look like {PREFIX}SECTION__KEY", place)
        return
    section: Any = source.values
    for part in path[:-1]:
        section = section.setdefault(part, {})
        if not isinstance(section, dict):
            return  # the file has a plain value where a section belongs, and will be told so
    section[path[-1]] = text
    source.places[path] = place
