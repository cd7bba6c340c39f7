"""Checkpoints and tensors of other programs: read as what they say, or refused by the name of what is not understood."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import launch
from needle_checkpoint import write_checkpoint, write_text
from problem import Problem, write_tensors

TIMEOUT = 60
GOLDEN = launch.REPOSITORY / "tests" / "golden"
LAYER = "model.layers.1."


def tensor(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).normal(size=shape).astype(np.float32)


def golden(folder: Path, name: str = "llama_multi_head_interleaved") -> Path:
    """Copy a checkpoint without what else its file holds, and its input."""
    folder.mkdir(exist_ok=True)
    with h5py.File(GOLDEN / f"{name}.h5") as old, h5py.File(folder / "model.h5", "w") as new:
        new.attrs.update(old.attrs)
        for key in old:
            if "." in key:
                new[key] = old[key][()]
        with h5py.File(folder / "in.h5", "w") as given:
            given["tokens"] = old["tokens"][()]
    return folder / "model.h5"


def score(folder: Path, *flags: launch.Argument, ranks: int | None = None, given: str = "in.h5") -> launch.Finished:
    return launch.run(ranks, "score", "--checkpoint", folder / "model.h5", "--input", folder / given, "--output",
                      folder / "out.h5", *flags, timeout=TIMEOUT)  # fmt: skip


def nll(folder: Path) -> np.ndarray:
    with h5py.File(folder / "out.h5") as file:
        return np.asarray(file["nll"][()])


def refused(finished: launch.Finished, *says: str) -> None:
    assert finished.code == 2, str(finished)
    assert len(finished.errors) == 1, str(finished)
    for words in says:
        assert words in finished.errors[0], str(finished)


def warnings(finished: launch.Finished) -> list[str]:
    """Return the warnings of what was read; that ranks share CPUs is the tests' own doing."""
    lines = finished.stderr.splitlines()
    return [line for line in lines if "ringworld: warning" in line and not re.search(r"share \d+ CPU", line)]


# What asks for another model.
FOREIGN: list[tuple[str, Any]] = [
    ("rope_scaling", json.dumps({"rope_type": "llama3", "factor": 8.0})),
    ("rope_parameters", json.dumps({"rope_theta": 5e5, "rope_type": "default"})),
    ("rope_scaling_factor", 4.0),
    ("partial_rotary_factor", 0.5),
    ("hidden_act", np.bytes_("gelu")),
    ("mlp_bias", 1),
    ("sliding_window", "wide"),
    ("use_sliding_window", np.True_),
    ("layer_types", ["full_attention", "sliding_attention"]),
    ("architectures", ["Gemma2ForCausalLM"]),
    ("use_qk_norm", True),
    ("attn_logit_softcapping", 50.0),
    ("final_logit_softcapping", np.array([30.0])),
    ("num_local_experts", 8),
    ("quantization_config", json.dumps({"bits": 4})),
    ("model_type", "gemma"),
    ("num_hidden_layers", 2**40),
    ("num_attention_heads", 3),
    ("head_dim", 32),
    ("rope_theta", "large"),
]


@pytest.mark.parametrize(("name", "value"), FOREIGN, ids=[name for name, _ in FOREIGN])
def test_an_attribute_that_asks_for_another_model_is_refused(name: str, value: Any, tmp_path: Path) -> None:
    with h5py.File(golden(tmp_path), "r+") as file:
        file.attrs[name] = value
    known_by = {"num_hidden_layers": "model.layers.1099511627775", "num_attention_heads": "kv_heads", "head_dim": "shape"}
    refused(score(tmp_path), "model.h5", known_by.get(name, name))


def test_attributes_that_change_nothing_are_accepted_in_silence(tmp_path: Path) -> None:
    golden(tmp_path)
    plain = score(tmp_path)
    assert plain.code == 0 and not warnings(plain), str(plain)
    expected = nll(tmp_path)
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        file.attrs.update({
            "rope_scaling": "null", "rope_parameters": json.dumps({"rope_type": "default", "rope_theta": 10000.0}),
            "partial_rotary_factor": 1.0, "hidden_act": "SiLU", "mlp_bias": np.False_, "use_sliding_window": False,
            "sliding_window": 4096, "layer_types": json.dumps(["full_attention"] * 2), "model_type": "llama", "use_cache": True,
            "architectures": ["LlamaForCausalLM"], "torch_dtype": "bfloat16", "bos_token_id": 1, "attention_dropout": 0.0,
            "_model_name_or_path": "x/y",
            "transformers_version": "4.51.0", "max_position_embeddings": 4096, "attn_logit_softcapping": h5py.Empty("f"),
            # the same values in the types of other writers
            "vocab_size": np.array([61], "u2"), "rope_theta": 10000, "rms_norm_eps": np.array([1e-6], "f4"),
            "rope_pairing": np.array([b"interleaved"]), "tie_word_embeddings": 0, "attention_bias": "False",
        })  # fmt: skip
    finished = score(tmp_path)
    assert finished.code == 0 and not warnings(finished), str(finished)
    np.testing.assert_allclose(nll(tmp_path), expected, atol=1e-5)


def test_an_attribute_that_nobody_knows_is_named(tmp_path: Path) -> None:
    with h5py.File(golden(tmp_path), "r+") as file:
        file.attrs["secret_gate"] = 0.25
    finished = score(tmp_path, ranks=3)
    assert finished.code == 0, str(finished)
    assert len(warnings(finished)) == 1 and "'secret_gate'" in warnings(finished)[0], str(finished)


PLACELESS = [
    (LAYER + "self_attn.q_proj.bias", (64,), "attention_bias is false"),
    (LAYER + "self_attn.o_proj.bias", (48,), "biases"),
    (LAYER + "mlp.up_proj.bias", (80,), "biases"),
    (LAYER + "self_attn.q_norm.weight", (16,), "query_key_norm is false"),
    (LAYER + "post_feedforward_layernorm.weight", (48,), "no such parameter"),
    ("model.layers.2.input_layernorm.weight", (48,), "num_hidden_layers is 2"),
    ("base_model.model.lora_A.weight", (4, 48), "adapters"),
]


@pytest.mark.parametrize(("name", "shape", "why"), PLACELESS, ids=[name for name, _, _ in PLACELESS])
def test_a_parameter_without_a_place_is_refused(name: str, shape: tuple[int, ...], why: str, tmp_path: Path) -> None:
    with h5py.File(golden(tmp_path), "r+") as file:
        file[name] = tensor(*shape)
    refused(score(tmp_path), "model.h5", f"'{name}'", why)


@pytest.mark.parametrize("ranks", [None, 2, 3])
def test_a_head_beside_tied_embeddings_is_refused(ranks: int | None, tmp_path: Path) -> None:
    with h5py.File(golden(tmp_path, "llama_tied_half_split"), "r+") as file:
        file["lm_head.weight"] = file["model.embed_tokens.weight"]  # a link: a second name
    refused(score(tmp_path, ranks=ranks), "'lm_head.weight'", "tie_word_embeddings")


def test_a_parameter_that_is_missing_or_of_another_shape_is_named(tmp_path: Path) -> None:
    name = LAYER + "mlp.up_proj.weight"
    with h5py.File(golden(tmp_path), "r+") as file:
        del file[name]
    refused(score(tmp_path), f"'{name}'")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        file[name] = tensor(48, 80)
    refused(score(tmp_path), f"'{name}'", "(48, 80)", "(80, 48)")


def test_all_verbs_that_read_a_checkpoint_refuse_it(tmp_path: Path) -> None:
    model = write_checkpoint(tmp_path / "model.h5", sliding_window=16)
    text = write_text(tmp_path / "text.txt")
    refused(launch.run(2, "generate", "--checkpoint", model, "--prompt", "waa", "--new-tokens", 32, "--output",
                       tmp_path / "g.h5", timeout=TIMEOUT), "sliding_window")  # fmt: skip
    refused(launch.run(2, "needle", "--checkpoint", model, "--haystack", text, "--context-length", 64, "--output",
                       tmp_path / "n.h5", timeout=TIMEOUT), "sliding_window")  # fmt: skip
    weights = write_checkpoint(tmp_path / "nan.h5")
    with h5py.File(weights, "r+") as file:
        file[LAYER + "mlp.down_proj.weight"][3, 5] = np.nan
    refused(launch.run(2, "generate", "--checkpoint", weights, "--prompt", "waa", "--output", tmp_path / "g.h5",
                       timeout=TIMEOUT), "mlp.down_proj.weight", "(3, 5)")  # fmt: skip


def test_resume_refuses_what_the_model_does_not_do_and_a_trained_checkpoint_has_nothing_unknown(tmp_path: Path) -> None:
    write_text(tmp_path / "text.txt")
    (tmp_path / "train.toml").write_text(f"""
[model]
preset = "needle"
[data]
haystack = ["{tmp_path}/text.txt"]
[[stage]]
context_length = 64
rope_theta = 512
steps = 1
batch = 1
learning_rate = 1e-3
""")
    arguments = ("train", "--config", tmp_path / "train.toml", "--checkpoint", tmp_path / "model.h5", "--output",
                 tmp_path / "t.h5")  # fmt: skip
    launch.run_successfully(1, *arguments, timeout=TIMEOUT)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["tokens"] = np.arange(16)[None]
    finished = score(tmp_path, ranks=2)
    assert finished.code == 0 and not warnings(finished), str(finished)
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        file.attrs.update({"is_stage_done": False, "step": 0})
        file["model.norm.weight"][2] = np.inf
    refused(launch.run(2, *arguments, "--resume", timeout=TIMEOUT), "'model.norm.weight'", "(2)")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        file["model.norm.weight"][2] = 1
        file["optimizer/first_moment/model.layers.3.mlp.up_proj.weight"] = tensor(2, 2)
    refused(launch.run(2, *arguments, "--resume", timeout=TIMEOUT), "first_moment/model.layers.3", "num_hidden_layers")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        file.attrs["rope_scaling"] = "linear"
    refused(launch.run(2, *arguments, "--resume", timeout=TIMEOUT), "rope_scaling")


TYPES = ["u1", "i8", "u8", ">u2"]


@pytest.mark.parametrize("dtype", TYPES)
def test_tokens_of_every_integer_type_are_the_same_tokens(dtype: str, tmp_path: Path) -> None:
    golden(tmp_path)
    with h5py.File(tmp_path / "in.h5", "r+") as file:
        tokens = file["tokens"][()]
        mask = np.arange(tokens.size).reshape(tokens.shape) % 3 > 0
        file["loss_mask"] = mask.astype("f4")
        file["segment_ids"] = (mask[:, :1] + 0 * tokens).astype("i4")
    base = score(tmp_path)
    assert base.code == 0, str(base)
    with h5py.File(tmp_path / "typed.h5", "w") as file:
        file["tokens"] = tokens.astype(dtype)
        file["loss_mask"] = mask
        file["segment_ids"] = (mask[:, :1] + 0 * tokens).astype(dtype)
    typed = score(tmp_path, given="typed.h5")
    assert typed.stdout.split("mean nll")[1] == base.stdout.split("mean nll")[1], str(typed)


@pytest.mark.parametrize(("dtype", "value"), [("i8", 2**40), ("u8", 2**63)])
def test_a_token_that_does_not_fit_is_named(dtype: str, value: int, tmp_path: Path) -> None:
    golden(tmp_path)
    with h5py.File(tmp_path / "in.h5", "r+") as file:
        tokens = file["tokens"][()].astype(dtype)
        tokens[1, 5] = value
        del file["tokens"]
        file["tokens"] = tokens
    refused(score(tmp_path, ranks=2), "'tokens'", "(1, 5)", "int32")


def store_bfloat16(file: h5py.File, name: str, values: np.ndarray, how: str) -> None:
    """Store the upper halves of float32 numbers as programs do."""
    bits = (np.ascontiguousarray(values, "<f4").view("<u4") >> 16).astype("<u2")
    if how == "opaque":
        file[name] = bits.view("V2")
    elif how in ("u2", "i2"):
        file[name] = bits.view(how)
        file[name].attrs["dtype"] = "bfloat16"
    else:
        kind = h5py.h5t.IEEE_F32LE.copy()
        kind.set_fields(15, 7, 8, 0, 7)
        kind.set_size(2)
        kind.set_ebias(127)
        space = h5py.h5s.create_simple(bits.shape)
        made = h5py.h5d.create(file.id, name.encode(), kind, space)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, bits, mtype=kind)


@pytest.mark.parametrize("how", ["f2", ">f8", "g", "opaque", "i2", "float"])
def test_tensors_and_weights_of_every_floating_type_are_the_same_numbers(how: str, tmp_path: Path) -> None:
    problem = Problem(33, 1, heads=4, kv_heads=2, head_size=16)
    tensors = problem.tensors()
    # Numbers that bfloat16 and float16 hold both, some of them subnormal in float16.
    exact = {name: np.round(value * 8).astype("f4") / 8 for name, value in tensors.items() if value.dtype.kind == "f"}
    exact["q"][0, 0, 0, :2] = [2.0**-20, -(2.0**-24)]
    golden(tmp_path)
    with h5py.File(tmp_path / "model.h5", "r+") as model:
        weight = np.round(model["model.embed_tokens.weight"][()] * 8) / 8
        model["model.embed_tokens.weight"][...] = weight
        assert score(tmp_path, "--mesh", "1,1,1,1").code == 0
    before = nll(tmp_path)
    write_tensors(tmp_path / "exact.h5", exact)
    with h5py.File(tmp_path / "typed.h5", "w") as file, h5py.File(tmp_path / "model.h5", "r+") as model:
        del model["model.embed_tokens.weight"]
        for target, name, values in [(file, name, values) for name, values in exact.items()] + [
            (model, "model.embed_tokens.weight", weight)
        ]:
            if how in ("opaque", "u2", "i2", "float"):
                store_bfloat16(target, name, values, how)
            else:
                target[name] = values.astype(how)
    results = []
    for given in ("exact.h5", "typed.h5"):
        launch.run_successfully(2, "verify", "--input", tmp_path / given, "--output", tmp_path / "v.h5", timeout=TIMEOUT)
        with h5py.File(tmp_path / "v.h5") as file:
            results.append({name: file[name][()] for name in file})
    for name, value in results[0].items():
        np.testing.assert_array_equal(results[1][name], value, err_msg=name)
    finished = score(tmp_path)
    assert finished.code == 0, str(finished)
    np.testing.assert_array_equal(nll(tmp_path), before)


def test_numbers_without_a_type_of_numbers_are_refused(tmp_path: Path) -> None:
    tensors = Problem(16, 1, heads=2, kv_heads=2, head_size=16).tensors()
    write_tensors(tmp_path / "u2.h5", {**tensors, "v": tensors["v"].astype("u2")})
    refused(launch.run(2, "verify", "--input", tmp_path / "u2.h5", "--output", tmp_path / "o.h5"), "'v'", "uint16")
    with h5py.File(golden(tmp_path), "r+") as file:
        del file["model.norm.weight"]
        file["model.norm.weight"] = np.ones(48, "i1")
    refused(score(tmp_path), "'model.norm.weight'", "int8")


@pytest.mark.parametrize(("dataset", "ranks"), [("q", None), ("k", 2), ("v", 3), ("dout", 2)])
def test_a_number_that_is_not_finite_is_named_unless_it_is_padding(
    dataset: str, ranks: int | None, tmp_path: Path
) -> None:
    tensors = Problem(16, 1, heads=2, kv_heads=2, head_size=16).tensors()
    padded = {name: value.astype("f8") for name, value in tensors.items() if value.dtype.kind == "f"}
    padded[dataset][0, 9:, 1, 2] = [np.nan, np.inf, 1e39, -1e300, 1, 1, 1]
    run = ("verify", "--input", tmp_path / "in.h5", "--output", tmp_path / "out.h5")
    write_tensors(tmp_path / "in.h5", padded)
    refused(launch.run(ranks, *run), "in.h5", f"'{dataset}'", "4 numbers", "(0, 9, 1, 2)")
    assert not (tmp_path / "out.h5").exists()
    finite = {**padded, dataset: np.where(np.abs(padded[dataset]) < 1e9, padded[dataset], 1.0)}
    segments = np.where(np.arange(16) < 9, 0, -1)[None]
    write_tensors(tmp_path / "in.h5", {**padded, "segment_ids": segments})
    assert not any("in.h5" in line for line in launch.run(ranks, *run).errors), "what padding holds is no mistake"
    write_tensors(tmp_path / "in.h5", {**finite, "segment_ids": segments})
    with h5py.File(tmp_path / "in.h5", "r+") as file:
        file[dataset][0, 12, 0, 0] = np.nan
        del file["segment_ids"]
        file["segment_ids"] = np.where(np.arange(16) == 12, 0, segments)
    refused(launch.run(ranks, *run), f"'{dataset}'", "a number", "(0, 12, 0, 0)")


def test_results_that_are_not_finite_are_kept_and_named(tmp_path: Path) -> None:
    tensors = Problem(16, 1, heads=2, kv_heads=2, head_size=16).tensors()
    tensors["v"][...] = 3e38
    tensors["dout"][...] = 3e38
    write_tensors(tmp_path / "in.h5", tensors)
    run = ("verify", "--input", tmp_path / "in.h5", "--output", tmp_path / "out.h5")
    finished = launch.run(2, *run)
    assert finished.code == 1 and len(finished.errors) == 1, str(finished)
    assert "out.h5" in finished.errors[0] and "'dv'" in finished.errors[0], str(finished)
    assert (tmp_path / "out.h5").exists()
    allowed = launch.run(2, *run, "--allow-non-finite")
    assert allowed.code == 0 and len(warnings(allowed)) == 1, str(allowed)


@pytest.mark.parametrize(("mesh", "ranks"), [("1,1,1,1", 1), ("1,1,2,1", 2), ("1,1,1,3", 3), ("2,1,1,1", 2)])
def test_weights_that_are_not_finite_are_counted_once_on_every_mesh(mesh: str, ranks: int, tmp_path: Path) -> None:
    with h5py.File(golden(tmp_path), "r+") as file:
        file[LAYER + "mlp.down_proj.weight"][7, 50:53] = [np.inf, 1, np.nan]
        file["model.norm.weight"][4] = np.nan
    finished = score(tmp_path, "--mesh", mesh, ranks=ranks)
    refused(finished, "mlp.down_proj.weight' holds 2 numbers", "(7, 50)", "'model.norm.weight' holds a number", "(4)")
    allowed = score(tmp_path, "--mesh", mesh, "--allow-non-finite", ranks=ranks)
    assert allowed.code == 0 and len(warnings(allowed)) == 2, str(allowed)


def test_a_mask_that_is_not_finite_is_named(tmp_path: Path) -> None:
    golden(tmp_path)
    with h5py.File(tmp_path / "in.h5", "r+") as file:
        mask = np.ones(file["tokens"].shape)
        mask[1, 3] = 1e39
        file["loss_mask"] = mask
    refused(score(tmp_path, ranks=2), "'loss_mask'", "(1, 3)")


# ---- datasets that are elsewhere -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ranks", [None, 3])
@pytest.mark.parametrize("link", [h5py.SoftLink("/gone"), h5py.ExternalLink("gone.h5", "/x")], ids=["soft", "external"])
def test_a_link_that_leads_nowhere_is_not_taken_for_nothing(link: Any, ranks: int | None, tmp_path: Path) -> None:
    # Without its optional dataset the run would be right, but another.
    golden(tmp_path)
    with h5py.File(tmp_path / "in.h5", "r+") as file:
        file["segment_ids"] = link
    refused(score(tmp_path, ranks=ranks), "in.h5", "'/segment_ids'", "gone")
    with h5py.File(tmp_path / "in.h5", "r+") as file, h5py.File(tmp_path / "model.h5", "r+") as model:
        del file["segment_ids"]
        model[LAYER + "self_attn.q_proj.bias"] = link
    refused(score(tmp_path, ranks=ranks), "model.h5", "q_proj.bias", "gone")
    write_tensors(tmp_path / "qkv.h5", Problem(16, 1, heads=2, kv_heads=2, head_size=16).tensors())
    with h5py.File(tmp_path / "qkv.h5", "r+") as file:
        del file["dout"]
        file["dout"] = link
    refused(launch.run(ranks, "verify", "--input", tmp_path / "qkv.h5", "--output", tmp_path / "o.h5"), "'/dout'", "gone")


def test_a_dataset_whose_parts_are_in_other_files_is_read_or_refused(tmp_path: Path) -> None:
    tensors = Problem(16, 1, heads=2, kv_heads=2, head_size=16).tensors()
    (tmp_path / "elsewhere").mkdir()
    run = ("verify", "--input", tmp_path / "in.h5", "--output", tmp_path / "out.h5")
    for place in ("parts.h5", str(tmp_path / "elsewhere" / "parts.h5")):
        with h5py.File(tmp_path / place, "w") as parts:
            parts["first"], parts["second"] = tensors["v"][:, :9], tensors["v"][:, 9:]
        with h5py.File(tmp_path / "in.h5", "w") as file:
            layout = h5py.VirtualLayout(tensors["v"].shape, "f4")
            layout[:, :9] = h5py.VirtualSource(place, "first", tensors["v"][:, :9].shape)
            layout[:, 9:] = h5py.VirtualSource(place, "second", tensors["v"][:, 9:].shape)
            file.create_virtual_dataset("v", layout)
            file["q"], file["k"] = tensors["q"], tensors["k"]
        launch.run_successfully(2, *run, timeout=TIMEOUT)
        with h5py.File(tmp_path / "out.h5") as file:  # the last query of one head sees all
            assert np.all(file["out"][0, -1] != 0)
        with h5py.File(tmp_path / place, "r+") as parts:
            del parts["second"]
        refused(launch.run(2, *run), "'v'", "'second'", place)  # HDF5 would read zeros
        (tmp_path / place).unlink()
        refused(launch.run(None, *run), "'v'", "'first'", place)


def test_a_weight_that_no_rank_can_read_is_one_error(tmp_path: Path) -> None:
    with h5py.File(golden(tmp_path), "r+") as file:
        name = LAYER + "mlp.up_proj.weight"
        values = file[name][()]
        del file[name]
        file.create_dataset(name, data=values, chunks=(16, 16), fletcher32=True)
        place = file[name].id.get_chunk_info(1).byte_offset
    with (tmp_path / "model.h5").open("r+b") as raw:
        raw.seek(place)
        raw.write(b"\xff" * 16)
    refused(score(tmp_path, ranks=3), "model.h5", f"'{name}'", "cannot be read")
