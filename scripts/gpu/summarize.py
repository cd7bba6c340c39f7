#!/usr/bin/env python3
"""The tables of the README, from what measure.sh found. usage: summarize.py SUMMARY.json...

Several files, of calls that ran a part each on the same kind of GPU, make one table. Exit code: 1 when a step failed,
77 when nothing but the GPU was missing.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

NO_GPU = "no GPU"
Shape = tuple[int, int, int]  # head size, tokens, blocks that the keys arrive in
PASSES = {
    "accumulate": "forward, kernel alone",
    "forward": "forward, whole pass",
    "backward": "backward",
}


def shape_of(name: str) -> tuple[str, Shape] | None:
    """Return pass and shape of a case of bench_attention."""
    found = re.match(r"(\w+)/cuda/bfloat16/S:(\d+)/D:(\d+)/H:\d+/threads:1(?:/ring_steps:(\d+))?", name)
    return (found[1], (int(found[3]), int(found[2]), int(found[4] or 1))) if found else None


def rate(row: dict[str, Any]) -> float:
    """Return FLOP/s."""
    return float(row["flop"]) / float(row["seconds"])


def rows_of(steps: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return the rows of a benchmark step that have a time."""
    return [row for step in steps if step["name"] == name for row in step.get("benchmarks", []) if row.get("seconds")]


def step_table(steps: list[dict[str, Any]]) -> list[str]:
    """One line a step: how it ended, how long it took, how many tests passed."""
    lines = ["| part | step | outcome | seconds | tests passed |", "|---|---|---|---|---|"]
    for step in steps:
        tests = step.get("tests")
        passed = f"{tests['passed']} of {tests['ran']}" if tests else ""
        lines.append(f"| {step['part']} | {step['name']} | {step['outcome']} | {step['seconds']} | {passed} |")
    return lines


def pytorch_seconds(steps: list[dict[str, Any]]) -> dict[tuple[str, str, Shape], float]:
    """Return the times of PyTorch's kernels by backend, pass and shape."""
    times = {}
    for step in steps:
        for row in step.get("pytorch", {}).get("rows", []):
            shape = (int(row["head_size"]), int(row["context_length"]), 1)
            for direction in ("forward", "backward"):
                if direction in row:
                    times[row["backend"], direction, shape] = float(row[direction])
    return times


def attention_table(steps: list[dict[str, Any]]) -> list[str]:
    """Attention beside the matrix product and PyTorch, whose time is that of its kernel alone."""
    products = [rate(row) for row in rows_of(steps, "matmul")]
    peak = max(products, default=0.0)
    theirs = pytorch_seconds(steps)
    lines = [f"bf16 matrix product, 8192 x 8192 x 8192: {peak / 1e12:.0f} TFLOP/s", ""] if peak else []
    lines += [
        "| causal, 32 heads, bf16 | head | tokens | ms | TFLOP/s | of product | times PyTorch flash | times cuDNN |",
        "|---|---|---|---|---|---|---|---|",
    ]
    count = len(lines)
    for row in rows_of(steps, "attention"):
        case = shape_of(row["name"])
        if case is None or case[0] not in PASSES:
            continue
        name, shape = case
        ratios = []
        for backend in ("flash", "cudnn"):
            seconds = theirs.get((backend, "backward" if name == "backward" else "forward", shape))
            ratios.append(f"{seconds / row['seconds']:.2f}" if seconds else "")
        tokens = f"{shape[1]} in {shape[2]} blocks of keys" if shape[2] > 1 else str(shape[1])
        of_product = f"{rate(row) / peak:.2f}" if peak else ""
        cells = (PASSES[name], shape[0], tokens, f"{1e3 * row['seconds']:.3f}", f"{rate(row) / 1e12:.0f}", of_product)
        lines.append(f"| {' | '.join(map(str, (*cells, *ratios)))} |")
    return lines if len(lines) > count else []


# Builds of the forward kernel that are measured in turn: the prefix of two steps, what a case of each is called in their
# names, and the words for it.
VARIANTS = {
    "overlap": {"on": "softmax under the product before", "off": "softmax after the product before"},
    "grid": {"persistent": "persistent grid", "tiles": "a block for each tile"},
}


def is_variant(name: str) -> bool:
    """Tell whether a step measures a build of the forward kernel."""
    return name.split("_")[0] in VARIANTS


def variant_table(steps: list[dict[str, Any]]) -> list[str]:
    """Builds of the forward kernel, a line each; the first of each pair is the one that runs by default."""
    lines = []
    for prefix, variants in VARIANTS.items():
        times: dict[tuple[str, Shape], dict[str, float]] = {}
        for variant in variants:
            for row in rows_of(steps, f"{prefix}_{variant}"):
                case = shape_of(row["name"])
                if case:
                    times.setdefault(case, {})[variant] = float(row["seconds"])
        for (name, (head, tokens, blocks)), found in times.items():
            for variant, seconds in found.items():
                default = found.get(next(iter(variants)))
                ratio = f"{seconds / default:.3f}" if default else ""
                cells = (PASSES[name], head, tokens, blocks, variants[variant], f"{1e3 * seconds:.3f}", ratio)
                lines.append(f"| {' | '.join(map(str, cells))} |")
    head_lines = ["| builds of the forward kernel | head | tokens | blocks of keys | build | ms | of the default |"]
    return [*head_lines, "|---|---|---|---|---|---|---|", *lines] if lines else []


def bandwidth_lines(steps: list[dict[str, Any]]) -> list[str]:
    """Element-wise kernels against a copy."""
    return [
        f"{step['name']}: {row['name']}: {row['of_triad']:.2f} of the bandwidth of a copy"
        for step in steps
        for row in step.get("benchmarks", [])
        if step["name"] not in ("attention", "matmul") and not is_variant(step["name"]) and "of_triad" in row
    ]


def record_lines(steps: list[dict[str, Any]]) -> list[str]:
    """Rings, the long sequence and training: time, error or shares, memory against its formula."""
    lines = []
    for step in steps:
        for row in step.get("records", []):
            said = [f"{step['name']}: S = {row['context_length']}", f"P = {row['ranks']}"]
            if "step_time" in row:
                said.append(str(row["pass"]))
                rank_rate = row["flops_per_second_per_rank"] / 1e12
                said.append(f"{row['step_time']:.3f} s, {rank_rate:.0f} TFLOP/s a rank")
                said.append(f"error {row['error']:.1e} of {row['error_tolerance']:.1e} allowed")
                said.append(f"{row['probe_wrong_rows']} of {row['probe_rows']} rows wrong")
            if "attention_share" in row:
                said.append(f"{row['tokens_per_second']:.0f} tokens/s")
                said.append(f"{row['mfu_measured_peak']:.2f} of the product's rate")
                names = ("attention", "product", "elementwise", "communication", "idle")
                said.append("shares " + ", ".join(f"{name} {row[f'{name}_share']:.2f}" for name in names))
            memory = f"memory {row['peak_bytes'] / 2**30:.2f} GiB"
            if row["peak_bytes_model"]:
                memory += f", {row['peak_bytes'] / row['peak_bytes_model']:.3f} of the formula"
            said += [memory, str(row["outcome"])]
            lines.append(", ".join(said))
        if step["name"] in ("memcheck", "racecheck"):
            lines += [f"{step['name']}: {line}" for line in step["lines"] if "SUMMARY" in line]
    return lines


def main() -> int:
    """Print the tables."""
    if len(sys.argv) < 2:
        sys.exit("usage: summarize.py SUMMARY.json...")
    summaries = [json.loads(Path(argument).read_text(encoding="utf-8")) for argument in sys.argv[1:]]
    gpus = sorted({summary["gpu"] for summary in summaries if summary["gpu"]})
    if len(gpus) > 1:
        sys.exit(f"summarize: the files are of different GPUs: {', '.join(gpus)}")
    steps = [step for summary in summaries for step in summary["steps"]]
    is_without = any(step["outcome"] == NO_GPU for step in steps)
    nameless = (
        "There is no GPU here: nothing that needs one was measured." if is_without else "The GPU did not say its name."
    )
    print(f"\n{gpus[0] if gpus else nameless}\n")
    for block in (step_table, attention_table, variant_table, bandwidth_lines, record_lines):
        lines = block(steps)
        if lines:
            print("\n".join(lines) + "\n")
    failed = [step["name"] for step in steps if step["outcome"] not in ("ok", NO_GPU)]
    if failed:
        print(f"failed: {', '.join(failed)}")
        return 1
    return 77 if is_without else 0


if __name__ == "__main__":
    sys.exit(main())
