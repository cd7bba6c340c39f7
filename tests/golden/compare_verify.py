#!/usr/bin/env python3
"""Compares what `ringworld verify` wrote with exact attention in float64.

    python tests/golden/compare_verify.py --generate --input in.h5 --context-length 4096 --heads 8 --kv-heads 2
    mpirun -n 4 build/release/bin/ringworld verify --input in.h5 --output out.h5
    python tests/golden/compare_verify.py --input in.h5 --output out.h5

rms      root mean square error over the root mean square of the exact values; of lse, the error of each row over
         max(1, |lse|)
largest  largest error over the largest exact value; of lse as above

The inputs count as the program sees them: rounded to float32, and to bfloat16 with --dtype bfloat16. A tensor that is
zero but for cancellation, such as dq where every document is one token, is held against the size of its terms. Exit
code 1 when an error is above its bound, 2 when the files do not fit.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import attention_oracle
from problem import DOCUMENTS, Problem, read_tensors, write_tensors

Tensors = Mapping[str, NDArray[Any]]


class BadFileError(Exception):
    """The files cannot be compared."""


@dataclass(frozen=True)
class Bounds:
    """Largest errors that are accepted."""

    rms: float
    largest: float


BOUNDS = {"float32": Bounds(2e-6, 2e-5), "bfloat16": Bounds(4e-3, 2e-2)}


@dataclass(frozen=True)
class TensorError:
    """How far one tensor is off."""

    name: str
    rms: float
    largest: float

    def is_within(self, bounds: Bounds) -> bool:
        """Tell whether both errors keep their bounds; a NaN does not."""
        return self.rms <= bounds.rms and self.largest <= bounds.largest


def as_seen(inputs: Tensors, dtype: str) -> dict[str, NDArray[Any]]:
    """Return the inputs as the program sees them once they are loaded."""

    def load(name: str, tensor: NDArray[Any]) -> NDArray[Any]:
        if name == "segment_ids":
            return tensor
        return attention_oracle.round_to_bfloat16(tensor) if dtype == "bfloat16" else tensor.astype(np.float32)

    return {name: load(name, tensor) for name, tensor in inputs.items()}


def exact(inputs: Tensors, causal: bool) -> dict[str, NDArray[np.float64]]:
    """Compute the tensors that the output file should hold."""
    return attention_oracle.attention(
        inputs["q"], inputs["k"], inputs["v"], inputs.get("dout"), inputs.get("segment_ids"), causal
    ).tensors()


def size_of_terms(inputs: Tensors, name: str) -> float:
    """Return the size of the terms whose sum a gradient is: what rounding is relative to when they cancel."""

    def rms(of: str) -> float:
        return float(np.sqrt(np.mean(np.square(inputs[of], dtype=np.float64))))

    if name in ("dq", "dk"):
        return rms("dout") * rms("v") * rms("k" if name == "dq" else "q")
    return rms("dout") if name == "dv" else rms("v")


def error_of(name: str, got: NDArray[Any], want: NDArray[np.float64], size: float) -> TensorError:
    """Compare one tensor. `size` is what errors are relative to when the exact values are all zero."""
    if got.shape != want.shape:
        raise BadFileError(f"{name} has shape {got.shape}, where {want.shape} is expected")
    if name == "lse":
        unseen = np.isneginf(want)
        if not np.array_equal(np.isneginf(got), unseen):
            return TensorError(name, np.inf, np.inf)
        got, want = got[~unseen], want[~unseen]
        if want.size == 0:
            return TensorError(name, 0.0, 0.0)
        relative = np.abs(got - want) / np.maximum(1.0, np.abs(want))
        return TensorError(name, float(np.sqrt(np.mean(relative**2))), float(relative.max()))
    error = np.abs(got.astype(np.float64) - want)
    rms, largest = float(np.sqrt(np.mean(want**2))), float(np.abs(want).max())
    if rms <= 1e-9 * size:  # nothing but cancellation
        rms = largest = size
    return TensorError(name, float(np.sqrt(np.mean(error**2))) / rms, float(error.max()) / largest)


def compare(inputs: Tensors, got: Tensors, want: Mapping[str, NDArray[np.float64]]) -> list[TensorError]:
    """Compare all tensors of an output file with the exact ones; `inputs` as the program sees them."""
    if set(got) != set(want):
        raise BadFileError(f"the output holds {', '.join(sorted(got))}, where {', '.join(want)} are expected")
    wrong = [f"{name} holds {tensor.dtype}" for name, tensor in got.items() if tensor.dtype != np.float32]
    if wrong:
        raise BadFileError(f"{wrong[0]}, where float32 is expected")
    return [error_of(name, got[name], want[name], size_of_terms(inputs, name)) for name in want]


def table(errors: Sequence[TensorError], bounds: Bounds) -> str:
    """Return the errors as text."""
    lines = [f"{'tensor':8}{'rms':>12}{'bound':>10}{'largest':>12}{'bound':>10}"]
    for error in errors:
        verdict = "" if error.is_within(bounds) else "   too large"
        lines.append(
            f"{error.name:8}{error.rms:12.2e}{bounds.rms:10.0e}{error.largest:12.2e}{bounds.largest:10.0e}{verdict}"
        )
    return "\n".join(lines)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    first, *rest = (__doc__ or "").split("\n\n", 1)
    parser = argparse.ArgumentParser(
        description=first, epilog="\n\n".join(rest), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", type=Path, required=True, help="file with q, k, v, and maybe dout and segment_ids")
    parser.add_argument("--output", type=Path, help="file that `ringworld verify` wrote")
    parser.add_argument("--causal", choices=("true", "false"), default="true", help="as given to the program")
    parser.add_argument("--dtype", choices=tuple(BOUNDS), default="float32", help="as given to the program")
    parser.add_argument("--rms-bound", type=float, help="accepted rms error (2e-6, or 4e-3 for bfloat16)")
    parser.add_argument("--largest-bound", type=float, help="accepted largest error (2e-5, or 2e-2 for bfloat16)")
    made = parser.add_argument_group("random inputs")
    made.add_argument("--generate", action="store_true", help="write random tensors to --input, and end")
    made.add_argument("--context-length", type=int, default=4096, help="tokens of a sequence")
    made.add_argument("--batch", type=int, default=1, help="sequences")
    made.add_argument("--heads", type=int, default=8, help="query heads")
    made.add_argument("--kv-heads", type=int, default=2, help="key/value heads")
    made.add_argument("--head-size", type=int, default=64, help="elements of a head")
    made.add_argument("--documents", choices=("none", *DOCUMENTS), default="none", help="how documents lie")
    made.add_argument("--type-on-disk", choices=("float32", "float64"), default="float32", help="type of the tensors")
    made.add_argument("--forward-only", action="store_true", help="leave dout out")
    made.add_argument("--seed", type=int, default=20240, help="seed of the random numbers")
    options = parser.parse_args(arguments)
    if not options.generate and options.output is None:
        parser.error("--output is needed, unless --generate is given")
    if options.generate and (options.kv_heads < 1 or options.heads % options.kv_heads != 0):
        parser.error("--heads must be a multiple of --kv-heads")
    return options


def _generate(options: argparse.Namespace) -> None:
    problem = Problem(
        context_length=options.context_length,
        batch=options.batch,
        heads=options.heads,
        kv_heads=options.kv_heads,
        head_size=options.head_size,
        documents=options.documents,
        type_on_disk=options.type_on_disk,
        has_dout=not options.forward_only,
        seed=options.seed,
    )
    write_tensors(options.input, problem.tensors())
    print(f"{options.input}: {problem}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parse(arguments)
    try:
        if options.generate:
            _generate(options)
            return 0
        inputs = as_seen(read_tensors(options.input), options.dtype)
        missing = [name for name in ("q", "k", "v") if name not in inputs]
        if missing:
            raise BadFileError(f"{options.input} has no dataset '{missing[0]}'")
        errors = compare(inputs, read_tensors(options.output), exact(inputs, options.causal == "true"))
    except (BadFileError, OSError, ValueError) as error:
        print(f"compare_verify: error: {error}", file=sys.stderr)
        return 2
    default = BOUNDS[options.dtype]
    bounds = Bounds(
        default.rms if options.rms_bound is None else options.rms_bound,
        default.largest if options.largest_bound is None else options.largest_bound,
    )
    print(table(errors, bounds))
    return 0 if all(error.is_within(bounds) for error in errors) else 1


if __name__ == "__main__":
    sys.exit(main())
