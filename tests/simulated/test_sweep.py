"""`sweep --simulate`: stages of training under each combination of assumptions, in one record."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from test_simulation import run
from test_training import rows_of

STAGES = """
stages = "two"
[model]
preset = "debug"
[[stage]]
context_length = 1024
rope_theta = 1e4
learning_rate = 1e-3
steps = 3600
batch = 4
mesh = "1,-1,1,1"
[[stage]]
context_length = 4096
rope_theta = 1e4
learning_rate = 1e-3
steps = 1800
batch = 2
mesh = "1,1,1,-1"
"""


def test_stages_are_simulated_under_each_combination(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(STAGES, encoding="utf-8")
    flags = ("sweep", "--simulate", "--stages", tmp_path / "two.toml", "--schedule", "ring,all_gather", "--rates",
             "1e11,2e11", "--layout", "zigzag,contiguous", "--output", tmp_path / "sweep.h5")  # fmt: skip
    done = run(4, "flat", *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = rows_of(tmp_path / "sweep.h5", "/training/simulated")
    keys = {(row["stage"], row["schedule"], row["rates"], row["layout"]) for row in rows}
    assert len(rows) == len(keys) == 16
    assert all(row["valid"] and row["platform"] == "flat" for row in rows)
    times = {(row["schedule"], row["rates"], row["layout"]): row["stage_seconds"] for row in rows if row["stage"] == 1}
    # Where kernels take nearly all of the time, half of their rate takes twice as long; contiguous waits for its last rank.
    slow, fast = ("ring", "1e+11 FLOP/s", "zigzag"), ("ring", "2e+11 FLOP/s", "zigzag")
    assert times[slow] == pytest.approx(2 * times[fast], rel=0.02)
    assert times["ring", "1e+11 FLOP/s", "contiguous"] > 1.01 * times[slow]

    again = run(4, "flat", *flags, "--resume")
    assert again.returncode == 0, again.stdout + again.stderr
    assert rows_of(tmp_path / "sweep.h5", "/training/simulated") == rows


def test_a_run_takes_the_time_of_the_machine_that_simulates(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(STAGES, encoding="utf-8")
    begin = time.monotonic()
    # A step at these rates is more than a day on the simulated machine.
    done = run(4, "flat", "sweep", "--simulate", "--stages", tmp_path / "two.toml", "--rates", "1e4",
               "--output", tmp_path / "s.h5")  # fmt: skip
    elapsed = time.monotonic() - begin
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(row["step_time"] > 86400 for row in rows_of(tmp_path / "s.h5", "/training/simulated"))
    assert 0 < rows_of(tmp_path / "s.h5", "/sweep/points")[0]["seconds"] < elapsed


def test_another_network_is_another_question(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(STAGES, encoding="utf-8")
    flags = ("sweep", "--simulate", "--stages", tmp_path / "two.toml", "--rates", "1e11", "--output", tmp_path / "s.h5")
    for platform, rows in (("flat", 2), ("dgx_h100", 4), ("flat", 4)):
        done = run(4, platform, *flags, *(["--resume"] if (tmp_path / "s.h5").exists() else []))
        assert done.returncode == 0, done.stdout + done.stderr
        found = rows_of(tmp_path / "s.h5", "/training/simulated")
        assert len(found) == rows
    assert {row["platform"] for row in found} == {"flat", "dgx_h100"}
