"""A table in memory: named columns of equal length, with roles, units and meanings where the file gives them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ringworld_analysis.roles import KEY

Column = NDArray[Any]
Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """Columns by name, in file order. Selections return new tables; nothing is changed in place."""

    columns: Mapping[str, Column]
    units: Mapping[str, str] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __contains__(self, name: str) -> bool:
        """Tell whether the table has a column of that name."""
        return name in self.columns

    def __getitem__(self, name: str) -> Column:
        """Return one column."""
        return self.columns[name]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in file order."""
        return tuple(self.columns)

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the columns that tell points apart, in file order."""
        return tuple(name for name in self.columns if self.roles.get(name) == KEY)

    def take(self, selection: Column) -> Table:
        """Return the rows that a boolean mask or an index array selects."""
        columns = {name: values[selection] for name, values in self.columns.items()}
        return Table(columns, self.units, self.meanings, self.roles)

    def where(self, **wanted: object) -> Table:
        """Return the rows whose columns equal the given values."""
        mask = np.ones(len(self), dtype=bool)
        for name, value in wanted.items():
            mask &= self.columns[name] == value
        return self.take(mask)

    def with_column(self, name: str, values: Column, unit: str = "", meaning: str = "") -> Table:
        """Return the table with one column added or replaced; a replaced column keeps its role, a new one has none."""
        columns = {**self.columns, name: values}
        return Table(columns, {**self.units, name: unit}, {**self.meanings, name: meaning}, self.roles)

    def distinct(self, name: str) -> list[Any]:
        """Return the sorted different values of a column as Python values."""
        found: list[Any] = np.unique(self.columns[name]).tolist()
        return found

    def varying(self, names: Sequence[str]) -> list[str]:
        """Return those of the named columns that have more than one value."""
        return [name for name in names if len(self.distinct(name)) > 1]

    def rows(self) -> list[Row]:
        """Return the rows as dictionaries of Python values."""
        lists = [values.tolist() for values in self.columns.values()]
        return [dict(zip(self.columns, values)) for values in zip(*lists)]

    def points(self, names: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return the values of some columns row by row, fit to be compared: NaN equals NaN."""
        if not names:
            return [()] * len(self)
        return list(zip(*([_comparable(value) for value in self.columns[name].tolist()] for name in names)))

    def last_valid(self, names: Sequence[str]) -> Column:
        """Return the places of rows whose `valid` is true, the last of each combination of the named columns."""
        is_valid = self.columns["valid"].astype(bool).tolist()
        last = {point: index for index, point in enumerate(self.points(names)) if is_valid[index]}
        return np.array(sorted(last.values()), dtype=np.intp)

    def groups(self, names: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], Table]]:
        """Yield (values, rows) for each different combination of the named columns, in sorted order."""
        members: dict[tuple[Any, ...], list[int]] = {}
        for index, key in enumerate(self.points(names)):
            members.setdefault(key, []).append(index)
        for key in sorted(members, key=_sortable):
            yield key, self.take(np.asarray(members[key], dtype=np.intp))

    def colliding(self, place: Sequence[str], candidates: Sequence[str]) -> list[str]:
        """Return the candidates that must join `place` so that no two rows of one place differ in a candidate.

        Earlier candidates are preferred: a later one joins only where rows still collide.
        """
        chosen: list[str] = []
        for name in candidates:
            of_place: dict[tuple[Any, ...], Any] = {}
            for key, (value,) in zip(self.points([*place, *chosen]), self.points([name])):
                if of_place.setdefault(key, value) != value and value is not of_place[key]:
                    chosen.append(name)
                    break
        return chosen


def concatenate(tables: Sequence[Table]) -> Table:
    """Stack tables. Columns that all of them have survive, and every column that is a key of any.

    A key that some tables lack is empty text or NaN in their rows: rows that it tells apart stay apart.
    """
    first = tables[0]
    if len(tables) == 1:
        return first
    roles: dict[str, str] = {}
    for table in tables:
        roles.update({name: role for name, role in table.roles.items() if name not in roles or role == KEY})
    every = dict.fromkeys(name for table in tables for name in table.names)
    kept = [name for name in every if roles.get(name) == KEY or all(name in table for table in tables)]
    units = {name: unit for table in reversed(tables) for name, unit in table.units.items()}
    meanings = {name: text for table in reversed(tables) for name, text in table.meanings.items()}
    return Table({name: _stacked(tables, name) for name in kept}, units, meanings, roles)


def _stacked(tables: Sequence[Table], name: str) -> Column:
    if all(name in table for table in tables):
        return np.concatenate([table[name] for table in tables])
    is_text = any(name in table and table[name].dtype.kind in "UO" for table in tables)
    return np.concatenate(
        [
            table[name].astype(np.str_ if is_text else np.float64)
            if name in table
            else np.full(len(table), "" if is_text else np.nan)
            for table in tables
        ]
    )


def _comparable(value: object) -> object:
    # One object for every NaN: a dictionary looks at the identity first, so NaN finds NaN.
    return math.nan if isinstance(value, float) and value != value else value


def _sortable(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple((value is math.nan, "" if value is math.nan else value) for value in key)
