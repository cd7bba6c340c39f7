"""Rows of runs and simulations that claims are judged by: from records, or from the small tables kept beside manifests.

A kept table is CSV. Its first lines begin with `#` and hold the commands that made it; a row has the columns of one of
`TABLES`, which its header tells.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from ringworld_analysis.errors import InputError

FOLDER = "records"
"""Folder of the kept tables, beside the manifests."""

_TRUTHS = ("simulated", "causal", "valid")
_REALS = ("step_time", "flop_causal", "flop_full", "seconds", "stage_seconds")
_COUNTS = ("ranks", "ulysses", "context_length", "heads", "kv_heads", "head_size", "batch", "wire_bytes", "stage",
           "steps", "parameters", "needles_planted", "needles_asked", "hits", "trials")  # fmt: skip
#: Columns that verdicts need, by table; all others are texts.
TABLES: dict[str, tuple[str, ...]] = {
    "attention": (
        "simulated", "platform", "rates", "rates_digest", "schedule", "layout", "ranks", "ulysses", "pass", "backend",
        "dtype", "context_length", "heads", "kv_heads", "head_size", "batch", "causal", "step_time", "flop_causal",
        "flop_full", "wire_bytes", "valid", "outcome",
    ),
    "training/stages": (
        "stages", "stage", "context_length", "steps", "batch", "mesh", "ranks", "schedule", "layout", "backend",
        "dtype", "parameters", "seconds", "valid", "outcome",
    ),
    "training/simulated": (
        "simulated", "platform", "rates", "rates_digest", "stages", "stage", "context_length", "steps", "batch", "mesh",
        "ranks", "schedule", "layout", "backend", "dtype", "parameters", "step_time", "stage_seconds", "valid",
        "outcome",
    ),
    "needle/cells": (
        "checkpoint", "context_length", "needles_planted", "needles_asked", "task", "decoding", "hits", "trials",
        "ranks", "backend", "dtype", "valid", "outcome",
    ),
}  # fmt: skip

Row = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """A row, and where it stands: name of the file and index of the row."""

    row: Row
    source: str
    table: str = "attention"

    @property
    def seconds(self) -> float:
        """Return the time of a pass."""
        return float(self.row["step_time"])


class Pool:
    """All rows that may judge a claim, the preferred ones first. Rows of failed points are not among them."""

    def __init__(self, rows: Iterable[Found] = ()) -> None:
        """Take the rows that hold a valid result."""
        self._rows = [found for found in rows if found.row["valid"] and found.row.get("step_time", 1) > 0]

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self._rows)

    def find(self, table: str = "attention", /, **keys: object) -> Found | None:
        """Return the first row of a table with these values; None when there is no such row."""
        return next(iter(self.find_all(table, **keys)), None)

    def find_all(self, table: str = "attention", /, **keys: object) -> list[Found]:
        """Return all rows of a table with these values."""
        return [
            found
            for found in self._rows
            if found.table == table and all(found.row[name] == value for name, value in keys.items())
        ]


def read_record(path: Path) -> list[Found]:
    """Return the rows of a record that claims are judged by.

    :raises InputError: when the file is no record, has none of `TABLES`, or one lacks a column that verdicts need
    """
    try:
        with h5py.File(path, "r") as file:
            tables = {name: file[name][()] for name in TABLES if name in file}
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem})") from problem
    if not tables:
        raise InputError(f"{path}: has none of the tables that claims are judged by: /{', /'.join(TABLES)}")
    rows = []
    for name, table in tables.items():
        missing = [column for column in TABLES[name] if column not in (table.dtype.names or ())]
        if missing:
            raise InputError(f"{path}: /{name} has no column {missing[0]}; it is from an older version")
        for number, values in enumerate(table):
            row = {column: _plain(values[column]) for column in TABLES[name]}
            rows.append(Found(row, f"{path.name}, row {number}" + (f" of {name}" if name != "attention" else ""), name))
    return rows


def read_kept(folder: Path) -> list[Found]:
    """Return the rows of all kept tables of a folder; none when there is no such folder.

    :raises InputError: naming the file, when one cannot be read
    """
    found = []
    for path in sorted(folder.glob("*.csv")):
        try:
            lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
            reader = csv.DictReader(lines)
            table = next(name for name, columns in TABLES.items() if columns == tuple(reader.fieldnames or ()))
            for number, texts in enumerate(reader):
                row = {name: _parsed(name, texts[name]) for name in TABLES[table]}
                found.append(Found(row, f"{folder.name}/{path.name}, row {number}", table))
        except (OSError, KeyError, TypeError, ValueError, StopIteration) as problem:
            raise InputError(f"{path}: is not a kept table ({problem})") from problem
    return found


def keep(commands: Sequence[str], rows: Sequence[Found], path: Path) -> None:
    """Write a kept table, of rows of one table.

    :raises InputError: when it cannot be written
    """
    text = io.StringIO()
    for command in commands:
        text.write(f"# {command}\n")
    writer = csv.writer(text, lineterminator="\n")
    columns = TABLES[rows[0].table]
    writer.writerow(columns)
    for found in rows:
        writer.writerow([_text(found.row[name]) for name in columns])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.getvalue(), encoding="utf-8")
    except OSError as problem:
        raise InputError(f"{path}: cannot be written ({problem.strerror})") from problem


def _plain(value: Any) -> Any:  # noqa: ANN401 - a scalar of NumPy
    return value.decode() if isinstance(value, bytes) else value.item()


def _parsed(name: str, text: str) -> Any:  # noqa: ANN401
    if name in _TRUTHS:
        return {"true": True, "false": False}[text]
    return int(text) if name in _COUNTS else float(text) if name in _REALS else text


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.7g}" if isinstance(value, float) else str(value)
