"""What `ringworld needle` records: a cell a row, the same whoever computes it, and nothing lost to a kill."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import launch
from needle_checkpoint import write_checkpoint, write_text
from record_reading import declared_columns

EVALUATION_ROWS = launch.REPOSITORY / "src" / "tasks" / "needle" / "rows.hpp"
TIMEOUT = 120
#: Columns that say how long something took, or who did it.
VOLATILE = {"seconds", "tokens_per_second", "run", "ranks", "checkpoint"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("needle")
    write_text(made / "hay.txt")
    write_checkpoint(made / "model.h5")
    return made


def needle(
    folder: Path, output: Path, *flags: launch.Argument, ranks: int | None = None, code: int = 0,
    checkpoint: str = "model.h5",
) -> launch.Finished:  # fmt: skip
    words: list[launch.Argument] = ["needle", "--checkpoint", folder / checkpoint, "--haystack", folder / "hay.txt"]
    finished = launch.run(ranks, *words, "--output", output, *flags, timeout=TIMEOUT)
    assert finished.code == code, str(finished)
    return finished


def rows_of(path: Path, table: str = "/needle/cells") -> list[dict[str, Any]]:
    with h5py.File(path, "r") as file:
        data = file[table][:]
    return [{name: row[name].item() for name in data.dtype.names} for row in data]


def settled(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: "nan" if isinstance(value, float) and math.isnan(value) else value
        for name, value in row.items()
        if name not in VOLATILE
    }


GRID = ("--context-length", "0,256", "--depth", "3", "--needles", "1/1,4/2", "--rope-theta", "stage,scaled")


@pytest.fixture(scope="module")
def good(folder: Path) -> Path:
    output = folder / "good.h5"
    needle(folder, output, *GRID, "--trials", 6, "--perplexity-windows", 3)
    return output


def test_every_cell_of_the_grid_is_a_row(good: Path) -> None:
    rows = rows_of(good)
    found = [(row["context_length"], row["theta_mode"], row["depth"]) for row in rows if row["kind"] == b"single"]
    assert found == [(length, mode, depth) for length in (128, 256) for mode in (b"stage", b"scaled")
                     for depth in (0.0, 0.5, 1.0)]  # fmt: skip
    multi = [row for row in rows if row["kind"] == b"multi"]
    assert len(multi) == 4
    assert all(math.isnan(row["depth"]) and row["trials"] == 12 and row["contexts"] == 6 for row in multi)
    assert all(row["valid"] and row["reason"] == b"" for row in rows)


def test_columns_are_those_of_the_header(good: Path) -> None:
    declared = declared_columns(EVALUATION_ROWS)
    with h5py.File(good, "r") as file:
        assert list(file["/needle/cells"].dtype.names) == list(declared["/needle/cells"])
        assert list(file["/needle/perplexity"].dtype.names) == list(declared["/needle/perplexity"])


def test_a_row_says_what_the_model_was_trained_on(good: Path) -> None:
    for row in rows_of(good):
        assert (row["stages"], row["stage"], row["training_seed"]) == (b"progressive", 3, 7)
        assert row["trained_context_length"] == 128
        scaled = row["theta_mode"] == b"scaled" and row["context_length"] == 256
        assert row["rope_theta"] == (4096.0 if scaled else 1024.0), "with the square of the length"


def test_intervals_hold_their_share(good: Path) -> None:
    for row in rows_of(good):
        assert 0 <= row["wilson_low"] <= row["hits"] / row["trials"] <= row["wilson_high"] <= 1
        assert 0 <= row["wrong_needle"] <= row["trials"] - row["hits"]


def test_the_ranks_that_compute_do_not_matter(folder: Path, good: Path, tmp_path: Path) -> None:
    expected = rows_of(good, "/needle/perplexity")
    for ranks, layout in ((2, "zigzag"), (4, "striped")):
        output = tmp_path / f"{ranks}.h5"
        needle(folder, output, *GRID, "--trials", 6, "--perplexity-windows", 3, "--layout", layout, ranks=ranks)
        found = rows_of(output, "/needle/perplexity")
        assert [row["position_begin"] for row in found] == [row["position_begin"] for row in expected]
        np.testing.assert_allclose([row["nll"] for row in found], [row["nll"] for row in expected], rtol=1e-5)
        assert [row["hits"] for row in rows_of(output)] == [row["hits"] for row in rows_of(good)]
        assert {row["checkpoint_digest"] for row in rows_of(output)} == {rows_of(good)[0]["checkpoint_digest"]}


def test_contexts_side_by_side_are_those_one_by_one(folder: Path, good: Path, tmp_path: Path) -> None:
    needle(folder, tmp_path / "one.h5", *GRID, "--trials", 6, "--perplexity-windows", 3, "--tokens-per-pass", 1)
    assert [settled(row) for row in rows_of(tmp_path / "one.h5")] == [settled(row) for row in rows_of(good)]


def test_resume_skips_what_is_there_and_ends_with_the_same_rows(folder: Path, good: Path, tmp_path: Path) -> None:
    output = tmp_path / "resumed.h5"
    few = ("--context-length", "0", "--depth", "3", "--rope-theta", "stage", "--trials", 6)
    needle(folder, output, *few)
    before = rows_of(output)
    finished = needle(folder, output, *GRID, "--trials", 6, "--perplexity-windows", 3, "--resume")
    after = rows_of(output)
    assert after[: len(before)] == before, "rows that were there stay as they were"
    assert "points were in the record already" in finished.stderr
    key = lambda row: str(sorted(settled(row).items()))  # noqa: E731
    assert sorted(map(key, after)) == sorted(map(key, rows_of(good)))
    again = needle(folder, output, *GRID, "--trials", 6, "--perplexity-windows", 3, "--resume")
    assert len(rows_of(output)) == len(after), str(again)
    assert len(rows_of(output, "/needle/perplexity")) == len(rows_of(good, "/needle/perplexity"))


def test_a_scaling_is_that_of_a_model_which_has_it(folder: Path, tmp_path: Path) -> None:
    own = {"yarn:4": "yarn", "linear:2.5": "linear", "dynamic:2": "dynamic", "none": None}
    flags = ("--context-length", "256", "--depth", "0.5", "--trials", 2, "--perplexity-windows", 2)
    needle(folder, tmp_path / "axis.h5", *flags, "--rope-scaling", "model," + ",".join(own), ranks=2)
    rows = rows_of(tmp_path / "axis.h5")
    assert [row["rope_scaling"].decode() for row in rows] == ["model", *own]
    assert {row["rope_theta"] for row in rows} == {1024.0}

    def nll(record: Path, scaling: str) -> list[float]:
        texts = rows_of(record, "/needle/perplexity")
        return [row["nll"] for row in texts if row["rope_scaling"] == scaling.encode()]

    plain = nll(tmp_path / "axis.h5", "model")
    for scaling, kind in own.items():
        name = f"{kind}.h5"
        factor = float(scaling.partition(":")[2] or 4)
        changes: dict[str, Any] = {"rope_scaling_type": kind or "yarn", "rope_scaling_factor": factor,
                                   "rope_scaling_original_context": 128.0}  # fmt: skip
        write_checkpoint(folder / name, **changes)
        asked = "none" if kind is None else "model"
        needle(folder, tmp_path / name, *flags, "--rope-scaling", asked, checkpoint=name)
        found = nll(tmp_path / name, asked)
        np.testing.assert_allclose(nll(tmp_path / "axis.h5", scaling), found, rtol=1e-6)
        assert np.allclose(found, plain, rtol=1e-6) == (kind is None)


def test_generated_answers_are_cells_of_their_own(folder: Path, good: Path, tmp_path: Path) -> None:
    output = tmp_path / "greedy.h5"
    flags = ("--context-length", "0", "--depth", "3", "--needles", "1/1,4/2", "--trials", 6)
    needle(folder, output, *flags)
    needle(folder, output, *flags, "--decoding", "greedy", "--resume", ranks=2)
    rows = rows_of(output)
    one_pass, greedy = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    assert {row["decoding"] for row in one_pass} == {b"one_pass"}
    assert {row["decoding"] for row in greedy} == {b"greedy"}
    assert [(row["depth"], row["trials"]) for row in greedy if row["kind"] == b"single"] == [
        (row["depth"], row["trials"]) for row in one_pass if row["kind"] == b"single"
    ]
    # A single answer scores the same either way.
    assert [row["hits"] for row in greedy if row["kind"] == b"single"] == [
        row["hits"] for row in one_pass if row["kind"] == b"single"
    ]


def test_answers_are_generated_in_half_precision_too(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "bf16.h5"
    flags = ("--context-length", "0", "--depth", "3", "--needles", "1/1", "--trials", 6, "--dtype", "bfloat16")
    needle(folder, output, *flags)
    needle(folder, output, *flags, "--decoding", "greedy", "--resume", "--mesh", "1,1,2,1", ranks=2)
    rows = rows_of(output)
    assert {(row["decoding"], row["dtype"]) for row in rows} == {(b"one_pass", b"bfloat16"), (b"greedy", b"bfloat16")}
    assert all(row["valid"] and row["trials"] == 6 for row in rows)


def test_another_model_is_another_cell(folder: Path, tmp_path: Path) -> None:
    write_checkpoint(folder / "other.h5", seed=2)
    output = tmp_path / "record.h5"
    needle(folder, output, "--depth", "0.5", "--trials", 2)
    needle(folder, output, "--depth", "0.5", "--trials", 2, "--resume", checkpoint="other.h5")
    rows = rows_of(output)
    assert len(rows) == 2
    assert rows[0]["checkpoint_digest"] != rows[1]["checkpoint_digest"]


MISTAKES: list[tuple[str, dict[str, Any], tuple[str, ...], tuple[str, ...]]] = [
    ("no checkpoint", {"checkpoint": "absent.h5"}, (), ("absent.h5", "no such file")),
    ("another kind of file", {"checkpoint": "hay.txt"}, (), ("hay.txt", "HDF5")),
    ("a checkpoint without tokenizer", {"checkpoint": "bare.h5"}, (), ("bare.h5", "holds no tokenizer")),
    ("a checkpoint without its sizes", {"checkpoint": "shapeless.h5"}, (), ("shapeless.h5", "hidden_size")),
    ("a tokenizer that is none", {"checkpoint": "no_words.h5"}, (), ("tokenizer",)),
    ("depth outside", {}, ("--depth", "0,1.5"), ("--depth", "1.5", "0 (start")),
    ("depth that is no number", {}, ("--depth", "deep"), ("--depth", "'deep'")),
    ("haystack too short", {}, ("--context-length", "4096"), ("4096", "haystack")),
    ("more needles than fit", {}, ("--needles", "40/1"), ("40 needles", "at most")),
    ("more needles than keys", {}, ("--context-length", "1024", "--needles", "65/1"), ("65 needles", "64")),
    ("more asked than planted", {}, ("--needles", "2/4"), ("2/4", "no more than are planted")),
    ("needles without a slash", {}, ("--needles", "16"), ("'16'", "N/R")),
    ("theta that is none", {}, ("--rope-theta", "scale"), ("'scale'", "scaled")),
    ("negative theta", {}, ("--rope-theta", "-4"), ("'-4'", "positive")),
    ("scaling that is none", {}, ("--rope-scaling", "none,yarm:4"), ("--rope-scaling", "'yarm:4'", "yarn:F")),
    ("scaling without a factor", {}, ("--rope-scaling", "yarn"), ("'yarn'", "yarn:F")),
    ("scaling by what is no number", {}, ("--rope-scaling", "linear:x"), ("linear:x", "'x'")),
    ("scaling that shrinks", {}, ("--rope-scaling", "dynamic:0.5"), ("dynamic:0.5", "1 or more")),
    ("no trials", {}, ("--trials", "0"), ("--trials", "0")),
    ("template that is none", {}, ("--needle-template", "long2"), ("long2", "long1")),
    ("missing haystack", {}, ("--haystack", "absent.txt"), ("absent.txt",)),
    ("decoding that is none", {}, ("--decoding", "beam"), ("'beam'", "greedy")),
    ("layout that is none", {}, ("--layout", "zag"), ("'zag'", "zigzag")),
]


@pytest.mark.parametrize(("what", "options", "flags", "says"), MISTAKES, ids=[entry[0] for entry in MISTAKES])
@pytest.mark.parametrize("ranks", [None, 2])
def test_mistakes_are_one_line(
    folder: Path, tmp_path: Path, what: str, options: dict[str, Any], flags: tuple[str, ...], says: tuple[str, ...],
    ranks: int | None,
) -> None:  # fmt: skip
    write_checkpoint(folder / "bare.h5", tokenizer=None)
    write_checkpoint(folder / "shapeless.h5", hidden_size=None)
    write_checkpoint(folder / "no_words.h5", tokenizer="these are no words\n")
    words = [flag for flag in ("--haystack", folder / "hay.txt") if "--haystack" not in flags]
    checkpoint = folder / options.get("checkpoint", "model.h5")
    finished = launch.run(
        ranks, "needle", "--checkpoint", checkpoint, *words, "--output", tmp_path / "out.h5", *flags, timeout=TIMEOUT
    )
    assert finished.code == 2, str(finished)
    assert len(finished.errors) == 1, str(finished)
    assert all(word in finished.errors[0] for word in says), f"{what}: {finished}"
    assert not (tmp_path / "out.h5").exists()


UNEVEN = ("--context-length", "101,127", "--depth", "0.5", "--needles", "1/1,3/2", "--trials", 5,
          "--tokens-per-pass", 256)  # fmt: skip


@pytest.fixture(scope="module")
def uneven(folder: Path) -> dict[str, Path]:
    """Return the record of each decoding, made by one rank; two contexts a pass do not divide five trials."""
    records = {}
    for decoding in ("one_pass", "greedy"):
        records[decoding] = folder / f"uneven-{decoding}.h5"
        windows = ("--perplexity-windows", 3) if decoding == "one_pass" else ()
        needle(folder, records[decoding], *UNEVEN, "--decoding", decoding, *windows)
    return records


@pytest.mark.parametrize(
    ("ranks", "layout", "mesh"),
    [(2, "contiguous", "1,1,1,2"), (3, "zigzag", "1,1,1,3"), (4, "striped", "1,1,1,4"), (4, "zigzag", "1,1,2,2")],
)
def test_a_length_that_the_ring_does_not_divide_scores_as_on_one_rank(
    folder: Path, uneven: dict[str, Path], tmp_path: Path, ranks: int, layout: str, mesh: str
) -> None:
    for decoding, expected in uneven.items():
        output = tmp_path / f"{decoding}.h5"
        windows = ("--perplexity-windows", 3) if decoding == "one_pass" else ()
        needle(folder, output, *UNEVEN, "--decoding", decoding, *windows, "--layout", layout, "--mesh", mesh, ranks=ranks)
        counts = [(row["hits"], row["trials"], row["wrong_needle"], row["valid"]) for row in rows_of(output)]
        assert counts == [(row["hits"], row["trials"], row["wrong_needle"], row["valid"]) for row in rows_of(expected)]
        if windows:
            texts, right = rows_of(output, "/needle/perplexity"), rows_of(expected, "/needle/perplexity")
            assert [row["tokens"] for row in texts] == [row["tokens"] for row in right]
            np.testing.assert_allclose([row["nll"] for row in texts], [row["nll"] for row in right], rtol=1e-5)
