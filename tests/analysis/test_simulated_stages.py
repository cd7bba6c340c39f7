"""The table of simulated stages: hours beside the published ones, assumptions that vary, and no mixing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py
import pytest
from ringworld_analysis import cli, run
from ringworld_analysis.reading import SIMULATED_STEPS
from ringworld_analysis.sections import simulated_stages

from synthetic import REPOSITORY, Row, RowType, row_types, write_provenance, write_table


def row_type() -> RowType:
    """Read the row type that the program declares."""
    return row_types(REPOSITORY / "src" / "train" / "simulated_rows.hpp")[SIMULATED_STEPS]


def stage_row(context_length: int, hours: float, **values: Any) -> Row:
    step = 10.0
    return {
        "stages": "lwm_text", "stage": 0, "context_length": context_length, "steps": int(hours * 3600 / step),
        "batch": 4, "micro_batch": 1, "mesh": "1,4,16,4", "ranks": 256, "schedule": "ring", "ulysses": 1,
        "head_groups": 1,
        "layout": "zigzag", "backend": "simulated", "dtype": "bfloat16", "wire_dtype": "bfloat16", "recompute": "full",
        "layers": 32, "layers_simulated": 4, "fewer_layers_simulated": 2, "simulated": True,
        "rates": "1.375e+14 FLOP/s", "rates_digest": "01", "platform": "tpu_v4", "platform_digest": "02",
        "step_time": step, "attention_time": 6.0,
        "product_time": 3.0, "communication_time": 0.5, "idle_time": 0.5, "stage_seconds": hours * 3600,
        "mfu_full": 0.3, "mfu_causal": 0.2, "valid": True, "outcome": "ok", **values,
    }  # fmt: skip


def write(path: Path, rows: list[Row]) -> Path:
    with h5py.File(path, "w") as file:
        write_table(file, row_type(), rows)
        write_provenance(file, 256, 1)
    return path


def test_every_column_read_is_declared() -> None:
    assert set(simulated_stages.COLUMNS) <= set(row_type().columns)


def test_hours_stand_beside_those_that_lwm_published(tmp_path: Path) -> None:
    record = write(tmp_path / "text.h5", [stage_row(1 << 20, 29.0), stage_row(1 << 15, 4.0, stage=1)])
    section = simulated_stages.section(run.load([record]))
    assert section is not None
    lines = {line[1]: line for line in section.grids[0].rows}
    assert lines[1 << 20][-3:] == pytest.approx([29.0, 58, 0.5])
    assert lines[1 << 15][-3:] == pytest.approx([4.0, 8, 0.5])
    assert "33.0 against 66" in section.findings[0].text


def test_hours_of_alternatives_are_not_added_up(tmp_path: Path) -> None:
    rows = [stage_row(1 << 20, 29.0), stage_row(1 << 20, 20.0, ulysses=2), stage_row(1 << 15, 4.0, stage=1)]
    section = simulated_stages.section(run.load([write(tmp_path / "text.h5", rows)]))
    assert section is not None
    assert "24.0 hours" in section.findings[0].text
    assert "24.0 against 66" in section.findings[0].text
    assert any("ulysses 2" in line[4] for line in section.grids[0].rows)


@pytest.mark.parametrize("other", [{"platform": "dgx_h100"}, {"ranks": 512}, {"stages": "mine"}])
def test_other_machines_have_no_published_hours(tmp_path: Path, other: dict[str, Any]) -> None:
    section = simulated_stages.section(run.load([write(tmp_path / "a.h5", [stage_row(1 << 20, 29.0, **other)])]))
    assert section is not None
    assert math.isnan(section.grids[0].rows[0][-1])


def test_the_page_says_that_nothing_was_measured(tmp_path: Path) -> None:
    one = write(tmp_path / "as_given.h5", [stage_row(1 << 20, 29.0)])
    other = write(tmp_path / "layout.h5", [stage_row(1 << 20, 50.0, layout="contiguous")])
    assert cli.main(["report", str(one), str(other), "--output", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "Simulated, not measured" in page
    assert "contiguous" in page
    assert (tmp_path / "out" / "simulated_stages.csv").is_file()


def test_stages_of_other_rates_are_not_compared(tmp_path: Path) -> None:
    one = write(tmp_path / "a.h5", [stage_row(1 << 20, 29.0)])
    other = write(tmp_path / "b.h5", [stage_row(1 << 20, 29.0, rates="2e+14 FLOP/s", rates_digest="03")])
    assert cli.main(["compare", str(one), str(other)]) == 2
    assert cli.main(["compare", str(one), str(one)]) == 0
