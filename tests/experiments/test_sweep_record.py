"""What `ringworld sweep` records: the rows of every verb in one file, each point once."""

from __future__ import annotations

import re
from collections import Counter
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
    finished = sweep(folder, *GRID)
    figures = Counter(re.findall(r"^FOM (\w+) \S+ \S+ .*valid=(\w+)$", finished.stdout, re.MULTILINE))
    assert figures == {("attention_rate", "yes"): 4, ("train_rate", "yes"): 4, ("train_loss", "yes"): 4,
                       ("needle_accuracy", "yes"): 8, ("sweep_runs", "yes"): 1}  # fmt: skip
    assert finished.stdout.splitlines()[-1].startswith("FOM sweep_runs 6 run wanted=6 ")
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


def test_keys_that_a_sweep_decides_itself_are_named_and_tables_without_rows_are_not_made(folder: Path) -> None:
    (folder / "attention.toml").write_text("heads = 1\nhead_size = 8\nrepeats = 2\ncontext_length = [5, 6]\n")
    finished = sweep(folder, "--ranks", "2", "--context-length", "128", "--attention-config", "attention.toml")
    warnings = [line for line in finished.stderr.splitlines() if "has no effect" in line]
    assert len(warnings) == 1 and "attention.toml: context_length" in warnings[0], str(finished)
    with h5py.File(folder / "sweep.h5", "r") as file:
        assert "attention" in file and "overlap" not in file


def test_a_point_that_cannot_be_run_is_a_row_with_a_reason(folder: Path) -> None:
    (folder / "attention.toml").write_text("heads = 2\nhead_size = 20\n")
    sweep(folder, "--ranks", "2", "--attention-config", "attention.toml", code=1)
    with h5py.File(folder / "sweep.h5", "r") as file:
        (point,) = file["sweep/points"]
    assert (point["exit_code"], point["valid"], point["rows"]) == (2, False, 0)
    assert b"20" in point["reason"]


def test_schedules_are_an_axis_of_every_verb(folder: Path) -> None:
    short = re.sub(r"^steps = .*", "steps = 6", CONFIGURATION.read_text(), flags=re.M)
    (folder / "stages.toml").write_text(short[: short.rindex("[[stage]]")])
    (folder / "sweep.toml").write_text(
        'context_length = [128]\nattention_config = "attention.toml"\nstages = ["stages.toml"]\n'
        'needle_config = "needle.toml"\nschedule = ["ring", "double_ring"]\nulysses = [2]\ntrim = [false, true]\n'
    )
    finished = sweep(folder, "--config", "sweep.toml")
    said = [line for line in finished.stderr.splitlines() if "left out" in line]
    assert len(said) == 1, finished.stderr
    reason = "attention.toml on 2 ranks: --schedule double_ring --ulysses 2 --trim: "
    assert f"2 runs are left out; the first: {reason}" in said[0]
    tables = ("attention", "training/stages", "needle/cells")
    with h5py.File(folder / "sweep.h5", "r") as file:
        points = file["sweep/points"][:]
        assert points["valid"].all() and len(points) == 3 * len(tables)
        for table in tables:
            found = {tuple(row[key].item() for key in ("schedule", "ulysses", "trim")) for row in file[table]}
            assert found == {(b"ring", 2, False), (b"ring", 2, True), (b"double_ring", 2, False)}, table


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ((), ("nothing to sweep",)),
        (("--attention-config", "absent.toml"), ("--attention-config", "absent.toml")),
        (("--needle-config", "needle.toml", "--attention-config", "attention.toml"), ("--needle-config", "--stages")),
        (("--ranks", "3", "--attention-config", "attention.toml"), ("--ranks 3", "2 ranks")),
        (("--stages", "needle.toml,needle.toml"), ("two files", "needle")),
        (("--context-length", "0", "--attention-config", "attention.toml"), ("--context-length", "0")),
        (("--rates", "1e12", "--stages", str(CONFIGURATION)), ("--rates is for --simulate",)),
        (("--simulate", "--stages", str(CONFIGURATION)), ("--simulate needs --rates",)),
        (("--simulate", "--rates", "1e12", "--attention-config", "attention.toml"), ("--simulate is for --stages",)),
        (
            ("--simulate", "--rates", "1e12", "--stages", str(CONFIGURATION), "--mesh", '"1,1,1,2","1-1-1-2"'),
            ("1e12-1-1-1-2",),
        ),
        (
            ("--ulysses", "1,4", "--attention-config", "attention.toml"),
            ("attention.toml on 2 ranks: --schedule ring --ulysses 4: ", "the nearest that does is 2"),
        ),
        (
            ("--schedule", "all_gather", "--head-groups", "3", "--stages", str(CONFIGURATION)),
            ("stage 0: --schedule all_gather --head-groups 3: ", "the nearest number that does is"),
        ),
    ],
)
def test_mistakes_are_one_line(folder: Path, flags: tuple[str, ...], says: tuple[str, ...]) -> None:
    finished = sweep(folder, *flags, code=2)
    assert len(finished.errors) == 1, str(finished)
    assert all(word in finished.errors[0] for word in says), str(finished)
    assert not (folder / "sweep.h5").exists()
