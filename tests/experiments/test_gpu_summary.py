"""The table at the end of scripts/gpu/measure.sh, from files as its parts leave them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import launch

SUMMARIZE = launch.REPOSITORY / "scripts" / "gpu" / "summarize.py"


def summarize(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SUMMARIZE), str(folder)], capture_output=True, text=True, check=False)


def write_benchmarks(path: Path, **seconds_and_flop: tuple[float, float]) -> None:
    rows = [{"name": name, "seconds": seconds, "flop": flop} for name, (seconds, flop) in seconds_and_flop.items()]
    rows.append({"name": "broken", "error_occurred": True, "error_message": "no device"})
    path.write_text(json.dumps({"benchmarks": rows}))


def test_attention_is_held_against_the_product_and_pytorch(tmp_path: Path) -> None:
    (tmp_path / "parts.txt").write_text("attention 0 12\nmatmul 0 3\npytorch 0 30\n")
    write_benchmarks(tmp_path / "bench_matmul.json", **{"multiply/cuda/bfloat16/n:8192": (2e-3, 1.2e12)})
    write_benchmarks(tmp_path / "bench_attention.json", **{"forward/cuda/bfloat16/S:16384": (4e-3, 1.2e12)})
    (tmp_path / "pytorch.json").write_text(json.dumps({"flash": {"forward": 5e-3}, "cudnn": {"error": "absent"}}))
    shown = summarize(tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "product: 600.0 TFLOP/s" in shown.stdout
    assert "4.000 ms, 300.0 TFLOP/s (causal), 0.50 of the product, 1.25 times PyTorch flash" in shown.stdout
    assert "cudnn" not in shown.stdout


def test_a_part_that_failed_is_named_and_fails_the_whole(tmp_path: Path) -> None:
    (tmp_path / "parts.txt").write_text("device 0 1\ntests 8 40\n")
    (tmp_path / "tests.log").write_text("...\n12 passed, 1 failed, 3 skipped\n")
    shown = summarize(tmp_path)
    assert shown.returncode == 1
    assert "exit 8" in shown.stdout
    assert "tests: 12 passed, 1 failed, 3 skipped" in shown.stdout


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    shown = summarize(tmp_path)
    assert shown.returncode != 0
    assert "measure.sh" in shown.stderr
