#!/usr/bin/env python3
"""The table at the end of measure.sh, from the files that its parts left. usage: summarize.py DIR

Needs nothing but Python: a machine with a GPU may have no more. Exit code 1 when a part failed.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any


def benchmarks(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a Google Benchmark file that ran; none when there is no file."""
    if not path.exists() or not path.stat().st_size:
        return []
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["benchmarks"]
    return [row for row in rows if not row.get("error_occurred") and "seconds" in row]


def rate(row: dict[str, Any]) -> float:
    """Return FLOP/s."""
    return float(row.get("flop", 0.0)) / float(row["seconds"])


def attention_lines(folder: Path) -> list[str]:
    """Compare attention with the measured matrix product and with PyTorch."""
    products = [rate(row) for row in benchmarks(folder / "bench_matmul.json") if "bfloat16" in row["name"]]
    peak = max(products, default=0.0)
    pytorch = json.loads((folder / "pytorch.json").read_text()) if (folder / "pytorch.json").exists() else {}
    lines = [f"largest bf16 matrix product: {peak / 1e12:.1f} TFLOP/s" if peak else "no matrix product was measured"]
    for row in benchmarks(folder / "bench_attention.json"):
        direction = row["name"].split("/")[0]
        said = [f"{row['name']}: {1e3 * row['seconds']:.3f} ms, {rate(row) / 1e12:.1f} TFLOP/s (causal)"]
        if peak:
            said.append(f"{rate(row) / peak:.2f} of the product")
        for backend in ("flash", "cudnn"):
            theirs = pytorch.get(backend, {}).get(direction)
            if theirs:
                said.append(f"{theirs / row['seconds']:.2f} times PyTorch {backend}")
        lines.append(", ".join(said))
    return lines


def last_lines(path: Path, pattern: str, most: int) -> list[str]:
    """Return the last lines of a log that match."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8", errors="replace").replace("\r", "\n")
    return [line.strip() for line in text.splitlines() if re.search(pattern, line)][-most:]


def main() -> int:
    """Print the table."""
    if len(sys.argv) != 2 or not Path(sys.argv[1], "parts.txt").is_file():
        sys.exit("usage: summarize.py DIR, a folder of scripts/gpu/measure.sh")
    folder = Path(sys.argv[1])
    failed = 0
    print("\npart          result     seconds")
    for line in (folder / "parts.txt").read_text(encoding="utf-8").splitlines():
        name, code, seconds = line.split()
        failed += int(code) != 0
        print(f"{name:<12}  {'ok' if code == '0' else 'exit ' + code:<9}  {seconds:>7}")
    print("\n".join(["", *attention_lines(folder)]))
    for family in ("norm", "rope", "mlp", "embedding", "loss", "optimizer", "tensor"):
        for row in benchmarks(folder / f"bench_{family}.json"):
            if "of_triad" in row:
                print(f"{row['name']}: {row['of_triad']:.2f} of the measured bandwidth")
    for name, pattern, most in (
        ("tests", r"\d+ passed, \d+ failed|tests passed", 1), ("ring", r"valid|error", 7), ("million", r"valid|error", 2),
        ("train", r"done:", 1), ("memcheck", r"ERROR SUMMARY", 1), ("racecheck", r"RACECHECK SUMMARY", 1),
    ):  # fmt: skip
        for line in last_lines(folder / f"{name}.log", pattern, most):
            print(f"{name}: {line}")
    print(f"\nlogs and records: {folder}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
