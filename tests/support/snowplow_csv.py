"""Snowplow's warehouse rows back into the JSON of its analytics SDKs.

The sample of dbt-snowplow-ecommerce is a table: atomic columns as text, and one column per entity holding its JSON
under a full schema version. The side tables of the same sample repeat those entities row by row, so the events file
alone is the whole story. Entities that describe a person are left out.
"""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ATOMIC: Final = (
    "app_id",
    "platform",
    "collector_tstamp",
    "derived_tstamp",
    "event_id",
    "event_name",
    "user_id",
    "domain_userid",
    "network_userid",
    "domain_sessionid",
    "geo_country",
    "page_urlpath",
    "refr_medium",
    "mkt_medium",
    "mkt_source",
    "mkt_campaign",
)
_PART: Final = re.compile(r"((?:contexts|unstruct_event)_\w+?)_([0-9]+)_[0-9]+_[0-9]+")
_PERSONAL: Final = "_ecommerce_user_"


def enriched_events(table: Path) -> Iterator[dict[str, Any]]:
    """The events of a table in its order; what is not populated has no key, as the SDKs have it."""
    with table.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            yield _event(row)


def _event(row: dict[str, str]) -> dict[str, Any]:
    event: dict[str, Any] = {name: row[name] for name in ATOMIC if row.get(name)}
    for column, value in row.items():
        part = _PART.fullmatch(column)
        if part and value not in ("", "[]") and _PERSONAL not in column:
            event[f"{part[1]}_{part[2]}"] = _without_nulls(json.loads(value))
    return event


def _without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nulls(entry) for entry in value]
    if isinstance(value, dict):
        return {name: _without_nulls(entry) for name, entry in value.items() if entry is not None}
    return value
