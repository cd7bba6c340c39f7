"""Weights of other programs: safetensors and Hugging Face folders score as our checkpoint, or are refused in a line."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import launch
from safetensors_file import Tensors, safetensors

GOLDEN = launch.REPOSITORY / "tests" / "golden" / "llama_tied_half_split.h5"
INTERLEAVED = GOLDEN.with_name("llama_multi_head_interleaved.h5")
TIMEOUT = 60

def golden_tensors(dtype: str = "F32", golden: Path = GOLDEN) -> Tensors:
    with h5py.File(golden) as file:
        found = {name: file[name][()] for name in file if "." in name}
    return {name: (dtype, stored(values, dtype)) for name, values in found.items()}


def stored(values: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "BF16":  # cut off: what is compared against is cut off in the same way
        return (values.astype("<f4").view("<u4") >> 16).astype("<u2")
    return values.astype({"F32": "<f4", "F64": "<f8", "F16": "<f2"}[dtype])


def restored(values: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "BF16":
        return (values.astype("<u4") << 16).view("<f4")
    return values.astype("<f4")


def configuration(golden: Path) -> dict[str, Any]:
    with h5py.File(golden) as file:
        found = {name: value.item() if hasattr(value, "item") else value for name, value in file.attrs.items()}
    if found["rope_pairing"] == "half_split":  # what Hugging Face's programs do, and their files do not say
        del found["rope_pairing"]
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", **found}


def folder(path: Path, tensors: Tensors, golden: Path = GOLDEN, **changes: Any) -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps(configuration(golden) | changes))
    (path / "model.safetensors").write_bytes(safetensors(tensors))
    return path


def split(path: Path, tensors: Tensors, parts: int = 3) -> None:
    """Write the weights of a folder as shards and an index."""
    names = sorted(tensors)
    weight_map = {name: f"model-{index % parts + 1:05}-of-{parts:05}.safetensors" for index, name in enumerate(names)}
    for shard in set(weight_map.values()):
        held = {name: tensors[name] for name in names if weight_map[name] == shard}
        (path / shard).write_bytes(safetensors(held))
    (path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    (path / "model.safetensors").unlink()


def score(weights: Path, output: Path, *flags: launch.Argument, ranks: int | None = None) -> launch.Finished:
    return launch.run(ranks, "score", "--checkpoint", weights, "--input", INTERLEAVED, "--output", output, *flags,
                      timeout=TIMEOUT)  # fmt: skip


def nll_of(weights: Path, output: Path, *flags: launch.Argument, ranks: int | None = None) -> np.ndarray:
    finished = score(weights, output, *flags, ranks=ranks)
    assert finished.code == 0, str(finished)
    with h5py.File(output) as file:
        return np.asarray(file["nll"][()])


@pytest.mark.parametrize(
    ("golden", "ranks", "mesh"),
    [(GOLDEN, None, "1,1,1,1"), (GOLDEN, 3, "1,3,1,1"), (INTERLEAVED, 2, "1,1,2,1"), (INTERLEAVED, 2, "1,2,1,1")],
)
def test_every_form_scores_as_our_checkpoint(tmp_path: Path, golden: Path, ranks: int | None, mesh: str) -> None:
    tensors = golden_tensors(golden=golden)
    whole = folder(tmp_path / "whole", tensors, golden)
    shards = folder(tmp_path / "shards", tensors, golden)
    split(shards, tensors)
    expected = nll_of(golden, tmp_path / "golden.h5", "--mesh", mesh, ranks=ranks)
    forms = (whole, whole / "model.safetensors", shards, shards / "model.safetensors.index.json")
    for number, weights in enumerate(forms):
        found = nll_of(weights, tmp_path / f"{number}.h5", "--mesh", mesh, ranks=ranks)
        assert np.array_equal(found, expected), weights


@pytest.mark.parametrize("dtype", ["F64", "F16", "BF16"])
def test_numbers_of_every_size_are_read(tmp_path: Path, dtype: str) -> None:
    tensors = golden_tensors(dtype)
    rounded = {name: ("F32", restored(values, dtype)) for name, (_, values) in tensors.items()}
    expected = nll_of(folder(tmp_path / "rounded", rounded), tmp_path / "expected.h5")
    assert np.array_equal(nll_of(folder(tmp_path / "short", tensors), tmp_path / "out.h5"), expected)


def test_half_of_every_kind_is_exact(tmp_path: Path) -> None:
    special = np.array([0.0, -0.0, 6e-8, 5.9e-5, 6.1e-5, -1.0, 65504.0], dtype="<f2")
    tensors = golden_tensors("F16")
    name = "model.norm.weight"
    values = np.resize(special, tensors[name][1].shape)
    halves, singles = (
        tensors | {name: (dtype, values.astype(kind))} for dtype, kind in (("F16", "<f2"), ("F32", "<f4"))
    )
    expected = nll_of(folder(tmp_path / "singles", singles), tmp_path / "expected.h5")
    assert np.array_equal(nll_of(folder(tmp_path / "halves", halves), tmp_path / "out.h5"), expected)


def change_header(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


NORM = "model.norm.weight"
DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (cut, "it is truncated: tensor"),
    "empty": (lambda path: path.write_bytes(b""), "it has 0 bytes, too few for a safetensors file"),
    "nonsense length": (lambda path: path.write_bytes(b"\xff" * 4096), "it is no safetensors file"),
    "no JSON": (lambda path: path.write_bytes(struct.pack("<Q", 4) + b"nope"), "its header is not JSON"),
    "unknown dtype": (lambda path: change_header(path, lambda h: h[NORM].update(dtype="F12")), "unknown dtype 'F12'"),
    "integers": (lambda path: change_header(path, lambda h: h[NORM].update(dtype="I32")), "holds I32, where F16"),
    "a shape that does not fit": (
        lambda path: change_header(path, lambda h: h[NORM].update(shape=[3])), f"tensor '{NORM}' of F32 (3)"),
    "another name": (
        lambda path: change_header(path, lambda h: h.update({"other.weight": h.pop(NORM)})), f"no tensor '{NORM}'"),
    "overlap": (
        lambda path: change_header(path, lambda h: h.update(copy=h[NORM])), "overlaps the one before it"),
}  # fmt: skip


@pytest.mark.parametrize("ranks", [None, 2])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, damage: str, ranks: int | None) -> None:
    weights = folder(tmp_path / "model", golden_tensors())
    harm, says = DAMAGE[damage]
    harm(weights / "model.safetensors")
    refused(score(weights, tmp_path / "out.h5", ranks=ranks), says)


@pytest.mark.parametrize("name", ["pipe", "pipe.gguf", "pipe.safetensors", "pipe.h5"])
def test_a_pipe_is_refused_at_once(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    refused(score(tmp_path / name, tmp_path / "out.h5"), "it is not a file")


def refused(finished: launch.Finished, *says: str) -> None:
    assert finished.code == 2, str(finished)
    assert len(finished.errors) == 1, str(finished)
    for words in says:
        assert words in finished.errors[0], str(finished)


def test_shards_have_to_be_what_the_index_says(tmp_path: Path) -> None:
    weights = folder(tmp_path / "model", golden_tensors())
    split(weights, golden_tensors())
    index = weights / "model.safetensors.index.json"
    whole = json.loads(index.read_text())
    first = whole["weight_map"][NORM]
    other = next(shard for shard in whole["weight_map"].values() if shard != first)

    def with_map(**changes: str | None) -> launch.Finished:
        changed = {name: shard for name, shard in (whole["weight_map"] | changes).items() if shard is not None}
        index.write_text(json.dumps({"weight_map": changed}))
        return score(weights, tmp_path / "out.h5")

    refused(with_map(**{NORM: other}), f"'{other}' has no tensor '{NORM}'")
    refused(with_map(**{NORM: None}), f"it does not name tensor '{NORM}' of '{first}'")
    refused(with_map(**{NORM: "../elsewhere.safetensors"}), "which is no name of a file beside it")
    refused(with_map(**{NORM: "none.safetensors"}), "none.safetensors", "there is no such file")
    index.write_text("{}")
    refused(score(weights, tmp_path / "out.h5"), "it has no weight_map")
    index.write_text(json.dumps(whole))
    (weights / other).write_bytes(safetensors(golden_tensors()))
    refused(score(weights, tmp_path / "out.h5"), "is in", "too")
    cut(weights / first)
    refused(score(weights, tmp_path / "out.h5"), first, "it is truncated")


def test_a_configuration_that_asks_for_something_else_is_refused(tmp_path: Path) -> None:
    for number, (key, value) in enumerate(
        [("hidden_act", "gelu"), ("rope_scaling", {"rope_type": "su", "factor": 4.0}), ("sliding_window", 23),
         ("model_type", "gpt2"), ("num_hidden_layers", 3), ("mlp_bias", True)]
    ):  # fmt: skip
        weights = folder(tmp_path / str(number), golden_tensors(), GOLDEN, **{key: value})
        refused(score(weights, tmp_path / "out.h5"), key)


def test_a_folder_has_to_be_whole(tmp_path: Path) -> None:
    weights = folder(tmp_path / "model", golden_tensors())
    (weights / "config.json").rename(tmp_path / "config.json")
    refused(score(weights, tmp_path / "out.h5"), "the folder has no config.json")
    refused(score(weights / "model.safetensors", tmp_path / "out.h5"), "has no attribute 'hidden_size'")
    (tmp_path / "config.json").rename(weights / "config.json")
    (weights / "model.safetensors").unlink()
    refused(score(weights, tmp_path / "out.h5"), "neither model.safetensors nor model.safetensors.index.json")
    (weights / "config.json").write_text('{"hidden_size": 1, "hidden_size": 2}')
    (weights / "model.safetensors").write_bytes(safetensors(golden_tensors()))
    refused(score(weights, tmp_path / "out.h5"), "config.json", "has 'hidden_size' twice")


def test_a_model_is_asked_with_the_tokenizer_beside_it(tmp_path: Path) -> None:
    weights = folder(tmp_path / "model", golden_tensors(), max_position_embeddings=64)
    finished = launch.run(None, "generate", "--checkpoint", weights, "--prompt", "a", timeout=TIMEOUT)
    refused(finished, "holds no tokenizer", "tokenizer.model")


SCALED = {"factor": 4.0, "original_max_position_embeddings": 16}


@pytest.mark.parametrize(
    "scaling",
    [{"rope_type": "linear", "factor": 4.0}, {"rope_type": "yarn", **SCALED},
     {"type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0, **SCALED}],
)  # fmt: skip
def test_a_scaled_rope_is_honoured_wherever_it_is_written(tmp_path: Path, scaling: dict[str, Any]) -> None:
    plain = nll_of(folder(tmp_path / "plain", golden_tensors()), tmp_path / "out.h5")
    weights = folder(tmp_path / "old", golden_tensors(), rope_scaling=scaling, max_position_embeddings=64)
    expected = nll_of(weights, tmp_path / "out.h5")
    assert not np.allclose(expected, plain)
    theta = configuration(GOLDEN)["rope_theta"]
    newer = folder(tmp_path / "new", golden_tensors(), rope_parameters={**scaling, "rope_theta": theta},
                   max_position_embeddings=64)  # fmt: skip
    assert np.allclose(nll_of(newer, tmp_path / "out.h5", ranks=3), expected, rtol=1e-5)
    for output in ("copy.h5", "copy"):
        assert np.array_equal(nll_of(convert(weights, tmp_path / output), tmp_path / "out.h5"), expected)


UNLIKE = {"rope_type": "longrope", "short_factor": [1.0] * 8, "long_factor": [2.0] * 8, "attention_factor": 1.0}


@pytest.mark.parametrize("scaling", [{"rope_type": "longrope"}, UNLIKE,
                                     {"rope_type": "yarn", "mscale": 2.0, **SCALED}, {"factor": 2.0}])  # fmt: skip
def test_a_scaling_that_the_model_does_not_do_is_refused(tmp_path: Path, scaling: dict[str, Any]) -> None:
    weights = folder(tmp_path / "model", golden_tensors(), rope_scaling=scaling, max_position_embeddings=64)
    refused(score(weights, tmp_path / "out.h5"), "rope_scaling", "yarn")


def convert(weights: Path, output: Path, *flags: launch.Argument, ranks: int | None = None) -> Path:
    finished = launch.run(ranks, "convert", "--checkpoint", weights, "--output", output, *flags, timeout=TIMEOUT)
    assert finished.code == 0, str(finished)
    return output


@pytest.mark.parametrize("golden", [GOLDEN, INTERLEAVED])
def test_every_format_becomes_every_other_and_scores_the_same_bits(tmp_path: Path, golden: Path) -> None:
    def nll(weights: Path) -> np.ndarray:
        return nll_of(weights, tmp_path / "out.h5")

    weights = folder(tmp_path / "model", golden_tensors(golden=golden), golden, max_position_embeddings=64)
    (weights / "tokenizer.json").write_text("{}")
    expected = nll(weights)
    exported = convert(weights, tmp_path / "exported", ranks=2)
    assert (exported / "tokenizer.json").read_text() == "{}"
    assert np.array_equal(nll(exported), expected) or golden == INTERLEAVED
    assert np.allclose(nll(exported), expected, rtol=1e-6)
    for ranks in (None, 3):
        stored_here = convert(exported, tmp_path / "copy.h5", ranks=ranks)
        assert np.array_equal(nll(stored_here), nll(exported))
    assert np.array_equal(nll(convert(stored_here, tmp_path / "back")), nll(exported))
    keys = json.loads((exported / "config.json").read_text())
    family = "Qwen2" if configuration(golden)["attention_bias"] else "Llama"
    assert keys["architectures"] == [f"{family}ForCausalLM"] and "rope_pairing" not in keys


def test_bfloat16_is_written_rounded_to_the_nearest(tmp_path: Path) -> None:
    weights = folder(tmp_path / "model", golden_tensors(), max_position_embeddings=64)
    exported = convert(weights, tmp_path / "half", "--dtype", "bfloat16")
    content = (exported / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    assert (8 + length) % 8 == 0
    for name, (_, values) in golden_tensors().items():
        assert header[name]["dtype"] == "BF16" and header[name]["shape"] == list(values.shape)
        begin, end = (8 + length + offset for offset in header[name]["data_offsets"])
        found = restored(np.frombuffer(content[begin:end], "<u2"), "BF16")
        assert np.all(np.abs(found - values.ravel()) <= np.abs(values.ravel()) * 2.0**-8)


def test_what_convert_cannot_write_is_refused(tmp_path: Path) -> None:
    weights = folder(tmp_path / "model", golden_tensors(), max_position_embeddings=64)
    flags: list[launch.Argument] = ["convert", "--checkpoint", weights]
    refused(launch.run(None, *flags, timeout=TIMEOUT), "--output is missing")
    refused(launch.run(None, *flags, "--output", tmp_path / "a.h5", "--dtype", "bfloat16", timeout=TIMEOUT), "float32")
    (tmp_path / "file").write_text("")
    refused(launch.run(2, *flags, "--output", tmp_path / "file" / "folder", timeout=TIMEOUT), "cannot make the folder")
    refused(launch.run(None, *flags, "--output", weights, timeout=TIMEOUT), "--checkpoint", "--output")


def test_weights_that_an_index_would_hide_are_not_written(tmp_path: Path) -> None:
    weights = folder(tmp_path / "model", golden_tensors(), max_position_embeddings=64)
    sharded = tmp_path / "sharded"
    sharded.mkdir()
    index = sharded / "model.safetensors.index.json"
    index.write_text("{}")
    result = launch.run(2, "convert", "--checkpoint", weights, "--output", sharded, timeout=TIMEOUT)
    refused(result, "--output", str(index), "another folder")
    assert list(sharded.iterdir()) == [index]
