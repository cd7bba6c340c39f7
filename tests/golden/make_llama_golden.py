#!/usr/bin/env python3
"""Makes llama_*.h5: small Llama checkpoints with their logits, nll and gradients, computed by PyTorch in float64.

    python tests/golden/make_llama_golden.py            # needs torch, h5py, numpy; writes beside this file

Each file holds the parameters under Hugging Face's names with the configuration as attributes, `/tokens`, optional
`/segment_ids` and `/loss_mask`, and under `/expected` what `ringworld score` must write. The model is written out here, in
plain tensor operations differentiated by autograd, so that nothing is shared with the program under test.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Llama:
    """A configuration, under Hugging Face's names."""

    name: str
    hidden_size: int = 48
    intermediate_size: int = 80
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    num_key_value_heads: int = 4
    head_dim: int = 16
    vocab_size: int = 61
    rms_norm_eps: float = 1e-6
    rope_theta: float = 1e4
    tie_word_embeddings: bool = False
    attention_bias: bool = False
    rope_pairing: str = "half_split"
    has_segments: bool = False
    has_mask: bool = False
    batch: int = 2
    tokens: int = 24

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return every parameter's name and shape."""
        c, f = self.hidden_size, self.intermediate_size
        queries, keys = self.num_attention_heads * self.head_dim, self.num_key_value_heads * self.head_dim
        shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (self.vocab_size, c)}
        for layer in range(self.num_hidden_layers):
            at = f"model.layers.{layer}."
            shapes[at + "input_layernorm.weight"] = (c,)
            for projection, rows in (("q", queries), ("k", keys), ("v", keys)):
                shapes[f"{at}self_attn.{projection}_proj.weight"] = (rows, c)
                if self.attention_bias:
                    shapes[f"{at}self_attn.{projection}_proj.bias"] = (rows,)
            shapes[at + "self_attn.o_proj.weight"] = (c, queries)
            shapes[at + "post_attention_layernorm.weight"] = (c,)
            shapes[at + "mlp.gate_proj.weight"] = (f, c)
            shapes[at + "mlp.up_proj.weight"] = (f, c)
            shapes[at + "mlp.down_proj.weight"] = (c, f)
        shapes["model.norm.weight"] = (c,)
        if not self.tie_word_embeddings:
            shapes["lm_head.weight"] = (self.vocab_size, c)
        return shapes


CASES = (
    Llama("llama_multi_head_interleaved", rope_pairing="interleaved"),
    Llama("llama_grouped_bias_documents", num_key_value_heads=2, attention_bias=True, has_segments=True, has_mask=True),
    Llama("llama_tied_half_split", num_key_value_heads=1, attention_bias=True, tie_word_embeddings=True, has_mask=True),
)


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """Normalise the last index."""
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * weight


def rotate(x: Tensor, config: Llama) -> Tensor:
    """Rotary embedding of (B, T, H, D)."""
    half = config.head_dim // 2
    frequency = config.rope_theta ** (-torch.arange(half, dtype=x.dtype) * 2 / config.head_dim)
    angle = torch.arange(x.shape[1], dtype=x.dtype)[:, None] * frequency
    cosine, sine = angle.cos()[:, None], angle.sin()[:, None]
    if config.rope_pairing == "interleaved":
        a, b = x[..., 0::2], x[..., 1::2]
        return torch.stack((a * cosine - b * sine, a * sine + b * cosine), -1).flatten(-2)
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * cosine - b * sine, a * sine + b * cosine), -1)


def attention(q: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> Tensor:
    """(B, T, H, D) queries, (B, T, Hkv, D) keys and values, (B, T, T) visibility."""
    group = q.shape[2] // k.shape[2]
    k, v = k.repeat_interleave(group, 2), v.repeat_interleave(group, 2)
    scores = torch.einsum("bihd,bjhd->bhij", q, k) / q.shape[-1] ** 0.5
    weights = scores.masked_fill(~visible[:, None], float("-inf")).softmax(-1)
    return torch.einsum("bhij,bjhd->bihd", weights, v)


def logits_of(config: Llama, p: dict[str, Tensor], tokens: Tensor, visible: Tensor) -> Tensor:
    """(B, T, V)."""
    x = p["model.embed_tokens.weight"][tokens]
    batch, count = tokens.shape
    for layer in range(config.num_hidden_layers):
        at = f"model.layers.{layer}."
        n = rms_norm(x, p[at + "input_layernorm.weight"], config.rms_norm_eps)
        heads = []
        for projection in ("q", "k", "v"):
            y = n @ p[f"{at}self_attn.{projection}_proj.weight"].T
            if config.attention_bias:
                y = y + p[f"{at}self_attn.{projection}_proj.bias"]
            heads.append(y.view(batch, count, -1, config.head_dim))
        q, k, v = heads
        out = attention(rotate(q, config), rotate(k, config), v, visible).flatten(2)
        x = x + out @ p[at + "self_attn.o_proj.weight"].T
        n = rms_norm(x, p[at + "post_attention_layernorm.weight"], config.rms_norm_eps)
        inner = torch.nn.functional.silu(n @ p[at + "mlp.gate_proj.weight"].T) * (n @ p[at + "mlp.up_proj.weight"].T)
        x = x + inner @ p[at + "mlp.down_proj.weight"].T
    x = rms_norm(x, p["model.norm.weight"], config.rms_norm_eps)
    head = p["model.embed_tokens.weight" if config.tie_word_embeddings else "lm_head.weight"]
    return x @ head.T


def write_case(config: Llama, path: Path) -> None:
    """Draw a case, differentiate it, write all of it."""
    generator = np.random.default_rng(20240213)
    p: dict[str, Tensor] = {}
    for name, shape in config.shapes().items():
        values = generator.normal(0, 1, shape) * (0.3 if len(shape) == 1 else shape[-1] ** -0.5)
        values += 1.0 if "norm" in name else 0.0
        # What the program reads is float32: both sides start from the same numbers.
        p[name] = torch.tensor(values.astype(np.float32).astype(np.float64), requires_grad=True)
    shape = (config.batch, config.tokens)
    tokens = torch.tensor(generator.integers(0, config.vocab_size, shape))
    segments = np.sort(generator.integers(0, 3, shape), 1) if config.has_segments else np.zeros(shape, dtype=np.int64)
    mask = generator.integers(0, 2, shape).astype(np.float64) if config.has_mask else np.ones(shape)
    causal = torch.ones(config.tokens, config.tokens, dtype=torch.bool).tril()
    documents = torch.tensor(segments)
    logits = logits_of(config, p, tokens, causal & (documents[:, :, None] == documents[:, None, :]))
    nll = -logits[:, :-1].log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]
    weights = torch.tensor(mask[:, 1:])
    ((nll * weights).sum() / weights.sum()).backward()

    with h5py.File(path, "w", libver="earliest") as file:
        for key in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
                    "head_dim", "vocab_size", "rms_norm_eps", "rope_theta", "tie_word_embeddings", "attention_bias",
                    "rope_pairing"):
            file.attrs[key] = getattr(config, key)
        for name, value in p.items():
            file[name] = value.detach().numpy().astype(np.float32)
            assert value.grad is not None
            file[f"expected/gradients/{name}"] = value.grad.numpy().astype(np.float32)
        file["tokens"] = tokens.numpy().astype(np.int32)
        if config.has_segments:
            file["segment_ids"] = segments.astype(np.int32)
        if config.has_mask:
            file["loss_mask"] = mask.astype(np.float32)
        file["expected/logits"] = logits.detach().numpy().astype(np.float32)
        file["expected/nll"] = nll.detach().numpy().astype(np.float32)


def main() -> None:
    """Write every case."""
    for config in CASES:
        path = HERE / f"{config.name}.h5"
        write_case(config, path)
        print(path)


if __name__ == "__main__":
    main()
