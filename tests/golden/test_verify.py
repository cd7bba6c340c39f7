"""`ringworld verify` against exact attention in float64.

Without options the quick selection runs; `pytest -m slow` runs the full matrix of lengths, ring sizes, layouts,
rotations, batches and masks, which takes tens of minutes.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import compare_verify
import launch
from compare_verify import BOUNDS, Bounds, TensorError
from problem import Problem, read_tensors

LENGTHS = (1, 5, 1021, 4095, 4096)
RANKS = (1, 2, 3, 4, 6, 8)
LAYOUTS = ("contiguous", "striped", "zigzag")
ROTATIONS = ("kv", "q")
BACKENDS = ("host", "kokkos", "reference")
HEAD_SIZES = (16, 32, 64, 80, 96, 100, 128, 256)
DOCUMENTS = ("one_token", "single_tokens", "interleaved", "padded_rank", "isolated_rank", "all_padding")
# What travels is rounded to bfloat16 and what stays is not: a relative error of 2^-9 in each operand.
BOUNDS_OF_ROUNDED_WIRE = Bounds(rms=1e-2, largest=1e-1)
RUN_TIMEOUT = 280


@dataclass(frozen=True)
class Case:
    """One run of the program."""

    problem: Problem = field(default_factory=Problem)
    ranks: int = 1
    layout: str = "zigzag"
    backend: str = "host"
    dtype: str = "float32"
    causal: bool = True
    rotation: str = "auto"
    wire_dtype: str = "float32"
    schedule: str = "ring"  # and flags of its parameters

    def __str__(self) -> str:
        p = self.problem
        words = [f"S{p.context_length}", f"B{p.batch}", f"H{p.heads}/{p.kv_heads}", f"D{p.head_size}"]
        words += [p.documents, f"P{self.ranks}", self.layout, self.rotation, self.backend, self.dtype]
        words += ["causal" if self.causal else "full"]
        words += [] if self.schedule == "ring" else [self.schedule.replace(" ", "_")]
        words += [] if self.wire_dtype == "float32" else [f"wire_{self.wire_dtype}"]
        words += [] if p.type_on_disk == "float32" else [f"disk_{p.type_on_disk}"]
        words += [] if p.has_dout else ["forward"]
        words += [] if p.logit_scale == 1 else [f"logits_{p.logit_scale:g}"]
        return "-".join(words)


def cases(of: Iterable[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", list(of), ids=str)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    launch.program()
    return tmp_path_factory.mktemp("verify")


def input_of(problem: Problem, folder: Path) -> Path:
    path = folder / f"input_{hashlib.sha256(repr(problem).encode()).hexdigest()[:16]}.h5"
    return path if path.exists() else problem.write(path)


@functools.lru_cache(maxsize=6)
def expected(problem: Problem, dtype: str, causal: bool) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Return the inputs as the program sees them, and the exact results; float64 files are not rounded here."""
    tensors = problem.tensors()
    exact_on_disk = problem.type_on_disk == "float64" and dtype == "float32"
    seen = tensors if exact_on_disk else compare_verify.as_seen(tensors, dtype)
    return seen, compare_verify.exact(seen, causal)


def run_verify(case: Case, folder: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors that the program writes."""
    output = folder / "output.h5"
    output.unlink(missing_ok=True)
    flags: list[launch.Argument] = ["--input", input_of(case.problem, folder), "--output", output]
    flags += ["--layout", case.layout, "--backend", case.backend, "--dtype", case.dtype]
    flags += ["--causal", str(case.causal).lower(), "--wire-dtype", case.wire_dtype]
    flags += ["--backward-rotation", case.rotation, "--schedule", *case.schedule.split()]
    launch.run_successfully(case.ranks, "verify", *flags, timeout=RUN_TIMEOUT)
    return read_tensors(output)


def errors_of(case: Case, folder: Path) -> list[TensorError]:
    seen, want = expected(case.problem, case.dtype, case.causal)
    return compare_verify.compare(seen, run_verify(case, folder), want)


def assert_exact(case: Case, folder: Path, bounds: Bounds | None = None) -> None:
    accepted = bounds or BOUNDS[case.dtype]
    errors = errors_of(case, folder)
    assert all(error.is_within(accepted) for error in errors), "\n" + compare_verify.table(errors, accepted)


# ---- quick ----------------------------------------------------------------------------------------------------------


@cases(
    Case(Problem(), ranks, layout, rotation=rotation)
    for ranks, layout, rotation in [
        (1, "contiguous", "auto"),
        (2, "striped", "kv"),
        (3, "contiguous", "q"),
        (4, "zigzag", "auto"),
        (8, "striped", "q"),
    ]
)
def test_4096_tokens_are_exact(case: Case, folder: Path) -> None:
    assert_exact(case, folder)


def awkward_cases() -> Iterable[Case]:
    """Every length at every ring size; what else there is takes turns."""
    layouts, rotations, masks = itertools.cycle(LAYOUTS), itertools.cycle(ROTATIONS), itertools.cycle((1, 1, 0))
    for length in (1, 5, 1021, 4095):
        small = length < 4095
        problem = Problem(length, batch=2 if small else 1, heads=8 if small else 4, kv_heads=2 if small else 1)
        for ranks in RANKS if small else (3, 8):
            causal = not small or next(masks) == 1
            yield Case(problem, ranks, next(layouts), causal=causal, rotation=next(rotations))


@cases(awkward_cases())
def test_awkward_lengths_are_exact(case: Case, folder: Path) -> None:
    assert_exact(case, folder)


@cases(
    Case(Problem(515, 2, documents=documents), 4, layout, rotation=ROTATIONS[(row + column) % 2], causal=causal)
    for row, documents in enumerate(DOCUMENTS)
    for column, (layout, causal) in enumerate([("contiguous", True), ("striped", False), ("zigzag", True)])
)
def test_documents_are_exact(case: Case, folder: Path) -> None:
    assert_exact(case, folder)


@cases(
    Case(Problem(515, 2, documents=documents), ranks, layout, rotation=rotation, schedule=schedule)
    for schedule, ranks, layout, rotation, documents in [
        ("all_gather", 2, "zigzag", "kv", "none"),
        ("all_gather", 3, "striped", "q", "interleaved"),
        ("all_gather", 4, "contiguous", "kv", "interleaved"),
        ("all_gather --head-groups 2", 6, "zigzag", "q", "one_token"),
        ("all_gather", 8, "zigzag", "kv", "interleaved"),
        ("bidirectional", 4, "zigzag", "kv", "interleaved"),
        ("double_ring --window 2", 6, "striped", "kv", "one_token"),
        ("broadcast", 3, "zigzag", "q", "interleaved"),
        ("broadcast", 8, "contiguous", "kv", "one_token"),
        ("broadcast_queries", 4, "contiguous", "kv", "interleaved"),
        ("pass_q", 6, "zigzag", "kv", "interleaved"),
        ("ring --trim", 6, "zigzag", "kv", "interleaved"),
        ("ring --ulysses 2", 6, "zigzag", "q", "interleaved"),
        ("ring --ulysses 8", 8, "striped", "kv", "interleaved"),
        ("double_ring --window 2 --ulysses 2", 8, "contiguous", "kv", "interleaved"),
    ]
)
def test_every_other_schedule_is_exact(case: Case, folder: Path) -> None:
    assert_exact(case, folder)


@cases(
    Case(Problem(259, 2, heads=6, kv_heads=3, head_size=32, documents="interleaved"), 3, layout, backend, rotation=move)
    for backend in ("kokkos", "reference")
    for layout, move in (("zigzag", "kv"), ("striped", "q"))
)
def test_every_backend_is_exact(case: Case, folder: Path) -> None:
    assert_exact(case, folder)


@cases(Case(Problem(130, heads=2, kv_heads=1, head_size=size), 2) for size in (16, 80, 96, 100, 128, 256))
def test_every_head_size_is_exact(case: Case, folder: Path) -> None:
    assert_exact(case, folder)


@cases(
    Case(Problem(1021, documents=documents), 3, layout, dtype="bfloat16", rotation=rotation, wire_dtype=wire)
    for documents, layout, rotation, wire in [
        ("none", "zigzag", "kv", "bfloat16"),
        ("one_token", "contiguous", "q", "bfloat16"),
        ("interleaved", "striped", "kv", "float32"),
    ]
)
def test_bfloat16_is_exact_but_for_its_rounding(case: Case, folder: Path) -> None:
    assert_exact(case, folder)


@cases(Case(Problem(515), 3, backend=backend, dtype="bfloat16") for backend in ("kokkos", "reference"))
def test_bfloat16_of_every_backend(case: Case, folder: Path) -> None:
    assert_exact(case, folder)


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_a_bfloat16_wire_takes_nothing_from_bfloat16_tensors(rotation: str, folder: Path) -> None:
    # A backend that widens whatever it gets: host multiplies in bfloat16 where all operands are, else in float32.
    rounded = Case(Problem(257), 3, backend="kokkos", dtype="bfloat16", rotation=rotation, wire_dtype="bfloat16")
    wide = run_verify(replace(rounded, wire_dtype="float32"), folder)
    narrow = run_verify(rounded, folder)
    for name, tensor in wide.items():
        np.testing.assert_array_equal(narrow[name], tensor, err_msg=name)


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_a_bfloat16_wire_rounds_float32_tensors(rotation: str, folder: Path) -> None:
    case = Case(Problem(515), 3, rotation=rotation, wire_dtype="bfloat16")
    errors = errors_of(case, folder)
    bounds = BOUNDS_OF_ROUNDED_WIRE
    assert all(error.is_within(bounds) for error in errors), "\n" + compare_verify.table(errors, bounds)
    assert min(error.rms for error in errors) > 1e-5, "the wire did not round\n" + compare_verify.table(errors, bounds)


@cases([Case(Problem(515, type_on_disk="float64", documents="one_token"), 2)])
def test_float64_files_are_read(case: Case, folder: Path) -> None:
    assert_exact(case, folder)


@cases([Case(Problem(515, has_dout=False, documents=documents), 3) for documents in ("none", "interleaved")])
def test_without_dout_there_are_no_gradients(case: Case, folder: Path) -> None:
    assert_exact(case, folder)


@cases(Case(Problem(515, logit_scale=100.0), 3, backend=backend) for backend in BACKENDS)
def test_extreme_logits_stay_accurate(case: Case, folder: Path) -> None:
    # Scores of a few hundred, of which float32 keeps 3e-5 at best: probabilities are as far off.
    assert_exact(case, folder, Bounds(rms=2e-4, largest=2e-3))


@cases([Case(Problem(129))])
def test_without_a_launcher_it_is_one_rank(case: Case, folder: Path) -> None:
    output = folder / "alone.h5"
    launch.run_successfully(None, "verify", "--input", input_of(case.problem, folder), "--output", output)
    seen, want = expected(case.problem, case.dtype, case.causal)
    errors = compare_verify.compare(seen, read_tensors(output), want)
    assert all(error.is_within(BOUNDS["float32"]) for error in errors)


@pytest.mark.parametrize("backend", ["host", "kokkos"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_ring_of_eight_is_as_exact_as_one_rank(backend: str, dtype: str, folder: Path) -> None:
    assert_error_does_not_grow(Case(Problem(2048, heads=4, kv_heads=1), backend=backend, dtype=dtype), folder)


def assert_error_does_not_grow(case: Case, folder: Path) -> None:
    alone = {error.name: error.rms for error in errors_of(replace(case, ranks=1), folder)}
    for error in errors_of(replace(case, ranks=8), folder):
        assert error.rms <= 1.2 * alone[error.name], f"{error.name}: {error.rms} at P = 8, {alone[error.name]} at 1"


def test_the_comparison_script_finds_an_error(tmp_path: Path) -> None:
    script = [sys.executable, str(Path(compare_verify.__file__))]

    def compare(*flags: str) -> subprocess.CompletedProcess[str]:
        command = [*script, "--input", str(tmp_path / "in.h5"), *flags]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    made = compare("--generate", "--context-length", "65", "--documents", "one_token", "--batch", "2")
    assert made.returncode == 0, made.stderr
    output = tmp_path / "out.h5"
    launch.run_successfully(2, "verify", "--input", tmp_path / "in.h5", "--output", output)
    good = compare("--output", str(output))
    assert good.returncode == 0, good.stdout + good.stderr
    assert [line.split()[0] for line in good.stdout.splitlines()] == ["tensor", "out", "lse", "dq", "dk", "dv"]
    other_mask = compare("--output", str(output), "--causal", "false")
    assert other_mask.returncode == 1
    assert "too large" in other_mask.stdout
    missing = compare("--output", str(tmp_path / "missing.h5"))
    assert missing.returncode == 2
    assert len(missing.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("ranks", "layout", "rotation", "dtype"),
    [(1, "zigzag", "kv", "float32"), (3, "striped", "q", "bfloat16"), (4, "contiguous", "kv", "float32")],
)
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_padding_is_absent_whatever_its_bits_are(
    value: float, ranks: int, layout: str, rotation: str, dtype: str, folder: Path
) -> None:
    case = Case(Problem(300, 1, 2, 1, 64, "interleaved"), ranks, layout, dtype=dtype, rotation=rotation)
    seen, want = expected(case.problem, dtype, case.causal)
    spoiled = {name: tensor.copy() for name, tensor in case.problem.tensors().items()}
    for name in ("q", "k", "v", "dout"):
        spoiled[name][spoiled["segment_ids"] < 0] = value
    path = folder / "spoiled.h5"
    with h5py.File(path, "w") as file:
        for name, tensor in spoiled.items():
            file[name] = tensor
    output = folder / "of_spoiled.h5"
    output.unlink(missing_ok=True)
    flags: list[launch.Argument] = ["--input", path, "--output", output, "--layout", layout, "--dtype", dtype]
    flags += ["--wire-dtype", dtype, "--backward-rotation", rotation]
    # The exit code may tell of numbers that are not finite; what counts here is that the results are there and right.
    launch.run(ranks, "verify", *flags, timeout=RUN_TIMEOUT)
    errors = compare_verify.compare(seen, read_tensors(output), want)
    accepted = BOUNDS[dtype]
    assert all(error.is_within(accepted) for error in errors), "\n" + compare_verify.table(errors, accepted)


# ---- slow -----------------------------------------------------------------------------------------------------------


def schedules_of(ranks: int) -> Iterable[str]:
    """Every schedule that so many ranks can run with 8 heads, 2 of keys."""
    yield from ("all_gather", "all_gather --head-groups 2", "bidirectional", "broadcast", "broadcast_queries", "pass_q")
    yield "ring --trim"
    yield from (f"double_ring --window {window}" for window in (1, 2, 3, 4) if ranks % window == 0)
    for neighbours in (2, 4, 8):
        if ranks % neighbours == 0:
            yield from (f"{inside} --ulysses {neighbours}" for inside in ("ring", "all_gather", "pass_q"))


def matrix_of_schedules() -> Iterable[Case]:
    """Every schedule at every number of ranks in every layout; what else there is takes turns."""
    rotations, masks, documents = itertools.cycle(ROTATIONS), itertools.cycle((1, 1, 0)), itertools.cycle(DOCUMENTS)
    for ranks in RANKS:
        for schedule in schedules_of(ranks):
            for layout in LAYOUTS if "trim" not in schedule else ("zigzag",):
                is_trimmed = "trim" in schedule
                rotation, mask = ("kv", 1) if is_trimmed else (next(rotations), next(masks))
                problem = Problem(515, 2, documents=next(documents))
                yield Case(problem, ranks, layout, causal=mask == 1, rotation=rotation, schedule=schedule)


@pytest.mark.slow
@cases(matrix_of_schedules())
def test_matrix_of_schedules(case: Case, folder: Path) -> None:
    assert_exact(case, folder)


def problems_of_matrix() -> Iterable[Problem]:
    for length, batch in itertools.product(LENGTHS, (1, 2)):
        yield Problem(length, batch)


@pytest.mark.slow
@cases(
    Case(problem, ranks, layout, causal=causal, rotation=rotation)
    for problem, causal, ranks, layout, rotation in itertools.product(
        problems_of_matrix(), (True, False), RANKS, LAYOUTS, ROTATIONS
    )
)
def test_matrix_of_float32(case: Case, folder: Path) -> None:
    assert_exact(case, folder)


@pytest.mark.slow
@cases(
    Case(Problem(length), ranks, layout, dtype="bfloat16", causal=causal, rotation=rotation, wire_dtype=wire)
    for length, causal, ranks, (layout, rotation, wire) in itertools.product(
        LENGTHS,
        (True, False),
        RANKS,
        [("contiguous", "kv", "bfloat16"), ("striped", "q", "float32"), ("zigzag", "q", "bfloat16")],
    )
)
def test_matrix_of_bfloat16(case: Case, folder: Path) -> None:
    assert_exact(case, folder)


@pytest.mark.slow
@cases(
    Case(Problem(length, 2, documents=documents), ranks, layout, causal=causal, rotation=rotation)
    for length, documents, causal, ranks, layout, rotation in itertools.product(
        (5, 1021), DOCUMENTS, (True, False), RANKS, LAYOUTS, ROTATIONS
    )
)
def test_matrix_of_documents(case: Case, folder: Path) -> None:
    assert_exact(case, folder)


@pytest.mark.slow
@cases(
    Case(Problem(4096, documents=documents), ranks, layout, rotation=rotation)
    for documents, ranks, (layout, rotation) in itertools.product(
        DOCUMENTS, (4, 8), [("contiguous", "kv"), ("contiguous", "q"), ("zigzag", "q"), ("striped", "kv")]
    )
)
def test_matrix_of_long_documents(case: Case, folder: Path) -> None:
    assert_exact(case, folder)


@pytest.mark.slow
@cases(
    Case(Problem(length, 2, 4, 1, size, "one_token"), ranks, layout, backend, dtype, causal, rotation)
    for size, length, dtype, causal, backend, (ranks, layout, rotation) in itertools.product(
        HEAD_SIZES,
        (5, 331),
        ("float32", "bfloat16"),
        (True, False),
        BACKENDS,
        [(1, "contiguous", "kv"), (3, "zigzag", "q"), (4, "striped", "kv")],
    )
)
def test_matrix_of_backends_and_head_sizes(case: Case, folder: Path) -> None:
    assert_exact(case, folder)


@pytest.mark.slow
@cases(
    Case(Problem(4096, heads=heads, kv_heads=kv_heads), 4, "zigzag", backend)
    for backend in ("kokkos", "reference")
    for heads, kv_heads in ((2, 2), (8, 2))
)
def test_4096_tokens_of_every_backend(case: Case, folder: Path) -> None:
    assert_exact(case, folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "causal", "layout", "rotation"),
    list(itertools.product(("float32", "bfloat16"), (True, False), LAYOUTS, ROTATIONS)),
)
def test_a_ring_of_eight_is_as_exact_as_one_rank_at_4096_tokens(
    dtype: str, causal: bool, layout: str, rotation: str, folder: Path
) -> None:
    case = Case(Problem(), layout=layout, dtype=dtype, causal=causal, rotation=rotation)
    assert_error_does_not_grow(case, folder)
