#!/usr/bin/env python3
"""Makes tests/golden/architectures: tiny models of every architecture and scaling of RoPE that is read, with the logits
that transformers computes, far past the native length.

    python tests/golden/make_architecture_golden.py

Needs torch, transformers, gguf, h5py. `models.h5` holds

    /tokens                    (1, 48)
    /weights/<set>/<name>      float16 numbers, which models share
    /models/<name>             attributes `config`, a config.json, and `weights`, the name of a set; datasets `logits` and,
                               of some, `gradients/<name>`

and beside it lie GGUF files of some of these models, <name>.gguf, as convert_hf_to_gguf.py writes them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

import gguf

FOLDER = Path(__file__).resolve().parent / "architectures"
TOKENS, NATIVE, THETA = 48, 16, 100.0
SIZES: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 53, "hidden_act": "silu", "rms_norm_eps": 1e-6,
    "rope_theta": THETA, "max_position_embeddings": NATIVE, "tie_word_embeddings": False, "torch_dtype": "float32",
}  # fmt: skip
LLAMA3: dict[str, Any] = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": NATIVE}  # fmt: skip
YARN: dict[str, Any] = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": NATIVE}
PAIR_FACTORS = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0]
FAMILIES = {"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"}

# Name, model_type, what its config.json says besides the sizes.
MODELS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("llama", "llama", {}),
    ("llama_linear", "llama", {"rope_scaling": {"type": "linear", "factor": 4.0}}),
    ("llama_dynamic", "llama", {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}),
    ("llama_dynamic_short", "llama", {"max_position_embeddings": TOKENS,
                                      "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}),
    ("llama_llama3", "llama", {"rope_scaling": LLAMA3, "max_position_embeddings": 8 * NATIVE}),
    ("llama_yarn", "llama", {"rope_scaling": YARN, "max_position_embeddings": 4 * NATIVE}),
    ("llama_pairs", "llama", {"rope_scaling": {
        "rope_type": "longrope", "short_factor": PAIR_FACTORS, "long_factor": PAIR_FACTORS, "factor": 1.0,
        "attention_factor": 1.0, "original_max_position_embeddings": NATIVE}}),
    ("mistral_window", "mistral", {"sliding_window": TOKENS}),
    ("qwen2_yarn", "qwen2", {"rope_scaling": YARN, "max_position_embeddings": 4 * NATIVE}),
    ("qwen2_window", "qwen2", {"use_sliding_window": True, "sliding_window": TOKENS, "max_window_layers": 1}),
    ("qwen3", "qwen3", {"attention_bias": False}),
    ("qwen3_yarn", "qwen3", {"rope_scaling": {**YARN, "attention_factor": 1.3}, "max_position_embeddings": 4 * NATIVE}),
)  # fmt: skip
WITH_GRADIENTS = ("qwen3",)
WEIGHTS_OF = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}


def make_model(model_type: str, changes: dict[str, Any], weights: dict[str, torch.Tensor] | None) -> PreTrainedModel:
    """A model with these weights, or with random ones that are exact in float16."""
    keys = {**SIZES, **changes}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(model_type, **keys), attn_implementation="eager")
    if weights is None:
        generator = torch.Generator().manual_seed(len(model_type) + ord(model_type[-1]))
        weights = {}
        for name, values in model.state_dict().items():
            drawn = torch.randn(values.shape, generator=generator)
            drawn = drawn * values.shape[-1] ** -0.5 if drawn.dim() == 2 else drawn * 0.3 + ("norm" in name)
            weights[name] = drawn.half().float()
    model.load_state_dict(weights)
    return model.eval()


def logits_of(model: PreTrainedModel, tokens: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return model(tokens).logits.numpy()


def gradients_of(model: PreTrainedModel, tokens: torch.Tensor) -> dict[str, np.ndarray]:
    model(tokens, labels=tokens).loss.backward()
    return {name: values.grad.numpy() for name, values in model.named_parameters()}


def permuted(values: np.ndarray, heads: int) -> np.ndarray:
    """As convert_hf_to_gguf.py reorders the rows of a Llama's queries and keys."""
    return values.reshape(heads, 2, values.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(values.shape)


def llama3_factors() -> np.ndarray:
    """As convert_hf_to_gguf.py writes rope_freqs.weight of a Llama 3.1."""
    factors = []
    for frequency in 1.0 / THETA ** (np.arange(0, SIZES["head_dim"], 2, dtype=np.float32) / SIZES["head_dim"]):
        wavelength = 2 * np.pi / frequency
        if wavelength < NATIVE / LLAMA3["high_freq_factor"]:
            factors.append(1.0)
        elif wavelength > NATIVE / LLAMA3["low_freq_factor"]:
            factors.append(LLAMA3["factor"])
        else:
            smooth = (NATIVE / wavelength - LLAMA3["low_freq_factor"]) / (
                LLAMA3["high_freq_factor"] - LLAMA3["low_freq_factor"])  # fmt: skip
            factors.append(1 / ((1 - smooth) / LLAMA3["factor"] + smooth))
    return np.array(factors, dtype=np.float32)


GGUF_NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip


def gguf_name(name: str) -> str:
    module, kind = name.rsplit(".", 1)
    if not module.startswith("model.layers."):
        return f"{GGUF_NAMES[module]}.{kind}"
    _, _, layer, rest = module.split(".", 3)
    return f"blk.{layer}.{GGUF_NAMES[rest]}.{kind}"


def write_gguf(name: str, architecture: str, changes: dict[str, Any], weights: dict[str, np.ndarray]) -> None:
    writer = gguf.GGUFWriter(FOLDER / f"{name}.gguf", architecture)
    writer.add_context_length(changes.get("max_position_embeddings", NATIVE))
    writer.add_embedding_length(SIZES["hidden_size"])
    writer.add_feed_forward_length(SIZES["intermediate_size"])
    writer.add_block_count(SIZES["num_hidden_layers"])
    writer.add_head_count(SIZES["num_attention_heads"])
    writer.add_head_count_kv(SIZES["num_key_value_heads"])
    writer.add_key_length(SIZES["head_dim"])
    writer.add_value_length(SIZES["head_dim"])
    writer.add_layer_norm_rms_eps(SIZES["rms_norm_eps"])
    writer.add_rope_freq_base(THETA)
    writer.add_rope_dimension_count(SIZES["head_dim"])
    scaling = changes.get("rope_scaling", {})
    if scaling.get("rope_type") == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(scaling["factor"])
        writer.add_rope_scaling_orig_ctx_len(NATIVE)
        if "attention_factor" in scaling:  # llama.cpp multiplies yarn's own factor by this one
            own = 0.1 * np.log(scaling["factor"]) + 1
            writer.add_rope_scaling_yarn_attn_factor(scaling["attention_factor"] / own)
            writer.add_rope_scaling_yarn_beta_fast(32.0)
            writer.add_rope_scaling_yarn_beta_slow(1.0)
            writer.add_rope_scaling_yarn_ext_factor(1.0)
    if scaling.get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors())
    heads = {"q_proj": SIZES["num_attention_heads"], "k_proj": SIZES["num_key_value_heads"]}
    for key, values in weights.items():
        projection = key.split(".")[-2]
        if architecture == "llama" and projection in heads:
            values = permuted(values, heads[projection])
        writer.add_tensor(gguf_name(key), values.astype(np.float32 if values.ndim == 1 else np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    tokens = torch.randint(SIZES["vocab_size"], (1, TOKENS), generator=torch.Generator().manual_seed(16))
    sets: dict[str, dict[str, torch.Tensor]] = {}
    with h5py.File(FOLDER / "models.h5", "w", libver="earliest") as file:
        file["tokens"] = tokens.numpy().astype(np.int32)
        for name, model_type, changes in MODELS:
            weights_name = WEIGHTS_OF[model_type]
            model = make_model(model_type, changes, sets.get(weights_name))
            if weights_name not in sets:
                sets[weights_name] = {key: values.clone() for key, values in model.state_dict().items()}
                for key, values in sets[weights_name].items():
                    file[f"weights/{weights_name}/{key}"] = values.numpy().astype(np.float16)
            group = file.create_group(f"models/{name}")
            program = f"{FAMILIES[model_type]}ForCausalLM"
            group.attrs["config"] = json.dumps(
                {"architectures": [program], "model_type": model_type, **SIZES, **changes})  # fmt: skip
            group.attrs["weights"] = weights_name
            group["logits"] = logits_of(model, tokens)
            if name in WITH_GRADIENTS:
                for key, values in gradients_of(model, tokens).items():
                    group[f"gradients/{key}"] = values
            if name in ("llama_llama3", "qwen2_yarn", "qwen3", "qwen3_yarn"):
                numbers = {key: values.numpy() for key, values in sets[weights_name].items()}
                write_gguf(name, model_type, changes, numbers)


if __name__ == "__main__":
    main()
