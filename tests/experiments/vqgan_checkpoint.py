"""Writes a small VQGAN with random weights, in the form of a checkpoint of `ringworld train`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

FRAME_SIDE = 32
CODES_PER_SIDE = 16
CODES = 64
CHANNELS = (16, 32)
LATENT = 8
GROUPS = 8


def block(name: str, inner: int, outer: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.norm1", (inner,)
    yield f"{name}.conv1", (outer, inner, 3, 3)
    yield f"{name}.norm2", (outer,)
    yield f"{name}.conv2", (outer, outer, 3, 3)
    if inner != outer:
        yield f"{name}.conv_shortcut", (outer, inner, 1, 1)


def layers() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of all weights; each has a bias of its first extent."""
    first, last = CHANNELS
    yield "encoder.conv_in", (first, 3, 3, 3)
    yield from block("encoder.down_blocks.0.resnets.0", first, first)
    yield "encoder.down_blocks.0.downsamplers.0.conv", (first, first, 3, 3)
    yield from block("encoder.down_blocks.1.resnets.0", first, last)
    yield from block("encoder.mid_block.resnets.0", last, last)
    yield "encoder.conv_norm_out", (last,)
    yield "encoder.conv_out", (LATENT, last, 3, 3)
    yield "quant_conv", (LATENT, LATENT, 1, 1)
    yield "post_quant_conv", (LATENT, LATENT, 1, 1)
    yield "decoder.conv_in", (last, LATENT, 3, 3)
    yield from block("decoder.mid_block.resnets.0", last, last)
    yield from block("decoder.up_blocks.0.resnets.0", last, last)
    yield from block("decoder.up_blocks.0.resnets.1", last, last)
    yield "decoder.up_blocks.0.upsamplers.0.conv", (last, last, 3, 3)
    yield from block("decoder.up_blocks.1.resnets.0", last, first)
    yield from block("decoder.up_blocks.1.resnets.1", first, first)
    yield "decoder.conv_norm_out", (first,)
    yield "decoder.conv_out", (3, first, 3, 3)


def write_vqgan(path: Path, seed: int = 0) -> None:
    """Write the network; another seed, another network."""
    draws = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        for name, shape in layers():
            is_norm = len(shape) == 1
            scale = 0.1 if is_norm else 1.4 / np.sqrt(np.prod(shape[1:]))
            file[f"{name}.weight"] = (float(is_norm) + draws.normal(0, scale, shape)).astype(np.float32)
            file[f"{name}.bias"] = draws.normal(0, 0.05, shape[:1]).astype(np.float32)
        file["quantize.embedding.weight"] = draws.normal(0, 1, (CODES, LATENT)).astype(np.float32)
        file.attrs["block_out_channels"] = np.array(CHANNELS, dtype=np.int64)
        for attribute, value in (
            ("layers_per_block", 1), ("latent_channels", LATENT), ("num_vq_embeddings", CODES),
            ("norm_num_groups", GROUPS), ("middle_blocks", 1), ("frame_side", FRAME_SIDE),
        ):  # fmt: skip
            file.attrs[attribute] = value
