"""A checkpoint of a small untrained model as `ringworld train` would write it, made with h5py alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

WORDS, KEYS, SPECIALS, VALUES = 300, 64, 10, 100
VOCABULARY = SPECIALS + WORDS + KEYS + VALUES
HIDDEN, LAYERS, HEADS, FFN = 32, 2, 2, 48


def tokenizer_text() -> str:
    """Return a word tokenizer with made-up words, in the text form of `Tokenizer::to_text`."""
    # No digit and no capital: the program splits text into lower-case words.
    words = ["w" + "".join(chr(ord("a") + int(digit)) for digit in f"{index:03}") for index in range(WORDS)]
    keys = ["K" + "".join(chr(ord("a") + int(digit)) for digit in f"{index:03}") for index in range(KEYS)]
    return "\n".join([f"word {WORDS} {KEYS}", *words, *(f"{key}:" for key in keys)]) + "\n"


def write_text(path: Path, words: int = 20_000, seed: int = 4) -> Path:
    """Write a haystack of the tokenizer's words."""
    known = tokenizer_text().splitlines()[1 : 1 + WORDS]
    chosen = np.random.default_rng(seed).choice(known, words)
    path.write_text(" ".join(chosen.tolist()) + "\n", encoding="utf-8")
    return path


def write_checkpoint(path: Path, seed: int = 1, **changes: Any) -> Path:
    """Write a checkpoint; `changes` replace attributes, None leaves one out."""
    attributes: dict[str, Any] = {
        "hidden_size": HIDDEN, "intermediate_size": FFN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS, "head_dim": HIDDEN // HEADS, "vocab_size": VOCABULARY, "rms_norm_eps": 1e-5,
        "rope_theta": 1024.0, "rope_pairing": "half_split", "tie_word_embeddings": True, "attention_bias": True,
        "seed": 7, "context_length": 128, "schedule": "progressive", "stage": 3,
        "task": "kind = needle\ntemplate = long1\n",
        "tokenizer": tokenizer_text(), **changes,
    }  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (VOCABULARY, HIDDEN),
        "model.norm.weight": (HIDDEN,),
    }
    for layer in range(LAYERS):
        for name, shape in (
            ("input_layernorm.weight", (HIDDEN,)), ("post_attention_layernorm.weight", (HIDDEN,)),
            ("self_attn.q_proj.weight", (HIDDEN, HIDDEN)), ("self_attn.k_proj.weight", (HIDDEN, HIDDEN)),
            ("self_attn.v_proj.weight", (HIDDEN, HIDDEN)), ("self_attn.o_proj.weight", (HIDDEN, HIDDEN)),
            ("self_attn.q_proj.bias", (HIDDEN,)), ("self_attn.k_proj.bias", (HIDDEN,)),
            ("self_attn.v_proj.bias", (HIDDEN,)), ("mlp.gate_proj.weight", (FFN, HIDDEN)),
            ("mlp.up_proj.weight", (FFN, HIDDEN)), ("mlp.down_proj.weight", (HIDDEN, FFN)),
        ):  # fmt: skip
            shapes[f"model.layers.{layer}.{name}"] = shape
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        for name, extents in shapes.items():
            values = np.ones(extents) if "norm" in name else rng.normal(0, 0.3, extents)
            file[name] = values.astype(np.float32)
        file["optimizer/first_moment/model.norm.weight"] = np.zeros(HIDDEN, np.float32)
        for name, value in attributes.items():
            if value is not None:
                file.attrs[name] = value
    return path
