"""Reads overlap probes: which link speed to set, and how much of the communication compute has hidden.

usage: judge_overlap.py rate FILE --fraction F
       judge_overlap.py verdict POLLING_FILE NO_POLLING_FILE      exit code 0 both hold, 1 one does not, 3 unsteady
"""

from __future__ import annotations

import argparse
import dataclasses
import sys

import h5py
import numpy as np

# What Open MPI's TCP delivers of a link's nominal speed: Ethernet, IP, TCP and its own headers.
LINK_EFFICIENCY = 0.955

HIDDEN_WITH_POLLING = 0.9
HIDDEN_WITHOUT_POLLING = 0.15

# t_comm / t_compute in which the shares above mean something: less and there is little to hide, more and compute is
# too short to hide it.
FITTING = (0.7, 0.95)
EXIT_UNSTEADY = 3


@dataclasses.dataclass(frozen=True)
class Hop:
    """Mean over the ranks and hops of one probe; seconds and bytes."""

    t_compute: float
    t_comm: float
    t_both: float
    bytes: float

    @property
    def exposed(self) -> float:
        return self.t_both - self.t_compute

    @property
    def hidden(self) -> float:
        """Share of the communication that could hide behind compute, and did."""
        return (self.t_compute + self.t_comm - self.t_both) / min(self.t_compute, self.t_comm)


def read_hop(path: str) -> Hop:
    with h5py.File(path, "r") as record:
        if "overlap" not in record:
            raise SystemExit(f"netlab check: {path} holds no overlap probe")
        figures = {field.name: record[f"/overlap/{field.name}"][:] for field in dataclasses.fields(Hop)}
    is_hop = ~np.isnan(figures["t_comm"])
    return Hop(**{name: float(numbers[is_hop].mean()) for name, numbers in figures.items()})


def print_rate(path: str, fraction: float) -> int:
    hop = read_hop(path)
    bits_per_second = hop.bytes * 8 / (fraction * hop.t_compute) / LINK_EFFICIENCY
    print(f"{bits_per_second / 1e3:.0f}kbit")
    return 0


def print_verdict(polling_path: str, no_polling_path: str) -> int:
    with_polling, without = read_hop(polling_path), read_hop(no_polling_path)
    cases = [
        ("on", with_polling, f">= {HIDDEN_WITH_POLLING:.0%}", with_polling.hidden >= HIDDEN_WITH_POLLING),
        ("off", without, f" < {HIDDEN_WITHOUT_POLLING:.0%}", without.hidden < HIDDEN_WITHOUT_POLLING),
    ]
    print(f"{'polling':8}{'t_compute s':>13}{'t_comm s':>11}{'t_both s':>11}{'exposed s':>11}{'hidden':>9}{'wanted':>9}")
    for name, hop, wanted, holds in cases:
        print(
            f"{name:8}{hop.t_compute:13.4f}{hop.t_comm:11.4f}{hop.t_both:11.4f}{hop.exposed:11.4f}"
            f"{hop.hidden:9.0%}{wanted:>9}  {'PASS' if holds else 'FAIL'}"
        )
    ratios = [hop.t_comm / hop.t_compute for hop in (with_polling, without)]
    if not all(FITTING[0] <= ratio <= FITTING[1] for ratio in ratios):
        print(f"unsteady: communication takes {ratios[0]:.2f} and {ratios[1]:.2f} of compute; is the machine busy?")
        return EXIT_UNSTEADY
    return 0 if all(holds for *_, holds in cases) else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    rate = commands.add_parser("rate")
    rate.add_argument("file")
    rate.add_argument("--fraction", type=float, required=True)
    verdict = commands.add_parser("verdict")
    verdict.add_argument("polling_file")
    verdict.add_argument("no_polling_file")
    arguments = parser.parse_args()
    if arguments.command == "rate":
        return print_rate(arguments.file, arguments.fraction)
    return print_verdict(arguments.polling_file, arguments.no_polling_file)


if __name__ == "__main__":
    sys.exit(main())
