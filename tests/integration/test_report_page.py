"""The report in a real browser: it shows, it asks nobody for anything, nothing in it runs."""

from __future__ import annotations

import shutil
import struct
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from alerts.message import Language
from streams.report.html import as_html
from streams.report.writing import write
from tests.support.browser import kept
from tests.support.reported import D11, data_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
EVIL = "<script>console.error('ran')</script><img src=//evil.example/x onerror=console.error(1)>"
WIDTH, HEIGHT = 1_000, 1_400
# Nothing but this machine is found, and the browser does nothing of its own accord.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
    *("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--enable-logging=stderr"),
    f"--window-size={WIDTH},{HEIGHT}",
)

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
]


class Listening(SimpleHTTPRequestHandler):
    """Serves a folder, and remembers what was asked for."""

    asked: list[str]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has
        """Remember instead of printing."""
        self.asked.append(self.path)


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The folder's address, and what was asked for there so far."""
    asked: list[str] = []
    handler = type("Handler", (Listening,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


def opened(folder: Path, address: str, *flags: str) -> tuple[str, str]:
    """What the browser prints when it opens an address, and what it logs; its profile is a fresh one."""
    command = [CHROMIUM or "", *FLAGS, f"--user-data-dir={folder / 'profile'}", *flags, address]
    done = subprocess.run(command, capture_output=True, timeout=110, check=True)
    return done.stdout.decode(), done.stderr.decode()


def page_in(folder: Path, language: Language = Language.EN) -> None:
    """The report of a promotion with a dangerous name."""
    page = as_html(write(data_of(promotion=replace(D11, name=EVIL)), language, "Asia/Shanghai"))
    (folder / "report.html").write_text(page, encoding="utf-8")


@pytest.mark.parametrize(("language", "scheme"), [(Language.EN, 1), (Language.ZH, 0)], ids=["light", "dark"])
def test_it_shows_and_asks_for_nothing(tmp_path: Path, language: Language, scheme: int) -> None:
    """One request, no word on the console, a picture: in both languages, light and dark."""
    page_in(tmp_path, language)
    picture = kept(f"report-{language.value}", tmp_path)
    with served(tmp_path) as (address, asked):
        flags = (f"--screenshot={picture}", f"--blink-settings=preferredColorScheme={scheme}")
        _, log = opened(tmp_path, f"{address}/report.html", *flags)
        assert asked == ["/report.html"]
    assert "CONSOLE" not in log
    head = picture.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:]) == (WIDTH, HEIGHT)
    # An empty page of this size is a tenth of that.
    assert picture.stat().st_size > 40_000


def test_a_name_is_text_to_the_browser(tmp_path: Path) -> None:
    """What the browser made of the page: the name is in the heading, and no element came of it."""
    page_in(tmp_path)
    with served(tmp_path) as (address, _):
        made, log = opened(tmp_path, f"{address}/report.html", "--dump-dom")
    assert "<h1>Promotion &lt;script&gt;console.error('ran')" in made
    assert "<script" not in made
    assert "<img" not in made
    assert "CONSOLE" not in log


def test_the_policy_would_stop_what_got_in(tmp_path: Path) -> None:
    """A page into which markup got nevertheless loads and runs nothing: the browser says so."""
    page_in(tmp_path)
    page = tmp_path / "report.html"
    got_in = "<script>document.title='ran'</script><img src=x.png></body>"
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", got_in), encoding="utf-8")
    with served(tmp_path) as (address, asked):
        made, log = opened(tmp_path, f"{address}/report.html", "--dump-dom")
        assert asked == ["/report.html"]
    assert "<title>ran</title>" not in made
    assert log.count("Content Security Policy") >= 2


def test_it_prints(tmp_path: Path) -> None:
    """On paper it is a few pages, not one that is cut off."""
    page_in(tmp_path)
    with served(tmp_path) as (address, _):
        opened(tmp_path, f"{address}/report.html", f"--print-to-pdf={tmp_path / 'report.pdf'}")
    printed = (tmp_path / "report.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert 3 <= printed.count(b"/Type /Page\n") <= 12
