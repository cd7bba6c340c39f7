#!/usr/bin/env python3
"""Is every schedule as fast as the zigzag ring, where no link slows any of them?

All schedules compute with the same kernels, so on ranks of one node, whose messages cost next to nothing, they should
take the same time. Each of them runs beside the ring in jobs of its own, round after round, so that a machine which
changes its speed meets both:

  round 1   [ring, all_gather] [ring, broadcast] ... [ring, ulysses 2]
  round 2   [ring, all_gather] ...

A ratio is that of the fastest repeats of one job; the table has the median over the rounds and its 95 % interval, by
the bootstrap over rounds. Verdicts: `within`, when the interval ends below 1 + LIMIT; `outside`, when it begins above;
`open`, when the limit lies inside it, or there were fewer than three rounds: more rounds, or a quieter machine, would
settle it.

Exit code: 0 all within, 1 one outside, 3 none outside and some open.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
LIMIT, CONFIDENCE, DRAWS, FEWEST_ROUNDS = 0.10, 0.95, 4000, 3
WITHIN, OUTSIDE, OPEN = "within", "outside", "open"
PASSES = ("forward", "backward")
#: Threads that ranks of one core each need, and what lets several ranks share a node that has fewer cores.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_mpi_yield_when_idle": "1",
               "OMPI_MCA_hwloc_base_binding_policy": "none"}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Variant:
    """A schedule with its parameters: the values of the program's flags that differ from a ring's."""

    name: str
    schedule: str = "ring"
    ulysses: int = 1
    head_groups: int = 1
    window: int = 0
    trim: bool = False

    def is_in(self, row: np.void) -> bool:
        """Tell whether a row of /attention is of this variant."""
        same = row["schedule"].decode() == self.schedule and row["ulysses"] == self.ulysses
        return bool(
            same and row["head_groups"] == self.head_groups and row["window"] == self.window
            and bool(row["trim"]) == self.trim
        )  # fmt: skip

    @property
    def flags(self) -> list[str]:
        """Return flags that run the ring and this variant in one job; what no schedule can run is left out."""
        lists = {"--schedule": ("ring", self.schedule), "--ulysses": ("1", str(self.ulysses)),
                 "--head-groups": ("1", str(self.head_groups)), "--window": ("0", str(self.window)),
                 "--trim": ("false", str(self.trim).lower())}  # fmt: skip
        return [word for flag, values in lists.items() for word in (flag, ",".join(dict.fromkeys(values)))]


RING = Variant("ring")


def variants(ranks: int) -> list[Variant]:
    """Return every schedule that differs from a ring on so many ranks of one node."""
    found = [
        Variant("ring, trimmed", trim=True),
        Variant("bidirectional", "bidirectional"),
        Variant("all_gather", "all_gather"),
        Variant("all_gather, 2 head groups", "all_gather", head_groups=2),
        Variant("broadcast", "broadcast"),
        Variant("broadcast_queries", "broadcast_queries"),
        Variant("pass_q", "pass_q"),
    ]
    if ranks % 2 == 0 and ranks > 2:
        found.append(Variant("double_ring, window 2", "double_ring", window=2))
        found.append(Variant("ulysses 2", ulysses=2))
    found.append(Variant(f"ulysses {ranks}", ulysses=ranks))
    return found


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One schedule and pass over all rounds."""

    variant: str
    passed: str
    ratio: float
    low: float
    high: float
    rounds: int

    @property
    def verdict(self) -> str:
        """Judge against the limit; a few rounds, of which some may have met a busy moment, settle nothing."""
        if self.rounds < FEWEST_ROUNDS:
            return OPEN
        return WITHIN if self.high <= 1 + LIMIT else OUTSIDE if self.low > 1 + LIMIT else OPEN


def compare(variant: str, passed: str, ratios: Sequence[float]) -> Comparison:
    """Return the median ratio and its interval; with fewer than three rounds the interval is all ratios."""
    values = np.asarray(ratios, dtype=float)
    medians = np.median(values[np.random.default_rng(0).integers(len(values), size=(DRAWS, len(values)))], axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(medians, [tail, 1 - tail]) if len(values) >= FEWEST_ROUNDS else (values.min(), values.max())
    return Comparison(variant, passed, float(np.median(values)), float(low), float(high), len(values))


def ratio_of(path: Path, variant: Variant, passed: str) -> float:
    """Return the time of a variant over that of the ring in one job, each by its fastest repeat.

    :raises SystemExit: when one of them is missing or not valid
    """
    with h5py.File(path, "r") as record:
        rows = [row for row in record["/attention"] if row["pass"].decode() == passed]
    times = []
    for one in (variant, RING):
        row = next((row for row in rows if one.is_in(row)), None)
        if row is None or not row["valid"]:
            raise SystemExit(f"{path}: {one.name}, {passed}: {'missing' if row is None else row['reason'].decode()}")
        times.append(float(row["step_time_min"]))
    return times[0] / times[1]


def run(options: argparse.Namespace, variant: Variant, output: Path) -> None:
    """Run the ring and a variant in one job.

    :raises SystemExit: when the program fails, with its exit code
    """
    command = [
        "mpirun", "-n", str(options.ranks), options.program, "attention", *variant.flags, "--pass", ",".join(PASSES),
        "--layout", "zigzag", "--context-length", options.context_length, "--heads", str(options.heads), "--head-size",
        str(options.head_size), "--repeats", str(options.repeats), "--warmup", "1", "--output", str(output),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**ENVIRONMENT, **os.environ})
    if done.returncode != 0:
        sys.stderr.write(done.stdout + done.stderr)
        raise SystemExit(done.returncode)


def table(found: Sequence[Comparison]) -> str:
    """Return the comparisons as a table in Markdown."""
    lines = ["| schedule | pass | time over the ring's | 95 % interval | rounds | 10 % |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {one.variant} | {one.passed} | {one.ratio:.3f} | {one.low:.3f} to {one.high:.3f} | {one.rounds} | "
        f"{one.verdict} |"
        for one in found
    ]
    return "\n".join(lines)


def exit_code(found: Sequence[Comparison]) -> int:
    """Return what the verdicts make of the run."""
    verdicts = {one.verdict for one in found}
    return 1 if OUTSIDE in verdicts else 3 if OPEN in verdicts else 0


def measure(options: argparse.Namespace, folder: Path) -> list[Comparison]:
    """Run all rounds; a record that is there already is not run again."""
    every = variants(options.ranks)
    ratios: dict[tuple[str, str], list[float]] = {(one.name, passed): [] for one in every for passed in PASSES}
    for turn in range(1, options.rounds + 1):
        for number, variant in enumerate(every, start=1):
            path = folder / f"round-{turn}-{number}.h5"
            if not path.exists():
                run(options, variant, path)
            for passed in PASSES:
                ratios[variant.name, passed].append(ratio_of(path, variant, passed))
        print(f"round {turn} of {options.rounds}", file=sys.stderr, flush=True)
    return [compare(name, passed, values) for (name, passed), values in ratios.items()]


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/ringworld"))
    parser.add_argument("--ranks", type=int, default=2, help="of one node, one core each (default 2)")
    parser.add_argument("--context-length", default="16K", help="tokens (default 16K)")
    parser.add_argument("--heads", type=int, default=2, help="divisible by the ranks (default 2)")
    parser.add_argument("--head-size", type=int, default=64, help="(default 64)")
    parser.add_argument("--rounds", type=int, default=5, help="(default 5)")
    parser.add_argument("--repeats", type=int, default=3, help="of each pass in a round (default 3)")
    parser.add_argument("--output", type=Path, help="folder that keeps the records; those in it are not run again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.output or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        found = measure(options, folder)
    print(table(found))
    return exit_code(found)


if __name__ == "__main__":
    sys.exit(main())
