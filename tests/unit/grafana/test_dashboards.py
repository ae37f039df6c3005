"""The committed dashboards against what is known to go wrong in Grafana, and against the house's rules."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from tests.support.boards import dashboards, panels

WANTED: Final = {"overview", "slots", "banners", "skus", "promotion", "incidents", "pipeline", "runbook"}
# Of the core of Grafana 11, 12 and 13; nothing of Angular, nothing to be installed.
CORE: Final = {"stat", "timeseries", "table", "bargauge", "xychart", "state-timeline", "text"}
UNITS: Final = {"short", "none", "percentunit", "s", "bytes", "Bps", "dtdurations"}
UID: Final = re.compile(r"[a-z][a-z-]{0,39}")
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
# What Grafana itself knows, beside a dashboard's own variables.
BUILT_IN: Final = {
    "__rate_interval",
    "__range",
    "__interval",
    "__url_time_range",
    "__all_variables",
    "__all",
    "__value",
}
# A dollar before a digit is a group of label_replace.
VARIABLE: Final = re.compile(r"\$(?:\{([a-z_]\w*)(?:[.:][^}]*)?\}|([a-z_]\w*))")

PANELS: Final = [pytest.param(board, panel, id=f"{board}-{panel['id']}") for board, panel in panels()]
BOARDS: Final = sorted(dashboards())


def test_every_board_is_there() -> None:
    """The boards that operators were promised, and the runbook."""
    assert dashboards().keys() == WANTED


def test_uids_are_stable_unique_and_short() -> None:
    """A uid follows from the file's name, which links rely on; Grafana takes at most 40 characters."""
    for name, board in dashboards().items():
        assert board["uid"] == f"funnelwatch-{name}"
        assert UID.fullmatch(board["uid"])
    titles = [board["title"] for board in dashboards().values()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", BOARDS)
def test_a_provisioned_dashboard_has_no_id(name: str) -> None:
    """An id would be somebody else's dashboard in another Grafana; and nothing asks for inputs at import."""
    board = dashboards()[name]
    assert board["id"] is None
    assert not {"__inputs", "__requires", "gnetId", "iteration"} & board.keys()
    assert board["editable"] is False
    assert 36 <= board["schemaVersion"] <= 39
    assert board["timezone"] == "browser"


@pytest.mark.parametrize("name", BOARDS)
def test_panel_ids_are_unique(name: str) -> None:
    """Links and repeats go by them."""
    ids = [panel["id"] for panel in dashboards()[name]["panels"]]
    assert len(set(ids)) == len(ids)
    assert min(ids) > 0


@pytest.mark.parametrize("name", BOARDS)
def test_panels_do_not_overlap(name: str) -> None:
    """Each lies within 24 columns, and no two share a place."""
    places = [panel["gridPos"] for panel in dashboards()[name]["panels"]]
    for at in places:
        assert 0 <= at["x"] < at["x"] + at["w"] <= 24
        assert at["h"] > 0 <= at["y"]
    for one, other in itertools.combinations(places, 2):
        apart = (one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]) or (
            one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


@pytest.mark.parametrize("name", BOARDS)
def test_the_data_source_is_a_variable(name: str) -> None:
    """No uid of a data source stands anywhere; the first variable chooses one."""
    board = dashboards()[name]
    assert all(found == SOURCE for found in _sources(board)), name
    first = board["templating"]["list"][0]
    assert (first["type"], first["name"], first["query"]) == ("datasource", "datasource", "prometheus")


def _sources(found: Any) -> list[Any]:
    if isinstance(found, list):
        return [source for one in found for source in _sources(one)]
    if not isinstance(found, dict):
        return []
    own = [found["datasource"]] if "datasource" in found else []
    return own + [source for key, one in found.items() if key != "datasource" for source in _sources(one)]


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_a_panel_says_what_it_shows(board: str, panel: dict[str, Any]) -> None:
    """Title, description, unit, and a type that every Grafana from 11 to 13 has."""
    assert panel["title"]
    assert panel["description"].endswith("."), panel["description"]
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["type"] in CORE
    # Without it xychart takes its options for those of Grafana 10 and migrates them to nothing.
    assert panel["pluginVersion"] == "11.0.0"
    assert board in WANTED


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_a_panel_leads_on(board: str, panel: dict[str, Any]) -> None:
    """Its link goes to another board that exists, with the time that is shown."""
    targets = [link["url"] for link in panel["links"]]
    assert targets
    for url in targets:
        uid = urlsplit(url).path.removeprefix("/d/")
        assert uid in {found["uid"] for found in dashboards().values()}
        assert uid != f"funnelwatch-{board}"
        assert "${__url_time_range}" in url


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_queries_are_told_apart(board: str, panel: dict[str, Any]) -> None:
    """Each has a letter of its own, is instant or a range, and only instant ones are tables."""
    targets = panel.get("targets", [])
    assert bool(targets) == (panel["type"] != "text")
    letters = [target["refId"] for target in targets]
    assert len(set(letters)) == len(letters)
    for target in targets:
        assert target["instant"] is not target["range"], board
        assert target["format"] == "time_series" or target["instant"]


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_overrides_name_fields_that_exist(board: str, panel: dict[str, Any]) -> None:
    """An override, a sort order or a point's axis of a field that is called otherwise would do nothing."""
    fields = {target["legendFormat"] for target in panel.get("targets", [])}
    renamed: dict[str, str] = {}
    for step in panel.get("transformations", []):
        renamed |= step["options"].get("renameByName", {})
    fields |= set(renamed.values())
    named, letters = set[str](), {target["refId"] for target in panel.get("targets", [])}
    for override in panel["fieldConfig"]["overrides"]:
        matcher = override["matcher"]
        if matcher["id"] == "byFrameRefID":
            assert matcher["options"] in letters, board
        else:
            named.add(matcher["options"])
    named |= {sort["displayName"] for sort in panel["options"].get("sortBy", [])}
    for series in panel["options"].get("series", []):
        named |= {series[axis]["matcher"]["options"] for axis in ("x", "y")}
    assert named <= fields, board
    # Grafana fills variables into legends, not into matchers and column names.
    assert not [name for name in named if "$" in name]


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_columns_come_from_queries(board: str, panel: dict[str, Any]) -> None:
    """What a table renames are its queries' values and trends, its labels, and nothing else."""
    targets = {target["refId"]: target for target in panel.get("targets", [])}
    for step in panel.get("transformations", []):
        for letter in step["options"] if step["id"] == "timeSeriesTable" else ():
            assert targets[letter]["range"], board
        for name in step["options"].get("renameByName", {}):
            kind, _, letter = name.partition(" #")
            if letter:
                assert (kind == "Trend") == targets[letter]["range"], (board, name)


@pytest.mark.parametrize("name", BOARDS)
def test_variables_that_are_used_exist(name: str) -> None:
    """A variable that a dashboard lacks would be sent to Prometheus as it is written."""
    board = dashboards()[name]
    own = {variable["name"] for variable in board["templating"]["list"]}
    text = json.dumps({key: board[key] for key in ("panels", "annotations", "templating")})
    used = {braced or bare for braced, bare in VARIABLE.findall(text)}
    # In text panels a dollar is a dollar; there are none.
    assert used <= own | BUILT_IN


@pytest.mark.parametrize("name", BOARDS)
def test_variables_that_others_need_come_first(name: str) -> None:
    """A variable asks only with those that stand before it."""
    before: set[str] = set()
    for variable in dashboards()[name]["templating"]["list"]:
        if variable["type"] == "query":
            used = {braced or bare for braced, bare in VARIABLE.findall(variable["query"]["query"])}
            assert used <= before, variable["name"]
        before.add(variable["name"])


@pytest.mark.parametrize("name", sorted(WANTED - {"runbook"}))
def test_promotions_and_incidents_are_marked(name: str) -> None:
    """Both are annotations by a Prometheus query on every board with charts."""
    marks = {mark["name"]: mark for mark in dashboards()[name]["annotations"]["list"]}
    assert marks.keys() == {"Promotions", "Incidents"}
    assert "funnelwatch_promotion_active" in marks["Promotions"]["expr"]
    assert "funnelwatch_incident_active" in marks["Incidents"]["expr"]
    assert all(mark["enable"] and not mark["useValueForTime"] for mark in marks.values())


def test_the_war_room_compares() -> None:
    """Now against so long ago, against the earlier promotion, and steps against what is expected with a band."""
    text = json.dumps(dashboards()["overview"])
    assert "offset $compare" in text
    assert "offset ${aligned}s" in text
    assert "custom.fillBelowTo" in text
    assert "funnelwatch_window_conversion_ratio_expected" in text
    assert dashboards()["overview"]["templating"]["list"][3]["current"]["value"] == "1w"
