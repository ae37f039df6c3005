"""The page as text: templates filled with a view. Everything that comes from outside is escaped there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from streams.web.view import Asked, View

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.web.moment import Moment

SECTIONS: Final = (
    *("health", "incidents", "headline", "chart", "funnel", "split", "promotions", "movers", "scorecard"),
)
WIDE: Final = frozenset({"health", "incidents", "headline", "movers", "scorecard"})
# The chart is drawn anew from its data; all others come written.
LIVE: Final = tuple(name for name in SECTIONS if name != "chart")
_IN_SCRIPT: Final = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


class Writer:
    """See the module.

    Args:
        zone: IANA name of the time zone that times are shown in.
        stamp: changes with the static files, so that browsers fetch them anew.
    """

    def __init__(self, zone: str, stamp: str) -> None:
        self._zone = ZoneInfo(zone)
        self._stamp = stamp
        self._templates = Environment(
            loader=PackageLoader("streams.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def page(self, moment: Moment, asked: Asked, *, has_token: bool, may_write: bool) -> bytes:
        """The whole page, as it is first painted."""
        view = View(moment, asked, self._zone)
        chart = view.chart
        return self._filled(
            "page.html",
            v=view,
            w=view.words,
            sections=SECTIONS,
            wide=WIDE,
            stamp=self._stamp,
            zone=self._zone.key,
            has_token=has_token,
            may_write=may_write,
            link=lambda **other: _link("/", view, **other),
            live=_link("/live", view),
            chart_data=_for_script(None if chart is None else chart["columns"]),
        ).encode()

    def login(self, language: str, *, has_token: bool, wrong: bool) -> bytes:
        """The page for who has not told the token yet."""
        words = View.words_of(language)
        return self._filled(
            "login.html", w=words, stamp=self._stamp, has_token=has_token, wrong=wrong
        ).encode()

    def update(self, moment: Moment, asked: Asked) -> bytes:
        """What the page is told when there is something new, as JSON: sections, and the chart's data."""
        view = View(moment, asked, self._zone)
        chart = view.chart
        sections = {name: self._filled(f"sections/{name}.html", v=view, w=view.words) for name in LIVE}
        drawn = None if chart is None else {"columns": chart["columns"], "say": chart["say"]}
        return msgspec.json.encode({"sections": sections, "chart": drawn})

    def _filled(self, name: str, **values: Any) -> str:  # what the template asks for
        return self._templates.get_template(name).render(**values)


def _link(path: str, view: View, window: str = "", lang: str = "") -> str:
    asked: Mapping[str, str] = {
        "window": window or view.window,
        "lang": lang or view.asked.language,
    }
    return f"{path}?{urlencode(asked)}"


def _for_script(data: object) -> Markup:
    """JSON that ends no element, whatever is in it."""
    return Markup(msgspec.json.encode(data).decode().translate(_IN_SCRIPT))  # noqa: S704  # escaped here
