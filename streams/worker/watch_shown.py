"""What is shown of the windows after each bucket: gauges for Prometheus, pictures for the page."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.core.windows import Windows
    from streams.metrics.window_series import WindowSeries
    from streams.web.capturing import Capturing

_LOG = logging.getLogger(__name__)


class WatchShown:
    """See the module. A picture that cannot be taken ends no judging.

    Args:
        series: gauges.
        capturing: pictures.
    """

    def __init__(self, series: WindowSeries, capturing: Capturing) -> None:
        self.series = series
        self.capturing = capturing

    def refresh(self, windows: Windows) -> None:
        """Copy what is to be shown from now on."""
        self.series.refresh(windows)
        try:
            self.capturing.refresh(windows)
        except Exception:  # noqa: BLE001  # the edge: judging must not end because the page failed
            _LOG.exception("no picture for the page")
