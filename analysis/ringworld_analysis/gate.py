"""The gate: two builds' benchmarks of kernels in turns, and whether the second is slower.

Runs of both builds alternate (A B, B A, A B, ...), each a process of a fraction of a second, so that what the machine
does meanwhile meets both alike. A pair of neighbouring runs gives a ratio, and the median of the ratios has a bootstrap
interval (`intervals`). A case fails when its ratio is beyond the limit and its interval excludes that both builds are
equally fast. A case that is neither that nor clearly inside the limit gets more pairs, until `most_pairs`: then it
passes, and is called noise.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ringworld_analysis.compare import Limits
from ringworld_analysis.errors import InputError
from ringworld_analysis.formatting import si
from ringworld_analysis.intervals import FALSE_ALARMS, draw_paired_ratios

#: A case of one thread is judged by its thread's processor time: programs beside it do not lengthen that.
CPU_TIME, WALL_TIME = "cpu_seconds", "seconds"
FAILING = "slower"


@dataclass(frozen=True)
class Plan:
    """How much is measured, and what passes."""

    cases: Mapping[str, str]
    """Name of a benchmark program, and the filter that chooses its cases."""
    limit: float = 0.025
    """Largest slowdown that passes, as a fraction; half of what must not."""
    pairs: int = 8
    """Pairs of runs before the first verdict, and between verdicts."""
    most_pairs: int = 32
    seconds: float = 0.1
    """Time that one run of one case repeats its kernel."""


@dataclass
class Case:
    """A case of a benchmark program and its times in both builds, pair by pair."""

    name: str
    base: list[float] = field(default_factory=list)
    candidate: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Median over pairs of the candidate's time over the base's."""
        return float(np.median(np.array(self.candidate) / np.array(self.base)))

    def judge(self, limit: float, false_alarms: float) -> tuple[str, tuple[float, float]]:
        """Return the verdict and the interval of the ratio."""
        interval = draw_paired_ratios(np.array(self.base), np.array(self.candidate)).interval(false_alarms)
        # A gain of speed never fails.
        verdict = Limits(-1.0, limit).judge(self.ratio, interval)
        return verdict, interval


@dataclass(frozen=True)
class Judged:
    """A case with its verdict: same, slower or noise."""

    case: Case
    verdict: str
    interval: tuple[float, float]


#: Runs a program of a build with a filter and returns the time of each case.
Runner = Callable[[Path, str, str], Mapping[str, float]]


def judge(base: Path, candidate: Path, plan: Plan, run: Runner | None = None) -> list[Judged]:
    """Measure both builds in turns and judge every case.

    :param base: folder of the benchmark programs of the build that is the reference
    :param run: for tests; else the programs themselves are run
    :raises InputError: when a program is missing, fails, has no such case, or the builds have different ones.
    """
    measure = run or (lambda folder, program, chosen: run_program(folder, program, chosen, plan.seconds))
    judged: list[Judged] = []
    for program, chosen in plan.cases.items():
        cases: dict[str, Case] = {}
        found: list[Judged] = []
        while not found or (len(found[0].case.base) < plan.most_pairs and any(_is_open(each) for each in found)):
            _measure_pairs(base, candidate, program, chosen, plan.pairs, measure, cases)
            share = FALSE_ALARMS / 2 / len(plan.cases) / len(cases)
            found = [Judged(case, *case.judge(plan.limit, share)) for case in cases.values()]
        judged += found
    return judged


def render(judged: Sequence[Judged], limit: float) -> str:
    """Return a line a case and the verdict over all."""
    width = max(len(each.case.name) for each in judged)
    lines = [f"{'case':{width}}  {'A':>9}  {'B':>9}  {'B/A':>6}  interval         pairs  verdict"]
    for each in judged:
        times = [si(float(np.median(times)), "s") for times in (each.case.base, each.case.candidate)]
        low, high = each.interval
        lines.append(f"{each.case.name:{width}}  {times[0]:>9}  {times[1]:>9}  {each.case.ratio:6.3f}  "
                     f"{low:.3f} to {high:.3f}  {len(each.case.base):5}  {each.verdict}")  # fmt: skip
    slower = [each for each in judged if each.verdict == FAILING]
    noise = sum(each.verdict == "noise" for each in judged)
    said = f"; {noise} of {len(judged)} lost in noise" if noise else ""
    verdict = f"FAILED: {len(slower)} slower" if slower else "OK: none slower"
    return "\n".join([*lines, f"{verdict} by more than {100 * limit:.1f} %{said}"])


def run_program(folder: Path, program: str, chosen: str, seconds: float) -> Mapping[str, float]:
    """Run a benchmark program once; return the time of each case.

    :raises InputError: when it cannot be run, or has no such case.
    """
    path = folder / program
    command = [str(path), f"--benchmark_filter={chosen}", f"--benchmark_min_time={seconds}", "--benchmark_format=json"]
    # One thread unless said otherwise: then every case is judged by processor time.
    environment = {"OMP_NUM_THREADS": "1", **os.environ, "RINGWORLD_BENCH_ROOFS": "off"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except OSError as problem:
        raise InputError(f"{path}: cannot be run ({problem.strerror})") from problem
    if done.returncode != 0 or not done.stdout.startswith("{"):
        raise InputError(f"{path}: {(done.stderr or done.stdout).strip() or 'no case matches ' + chosen}")
    times = {}
    for entry in json.loads(done.stdout)["benchmarks"]:
        if entry.get("error_occurred"):
            raise InputError(f"{path}: {entry['name']}: {entry.get('error_message')}")
        is_alone = "threads=1" in str(entry.get("label", "")).split() and CPU_TIME in entry
        times[str(entry["name"]).removesuffix("/real_time")] = float(entry[CPU_TIME if is_alone else WALL_TIME])
    if not times:
        raise InputError(f"{path}: no case matches '{chosen}'")
    return times


def _is_open(judged: Judged) -> bool:
    return judged.verdict == "noise"


def _measure_pairs(
    base: Path, candidate: Path, program: str, chosen: str, pairs: int, run: Runner, cases: dict[str, Case]
) -> None:
    for pair in range(pairs):
        folders = (base, candidate) if pair % 2 == 0 else (candidate, base)
        first, second = (run(folder, program, chosen) for folder in folders)
        before, after = (first, second) if pair % 2 == 0 else (second, first)
        if set(before) != set(after):
            raise InputError(f"{program} of the two builds has different cases: "
                             + ", ".join(sorted(set(before) ^ set(after))))  # fmt: skip
        for name in before:
            case = cases.setdefault(name, Case(f"{program.removeprefix('bench_')}/{name}"))
            case.base.append(before[name])
            case.candidate.append(after[name])
