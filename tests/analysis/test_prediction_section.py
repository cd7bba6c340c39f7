"""The section that holds predicted times against measured ones."""

from __future__ import annotations

from pathlib import Path

from ringworld_analysis import cli
from ringworld_analysis.content import Section
from ringworld_analysis.run import load
from ringworld_analysis.sections import prediction

import synthetic
from synthetic import Row

FROM = "measured in this run, digest 1"


def measured() -> list[Row]:
    return synthetic.attention_rows(contexts=(2048, 4096), ring_sizes=(1, 2), dtypes=("fp32",), passes=("forward",))


def predicted(row: Row, ratio: float, extrapolated: bool = False) -> Row:
    time = ratio * row["step_time"]
    return {
        **row, "predicted_time": time, "predicted_low": 0.9 * time, "predicted_high": 1.2 * time,
        "predicted_overlap": 1.0, "predicted_extrapolated": extrapolated, "predicted_from": FROM,
        "roofline_tokens": 12.0,
    }  # fmt: skip


def section_of(tmp_path: Path, rows: list[Row]) -> Section | None:
    return prediction.section(load([synthetic.write_run(tmp_path / "run.h5", rows)]))


def test_a_record_without_predictions_has_no_section(tmp_path: Path) -> None:
    assert section_of(tmp_path, measured()) is None


def test_ratios_and_their_interval_stand_beside_the_times(tmp_path: Path) -> None:
    rows = measured()
    section = section_of(tmp_path, [predicted(rows[0], 1.05), predicted(rows[1], 0.8), *rows[2:]])
    assert section is not None
    grid = section.grids[0]
    assert len(grid.rows) == 2, "points that were not predicted are not there"
    ratio, low, high = (grid.columns.index(name) for name in ("ratio", "ratio_low", "ratio_high"))
    first, second = sorted(grid.rows, key=lambda cells: -cells[ratio])
    assert (round(first[ratio], 9), round(first[low], 9), round(first[high], 9)) == (1.05, 0.945, 1.26)
    assert round(second[ratio], 9) == 0.8
    assert [grid.rows[place][ratio] == second[ratio] for place in grid.marked] == [True], "20 % off is marked"


def test_findings_say_how_far_off_and_what_is_extrapolated(tmp_path: Path) -> None:
    rows = measured()
    good = section_of(tmp_path, [predicted(row, 1.02) for row in rows])
    assert good is not None
    assert [finding.verdict for finding in good.findings] == ["good"]
    assert "off by **2.0%** in the median and 2.0% at most; 0 by more than 10%" in good.findings[0].text
    far = section_of(tmp_path, [predicted(rows[0], 1.5, extrapolated=True), *(predicted(row, 1.0) for row in rows[1:])])
    assert far is not None
    assert [finding.verdict for finding in far.findings] == ["warn", "warn"]
    assert "50.0% at most; 1 by more than 10%" in far.findings[0].text
    assert "1 prediction used rates outside" in far.findings[1].text


def test_why_there_is_no_prediction_is_said(tmp_path: Path) -> None:
    rows = measured()
    shared = {**rows[0], "predicted_from": "none: 2 threads share 1 CPU"}
    section = section_of(tmp_path, [shared, *rows[1:]])
    assert section is not None
    assert not section.pictures and not section.grids
    assert "2 threads share 1 CPU" in section.findings[0].text


def test_the_page_shows_it(tmp_path: Path) -> None:
    run = synthetic.write_run(tmp_path / "run.h5", [predicted(row, 1.1) for row in measured()])
    assert cli.main(["report", str(run), "--output", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "prediction.png").stat().st_size > 1000
    assert "Predicted and measured time" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
