#!/usr/bin/env python3
"""PyTorch's scaled_dot_product_attention on a GPU, causal, bfloat16: median seconds of forward and of backward alone.

Each of its backends by itself, random operands, timed by device events. Operands rotate among as many sets as fill
four times the second-level cache, so that no run finds its operands there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

BACKENDS = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION}


def median_seconds(function: Callable[[int], object], warmup: int, repeats: int) -> float:
    """Return the median time of a call; the argument counts calls."""
    for call in range(warmup):
        function(call)
    samples = []
    for call in range(repeats):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        function(call)
        end.record()
        end.synchronize()
        samples.append(1e-3 * start.elapsed_time(end))
    return statistics.median(samples)


def measure(backend: SDPBackend, context_length: int, head_size: int, options: argparse.Namespace) -> dict[str, float]:
    """Return seconds of a backend's passes."""
    shape = (1, options.heads, context_length, head_size)
    cache = torch.cuda.get_device_properties(0).L2_cache_size
    operand_bytes = 4 * 2 * options.heads * context_length * head_size
    sets = 1 + 4 * cache // operand_bytes

    def random() -> torch.Tensor:
        return torch.randn(shape, device="cuda", dtype=torch.bfloat16)

    operands = [[random().requires_grad_() for _ in range(3)] + [random()] for _ in range(sets)]
    with sdpa_kernel([backend]):

        def forward(call: int) -> torch.Tensor:
            q, k, v, _ = operands[call % sets]
            return scaled_dot_product_attention(q, k, v, is_causal=True)

        with torch.no_grad():
            forward_seconds = median_seconds(forward, options.warmup, options.repeats)
        outputs = [forward(call) for call in range(sets)]

        def backward(call: int) -> object:
            q, k, v, dout = operands[call % sets]
            return torch.autograd.grad(outputs[call % sets], (q, k, v), dout, retain_graph=True)

        backward_seconds = median_seconds(backward, options.warmup, options.repeats)
    return {"forward": forward_seconds, "backward": backward_seconds}


def numbers(text: str) -> list[int]:
    """Return the numbers of a list, separated by commas."""
    return [int(word) for word in text.split(",")]


def main() -> int:
    """Measure and write JSON, anew after every shape."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--heads", type=int, default=32)
    parser.add_argument("--context-length", type=numbers, default=[16384], help="a list [token] (default 16384)")
    parser.add_argument("--head-size", type=numbers, default=[128], help="a list (default 128)")
    parser.add_argument("--warmup", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("bench_pytorch: this PyTorch has no CUDA device")
    rows: list[dict[str, object]] = []
    versions = {"torch": torch.__version__, "cudnn": torch.backends.cudnn.version()}
    for head_size in options.head_size:
        for context_length in options.context_length:
            for name, backend in BACKENDS.items():
                row: dict[str, object] = {"backend": name, "head_size": head_size, "context_length": context_length}
                try:
                    row |= measure(backend, context_length, head_size, options)
                except RuntimeError as problem:
                    row["error"] = str(problem).splitlines()[0]
                rows.append(row)
                print(json.dumps(row), flush=True)
                found = {**versions, "device": torch.cuda.get_device_name(0), "rows": rows}
                options.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
