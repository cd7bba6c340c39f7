"""Rows of tables that no other section draws, as they are: nothing that a record holds goes unsaid."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ringworld_analysis import formatting
from ringworld_analysis.content import DataSet, Grid, Section
from ringworld_analysis.reading import DRAWN_TABLES
from ringworld_analysis.run import Run
from ringworld_analysis.table import Table

KEY, TITLE = "other-rows", "Other rows"
#: Rows that the page shows; the CSV files have all.
MOST_ROWS = 200


def section(run: Run) -> Section | None:
    """Build the section."""
    tables = list(_tables(run))
    if not tables:
        return None
    return Section(
        KEY, TITLE, "Tables of these records that have no figures of their own.",
        grids=[_grid(name, table) for name, table in tables], data=[_data(name, table) for name, table in tables],
    )  # fmt: skip


def _tables(run: Run) -> Iterator[tuple[str, Table]]:
    for name in run.other_tables:
        table = run.records(name)
        if name not in DRAWN_TABLES and table is not None:
            yield name, table


def _grid(name: str, table: Table) -> Grid:
    shown = table.take(np.arange(min(len(table), MOST_ROWS)))
    varying = table.varying(table.names) if len(table) > 1 else [*table.names]
    first = shown.rows()[0] if len(shown) else {}
    same = [
        f"{column} {formatting.plain(first[column], table.units.get(column, '')) or '(empty)'}"
        for column in table.names
        if column in first and column not in varying
    ]
    cut = f" The first {MOST_ROWS} of {len(table)} rows." if len(table) > MOST_ROWS else ""
    caption = f"From `{name}`, in full in `{_file(name)}.csv`.{cut}"
    if same:
        caption += f" The same in all rows: {', '.join(same)}."
    invalid = np.flatnonzero(~shown["valid"].astype(bool)).tolist() if "valid" in shown else []
    rows = [[row[column] for column in varying] for row in shown.rows()]
    return Grid(f"Rows of {name}", varying, rows, table.units, table.meanings, caption, frozenset(invalid))


def _data(name: str, table: Table) -> DataSet:
    return DataSet(_file(name), table.names, [list(row.values()) for row in table.rows()])


def _file(name: str) -> str:
    return name.strip("/").replace("/", "-")
