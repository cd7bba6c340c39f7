"""Schedules side by side on two hosts that a slow link joins.

The kernels are simulated: they take the time that a rate says, in slices, and drive the messages between them, which
are real. So four ranks can be timed on two cores, and communication can be given any share of compute.

For each schedule, on 2 hosts x R ranks:
  ratio     t_comm / t_compute, as it was measured: compute is set anew, up to three times, until it is within 0.1 of F
  hidden    share of the communication that compute hides
and where nothing is computed:
  time      of a forward pass, and bytes that cross the link, each as a ratio to the flat ring's

Exit code: 0 all holds, 1 something does not, or the machine was too loaded to tell.
"""

from __future__ import annotations

import argparse
import functools
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from schedule_verdicts import (
    LOADED,
    PASS,
    Calibration,
    Case,
    Crossing,
    Overlap,
    judge_hidden,
    judge_link,
    read_crossing,
    read_overlap,
    write_verdicts,
)

NETLAB = Path(__file__).resolve().parents[1] / "netlab.sh"
HIDDEN_WANTED = 0.9
#: Time ratios that a formula gives may be missed by this share of them: the link's bucket and TCP are not exact.
TOLERANCE = 0.1
#: How far t_comm / t_compute may be from what is wanted, and how often compute is set anew.
ROOM, ATTEMPTS = 0.1, 3
#: FLOP/s at which compute takes no time to speak of.
NO_COMPUTE = 1e18
HEADS, HEAD_SIZE = 8, 64

RING = Case("ring", "ring")
CASES = (
    RING,
    Case("bidirectional", "bidirectional"),
    Case("double_ring", "double_ring", has_windows=True),
    Case("all_gather, 8 head groups", "all_gather", head_groups=8),
    Case("all_gather", "all_gather", hides=False),
    Case("broadcast", "broadcast", hides=False),
)


class Laboratory:
    """Runs the program on the two hosts; all runs go into one record."""

    def __init__(self, options: argparse.Namespace, record: Path) -> None:
        self.options = options
        self.record = record
        self.has_run = False

    @property
    def ranks(self) -> int:
        """Return the ranks of both hosts."""
        return 2 * int(self.options.ranks_per_host)

    def run(self, flags: Sequence[str], rate: float, repeats: int) -> None:
        """Run a forward pass with each schedule of the flags.

        :raises SystemExit: when the program fails, with its exit code
        """
        values = self.options
        command = [
            str(NETLAB), "--rate", values.rate, "--ranks-per-host", str(values.ranks_per_host), "--", values.program,
            "attention", "--backend", "simulated", "--rates", f"{rate:.6g}", *flags, "--context-length",
            str(values.context_length), "--heads", str(HEADS), "--head-size", str(HEAD_SIZE), "--pass", "forward",
            "--layout", "zigzag", "--repeats", str(repeats), "--warmup", "1", "--output", str(self.record),
        ]  # fmt: skip
        command += ["--resume", "true"] if self.has_run else []
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.stderr.write(done.stdout + done.stderr)
            raise SystemExit(done.returncode)
        self.has_run = True

    def times(self) -> dict[str, Crossing]:
        """Time every case where nothing is computed: in one job, so that all meet the same link."""
        schedules = ",".join(dict.fromkeys(case.schedule for case in CASES))
        groups = ",".join(sorted({str(case.head_groups) for case in CASES}))
        self.run(("--schedule", schedules, "--head-groups", groups), NO_COMPUTE, self.options.repeats)
        return {case.name: read_crossing(self.record, case) for case in CASES}

    def overlap(self, case: Case, compute: float) -> Overlap:
        """Probe a schedule whose blocks take so many seconds of a pass on each rank."""
        flags = (*case.flags, "--overlap-probe", "true", "--probe-repeats", str(self.options.repeats))
        self.run(flags, flop_rate(self.options.context_length, self.ranks, compute), 1)
        return read_overlap(self.record, case, self.options.ranks_per_host)


def flop_rate(context_length: int, ranks: int, seconds: float) -> float:
    """Return the FLOP/s with which a rank takes so long for its share of a causal forward pass."""
    pairs = context_length * (context_length + 1) / 2 / ranks
    return 4 * HEADS * HEAD_SIZE * pairs / seconds


def check(laboratory: Laboratory) -> int:
    """Measure every case, print it, and leave the verdicts in the record."""
    options, ranks = laboratory.options, laboratory.ranks
    calibration = Calibration(options.fraction, ROOM, ATTEMPTS)
    found = laboratory.times()
    verdicts = []
    print(f"{'schedule':28}{'ratio':>7}{'hidden':>8}{'wanted':>8}{'time':>9}{'to ring':>9}{'bytes':>11}{'to ring':>9}")
    for case in CASES:
        alone = found[case.name]
        # Every step of a balanced pass takes the same time, so that this is the compute of all of them.
        compute = alone.seconds / options.fraction * ranks / case.steps_beside(ranks, options.ranks_per_host)
        judged = calibration.run(compute, functools.partial(laboratory.overlap, case))
        wanted = f">= {HIDDEN_WANTED:.0%}" if case.hides else "-"
        print(
            f"{case.name:28}{judged.ratio:7.2f}{judged.hidden:8.1%}{wanted:>8}"
            f"{alone.seconds:8.3f}s{alone.seconds / found[RING.name].seconds:9.3f}"
            f"{alone.link_bytes:11d}{alone.link_bytes / found[RING.name].link_bytes:9.3f}",
            flush=True,
        )
        verdict = judge_hidden(case, judged, calibration, HIDDEN_WANTED)
        verdicts += [verdict] if verdict else []
    # With windows of W ranks (P - W) / (P - 1) of a flat ring's bytes cross the link, and the link is all that counts.
    for name, ratio in {"bidirectional": 1.0, "double_ring": (ranks - options.ranks_per_host) / (ranks - 1)}.items():
        verdicts += judge_link(name, found[name], found[RING.name], ratio, TOLERANCE)
    for one in verdicts:
        print(f"{one.verdict}: {one.says}")
    write_verdicts(
        laboratory.record, verdicts,
        {"link_rate": options.rate, "ranks_per_host": options.ranks_per_host, "fraction": options.fraction},
    )  # fmt: skip
    bad = [one for one in verdicts if one.verdict != PASS]
    print(PASS if not bad else LOADED if all(one.verdict == LOADED for one in bad) else "FAIL")
    return 1 if bad else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="netlab.sh schedules", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--program", required=True, help="ringworld (default build/release/bin/ringworld)")
    parser.add_argument("--rate", default="200mbit", help="of the link, each way (default 200mbit)")
    parser.add_argument("--ranks-per-host", type=int, default=2, help="R (default 2)")
    parser.add_argument("--context-length", type=int, default=4096, help="tokens (default 4096)")
    parser.add_argument("--fraction", type=float, default=0.8, help="F (default 0.8)")
    parser.add_argument("--repeats", type=int, default=5, help="of each pass (default 5)")
    parser.add_argument(
        "--output", type=Path, help="keep the record: rows of attention, its overlap probes, and /netlab/verdicts"
    )
    options = parser.parse_args()
    print(f"netlab schedules: S = {options.context_length}, 2 hosts x {options.ranks_per_host} ranks, {options.rate}")
    with tempfile.TemporaryDirectory() as name:
        return check(Laboratory(options, options.output or Path(name) / "schedules.h5"))


if __name__ == "__main__":
    sys.exit(main())
