"""The columns that the package reads are those that the C++ row types declare."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from ringworld_analysis import reading
from ringworld_analysis.errors import InputError
from ringworld_analysis.roles import KEYS_BEFORE_ROLES
from ringworld_analysis.run import SHOWN
from ringworld_analysis.sections import memory, needle, overlap, throughput, training

import synthetic
from synthetic import row_types
from synthetic_language import language_row_types


def test_header_declares_the_three_tables() -> None:
    assert set(row_types()) == {"/attention", "/samples", "/overlap/points"}


def test_every_column_read_is_declared() -> None:
    declared = set(row_types()["/attention"].columns)
    assert set(reading.REQUIRED_ATTENTION_COLUMNS) <= declared
    assert set(SHOWN) <= declared
    assert set(memory.COLUMNS) <= declared
    assert {quantity.column for quantity in throughput.QUANTITIES} <= declared
    assert {"attention_row", "polling", "ranks", "steps", "first"} <= set(row_types()["/overlap/points"].columns)


def test_hops_of_both_formats_have_the_columns_that_are_read(tmp_path: Path) -> None:
    rows = [row for row in synthetic.attention_rows() if row["ranks"] == 4][:2]
    hops = synthetic.hop_rows(rows, lambda row: True)
    path = synthetic.write_run(tmp_path / "run.h5", rows, hops[3:])  # as where a step has no transfer
    unfolded = reading.read_source(path).table(reading.HOPS)
    assert unfolded is not None
    assert set(overlap.REQUIRED) <= set(unfolded.names)
    assert set(unfolded.keys) == set(KEYS_BEFORE_ROLES[reading.HOPS])
    with h5py.File(path, "r+") as file:
        old = [tuple(row[name] for name in overlap.REQUIRED) for row in hops[:3]]
        types = ["i8", "i8", "i8", "f8", "f8", "f8", "f8", "f8", "?"]
        file[reading.HOPS] = np.array(old, dtype=list(zip(overlap.REQUIRED, types)))
    both = reading.read_source(path).table(reading.HOPS)
    assert both is not None
    assert len(both) == len(hops) == len(unfolded) + 3
    for name in overlap.REQUIRED:
        np.testing.assert_allclose(both[name], [hop[name] for hop in hops], rtol=2e-3, atol=1e-7, err_msg=name)
    with h5py.File(path, "r+") as file:
        short = file["/overlap/t_both"][:-1]
        del file["/overlap/t_both"]
        file["/overlap/t_both"] = short
    with pytest.raises(InputError, match="an array ends before the 4 x 3 numbers of a probe"):
        reading.read_source(path).table(reading.HOPS)


def test_units_of_plotted_quantities_are_the_declared_ones() -> None:
    kind = row_types()["/attention"]
    units = dict(zip(kind.columns, kind.units))
    assert {quantity.column: quantity.unit for quantity in throughput.QUANTITIES} == {
        quantity.column: units[quantity.column] for quantity in throughput.QUANTITIES
    }


def test_keys_of_the_old_format_and_keys_that_sections_name_are_declared() -> None:
    kinds = {**row_types(), **language_row_types()}
    assert set(kinds) - set(KEYS_BEFORE_ROLES) == {"/overlap/points", "/training/terms"}, "younger than the roles"
    for path, keys in KEYS_BEFORE_ROLES.items():
        if path == reading.HOPS:  # no table of the program any more
            continue
        kind = kinds[path]
        assert set(keys) <= set(kind.columns)
        if kind.roles:
            assert set(keys) <= {name for name, role in zip(kind.columns, kind.roles) if role == "key"}, path
    assert {*needle.SHOWN, *needle.POOLED, *needle.FOLLOWING} <= {
        *kinds["/needle/cells"].columns, *kinds["/needle/perplexity"].columns
    }  # fmt: skip
    assert set(training.PLACE) <= set(kinds["/training/steps"].columns)


HEADER = """
struct PointRow {
  static constexpr std::string_view path = "/points";
  std::int64_t ranks = 0;
  FixedString<16> outcome = "ok";
  static Columns columns() {
    using R = PointRow;
    return {Column{"ranks", &R::ranks, ROLE_KEY"rank", "ring size"},
                      Column{
                          "outcome", &R::outcome, ROLE_VERDICT"",
                          "how it "
                          "ended"}};
  }
};
"""


@pytest.mark.parametrize("has_roles", [True, False])
def test_headers_are_read_with_and_without_roles(tmp_path: Path, has_roles: bool) -> None:
    roles = ("Role::key, ", "Role::verdict, ") if has_roles else ("", "")
    header = tmp_path / "rows.hpp"
    header.write_text(HEADER.replace("ROLE_KEY", roles[0]).replace("ROLE_VERDICT", roles[1]))
    kind = synthetic.declared_row_types(header)["/points"]
    assert kind.columns == ("ranks", "outcome")
    assert kind.roles == (("key", "verdict") if has_roles else ())
    assert kind.meanings == ("ring size", "how it ended")
    assert [kind.dtype[name].str for name in kind.columns] == ["<i8", "|S16"]


def test_the_schema_of_the_program_is_that_of_the_headers() -> None:
    text = """{"tables": [{"path": "/points", "meaning": "", "columns": [
        {"name": "ranks", "type": "int64", "unit": "rank", "role": "key", "meaning": "ring size"},
        {"name": "outcome", "type": "text, at most 15 bytes", "unit": "", "role": "verdict", "meaning": "m"}]}]}"""
    kind = synthetic.parse_schema(text)["/points"]
    assert (kind.roles, kind.units) == (("key", "verdict"), ("rank", ""))
    assert [kind.dtype[name].str for name in kind.columns] == ["<i8", "|S16"]
    printed = synthetic.program_row_types()
    headers = [synthetic.ROWS_HPP, *(synthetic.REPOSITORY / "src" / "io").glob("*rows.hpp")]
    for header in headers:
        for path, kind in synthetic.declared_row_types(header).items():
            assert printed.get(path, kind) == kind
