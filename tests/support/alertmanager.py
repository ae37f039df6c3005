"""A real Alertmanager, and what it knows.

Started on demand; on a machine without it, ``Unavailable`` says so. All calls block.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from tests.support.processes import Process, Unavailable, free_ports

if TYPE_CHECKING:
    from collections.abc import Callable

_PROGRAM: Final = "prometheus-alertmanager"


class AlertmanagerServer:
    """A running Alertmanager that tells a webhook; a context manager.

    Args:
        receiver: address of the webhook.
    """

    def __init__(self, receiver: str) -> None:
        found = shutil.which(_PROGRAM)
        if found is None:
            raise Unavailable(f"Alertmanager: no {_PROGRAM}")
        self._program = found
        self._receiver = receiver
        self._scratch = tempfile.TemporaryDirectory(prefix="funnelwatch-alertmanager-")
        (self._port,) = free_ports(1)
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        directory = Path(self._scratch.name)
        config = directory / "alertmanager.yml"
        route = {"receiver": "hook", "group_by": ["incident"], "group_wait": "1s", "group_interval": "1s"}
        hook = {"url": self._receiver, "send_resolved": True}
        receivers = [{"name": "hook", "webhook_configs": [hook]}]
        config.write_text(json.dumps({"route": route, "receivers": receivers}), encoding="utf-8")
        self._process = Process(
            "Alertmanager",
            [
                self._program,
                f"--config.file={config}",
                f"--storage.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
                "--cluster.listen-address=",
                "--log.level=warn",
            ],
            log=directory / "alertmanager.log",
        )
        self._process.wait_until(self._is_ready, timeout=30, what="answer on /-/ready")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
        self._scratch.cleanup()

    def alerts(self) -> list[dict[str, Any]]:
        """Those that are active."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts?active=true", timeout=10) as answer:  # noqa: S310 - loopback
            found: list[dict[str, Any]] = json.load(answer)
            return found

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:  # noqa: S310 - loopback
                return bool(answer.status == 200)
        except OSError:
            return False


def wait_until(holds: Callable[[], bool], timeout: float = 30) -> bool:
    """Whether it holds before so many seconds are over."""
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
