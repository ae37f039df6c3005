"""Kafka's jars are fetched before the first run's time limit begins, as for the integration tests."""

from __future__ import annotations

from tests.integration.conftest import pytest_collection_finish

__all__ = ["pytest_collection_finish"]
