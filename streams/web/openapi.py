"""The OpenAPI 3.1 document of the API, generated from its endpoints and their types."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec

from streams.web.answers import ProblemDocument
from streams.web.endpoints import ENDPOINTS, PREFIX
from streams.web.problems import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streams.web.endpoints import Endpoint

_REF: Final = "#/components/schemas/{name}"
_INCIDENT: Final = "Incident"
# Of every endpoint: the request is malformed, not allowed, or one of too many.
_ANY: Final = (400, 401, 403, 429)
_OF_BODIES: Final = (411, 413, 415, 422)


def document(version: str, incident: Mapping[str, Any]) -> dict[str, Any]:
    """The document as plain data.

    Args:
        version: of the program.
        incident: JSON schema of an incident's record.
    """
    types = {kind for one in ENDPOINTS for kind in (one.answer, one.body) if kind is not None}
    ordered = sorted(types | {ProblemDocument}, key=lambda kind: kind.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(PREFIX + endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Funnelwatch",
            "version": version,
            "description": "What is counted, expected and wrong. Times are ms since the epoch, money minor units.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": {**schemas, _INCIDENT: dict(incident) or {"type": "object"}},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        # Reads on loopback need none.
        "security": [{"token": []}],
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint)],
        "responses": dict(_responses(endpoint)),
    }
    if not endpoint.writes:
        operation["security"] = [{}, {"token": []}]
    if endpoint.body is not None:
        schema = {"$ref": _REF.format(name=endpoint.body.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _path_parameters(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", endpoint.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _query_parameters(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    """From the query's fields, so that what is checked is what is told."""
    (_, components) = msgspec.json.schema_components([endpoint.query], ref_template=_REF)
    schema = components[endpoint.query.__name__]
    for name, about in schema["properties"].items():
        yield {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": _without_null(about),
        }


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter is left out, never null."""
    options = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    return dict(options[0]) if len(options) == 1 else dict(schema)


def _responses(endpoint: Endpoint) -> Iterator[tuple[str, dict[str, Any]]]:
    name = _INCIDENT if endpoint.answer is None else endpoint.answer.__name__
    found: dict[str, Any] = {
        "description": HTTPStatus(endpoint.status).phrase,
        "content": {"application/json": {"schema": {"$ref": _REF.format(name=name)}}},
    }
    if not endpoint.writes:
        found["headers"] = {"ETag": {"schema": {"type": "string"}}}
        yield "304", {"description": "It is as it was when you asked with this If-None-Match"}
    yield str(endpoint.status), found
    problem = {"schema": {"$ref": _REF.format(name=ProblemDocument.__name__)}}
    refusals = {*_ANY, *endpoint.problems, *(_OF_BODIES if endpoint.body is not None else ())}
    for status in sorted(refusals):
        yield str(status), {"description": HTTPStatus(status).phrase, "content": {CONTENT_TYPE: problem}}
