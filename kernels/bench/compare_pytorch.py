#!/usr/bin/env python3
"""Block attention against PyTorch's scaled_dot_product_attention on this CPU: same shapes, same threads, one run.

The two sides take turns, so that whatever else the machine does hits both; the ratio is formed turn by turn and its
median counts. Causal attention, batch 1, one head a thread, so that both sides can use their threads.
Of PyTorch the fastest of its CPU paths counts. Times are seconds of a pass: `forward` without gradients,
`forward_backward` with all three.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

ROOT = Path(__file__).resolve().parents[2]
PATHS = {"flash": SDPBackend.FLASH_ATTENTION, "math": SDPBackend.MATH}
# The math path holds whole (S, S) arrays, several of them: gigabytes a head beyond this.
LONGEST_FOR_MATH = 8192
TORCH_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Cell:
    """One comparison."""

    context_length: int
    head_size: int
    dtype: str
    direction: str
    threads: int

    @property
    def case(self) -> str:
        """Name of the case of bench_attention."""
        return (
            f"{self.direction}/host/{self.dtype}/S:{self.context_length}/D:{self.head_size}"
            f"/H:{self.threads}/threads:{self.threads}"
        )


@dataclass(frozen=True)
class Result:
    """What a cell gave: medians over turns, seconds."""

    context_length: int
    head_size: int
    dtype: str
    direction: str
    threads: int
    ringworld_seconds: float
    ringworld_of_peak: float
    pytorch_seconds: float
    pytorch_path: str
    ratio: float
    ratio_min: float
    ratio_max: float


class Bench:
    """The program bench_attention."""

    def __init__(self, program: Path) -> None:
        self.program = program
        try:
            listed = subprocess.run([program, "--benchmark_list_tests"], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as problem:
            sys.exit(f"compare_pytorch: {program} does not run ({problem}); build it or name it with --bench")
        self.cases = {line.removesuffix("/real_time") for line in listed.stdout.split()}

    def measure(self, cell: Cell, seconds: float) -> tuple[float, float]:
        """Return the median seconds of a pass and its share of the measured peak."""
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            subprocess.run(
                [self.program, f"--benchmark_filter=^{cell.case}/real_time$", f"--benchmark_min_time={seconds}",
                 f"--benchmark_out={out.name}", "--benchmark_out_format=json"],
                check=True, capture_output=True,
            )  # fmt: skip
            row = json.load(out)["benchmarks"][0]
        if row.get("error_occurred"):
            sys.exit(f"compare_pytorch: {cell.case}: {row['error_message']}")
        return row["seconds"], row["of_peak"]


def torch_pass(cell: Cell, path: str) -> Callable[[], object]:
    """Make the operands of a cell and return one pass over them."""
    shape = (1, cell.threads, cell.context_length, cell.head_size)
    generator = torch.Generator().manual_seed(1)
    q, k, v, dout = (torch.randn(shape, generator=generator).to(TORCH_DTYPES[cell.dtype]) for _ in range(4))

    def forward() -> torch.Tensor:
        with sdpa_kernel([PATHS[path]]):
            return scaled_dot_product_attention(q, k, v, is_causal=True)

    if cell.direction == "forward":
        return torch.no_grad()(forward)
    for operand in (q, k, v):
        operand.requires_grad_()
    return lambda: torch.autograd.grad(forward(), (q, k, v), dout)


def seconds_of(function: Callable[[], object], seconds: float) -> float:
    """Return the median time of a call, over at least one call and this long."""
    samples: list[float] = []
    while not samples or sum(samples) < seconds:
        start = time.perf_counter()
        function()
        samples.append(time.perf_counter() - start)
    return median(samples)


def fastest_torch_pass(cell: Cell) -> tuple[str, Callable[[], object]]:
    """Try every path that can run the cell, and return the fastest."""
    found = {}
    for path in PATHS:
        if path == "math" and cell.context_length > LONGEST_FOR_MATH:
            continue
        function = torch_pass(cell, path)
        try:
            function()  # warms up, and finds out whether this path exists
        except RuntimeError:
            continue
        found[path] = (seconds_of(function, 0.0), function)
    if not found:
        sys.exit(f"compare_pytorch: no CPU path of PyTorch runs {cell.case}")
    path = min(found, key=lambda name: found[name][0])
    return path, found[path][1]


def compare(cell: Cell, bench: Bench, turns: int, seconds: float) -> Result:
    """Measure both sides of a cell, turn by turn."""
    torch.set_num_threads(cell.threads)
    path, theirs = fastest_torch_pass(cell)
    samples = []
    for _ in range(turns):
        ours, of_peak = bench.measure(cell, seconds)
        samples.append((ours, of_peak, seconds_of(theirs, seconds)))
    ratios = [their / our for our, _, their in samples]
    return Result(
        **asdict(cell),
        ringworld_seconds=median(our for our, _, _ in samples),
        ringworld_of_peak=median(of_peak for _, of_peak, _ in samples),
        pytorch_seconds=median(their for _, _, their in samples),
        pytorch_path=path,
        ratio=median(ratios),
        ratio_min=min(ratios),
        ratio_max=max(ratios),
    )


def write(results: list[Result], path: Path) -> None:
    """Write the results as CSV, or as JSON where the name ends so."""
    rows = [asdict(result) for result in results]
    with path.open("w", newline="") as file:
        if path.suffix == ".json":
            json.dump({"torch": torch.__version__, "results": rows}, file, indent=1)
        else:
            writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--bench", type=Path, default=ROOT / "build/release/bin/bench_attention", help="program bench_attention"
    )
    parser.add_argument("--output", type=Path, default=Path("compare_pytorch.csv"), help="CSV, or JSON by its name")
    parser.add_argument("--quick", action="store_true", help="S = 2K only, two turns: about two minutes")
    parser.add_argument("--context-length", type=int, nargs="+", default=[2048, 8192, 16384], metavar="S")
    parser.add_argument("--head-size", type=int, nargs="+", default=[64, 128], metavar="D")
    parser.add_argument("--dtype", nargs="+", choices=TORCH_DTYPES, default=list(TORCH_DTYPES))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--turns", type=int, default=5, help="how often the two sides take turns (default 5)")
    parser.add_argument("--seconds", type=float, default=0.5, help="least time of a side in a turn (default 0.5)")
    options = parser.parse_args()
    if options.quick:
        options.context_length, options.turns, options.seconds = [2048], 2, 0.2
    return options


def main() -> int:
    """Run the comparison; return the exit code."""
    options = parse()
    bench = Bench(options.bench)
    cells = [
        Cell(context_length, head_size, dtype, direction, threads)
        for threads, direction, dtype, head_size, context_length in itertools.product(
            options.threads, ("forward", "forward_backward"), options.dtype, options.head_size, options.context_length
        )
    ]
    absent = [cell.case for cell in cells if cell.case not in bench.cases]
    if absent:
        print(f"compare_pytorch: {options.bench} has no case {absent[0]} (of {len(absent)} left out)", file=sys.stderr)
    print(f"PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}; ratio = their time / our time")
    print(f"{'threads':>7} {'pass':<16} {'dtype':<8} {'D':>4} {'S':>6} {'ours':>10} {'of peak':>8} {'PyTorch':>10} "
          f"{'path':<5} {'ratio':>6}  {'min..max'}", flush=True)  # fmt: skip
    results = []
    for cell in cells:
        if cell.case in absent:
            continue
        result = compare(cell, bench, options.turns, options.seconds)
        results.append(result)
        print(
            f"{result.threads:>7} {result.direction:<16} {result.dtype:<8} {result.head_size:>4} "
            f"{result.context_length:>6} {1e3 * result.ringworld_seconds:>7.1f} ms {result.ringworld_of_peak:>8.2f} "
            f"{1e3 * result.pytorch_seconds:>7.1f} ms {result.pytorch_path:<5} {result.ratio:>6.2f}  "
            f"{result.ratio_min:.2f}..{result.ratio_max:.2f}",
            flush=True,
        )
    if not results:
        return 2
    write(results, options.output)
    below = sum(result.ratio < 1.3 for result in results)
    print(f"{len(results)} cells, {below} below 1.3 -> {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
