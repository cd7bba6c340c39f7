"""A Slurm of one node for all tests of this folder; they are skipped, with the reason, where it cannot be started."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BATCH_SCRIPT = "scripts/slurm/ringworld.sbatch"


def wait_until(is_so: Callable[[], bool], what: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.2)


class Cluster:
    """Calls Slurm's commands with the settings of the test's own Slurm."""

    def __init__(self, configuration: str) -> None:
        program = os.environ.get("RINGWORLD_BIN", str(ROOT / "build/release/bin/ringworld"))
        self._environment = os.environ | {
            "SLURM_CONF": configuration,
            "RINGWORLD_PROGRAM": program,
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def run(self, *command: object, **environment: str) -> str:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=ROOT,
            env=self._environment | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def submit(self, log: Path, *words: object, options: tuple[object, ...] = (), **environment: str) -> Job:
        """Submits the batch script with `words` after its name."""
        number = self.run("sbatch", "--parsable", f"--output={log}", *options, BATCH_SCRIPT, *words, **environment)
        return Job(self, number.strip(), log)


class Job:
    def __init__(self, cluster: Cluster, number: str, log: Path) -> None:
        self.cluster = cluster
        self.number = number
        self.log = log

    def field(self, name: str) -> str:
        text = self.cluster.run("scontrol", "--oneliner", "show", "job", self.number)
        found = re.search(rf"(?:^| ){name}=(\S*)", text)
        return found.group(1) if found else ""

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def account(self) -> str:
        state = f"{self.field('JobState')} ({self.field('Reason')})"
        return f"job {self.number} is {state} and said:\n{self.text()}"

    def wait_for_line(self, pattern: str, seconds: float = 100) -> None:
        try:
            wait_until(lambda: re.search(pattern, self.text(), re.MULTILINE) is not None, pattern, seconds)
        except AssertionError as error:
            pytest.fail(f"{error}; {self.account()}")

    def wait_for_state(self, *states: str, seconds: float = 100) -> None:
        try:
            wait_until(lambda: self.field("JobState") in states, f"a state of {states}", seconds)
        except AssertionError as error:
            pytest.fail(f"{error}; {self.account()}")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("slurm")
    # Clients of munge, of whatever user, have to reach its socket.
    for part in (folder, folder.parent, folder.parent.parent):
        part.chmod(0o755)
    with subprocess.Popen(
        [Path(__file__).with_name("hold_cluster.sh"), folder, *CONFIGURATION],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        word, _, rest = holder.stdout.readline().strip().partition(" ")
        try:
            if word == "skipped:":
                pytest.skip(rest)
            assert word == "ready", "Slurm did not come up"
            yield Cluster(rest)
        finally:
            holder.stdin.close()
            holder.wait(timeout=60)


# Lines of slurm.conf besides those of cluster.sh.
CONFIGURATION: list[str] = []
