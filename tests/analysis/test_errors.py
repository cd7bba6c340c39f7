"""Bad input: one line that names the file, exit code 2."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from ringworld_analysis import cli

import synthetic


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert cli.main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("ringworld_analysis: error: ")
    return err


@pytest.fixture
def bad(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / f"{request.param}.h5"
    if request.param == "text":
        path.write_text("context_length,ranks\n")
    elif request.param == "empty":
        path.touch()
    elif request.param == "cut":
        whole = synthetic.write_run(tmp_path / "whole.h5", synthetic.attention_rows())
        path.write_bytes(whole.read_bytes()[:4000])
    elif request.param == "folder":
        path.mkdir()
    elif request.param == "no_attention":
        with h5py.File(path, "w") as file:
            file.create_group("provenance")
    elif request.param == "attention_is_a_group":
        with h5py.File(path, "w") as file:
            file.create_group("attention")
    elif request.param == "lacks_columns":
        with h5py.File(path, "w") as file:
            file["attention"] = np.zeros(3, dtype=[("context_length", "<i8"), ("ranks", "<i8")])
    return path


@pytest.mark.parametrize(
    "bad",
    ["absent", "text", "empty", "cut", "folder", "no_attention", "attention_is_a_group", "lacks_columns"],
    indirect=True,
)
def test_unusable_file_is_named_in_one_line(bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert str(bad) in fails(capsys, "report", bad, "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert str(bad) in fails(capsys, "compare", bad, bad)


def test_missing_column_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "old.h5"
    with h5py.File(path, "w") as file:
        kind = synthetic.row_types()["/attention"]
        file["attention"] = np.zeros(1, dtype=[(name, kind.dtype[name]) for name in kind.columns if name != "error"])
    assert "lacks the column error" in fails(capsys, "report", path, "--output", tmp_path / "out")


def test_output_that_is_a_file_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = synthetic.write_run(tmp_path / "run.h5", [])
    (tmp_path / "out").touch()
    assert "out" in fails(capsys, "report", run, "--output", tmp_path / "out")


@pytest.mark.parametrize(
    "arguments",
    [[], ["report"], ["report", "x.h5"], ["compare", "a.h5"], ["compare", "a", "b", "--threshold", "-1"], ["draw"]],
)
def test_bad_usage_is_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2


def test_what_is_read_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = synthetic.write_run(tmp_path / "run.h5", synthetic.attention_rows())
    before = run.read_bytes()
    assert "--csv" in fails(capsys, "compare", run, run, "--csv", run)
    assert str(run) in fails(capsys, "claims", "--output", run)
    assert run.read_bytes() == before
    bench = tmp_path / "bench.json"
    bench.write_text("[" * 100000)
    assert "--output" in fails(capsys, "roofline", bench, "-o", bench)
    assert "is not JSON" in fails(capsys, "roofline", bench, "-o", tmp_path / "out.png")
