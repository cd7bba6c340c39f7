"""The points of a manifest: one published value with the inputs that a model may know."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringworld_analysis.claims.manifest import Manifest, Mode


@dataclass(frozen=True)
class Point:
    """A value of a table, and what is known without it."""

    label: str
    column: str
    published: float
    keys: Mapping[str, Any]
    """The row without the columns that this mode judges: a model cannot see what it is to predict."""
    group: tuple[Any, ...]
    is_calibration: bool
    reason: str = ""
    """Why it is not comparable, one of the fixed reasons; empty when it is."""
    why: str = ""

    @property
    def name(self) -> str:
        """Row and column."""
        return f"{self.label} / {self.column}"


def points_of(manifest: Manifest, mode: Mode) -> list[Point]:
    """Return the points of one mode, those that are not comparable among them. A blank or a word is no point."""
    found = []
    for row in manifest.rows:
        keys = {name: value for name, value in row.items() if name not in mode.values}
        for column in mode.values:
            if not is_number(row[column]):
                continue
            group = tuple(column if name == "column" else row[name] for name in mode.group_by)
            name = f"{manifest.label_of(row)} / {column}"
            calibration = name in mode.calibrated_on
            reason, why = aside(manifest, mode, row, column)
            if calibration:
                reason, why = "calibration", "the fit has seen this point"
            found.append(
                Point(manifest.label_of(row), column, float(row[column]), keys, group, calibration, reason, why)
            )
    for row in manifest.rows if mode.name == "P" else ():
        # A column that is set aside as a whole is listed although no model predicts it.
        for part in manifest.set_aside:
            for column in part.columns if "P" in part.modes else ():
                if column not in mode.values and is_number(row[column]):
                    label = manifest.label_of(row)
                    found.append(Point(label, column, float(row[column]), {}, (), False, part.reason, part.why))
    return found


def aside(manifest: Manifest, mode: Mode, row: Mapping[str, Any], column: str) -> tuple[str, str]:
    """Return why a point is not comparable: reason and sentence, both empty when it is."""
    if manifest.evidence == "recalled":
        return "evidence", "the source was recalled, not read"
    for part in manifest.set_aside:
        rows_fit = all(row[name] in values for name, values in part.where.items())
        columns_fit = not part.columns or column in part.columns
        if mode.name in part.modes and rows_fit and columns_fit:
            return part.reason, part.why
    return "", ""


def is_number(value: object) -> bool:
    """Tell whether a cell holds a figure; `nan` is not given, a word such as OOM is what the source prints."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
