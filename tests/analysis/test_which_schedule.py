"""The fastest schedule of a point, beside the one that was predicted."""

from __future__ import annotations

from pathlib import Path

import pytest
from ringworld_analysis import cli, run
from ringworld_analysis.sections import which_schedule

import synthetic
from synthetic import Row

TIMES = {"ring": 1.0, "all_gather": 1.2, "bidirectional": 0.8}


def rows(predicted: dict[str, float], spread: float = 0.01) -> list[Row]:
    base = [
        row
        for row in synthetic.attention_rows((2048, 4096), (2,), ("fp32",), ("forward",))
        if row["layout"] == "zigzag"
    ]
    return [
        {**row, "schedule": name, "step_time": time, "step_time_min": time * (1 - spread),
         "step_time_max": time * (1 + spread), "predicted_time": predicted.get(name, 0.0)}
        for row in base for name, time in TIMES.items()
    ]  # fmt: skip


def page(tmp_path: Path, made: list[Row]) -> str:
    record = synthetic.write_run(tmp_path / "run.h5", made)
    assert cli.main(["report", str(record), "--output", str(tmp_path / "out")]) == 0
    return (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_a_right_prediction_agrees(tmp_path: Path) -> None:
    text = page(tmp_path, rows({"ring": 0.9, "all_gather": 1.1, "bidirectional": 0.7}))
    assert "In <strong>2 of 2 points</strong>" in text
    assert (tmp_path / "out" / "which-schedule.png").stat().st_size > 5000


def test_a_wrong_prediction_tells_what_it_costs(tmp_path: Path) -> None:
    text = page(tmp_path, rows({"ring": 0.6, "all_gather": 1.1, "bidirectional": 0.7}))
    assert "In <strong>0 of 2 points</strong>" in text
    assert "loses 25 %" in text or "loses 25.0 %" in text
    assert "ring in the place of bidirectional" in text


def test_schedules_that_the_repeats_do_not_tell_apart_are_level() -> None:
    point = {row["schedule"]: row for row in rows({"ring": 0.6, "all_gather": 1.1, "bidirectional": 0.7}, 0.2)[:3]}
    choice = which_schedule.choose("forward", point)
    assert (choice.fastest, list(choice.level)) == ("bidirectional", ["ring", "all_gather"])
    assert choice.agrees


def test_without_predictions_the_command_is_named(tmp_path: Path) -> None:
    text = page(tmp_path, rows({}))
    assert "Run the sweep with <code>--predict</code>" in text


def test_a_point_of_which_a_schedule_is_not_predicted_has_no_prediction() -> None:
    point = {row["schedule"]: row for row in rows({"ring": 0.6})[:3]}
    assert which_schedule.choose("forward", point).predicted == ""


def test_lengths_and_sizes_that_did_not_run_together_are_places_of_the_map(tmp_path: Path) -> None:
    made = [
        row
        for length, ranks in ((2048, (2, 4)), (4096, (4, 8)))
        for row in synthetic.attention_rows((length,), ranks, ("fp32",), ("forward",))
    ]
    found = which_schedule.places_of(run.load([synthetic.write_run(tmp_path / "run.h5", made)]))
    assert found == {(length, ranks) for length in (2048, 4096) for ranks in (2, 4, 8)}


@pytest.mark.parametrize(("source", "said"), [("; collectives as in /links", "/links"), ("", "hops")])
def test_whose_time_collectives_take_is_told(tmp_path: Path, source: str, said: str) -> None:
    made = rows({"ring": 0.9, "all_gather": 1.1, "bidirectional": 0.7})
    record = synthetic.write_run(
        tmp_path / "run.h5", [{**row, "predicted_from": f"rates.toml, digest 1{source}"} for row in made]
    )
    section = which_schedule.section(run.load([record]))
    assert section is not None
    every = next(grid for grid in section.grids if grid.title.startswith("Every schedule"))
    cells = [dict(zip(every.columns, row)) for row in every.rows]
    of = {name: [cell for cell in cells if cell["schedule"] == name] for name in TIMES}
    assert {cell["collectives"] for cell in of["all_gather"]} == {said}
    assert {cell["collectives"] for cell in of["ring"]} == {""}
    assert [cell["ratio"] for cell in of["bidirectional"]] == pytest.approx([0.875] * 2)
    assert {cell["is"] for cell in of["bidirectional"]} == {"fastest, predicted"}
    assert any("takes the time of hops" in finding.text for finding in section.findings) == (said == "hops")
