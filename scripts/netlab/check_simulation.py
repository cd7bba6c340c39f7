"""Holds simulated ranks against real messages: the same passes over a slow link, and over the same link in SimGrid.

Two ranks on two hosts (scripts/netlab.sh). Kernels are simulated on both sides: they take the time that a rate says, and
drive real messages here, simulated ones there. One pass without compute calibrates the bandwidth; every other point is
then simulated with that bandwidth and compared.

With --kernels the kernels are real here: a core each computes what the other one sends. Their rates, measured in the same
job, go into the simulation and into the prediction, and both are held against the passes.

Exit code: 0 every hop of at least 4 MiB agrees within 5 % (with --kernels every point within 10 %), 1 some do not, 2 bad
usage, 77 where hosts cannot be made.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py

ROOT = Path(__file__).resolve().parents[2]
HEADS, HEAD_SIZE, RANKS = 8, 64, 2
#: Bytes of keys and values of a token, in float32.
TOKEN_BYTES = 2 * HEADS * HEAD_SIZE * 4
LEAST_HOP = 4 << 20
TOLERANCE = 0.05
#: FLOP/s at which compute takes no time to speak of.
NO_COMPUTE = 1e18
PLATFORM = """
kind = "flat"
source = "calibrated by one hop"
devices_per_node = 1
[link]
bytes_per_second = {:g}
latency = 1e-6
"""
Times = dict[tuple[int, str], float]
#: What passes with real kernels, and what is run: hops of 4 to 16 MiB, blocks of about a third to 1.2 times their hop.
KERNEL_TOLERANCE = 0.10
KERNEL_RATE = "1gbit"
KERNEL_POINTS = ("--context-length", "2048,4096,8192", "--layout", "zigzag,striped,contiguous", "--pass", "forward,backward",
                 "--heads", str(HEADS), "--head-size", str(HEAD_SIZE))  # fmt: skip


def rows_of(command: list[str], record: Path) -> dict[tuple[int, str, str], dict[str, float]]:
    """Run a sweep; return the times of each context length, layout and pass.

    :raises SystemExit: when the program fails, with its exit code
    """
    done = subprocess.run([*command, "--output", str(record)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stdout + done.stderr)
        raise SystemExit(done.returncode)
    names = ("step_time", "step_time_min", "predicted_time")
    with h5py.File(record, "r") as file:
        return {
            (int(row["context_length"]), row["layout"].decode(), row["pass"].decode()): {n: float(row[n]) for n in names}
            for row in file["attention"]
        }


def run(launcher: list[str], contexts: list[int], layouts: list[str], rate: float, repeats: int, record: Path) -> Times:
    """Run a forward pass of each context length and layout; return the fastest repeat: other processes only add.

    :raises SystemExit: when the program fails, with its exit code
    """
    command = [
        *launcher, "attention", "--backend", "simulated", "--rates", f"{rate:.6g}", "--context-length",
        ",".join(map(str, contexts)), "--layout", ",".join(layouts), "--heads", str(HEADS), "--head-size", str(HEAD_SIZE),
        "--pass", "forward", "--warmup", "1", "--repeats", str(repeats),
    ]  # fmt: skip
    return {(context, layout): row["step_time_min"] for (context, layout, _), row in rows_of(command, record).items()}


def rate_for(context: int, seconds: float) -> float:
    """Return the FLOP/s with which a balanced step of one rank takes so long."""
    pairs = context * (context + 1) / 2 / RANKS / RANKS
    return 4 * HEADS * HEAD_SIZE * pairs / seconds


def check(options: argparse.Namespace, folder: Path) -> int:
    """Measure, simulate, compare and print."""
    real = [str(ROOT / "scripts/netlab.sh"), "--rate", options.rate or "200mbit", "--", options.program]
    # Hops of 4 to 12 MiB: netlab.sh has Open MPI send up to 16 MiB at once.
    contexts, layouts = [2048, 4096, 6144], ["zigzag", "contiguous"]
    # The middle one: longer than the link's bucket by far, and short enough for Open MPI to send it at once.
    middle = contexts[1]
    hop_bytes = middle // RANKS * TOKEN_BYTES
    alone = run(real, [middle], ["zigzag"], NO_COMPUTE, options.repeats, folder / "alone.h5")[middle, "zigzag"]
    bandwidth = hop_bytes / alone
    print(f"calibrated by one hop of {hop_bytes / 2**20:.0f} MiB: {bandwidth / 1e6:.2f}e6 B/s")
    platform = folder / "link.toml"
    platform.write_text(PLATFORM.format(bandwidth), encoding="utf-8")
    simulated = [str(ROOT / "scripts/simulate.sh"), "-n", str(RANKS), "--platform", str(platform)]
    print(f"{'context':>8}{'hop':>9}{'layout':>12}{'block / hop':>13}{'real':>10}{'simulated':>11}{'off by':>9}")
    errors = []
    for ratio in options.ratios:
        rate = rate_for(middle, ratio * middle // RANKS * TOKEN_BYTES / bandwidth)
        measured = run(real, contexts, layouts, rate, options.repeats, folder / f"real{ratio}.h5")
        expected = run(simulated, contexts, layouts, rate, 1, folder / f"simulated{ratio}.h5")
        for (context, layout), seconds in measured.items():
            hop = context // RANKS * TOKEN_BYTES
            error = expected[context, layout] / seconds - 1
            errors += [abs(error)] if hop >= LEAST_HOP else []
            share = ratio * context / middle
            print(
                f"{context:8}{hop / 2**20:6.0f} MiB{layout:>12}{share:13.2f}{seconds:9.4f}s"
                f"{expected[context, layout]:10.4f}s{error:9.1%}",
                flush=True,
            )
    good = sum(error <= TOLERANCE for error in errors)
    errors.sort()
    print(
        f"{good} of {len(errors)} points within {TOLERANCE:.0%}; median {errors[len(errors) // 2]:.1%}, "
        f"worst {errors[-1]:.1%}"
    )
    return 0 if good == len(errors) else 1


def check_kernels(options: argparse.Namespace, folder: Path) -> int:
    """Do the same with kernels that compute."""
    real = [str(ROOT / "scripts/netlab.sh"), "--rate", options.rate or KERNEL_RATE, "--", options.program]
    tokens = 4096
    hop_bytes = tokens // RANKS * TOKEN_BYTES
    alone = run(real, [tokens], ["zigzag"], NO_COMPUTE, options.repeats, folder / "alone.h5")[tokens, "zigzag"]
    bandwidth = hop_bytes / alone
    print(f"calibrated by one hop of {hop_bytes / 2**20:.0f} MiB: {bandwidth / 1e6:.2f}e6 B/s")
    platform, rates = folder / "link.toml", folder / "rates.toml"
    platform.write_text(PLATFORM.format(bandwidth), encoding="utf-8")
    measured = rows_of(
        [*real, "attention", *KERNEL_POINTS, "--backend", "host", "--overlap-probe", "false", "--warmup", "1", "--repeats",
         str(options.repeats), "--predict", "--link", f"{bandwidth:.6g},1e-6", "--rates-output", str(rates)],
        folder / "real.h5",
    )  # fmt: skip
    expected = rows_of(
        [str(ROOT / "scripts/simulate.sh"), "-n", str(RANKS), "--platform", str(platform), "attention", *KERNEL_POINTS,
         "--backend", "simulated", "--rates", str(rates), "--warmup", "0", "--repeats", "1"],
        folder / "simulated.h5",
    )  # fmt: skip
    print(f"{'context':>8}{'layout':>12}{'pass':>10}{'real':>10}{'simulated':>11}{'off by':>8}{'predicted':>11}{'off by':>8}")
    errors: dict[str, list[float]] = {"simulated": [], "predicted": []}
    for (context, layout, name), row in measured.items():
        found = {"simulated": expected[context, layout, name]["step_time"], "predicted": row["predicted_time"]}
        off = {kind: seconds / row["step_time"] - 1 for kind, seconds in found.items()}
        for kind, error in off.items():
            errors[kind].append(abs(error))
        print(
            f"{context:8}{layout:>12}{name:>10}{row['step_time']:9.4f}s{found['simulated']:10.4f}s{off['simulated']:8.1%}"
            f"{found['predicted']:10.4f}s{off['predicted']:8.1%}"
        )
    for kind, all_errors in errors.items():
        good = sum(error <= KERNEL_TOLERANCE for error in all_errors)
        print(f"{kind}: {good} of {len(all_errors)} points within {KERNEL_TOLERANCE:.0%}; worst {max(all_errors):.1%}")
    return 0 if max(max(all_errors) for all_errors in errors.values()) <= KERNEL_TOLERANCE else 1


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="netlab.sh simulation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--program", required=True, help="ringworld (default build/release/bin/ringworld)")
    parser.add_argument("--rate", help="of the link, each way (default 200mbit, 1gbit with --kernels)")
    parser.add_argument("--kernels", action="store_true", help="kernels that compute, and predictions beside the simulation")
    parser.add_argument("--ratios", type=float, nargs="+", default=[0.3, 1.0, 2.0],
                        help="time of a balanced block over that of its hop, at 4096 tokens (default 0.3 1 2)")  # fmt: skip
    parser.add_argument("--repeats", type=int, default=5, help="of each real pass (default 5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        return (check_kernels if options.kernels else check)(options, Path(name))


if __name__ == "__main__":
    sys.exit(main())
