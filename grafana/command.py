"""The verb ``funnelwatch dashboards``: write what is generated, or say what has drifted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from grafana.build import HERE, check, write
from grafana.mixin.config import DEFAULT

if TYPE_CHECKING:
    from pathlib import Path


def dashboards(out: Path | None, grafana_url: str | None, *, check_only: bool) -> int:
    """Write or check below a folder; the exit code.

    Args:
        out: the folder; by default that of this package.
        grafana_url: where alerts link to.
        check_only: write nothing, and fail if anything would be written.

    Raises:
        OSError: a file cannot be read or written.
    """
    folder = HERE if out is None else out
    config = DEFAULT if grafana_url is None else replace(DEFAULT, grafana_url=grafana_url.rstrip("/"))
    drifted = check(folder, config) if check_only else write(folder, config)
    for name in drifted:
        print(f"{'drifted' if check_only else 'changed'}  {name}")
    if not drifted:
        print("everything is as it is built")
    return 1 if check_only and drifted else 0
