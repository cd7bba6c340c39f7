"""Numbers in words, CPU lists, and the columns of HDF5 files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from ringworld_analysis import formatting, reading, run

import synthetic


@pytest.mark.parametrize(
    ("count", "text"), [(512, "512"), (2048, "2K"), (1536, "1.5K"), (3000, "3000"), (131072, "128K"), (1 << 20, "1M")]
)
def test_tokens(count: int, text: str) -> None:
    assert formatting.tokens(count) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.50 KiB"), (3 * 2**20, "3.00 MiB"), (2**33, "8.00 GiB")]
)
def test_size(value: int, text: str) -> None:
    assert formatting.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0 s"), (1.5e-5, "15.0 µs"), (0.123, "123 ms"), (2.0, "2.00 s"), (float("nan"), "nan s")]
)
def test_si(value: float, text: str) -> None:
    assert formatting.si(value, "s") == text


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("0-3,8", {0, 1, 2, 3, 8}),
        ("5", {5}),
        ("0x0f", {0, 1, 2, 3}),
        ("0 1", {0, 1}),
        ("core", None),
        ("", None),
        ("1," * 63 + "1", None),
    ],
)
def test_cpu_list(text: str, cpus: set[int] | None) -> None:
    assert run.parse_cpu_list(text) == cpus


def test_cores_are_counted_host_by_host(tmp_path: Path) -> None:
    path = synthetic.write_run(tmp_path / "run.h5", [], provenance=False)
    with h5py.File(path, "a") as file:
        table = np.zeros(4, dtype=[("rank", "<i8"), ("host", "S8"), ("binding", "S8")])
        table["host"] = [b"a", b"a", b"b", b"b"]
        table["binding"] = [b"0-1", b"0-1", b"0", b"1"]
        file.create_group("provenance")["ranks"] = table
    assert run.available_cores(reading.read_source(path)) == [2, 2, 4, 4]


def test_columns_become_plain_python_values(tmp_path: Path) -> None:
    path = synthetic.write_run(tmp_path / "run.h5", synthetic.attention_rows((2048,), (1,), ("bf16",), ("forward",)))
    table = reading.read_source(path).attention
    row = table.rows()[0]
    assert (row["layout"], row["valid"], row["ranks"], row["reason"]) == ("contiguous", True, 1, "")
    assert table.units["step_time"] == "s"
    assert "slowest rank" in table.meanings["step_time"]


def test_enumeration_of_false_and_true_is_bool(tmp_path: Path) -> None:
    path = synthetic.write_run(tmp_path / "run.h5", synthetic.attention_rows((2048,), (1, 2), ("bf16",), ("forward",)))
    with h5py.File(path, "a") as file:
        old = file["attention"][()]
        switch = h5py.enum_dtype({"false": 0, "true": 1}, basetype="i4")
        kinds = [(name, switch if old.dtype[name].kind == "b" else old.dtype[name]) for name in old.dtype.names]
        del file["attention"]
        file["attention"] = old.astype(kinds)
    assert all(row["valid"] is True for row in reading.read_source(path).attention.rows())


def test_provenance_is_read_whatever_it_holds(tmp_path: Path) -> None:
    path = synthetic.write_run(tmp_path / "run.h5", [], provenance=False)
    with h5py.File(path, "a") as file:
        group = file.create_group("provenance")
        group.attrs["empty"] = h5py.Empty("S1")
        group.attrs["list"] = ["a", "b"]
        group["number"] = 3.5
        group["words"] = np.array([b"x", b"yz"])
        group.create_group("inner/deep").attrs["fixed"] = np.bytes_(b"text")
    node = reading.read_source(path).provenance
    assert node is not None
    assert node.values == {"empty": "", "list": "a, b", "number": "3.5", "words": "x, yz"}
    assert node.find("nothing", "fixed") == "text"


def test_ranks_on_accelerators_have_no_known_cores(tmp_path: Path) -> None:
    path = synthetic.write_run(tmp_path / "run.h5", synthetic.attention_rows((2048,), (1, 2)))
    with h5py.File(path, "a") as file:
        table = file["provenance/ranks"][()]
        table["device"] = b"NVIDIA H200"
        file["provenance/ranks"][...] = table
    assert run.available_cores(reading.read_source(path)) == []
