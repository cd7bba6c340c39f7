"""kill -9 at random moments: every file opens, no completed row is lost, and the run that resumes ends whole.

A run is killed again and again on the same files, always with --resume, until it comes to its end; then the record must
equal that of a run that nobody killed, and the next round begins with new files.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from ringworld_analysis.journal import open_record

import launch
from needle_checkpoint import write_checkpoint, write_text

PROGRESS = re.compile(r"\[\s*(\d+)/(\d+)\b")
LONGEST_RUN = 120.0  # s
#: Columns that differ from run to run, beside those whose unit holds seconds.
OWN_OF_A_RUN = {"run", "part", "arguments", "configuration", "checkpoint", "haystack", "question",
                "peak_resident_bytes"}  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """A verb, its arguments, and the tables that its record must hold in the end."""

    verb: str
    arguments: Callable[[Path], list[launch.Argument]]
    tables: tuple[str, ...]
    reports_rows: str = ""  #: the table that has a row for each progress line of the run


TRAINING = """
[model]
preset = "needle"
layers = 1
[data]
haystack = ["{folder}/text.txt"]
tokenizer = "byte"
[[stage]]
context_length = 64
rope_theta = 512
steps = 60
batch = 2
learning_rate = 1e-3
[[stage]]
context_length = 128
rope_theta = 1024
steps = 40
batch = 2
learning_rate = 1e-3
"""


def attention(folder: Path) -> list[launch.Argument]:
    lengths = ",".join(str(length) for length in range(256, 256 + 24 * 16, 16))
    return ["--context-length", lengths, "--heads", 4, "--head-size", 32, "--repeats", 3, "--pass", "forward_backward",
            "--output", folder / "record.h5"]  # fmt: skip


def train(folder: Path) -> list[launch.Argument]:
    return ["--config", folder / "train.toml", "--checkpoint", folder / "model.h5", "--checkpoint-steps", 7, "--output",
            folder / "record.h5"]  # fmt: skip


def needle(folder: Path) -> list[launch.Argument]:
    return ["--checkpoint", folder / "asked.h5", "--haystack", folder / "text.txt", "--context-length", "96,128",
            "--depth", "0,0.25,0.5,0.75,1", "--trials", 8, "--output", folder / "record.h5"]  # fmt: skip


def sweep(folder: Path) -> list[launch.Argument]:
    return ["--attention-config", folder / "attention.toml", "--stages", folder / "train.toml", "--needle-config",
            folder / "needle.toml", "--context-length", "96,128", "--output", folder / "record.h5"]  # fmt: skip


SCENARIOS = (
    Scenario("attention", attention, ("attention", "samples"), "attention"),
    Scenario("train", train, ("training/steps", "training/stages")),
    Scenario("needle", needle, ("needle/cells",), "needle/cells"),
    Scenario("sweep", sweep, ("attention", "training/steps", "needle/cells", "sweep/points")),
)


def prepare(folder: Path) -> None:
    folder.mkdir(parents=True)
    write_text(folder / "text.txt")
    write_checkpoint(folder / "asked.h5")
    (folder / "train.toml").write_text(TRAINING.format(folder=folder))
    (folder / "attention.toml").write_text("heads = 2\nhead_size = 16\nrepeats = 2\n")
    (folder / "needle.toml").write_text('haystack = "synthetic"\ntrials = 2\ndepth = [0.0, 1.0]\n')


def results(path: Path, tables: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return what does not depend on the clock, nor on how often the run was started."""
    found = {}
    with h5py.File(path) as file:
        assert "journal_begin" not in file.attrs, "a run that came to its end leaves plain HDF5"
        for name in tables:
            rows = file[name][()] if name in file else np.zeros(0)
            if name in file:
                names = list(rows.dtype.names or ())
                units = dict(zip(names, file[name].attrs["units"].tolist(), strict=True))
                rows = rows[[field for field in names if field not in OWN_OF_A_RUN and not is_time(field, units[field])]]
            found[name] = rows
    return found


def is_time(name: str, unit: str) -> bool:
    """Tell what depends on the clock: times, energy, what is computed from them, and how far they can be trusted."""
    return unit in ("s", "J") or unit.endswith("/s") or "mfu" in name or name == "noisy" or name.endswith("_share")


def open_all(folder: Path) -> None:
    """Open every HDF5 file that is there under its own name, without and with what it holds behind the HDF5 image."""
    for path in folder.rglob("*.h5"):
        for opener in (h5py.File, open_record):
            with opener(path) as file:
                file.visititems(lambda _, item: item[()] if isinstance(item, h5py.Dataset) else None)


def kill_job(process: subprocess.Popen[str], chance: random.Random) -> None:
    """End the job, or one rank of it, with no chance to clean up."""
    ranks = launch.rank_processes(process.pid)
    victims = [chance.choice(ranks)] if ranks and chance.random() < 0.5 else [*ranks, process.pid]
    for victim in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        pytest.fail("a killed rank does not end its job within 30 s")
    deadline = time.monotonic() + 10
    while any(_is_alive(rank) for rank in ranks):
        assert time.monotonic() < deadline, "a rank outlives its job by 10 s"
        time.sleep(0.02)


def _is_alive(process: int) -> bool:
    with contextlib.suppress(OSError):
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1].split()[0]
    return False


def run_for(command: list[str], log: Path, seconds: float, chance: random.Random) -> int | None:
    """Start the job and kill it after so many seconds; return its exit code when it ended before."""
    with log.open("w") as sink:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, text=True,
                                   env=launch.environment(), start_new_session=True)  # fmt: skip
        try:
            return process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            kill_job(process, chance)
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def reported(log: Path) -> int:
    """Return how many results the run had shown."""
    return max((int(match.group(1)) for match in PROGRESS.finditer(log.read_text(errors="replace"))), default=0)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.verb)
def test_killed_runs_lose_nothing(scenario: Scenario, kills: int, tmp_path: Path) -> None:
    chance = random.Random(scenario.verb)
    untouched = tmp_path / "untouched"
    prepare(untouched)
    begin = time.monotonic()
    finished = launch.run(None, scenario.verb, *scenario.arguments(untouched), timeout=LONGEST_RUN)
    length = time.monotonic() - begin
    assert finished.code in (0, 1), str(finished)
    expected = results(untouched / "record.h5", scenario.tables)

    done, round_number, folder = 0, 0, tmp_path / "round0"
    prepare(folder)
    while done < kills // len(SCENARIOS):
        # Kept by a round: ranks may differ in the last bits of a loss.
        command = launch.command_line(None if round_number % 2 == 0 else 1, [
            scenario.verb, *scenario.arguments(folder), "--resume",
        ])  # fmt: skip
        log = folder / "log"
        code = run_for(command, log, chance.uniform(0.02, 1.1 * length), chance)
        open_all(folder)
        if scenario.reports_rows and (folder / "record.h5").exists():
            with open_record(folder / "record.h5") as file:
                rows = len(file[scenario.reports_rows]) if scenario.reports_rows in file else 0
            assert rows >= reported(log), f"{reported(log)} results were shown, {rows} are in the record"
        if code is None:
            done += 1
            continue
        assert code in (0, 1), log.read_text(errors="replace")[-2000:]
        check_equal(results(folder / "record.h5", scenario.tables), expected)
        round_number += 1
        folder = tmp_path / f"round{round_number}"
        prepare(folder)


def check_equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name, rows in expected.items():
        assert len(found[name]) == len(rows), f"{name}: {len(found[name])} rows, {len(rows)} expected"
        # A sweep takes up its parts in any order of its kills; keys come first in a row.
        for left, right in zip(_sorted(found[name]), _sorted(rows), strict=True):
            assert _values(left) == _values(right), name


def _values(row: Any) -> list[Any]:
    return ["nan" if isinstance(value, float) and np.isnan(value) else value for value in row.tolist()]


def _sorted(rows: np.ndarray) -> list[Any]:
    return sorted(rows, key=lambda row: str(_values(row)))
