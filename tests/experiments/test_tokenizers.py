"""The tokenizer that comes with weights of another program, in every verb that reads text; chats, free answers, RULER."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import launch
from test_weight_formats import safetensors

GOLDEN = launch.REPOSITORY / "tests" / "tokens" / "golden"
TIMEOUT = 120
HIDDEN, FFN, HEADS, LAYERS = 32, 48, 2, 1
HAY = "The shepherd went home. A king sang aloud by the sea. Her brother slept under an olive tree at night. "


def folder(path: Path, tokenizer: dict[str, str]) -> Path:
    """Write a small untrained model with tokenizer files: golden name to name there."""
    path.mkdir()
    vocabulary = 1200
    rng = np.random.default_rng(1)
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocabulary, HIDDEN), "model.norm.weight": (HIDDEN,),
    }  # fmt: skip
    for layer in range(LAYERS):
        for name, shape in (
            ("input_layernorm", (HIDDEN,)), ("post_attention_layernorm", (HIDDEN,)), ("self_attn.q_proj", (HIDDEN, HIDDEN)),
            ("self_attn.k_proj", (HIDDEN, HIDDEN)), ("self_attn.v_proj", (HIDDEN, HIDDEN)),
            ("self_attn.o_proj", (HIDDEN, HIDDEN)), ("mlp.gate_proj", (FFN, HIDDEN)), ("mlp.up_proj", (FFN, HIDDEN)),
            ("mlp.down_proj", (HIDDEN, FFN)),
        ):  # fmt: skip
            shapes[f"model.layers.{layer}.{name}.weight"] = shape
    tensors = {name: ("F32", rng.normal(0, 0.3, shape).astype("<f4")) for name, shape in shapes.items()}
    (path / "model.safetensors").write_bytes(safetensors(tensors))
    configuration: dict[str, Any] = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": HIDDEN,
        "intermediate_size": FFN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS, "vocab_size": vocabulary, "rms_norm_eps": 1e-5, "rope_theta": 1e4,
        "tie_word_embeddings": True, "attention_bias": False, "max_position_embeddings": 512,
    }  # fmt: skip
    (path / "config.json").write_text(json.dumps(configuration))
    for source, target in tokenizer.items():
        shutil.copy(GOLDEN / source, path / target)
    return path


def texts(path: Path) -> Path:
    path.mkdir()
    for number in range(3):
        (path / f"{number}.txt").write_text(HAY * 60)
    (path / "other.md").write_text("not read")
    return path


def generate(model: Path, *flags: launch.Argument) -> launch.Finished:
    return launch.run(2, "generate", "--checkpoint", model, "--prompt", "hello", "--new-tokens", 3, "--output",
                      model / "generate.h5", *flags, timeout=TIMEOUT)  # fmt: skip


def prompt_tokens(model: Path) -> int:
    with h5py.File(model / "generate.h5") as file:
        return int(file["generation/prompts"]["prompt_tokens"][-1])


FILES = [("ranks.tiktoken", "tokenizer.model"), ("sentencepiece.gguf", "tokenizer.gguf")]


@pytest.mark.parametrize(("source", "target"), FILES, ids=[target for _, target in FILES])
def test_the_tokenizer_of_a_folder_needs_no_flag(source: str, target: str, tmp_path: Path) -> None:
    finished = generate(folder(tmp_path / "model", {source: target}))
    assert finished.code == 0, str(finished)


def test_a_folder_without_a_tokenizer_is_named_with_what_would_be_right(tmp_path: Path) -> None:
    model = folder(tmp_path / "model", {})
    for finished in (generate(model), needle(model, tmp_path)):
        assert finished.code == 2, str(finished)
        (line,) = finished.errors
        assert str(model) in line and "tokenizer.json" in line and "tokenizer.model" in line, line


def test_a_chat_stands_around_the_prompt(tmp_path: Path) -> None:
    model = folder(tmp_path / "model", {"smollm.json": "tokenizer.json"})
    assert generate(model).code == 0
    plain = prompt_tokens(model)
    (model / "chat_template.jinja").write_text("<|im_start|>")
    (model / "generate.h5").unlink()
    finished = generate(model, "--chat", "auto")
    assert finished.code == 0, str(finished)
    assert prompt_tokens(model) > plain
    refused = generate(model, "--chat", "chatlm")
    assert refused.code == 2 and "chatml" in refused.errors[0], str(refused)


def needle(model: Path, tmp_path: Path, *flags: launch.Argument) -> launch.Finished:
    hay = tmp_path / "hay"
    if not hay.exists():
        texts(hay)
    return launch.run(2, "needle", "--checkpoint", model, "--haystack", hay, "--trials", 2, "--output", tmp_path / "needle.h5",
                      *flags, timeout=TIMEOUT)  # fmt: skip


def test_needles_and_the_tasks_of_ruler_are_answered_freely(tmp_path: Path) -> None:
    model = folder(tmp_path / "model", {"smollm.json": "tokenizer.json"})
    finished = needle(model, tmp_path, "--decoding", "open", "--answer-tokens", 4, "--chat", "chatml", "--context-length",
                      "512,640", "--depth", "0,1", "--task", "lwm,niah_multikey,variable_tracking", "--rope-theta",
                      "stage,scaled")  # fmt: skip
    assert finished.code == 0, str(finished)
    with h5py.File(tmp_path / "needle.h5") as file:
        cells = file["needle/cells"][()]
    assert len(cells) == 2 * 2 * 4
    assert all(cells["valid"]) and set(cells["chat"]) == {b"chatml"} and set(cells["answer_tokens"]) == {4}
    tracking = cells[cells["task"] == b"variable_tracking"]
    assert set(tracking["trials"]) == {2 * 5} and set(cells[cells["task"] == b"lwm"]["trials"]) == {2}
    assert {float(theta) for theta in cells["rope_theta"]} == {1e4, 1e4 * (640 / 512) ** 2}


def test_a_transcript_says_what_was_asked_and_answered(tmp_path: Path) -> None:
    model = folder(tmp_path / "model", {"smollm.json": "tokenizer.json"})
    transcript = tmp_path / "answers.jsonl"
    flags = ("--decoding", "open", "--answer-tokens", 4, "--context-length", 512, "--task", "lwm,niah_multikey",
             "--depth", "0,1", "--transcript", transcript)  # fmt: skip
    finished = needle(model, tmp_path, *flags)
    assert finished.code == 0, str(finished)
    lines = [json.loads(line) for line in transcript.read_text(encoding="utf-8").splitlines()]
    with h5py.File(tmp_path / "needle.h5") as file:
        cells = file["needle/cells"][()]
    assert [line["trial"] for line in lines] == [0, 1] * 3
    assert [line["depth"] for line in lines] == [0, 0, 1, 1, None, None]
    assert sum(line["hits"] for line in lines) == sum(cells["hits"])
    for line in lines:
        assert all(text in line["prompt"] for text in line["expected"])
        assert len(line["tokens"]) <= 512 - 4 and len(line["expected"]) == 1
        assert line["hits"] == sum(text.lower() in line["answer"].lower() for text in line["expected"])
    # What is in the record already is not asked again; what is asked anew is added.
    assert needle(model, tmp_path, *flags, "--resume").code == 0
    assert len(transcript.read_text(encoding="utf-8").splitlines()) == 6
    assert needle(model, tmp_path, *flags, "--resume", "--depth", "0.5").code == 0
    assert len(transcript.read_text(encoding="utf-8").splitlines()) == 8


@pytest.mark.parametrize(("flags", "says"), [
    (("--transcript", "answers.jsonl"), "--decoding open"),
    (("--decoding", "open", "--transcript", "/no/such/folder/answers.jsonl"), "cannot write '/no/such/folder/answers.jsonl'"),
    (("--task", "niah_single"), "--decoding open"),
    (("--task", "niah_simple", "--decoding", "open"), "niah_single"),
    (("--answer-tokens", "8"), "--decoding open"),
    (("--chat", "auto"), "chat template"),
    (("--decoding", "open", "--task", "common_words", "--context-length", "256"), "too short"),
], ids=lambda value: "-".join(value).strip("-") if isinstance(value, tuple) else "")  # fmt: skip
def test_what_does_not_go_together_is_said_in_a_line(flags: tuple[str, ...], says: str, tmp_path: Path) -> None:
    finished = needle(folder(tmp_path / "model", {"smollm.json": "tokenizer.json"}), tmp_path, *flags)
    assert finished.code == 2, str(finished)
    assert len(finished.errors) == 1 and says in finished.errors[0], str(finished)


CONFIGURATION = """
[model]
preset = "debug"
hidden_size = 32
ffn_size = 48
layers = 1
heads = 2
[data]
haystack = ["{hay}"]
tokenizer = "{tokenizer}"
[[stage]]
context_length = 64
rope_theta = 1024
steps = 1
batch = 2
learning_rate = 1e-3
mesh = "1,1,1,-1"
"""


@pytest.mark.parametrize("name", ["folder", "tekken.json"])
def test_training_takes_any_tokenizer_file_or_folder(name: str, tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "smollm.json", tmp_path / "tokenizer.json")
    shutil.copy(GOLDEN / "tekken.json", tmp_path / "tekken.json")
    tokenizer = tmp_path if name == "folder" else tmp_path / name
    (tmp_path / "config.toml").write_text(CONFIGURATION.format(hay=texts(tmp_path / "hay"), tokenizer=tokenizer))
    finished = launch.run(None, "train", "--config", tmp_path / "config.toml", "--checkpoint", tmp_path / "model.h5",
                          "--output", tmp_path / "train.h5", timeout=TIMEOUT)  # fmt: skip
    assert finished.code == 0, str(finished)
    with h5py.File(tmp_path / "model.h5") as file:
        kind = str(file.attrs["tokenizer"]).split()[0]
    assert kind == ("tekken" if name == "tekken.json" else "tokenizer_json")
