"""Runs the commands that manifests name, in bounded time, and keeps the rows that verdicts need."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ringworld_analysis.claims import records
from ringworld_analysis.claims.manifest import Manifest, Mode

SIMULATE = "scripts/simulate.sh"
PROGRAM = "ringworld"
#: Load of other processes, over the number of cores, from which a time that is measured says nothing.
BUSY = 0.5


@dataclass(frozen=True)
class Limits:
    """What may be run, and for how long."""

    seconds: float = 120.0
    """Longest time of one command; it is ended then, and its manifest keeps the rows that it had."""
    only: tuple[str, ...] = ()
    """Ids of manifests; empty: all."""
    modes: tuple[str, ...] = ("F", "M", "S")
    program: Path = Path("build/release/bin/ringworld")
    simulated: Path = Path("build/simulated/bin/ringworld")
    is_busy_allowed: bool = False


def run(manifests: Sequence[Manifest], folder: Path, limits: Limits) -> None:
    """Run what this machine can run, and print a line for each command and each mode that is left out."""
    for manifest in manifests:
        for mode in manifest.modes.values():
            wanted = mode.name in limits.modes and (not limits.only or manifest.id in limits.only)
            if wanted and mode.rule != "none" and (mode.commands or mode.waits_for):
                _run_mode(manifest, mode, folder, limits)


def why_not(mode: Mode, limits: Limits) -> str:
    """Return why the commands of a mode cannot run here; empty when they can."""
    if not mode.commands:
        return f"waits for {mode.waits_for}"
    is_simulated = mode.commands[0].startswith(SIMULATE)
    program = limits.simulated if is_simulated else limits.program
    if not program.is_file():
        return f"{program} is not built"
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if mode.name == "M" and not limits.is_busy_allowed and load > BUSY * cores:
        return f"other processes use the cores (load {load:.1f} on {cores}): a time would say nothing"
    return ""


def _run_mode(manifest: Manifest, mode: Mode, folder: Path, limits: Limits) -> None:
    name = f"{manifest.id} {mode.name}"
    reason = why_not(mode, limits)
    if reason:
        print(f"{name}: skipped: {reason}", flush=True)
        return
    found: list[records.Found] = []
    for number, command in enumerate(mode.commands, start=1):
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / "record.h5"
            problem = _execute(command, path, limits)
            rows = [] if problem else records.read_record(path)
        bad = next((row.row["outcome"] for row in rows if not row.row["valid"]), "")
        said = problem or (f"outcome {bad}" if bad else f"{len(rows)} rows")
        print(f"{name} {number}/{len(mode.commands)}: {said}, {time.monotonic() - begin:.1f} s", flush=True)
        if problem or bad:
            print(f"{name}: nothing kept", flush=True)
            return
        found += rows
    records.keep(mode.commands, found, folder / records.FOLDER / f"{manifest.id}_{mode.name.lower()}.csv")


def _execute(command: str, path: Path, limits: Limits) -> str:
    """Run one command; return what went wrong, empty for nothing."""
    words = shlex.split(command)
    if words[0] == PROGRAM:
        words = _launched([str(limits.program), *words[1:]])
    try:
        # A session of its own, so that the ranks behind a script or a launcher end with it.
        process = subprocess.Popen(
            [*words, "--output", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
    except OSError as problem:
        return f"cannot be started ({problem})"
    with process:
        try:
            output, errors = process.communicate(timeout=limits.seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return f"ended after {limits.seconds:g} s"
    if process.returncode != 0:
        last = (errors.strip() or output.strip() or "no word").splitlines()[-1]
        return f"exit code {process.returncode}: {last}"
    return ""


def _launched(words: list[str]) -> list[str]:
    """Start as many ranks as the flags ask for."""
    most = max(int(count) for count in words[words.index("--ranks") + 1].split(","))
    extra = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    return ["mpirun", *extra, "-n", str(most), *words]
