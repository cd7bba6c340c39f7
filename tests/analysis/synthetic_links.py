"""Records of `ringworld info --links` made up for the tests, whose latencies and bandwidths are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py

from synthetic import REPOSITORY, Row, RowType, row_types, write_provenance, write_table

#: Latency in s and bandwidth in B/s of each operation.
TRUTH = {
    "hop": (2e-6, 20e9), "two_way_hop": (3e-6, 35e9), "all_gather": (9e-6, 15e9), "reduce_scatter": (12e-6, 9e9),
    "all_to_all": (8e-6, 12e9), "broadcast": (6e-6, 18e9), "reduce": (10e-6, 7e9),
}  # fmt: skip


def link_row_type() -> RowType:
    """Read the row type that the program declares."""
    return row_types(REPOSITORY / "experiments" / "common" / "link_rows.hpp")["/links"]


def link_row(operation: str, length: int, ranks: int = 4, **values: Any) -> Row:
    """Return one transfer, exactly as long as latency and bandwidth say."""
    latency, bandwidth = TRUTH[operation]
    factor = (ranks - 1) / ranks if operation in ("all_gather", "reduce_scatter", "all_to_all") else 1.0
    seconds = latency + length * factor / bandwidth
    return {
        "operation": operation, "bytes": length, "ranks": ranks, "nodes": 1, "backend": "host", "memory": "host",
        "transport": "mpi", "repeats": 20, "repeats_done": 20, "batch": 1, "seconds": seconds,
        "seconds_min": 0.9 * seconds, "seconds_max": 1.3 * seconds, "algorithm_bandwidth": length / seconds,
        "bus_bandwidth": length / seconds * factor, "valid": True, "outcome": "ok", **values,
    }  # fmt: skip


def write_links(path: Path, rows: list[Row]) -> Path:
    """Write a record."""
    with h5py.File(path, "w") as file:
        write_table(file, link_row_type(), rows)
        write_provenance(file, 4, 4)
    return path


def typical_links(path: Path) -> Path:
    """Write a record of every operation at many lengths, on four ranks and on two."""
    rows = [link_row(operation, 8 * 4**power, ranks) for ranks in (4, 2) for operation in TRUTH for power in range(14)]
    return write_links(path, rows)
