"""A table in memory: named columns of equal length, with units and meanings where the file gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]
Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """Columns by name, in file order. Selections return new tables; nothing is changed in place."""

    columns: Mapping[str, Column]
    units: Mapping[str, str] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)

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

    def take(self, selection: Column) -> Table:
        """Return the rows that a boolean mask or an index array selects."""
        return Table({name: values[selection] for name, values in self.columns.items()}, self.units, self.meanings)

    def where(self, **wanted: object) -> Table:
        """Return the rows whose columns equal the given values."""
        mask = np.ones(len(self), dtype=bool)
        for name, value in wanted.items():
            mask &= self.columns[name] == value
        return self.take(mask)

    def with_column(self, name: str, values: Column, unit: str = "", meaning: str = "") -> Table:
        """Return the table with one column added or replaced."""
        return Table({**self.columns, name: values}, {**self.units, name: unit}, {**self.meanings, name: meaning})

    def distinct(self, name: str) -> list[Any]:
        """Return the sorted different values of a column as Python values."""
        found: list[Any] = np.unique(self.columns[name]).tolist()
        return found

    def rows(self) -> list[Row]:
        """Return the rows as dictionaries of Python values."""
        lists = [values.tolist() for values in self.columns.values()]
        return [dict(zip(self.columns, values)) for values in zip(*lists)]

    def groups(self, names: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], Table]]:
        """Yield (values, rows) for each different combination of the named columns, in sorted order."""
        if not names:
            if len(self):
                yield (), self
            return
        members: dict[tuple[Any, ...], list[int]] = {}
        for index, key in enumerate(zip(*(self.columns[name].tolist() for name in names))):
            members.setdefault(key, []).append(index)
        for key in sorted(members):
            yield key, self.take(np.asarray(members[key], dtype=np.intp))


def concatenate(tables: Sequence[Table]) -> Table:
    """Stack tables; only columns that all of them have survive."""
    first = tables[0]
    if len(tables) == 1:
        return first
    shared = [name for name in first.names if all(name in other for other in tables[1:])]
    return Table(
        {name: np.concatenate([table[name] for table in tables]) for name in shared}, first.units, first.meanings
    )
