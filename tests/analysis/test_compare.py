"""Verdicts and exit codes of the comparison."""

from __future__ import annotations

from pathlib import Path

import pytest
from ringworld_analysis import cli
from ringworld_analysis.compare import Reference

import synthetic
from synthetic import Row


def sweep() -> list[Row]:
    return synthetic.attention_rows((2048, 4096), (1, 2), ("fp32",), ("forward",))


def changed(factor: float, count: int = 1) -> list[Row]:
    rows = sweep()
    for row in rows[:count]:
        for name in ("step_time", "step_time_min", "step_time_max"):
            row[name] *= factor
    return rows


def verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], base: list[Row], new: list[Row], *options: str
) -> tuple[int, str]:
    a = synthetic.write_run(tmp_path / "a.h5", base)
    b = synthetic.write_run(tmp_path / "b.h5", new)
    code = cli.main(["compare", str(a), str(b), *options])
    return code, capsys.readouterr().out


def test_equal_runs_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = verdict(tmp_path, capsys, sweep(), sweep())
    assert code == 0
    assert "geometric mean of B/A 1.000" in text
    assert text.rstrip().endswith("OK: every point inside its limits")


def test_slower_beyond_the_threshold_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = verdict(tmp_path, capsys, sweep(), changed(1.2, 2))
    assert code == 1
    assert "FAILED: 2 slower" in text
    assert "1.200" in text


def test_too_fast_fails_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = verdict(tmp_path, capsys, sweep(), changed(0.5))
    assert code == 1
    assert "FAILED: 1 too fast" in text


def test_change_inside_the_threshold_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict(tmp_path, capsys, sweep(), changed(1.08))[0] == 0
    assert verdict(tmp_path, capsys, sweep(), changed(1.2), "--threshold", "0.25")[0] == 0


def test_limits_can_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict(tmp_path, capsys, sweep(), changed(0.6), "--lower", "-0.5")[0] == 0
    assert verdict(tmp_path, capsys, sweep(), changed(1.06), "--upper", "0.05")[0] == 1


def test_missing_point_fails_unless_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = verdict(tmp_path, capsys, sweep(), sweep()[1:])
    assert code == 1
    assert "1 missing" in text
    assert verdict(tmp_path, capsys, sweep(), sweep()[1:], "--allow-missing")[0] == 0


def test_point_that_became_invalid_fails_and_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = sweep()
    new[3] = synthetic.invalidate(new[3], "error is NaN")
    code, text = verdict(tmp_path, capsys, sweep(), new)
    assert code == 1
    assert "not valid: error is NaN" in text


def test_new_points_and_invalid_references_do_not_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = sweep()[:-1]
    base[0] = synthetic.invalidate(base[0], "timeout", measured=False)
    code, text = verdict(tmp_path, capsys, base, sweep())
    assert code == 0
    assert "no reference" in text
    assert "new" in text


def test_runs_without_a_common_point_are_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict(tmp_path, capsys, sweep(), synthetic.attention_rows((8192,)))[0] == 2


def test_other_machine_is_warned_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = synthetic.write_run(tmp_path / "a.h5", sweep(), host="node0001")
    b = synthetic.write_run(tmp_path / "b.h5", sweep(), host="node0002")
    assert cli.main(["compare", str(a), str(b)]) == 0
    assert "warning: host differs: A node0001; B node0002" in capsys.readouterr().out


def test_csv_has_reference_and_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verdict(tmp_path, capsys, sweep(), changed(1.5), "--csv", str(tmp_path / "c.csv"))
    lines = (tmp_path / "c.csv").read_text().splitlines()
    assert lines[0].endswith("column,reference,lower,upper,unit,measured,ratio,verdict,reason")
    assert sum(",slower," in line for line in lines) == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.0, "ok"), (1.1, "ok"), (1.11, "slower"), (0.8, "ok"), (0.79, "too fast"), (float("nan"), "not valid")],
)
def test_reference_judges_inclusive_limits(value: float, expected: str) -> None:
    assert Reference(1.0, -0.2, 0.1, "s").judge(value) == expected
