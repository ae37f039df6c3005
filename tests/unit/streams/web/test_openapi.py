"""The OpenAPI document: well-formed, complete, and true of what the endpoints do."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from streams.live_page import judgement
from streams.web.endpoints import ENDPOINTS, PREFIX
from streams.web.openapi import document
from tests.support.live import TOKEN, Stage, served

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """The document."""
    return document("1.2.3", judgement("UTC").incident_schema)


def references(part: Any) -> Iterator[str]:
    """Every $ref below a part of a document."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "$ref" and isinstance(value, str):
                yield value
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_every_endpoint_is_described(described: dict[str, Any]) -> None:
    """With a name of its own, what it answers and how it refuses."""
    names = [operation["operationId"] for path in described["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names)) == len(ENDPOINTS)
    for endpoint in ENDPOINTS:
        operation = described["paths"][PREFIX + endpoint.path][endpoint.method.lower()]
        assert {str(endpoint.status), "400", "401", "403", "429"} <= operation["responses"].keys()
        assert ("requestBody" in operation) == (endpoint.body is not None)


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    """And nothing is described that nobody refers to."""
    schemas = described["components"]["schemas"]
    found = {ref.removeprefix("#/components/schemas/") for ref in references(described["paths"])}
    found |= {ref.removeprefix("#/components/schemas/") for ref in references(schemas) if "components" in ref}
    assert found == schemas.keys()


def test_schemas_are_schemas(described: dict[str, Any]) -> None:
    """Of JSON Schema 2020-12, which is OpenAPI 3.1's."""
    for schema in described["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_writes_need_the_token(described: dict[str, Any]) -> None:
    """Reads may do without, on this machine."""
    for endpoint in ENDPOINTS:
        operation = described["paths"][PREFIX + endpoint.path][endpoint.method.lower()]
        assert ("security" in operation) != endpoint.writes
    assert described["security"] == [{"token": []}]


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_described_is_what_is_done() -> None:
    """Schemathesis makes requests of the document, right ones and wrong ones, and checks every answer."""
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    from hypothesis import HealthCheck, settings  # noqa: PLC0415  # beside it
    from schemathesis.checks import not_a_server_error  # noqa: PLC0415  # likewise
    from schemathesis.specs.openapi import checks  # noqa: PLC0415  # likewise

    held = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]
    stage = Stage()
    stage.opens()
    with _in_a_thread(stage) as base:
        schema = schemathesis.openapi.from_url(f"{base}{PREFIX}/openapi.json")
        schema.config.update(base_url=base)
        for operation in schema.get_all_operations():
            cases = operation.ok().as_strategy()

            @settings(
                max_examples=25,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @_given(cases)  # type: ignore[untyped-decorator]  # of a library that may be missing
            def holds(case: Any) -> None:
                # Time goes by, so that nobody asks too often.
                stage.clock.advance(10_000)
                answer = case.call(headers={"Authorization": f"Bearer {TOKEN}"})
                case.validate_response(answer, checks=held)

            holds()


def _given(cases: Any) -> Any:
    from hypothesis import given  # noqa: PLC0415  # likewise

    return given(case=cases)


class _in_a_thread:  # noqa: N801  # reads as a function
    """The page of a stage, served by a thread of its own."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._loop = asyncio.new_event_loop()
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._base = ""
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()))

    async def _serve(self) -> None:
        async with served(self._stage) as client:
            self._base = str(client._base_url).rstrip("/")  # noqa: SLF001  # nowhere else
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> str:
        self._thread.start()
        self._ready.wait(10)
        return self._base

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()
