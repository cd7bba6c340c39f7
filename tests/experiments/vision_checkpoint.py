"""A small untrained world model and the network of its frames, as `ringworld train` would write them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from needle_checkpoint import HIDDEN, KEYS, VALUES, WORDS, tokenizer_text, write_checkpoint

SIDE, CODEBOOK, CODES_PER_FRAME = 8, 12, 4
MARKERS = ["<eos>", "<vision>", "</vision>"]
UNUSED_ROWS = 6  # of the vision part, as LWM has some: they must never be generated

Shape = tuple[int, ...]


def vision_tokenizer_text() -> str:
    """Return the word tokenizer of needle_checkpoint with markers."""
    lines = tokenizer_text().splitlines()
    return "\n".join([f"word {WORDS} {KEYS} {len(MARKERS)} {VALUES}", *lines[1:], *MARKERS]) + "\n"


def residual_block(name: str, before: int, after: int) -> Iterator[tuple[str, Shape]]:
    for part, channels, shape in (
        ("norm1", before, (before,)), ("conv1", after, (after, before, 3, 3)),
        ("norm2", after, (after,)), ("conv2", after, (after, after, 3, 3)),
    ):  # fmt: skip
        yield f"{name}.{part}.weight", shape
        yield f"{name}.{part}.bias", (channels,)
    if before != after:
        yield from convolution(f"{name}.conv_shortcut", before, after, 1)


def convolution(name: str, before: int, after: int, kernel: int = 3) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (after, before, kernel, kernel)
    yield f"{name}.bias", (after,)


def norm(name: str, channels: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (channels,)
    yield f"{name}.bias", (channels,)


def network_shapes(channels: list[int], latent: int) -> Iterator[tuple[str, Shape]]:
    """Yield the tensors of diffusers' VQModel with one block a level and one in the middle."""
    deepest = channels[-1]
    yield from convolution("encoder.conv_in", 3, channels[0])
    before = channels[0]
    for level, after in enumerate(channels):
        yield from residual_block(f"encoder.down_blocks.{level}.resnets.0", before, after)
        if level + 1 < len(channels):
            yield from convolution(f"encoder.down_blocks.{level}.downsamplers.0.conv", after, after)
        before = after
    yield from residual_block("encoder.mid_block.resnets.0", deepest, deepest)
    yield from norm("encoder.conv_norm_out", deepest)
    yield from convolution("encoder.conv_out", deepest, latent)
    yield from convolution("quant_conv", latent, latent, 1)
    yield "quantize.embedding.weight", (CODEBOOK, latent)
    yield from convolution("post_quant_conv", latent, latent, 1)
    yield from convolution("decoder.conv_in", latent, deepest)
    yield from residual_block("decoder.mid_block.resnets.0", deepest, deepest)
    before = deepest
    for place, after in enumerate(reversed(channels)):
        for block in range(2):
            yield from residual_block(f"decoder.up_blocks.{place}.resnets.{block}", before, after)
            before = after
        if place + 1 < len(channels):
            yield from convolution(f"decoder.up_blocks.{place}.upsamplers.0.conv", after, after)
    yield from norm("decoder.conv_norm_out", channels[0])
    yield from convolution("decoder.conv_out", channels[0], 3)


def write_frame_tokenizer(path: Path, seed: int = 3) -> Path:
    """Write a network that turns a frame of 8 x 8 pixels into 2 x 2 codes."""
    channels, latent = [4, 4, 8], 4
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        for name, shape in network_shapes(channels, latent):
            file[name] = rng.normal(0, 0.4, shape).astype(np.float32)
        file.attrs.update({
            "block_out_channels": channels, "layers_per_block": 1, "middle_blocks": 1, "latent_channels": latent,
            "num_vq_embeddings": CODEBOOK, "norm_num_groups": 2, "frame_side": SIDE, "commitment": 0.25,
        })  # fmt: skip
    return path


def write_vision_checkpoint(path: Path, frame_tokenizer: Path | None, **changes: Any) -> Path:
    """Write a model of words and of the codes that `frame_tokenizer` makes; `changes` are those of write_checkpoint."""
    text_rows, vision_rows = 10 + WORDS + KEYS + len(MARKERS) + VALUES, CODEBOOK + 2 + UNUSED_ROWS
    attributes: dict[str, Any] = {
        "vocab_size": text_rows + vision_rows,
        "vocabulary": f"text:{text_rows},vision:{vision_rows}",
        "tokenizer": vision_tokenizer_text(),
        "frame_tokenizer": None if frame_tokenizer is None else str(frame_tokenizer),
        **changes,
    }
    write_checkpoint(path, **attributes)
    rng = np.random.default_rng(6)
    with h5py.File(path, "a") as file:
        del file["model.embed_tokens.weight"]
        for name, rows in (("embed_tokens", text_rows), ("embed_vision", vision_rows)):
            file[f"model.{name}.weight"] = rng.normal(0, 0.3, (rows, HIDDEN)).astype(np.float32)
    return path
