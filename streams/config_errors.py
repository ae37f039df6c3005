"""What pydantic found wrong, said so that a person can mend it: file, line, field, what is allowed.

Never shows the wrong value itself: it may be a secret that slipped into the wrong line.
"""

from __future__ import annotations

import difflib
import typing
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel
from pydantic_core import PydanticCustomError

from streams.config_source import KeyPath, Source, dotted
from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

# Words for pydantic's error types; what is missing here keeps pydantic's own message.
_PHRASES: Final = {
    "bool": "must be true or false",
    "string_type": "must be text; put it in quotes",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters",
    "model_type": "must be a section: keys and values, indented under it",
    "dict_type": "must be a section: keys and values, indented under it",
    "mapping_type": "must be a section: keys and values, indented under it",
    "tuple_type": "must be a list",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have {min_length} or more entries",
    "path_type": "must be a path",
    "missing": "must be given",
}


def wrong(allowed: str, *, at: KeyPath = ()) -> PydanticCustomError:
    """The error for validators to raise: what is allowed, and for which field below this one."""
    return PydanticCustomError("setting", "{allowed}", {"allowed": allowed, "at": at})


def wrong_all(findings: Sequence[tuple[KeyPath, str]]) -> None:
    """Raise one error for all findings, each a field below this one and what is allowed there.

    Raises:
        PydanticCustomError: there are findings.
    """
    if findings:
        raise PydanticCustomError("settings", "{findings}", {"findings": tuple(findings)})


def translate(error: ValidationError, root: type[BaseModel], source: Source) -> list[ConfigError]:
    """Every finding of ``error`` with its place; fields already rejected are not named twice."""
    named = {problem.field for problem in source.problems}
    found = []
    for detail in error.errors(include_url=False, include_input=False):
        for path, allowed in _findings(detail, root):
            if dotted(path) not in named:
                place = source.place_of(path)
                found.append(ConfigError(dotted(path), allowed, file=place.file, line=place.line))
    return found


def refusal(error: ValidationError, root: type[BaseModel], why: str) -> ConfigError:
    """What is wrong with settings that no file holds as they are; ``why`` ends each finding."""
    pairs = [
        pair
        for detail in error.errors(include_url=False, include_input=False)
        for pair in _findings(detail, root)
    ]
    return gather([ConfigError(dotted(path), allowed + why) for path, allowed in pairs])


def _findings(detail: ErrorDetails, root: type[BaseModel]) -> Iterator[tuple[KeyPath, str]]:
    path = _path(detail)
    if detail["type"] == "settings":
        for below, allowed in detail["ctx"]["findings"]:
            yield (*path, *below), allowed
    else:
        yield path, _allowed(detail, path, root)


def gather(problems: Sequence[ConfigError]) -> ConfigError:
    """One error that carries all of them, in the order of the file."""
    first, *others = sorted(problems, key=lambda problem: (problem.file or "", problem.line or 0))
    return ConfigError(first.field, first.allowed, file=first.file, line=first.line, others=tuple(others))


def explain(error: ConfigError) -> str:
    """All findings, one ``file:line: field: what is allowed`` per line."""
    return "\n".join(str(problem) for problem in (error, *error.others))


def suggest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def _path(detail: ErrorDetails) -> KeyPath:
    below: KeyPath = detail.get("ctx", {}).get("at", ())
    # A wrong key of a mapping is reported at (..., key, "[key]").
    path = tuple(part for part in detail["loc"] if part != "[key]")
    return (*path, *below)


def _allowed(detail: ErrorDetails, path: KeyPath, root: type[BaseModel]) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(path, root)
    if kind == "literal_error":
        return f"must be {context['expected']}".replace("'", "")
    phrase = _PHRASES.get(kind) or _PHRASES.get(kind.split("_")[0])
    return phrase.format(**context) if phrase else detail["msg"]


def _unknown_key(path: KeyPath, root: type[BaseModel]) -> str:
    key = str(path[-1])
    known = sorted(_keys(_section_at(path[:-1], root)))
    elsewhere = [home for home in _homes(root) if home[-1] == key]
    near = suggest(key, known)
    meant = elsewhere[0] if elsewhere else (*path[:-1], near) if near else None
    if meant:
        return f"is no setting; did you mean {dotted(meant)}?"
    return f"is no setting; here are: {', '.join(known)}"


def _keys(section: type[BaseModel]) -> Iterator[str]:
    for name, info in section.model_fields.items():
        yield info.alias or name


def _section_at(path: KeyPath, section: type[BaseModel]) -> type[BaseModel]:
    for part in path:
        for name, info in section.model_fields.items():
            if (info.alias or name) == part:
                section = _section_in(info.annotation) or section
    return section


def _section_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _section_in(part))), None)


def _homes(section: type[BaseModel], above: KeyPath = ()) -> Iterator[KeyPath]:
    for name, info in section.model_fields.items():
        here = (*above, info.alias or name)
        yield here
        # Not into lists: which of their entries was meant is anybody's guess.
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _homes(info.annotation, here)
