"""The columns that the package reads are those that the C++ row types declare."""

from __future__ import annotations

from pathlib import Path

import pytest
from ringworld_analysis import reading
from ringworld_analysis.roles import KEYS_BEFORE_ROLES
from ringworld_analysis.run import SHOWN
from ringworld_analysis.sections import memory, needle, overlap, throughput, training

import synthetic
from synthetic import row_types
from synthetic_language import language_row_types


def test_header_declares_the_three_tables() -> None:
    assert set(row_types()) == {"/attention", "/samples", "/overlap/hops"}


def test_every_column_read_is_declared() -> None:
    declared = set(row_types()["/attention"].columns)
    assert set(reading.REQUIRED_ATTENTION_COLUMNS) <= declared
    assert set(SHOWN) <= declared
    assert set(memory.COLUMNS) <= declared
    assert {quantity.column for quantity in throughput.QUANTITIES} <= declared
    assert set(overlap.REQUIRED) <= set(row_types()["/overlap/hops"].columns)


def test_units_of_plotted_quantities_are_the_declared_ones() -> None:
    kind = row_types()["/attention"]
    units = dict(zip(kind.columns, kind.units))
    assert {quantity.column: quantity.unit for quantity in throughput.QUANTITIES} == {
        quantity.column: units[quantity.column] for quantity in throughput.QUANTITIES
    }


def test_keys_of_the_old_format_and_keys_that_sections_name_are_declared() -> None:
    kinds = {**row_types(), **language_row_types()}
    assert set(KEYS_BEFORE_ROLES) == set(kinds)
    for path, keys in KEYS_BEFORE_ROLES.items():
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
  static constexpr auto fields() {
    using R = PointRow;
    return std::tuple{Field{"ranks", &R::ranks, ROLE_KEY"rank", "ring size"},
                      Field{
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
