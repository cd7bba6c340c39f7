"""The verdicts of experiments/attention/compare_schedules.py, on rounds that are made up."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "experiments" / "attention"))

import compare_schedules as script
from compare_schedules import OPEN, OUTSIDE, RING, WITHIN, Variant, compare

PASSED = "forward"


def test_a_limit_inside_the_interval_is_open() -> None:
    assert compare("x", PASSED, [1.02, 1.05, 1.03, 1.04, 1.01]).verdict == WITHIN
    assert compare("x", PASSED, [1.22, 1.25, 1.23, 1.24, 1.21]).verdict == OUTSIDE
    assert compare("x", PASSED, [1.02, 1.25, 1.03, 1.24, 1.12]).verdict == OPEN
    assert compare("x", PASSED, [1.05, 1.05]).verdict == OPEN, "two rounds settle nothing"


def test_one_outlier_decides_nothing() -> None:
    found = compare("x", PASSED, [1.02, 1.03, 1.01, 1.02, 2.5, 1.02, 1.03])
    assert found.verdict == WITHIN
    assert found.ratio == pytest.approx(1.02)


def test_exit_codes() -> None:
    within, outside = compare("x", PASSED, [1.0] * 3), compare("x", PASSED, [2.0] * 3)
    unsure = compare("x", PASSED, [1.0, 1.3, 1.1, 1.3])
    assert script.exit_code([within]) == 0
    assert script.exit_code([within, unsure]) == 3
    assert script.exit_code([within, unsure, outside]) == 1


def test_every_schedule_of_the_program_is_compared() -> None:
    header = (Path(script.ROOT) / "src" / "sequence" / "schedule.hpp").read_text(encoding="utf-8")
    names = header.split("schedule_names")[1].split("});")[0].split('"')[1::2]
    assert "all_gather" in names
    assert {one.schedule for one in script.variants(4)} == set(names)
    # On two ranks of one node a double ring is a ring.
    assert {one.schedule for one in script.variants(2)} == set(names) - {"double_ring"}


def test_the_ratio_is_that_of_the_fastest_repeats_of_one_job(tmp_path: Path) -> None:
    kind = [("schedule", "S24"), ("ulysses", "i8"), ("head_groups", "i8"), ("window", "i8"), ("trim", "?"),
            ("pass", "S16"), ("valid", "?"), ("reason", "S16"), ("step_time", "f8"),
            ("step_time_min", "f8")]  # fmt: skip
    rows = [
        (b"ring", 1, 1, 0, False, b"forward", True, b"", 9.0, 2.0),
        (b"ring", 1, 1, 0, False, b"backward", True, b"", 9.0, 5.0),
        (b"ring", 2, 1, 0, False, b"forward", True, b"", 9.0, 2.2),
        (b"ring", 2, 1, 0, False, b"backward", False, b"wrong", 9.0, 2.2),
    ]
    path = tmp_path / "round.h5"
    with h5py.File(path, "w") as file:
        file["attention"] = np.array(rows, dtype=kind)
    ulysses = Variant("ulysses 2", ulysses=2)
    assert script.ratio_of(path, ulysses, "forward") == pytest.approx(1.1)
    assert script.ratio_of(path, RING, "backward") == 1.0
    with pytest.raises(SystemExit, match="ulysses 2, backward: wrong"):
        script.ratio_of(path, ulysses, "backward")
    with pytest.raises(SystemExit, match="missing"):
        script.ratio_of(path, Variant("all_gather", "all_gather"), "forward")
