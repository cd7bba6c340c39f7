"""Every architecture and scaling of RoPE that is read, against the logits that transformers computed far past the native
length: tests/golden/make_architecture_golden.py made them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import launch
from llama_oracle import Config, draw_parameters, logits, parameter_shapes
from safetensors_file import safetensors, write_holes

GOLDEN = launch.REPOSITORY / "tests" / "golden" / "architectures"
TIMEOUT = 60
BOUND = 1e-5  # of the normalised RMS: both sides compute in float32

with h5py.File(GOLDEN / "models.h5") as models:
    MODELS = tuple(models["models"])
    TOKENS = models["tokens"].shape[1]
GGUF_FILES = tuple(sorted(path.stem for path in GOLDEN.glob("*.gguf")))


def write_folder(path: Path, name: str, **changes: Any) -> Path:
    """Write a model as its authors would publish it."""
    path.mkdir()
    with h5py.File(GOLDEN / "models.h5") as file:
        model = file["models"][name]
        (path / "config.json").write_text(json.dumps(json.loads(model.attrs["config"]) | changes))
        weights = file["weights"][model.attrs["weights"]]
        tensors = {key: ("F16", values[()].astype("<f2")) for key, values in weights.items()}
    (path / "model.safetensors").write_bytes(safetensors(tensors))
    return path


def score(weights: Path, output: Path, *flags: launch.Argument, ranks: int | None = None) -> launch.Finished:
    return launch.run(ranks, "score", "--checkpoint", weights, "--input", GOLDEN / "models.h5", "--output", output,
                      "--logits", "true", *flags, timeout=TIMEOUT)  # fmt: skip


def logits_of(weights: Path, *flags: launch.Argument, ranks: int | None = None) -> np.ndarray:
    output = weights.parent / "scored.h5"
    finished = score(weights, output, *flags, ranks=ranks)
    assert finished.code == 0 and not finished.errors, str(finished)
    with h5py.File(output) as file:
        return np.asarray(file["logits"][()])


def expected_of(name: str) -> np.ndarray:
    with h5py.File(GOLDEN / "models.h5") as file:
        return np.asarray(file["models"][name]["logits"][()])


def error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2)))


def refused(finished: launch.Finished, *says: str) -> None:
    assert finished.code == 2 and len(finished.errors) == 1, str(finished)
    for words in says:
        assert words in finished.errors[0], str(finished)


@pytest.mark.parametrize("name", MODELS)
def test_logits_are_those_of_transformers(tmp_path: Path, name: str) -> None:
    assert error(logits_of(write_folder(tmp_path / "model", name)), expected_of(name)) <= BOUND


def test_models_differ_by_what_their_configurations_ask_for() -> None:
    """A scaling that was ignored could not pass: no two models of one set of weights compute the same."""
    alike = {"llama_dynamic_short", "mistral_window", "llama"}
    of_llama = [name for name in MODELS if name.startswith("llama") and name not in alike]
    assert len(of_llama) >= 5
    for index, name in enumerate(of_llama):
        for other in [*of_llama[:index], "llama"]:
            assert error(expected_of(name), expected_of(other)) > 1000 * BOUND, (name, other)
    assert error(expected_of("qwen3"), expected_of("qwen3_yarn")) > 1000 * BOUND


@pytest.mark.parametrize("name", GGUF_FILES)
def test_a_gguf_file_computes_the_same(tmp_path: Path, name: str) -> None:
    weights = tmp_path / f"{name}.gguf"
    weights.write_bytes((GOLDEN / weights.name).read_bytes())
    assert error(logits_of(weights), expected_of(name)) <= BOUND


def test_normalised_heads_are_shared_by_ranks(tmp_path: Path) -> None:
    """Query heads, key heads and tokens lie on different ranks, and the gradients of the norms add up."""
    weights = write_folder(tmp_path / "model", "qwen3")
    output = tmp_path / "out.h5"
    for mesh in ("1,1,2,1", "1,1,1,2"):
        finished = score(weights, output, "--gradients", "true", "--mesh", mesh, ranks=2)
        assert finished.code == 0, str(finished)
        with h5py.File(output) as file, h5py.File(GOLDEN / "models.h5") as golden:
            expected = golden["models/qwen3/gradients"]
            assert set(expected) == set(file["gradients"])
            for name, values in expected.items():
                assert error(file["gradients"][name][()], values[()]) <= BOUND, (mesh, name)


def convert(weights: Path, output: Path) -> Path:
    finished = launch.run(None, "convert", "--checkpoint", weights, "--output", output, timeout=TIMEOUT)
    assert finished.code == 0, str(finished)
    return output


@pytest.mark.parametrize("name", ["qwen3_yarn", "llama_dynamic", "mistral_window", "qwen2_window", "llama_pairs"])
def test_every_key_survives_convert(tmp_path: Path, name: str) -> None:
    weights = write_folder(tmp_path / "model", name)
    expected = logits_of(weights)
    checkpoint = convert(weights, tmp_path / "model.h5")
    folder = convert(checkpoint, tmp_path / "again")
    assert np.array_equal(logits_of(folder), expected)
    before, after = (json.loads((path / "config.json").read_text()) for path in (weights, folder))
    for key in ("architectures", "model_type", "sliding_window", "use_sliding_window"):
        assert after.get(key) == before.get(key), key


def test_factors_of_pairs_survive_convert(tmp_path: Path) -> None:
    weights = GOLDEN / "llama_llama3.gguf"
    folder = convert(weights, tmp_path / "folder")
    assert error(logits_of(folder), expected_of("llama_llama3")) <= BOUND
    scaling = json.loads((folder / "config.json").read_text())["rope_scaling"]
    assert scaling["rope_type"] == "longrope" and scaling["short_factor"] == scaling["long_factor"]


@pytest.mark.parametrize("ranks", [None, 2])
def test_a_sequence_longer_than_the_window_is_refused(tmp_path: Path, ranks: int | None) -> None:
    weights = write_folder(tmp_path / "model", "mistral_window", sliding_window=TOKENS - 1)
    refused(score(weights, tmp_path / "out.h5", ranks=ranks), "sliding_window", f"give at most {TOKENS - 1}")


def test_a_window_that_is_off_is_none(tmp_path: Path) -> None:
    """Qwen's window is off unless a key says otherwise; Mistral's is 4096 tokens unless a key says otherwise."""
    plain = logits_of(write_folder(tmp_path / "plain", "llama"))
    no_window = write_folder(tmp_path / "null", "mistral_window", sliding_window=None)
    assert np.array_equal(logits_of(no_window), plain)
    qwen = write_folder(tmp_path / "off", "qwen2_yarn", sliding_window=8)
    assert error(logits_of(qwen), expected_of("qwen2_yarn")) <= BOUND


def test_normalised_heads_are_no_matter_of_chance(tmp_path: Path) -> None:
    says_nothing = write_folder(tmp_path / "nothing", "qwen3", model_type="llama", architectures=["LlamaForCausalLM"])
    refused(score(says_nothing, tmp_path / "out.h5"), "q_norm.weight", "query_key_norm is false")
    asks = write_folder(tmp_path / "asks", "llama", model_type="qwen3")
    refused(score(asks, tmp_path / "out.h5"), "no tensor 'model.layers.0.self_attn.q_norm.weight'")
    other = write_folder(tmp_path / "other", "llama", use_qk_norm=True)
    refused(score(other, tmp_path / "out.h5"), "use_qk_norm", "query_key_norm")


# ---- LWM -------------------------------------------------------------------------------------------------------------

# config.json of LWM-Text-1M, and the configuration that LWM's own programs keep of LWM-Chat-1M, but for the sizes.
LWM_TEXT: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu",
    "initializer_range": 0.02, "max_position_embeddings": 1048576, "model_type": "llama", "pretraining_tp": 1,
    "rms_norm_eps": 1e-6, "rope_scaling": None, "rope_theta": 50000000, "tie_word_embeddings": False,
    "torch_dtype": "float32", "use_cache": True, "vocab_size": 32000,
}  # fmt: skip
LWM_CHAT: dict[str, Any] = {
    "architectures": ["FlaxVideoLLaMAForCausalLM"], "model_type": "video_llama", "vocab_size": 32000,
    "vision_vocab_size": 8448, "tie_vision_embeddings": False, "sample_mode": "all", "max_sequence_length": 1048576,
    "theta": 50000000, "rms_norm_eps": 1e-6, "initializer_range": 0.02, "use_cache": True, "resid_pdrop": 0.0,
    "embd_pdrop": 0.0, "attn_pdrop": 0.0, "tie_word_embeddings": False, "remat_block": "", "remat_attention": "",
    "remat_mlp": "", "scan_attention": True, "scan_mlp": True, "scan_query_chunk_size": 1024,
    "scan_key_chunk_size": 1024, "scan_mlp_chunk_size": 1024, "scan_layers": True, "param_scan_axis": 0,
    "mesh_dim": None, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
LWM = {
    "text": (LWM_TEXT, Config(hidden_size=16, intermediate_size=24, num_attention_heads=2, num_key_value_heads=2,
                              head_dim=8, vocab_size=32000, rms_norm_eps=1e-6, rope_theta=5e7)),
    "chat": (LWM_CHAT, Config(hidden_size=16, intermediate_size=24, num_attention_heads=2, num_key_value_heads=2,
                              head_dim=8, vocab_size=40448, rms_norm_eps=1e-6, rope_theta=5e7,
                              rope_pairing="interleaved", vocabulary="text:32000,vision:8448")),
}  # fmt: skip


@pytest.mark.parametrize("name", LWM)
def test_lwm_is_read_by_its_own_keys(tmp_path: Path, name: str) -> None:
    keys, model = LWM[name]
    sizes = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    weights = tmp_path / "lwm"
    weights.mkdir()
    (weights / "config.json").write_text(json.dumps(keys | {size: getattr(model, size) for size in sizes}))
    parameters = draw_parameters(model, 16)
    tensors = {key: ("F32", values.astype("<f4")) for key, values in parameters.items()}
    (weights / "model.safetensors").write_bytes(safetensors(tensors))
    tokens = np.random.default_rng(16).integers(0, model.vocab_size, (1, 20)).astype(np.int32)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["tokens"] = tokens
    finished = launch.run(2, "score", "--checkpoint", weights, "--input", tmp_path / "in.h5", "--output",
                          tmp_path / "out.h5", "--logits", "true", timeout=TIMEOUT)  # fmt: skip
    assert finished.code == 0 and "not understood" not in finished.stderr, str(finished)
    with h5py.File(tmp_path / "out.h5") as file:
        assert error(np.asarray(file["logits"][()]), logits(model, parameters, tokens)) <= BOUND


@pytest.mark.parametrize(("name", "parameters"), [("text", 6_738_415_616), ("chat", 6_807_621_632)])
def test_lwm_is_read_in_its_own_size(tmp_path: Path, name: str, parameters: int) -> None:
    """The shapes of all tensors of 7 billion parameters are read and held against the configuration; no number is."""
    keys, tiny = LWM[name]
    sizes: dict[str, Any] = {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
                             "num_attention_heads": 32}  # fmt: skip
    config = replace(tiny, num_key_value_heads=32, head_dim=128, **sizes)
    weights = tmp_path / "lwm"
    weights.mkdir()
    (weights / "config.json").write_text(json.dumps(keys | sizes))
    write_holes(weights / "model.safetensors", parameter_shapes(config))
    (tmp_path / "train.toml").write_text(
        "[[stage]]\ncontext_length = 1048576\nrope_theta = 5e7\nsteps = 1\nbatch = 16\nlearning_rate = 4e-5\n"
        "mesh = '1,-1,4,1'\n")
    finished = launch.run(None, "train", "--config", tmp_path / "train.toml", "--weights", weights, "--dry-run",
                          "--ranks", 64, timeout=TIMEOUT)  # fmt: skip
    assert finished.code == 0, str(finished)
    assert f"{parameters}" in finished.stdout.replace(",", ""), finished.stdout
