"""Rows of runs and simulations that claims are judged by: from records, or from the small tables kept beside manifests.

A kept table is CSV. Its first lines begin with `#` and hold the commands that made it; a row has the columns of `KEPT`.
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

_TEXTS = ("platform", "rates", "rates_digest", "schedule", "layout", "pass", "backend", "dtype", "outcome")
_TRUTHS = ("simulated", "causal", "valid")
_COUNTS = ("ranks", "ulysses", "context_length", "heads", "kv_heads", "head_size", "batch", "wire_bytes")
_TIMES = ("step_time", "flop_causal", "flop_full")
KEPT = (*_TRUTHS[:1], *_TEXTS[:5], *_COUNTS[:2], *_TEXTS[5:8], *_COUNTS[2:7], "causal", "step_time", *_TIMES[1:],
        "wire_bytes", "valid", "outcome")  # fmt: skip

Row = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """A row, and where it stands: name of the file and index of the row."""

    row: Row
    source: str

    @property
    def seconds(self) -> float:
        """Return the time of a pass."""
        return float(self.row["step_time"])


class Pool:
    """All rows that may judge a claim, the preferred ones first. Rows of failed points are not among them."""

    def __init__(self, rows: Iterable[Found] = ()) -> None:
        """Take the rows that hold a valid result."""
        self._rows = [found for found in rows if found.row["valid"] and found.seconds > 0]

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self._rows)

    def find(self, **keys: object) -> Found | None:
        """Return the first row with these values; None when there is no such row."""
        for found in self._rows:
            if all(found.row[name] == value for name, value in keys.items()):
                return found
        return None

    def find_all(self, **keys: object) -> list[Found]:
        """Return all rows with these values."""
        return [found for found in self._rows if all(found.row[name] == value for name, value in keys.items())]


def read_record(path: Path) -> list[Found]:
    """Return the rows of /attention of a record.

    :raises InputError: when the file is no record, or its table lacks a column that verdicts need
    """
    try:
        with h5py.File(path, "r") as file:
            if "attention" not in file:
                raise InputError(f"{path}: has no table /attention, the one that claims are judged by")
            table = file["attention"][()]
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem})") from problem
    missing = [name for name in KEPT if name not in (table.dtype.names or ())]
    if missing:
        raise InputError(f"{path}: /attention has no column {missing[0]}; it is from an older version")
    rows = []
    for number, values in enumerate(table):
        row = {name: _plain(values[name]) for name in KEPT}
        rows.append(Found(row, f"{path.name}, row {number}"))
    return rows


def read_kept(folder: Path) -> list[Found]:
    """Return the rows of all kept tables of a folder; none when there is no such folder.

    :raises InputError: naming the file, when one cannot be read
    """
    found = []
    for path in sorted(folder.glob("*.csv")):
        try:
            lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
            for number, texts in enumerate(csv.DictReader(lines)):
                row = {name: _parsed(name, texts[name]) for name in KEPT}
                found.append(Found(row, f"{folder.name}/{path.name}, row {number}"))
        except (OSError, KeyError, TypeError, ValueError) as problem:
            raise InputError(f"{path}: is not a kept table ({problem})") from problem
    return found


def keep(commands: Sequence[str], rows: Sequence[Found], path: Path) -> None:
    """Write a kept table.

    :raises InputError: when it cannot be written
    """
    text = io.StringIO()
    for command in commands:
        text.write(f"# {command}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(KEPT)
    for found in rows:
        writer.writerow([_text(found.row[name]) for name in KEPT])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.getvalue(), encoding="utf-8")
    except OSError as problem:
        raise InputError(f"{path}: cannot be written ({problem.strerror})") from problem


def _plain(value: Any) -> Any:  # noqa: ANN401 - a scalar of NumPy
    return value.decode() if isinstance(value, bytes) else value.item()


def _parsed(name: str, text: str) -> Any:  # noqa: ANN401
    if name in _TEXTS:
        return text
    if name in _TRUTHS:
        return {"true": True, "false": False}[text]
    return int(text) if name in _COUNTS else float(text)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.7g}" if isinstance(value, float) else str(value)
