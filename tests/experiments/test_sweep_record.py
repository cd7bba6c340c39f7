"""What `ringworld sweep` records: the rows of every verb in one file, each point once."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest

import launch
from record_reading import read_hops

TIMEOUT = 180
CONFIGURATION = launch.REPOSITORY / "experiments" / "train" / "config" / "quick.toml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "attention.toml").write_text("heads = 2\nhead_size = 16\nrepeats = 2\noverlap_probe = true\n")
    (tmp_path / "needle.toml").write_text('haystack = "synthetic"\ntrials = 2\ndepth = [0.0, 1.0]\n')
    return tmp_path


def sweep(folder: Path, *flags: launch.Argument, code: int = 0) -> launch.Finished:
    finished = launch.run(2, "sweep", "--output", folder / "sweep.h5", *flags, timeout=TIMEOUT, cwd=folder)
    assert finished.code == code, str(finished)
    return finished


def sizes(path: Path) -> dict[str, int]:
    tables = (
        "attention", "samples", "overlap/points", "training/steps", "training/terms", "training/stages", "needle/cells",
        "sweep/points",
    )  # fmt: skip
    with h5py.File(path, "r") as file:
        return {name: len(file[name]) if name in file else 0 for name in tables}


GRID = ("--ranks", "1,2", "--context-length", "128,256", "--attention-config", "attention.toml", "--stages",
        CONFIGURATION, "--needle-config", "needle.toml")  # fmt: skip


def test_all_verbs_end_in_one_record_and_a_resumed_sweep_adds_nothing(folder: Path) -> None:
    sweep(folder, *GRID)
    expected = {"attention": 4, "samples": 12, "overlap/points": 2, "training/steps": 60, "training/terms": 120,
                "training/stages": 4, "needle/cells": 8, "sweep/points": 6}  # fmt: skip
    assert sizes(folder / "sweep.h5") == expected
    with h5py.File(folder / "sweep.h5", "r") as file:
        ranks = file["attention"]["ranks"]
        for rows in (file["samples"], read_hops(folder / "sweep.h5")):
            assert max(rows["rank"]) < max(ranks)
            for row in rows:
                assert row["rank"] < ranks[row["attention_row"]], "rows of a part point to their own attention row"
        points = file["sweep/points"]
        assert points["rows"].sum() == sum(size for name, size in expected.items() if name != "sweep/points")
        assert points["valid"].all()
        assert set(file["needle/cells"]["ranks"]) == {1, 2}
    sweep(folder, *GRID, "--resume")
    assert sizes(folder / "sweep.h5") == expected


def test_a_sweep_that_grows_keeps_what_it_has(folder: Path) -> None:
    few = ("--ranks", "1", "--context-length", "128", "--attention-config", "attention.toml")
    sweep(folder, *few)
    sweep(folder, "--ranks", "1,2", *few[2:], "--resume")
    assert sizes(folder / "sweep.h5")["attention"] == 2


def test_a_point_that_cannot_be_run_is_a_row_with_a_reason(folder: Path) -> None:
    (folder / "attention.toml").write_text("heads = 2\nhead_size = 20\n")
    sweep(folder, "--ranks", "2", "--attention-config", "attention.toml", code=1)
    with h5py.File(folder / "sweep.h5", "r") as file:
        (point,) = file["sweep/points"]
    assert (point["exit_code"], point["valid"], point["rows"]) == (2, False, 0)
    assert b"20" in point["reason"]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ((), ("nothing to sweep",)),
        (("--attention-config", "absent.toml"), ("--attention-config", "absent.toml")),
        (("--needle-config", "needle.toml", "--attention-config", "attention.toml"), ("--needle-config", "--stages")),
        (("--ranks", "3", "--attention-config", "attention.toml"), ("--ranks 3", "2 ranks")),
        (("--stages", "needle.toml,needle.toml"), ("two files", "needle")),
        (("--context-length", "0", "--attention-config", "attention.toml"), ("--context-length", "0")),
    ],
)
def test_mistakes_are_one_line(folder: Path, flags: tuple[str, ...], says: tuple[str, ...]) -> None:
    finished = sweep(folder, *flags, code=2)
    assert len(finished.errors) == 1, str(finished)
    assert all(word in finished.errors[0] for word in says), str(finished)
    assert not (folder / "sweep.h5").exists()
