"""Runs the program as a user does, alone or under mpirun, always with a time limit.

RINGWORLD_BIN names the program; without it, build/release/bin/ringworld of this checkout.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Union

REPOSITORY = Path(__file__).resolve().parents[2]
ERROR_PREFIX = "ringworld: error: "
Argument = Union[str, int, float, Path]


@dataclass(frozen=True)
class Finished:
    """A run that has ended."""

    command: str
    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def errors(self) -> list[str]:
        """The program's own error lines; what the launcher adds about a failed job is left out."""
        return [line for line in self.stderr.splitlines() if line.startswith(ERROR_PREFIX)]

    def __str__(self) -> str:
        end = f"exit code {self.code} after {self.seconds:.1f} s"
        return f"{self.command}\n{end}\n{self.stdout[-2000:]}{self.stderr[-4000:]}"


def program() -> Path:
    """Return the program to test."""
    path = Path(os.environ.get("RINGWORLD_BIN", REPOSITORY / "build" / "release" / "bin" / "ringworld")).resolve()
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: build it, or name another program in RINGWORLD_BIN")
    return path


@functools.lru_cache(maxsize=1)
def _machine_environment() -> Mapping[str, str]:
    """Return what scripts/lib/mpi_environment.sh sets for more ranks than this machine has cores."""
    script = REPOSITORY / "scripts" / "lib" / "mpi_environment.sh"
    shown = subprocess.run(
        ["bash", "-c", f"source '{script}' && prepare_mpi 1000000 && env -0"],
        check=True,
        capture_output=True,
        text=True, errors="replace",
        timeout=60,
    ).stdout
    pairs = (entry.split("=", 1) for entry in shown.split("\0") if "=" in entry)
    return {name: value for name, value in pairs if name.startswith("OMPI_")}


def environment() -> dict[str, str]:
    """Return the environment of a run: any number of one-thread ranks, on any number of cores, as any user."""
    surroundings = dict(os.environ)
    surroundings.update(_machine_environment())
    surroundings.setdefault("OMPI_MCA_rmaps_base_oversubscribe", "1")
    surroundings.setdefault("OMPI_MCA_hwloc_base_binding_policy", "none")
    if os.geteuid() == 0:
        surroundings.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    surroundings.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    return surroundings


def command_line(ranks: int | None, arguments: Sequence[Argument]) -> list[str]:
    """Return the command of `ranks` ranks, or of the program without a launcher when `ranks` is None."""
    launcher = [] if ranks is None else ["mpirun", "-n", str(ranks)]
    return [*launcher, str(program()), *(str(argument) for argument in arguments)]


@contextlib.contextmanager
def started(command: Sequence[str], cwd: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """Start a job, and leave none of its processes behind."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True, errors="replace",
        cwd=cwd,
        env=environment(),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()  # the launcher ends its ranks
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                for rank in rank_processes(process.pid):
                    _kill(rank)
                process.kill()
                process.wait(timeout=10)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def run(ranks: int | None, *arguments: Argument, timeout: float = 120, cwd: Path | None = None) -> Finished:
    """Run the program to its end.

    A run that is not over within `timeout` seconds is ended, and fails the test.
    """
    command = command_line(ranks, arguments)
    begin = time.monotonic()
    with started(command, cwd) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not over after {timeout} s: {' '.join(command)}") from None
    return Finished(" ".join(command), process.returncode, stdout, stderr, time.monotonic() - begin)


def run_successfully(ranks: int | None, *arguments: Argument, timeout: float = 120) -> Finished:
    """Run the program to its end, which has to be a good one."""
    finished = run(ranks, *arguments, timeout=timeout)
    assert finished.code == 0, str(finished)
    return finished


def rank_processes(launcher: int) -> list[int]:
    """Return the processes that mpirun started on this machine, lowest rank first."""
    ranks: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it has ended in the meantime
            parent = re.sub(r"^.*\) ", "", (entry / "stat").read_text()).split()[1]
            if int(parent) != launcher:
                continue
            variables = (entry / "environ").read_bytes().split(b"\0")
            for variable in variables:
                if variable.startswith(b"OMPI_COMM_WORLD_RANK="):
                    ranks[int(variable.split(b"=")[1])] = int(entry.name)
    return [ranks[rank] for rank in sorted(ranks)]


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def kill_rank(launcher: int, rank: int) -> bool:
    """End one rank with no chance to clean up; false when the job has no such rank any more."""
    processes = rank_processes(launcher)
    if rank >= len(processes):
        return False
    _kill(processes[rank])
    return True
