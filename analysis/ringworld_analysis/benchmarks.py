"""From the JSON of the benchmark programs (bench_attention, bench_matmul, ...) to points and roofs of a roofline."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringworld_analysis.errors import InputError

COUNTERS = ("B/s", "bytes", "peak_FLOP/s", "triad_B/s")
LABELS = ("family", "backend", "dtype", "isa", "threads")


@dataclass(frozen=True)
class Point:
    """One benchmark: where it stands in the roofline, and under which roofs."""

    name: str
    family: str
    backend: str
    dtype: str
    isa: str
    threads: int
    flop_per_byte: float
    """0 where the kernel is a matter of bytes only: it then stands beside the roofline, not in it."""
    flops_per_second: float
    bytes_per_second: float
    peak: float
    """Measured FMA peak of the same dtype and number of threads, FLOP/s."""
    triad: float
    """Measured triad bandwidth of as many threads, B/s."""

    @property
    def of_triad(self) -> float:
        """Share of the triad's bandwidth."""
        return self.bytes_per_second / self.triad


@dataclass(frozen=True)
class Roofs:
    """The measured limits of one dtype and number of threads: the best of all runs."""

    dtype: str
    threads: int
    peak: float
    triad: float

    def limit(self, flop_per_byte: float) -> float:
        """Return the FLOP/s that neither roof permits to pass."""
        return min(self.peak, self.triad * flop_per_byte)


@dataclass(frozen=True)
class Benchmarks:
    """The points of all files, and what they were made by."""

    points: list[Point]
    machine: str
    isa: str


def read(paths: Iterable[Path]) -> Benchmarks:
    """Read the benchmarks of several runs; of repetitions the fastest counts.

    :raises InputError: when a file is missing, not JSON of Google Benchmark, or holds no benchmark of ours.
    """
    points: dict[tuple[str, str, str, int], Point] = {}
    machines: list[str] = []
    isas: list[str] = []
    for path in paths:
        document = _read_json(path)
        context = document.get("context", {})
        machine = str(context.get("cpu") or context.get("host_name") or "unknown CPU")
        machines += [machine] if machine not in machines else []
        found = [point for entry in document["benchmarks"] if (point := _point(entry, path)) is not None]
        if not found:
            raise InputError(f"{path}: has no benchmark that says how many bytes it moves")
        for point in found:
            isas += [point.isa] if point.isa not in isas else []
            key = (point.family, point.name, point.dtype, point.threads)
            if key not in points or points[key].bytes_per_second < point.bytes_per_second:
                points[key] = point
    return Benchmarks(list(points.values()), ", ".join(machines), ", ".join(isas))


def roofs_of(points: Iterable[Point]) -> list[Roofs]:
    """Return the roofs, one for each dtype and number of threads, fp32 first. The triad knows no dtype."""
    peaks: dict[tuple[int, str], float] = {}
    triads: dict[int, float] = {}
    for point in points:
        key = (point.threads, point.dtype)
        peaks[key] = max(peaks.get(key, 0.0), point.peak)
        triads[point.threads] = max(triads.get(point.threads, 0.0), point.triad)
    roofs = [Roofs(dtype, threads, peak, triads[threads]) for (threads, dtype), peak in peaks.items()]
    return sorted(roofs, key=lambda roof: (roof.threads, roof.dtype != "float32", roof.dtype))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem.strerror})") from problem
    except (ValueError, RecursionError) as problem:
        raise InputError(f"{path}: is not JSON ({problem}); make it with --benchmark_out={path.name}") from problem
    if not isinstance(document, dict) or not isinstance(document.get("benchmarks"), list):
        raise InputError(f"{path}: is not the output of a benchmark program (no list 'benchmarks')")
    return document


def _point(entry: Mapping[str, Any], path: Path) -> Point | None:
    """Return the point of one entry, or None where it has no place in a roofline."""
    if entry.get("run_type") == "aggregate" or entry.get("error_occurred") or not entry.get("bytes"):
        return None
    missing = [name for name in COUNTERS if not isinstance(entry.get(name), (int, float)) or not entry[name] > 0]
    words = dict(word.split("=", 1) for word in str(entry.get("label", "")).split() if "=" in word)
    missing += [f"label {name}" for name in LABELS if name not in words]
    name = str(entry.get("run_name", "")).removesuffix("/real_time")
    if missing:
        raise InputError(f"{path}: benchmark '{name}' lacks {', '.join(missing)}")
    return Point(
        name=name,
        family=words["family"],
        backend=words["backend"],
        dtype=words["dtype"],
        isa=words["isa"],
        threads=int(words["threads"]),
        flop_per_byte=entry.get("flop", 0.0) / entry["bytes"],
        flops_per_second=entry.get("FLOP/s", 0.0),
        bytes_per_second=entry["B/s"],
        peak=entry["peak_FLOP/s"],
        triad=entry["triad_B/s"],
    )
