"""No simulated row is taken for a measured one."""

from __future__ import annotations

from pathlib import Path

import pytest
from ringworld_analysis import cli

import synthetic
from synthetic import Row

SIMULATED: Row = {
    "simulated": True, "rates": "h100", "rates_digest": "0123", "platform": "dgx_h100", "platform_digest": "4567",
}  # fmt: skip


def sweep(**values: object) -> list[Row]:
    rows = synthetic.attention_rows((2048, 4096), (1, 2), ("fp32",), ("forward",))
    return [{**row, **values} for row in rows]


def test_a_simulated_run_is_not_compared_with_a_measured_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = synthetic.write_run(tmp_path / "measured.h5", sweep())
    simulated = synthetic.write_run(tmp_path / "simulated.h5", sweep(**SIMULATED))
    assert cli.main(["compare", str(measured), str(simulated)]) == 2
    assert "simulated is no in the first and yes in the second" in capsys.readouterr().err
    assert cli.main(["compare", str(simulated), str(simulated)]) == 0


def test_runs_of_other_rates_or_networks_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = synthetic.write_run(tmp_path / "one.h5", sweep(**SIMULATED))
    for name in ("rates_digest", "platform_digest"):
        other = synthetic.write_run(tmp_path / f"{name}.h5", sweep(**{**SIMULATED, name: "89ab"}))
        assert cli.main(["compare", str(one), str(other)]) == 2
        assert f"{name} is" in capsys.readouterr().err


def test_rows_of_both_kinds_in_one_file_meet_their_own_kind_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured, simulated = sweep(), sweep(**SIMULATED)
    slow = [{**row, "step_time": 3 * row["step_time"]} for row in simulated]
    a = synthetic.write_run(tmp_path / "a.h5", [*measured, *simulated])
    b = synthetic.write_run(tmp_path / "b.h5", [*measured, *slow])
    assert cli.main(["compare", str(a), str(b)]) == 1
    text = capsys.readouterr().out
    assert f"FAILED: {len(simulated)} slower" in text


def test_the_report_says_which_rows_are_simulated(tmp_path: Path) -> None:
    record = synthetic.write_run(tmp_path / "run.h5", [*sweep(), *sweep(**SIMULATED)])
    assert cli.main(["report", str(record), "--output", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "12 rows are simulated" in page
    assert "dgx_h100" in page
    assert "simulated on, rates h100" in page, "figures of both kinds are told apart"
