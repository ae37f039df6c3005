"""Tables and the scatter plot."""

from __future__ import annotations

from grafana.mixin.panels import Link
from grafana.mixin.tables import Column, columns, scatter

LINK = Link("elsewhere", "/d/elsewhere")


def test_a_row_per_key_a_column_per_query() -> None:
    """Values are joined by the label and named; times go; a trend is a range, everything else is not."""
    found = (Column("Money", "a", gauge=True), Column("Course", "b", trend=True))
    panel = columns("T", "Some.", LINK, "key", found, sort="Money", heading="Slot").json(1, 0, 0)
    assert [(target["instant"], target["format"]) for target in panel["targets"]] == [
        (True, "table"),
        (False, "time_series"),
    ]
    trends, joined, organized = panel["transformations"]
    assert (trends["id"], list(trends["options"])) == ("timeSeriesTable", ["B"])
    assert joined["options"] == {"byField": "key", "mode": "outer"}
    names = organized["options"]["renameByName"]
    assert names == {"key": "Slot", "Value #A": "Money", "Trend #B": "Course"}
    assert organized["options"]["excludeByName"]["Time 2"]
    assert panel["options"]["sortBy"] == [{"displayName": "Money", "desc": True}]


def test_without_trends_nothing_is_turned_into_one() -> None:
    """The transformation of time series would be asked of none."""
    panel = columns("T", "Some.", LINK, "key", (Column("Money", "a"),), sort="Money").json(1, 0, 0)
    assert [step["id"] for step in panel["transformations"]] == ["joinByField", "organize"]


def test_a_point_has_its_two_columns() -> None:
    """Both axes are named by the columns' titles."""
    panel = scatter("S", "Some.", LINK, "key", Column("Across", "a"), Column("Up", "b")).json(1, 0, 0)
    (series,) = panel["options"]["series"]
    assert (series["x"]["matcher"]["options"], series["y"]["matcher"]["options"]) == ("Across", "Up")
    assert panel["transformations"][-1]["options"]["renameByName"]["Value #B"] == "Up"
