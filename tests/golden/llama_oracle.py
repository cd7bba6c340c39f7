"""A Llama-style language model in float64 NumPy, from its equations alone: the oracle of `ringworld score`.

Shapes: tokens (B, S); parameters by Hugging Face name, (out, in).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Config:
    """Hugging Face's names."""

    hidden_size: int = 40
    intermediate_size: int = 24
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 16
    vocab_size: int = 37
    rms_norm_eps: float = 1e-5
    rope_theta: float = 100.0
    tie_word_embeddings: bool = False
    attention_bias: bool = False
    rope_pairing: str = "half_split"
    vocabulary: str = ""
    """Parts of the vocabulary, "text:32000,vision:8448"; empty: all of it is text."""

    def attributes(self) -> dict[str, Any]:
        """Return what a checkpoint carries."""
        carried = {name: value for name, value in self.__dict__.items() if name != "vocabulary" or value}
        return {**carried, "rope_precision": "float64"}

    def parts(self) -> dict[str, range]:
        """Return the ids of each part."""
        found: dict[str, range] = {}
        begin = 0
        for part in (self.vocabulary or f"text:{self.vocab_size}").split(","):
            name, size = part.split(":")
            found[name] = range(begin, begin + int(size))
            begin += int(size)
        return found

    def tables(self, is_head: bool) -> dict[str, int]:
        """Return names and rows of the tables of the embedding, or of the heads."""
        if is_head and not self.tie_word_embeddings:
            names = ["lm_head.weight" if name == "text" else f"{name}_head.weight" for name in self.parts()]
        else:
            names = [f"model.embed_{'tokens' if name == 'text' else name}.weight" for name in self.parts()]
        return dict(zip(names, (len(ids) for ids in self.parts().values())))


def parameter_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Return the shape of every parameter."""
    c, f, d = config.hidden_size, config.intermediate_size, config.head_dim
    q, k = config.num_attention_heads * d, config.num_key_value_heads * d
    shapes: dict[str, tuple[int, ...]] = {name: (rows, c) for name, rows in config.tables(is_head=False).items()}
    for layer in range(config.num_hidden_layers):
        prefix = f"model.layers.{layer}."
        shapes |= {
            prefix + "input_layernorm.weight": (c,),
            prefix + "self_attn.q_proj.weight": (q, c),
            prefix + "self_attn.k_proj.weight": (k, c),
            prefix + "self_attn.v_proj.weight": (k, c),
            prefix + "self_attn.o_proj.weight": (c, q),
            prefix + "post_attention_layernorm.weight": (c,),
            prefix + "mlp.gate_proj.weight": (f, c),
            prefix + "mlp.up_proj.weight": (f, c),
            prefix + "mlp.down_proj.weight": (c, f),
        }
        if config.attention_bias:
            shapes |= {prefix + f"self_attn.{name}_proj.bias": (size,) for name, size in (("q", q), ("k", k), ("v", k))}
    shapes["model.norm.weight"] = (c,)
    if not config.tie_word_embeddings:
        shapes |= {name: (rows, c) for name, rows in config.tables(is_head=True).items()}
    return shapes


def draw_parameters(config: Config, seed: int) -> dict[str, Array]:
    """Return random parameters, exactly representable in float32."""
    rng = np.random.default_rng(seed)
    drawn = {}
    for name, shape in parameter_shapes(config).items():
        values = rng.standard_normal(shape) / np.sqrt(shape[-1] if len(shape) == 2 else 9)
        drawn[name] = (values + (1.0 if name.endswith("norm.weight") else 0.0)).astype(np.float32).astype(np.float64)
    return drawn


def _norm(x: Array, weight: Array, epsilon: float) -> Array:
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon) * weight


def _rotate(x: Array, config: Config) -> Array:
    """x (B, S, H, D)."""
    half = config.head_dim // 2
    frequency = config.rope_theta ** (-2.0 * np.arange(half) / config.head_dim)
    turn = np.exp(1j * np.arange(x.shape[1])[:, None] * frequency)[None, :, None, :]
    if config.rope_pairing == "half_split":
        pairs = (x[..., :half] + 1j * x[..., half:]) * turn
        return np.concatenate([pairs.real, pairs.imag], axis=-1)
    pairs = (x[..., 0::2] + 1j * x[..., 1::2]) * turn
    return np.stack([pairs.real, pairs.imag], axis=-1).reshape(x.shape)


def logits(config: Config, parameters: dict[str, Array], tokens: NDArray[np.int32],
           segments: NDArray[np.int32] | None = None) -> Array:
    """Return the logits, (B, S, V)."""
    batch, length = tokens.shape
    visible = np.tril(np.ones((length, length), dtype=bool))[None]
    if segments is not None:
        visible = visible & (segments[:, :, None] == segments[:, None, :])
    x = np.concatenate([parameters[name] for name in config.tables(is_head=False)])[tokens]
    for layer in range(config.num_hidden_layers):
        prefix = f"model.layers.{layer}."

        def project(name: str, heads: int, y: Array, prefix: str = prefix) -> Array:
            out = y @ parameters[f"{prefix}self_attn.{name}_proj.weight"].T
            if config.attention_bias:
                out = out + parameters[f"{prefix}self_attn.{name}_proj.bias"]
            return out.reshape(batch, length, heads, config.head_dim)

        y = _norm(x, parameters[prefix + "input_layernorm.weight"], config.rms_norm_eps)
        groups = config.num_attention_heads // config.num_key_value_heads
        q = _rotate(project("q", config.num_attention_heads, y), config)
        k = np.repeat(_rotate(project("k", config.num_key_value_heads, y), config), groups, axis=2)
        v = np.repeat(project("v", config.num_key_value_heads, y), groups, axis=2)
        scores = np.einsum("bihd,bjhd->bhij", q, k) / np.sqrt(config.head_dim)
        scores = np.where(visible[:, None], scores, -np.inf)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        out = np.einsum("bhij,bjhd->bihd", weights, v).reshape(batch, length, -1)
        x = x + out @ parameters[prefix + "self_attn.o_proj.weight"].T
        y = _norm(x, parameters[prefix + "post_attention_layernorm.weight"], config.rms_norm_eps)
        gate = y @ parameters[prefix + "mlp.gate_proj.weight"].T
        up = y @ parameters[prefix + "mlp.up_proj.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ parameters[prefix + "mlp.down_proj.weight"].T
    head = np.concatenate([parameters[name] for name in config.tables(is_head=True)])
    return _norm(x, parameters["model.norm.weight"], config.rms_norm_eps) @ head.T


def nll(config: Config, values: Array, tokens: NDArray[np.int32]) -> Array:
    """Return -log p(token t+1 | tokens 0..t), (B, S - 1), among the tokens of the part that holds token t+1."""
    part_of = np.concatenate([np.full(len(ids), index) for index, ids in enumerate(config.parts().values())])
    is_candidate = part_of[None, None, :] == part_of[tokens[:, 1:, None]]
    candidates = np.where(is_candidate, values[:, :-1], -np.inf)
    shifted = candidates - candidates.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=-1))
    return log_sum - np.take_along_axis(shifted, tokens[:, 1:, None].astype(np.int64), axis=-1)[..., 0]
