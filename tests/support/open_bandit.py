"""The Open Bandit data set as native events: who showed what where, and whether it was clicked.

A row is an exposure, and a click as well where it says so. The slot is campaign and position, the banner the
policy (the arm of the A/B test that chose), the SKU campaign and item, for each campaign numbers its own items.
Times stay as the files write them. The data names no visitors: each row is one of its own.
"""

from __future__ import annotations

import csv
import heapq
import json
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class VisitorEvent(NamedTuple):
    """The value of one record, and the visitor it is keyed by."""

    visitor: bytes
    value: bytes


def shop_events(folder: Path) -> Iterator[VisitorEvent]:
    """The events of all files under a folder in the order of their times."""
    files = sorted(path for path in folder.glob("*/*/*.csv") if path.stem == path.parent.name)
    for _, policy, campaign, number, row in heapq.merge(*(_rows(path) for path in files)):
        yield from _events(policy, campaign, number, row)


def _rows(path: Path) -> Iterator[tuple[datetime, str, str, int, dict[str, str]]]:
    policy, campaign = path.parts[-3], path.stem
    with path.open(newline="", encoding="utf-8") as lines:
        for number, row in enumerate(csv.DictReader(lines), 1):
            yield datetime.fromisoformat(row["timestamp"]), policy, campaign, number, row


def _events(policy: str, campaign: str, number: int, row: dict[str, str]) -> Iterator[VisitorEvent]:
    visitor = f"{policy}.{campaign}.{number}"
    for node in ("exposure", "click") if row["click"] == "1" else ("exposure",):
        event = {
            "event_id": f"{visitor}.{node}",
            "event_time": row["timestamp"],
            "event": node,
            "visitor_id": visitor,
            "slot": f"{campaign}.{row['position']}",
            "banner": policy,
            "sku": f"{campaign}.{row['item_id']}",
        }
        yield VisitorEvent(visitor.encode(), json.dumps(event, separators=(",", ":")).encode())
