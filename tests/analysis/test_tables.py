"""Exported tables: no cell is a formula, numbers stay numbers."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from autoal.analysis.tables import Column, Table, plain_text, write_csv


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")', "-", "+-1"],
)
def test_a_formula_becomes_text(text: str, tmp_path: Path) -> None:
    columns = [Column("name", "Name"), Column(text, "x")]
    write_csv(tmp_path / "x.csv", Table(columns, [[text, 1.5]]))
    with (tmp_path / "x.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    shown = "'" + text.replace("\r", " ")
    assert rows == [["name", shown], [shown, "1.5"]]


@pytest.mark.parametrize("value", [-0.5, "-0.5", "+1e-3", "-inf", -3, 0, None, "margin", "resnet-18", "a=b", ""])
def test_numbers_and_other_names_stay_as_they_are(value: object, tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", Table([Column("name", "Name")], [[value, "end"]]))
    with (tmp_path / "x.csv").open(newline="") as file:
        assert list(csv.reader(file))[1] == ["" if value is None else str(value), "end"]
    assert plain_text(value) == value
