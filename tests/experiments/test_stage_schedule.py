"""The driver of the stage schedule study: budgets from the progressive run, and nothing done twice."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

import launch

DRIVER = launch.REPOSITORY / "experiments" / "stage_schedule" / "run.py"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("study")
    return folder, drive(folder)


def drive(folder: Path) -> str:
    finished = subprocess.run(
        [sys.executable, str(DRIVER), "--output", str(folder), "--quick", "--seeds", "1", "--ranks", "1",
         "--program", str(launch.program())],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    log = folder / "log.txt"
    assert finished.returncode == 0, finished.stdout + finished.stderr + (log.read_text() if log.exists() else "")
    return finished.stdout


def test_every_schedule_is_a_row_of_the_table(study: tuple[Path, str]) -> None:
    folder, printed = study
    table = (folder / "table.md").read_text(encoding="utf-8")
    assert table in printed
    names = [line.split("|")[1].strip() for line in table.splitlines()[2:]]
    assert names == ["progressive", "direct, equal tokens", "direct, equal time", "direct, equal work", "theta fixed",
                     "packed, masked", "packed, open"]  # fmt: skip
    assert all(re.search(r"\d\.\d\d \(\d\.\d\d to \d\.\d\d\)", line) for line in table.splitlines()[2:])


def test_direct_training_spends_what_progressive_training_spent(study: tuple[Path, str]) -> None:
    folder, _ = study

    def total(name: str, column: str) -> float:
        with h5py.File(folder / f"train-{name}-seed-1.h5", "r") as file:
            return float(file["/training/stages"][column].sum())

    for budget, column in (("tokens", "tokens"), ("flop", "flop_causal")):
        spent, wanted = total(f"direct_{budget}", column), total("progressive", column)
        with h5py.File(folder / f"train-direct_{budget}-seed-1.h5", "r") as file:
            one_step = float(file["/training/stages"][column][0] / file["/training/stages"]["steps"][0])
        assert abs(spent - wanted) <= 0.51 * one_step, f"{budget}: {spent} against {wanted}"


def test_a_second_run_does_nothing_again(study: tuple[Path, str]) -> None:
    folder, _ = study
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.h5")}
    assert "stage_schedule: [1]" not in drive(folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*.h5")} == before


def test_a_record_that_was_cut_short_is_not_finished(study: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = study
    specification = importlib.util.spec_from_file_location("stage_schedule_run", DRIVER)
    assert specification is not None and specification.loader is not None
    driver = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = driver
    specification.loader.exec_module(driver)
    record = folder / "train-progressive-seed-1.h5"
    assert driver.is_finished(record)
    cut = tmp_path / "cut.h5"
    cut.write_bytes(record.read_bytes())
    with h5py.File(cut, "r+") as file:
        file["provenance"].attrs["utc_end"] = ""
    assert not driver.is_finished(cut)
    assert not driver.is_finished(tmp_path / "absent.h5")
