#!/usr/bin/env python3
"""Makes vqgan/: a small VQGAN as diffusers saves it, and what diffusers' VQModel computes with it in float64.

    python tests/golden/make_vqgan_golden.py            # needs torch, diffusers, h5py, numpy; writes beside this file

vqgan/config.json and vqgan/diffusion_pytorch_model.safetensors are written by diffusers itself. The network has LWM's
five levels, two blocks a level and no attention, with few channels. vqgan/expected.h5 holds

    /frames          (N, side, side, 3), in [-1, 1]         /z               (N, codes, codes, latent channels)
    /codes           (N, codes, codes)                      /reconstruction  (N, side, side, 3), not clipped
    /losses          (4): mean |x - x'|, mean (x - x')^2, mean |z - e|^2 for the codebook, 0.25 of it for the commitment
    /gradients/NAME  of the sum of the losses; straight through the quantiser

Channels stand last, except in gradients, which have the shapes of their parameters.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import torch
from diffusers import VQModel

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "vqgan"
CHANNELS = (4, 8, 8, 12, 16)
LATENT_CHANNELS = 16
CODES = 96
FRAMES, SIDE = 2, 64
COMMITMENT = 0.25
# Float32 rounds z and the reconstruction by less: no code changes, and no |x - x'| has another sign.
SMALLEST_MARGIN = 2e-5


def make_model() -> VQModel:
    """Return the network with random weights, each a float32 number, in float64."""
    model = VQModel(
        block_out_channels=CHANNELS,
        down_block_types=("DownEncoderBlock2D",) * len(CHANNELS),
        up_block_types=("UpDecoderBlock2D",) * len(CHANNELS),
        layers_per_block=2,
        latent_channels=LATENT_CHANNELS,
        num_vq_embeddings=CODES,
        norm_num_groups=2,
        mid_block_add_attention=False,
        lookup_from_codebook=True,
    )
    generator = np.random.default_rng(20240213)
    with torch.no_grad():
        for parameter in model.parameters():
            shape = tuple(parameter.shape)
            values = generator.normal(0, 0.2 if len(shape) == 1 else np.prod(shape[1:]) ** -0.5, shape)
            parameter.copy_(torch.tensor(values))
        for module in model.modules():
            if isinstance(module, torch.nn.GroupNorm):
                module.weight += 1.0
    # diffusers' default weighs the two quantiser losses the other way round than the paper.
    model.quantize.legacy = False
    return model.double()


def make_frames() -> torch.Tensor:
    """Return (N, 3, side, side): 8-bit pictures of waves under noise."""
    generator = np.random.default_rng(7)
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    frames = np.empty((FRAMES, 3, SIDE, SIDE))
    for plane in frames.reshape(-1, SIDE, SIDE):
        fx, fy, phase = generator.uniform(2, 25, 3)
        plane[:] = 0.6 * np.sin(fx * x + fy * y + phase) + generator.normal(0, 0.2, plane.shape)
    bytes_ = np.clip(np.round((frames + 1) * 127.5), 0, 255)
    return torch.tensor((bytes_ / 127.5 - 1).astype(np.float32).astype(np.float64))


def spread_codebook(model: VQModel, frames: torch.Tensor) -> None:
    """Draw codes as far apart as the vectors that they are to stand for, so that many of them are used."""
    generator = np.random.default_rng(11)
    with torch.no_grad():
        z = model.encode(frames).latents.permute(0, 2, 3, 1).reshape(-1, LATENT_CHANNELS)
        draws = torch.tensor(generator.normal(0, 1, (CODES, LATENT_CHANNELS)))
        codebook = (z.mean(0) + z.std(0) * draws).float().double()
        model.quantize.embedding.weight.copy_(codebook)


def channels_last(values: torch.Tensor) -> np.ndarray:
    """Return what files hold."""
    return values.detach().permute(0, 2, 3, 1).numpy().astype(np.float32)


def main() -> None:
    """Write the network and what it computes."""
    model, frames = make_model(), make_frames()
    spread_codebook(model, frames)
    z = model.encode(frames).latents
    quantized, _, (_, _, codes) = model.quantize(z)
    reconstruction, quantiser_loss = model(frames, return_dict=False)
    shape = (FRAMES, z.shape[2], z.shape[3], LATENT_CHANNELS)
    decoded = model.decode(codes, force_not_quantize=True, shape=shape).sample
    assert float((decoded - reconstruction).abs().max().detach()) < 1e-12, "codes say all that the decoder is given"
    vectors = z.permute(0, 2, 3, 1).reshape(-1, LATENT_CHANNELS)
    distances = torch.cdist(vectors, model.quantize.embedding.weight).sort(1).values
    margins = (
        float((distances[:, 1] - distances[:, 0]).min().detach()),
        float((reconstruction - frames).abs().min().detach()),
    )
    assert min(margins) > SMALLEST_MARGIN, margins

    absolute, squared = (reconstruction - frames).abs().mean(), (reconstruction - frames).pow(2).mean()
    error = (z - quantized.detach()).pow(2).mean()
    assert abs(float((quantiser_loss - (1 + COMMITMENT) * error).detach())) < 1e-12
    (absolute + squared + quantiser_loss).backward()

    model.float().save_pretrained(FOLDER)
    (FOLDER / "diffusion_pytorch_model.safetensors").chmod(0o644)
    with h5py.File(FOLDER / "expected.h5", "w", libver="earliest") as file:
        file["frames"], file["z"] = channels_last(frames), channels_last(z)
        file["codes"] = codes.reshape(shape[:3]).numpy().astype(np.float32)
        file["reconstruction"] = channels_last(reconstruction)
        losses = (absolute, squared, error, COMMITMENT * error)
        file["losses"] = np.array([float(loss.detach()) for loss in losses], np.float32)
        for name, parameter in model.named_parameters():
            file[f"gradients/{name}"] = parameter.grad.numpy().astype(np.float32)
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"{count} parameters, {len(codes.unique())} of {CODES} codes, margins {margins}")


if __name__ == "__main__":
    main()
