"""A kernel that never ends becomes a row that names its rank and ring step. For a program of the emulated device."""

from __future__ import annotations

import time
from pathlib import Path

import h5py
import pytest

import launch
from record_reading import text_of

NO_PROGRESS = 3
RANKS = 3
FAULTY = 1
HUNG = 40  # kernel of the faulty rank: some ring step of some pass
LIMIT = 8  # seconds, long enough to get there
MOST_TO_THE_END = 30  # seconds after the limit
# Runs the program with a kernel that hangs, on one rank.
ON_ONE_RANK = """
if [[ $OMPI_COMM_WORLD_RANK == "$1" ]]; then export RINGWORLD_EMULATED_CUDA_HANG=$2; fi
exec "${@:3}"
"""
NAME = f'rank {FAULTY} stands still in "'


def run_with_hung_kernel(flags: list[str], kernel: int) -> tuple[int, str, float]:
    """Return exit code, standard error and seconds of a job whose faulty rank never ends its `kernel`-th kernel."""
    program = launch.command_line(None, flags)
    command = ["mpirun", "-n", str(RANKS), "bash", "-c", ON_ONE_RANK, "bash", str(FAULTY), str(kernel), *program]
    begin = time.monotonic()
    with launch.started(command) as process:
        _, errors = process.communicate(timeout=200)
    return process.returncode, errors, time.monotonic() - begin


def flags_of_attention(output: Path, transport: str) -> list[str]:
    return ["attention", "--backend", "cuda", "--transport", transport, "--context-length", "48", "--heads", "1",
            "--head-size", "16", "--gemm-extent", "64", "--repeats", "1000", "--ranks", str(RANKS),
            "--output", str(output)]  # fmt: skip


@pytest.mark.parametrize("transport", ["staged", "nccl"])
@pytest.mark.parametrize("backward", [False, True])
def test_the_watchdog_names_the_rank_and_the_ring_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str, backward: bool
) -> None:
    monkeypatch.setenv("RINGWORLD_EMULATED_CUDA_DEVICES", str(RANKS))
    output = tmp_path / "record.h5"
    flags = flags_of_attention(output, transport)
    flags += ["--timeout", "3", "--pass", "forward_backward" if backward else "forward"]
    code, errors, _ = run_with_hung_kernel(flags, HUNG)
    assert code == NO_PROGRESS, errors
    with h5py.File(output) as file:
        (row,) = file["attention"][()]
    assert not row["valid"]
    reason = text_of(row, "reason")
    assert reason.startswith(f"timeout: no progress for 3 s: {NAME}"), errors
    assert "rank 0 stands" not in reason and "rank 2 stands" not in reason, reason
    assert "ring step" in reason and "on the GPU" in reason, reason


def test_a_time_limit_ends_it_too(tmp_path: Path) -> None:
    output = tmp_path / "record.h5"
    flags = [*flags_of_attention(output, "staged"), "--time-limit", str(LIMIT)]
    code, errors, seconds = run_with_hung_kernel(flags, HUNG)
    assert code == NO_PROGRESS, errors
    assert seconds < LIMIT + MOST_TO_THE_END + 10, "the limit, what it leaves, and the start of the job"
    with h5py.File(output) as file:
        (row,) = file["attention"][()]
    assert (text_of(row, "outcome"), bool(row["valid"])) == ("timeout", False)
    assert NAME in text_of(row, "reason") and "ring step" in text_of(row, "reason"), errors
