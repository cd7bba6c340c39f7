"""Files and surroundings of a job: what ranks must share, what only one job may write, and what may be lost."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import pytest

import launch
from problem import Problem, write_tensors

SWEEP = ("--heads", 2, "--head-size", 32, "--repeats", 1, "--warmup", 0)
MODEL = """
[model]
preset = "needle"
[data]
haystack = "synthetic"
tokenizer = "byte"
"""
STAGE = """
[[stage]]
context_length = 64
rope_theta = 512
steps = {steps}
batch = 2
learning_rate = 1e-3
"""
TRAINING = MODEL + STAGE


def error_of(finished: launch.Finished) -> str:
    """Return the one error line of a run that was refused."""
    assert finished.code == 2, str(finished)
    assert len(finished.errors) == 1, str(finished)
    return finished.errors[0]


def run_apart(folders: list[Path], *arguments: launch.Argument) -> launch.Finished:
    """Run a rank in each folder."""
    words = [str(argument) for argument in arguments]
    command = ["mpirun"]
    for folder in folders:
        command += [":"] * (len(command) > 1) + ["-n", "1", "-wdir", str(folder), str(launch.program()), *words]
    begin = time.monotonic()
    with launch.started(command) as process:
        stdout, stderr = process.communicate(timeout=60)
    return launch.Finished(" ".join(command), process.returncode, stdout, stderr, time.monotonic() - begin)


def points(path: Path) -> list[int]:
    """Return the context lengths that a record holds."""
    with h5py.File(path) as file:
        return [int(length) for length in file["attention"]["context_length"]]


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Return folders that hold other files of the same names, but for the first two."""
    made = [tmp_path / name for name in ("a", "b", "c")]
    for index, folder in enumerate(made):
        folder.mkdir()
        steps = 1 + index // 2
        (folder / "base.toml").write_text(TRAINING.format(steps=steps))
        (folder / "train.toml").write_text(f'extends = "base.toml"\n{STAGE.format(steps=1)}')
        (folder / "sweep.toml").write_text(f"context_length = [{64 * steps}]\n")
        write_tensors(folder / "in.h5", Problem(16 * steps, 1, heads=2, kv_heads=2, head_size=16).tensors())
        (folder / "prompt").write_text("in the beginning" * steps)
    return made


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("attention", "--config", "sweep.toml"), "'sweep.toml' (--config)"),
        (("verify", "--input", "in.h5"), "'in.h5' (--input)"),
        (("train", "--config", "train.toml"), "'base.toml' (--config)"),
        (("generate", "--prompt-file", "prompt", "--checkpoint", "none.h5"), "'prompt' (--prompt-file)"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_ranks_that_read_other_files_are_named(
    folders: list[Path], tmp_path: Path, arguments: tuple[str, ...], named: str
) -> None:
    line = error_of(run_apart(folders, *arguments, "--output", tmp_path / "out.h5"))
    assert "rank 2 differs from rank 0" in line and named in line
    assert not (tmp_path / "out.h5").exists()


def test_ranks_that_are_told_other_things_are_named(tmp_path: Path) -> None:
    program = str(launch.program())
    command = ["mpirun", "-n", "1", program, "attention", "--repeats", "1", ":", "-n", "1", program, "info"]
    with launch.started(command, cwd=tmp_path) as process:
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "rank 1 differs from rank 0 in the arguments: 'attention --repeats 1' on rank 0" in stderr


def test_a_second_job_is_refused_and_a_killed_one_is_resumed(tmp_path: Path) -> None:
    output = tmp_path / "run.h5"
    lengths = ",".join(str(length) for length in range(512, 4096, 16))
    first = ("attention", "--context-length", lengths, "--heads", 8, "--head-size", 64, "--output", output)
    with launch.started(launch.command_line(None, first)) as process:
        deadline = time.monotonic() + 30
        while not output.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        line = error_of(launch.run(2, "attention", "--context-length", 64, *SWEEP, "--output", output, "--resume"))
        assert f"process {process.pid} " in line and "is writing it" in line
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
    launch.run_successfully(1, "attention", "--context-length", 64, *SWEEP, "--output", output, "--resume")
    assert points(output)[-1] == 64
    assert not list(tmp_path.glob(".*.lock"))


@pytest.mark.parametrize("ranks", [1, 2])
def test_one_file_of_two_names_is_refused(tmp_path: Path, ranks: int) -> None:
    write_tensors(tmp_path / "in.h5", Problem(16, 1, heads=2, kv_heads=2, head_size=16).tensors())
    before = (tmp_path / "in.h5").read_bytes()
    (tmp_path / "soft.h5").symlink_to("in.h5")
    os.link(tmp_path / "in.h5", tmp_path / "hard.h5")
    for name in ("in.h5", "soft.h5", "hard.h5", "./in.h5"):
        line = error_of(launch.run(ranks, "verify", "--input", "in.h5", "--output", name, cwd=tmp_path))
        assert f"--output '{name}' and --input 'in.h5' are the same file" in line
    (tmp_path / "t.toml").write_text(TRAINING.format(steps=1))
    train = ("train", "--config", "t.toml", "--checkpoint")
    assert "--config" in error_of(launch.run(ranks, *train, "m.h5", "--output", "t.toml", cwd=tmp_path))
    (tmp_path / "later.h5").symlink_to("m.h5")  # leads to nothing yet
    assert "--checkpoint" in error_of(launch.run(ranks, *train, "m.h5", "--output", "later.h5", cwd=tmp_path))
    assert (tmp_path / "in.h5").read_bytes() == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a disk of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode != 0:
        pytest.skip("a disk can be mounted by root only")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_a_full_disk_ends_the_job_with_its_reason(tmp_path: Path, small_disk: Path, ranks: int) -> None:
    old = small_disk / "old.h5"
    old.write_text("old")
    (tmp_path / "t.toml").write_text(TRAINING.format(steps=1).replace("64", "48"))
    write_tensors(tmp_path / "in.h5", Problem(60, 1, heads=4, kv_heads=4, head_size=64).tensors())
    train = launch.run(
        ranks, "train", "--config", tmp_path / "t.toml", "--checkpoint", old, "--output", tmp_path / "r.h5", timeout=30
    )
    (small_disk / "old.h5.1~").rename(old)  # kept when the training began
    verify = launch.run(ranks, "verify", "--input", tmp_path / "in.h5", "--output", old, timeout=30)
    for finished in (train, verify):
        line = error_of(finished)
        assert str(old) in line and "No space left on device" in line
    assert old.read_text() == "old"
    assert [entry.name for entry in small_disk.iterdir()] == ["old.h5"]


@pytest.mark.parametrize("ranks", [1, 2])
def test_paths_are_as_long_as_the_system_lets_them_be(tmp_path: Path, ranks: int) -> None:
    (tmp_path / "t.toml").write_text(TRAINING.format(steps=1))
    deep = tmp_path / ("d" * 120) / ("e" * 200)
    deep.mkdir(parents=True)
    model = deep / ("m" * 200 + ".h5")
    launch.run_successfully(
        ranks, "train", "--config", tmp_path / "t.toml", "--checkpoint", model, "--output", deep / "r.h5"
    )
    launch.run_successfully(
        ranks, "generate", "--checkpoint", model, "--prompt", "in the beginning", "--output", deep / "g.h5"
    )


@pytest.mark.parametrize(
    "streams", ["2>/dev/full >/dev/null", "2>&- >/dev/null", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full >/dev/full"]
)
def test_losing_the_log_is_not_losing_the_run(tmp_path: Path, streams: str) -> None:
    words = [*launch.command_line(None, ("attention", "--context-length", "64,96,128", *SWEEP)), "--output", "r.h5"]
    finished = subprocess.run(
        ["bash", "-c", f'"$@" {streams}', "bash", *words], cwd=tmp_path, env=launch.environment(), timeout=60
    )
    assert finished.returncode == 0
    assert points(tmp_path / "r.h5") == [64, 96, 128]


def test_a_launcher_of_another_mpi_is_refused(tmp_path: Path) -> None:
    words = launch.command_line(None, ("attention", "--context-length", 64, *SWEEP, "--output", tmp_path / "r.h5"))
    errors = []
    for rank in range(2):
        surroundings = {**launch.environment(), "PMI_SIZE": "2", "PMI_RANK": str(rank)}
        finished = subprocess.run(words, env=surroundings, capture_output=True, text=True, timeout=60)
        assert finished.returncode == 2
        errors += [line for line in finished.stderr.splitlines() if line.startswith(launch.ERROR_PREFIX)]
    assert len(errors) == 1 and "PMI_SIZE=2" in errors[0] and "unset" in errors[0]
    assert not (tmp_path / "r.h5").exists()


def test_threads_that_share_a_cpu_are_warned_of(tmp_path: Path) -> None:
    cpu = max(os.sched_getaffinity(0))
    words = ("attention", "--context-length", 64, *SWEEP, "--output", tmp_path / "r.h5", "--threads")
    for threads, expected in ((1, 0), (2, 1)):
        command = ["taskset", "-c", str(cpu), *launch.command_line(None, (*words, threads))]
        finished = subprocess.run(command, env=launch.environment(), capture_output=True, text=True, timeout=60)
        assert finished.returncode == 0
        assert finished.stderr.count(f"threads of rank 0 share 1 CPU (bound to {cpu})") == expected
