"""`ringworld tokenize` with the network of make_vqgan_golden.py, as diffusers, open-MUSE and h5py lay it out."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

import launch

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "vqgan"
WEIGHTS = "diffusion_pytorch_model.safetensors"
SIDE = 64
LEVELS = 5
# An 8-bit picture is cut off, not rounded: an error of 1e-5 may take a value to the next whole number.
PICTURE_STEP = 1


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    found = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            found[name] = np.frombuffer(content[begin:end], "<f4").reshape(entry["shape"])
    return found


def write_safetensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    header, content = {}, b""
    for name, values in tensors.items():
        offsets = [len(content), len(content) + values.nbytes]
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": offsets}
        content += values.astype("<f4").tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)


def muse_name(name: str) -> str:
    """Return what open-MUSE calls a tensor of diffusers; there the decoder's level 0 is the shallowest."""
    name = re.sub(r"down_blocks\.(\d+)", r"down.\1", name)
    name = re.sub(r"up_blocks\.(\d+)", lambda level: f"up.{LEVELS - 1 - int(level[1])}", name)
    name = re.sub(r"mid_block\.resnets\.(\d+)", lambda block: f"mid.block_{1 + int(block[1])}", name)
    for old, new in (
        (".resnets.", ".block."), ("downsamplers.0", "downsample"), ("upsamplers.0", "upsample"),
        ("conv_shortcut", "nin_shortcut"), ("conv_norm_out", "norm_out"),
    ):  # fmt: skip
        name = name.replace(old, new)
    return name


def diffusers_config() -> dict[str, Any]:
    """Return the file's own, for frames of the golden side."""
    return {**json.loads((GOLDEN / "config.json").read_text()), "frame_side": SIDE}


def as_diffusers(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(diffusers_config()))
    (folder / WEIGHTS).write_bytes((GOLDEN / WEIGHTS).read_bytes())
    return folder


def as_diffusers_file(folder: Path) -> Path:
    return as_diffusers(folder) / WEIGHTS


def as_muse(folder: Path) -> Path:
    folder.mkdir()
    config = {
        "_class_name": "VQGANModel", "resolution": SIDE, "num_channels": 3, "hidden_channels": 4,
        "channel_mult": [1, 2, 2, 3, 4], "num_res_blocks": 2, "attn_resolutions": [], "no_attn_mid_block": True,
        "z_channels": 16, "num_embeddings": 96, "quantized_embed_dim": 16, "dropout": 0.0, "resample_with_conv": True,
        "commitment_cost": 0.25, "norm_num_groups": 2,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    tensors = read_safetensors(GOLDEN / WEIGHTS)
    write_safetensors(folder / "model.safetensors", {muse_name(name): values for name, values in tensors.items()})
    return folder


def as_checkpoint(folder: Path) -> Path:
    folder.mkdir()
    with h5py.File(folder / "network.h5", "w") as file:
        for name, values in read_safetensors(GOLDEN / WEIGHTS).items():
            file[name] = values
        for key in ("block_out_channels", "layers_per_block", "latent_channels", "num_vq_embeddings", "norm_num_groups",
                    "mid_block_add_attention", "frame_side"):  # fmt: skip
            file.attrs[key] = diffusers_config()[key]
    return folder / "network.h5"


LAYOUTS = {
    "diffusers": as_diffusers,
    "a file of diffusers": as_diffusers_file,
    "open-MUSE": as_muse,
    "HDF5": as_checkpoint,
}


def expected(name: str) -> np.ndarray:
    with h5py.File(GOLDEN / "expected.h5") as file:
        return np.asarray(file[name][()])


def pixels(frames: np.ndarray) -> np.ndarray:
    return (np.clip(frames, -1, 1).astype(np.float64) + 1) * 127.5


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of the golden frames."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, frame in enumerate(expected("frames")):
        Image.fromarray(np.round(pixels(frame)).astype(np.uint8)).save(folder / f"{number}.png")
    return folder


def tokenize(network: Path, *flags: launch.Argument) -> None:
    launch.run_successfully(None, "tokenize", "--tokenizer", network, *flags)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_codes_and_pictures_are_those_of_diffusers(layout: str, pictures: Path, tmp_path: Path) -> None:
    network = LAYOUTS[layout](tmp_path / "network")
    tokenize(network, "--input", pictures, "--output", tmp_path / "codes.h5")
    with h5py.File(tmp_path / "codes.h5") as file:
        (codes,) = (dataset[()] for dataset in file["codes"].values())
    assert np.array_equal(codes, expected("codes"))
    tokenize(network, "--decode", tmp_path / "codes.h5", "--output", tmp_path / "decoded")
    made = sorted((tmp_path / "decoded").rglob("*.png"))
    wanted = pixels(expected("reconstruction"))
    assert len(made) == len(wanted)
    for path, frame in zip(made, wanted):
        with Image.open(path) as image:
            assert np.abs(np.asarray(image).astype(np.int64) - np.floor(frame)).max() <= PICTURE_STEP


def test_layouts_hold_the_same_network(pictures: Path, tmp_path: Path) -> None:
    digests = set()
    for layout, lay_out in LAYOUTS.items():
        output = tmp_path / f"{layout}.h5"
        tokenize(lay_out(tmp_path / layout), "--input", pictures, "--output", output)
        with h5py.File(output) as file:
            digests.add(file.attrs["frame_tokenizer_digest"])
    assert len(digests) == 1


def test_a_tensor_less_or_more_is_named(pictures: Path, tmp_path: Path) -> None:
    network = as_muse(tmp_path / "network")
    whole = read_safetensors(network / "model.safetensors")
    shortcut = "decoder.up.2.block.0.nin_shortcut.weight"
    less = {name: values for name, values in whole.items() if name != shortcut}
    for tensors, named in (
        (less, shortcut),
        ({**whole, "encoder.mid.attn_1.q.weight": whole[shortcut]}, "encoder.mid.attn_1.q.weight"),
    ):
        write_safetensors(network / "model.safetensors", tensors)
        output = tmp_path / "codes.h5"
        finished = launch.run(None, "tokenize", "--tokenizer", network, "--input", pictures, "--output", output)
        assert finished.code == 2 and len(finished.errors) == 1 and named in finished.errors[0], str(finished)
