#!/usr/bin/env python3
"""Makes tests/golden/gguf: one GGUF file that holds every type that is read, and its numbers as the `gguf` package
dequantises them, in a safetensors file under Hugging Face's names and in Hugging Face's order of rows.

    python tests/golden/make_gguf_golden.py

Needs gguf (PyPI) and numpy. Blocks are random bytes with finite scales, so that every bit of every type is used.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import gguf
from gguf import GGMLQuantizationType as Type

FOLDER = Path(__file__).resolve().parent / "gguf"
HEADS, KV_HEADS, HIDDEN = 2, 1, 256

# GGUF's name, Hugging Face's, type, rows, heads whose rows convert_hf_to_gguf.py reorders (0: none).
LAYER = "model.layers.0."
TENSORS = (
    ("token_embd.weight", "model.embed_tokens.weight", Type.Q4_K, 6, 0),
    ("output_norm.weight", "model.norm.weight", Type.F32, 1, 0),
    ("blk.0.attn_q.weight", LAYER + "self_attn.q_proj.weight", Type.Q4_1, 16, HEADS),
    ("blk.0.attn_k.weight", LAYER + "self_attn.k_proj.weight", Type.F16, 8, KV_HEADS),
    ("blk.0.attn_v.weight", LAYER + "self_attn.v_proj.weight", Type.Q6_K, 8, 0),
    ("blk.0.attn_output.weight", LAYER + "self_attn.o_proj.weight", Type.Q4_0, 4, 0),
    ("blk.0.ffn_gate.weight", LAYER + "mlp.gate_proj.weight", Type.Q8_0, 4, 0),
    ("blk.0.ffn_up.weight", LAYER + "mlp.up_proj.weight", Type.BF16, 4, 0),
)

# Bytes of a block that hold half-precision scales.
HALVES = {Type.Q4_0: (0,), Type.Q4_1: (0, 2), Type.Q8_0: (0,), Type.Q4_K: (0, 2), Type.Q6_K: (208,)}


def draw(kind: Type, rows: int, random: np.random.Generator) -> np.ndarray:
    """(rows, bytes of a row)"""
    if kind == Type.F32:
        return random.normal(size=(rows, HIDDEN)).astype("<f4").view(np.uint8)
    if kind == Type.F16:
        return random.normal(size=(rows, HIDDEN)).astype("<f2").view(np.uint8)
    if kind == Type.BF16:
        return random.normal(size=(rows, HIDDEN)).astype("<f4").view("<u2")[:, 1::2].copy().view(np.uint8)
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, size=(rows * HIDDEN // elements, size), dtype=np.uint8)
    for place in HALVES[kind]:
        scales = (random.normal(size=len(blocks)) * 0.1).astype("<f2")
        blocks[:, place : place + 2] = scales.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(rows, -1)


def hugging_face_order(values: np.ndarray, heads: int) -> np.ndarray:
    """Undo `permute` of convert_hf_to_gguf.py."""
    rows, columns = values.shape
    return values.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def write_safetensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    header, data = {}, b""
    for name, values in tensors.items():
        content = values.astype("<f4").tobytes()
        offsets = [len(data), len(data) + len(content)]
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": offsets}
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def main() -> None:
    random = np.random.default_rng(16)
    FOLDER.mkdir(exist_ok=True)
    writer = gguf.GGUFWriter(FOLDER / "blocks.gguf", "llama")
    writer.add_embedding_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(100000.0)
    writer.add_token_list(["a", "bc"])
    expected = {}
    for name, hugging_face_name, kind, rows, heads in TENSORS:
        stored = draw(kind, rows, random)
        writer.add_tensor(name, stored[0] if rows == 1 else stored, raw_dtype=kind)
        values = gguf.dequantize(stored, kind)
        values = hugging_face_order(values, heads) if heads else values
        expected[hugging_face_name] = values[0] if rows == 1 else values
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    write_safetensors(FOLDER / "blocks.safetensors", expected)


if __name__ == "__main__":
    main()
