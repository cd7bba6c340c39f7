"""Runs made up for the tests: the tables of experiments/attention/rows.hpp, filled with plausible numbers.

The row types are those of the program where it is built and can print them as JSON, else they are read from the C++
headers: a renamed column breaks the tests and not a user's report.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from ringworld_analysis.roles import KEYS_BEFORE_ROLES

REPOSITORY = Path(__file__).resolve().parents[2]
ROWS_HPP = REPOSITORY / "experiments" / "attention" / "rows.hpp"
SCHEDULE_COLUMNS_HPP = REPOSITORY / "src" / "io" / "schedule_columns.hpp"
#: The columns of a schedule that is as usual.
RING: dict[str, Any] = {"schedule": "ring", "ulysses": 1, "window": 0, "head_groups": 1, "trim": False}
SCHEMA = REPOSITORY / "results" / "SCHEMA.md"
PROGRAM = REPOSITORY / "build" / "release" / "bin" / "ringworld"
Row = dict[str, Any]


@dataclass(frozen=True)
class RowType:
    """One row type of the program."""

    path: str
    columns: tuple[str, ...]
    roles: tuple[str, ...]
    """Role of each column; empty where the declaration has none."""
    units: tuple[str, ...]
    meanings: tuple[str, ...]
    dtype: np.dtype[Any]

    def with_key(self, name: str, numpy_type: str) -> RowType:
        """Return the type with a key column more, which nothing but its role tells the readers of."""
        roles = self.roles or tuple(
            "key" if column in KEYS_BEFORE_ROLES[self.path] else "measure" for column in self.columns
        )
        kinds = [(column, self.dtype[column]) for column in self.columns]
        return RowType(
            self.path, (*self.columns, name), (*roles, "key"), (*self.units, ""), (*self.meanings, "made up"),
            np.dtype([*kinds, (name, numpy_type)]),
        )  # fmt: skip

    def without_roles(self) -> RowType:
        """Return the type as it was written before tables had roles."""
        return replace(self, roles=())


def row_types(header: Path = ROWS_HPP) -> dict[str, RowType]:
    """Return the row types that a header declares, by HDF5 path: as the program prints them, or as they stand there."""
    declared = declared_row_types(header)
    printed = program_row_types()
    return {path: printed.get(path, kind) for path, kind in declared.items()}


@cache
def program_row_types() -> dict[str, RowType]:
    """Return the row types that the built program prints as JSON; none where it is older than the headers."""
    if not PROGRAM.exists():
        return {}
    headers = (ROWS_HPP, SCHEDULE_COLUMNS_HPP, *(REPOSITORY / "src" / "io").glob("*rows.hpp"))
    newest = max(path.stat().st_mtime for path in headers)
    if PROGRAM.stat().st_mtime < newest:
        return {}
    answer = subprocess.run(
        [PROGRAM, "info", "--schema", "json"], capture_output=True, text=True, timeout=60, check=False
    )
    return parse_schema(answer.stdout) if answer.returncode == 0 else {}


def parse_schema(text: str) -> dict[str, RowType]:
    """Read what `ringworld info --schema json` prints."""
    found = {}
    for table in json.loads(text)["tables"]:
        columns = table["columns"]
        names, roles, units, meanings = (
            tuple(column[name] for column in columns) for name in ("name", "role", "unit", "meaning")
        )
        kinds = [(column["name"], _schema_type(column["type"])) for column in columns]
        found[table["path"]] = RowType(table["path"], names, roles, units, meanings, np.dtype(kinds))
    return found


@cache
def schema_row_types() -> dict[str, RowType]:
    """Return the row types of every table that the schema page describes, by HDF5 path."""
    found = {}
    for body in re.split(r"^## ", SCHEMA.read_text(encoding="utf-8"), flags=re.M)[1:]:
        path = re.match(r"`(/[\w/]+)`", body)
        columns = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| ([^|]+) \| (.*) \|$", body, flags=re.M)
        if path is None or not columns:
            continue
        names, roles, units, kinds, meanings = zip(*columns)
        types = np.dtype([(name, _schema_type(kind)) for name, kind in zip(names, kinds)])
        found[path.group(1)] = RowType(path.group(1), names, roles, units, meanings, types)
    return found


def _schema_type(text: str) -> str:
    limit = re.fullmatch(r"text, at most (\d+) bytes", text)
    if limit:
        return f"S{int(limit.group(1)) + 1}"
    return {"int32": "<i4", "int64": "<i8", "float64": "<f8", "bool": "?"}[text]


def declared_row_types(header: Path) -> dict[str, RowType]:
    """Read the row types of the header, by HDF5 path."""
    found = {}
    text = _with_schedules(header)
    for body in re.findall(r"^struct \w+ \{\n(.*?)^\};", text, flags=re.MULTILINE | re.DOTALL):
        path = re.search(r'path = "([^"]+)"', body)
        assert path is not None
        kinds = {
            name: kind
            for kind, name in re.findall(
                r"^  (std::int64_t|double|bool|FixedString<\d+>) (\w+)(?: = [^;]+)?;", body, re.M
            )
        }
        # A meaning may be several literals in a row.
        literals = re.sub(r'"\s*\n\s*"', "", body)
        fields = re.findall(
            r'Column\{\s*"(\w+)",\s*&R::(\w+),\s*(?:Role::(\w+),\s*)?"([^"]*)",\s*"([^"]*)"\}', literals
        )
        assert len(fields) == len(kinds) > 0, f"{path.group(1)}: {len(fields)} fields, {len(kinds)} members"
        names, members, roles, units, meanings = zip(*fields)
        assert all(roles) or not any(roles), f"{path.group(1)}: some columns have a role and some have none"
        found[path.group(1)] = RowType(
            path.group(1), names, roles if any(roles) else (), units, meanings,
            np.dtype([(name, _numpy_type(kinds[member])) for name, member in zip(names, members)]),
        )  # fmt: skip
    return found


def _with_schedules(header: Path) -> str:
    """Return the text of a header whose rows declare the shared columns of schedules themselves."""
    shared = SCHEDULE_COLUMNS_HPP.read_text(encoding="utf-8")
    members = re.findall(r"^  (?:std::int64_t|bool|FixedString<\d+>) \w+ = .*;$", shared, re.M)
    literals = re.sub(r'"\s*\n\s*"', "", shared)
    fields = re.findall(r'schedule_column<Row>\(\s*"(\w+)",\s*&C::(\w+),\s*("[^"]*",\s*"[^"]*")\)', literals)
    assert len(members) == len(fields) > 0, f"{SCHEDULE_COLUMNS_HPP} declares its columns in an unknown way"
    text = header.read_text(encoding="utf-8")
    text = text.replace(" : ScheduleColumns {\n", " {\n" + "\n".join(members) + "\n")
    return text.replace(
        "schedule_columns<R>()",
        ", ".join(f'Column{{"{name}", &R::{member}, Role::key, {texts}}}' for name, member, texts in fields),
    )


def _numpy_type(kind: str) -> str:
    text = re.fullmatch(r"FixedString<(\d+)>", kind)
    return f"S{text.group(1)}" if text else {"std::int64_t": "<i8", "double": "<f8", "bool": "?"}[kind]


def attention_rows(
    contexts: tuple[int, ...] = (2048, 4096, 8192, 16384, 32768),
    ring_sizes: tuple[int, ...] = (1, 2, 4),
    dtypes: tuple[str, ...] = ("fp32", "bf16"),
    passes: tuple[str, ...] = ("forward", "backward"),
    cores: int = 4,
    seed: int = 7,
) -> list[Row]:
    """Return the rows of a sweep on a machine of so many cores; they obey every model exactly or nearly."""
    rng = np.random.default_rng(seed)
    heads, kv_heads, head_size = 8, 2, 64
    rows = []
    for dtype in dtypes:
        for direction in passes:
            for layout in ("contiguous", "striped", "zigzag"):
                for ranks in ring_sizes:
                    for context in contexts:
                        rows.append(
                            _row(rng, dtype, direction, layout, ranks, context, heads, kv_heads, head_size, cores)
                        )
    return rows


def _row(
    rng: np.random.Generator, dtype: str, direction: str, layout: str, ranks: int, context: int, heads: int,
    kv_heads: int, head_size: int, cores: int,
) -> Row:  # fmt: skip
    element = 2 if dtype == "bf16" else 4
    tokens = context // ranks
    factor = 4 if direction == "forward" else 10
    flop = factor * heads * head_size * context * (context + 1) / 2
    bound = ranks / 2 / (ranks - 0.5) if layout == "contiguous" else 1.0
    peak = 900e9 * min(1.0, cores / ranks)
    reached = peak * (0.62 if dtype == "bf16" else 0.71) * tokens / (tokens + 400) * (0.93 if ranks > 1 else 1.0)
    time = flop / (ranks * reached * bound) * float(rng.normal(1.0, 0.008)) + 1e-5 * (ranks - 1)
    slow, fast = 1 + abs(float(rng.normal(0, 0.025))), 1 - abs(float(rng.normal(0, 0.015)))
    per_token = 2 * kv_heads * head_size * element + (0 if direction == "forward" else 2 * kv_heads * head_size * 4)
    wire = (ranks - 1) * context * per_token
    held = tokens * (2 * heads * head_size * element + 2 * kv_heads * head_size * element + heads * 4)
    held += tokens * heads * (head_size + 2) * 4 + (2 * tokens * per_token if ranks > 1 else 0)
    held *= 1 if direction == "forward" else 2
    throughput = flop / time / ranks
    return {
        "context_length": context, "tokens_per_rank": tokens, "ranks": ranks, **RING,
        "layout": layout, "backend": "host",
        "transport": "mpi",
        "dtype": dtype, "wire_dtype": dtype, "heads": heads, "kv_heads": kv_heads, "head_size": head_size, "batch": 1,
        "causal": True, "pass": direction, "backward_rotation": "none" if direction == "forward" else "kv",
        "inputs": "random", "polling": True, "threads": 1, "repeats": 5,
        "step_time": time, "step_time_min": time * fast, "step_time_max": time * slow,
        "flop_causal": flop, "flop_full": flop * 2 * context / (context + 1),
        "flops_per_second_per_rank": throughput, "peak_flops_per_second": peak, "mfu_measured_peak": throughput / peak,
        "nominal_flops_per_second": 0.0, "mfu_nominal_peak": 0.0, "tokens_per_second": context / time,
        "layout_efficiency_bound": bound, "hops": ranks - 1, "hops_model": ranks - 1,
        "wire_bytes": wire, "wire_bytes_model": wire,
        "peak_bytes": int(held * 1.002) + 4096, "peak_bytes_model": held,
        "peak_resident_bytes": int(held * 1.15) + 3_500_000,
        "error": (3e-3 if dtype == "bf16" else 4e-7) * float(rng.uniform(0.7, 1.3)) * (1 + 0.04 * ranks),
        "error_rms": 1e-7, "error_tolerance": 1.6e-2 if dtype == "bf16" else 5e-6, "valid": True, "reason": "",
        "lse_error": 1e-7, "lse_error_tolerance": 2e-6,
        "probe_rows": 3 * heads * context, "probe_wrong_rows": 0, "probe_first_wrong": "",
        "seed": 42,
        "run": 0,
    }  # fmt: skip


def invalidate(row: Row, reason: str, measured: bool = True) -> Row:
    """Return the row as a failed one; without a measurement its numbers are zero."""
    changed = {**row, "valid": False, "reason": reason}
    if not measured:
        for name, value in row.items():
            if name.startswith(
                ("step_time", "flops", "mfu", "tokens_per_second", "wire_bytes", "peak", "hops", "error")
            ):
                changed[name] = type(value)(0)
    return changed


def hop_rows(rows: list[Row], wanted: Callable[[Row], bool], seed: int = 11, bandwidth: float = 2e8) -> list[Row]:
    """Return hops, with polling on and off, of the rows wanted."""
    rng = np.random.default_rng(seed)
    hops = []
    for index, row in enumerate(rows):
        ranks = row["ranks"]
        if ranks == 1 or row["step_time"] == 0 or not wanted(row):
            continue
        sent = row["wire_bytes"] // (ranks * (ranks - 1))
        for polling in (True, False):
            for rank in range(ranks):
                for hop in range(ranks - 1):
                    compute = row["step_time"] / ranks * float(rng.normal(1, 0.03))
                    if row["layout"] == "contiguous" and rank <= hop:
                        compute *= 0.02
                    comm = (3e-5 + sent / bandwidth) * float(rng.normal(1, 0.05))
                    hidden = min(compute, comm) * float(np.clip(rng.normal(0.92 if polling else 0.08, 0.04), -0.1, 1.0))
                    both = compute + comm - hidden
                    hops.append(
                        {
                            "attention_row": index, "rank": rank, "hop": hop, "t_compute": compute, "t_comm": comm,
                            "t_both": both, "exposed": both - compute, "overlap": hidden / min(compute, comm),
                            "bytes": sent, "polling": polling,
                        }
                    )  # fmt: skip
    return hops


def sample_rows(rows: list[Row]) -> list[Row]:
    """Return one raw timing for each row, repeat and rank."""
    return [
        {"attention_row": index, "repeat": repeat, "rank": rank, "seconds": row["step_time"], "clock": 0.0,
         "memory_clock": 0.0, "power": 0.0, "temperature": 0.0, "throttle_reasons": ""}
        for index, row in enumerate(rows)
        for repeat in range(row["repeats"])
        for rank in range(row["ranks"])
    ]


def write_table(file: h5py.File, kind: RowType, rows: list[Row], described: bool = True) -> None:
    """Write rows as a compound table. Columns that a row lacks are zero or empty; one too many is an error."""
    data = np.zeros(len(rows), dtype=kind.dtype)
    for index, row in enumerate(rows):
        assert set(row) <= set(kind.columns), f"{kind.path}: {set(row) - set(kind.columns)}"
        for name, value in row.items():
            data[name][index] = value.encode() if isinstance(value, str) else value
    dataset = file.create_dataset(kind.path, data=data, chunks=(64,), maxshape=(None,))
    if described:
        for name in ("columns", *(["roles"] * bool(kind.roles)), "units", "meanings"):
            dataset.attrs[name] = np.array([text.encode() for text in getattr(kind, name)])


def write_hops(file: h5py.File, kind: RowType, hops: list[Row], described: bool = True) -> None:
    """Write hops, which a point has side by side in the order (rank, hop), as a row a point and arrays."""
    keys = [name for name in kind.columns if name not in ("ranks", "steps", "first")]
    points: dict[tuple[Any, ...], list[Row]] = {}
    for hop in hops:
        points.setdefault(tuple(hop[name] for name in keys), []).append(hop)
    rows: list[Row] = []
    ordered: list[Row] = []
    for key, mine in points.items():
        ranks, steps = (1 + max(int(hop[name]) for hop in mine) for name in ("rank", "hop"))
        places = {(hop["rank"], hop["hop"]): hop for hop in mine}
        nothing = {"t_compute": 1e-3, "t_comm": np.nan, "t_both": 1e-3, "bytes": 0}
        rows.append({**dict(zip(keys, key)), "ranks": ranks, "steps": steps, "first": len(ordered)})
        ordered += [places.get((rank, step), nothing) for rank in range(ranks) for step in range(steps)]
    write_table(file, kind, rows, described)
    for name in ("t_compute", "t_comm", "t_both", "bytes"):
        kind_of_numbers = "<i8" if name == "bytes" else "<f4"
        file[f"/overlap/{name}"] = np.array([hop[name] for hop in ordered], dtype=kind_of_numbers)


def write_provenance(
    file: h5py.File, ranks: int = 4, cores: int = 4, host: str = "node0417", revision: str = "1f2e3d4c"
) -> None:
    """Write provenance as the program does, with a table of ranks."""
    group = file.create_group("provenance")
    group.attrs["git_revision"] = revision
    group.attrs["git_is_dirty"] = False
    group.attrs["argv"] = ["ringworld", "attention", "--context-length", "2048,4096", "--output", "run.h5"]
    group.attrs["utc_start"] = "2025-03-04T05:06:07Z"
    group.attrs["utc_end"] = "2025-03-04T05:16:07Z"
    group.attrs["seeds"] = [42]
    group.attrs["configuration"] = 'context_length = [2048, 4096]\nranks = [1, 2, 4]\nlayout = ["zigzag"]\n'
    group.attrs["compiler"] = "GNU 12.2.0"
    group.attrs["compiler_flags"] = "-O3 -DNDEBUG"
    environment = group.create_group("environment")
    environment.attrs["OMP_NUM_THREADS"] = "1"
    kinds = [("run", "<i8"), ("rank", "<i8"), ("host", "S64"), ("cpu", "S96"), ("binding", "S128"), ("device", "S96")]
    table = np.zeros(ranks, dtype=kinds)
    for rank in range(ranks):
        table[rank] = (0, rank, host.encode(), b"Imaginary CPU 9000", f"{rank % cores}".encode(), b"host")
    group.create_dataset("ranks", data=table)


def write_run(
    path: Path, rows: list[Row], hops: list[Row] | None = None, *, provenance: bool = True, cores: int = 4,
    described: bool = True, kinds: dict[str, RowType] | None = None, samples: list[Row] | None = None, **origin: Any,
) -> Path:  # fmt: skip
    """Write a whole file; `kinds` replaces row types by path, `samples` raw timings that are all alike."""
    kinds = {**row_types(), **(kinds or {})}
    with h5py.File(path, "w") as file:
        write_table(file, kinds["/attention"], rows, described)
        if hops is not None:
            write_hops(file, kinds["/overlap/points"], hops, described)
        write_table(file, kinds["/samples"], sample_rows(rows) if samples is None else samples, described)
        if provenance:
            write_provenance(file, max([row["ranks"] for row in rows], default=1), cores, **origin)
    return path


def typical(path: Path, *, cores: int = 2) -> Path:
    """Write a run with all that a report shows: three invalid rows, a contiguous ring that is too fast, hops."""
    rows = attention_rows(cores=cores)
    rows[14] = invalidate(rows[14], "out of memory: 3.1 GiB asked, 2.0 GiB left on rank 3", measured=False)
    rows[40] = invalidate(rows[40], "error 2.1e-02 above tolerance 5.0e-06")
    rows[77] = invalidate(
        {**rows[77], "wire_bytes": rows[77]["wire_bytes"] + 128}, "wire_bytes differs from its model by 128 B"
    )
    quick = next(
        row for row in rows
        if (row["layout"], row["ranks"], row["context_length"], row["dtype"]) == ("contiguous", 2, 16384, "fp32")
    )  # fmt: skip
    for name in ("step_time", "step_time_min", "step_time_max"):
        quick[name] *= 0.78
    hops = hop_rows(rows, lambda row: row["context_length"] >= 8192 and row["dtype"] == "fp32")
    return write_run(path, rows, hops, cores=cores)


if __name__ == "__main__":
    import sys

    print(typical(Path(sys.argv[1])))
