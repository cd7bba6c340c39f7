"""Schedules side by side on two hosts that a slow link joins.

The kernels are simulated: they take the time that a rate says, in slices, and drive the messages between them, which are
real. So four ranks can be timed on two cores, and communication can be given any share of compute.

For each schedule, on 2 hosts x R ranks:
  hidden    share of the communication that compute hides, where communication takes F of the compute beside it
and where nothing is computed:
  time      of a forward pass, and bytes that cross the link, each as a ratio to the flat ring's
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

NETLAB = Path(__file__).resolve().parents[1] / "netlab.sh"
HIDDEN_WANTED = 0.9
#: Time ratios that a formula gives may be missed by this share of them: the link's bucket and TCP are not exact.
TOLERANCE = 0.1
#: FLOP/s at which compute takes no time to speak of.
NO_COMPUTE = 1e18
REFERENCE = "ring"


@dataclasses.dataclass(frozen=True)
class Case:
    """A schedule as it is given to the program."""

    name: str
    flags: tuple[str, ...]
    hides: bool = True
    """Whether 90 % are wanted."""
    has_windows: bool = False
    """Whether the link is used beside the blocks of one host's ranks only: by the outer ring of a double ring."""

    def share_beside(self, ranks: int, ranks_per_host: int) -> float:
        """Return the share of all blocks that are computed while something crosses the link."""
        return (ranks - ranks_per_host if self.has_windows else ranks - 1) / ranks


CASES = (
    Case(REFERENCE, ("--schedule", "ring")),
    Case("bidirectional", ("--schedule", "bidirectional")),
    Case("double_ring", ("--schedule", "double_ring"), has_windows=True),
    Case("all_gather, 8 head groups", ("--schedule", "all_gather", "--head-groups", "8")),
    Case("all_gather", ("--schedule", "all_gather"), hides=False),
    Case("broadcast", ("--schedule", "broadcast"), hides=False),
)


@dataclasses.dataclass(frozen=True)
class Crossing:
    """Seconds of a forward pass that computes nothing, the fastest of the repeats, and its bytes on the link."""

    seconds: float
    link_bytes: int


@dataclasses.dataclass(frozen=True)
class Overlap:
    """Seconds of a forward pass on the slowest rank: whole, and with either half of the work switched off."""

    both: float
    compute: float
    communication: float
    beside: float
    """Compute of the steps that have a transfer beside them."""

    @property
    def hidden(self) -> float:
        return 1 - (self.both - self.compute) / min(self.communication, self.beside)


def read_overlap(path: Path) -> Overlap:
    with h5py.File(path, "r") as record:
        row = record["/attention"][-1]
        if not row["valid"]:
            raise SystemExit(f"netlab schedules: {path}: {row['reason'].decode()}")
        point = record["/overlap/points"][-1]
        shape = (int(point["ranks"]), int(point["steps"]))
        first, count = int(point["first"]), shape[0] * shape[1]
        compute, comm, both = (
            record[f"/overlap/{name}"][first : first + count].reshape(shape) for name in ("t_compute", "t_comm", "t_both")
        )
    is_hop = ~np.isnan(comm)
    return Overlap(
        both=float(both.sum(axis=1).max()),
        compute=float(compute.sum(axis=1).max()),
        communication=float(np.nansum(comm, axis=1).max()),
        beside=float(np.where(is_hop, compute, 0).sum(axis=1).max()),
    )


class Laboratory:
    """Runs the program on the two hosts."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.runs = 0

    def run(self, flags: Sequence[str], rate: float, repeats: int) -> Path:
        """Run a forward pass with each schedule of the flags; return the record."""
        self.runs += 1
        path = self.folder / f"{self.runs}.h5"
        values = self.options
        command = [
            str(NETLAB), "--rate", values.rate, "--ranks-per-host", str(values.ranks_per_host), "--", values.program,
            "attention", "--backend", "simulated", "--rates", f"{rate:.6g}", *flags, "--context-length",
            str(values.context_length), "--heads", "8", "--head-size", "64", "--pass", "forward", "--layout", "zigzag",
            "--repeats", str(repeats), "--warmup", "1", "--output", str(path),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.stderr.write(done.stdout + done.stderr)
            raise SystemExit(done.returncode)
        return path

    def times(self) -> dict[str, Crossing]:
        """Time every case where nothing is computed: in one job, so that all meet the same link."""
        schedules = ",".join(dict.fromkeys(case.flags[1] for case in CASES))
        groups = ",".join(sorted({case.flags[3] if len(case.flags) > 2 else "1" for case in CASES}))
        path = self.run(("--schedule", schedules, "--head-groups", groups), NO_COMPUTE, self.options.repeats)
        with h5py.File(path, "r") as record:
            rows = {(row["schedule"].decode(), str(row["head_groups"])): row for row in record["/attention"]}
        found = {}
        for case in CASES:
            row = rows[case.flags[1], case.flags[3] if len(case.flags) > 2 else "1"]
            found[case.name] = Crossing(float(row["step_time_min"]), int(row["wire_bytes_between_nodes"]))
        return found

    def overlap(self, case: Case, rate: float) -> Overlap:
        flags = (*case.flags, "--overlap-probe", "true", "--probe-repeats", str(self.options.repeats))
        return read_overlap(self.run(flags, rate, 1))


def flop_rate(context_length: int, ranks: int, seconds: float) -> float:
    """FLOP/s with which a rank takes so long for its share of a causal forward pass of 8 heads of 64."""
    pairs = context_length * (context_length + 1) / 2 / ranks
    return 4 * 8 * 64 * pairs / seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="ringworld")
    parser.add_argument("--rate", default="200mbit", help="of the link, each way (default 200mbit)")
    parser.add_argument("--ranks-per-host", type=int, default=2, help="R (default 2)")
    parser.add_argument("--context-length", type=int, default=4096, help="tokens (default 4096)")
    parser.add_argument("--fraction", type=float, default=0.8, help="F (default 0.8)")
    parser.add_argument("--repeats", type=int, default=5, help="of each pass (default 5)")
    options = parser.parse_args()
    ranks = 2 * options.ranks_per_host
    print(f"netlab schedules: S = {options.context_length}, 2 hosts x {options.ranks_per_host} ranks, {options.rate}")
    print(f"{'schedule':28}{'hidden':>8}{'wanted':>8}{'time':>9}{'to ring':>9}{'bytes':>11}{'to ring':>9}")
    failures = []
    with tempfile.TemporaryDirectory() as name:
        laboratory = Laboratory(options, Path(name))
        found = laboratory.times()
        reference = found[REFERENCE]
        for case in CASES:
            alone = found[case.name]
            seconds = alone.seconds / options.fraction / case.share_beside(ranks, options.ranks_per_host)
            judged = laboratory.overlap(case, flop_rate(options.context_length, ranks, seconds))
            wanted = f">= {HIDDEN_WANTED:.0%}" if case.hides else "-"
            print(
                f"{case.name:28}{judged.hidden:8.1%}{wanted:>8}{alone.seconds:8.3f}s"
                f"{alone.seconds / reference.seconds:9.3f}{alone.link_bytes:11d}"
                f"{alone.link_bytes / reference.link_bytes:9.3f}",
                flush=True,
            )
            if case.hides and judged.hidden < HIDDEN_WANTED:
                failures.append(f"{case.name} hides {judged.hidden:.1%}")
    # (P - W) / (P - 1) of the flat ring's bytes cross the link with windows of W ranks, and the link is all that counts.
    expected = {"bidirectional": 1.0, "double_ring": (ranks - options.ranks_per_host) / (ranks - 1)}
    for name, ratio in expected.items():
        for what, value in (
            ("bytes", found[name].link_bytes / reference.link_bytes),
            ("time", found[name].seconds / reference.seconds),
        ):
            is_right = abs(value / ratio - 1) <= (1e-9 if what == "bytes" else TOLERANCE)
            print(f"{name}: {what} {value:.3f} of the ring's, {ratio:.3f} expected: {'PASS' if is_right else 'FAIL'}")
            if not is_right:
                failures.append(f"{name} takes {value:.3f} of the ring's {what}")
    print("PASS" if not failures else "FAIL: " + "; ".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
