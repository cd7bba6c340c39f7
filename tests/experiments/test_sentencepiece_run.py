"""A model over a SentencePiece vocabulary, as LWM has it: trained on packed text, asked in LWM's words, and continued."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import pytest

import launch

sentencepiece = pytest.importorskip("sentencepiece", reason="the Python package sentencepiece makes the tokenizer")

CONFIGURATION = """
[model]
preset = "debug"
hidden_size = 64
ffn_size = 96
layers = 2
heads = 4
[data]
haystack = ["{folder}/hay.txt"]
tokenizer = "{folder}/tokenizer.model"
[[stage]]
context_length = 128
rope_theta = 1024
steps = 20
batch = 2
learning_rate = 3e-3
mesh = "1,1,1,-1"
[[stage]]
context_length = 256
rope_theta = 2048
steps = 5
batch = 2
learning_rate = 1e-3
mesh = "1,1,1,-1"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sentencepiece")
    people, deeds = ("the shepherd", "a king", "her brother", "the old ship"), ("went home", "sang aloud", "was lost", "slept")
    places = ("by the sea", "in the hills", "under an olive tree", "at night", "before the feast")
    sentences = [f"{one.capitalize()} {deed} {place}." for one in people for deed in deeds for place in places]
    (made / "hay.txt").write_text("\n\n".join(" ".join(sentences[n:] + sentences[:n]) for n in range(60)) + "\n")
    sentencepiece.SentencePieceTrainer.Train(
        input=str(made / "hay.txt"), model_prefix=str(made / "tokenizer"), vocab_size=300, model_type="bpe",
        split_digits=True, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        minloglevel=2,
    )  # fmt: skip
    (made / "config.toml").write_text(CONFIGURATION.format(folder=made))
    finished = launch.run(
        2, "train", "--config", made / "config.toml", "--checkpoint", made / "model.h5", "--output", made / "train.h5",
        timeout=120,
    )  # fmt: skip
    assert finished.code == 0, str(finished)
    return made


def test_training_learns_the_text(folder: Path) -> None:
    with h5py.File(folder / "model.h5") as file:
        assert file["model.embed_tokens.weight"].shape == (300, 64)
        assert str(file.attrs["tokenizer"]).startswith("sentencepiece")
    with h5py.File(folder / "train.h5") as file:
        losses = file["training/steps"]["loss"]
    assert losses[-1] < 0.75 * losses[0], "twenty sentences are easy to learn by heart"


def test_needles_are_asked_in_the_models_own_tokens(folder: Path) -> None:
    finished = launch.run(
        2, "needle", "--checkpoint", folder / "model.h5", "--haystack", folder / "hay.txt", "--context-length", "512,1024",
        "--depth", "3", "--needles", "1/1,3/2", "--trials", 2, "--rope-theta", "stage,scaled", "--output",
        folder / "needle.h5", timeout=120,
    )  # fmt: skip
    assert finished.code == 0, str(finished)
    with h5py.File(folder / "needle.h5") as file:
        cells = file["needle/cells"][()]
    assert all(cells["valid"])
    assert {int(length) for length in cells["context_length"]} == {512, 1024}


def test_generation_goes_on_in_words(folder: Path) -> None:
    texts = set()
    for ranks in (None, 2):
        finished = launch.run(
            ranks, "generate", "--checkpoint", folder / "model.h5", "--prompt", "The shepherd went", "--new-tokens", 10,
            "--output", folder / "generate.h5", timeout=60,
        )  # fmt: skip
        assert finished.code == 0, str(finished)
        texts.add(finished.stdout)
    assert len(texts) == 1
    assert re.search(r"[a-z]{2}", texts.pop())
