"""What a section of the report is made of. Sections build these; `page` turns them into HTML and files."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class DataSet:
    """The numbers behind a figure, in base units (s, B, FLOP/s, token/s, 1); written as NAME.csv."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def to_csv(self) -> str:
        """Return the text of the CSV file, header first."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([_csv_value(value) for value in row] for row in self.rows)
        return text.getvalue()


@dataclass(frozen=True)
class Spot:
    """A rectangle of a picture that says something when the pointer rests on it; fractions of width and height."""

    left: float
    top: float
    width: float
    height: float
    text: str


@dataclass(frozen=True)
class Picture:
    """A figure: its PNG, how to read it, and which columns of the file it shows."""

    name: str
    title: str
    caption: str
    columns: str
    png: bytes
    width: int
    data: str
    """Name of the data set behind it."""
    is_folded: bool = False
    """Whether the page shows it only after a click."""
    spots: Sequence[Spot] = ()


@dataclass(frozen=True)
class Grid:
    """A table of the page. A cell is a value; units say how to write it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    units: Mapping[str, str] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)
    caption: str = ""
    marked: frozenset[int] = frozenset()
    """Rows to highlight."""


@dataclass(frozen=True)
class Finding:
    """One sentence for the top of the page."""

    text: str
    verdict: str = "note"
    """note, good, warn or bad."""


@dataclass(frozen=True)
class Section:
    """One part of the report."""

    key: str
    title: str
    intro: str = ""
    pictures: Sequence[Picture] = ()
    grids: Sequence[Grid] = ()
    data: Sequence[DataSet] = ()
    findings: Sequence[Finding] = ()
    missing: str = ""
    """Why there is nothing to show; empty when there is."""


def _csv_value(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else value
