"""`ringworld info --links`: a row a transfer and length, contents checked, latency and bandwidth."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

import launch
from record_reading import Table, declared_columns, read_table, text_of

OPERATIONS = ("hop", "two_way_hop", "all_gather", "reduce_scatter", "all_to_all", "broadcast", "reduce")
HEADER = launch.REPOSITORY / "experiments" / "common" / "link_rows.hpp"
MOST = 5000
FIT = re.compile(r"^  (\w+) +alpha +\S+s  beta +\S+B/s  \((\d+) lengths, largest error \d+ %\)$", re.MULTILINE)


def measure(ranks: int, output: Path, *flags: launch.Argument) -> launch.Finished:
    return launch.run(
        ranks, "info", "--links", "--links-max-bytes", MOST, "--links-repeats", 5, "--output", output, *flags
    )


def of(rows: Table, operation: str) -> Table:
    return rows[[text_of(row, "operation") == operation for row in rows]]


@pytest.mark.parametrize("ranks", [2, 3])
def test_every_operation_has_a_row_a_length_and_a_fit(tmp_path: Path, ranks: int) -> None:
    output = tmp_path / "links.h5"
    finished = measure(ranks, output)
    assert finished.code == 0, str(finished)
    rows = read_table(output, "/links")
    assert list(rows.dtype.names or ()) == list(declared_columns(HEADER)["/links"])
    assert {text_of(row, "operation") for row in rows} == set(OPERATIONS)
    assert np.all(rows["valid"]) and np.all(rows["wrong"] == 0)
    assert np.all(rows["ranks"] == ranks) and np.all(rows["nodes"] == 1) and np.all(rows["repeats_done"] == 5)
    assert {(text_of(row, "memory"), text_of(row, "transport")) for row in rows} == {("host", "mpi")}
    # Whole floats of every rank: lengths are rounded down, short ones up, and none is there twice.
    block = 4 * ranks
    lengths = [8, 32, 128, 512, 2048, MOST]
    for operation in ("hop", "two_way_hop", "broadcast", "reduce"):
        assert of(rows, operation)["bytes"].tolist() == lengths, operation
    for operation in ("all_gather", "reduce_scatter", "all_to_all"):
        rounded = [max(block, length // block * block) for length in lengths]
        assert of(rows, operation)["bytes"].tolist() == list(dict.fromkeys(rounded)), operation
    for row in rows:
        factor = (
            (ranks - 1) / ranks if text_of(row, "operation") in ("all_gather", "reduce_scatter", "all_to_all") else 1
        )
        assert row["algorithm_bandwidth"] == pytest.approx(row["bytes"] / row["seconds"])
        assert row["bus_bandwidth"] == pytest.approx(row["algorithm_bandwidth"] * factor)
        assert 0 < row["seconds_min"] <= row["seconds"] <= row["seconds_max"] and row["batch"] >= 1
    fits = dict(FIT.findall(finished.stdout))
    assert set(fits) == set(OPERATIONS), finished.stdout
    assert all(int(count) == len(of(rows, operation)) for operation, count in fits.items())
    assert f"{len(rows)} transfers, {len(rows)} valid -> {output}" in finished.stdout


def test_a_link_that_errs_makes_its_row_invalid_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = launch.program().parent / "libcorrupting_mpi.so"
    assert library.is_file(), f"build {library}"
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("RINGWORLD_CORRUPTED_RANK", "1")
    monkeypatch.setenv("RINGWORLD_CORRUPTED_BYTES", str(MOST))  # a length that only the longest hop sends
    monkeypatch.setenv("RINGWORLD_CORRUPTED_ALWAYS", "1")
    output = tmp_path / "links.h5"
    finished = measure(2, output)
    assert finished.code == 1, str(finished)
    rows = read_table(output, "/links")
    wrong = rows[~rows["valid"]]
    assert [(text_of(row, "operation"), row["bytes"], row["wrong"]) for row in wrong] == [("hop", MOST, 1)], wrong
    assert text_of(wrong[0], "outcome") == "failed_check"


def test_a_record_is_resumed_and_holds_what_it_held(tmp_path: Path) -> None:
    output = tmp_path / "links.h5"
    assert measure(2, output).code == 0
    with h5py.File(output, "r+") as file:
        held = file["links"][:]
        file["links"].resize((10,))
    finished = measure(2, output, "--resume")
    assert finished.code == 0, str(finished)
    rows = read_table(output, "/links")
    assert len(rows) == len(held)
    np.testing.assert_array_equal(rows[:10], held[:10])
    assert np.all(rows["run"][10:] == 1)


def test_one_rank_has_no_links(tmp_path: Path) -> None:
    finished = launch.run(None, "info", "--links", "--output", tmp_path / "links.h5")
    assert finished.code == 2 and len(finished.errors) == 1 and "mpirun -n 2" in finished.errors[0], str(finished)
    assert not (tmp_path / "links.h5").exists()


@pytest.mark.parametrize(("flag", "value"), [("--links-max-bytes", 4), ("--links-repeats", 0), ("--output", "")])
def test_values_that_cannot_be_are_refused(tmp_path: Path, flag: str, value: launch.Argument) -> None:
    finished = measure(2, tmp_path / "links.h5", flag, value)
    assert finished.code == 2 and len(finished.errors) == 1 and flag in finished.errors[0], str(finished)
