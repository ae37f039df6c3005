"""The verb ``backtest``: recorded traffic and a configuration give the incidents that would have been sent."""

from __future__ import annotations
