"""The columns that the package reads are those that the C++ row types declare."""

from __future__ import annotations

from ringworld_analysis import reading, run
from ringworld_analysis.sections import memory, overlap, sweep, throughput

from synthetic import row_types


def test_header_declares_the_three_tables() -> None:
    assert set(row_types()) == {"/attention", "/samples", "/overlap/hops"}


def test_every_column_read_is_declared() -> None:
    declared = set(row_types()["/attention"].columns)
    assert set(reading.REQUIRED_ATTENTION_COLUMNS) <= declared
    assert set(run.POINT) <= declared
    assert set(run.CONFIGURATION) - {"file"} <= declared
    assert set(sweep.IDENTITY) - {"file"} <= declared
    assert set(memory.COLUMNS) <= declared
    assert {quantity.column for quantity in throughput.QUANTITIES} <= declared
    assert set(overlap.REQUIRED) <= set(row_types()["/overlap/hops"].columns)


def test_units_of_plotted_quantities_are_the_declared_ones() -> None:
    kind = row_types()["/attention"]
    units = dict(zip(kind.columns, kind.units))
    assert {quantity.column: quantity.unit for quantity in throughput.QUANTITIES} == {
        quantity.column: units[quantity.column] for quantity in throughput.QUANTITIES
    }
