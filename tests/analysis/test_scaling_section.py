"""Scaling figures: measured and simulated points are series of their own, drawn apart."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from ringworld_analysis import cli, run
from ringworld_analysis.sections import scaling

import synthetic
from synthetic import Row
from test_simulated import SIMULATED


def rows(lengths: tuple[int, ...], sizes: tuple[int, ...], **values: object) -> list[Row]:
    return [{**row, **values} for row in synthetic.attention_rows(lengths, sizes, ("fp32",), ("forward",))]


def record(path: Path) -> Path:
    simulated = rows((2048, 4096, 8192), (1, 2, 4), **SIMULATED)
    return synthetic.write_run(path, [*rows((2048, 4096), (1, 2, 4)), *simulated])


def test_no_series_holds_both_kinds(tmp_path: Path) -> None:
    found = list(scaling.series_of(run.load([record(tmp_path / "a.h5")])))
    assert {(one.kind, one.origin) for one in found} == {
        ("strong", "measured"), ("strong", "simulated"), ("weak", "simulated")
    }  # fmt: skip
    for one in found:
        assert {bool(row["simulated"]) for row in one.rows} == {one.origin == "simulated"}
        constant = "context_length" if one.kind == "strong" else "tokens_per_rank"
        assert {row[constant] for row in one.rows} == {one.constant}
        first, last = one.rows[0], one.rows[-1]
        expected = last["flops_per_second_per_rank"] / first["flops_per_second_per_rank"]
        assert one.efficiency(last) == pytest.approx(expected)
    looks = [scaling._LOOK[origin] for origin in ("measured", "simulated")]
    assert all(one != other for one, other in zip(*looks)), "colour, marker, face and line differ"


def test_the_report_has_the_figure_and_its_numbers(tmp_path: Path) -> None:
    assert cli.main(["report", str(record(tmp_path / "a.h5")), "--output", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert scaling.TITLE in page
    numbers = next((tmp_path / "out").rglob("scaling.csv"))
    with numbers.open(encoding="utf-8") as file:
        origins = [row["origin"] for row in csv.DictReader(file)]
    assert origins.count("measured") > 0
    assert origins.count("simulated") > origins.count("measured")


def test_a_sweep_without_simulations_has_no_such_section(tmp_path: Path) -> None:
    path = synthetic.write_run(tmp_path / "m.h5", rows((2048,), (1, 2, 4)))
    assert scaling.section(run.load([path])) is None
