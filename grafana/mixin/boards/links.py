"""Where one goes from where: the boards' links to each other."""

from __future__ import annotations

from typing import Final

from grafana.mixin.panels import Link, to_board

OVERVIEW: Final = to_board("War room", "funnelwatch-overview")
SLOTS: Final = to_board("By slot", "funnelwatch-slots")
BANNERS: Final = to_board("By banner", "funnelwatch-banners")
SKUS: Final = to_board("By SKU", "funnelwatch-skus")
PROMOTION: Final = to_board("Promotion", "funnelwatch-promotion")
INCIDENTS: Final = to_board("Incidents", "funnelwatch-incidents")
PIPELINE: Final = to_board("Pipeline health", "funnelwatch-pipeline")
RUNBOOK: Final = to_board("Runbook", "funnelwatch-runbook")
# A click on a row shows that key alone, on the same board.
ONE_KEY: Final = {
    "slots": Link("This slot alone", "/d/funnelwatch-slots?${__url_time_range}&var-slot=${__value.raw}"),
    "banners": Link(
        "This banner alone", "/d/funnelwatch-banners?${__url_time_range}&var-banner=${__value.raw}"
    ),
    "skus": Link("This SKU alone", "/d/funnelwatch-skus?${__url_time_range}&var-sku=${__value.raw}"),
}
