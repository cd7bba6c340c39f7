"""The page "Which schedule here?" of a record that the program made: links, then every schedule with its prediction."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from ringworld_analysis import run
from ringworld_analysis.sections import which_schedule

import launch
from record_reading import read_table

HEADS, RANKS = 2, 2
SCHEDULES = ("ring", "bidirectional", "all_gather", "broadcast", "pass_q")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("which") / "record.h5"
    launch.run_successfully(
        RANKS, "info", "--links", "--links-max-bytes", "64K", "--links-repeats", 2, "--seconds", 0.01, "--output", path
    )
    for lengths, ulysses in (("256,512", "1"), ("256", "2")):
        launch.run_successfully(
            RANKS, "attention", "--predict", "--overlap-probe", "--probe-repeats", 1, "--heads", HEADS, "--head-size",
            16, "--context-length", lengths, "--schedule", ",".join(SCHEDULES) if ulysses == "1" else "ring",
            "--ulysses", ulysses, "--repeats", 2, "--output", path, "--resume",
        )  # fmt: skip
    return path


def test_every_schedule_has_its_prediction_and_what_it_costs(record: Path) -> None:
    measured = {str(row["context_length"]): row for row in read_table(record, "/attention")}
    assert set(measured) == {"256", "512"}
    section = which_schedule.section(run.load([record]))
    assert section is not None
    every = next(grid for grid in section.grids if grid.title.startswith("Every schedule"))
    cells = [dict(zip(every.columns, row)) for row in every.rows]
    assert {(cell["context_length"], cell["schedule"]) for cell in cells} == {
        *((length, name) for length in (256, 512) for name in SCHEDULES), (256, "ring, ulysses 2"),
    }  # fmt: skip
    for cell in cells:
        assert cell["step_time"] > 0
        assert cell["predicted_time"] > 0, "two ranks have a core each"
        # An exchange of heads among all ranks leaves a ring of one, which has no hop to probe.
        assert math.isnan(cell["exposed"]) if cell["schedule"] == "ring, ulysses 2" else cell["exposed"] >= 0
        assert cell["peak_bytes"] > 0
        assert cell["wire_bytes_between_nodes"] == 0
        # Each rank sends its half of keys and values, in fp32, to the other; or queries and states, or heads.
        if cell["schedule"] in ("ring", "bidirectional", "all_gather", "broadcast"):
            assert cell["wire_bytes"] == cell["context_length"] * 2 * HEADS * 16 * 4
        of_collectives = cell["schedule"] in ("all_gather", "broadcast", "ring, ulysses 2")
        assert cell["collectives"] == ("/links" if of_collectives else "")
    for length in (256, 512):
        marks = [cell["is"] for cell in cells if cell["context_length"] == length]
        assert sum("fastest" in mark for mark in marks) == sum("predicted" in mark for mark in marks) == 1
    assert not any("time of hops" in finding.text for finding in section.findings)
    assert section.pictures[0].png.startswith(b"\x89PNG")
