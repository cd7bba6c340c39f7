"""Records over time: what the command finds, writes and refuses."""

from __future__ import annotations

import csv
from pathlib import Path

import h5py
import numpy as np
import pytest
from ringworld_analysis import cli

import synthetic


def write_records(folder: Path, count: int = 12, slow_from: int = 8, factor: float = 1.2) -> list[Path]:
    """Write records of two points, the second of which becomes slower."""
    rng = np.random.default_rng(4)
    rows = synthetic.attention_rows((2048, 4096), (1,), ("fp32",), ("forward",))
    rows = [row for row in rows if row["layout"] == "zigzag"]
    files = []
    for index in range(count):
        now = []
        for place, row in enumerate(rows):
            slow = factor if place == 1 and index >= slow_from else 1.0
            now.append({**row, "step_time": row["step_time"] * slow * float(np.exp(rng.normal(0, 0.01)))})
        path = synthetic.write_run(folder / f"{index}.h5", now, revision=f"{index:04x}")
        with h5py.File(path, "a") as file:
            file["provenance"].attrs["utc_start"] = f"2026-03-{index + 1:02d}T05:06:07Z"
        files.append(path)
    return files


def test_a_change_is_named_with_its_revisions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write_records(tmp_path)
    # The order of the files does not matter: records say when they were made.
    code = cli.main(["history", *map(str, reversed(files)), "--output", str(tmp_path / "out")])
    text = capsys.readouterr().out
    assert code == 0
    assert text.startswith("slower 1.")
    assert "2026-03-09T05:06:07Z  revision 0008  /attention step_time: context_length 4096" in text
    assert "1 change in 2 series over 12 records" in text
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "became slower last" in page
    assert "0007" in page
    assert (tmp_path / "out" / "history.png").stat().st_size > 10_000
    with (tmp_path / "out" / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    assert {row["git_revision"] for row in rows} == {f"{index:04x}" for index in range(12)}


def test_equal_records_have_no_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write_records(tmp_path, factor=1.0)
    assert cli.main(["history", *map(str, files), "--output", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.startswith("0 changes in 2 series over 12 records")
    assert "None of 2 series changed its level" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_points_of_few_records_are_counted(tmp_path: Path) -> None:
    files = write_records(tmp_path)
    rows = synthetic.attention_rows((8192,), (1,), ("fp32",), ("forward",))
    path = synthetic.write_run(tmp_path / "new.h5", rows)
    with h5py.File(path, "a") as file:
        file["provenance"].attrs["utc_start"] = "2026-04-01T05:06:07Z"
    assert cli.main(["history", *map(str, [*files, path]), "--output", str(tmp_path / "out")]) == 0
    assert "3 points of fewer than 6 records left out" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["few", "copy", "no provenance"])
def test_what_cannot_be_followed_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    files = write_records(tmp_path, count=5 if kind == "few" else 7)
    if kind == "copy":
        files.append(tmp_path / "copy.h5")
        files[-1].write_bytes(files[0].read_bytes())
    if kind == "no provenance":
        files.append(synthetic.write_run(tmp_path / "none.h5", synthetic.attention_rows((2048,)), provenance=False))
    assert cli.main(["history", *map(str, files)]) == 2
    expected = {"few": "no point is valid in 6 of the 5 records", "copy": "is one a copy", "no provenance": "utc_start"}
    assert expected[kind] in capsys.readouterr().err
