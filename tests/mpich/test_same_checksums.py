"""MPICH and Open MPI carry the same bytes: every result of the probe has the same bits under both."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import launch

PROGRAMS = {
    "mpirun.openmpi": launch.REPOSITORY / "build" / "release" / "bin" / "ringworld",
    "mpirun.mpich": launch.REPOSITORY / "build" / "mpich" / "bin" / "ringworld",
}
PROBED = re.compile(r"^ok +(probe .*?)  +[\d.]+ s  (\d+) of \2 rows exact, checksum ([0-9a-f]{8})$", re.MULTILINE)


def checksums(launcher: str, program: Path, ranks: int) -> dict[str, str]:
    """Return the checksum of each probe of `check`."""
    command = [launcher, "-n", str(ranks), str(program), "check", "--quick", "--context-length", "67",
               "--link-bytes", "64K"]  # fmt: skip
    done = subprocess.run(command, env=launch.environment(), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{done.args}: {done.stdout}{done.stderr}"
    return {found[1]: found[3] for found in PROBED.finditer(done.stdout)}


# MPICH's ranks spin while they wait: with more of them than cores this takes minutes.
@pytest.mark.parametrize("ranks", [2, *(pytest.param(ranks, marks=pytest.mark.slow) for ranks in (1, 3, 4))])
def test_every_probe_has_the_checksum_of_the_other_library(ranks: int) -> None:
    openmpi, mpich = (checksums(launcher, program, ranks) for launcher, program in PROGRAMS.items())
    assert len(openmpi) >= 15
    assert len(set(openmpi.values())) >= 6, "other inputs, types and passes have other checksums"
    assert mpich == openmpi
    print(f"{ranks} ranks: {len(openmpi)} probes, equal checksums; the first is {next(iter(openmpi.items()))}")
