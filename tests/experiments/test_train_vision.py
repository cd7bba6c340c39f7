"""`ringworld train` on images and videos: its record and checkpoint, meshes, kills, and codes of other networks."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import launch
from test_train import steps, tensors, terms, written

CONFIGURATIONS = launch.REPOSITORY / "experiments" / "train" / "config"
TINY_STAGE = """
[[stage]]
context_length = 100
rope_theta = 512
steps = 3
batch = 2
learning_rate = 1e-3
[stage.data]
kind = "vision"
"""


def write_tokenizer(folder: Path, name: str, seed: int) -> None:
    """Train a VQGAN for as long as it takes to have one."""
    text = (CONFIGURATIONS / "vqgan_cards.toml").read_text()
    for old, new in (
        ("steps = 2200", "steps = 2"), ("plain_steps = 800", "plain_steps = 1"),
        ("seeding_frames = 512", "seeding_frames = 32"), ("evaluate_every = 550", "evaluate_every = 2"),
        ("evaluation_frames = 300", "evaluation_frames = 4"), ("seed = 1", f"seed = {seed}"),
        ("warmup = 50", "warmup = 1"),
    ):  # fmt: skip
        assert old in text, old
        text = text.replace(old, new, 1)
    (folder / f"{name}.toml").write_text(text)
    made = launch.run(None, "train", "--config", folder / f"{name}.toml", "--checkpoint", folder / f"{name}.h5",
                      "--output", folder / f"{name}-run.h5")  # fmt: skip
    assert made.code == 0, str(made)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two frame tokenizers, a configuration, and its run on one rank: alone.h5."""
    made = tmp_path_factory.mktemp("vision")
    write_tokenizer(made, "vqgan", 1)
    write_tokenizer(made, "other", 2)
    (made / "world.toml").write_text((CONFIGURATIONS / "quick_world.toml").read_text())
    alone = train(None, made, "alone")
    assert alone.code == 0, str(alone)
    return made


def train(
    ranks: int | None, folder: Path, name: str, *flags: launch.Argument, config: str = "world"
) -> launch.Finished:
    """Run a configuration of the folder with files of its own."""
    return launch.run(
        ranks, "train", "--config", folder / f"{config}.toml", "--checkpoint", folder / f"{name}.h5", "--output",
        folder / f"{name}-run.h5", *flags, cwd=folder,
    )  # fmt: skip


def test_every_format_has_a_term_of_its_own(folder: Path) -> None:
    parts, taken = terms(folder / "alone-run.h5"), steps(folder / "alone-run.h5")
    names = {stage: {row["term"].decode() for row in parts[parts["stage"] == stage]} for stage in (0, 1)}
    assert names[0] == {"image_text", "text_image", "video", "text_video", "video_text", "text", "delimiters"}
    assert names[1] == {"image_text", "text_image", "text_video", "video_text", "needle", "delimiters"}
    for step in taken:
        own = parts[(parts["stage"] == step["stage"]) & (parts["step"] == step["step"])]
        assert step["loss"] == pytest.approx((own["weight"] * own["loss"]).sum(), rel=1e-5)
        assert (own["tokens"] > 0).all()


def test_the_checkpoint_knows_whose_codes_it_was_trained_on(folder: Path) -> None:
    with h5py.File(folder / "alone.h5") as file:
        parts = dict(part.split(":") for part in file.attrs["vocabulary"].split(","))
        assert parts["vision"] == "258", "256 codes and two markers"
        assert file["model.embed_vision.weight"].shape[0] == 258
        assert Path(file.attrs["frame_tokenizer"]) == folder / "vqgan.h5"
        assert file.attrs["frame_tokenizer_digest"]
        assert "<vision>" in file.attrs["tokenizer"]


@pytest.mark.parametrize(
    ("ranks", "mesh"),
    [(2, "2,1,1,1"), (2, "1,2,1,1"), (2, "1,1,2,1"), (2, "1,1,1,2"), (3, "1,1,1,3"), (4, "2,1,1,2"), (4, "1,1,2,2")],
)
def test_meshes_train_the_same_model(folder: Path, ranks: int, mesh: str) -> None:
    name = mesh.replace(",", "-")
    finished = train(ranks, folder, name, "--mesh", mesh)
    assert finished.code == 0, str(finished)
    alone, here = steps(folder / "alone-run.h5"), steps(folder / f"{name}-run.h5")
    assert np.allclose(here["loss"], alone["loss"], rtol=2e-4)
    counts = [terms(folder / f"{run}-run.h5")["tokens"] for run in ("alone", name)]
    assert np.array_equal(counts[0], counts[1])


def test_killed_and_resumed_is_the_same_run(folder: Path) -> None:
    command = launch.command_line(
        None,
        ["train", "--config", "world.toml", "--checkpoint", "killed.h5", "--output", "killed-run.h5",
         "--checkpoint-steps", 1],
    )  # fmt: skip
    killed = folder / "killed.h5"
    for turn in range(2):
        with launch.started(command if turn == 0 else [*command, "--resume"], folder) as process:
            before, deadline = written(killed), time.monotonic() + 60
            while written(killed) == before and time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.002)
            process.kill()
            process.wait(timeout=30)
    finished = train(None, folder, "killed", "--resume")
    assert finished.code == 0, str(finished)
    expected, actual = tensors(folder / "alone.h5"), tensors(killed)
    for name, values in expected.items():
        assert np.array_equal(values, actual[name]), name
    assert np.array_equal(terms(folder / "alone-run.h5"), terms(folder / "killed-run.h5"))


def refused(folder: Path, text: str, *parts: str) -> None:
    (folder / "bad.toml").write_text(text)
    finished = train(None, folder, "bad", config="bad")
    assert finished.code == 2 and len(finished.errors) == 1, str(finished)
    for part in parts:
        assert part in finished.errors[0], finished.errors[0]


def test_another_networks_codes_are_refused(folder: Path) -> None:
    text = (folder / "world.toml").read_text()
    (folder / "swapped.toml").write_text(text.replace("vqgan.h5", "other.h5"))
    (folder / "swapped.h5").write_bytes((folder / "alone.h5").read_bytes())
    finished = train(None, folder, "swapped", "--resume", config="swapped")
    assert finished.code == 2 and "data: frame_tokenizer = " in finished.errors[0], str(finished)


def test_another_network_under_the_same_name_is_refused(folder: Path) -> None:
    again = folder / "again"
    again.mkdir()
    for name, source in (("world.toml", "world.toml"), ("vqgan.h5", "other.h5"), ("model.h5", "alone.h5")):
        (again / name).write_bytes((folder / source).read_bytes())
    before = (again / "model.h5").read_bytes()
    finished = train(None, again, "model", "--resume")
    assert finished.code == 2 and len(finished.errors) == 1, str(finished)
    assert "data: frame_tokenizer = " in finished.errors[0], str(finished)
    assert (again / "model.h5").read_bytes() == before


def test_mistakes_have_one_clear_line(folder: Path) -> None:
    text = (folder / "world.toml").read_text()
    too_long = text.replace("frames = 8", "frames = 80")
    refused(folder, too_long, "stage 1: context_length 448", "of 80 frames", "frames do not fit its context")
    too_many = text.replace("image_text:4", "image_text:40")
    refused(folder, too_many, "stage 0", "rows of context_length 192", "batch is 4")
    refused(folder, text.replace("image_text:4", "image_txt:4"), "did you mean 'image_text'")
    refused(folder, text.replace('"vqgan.h5"', '"nothing.h5"'), "nothing.h5")
    refused(folder, text.replace("cards = true", ""), "[data] needs cards")
    refused(folder, text.replace("[1, 4, 5, 17]", "[1, 4, 5, 17, 3]"), "positional_offsets", "4 heads")


def test_examples_come_from_a_file_and_codes_from_hdf5(folder: Path) -> None:
    with h5py.File(folder / "alone.h5") as file:
        digest = file.attrs["frame_tokenizer_digest"]
    with h5py.File(folder / "codes.h5", "w") as file:
        file.attrs["frame_tokenizer_digest"] = digest
        file["clips/first"] = np.arange(48, dtype=np.int32).reshape(3, 16)
    lines: list[dict[str, Any]] = [
        {"fields": ["[vision],caption", "[caption],vision"], "caption": "red seven", "vision": list(range(16))},
        {"fields": "[clip],caption", "caption": "it moves", "clip": {"file": "codes.h5", "name": "clips/first"}},
        {"fields": "[clip+question],answer", "question": "what is it", "answer": "a seven", "clip": list(range(32))},
        {"fields": "words", "words": "a seven is red"},
    ]
    (folder / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = (folder / "world.toml").read_text()
    head = text[: text.index("[[stage]]")] + TINY_STAGE + 'examples = "lines.jsonl"\n'
    (folder / "lines.toml").write_text(head + 'loss = "rows"\n')
    finished = train(None, folder, "lines", config="lines")
    assert finished.code == 0, str(finished)
    assert {b"video_text", b"text"} <= set(terms(folder / "lines-run.h5")["term"])

    with h5py.File(folder / "codes.h5", "a") as file:
        file.attrs["frame_tokenizer_digest"] = "0123"
    refused(folder, head, "'lines.jsonl', line 2", "codes of another codebook", "0123", digest)
    lines[1]["clip"] = list(range(17))
    (folder / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    refused(folder, head, "line 2", "17 codes", "frames of 16")
