"""`ringworld generate`: the same text whoever computes it, a record that says how fast, and mistakes in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import pytest

import launch
from needle_checkpoint import HEADS, HIDDEN, LAYERS, write_checkpoint, write_text
from record_reading import declared_columns

ROWS = launch.REPOSITORY / "experiments" / "generate" / "rows.hpp"
TIMEOUT = 60
NEW_TOKENS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("generate")
    write_checkpoint(made / "model.h5")
    write_text(made / "prompt.txt", words=50)
    return made


def generate(folder: Path, output: Path, *flags: launch.Argument, ranks: int | None = None) -> launch.Finished:
    prompt: tuple[launch.Argument, ...] = () if "--prompt" in flags else ("--prompt-file", folder / "prompt.txt")
    return launch.run(
        ranks, "generate", "--checkpoint", folder / "model.h5", *prompt, "--new-tokens", NEW_TOKENS, "--output", output,
        *flags, timeout=TIMEOUT,
    )  # fmt: skip


def row_of(path: Path) -> dict[str, Any]:
    with h5py.File(path, "r") as file:
        rows = file["/generation/prompts"][:]
    assert len(rows) == 1
    return {name: rows[0][name].item() for name in rows.dtype.names}


def test_the_text_does_not_depend_on_ranks_or_layout(folder: Path, tmp_path: Path) -> None:
    alone = generate(folder, tmp_path / "alone.h5")
    assert alone.code == 0, str(alone)
    assert len(alone.stdout.split()) >= NEW_TOKENS // 2
    for ranks, layout in ((2, "zigzag"), (3, "striped"), (4, "contiguous")):
        shared = generate(folder, tmp_path / f"{ranks}.h5", "--layout", layout, ranks=ranks)
        assert shared.code == 0, str(shared)
        assert shared.stdout == alone.stdout


def test_the_text_does_not_depend_on_the_mesh_or_on_where_weights_are(folder: Path, tmp_path: Path) -> None:
    alone = generate(folder, tmp_path / "alone.h5")
    for ranks, mesh in ((2, "1,1,2,1"), (4, "1,1,2,2"), (2, "1,1,1,2")):
        output = tmp_path / f"{mesh}.h5"
        shared = generate(folder, output, "--mesh", mesh, "--gather-weights", ranks=ranks)
        assert shared.code == 0, str(shared)
        assert shared.stdout == alone.stdout
        assert row_of(output)["mesh"] == mesh.encode() and row_of(output)["weights"] == b"gathered"


def test_bfloat16_halves_the_cache(folder: Path, tmp_path: Path) -> None:
    assert generate(folder, tmp_path / "fp32.h5").code == 0
    assert generate(folder, tmp_path / "bf16.h5", "--dtype", "bfloat16").code == 0
    assert row_of(tmp_path / "bf16.h5")["cache_bytes"] * 2 == row_of(tmp_path / "fp32.h5")["cache_bytes"]


@pytest.mark.parametrize("words", [1, 2, 3, 6])
def test_a_prompt_of_any_length_is_continued_as_by_one_rank(folder: Path, tmp_path: Path, words: int) -> None:
    prompt = " ".join((folder / "prompt.txt").read_text(encoding="utf-8").split()[:words])
    alone = generate(folder, tmp_path / "alone.h5", "--prompt", prompt)
    assert alone.code == 0, str(alone)
    for ranks, layout in ((2, "zigzag"), (3, "contiguous"), (4, "striped")):
        output = tmp_path / f"{ranks}-{layout}.h5"
        shared = generate(folder, output, "--prompt", prompt, "--layout", layout, ranks=ranks)
        assert shared.code == 0, str(shared)
        assert shared.stdout == alone.stdout
        assert row_of(output)["prompt_tokens"] == words + 1, "the words and the beginning of a document"


def test_the_record_says_what_was_done(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "run.h5"
    assert generate(folder, output, "--rope-theta", "scaled", ranks=2).code == 0
    row = row_of(output)
    assert list(row) == list(declared_columns(ROWS)["/generation/prompts"])
    assert row["prompt_tokens"] == 51, "fifty words and the beginning of a document"
    assert row["new_tokens"] == NEW_TOKENS
    assert row["ranks"] == 2 and row["valid"] and row["trained_context_length"] == 128
    assert row["rope_theta"] == 1024.0, "63 tokens are not beyond the trained length"
    assert 0 < row["token_time_min"] <= row["token_time"] <= row["token_time_max"]
    # A rank holds its half of the prompt and, in turns, every other new token: keys and values, fp32.
    tokens = 26 + NEW_TOKENS // 2
    assert row["cache_bytes"] == LAYERS * 2 * tokens * HEADS * (HIDDEN // HEADS) * 4
    with h5py.File(output, "r") as file:
        assert file["provenance"].attrs["utc_end"]


MISTAKES: list[tuple[str, tuple[launch.Argument, ...], tuple[str, ...]]] = [
    ("nothing to continue", ("--prompt", "", "--prompt-file", ""), ("--prompt",)),
    ("two prompts", ("--prompt", "waa", "--prompt-file", "prompt.txt"), ("one of them",)),
    ("no new tokens", ("--prompt", "waa wab", "--new-tokens", "0"), ("--new-tokens", "at least 1")),
    ("missing file", ("--prompt-file", "absent.txt"), ("absent.txt",)),
    ("a mesh of batches", ("--prompt", "waa wab", "--mesh", "1,2,1,1"), ("--mesh", "fsdp must be 1")),
]


@pytest.mark.parametrize(("what", "flags", "says"), MISTAKES, ids=[entry[0] for entry in MISTAKES])
def test_mistakes_are_one_line(
    folder: Path, tmp_path: Path, what: str, flags: tuple[launch.Argument, ...], says: tuple[str, ...]
) -> None:
    finished = launch.run(
        2, "generate", "--checkpoint", folder / "model.h5", *flags, "--output", tmp_path / "out.h5", timeout=TIMEOUT
    )
    assert finished.code == 2, f"{what}: {finished}"
    assert len(finished.errors) == 1, str(finished)
    assert all(word in finished.errors[0] for word in says), str(finished)
    assert not (tmp_path / "out.h5").exists()
