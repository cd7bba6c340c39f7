"""Reads the records of `ringworld attention`, and the columns they should have from the C++ header."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ringworld_analysis.journal import open_record

from launch import REPOSITORY

SCHEDULE_COLUMNS_HPP = REPOSITORY / "src" / "io" / "schedule_columns.hpp"
ROWS_HPP = REPOSITORY / "experiments" / "attention" / "rows.hpp"
Table = NDArray[Any]  # structured


def declared_columns(header: Path = ROWS_HPP) -> dict[str, dict[str, str]]:
    """Return {table path: {column: C++ type}}, columns in the order in which the header declares them."""
    tables = {}
    text = _with_schedules(header)
    for body in re.findall(r"^struct \w+(?: : \w+)? \{\n(.*?)^\};", text, flags=re.MULTILINE | re.DOTALL):
        path = re.search(r'path = "([^"]+)"', body)
        assert path is not None
        members = re.findall(r'^  (std::int64_t|double|bool|FixedString<\d+>) (\w+)(?: = [\w."]+)?;', body, re.M)
        types = {name: kind for kind, name in members}
        fields = re.findall(r'Column\{\s*"(\w+)",\s*&R::(\w+),', body)
        assert len(fields) == len(types) > 0, f"{header} declares {path.group(1)} in an unknown way"
        tables[path.group(1)] = {column: types[member] for column, member in fields}
    return tables


def _with_schedules(header: Path) -> str:
    """Return the text of a header whose rows declare the shared columns of schedules themselves."""
    shared = SCHEDULE_COLUMNS_HPP.read_text(encoding="utf-8")
    members = re.findall(r"^  (?:std::int64_t|bool|FixedString<\d+>) \w+ = .*;$", shared, re.MULTILINE)
    fields = re.findall(r'schedule_column<Row>\("(\w+)", &C::(\w+),', shared)
    assert len(members) == len(fields) > 0, f"{SCHEDULE_COLUMNS_HPP} declares its columns in an unknown way"
    text = header.read_text(encoding="utf-8")
    text = text.replace(" : ScheduleColumns {\n", " {\n" + "\n".join(members) + "\n")
    return text.replace(
        "schedule_columns<R>()", ", ".join(f'Column{{"{name}", &R::{member}, Role::key,' for name, member in fields)
    )


def numpy_type(cpp_type: str) -> np.dtype[Any]:
    """Return the type that a column has in numpy."""
    text = re.fullmatch(r"FixedString<(\d+)>", cpp_type)
    return np.dtype(f"S{text.group(1)}" if text else {"std::int64_t": "i8", "double": "f8", "bool": "?"}[cpp_type])


def read_table(path: Path, table: str) -> Table:
    """Return the rows of a table, none when there is no such table."""
    with open_record(path) as file:
        if table not in file:
            return np.zeros(0, dtype=[(name, numpy_type(kind)) for name, kind in declared_columns()[table].items()])
        return np.asarray(file[table][:])


HOP = np.dtype(
    [("attention_row", "i8"), ("polling", "?"), ("rank", "i8"), ("hop", "i8"), ("t_compute", "f8"), ("t_comm", "f8"),
     ("t_both", "f8"), ("bytes", "i8")]
)  # fmt: skip


def read_hops(path: Path) -> Table:
    """Return the overlap probes as one row a hop of a rank."""
    hops = []
    with open_record(path) as file:
        for probe in file["overlap/points"][:] if "overlap/points" in file else ():
            steps = int(probe["steps"])
            for place in range(int(probe["ranks"]) * steps):
                figures = [file[f"overlap/{name}"][probe["first"] + place] for name in (HOP.names or ())[4:]]
                if not np.isnan(figures[1]):
                    hops.append((probe["attention_row"], probe["polling"], place // steps, place % steps, *figures))
    return np.array(hops, dtype=HOP)


def text_of(row: Any, column: str) -> str:
    """Return a text column of a row."""
    return bytes(row[column]).decode()


def key_columns(table: str = "/attention", header: Path = ROWS_HPP) -> list[str]:
    """Return the columns of a table that the header declares as keys."""
    text = _with_schedules(header)
    body = text[text.index(f'path = "{table}"') :]
    body = body[: body.index("\n};")]
    return re.findall(r'Column\{\s*"(\w+)",\s*&R::\w+,\s*Role::key,', body)


def point_of(row: Any) -> tuple[Any, ...]:
    """Return what tells the points of a sweep apart."""
    return tuple(row[name].item() for name in key_columns())
