"""A small untrained world model of cards and the network of its frames, as `ringworld train` would write them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import launch
from needle_checkpoint import HIDDEN, SPECIALS, write_checkpoint
from vision_checkpoint import CODEBOOK, MARKERS, network_shapes

SIDE, CODES_PER_FRAME = 32, 16
UNUSED_ROWS = 3
SPECIAL_WORDS = {"the", "magic", "number", "for", "is", "what"}


def card_words() -> list[str]:
    """Return the words of captions and questions, as the program lists them."""
    text = (launch.REPOSITORY / "src" / "cards" / "words.hpp").read_text(encoding="utf-8")
    return [*re.findall(r'"(\w+)"', text), "digit", "moves"]


def plain_words() -> list[str]:
    """Return the vocabulary's plain words: those of cards, and a few that text is made of."""
    return [*card_words(), *("hay" + letter for letter in "abcdefgh")]


def write_text(path: Path, words: int = 4000) -> Path:
    """Write a haystack of plain words."""
    path.write_text(" ".join(np.random.default_rng(4).choice(plain_words()[-8:], words)) + "\n", encoding="utf-8")
    return path


def write_card_tokenizer(path: Path, seed: int = 3) -> Path:
    """Write a network that turns a frame of 32 x 32 pixels into 4 x 4 codes."""
    channels, latent = [4, 4, 4, 8], 4
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        for name, shape in network_shapes(channels, latent):
            file[name] = rng.normal(0, 0.4, shape).astype(np.float32)
        file.attrs.update({
            "block_out_channels": channels, "layers_per_block": 1, "middle_blocks": 1, "latent_channels": latent,
            "num_vq_embeddings": CODEBOOK, "norm_num_groups": 2, "frame_side": SIDE, "commitment": 0.25,
        })  # fmt: skip
    return path


def write_world(path: Path, frame_tokenizer: Path | None, **changes: Any) -> Path:
    """Write a model of the words of cards and of the codes that `frame_tokenizer` makes."""
    words = plain_words()
    text_rows, vision_rows = SPECIALS + len(words) + len(MARKERS), CODEBOOK + 2 + UNUSED_ROWS
    attributes: dict[str, Any] = {
        "vocab_size": text_rows + vision_rows,
        "vocabulary": f"text:{text_rows},vision:{vision_rows}",
        "tokenizer": "\n".join([f"word {len(words)} 0 {len(MARKERS)} 0", *words, *MARKERS]) + "\n",
        "frame_tokenizer": None if frame_tokenizer is None else str(frame_tokenizer),
        "task": "kind = vision\n",
        "schedule": "world",
        **changes,
    }
    write_checkpoint(path, **attributes)
    rng = np.random.default_rng(6)
    with h5py.File(path, "a") as file:
        del file["model.embed_tokens.weight"]
        for name, rows in (("embed_tokens", text_rows), ("embed_vision", vision_rows)):
            file[f"model.{name}.weight"] = rng.normal(0, 0.3, (rows, HIDDEN)).astype(np.float32)
    return path
