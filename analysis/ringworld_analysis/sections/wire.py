"""Bytes and hops: counted in the run against closed formulas. A table, because agreement is exact or it is a bug."""

from __future__ import annotations

from typing import Any

from ringworld_analysis.content import DataSet, Finding, Grid, Section
from ringworld_analysis.formatting import counted
from ringworld_analysis.run import Run
from ringworld_analysis.table import Row

KEY, TITLE = "wire", "Bytes on the wire and hops"


def section(run: Run) -> Section | None:
    """Build the section; rows that are not valid are included, since a difference makes a row so."""
    rows = run.attention.rows()
    if not rows:
        return Section(KEY, TITLE, missing="`/attention` has no rows.")
    names = ("context_length", "ranks", "layout", "pass_label", "configuration", "hops", "hops_model", "wire_bytes",
             "wire_bytes_model", "difference", "agrees")  # fmt: skip
    cells: list[list[Any]] = []
    marked: list[int] = []
    unmeasured = 0
    for row in rows:
        # A row without a step time was never run (out of memory, timeout): nothing was counted.
        if not row["step_time"] > 0:
            unmeasured += 1
            continue
        agrees = row["wire_bytes"] == row["wire_bytes_model"] and row["hops"] == expected_hops(row)
        if not agrees:
            marked.append(len(cells))
        cells.append(
            [row["context_length"], row["ranks"], row["layout"], row["pass_label"], run.describe(row), row["hops"],
             expected_hops(row), row["wire_bytes"], row["wire_bytes_model"],
             row["wire_bytes"] - row["wire_bytes_model"], agrees]
        )  # fmt: skip
    # Rows that disagree come first: in a long table they would be missed.
    order = [*marked, *(place for place in range(len(cells)) if place not in set(marked))]
    cells = [cells[place] for place in order]
    grid = Grid(
        "Counted against the model", ["pass" if name == "pass_label" else name for name in names], cells,
        {"context_length": "token", "wire_bytes": "B", "wire_bytes_model": "B"},
        {
            "hops_model": run.attention.meanings.get("hops_model", "P - 1 for each of forward and backward"),
            "difference": "wire_bytes - wire_bytes_model, bytes",
            "wire_bytes": run.attention.meanings.get("wire_bytes", ""),
            "hops": run.attention.meanings.get("hops", ""),
        },
        "From `hops`, `wire_bytes`, `wire_bytes_model` of `/attention`. Rows that disagree are marked and come first; "
        "hover over a size for the exact number of bytes."
        + (f" {counted(unmeasured, 'row')} without a measurement left out." if unmeasured else ""),
        frozenset(range(len(marked))),
    )  # fmt: skip
    if not cells:
        finding = Finding("No row has counted bytes.", "warn")
    elif marked:
        first = cells[0]
        finding = Finding(
            f"Bytes or hops differ from the model in **{counted(len(marked), 'row')}** of {len(cells)}, first at "
            f"P = {first[1]}, {first[2]}, {first[3]}.",
            "bad",
        )
    else:
        finding = Finding(f"Bytes and hops equal the model in all {counted(len(cells), 'measured row')}.", "good")
    data = DataSet("wire", grid.columns, cells)
    return Section(
        KEY, TITLE,
        "A ring of P ranks makes P - 1 hops in each direction of the computation, and every byte of it is counted. "
        "A counter that disagrees with its formula makes the row invalid.",
        grids=[grid], data=[data], findings=[finding],
    )  # fmt: skip


def expected_hops(row: Row) -> int:
    """Transfers of activations in one pass: by the plan of the schedule, in older records P - 1 a pass."""
    if "hops_model" in row:
        return int(row["hops_model"])
    return int((row["ranks"] - 1) * (2 if row["pass"] == "forward_backward" else 1))
