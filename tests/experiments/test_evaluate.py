"""What `ringworld evaluate` records: the same answers whoever computes them, pictures that are what their captions say,
nothing lost to a kill, and mistakes in one line."""

from __future__ import annotations

import math
import signal
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import launch
from world_checkpoint import SIDE, write_card_tokenizer, write_text, write_world

DIGITS = launch.program().parents[1] / "share" / "ringworld" / "digits.csv"
pytestmark = pytest.mark.skipif(not DIGITS.exists(), reason="needs the digits of scripts/make_digits_csv.sh")

TIMEOUT = 120
#: Columns that say how long something took, how much a rank held, or who did it.
VOLATILE = {"seconds", "tokens_per_second", "run", "ranks", "mesh", "peak_bytes", "planned_bytes", "nll", "perplexity"}
COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "magenta": (1, 0, 1),
           "cyan": (0, 1, 1)}  # fmt: skip
GRID: tuple[launch.Argument, ...] = (
    "--items", 20, "--images", 9, "--clips", 4, "--temperature", "0,1.5", "--frames", "5,9", "--depth", "0,1",
    "--needles", "1/1,4/3", "--trials", 6, "--rope-theta", "stage,2048", "--text-windows", 3, "--text-tokens", 20,
    "--examples", 5, "--tokens-per-pass", 300,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("evaluate")
    write_text(made / "hay.txt")
    write_world(made / "model.h5", write_card_tokenizer(made / "frames.h5"))
    return made


def evaluate(
    folder: Path, output: Path, *flags: launch.Argument, ranks: int | None = None, code: int = 0,
    checkpoint: str = "model.h5",
) -> launch.Finished:  # fmt: skip
    words: list[launch.Argument] = ["evaluate", "--checkpoint", folder / checkpoint, "--haystack", folder / "hay.txt"]
    finished = launch.run(ranks, *words, "--output", output, *flags, timeout=TIMEOUT)
    assert finished.code == code, str(finished)
    return finished


def rows_of(path: Path, table: str) -> list[dict[str, Any]]:
    with h5py.File(path, "r") as file:
        if f"/evaluation/{table}" not in file:
            return []
        data = file[f"/evaluation/{table}"][:]
    return [{name: row[name].item() for name in data.dtype.names} for row in data]


def settled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: "nan" if isinstance(value, float) and math.isnan(value) else value
         for name, value in row.items() if name not in VOLATILE}
        for row in rows
    ]  # fmt: skip


@pytest.fixture(scope="module")
def good(folder: Path) -> Path:
    evaluate(folder, folder / "good.h5", *GRID)
    return folder / "good.h5"


def test_every_point_is_a_row(good: Path) -> None:
    measures = rows_of(good, "measures")
    parts: dict[tuple[str, float], list[str]] = {}
    for row in measures:
        parts.setdefault((row["task"].decode(), row["temperature"]), []).append(row["measure"].decode())
    frame = ["colour", "digit", "cell", "all"]
    clip = ["colour", "digit", "every_step", "net_direction", "all"]
    assert parts == {
        ("original", 0.0): frame, ("round_trip", 0.0): frame,
        ("image_text", 0.0): ["colour", "digit", "row", "column", "all"],
        ("video_text", 0.0): ["colour", "digit", "direction", "all"],
        ("text_image", 0.0): frame, ("text_image", 1.5): frame, ("text_video", 0.0): clip, ("text_video", 1.5): clip,
    }  # fmt: skip
    cells = rows_of(good, "needles")
    assert [(row["frames"], row["theta_mode"], row["kind"]) for row in cells] == [
        (frames, mode, kind) for frames in (5, 9) for mode in (b"stage", b"given")
        for kind in (b"single", b"single", b"multi")
    ]  # fmt: skip
    assert all(row["trials"] == (6 if row["kind"] == b"single" else 18) for row in cells)
    assert len(rows_of(good, "text")) == len(rows_of(good, "round_trip")) == 1
    every = [row for table in ("measures", "needles", "text", "round_trip", "examples") for row in rows_of(good, table)]
    assert all(row["valid"] and row["outcome"] == b"ok" and row["reason"] == b"" for row in every)


def test_the_judge_reads_clean_frames_and_chance_is_what_it_is(good: Path) -> None:
    measures = {(row["task"], row["measure"], row["temperature"]): row for row in rows_of(good, "measures")}
    for part, least in ((b"colour", 20), (b"cell", 20), (b"digit", 18)):
        row = measures[b"original", part, 0.0]
        assert row["trials"] == 20 and row["hits"] >= least
        assert measures[b"round_trip", part, 0.0]["ceiling"] == row["hits"] / 20
    assert measures[b"image_text", b"all", 0.0]["chance"] == pytest.approx(1 / 540)
    assert measures[b"video_text", b"direction", 0.0]["chance"] == 0.25
    assert measures[b"text_video", b"colour", 0.0]["trials"] == 12
    assert measures[b"text_video", b"all", 0.0]["trials"] == 4
    # A network that was never trained loses the frames: nothing can be read from them.
    assert measures[b"image_text", b"digit", 0.0]["ceiling"] < 0.6


def test_answers_do_not_depend_on_the_ranks(folder: Path, good: Path, tmp_path: Path) -> None:
    for ranks in (2, 3):
        evaluate(folder, tmp_path / f"{ranks}.h5", *GRID, ranks=ranks)
        for table in ("measures", "needles", "examples"):
            assert settled(rows_of(tmp_path / f"{ranks}.h5", table)) == settled(rows_of(good, table)), table
        for table in ("needles", "text"):
            alone, shared = ([row["nll"] for row in rows_of(path, table)] for path in (good, tmp_path / f"{ranks}.h5"))
            assert min(alone) > 0 and shared == pytest.approx(alone, rel=1e-5), table
        with h5py.File(good, "r") as one, h5py.File(tmp_path / f"{ranks}.h5", "r") as other:
            assert np.array_equal(one["/evaluation/frames"][()], other["/evaluation/frames"][()])


def test_longer_queries_are_another_question(folder: Path, good: Path, tmp_path: Path) -> None:
    flags = (*GRID, "--tasks", "needle", "--log-length")
    evaluate(folder, tmp_path / "long.h5", *flags, 4096)  # no video is so long
    evaluate(folder, tmp_path / "alone.h5", *flags, 20)
    evaluate(folder, tmp_path / "shared.h5", *flags, 20, ranks=2)
    plain, same, grown, shared = ([row["nll"] for row in rows_of(path, "needles")] for path in (
        good, tmp_path / "long.h5", tmp_path / "alone.h5", tmp_path / "shared.h5"))  # fmt: skip
    assert same == plain and shared == pytest.approx(grown, rel=1e-5)
    assert all(one != other for one, other in zip(plain, grown))
    assert all(row["log_length"] == 20 and row["peak_bytes"] == row["planned_bytes"]
               for row in rows_of(tmp_path / "shared.h5", "needles"))  # fmt: skip


def test_memory_is_what_was_planned(good: Path) -> None:
    planned = [row for table in ("measures", "needles") for row in rows_of(good, table) if row["planned_bytes"] > 0]
    assert {row.get("task", b"needle") for row in planned} == {b"image_text", b"video_text", b"needle"}
    assert all(row["peak_bytes"] == row["planned_bytes"] for row in planned)


def test_pictures_show_what_their_captions_say(good: Path) -> None:
    """The painted frame of a round trip has a card of the caption's colour in the caption's cell, and nothing else."""
    with h5py.File(good, "r") as file:
        pixels = file["/evaluation/frames"][()]
    examples = rows_of(good, "examples")
    assert [row["number"] for row in examples if row["task"] == b"round_trip"] == list(range(5))
    assert sum(row["frames"] for row in examples) * SIDE * SIDE * 3 == len(pixels)
    for row in examples:
        shape = (row["frames"], SIDE, SIDE, 3)
        frames = pixels[row["first"] :][: math.prod(shape)].reshape(shape)
        if row["task"] == b"round_trip":
            colour, _digit, line, column = row["asked"].decode().split()
            top = 8 * ["top", "centre", "bottom"].index(line)
            left = 8 * ["left", "middle", "right"].index(column)
            card = frames[0][top : top + 16, left : left + 16]
            assert card.max(axis=(0, 1)).tolist() == [255 * part for part in COLOURS[colour]]
            assert frames[0].astype(int).sum() == card.astype(int).sum()
        else:
            assert row["frames"] == (3 if row["task"].endswith(b"video") or row["task"].startswith(b"video") else 1)


def test_the_training_handwriting_is_another_question(folder: Path, good: Path, tmp_path: Path) -> None:
    flags = ("--tasks", "round_trip", "--items", 20, "--examples", 5)
    evaluate(folder, tmp_path / "training.h5", *flags, "--split", "training")
    hits = {row["measure"]: row["hits"] for row in rows_of(tmp_path / "training.h5", "measures")
            if row["task"] == b"original"}  # fmt: skip
    assert hits[b"digit"] == 20  # the judge knows it by heart
    with h5py.File(good, "r") as one, h5py.File(tmp_path / "training.h5", "r") as other:
        count = 5 * 2 * SIDE * SIDE * 3
        assert not np.array_equal(one["/evaluation/frames"][:count], other["/evaluation/frames"][:count])


def test_a_resumed_run_measures_only_what_is_left(folder: Path, good: Path, tmp_path: Path) -> None:
    output = tmp_path / "part.h5"
    evaluate(folder, output, *GRID, "--tasks", "round_trip,image_text,text_image")
    evaluate(folder, output, *GRID, "--resume")
    evaluate(folder, output, *GRID, "--resume")
    for table in ("measures", "needles", "text", "round_trip", "examples"):
        found = rows_of(output, table)
        first = [
            row["run"] for row in found if row.get("task") in (b"original", b"round_trip", b"image_text", b"text_image")
        ]
        assert set(first) <= {0}
        assert {row["run"] for row in found} <= {0, 1}
        assert sorted(map(repr, settled([{**row, "first": 0} for row in found]))) == sorted(
            map(repr, settled([{**row, "first": 0} for row in rows_of(good, table)]))
        ), table


def test_a_kill_loses_no_point_that_was_done(folder: Path, good: Path, tmp_path: Path) -> None:
    output = tmp_path / "killed.h5"
    command = launch.command_line(
        None,
        ["evaluate", "--checkpoint", folder / "model.h5", "--haystack", folder / "hay.txt", "--output", output, *GRID],
    )
    with launch.started(command) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("[3/"):
                process.send_signal(signal.SIGKILL)
                break
        process.wait(timeout=TIMEOUT)
    evaluate(folder, output, *GRID, "--resume")
    kept = [row for row in rows_of(output, "measures") if row["run"] == 0]
    assert {row["task"] for row in kept} >= {b"original", b"round_trip", b"image_text", b"video_text"}
    assert sorted(map(repr, settled(rows_of(output, "measures")))) == sorted(
        map(repr, settled(rows_of(good, "measures")))
    )
    assert sorted(map(repr, settled(rows_of(output, "needles")))) == sorted(
        map(repr, settled(rows_of(good, "needles")))
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--needles", "7/7"), "--needles 7/7: cards have 6 colours"),
        (("--needles", "4/4", "--frames", 3), "--needles 4/4: a video of 3 frames has no room for so many"),
        (("--needles", "2/3"), "no more than are planted"),
        (("--depth", "0,1.5"), "--depth: 1.5 is outside"),
        (("--temperature", "-1"), "--temperature: -1 must not be negative"),
        (("--items", 0), "--items: too small"),
        (("--log-length", 1), "--log-length: 1 is neither 0 nor at least 2"),
        (("--rope-theta", "big"), "big"),
        (("--tasks", "image_txt"), "image_text"),
        (("--split", "test"), "evaluation"),
        (("--mesh", "2,1,1,1"), "mesh '2,1,1,1' has more ranks than the job's 1"),
    ],
)  # fmt: skip
def test_mistakes_are_said_in_one_line(folder: Path, tmp_path: Path, flags: Any, said: str) -> None:
    finished = evaluate(folder, tmp_path / "bad.h5", *flags, code=2)
    assert len(finished.errors) == 1, str(finished)
    assert said in finished.errors[0]
    assert not (tmp_path / "bad.h5").exists()


def test_batches_are_not_split_over_ranks(folder: Path, tmp_path: Path) -> None:
    finished = evaluate(folder, tmp_path / "bad.h5", "--mesh", "2,1,1,1", ranks=2, code=2)
    assert len(finished.errors) == 1, str(finished)
    assert "--mesh 2,1,1,1: an evaluation splits sequences, not batches" in finished.errors[0]


def test_models_that_cannot_be_asked_are_named(folder: Path, tmp_path: Path) -> None:
    write_world(folder / "text_only.h5", None)
    finished = evaluate(folder, tmp_path / "bad.h5", code=2, checkpoint="text_only.h5")
    assert len(finished.errors) == 1 and "trained without frames" in finished.errors[0], str(finished)
    write_world(folder / "other.h5", folder / "gone.h5")
    finished = evaluate(folder, tmp_path / "bad.h5", code=2, checkpoint="other.h5")
    assert len(finished.errors) == 1 and "gone.h5" in finished.errors[0], str(finished)
    finished = evaluate(folder, tmp_path / "bad.h5", code=2, checkpoint="missing.h5")
    assert len(finished.errors) == 1 and "missing.h5" in finished.errors[0], str(finished)
