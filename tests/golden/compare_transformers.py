#!/usr/bin/env python3
"""Compares `ringworld score` with transformers' LlamaForCausalLM: logits, nll and every gradient.

    python tests/golden/compare_transformers.py [--ranks 2] [--program build/release/bin/ringworld] [--keep DIR]

Draws a random Llama, writes it with h5py, runs both sides and prints the normalised root mean square error of each
tensor: of float32 against float64. Needs torch, transformers, h5py. Exit code 1 when an error is above --bound.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

REPOSITORY = Path(__file__).resolve().parents[2]


def write_checkpoint(model: LlamaForCausalLM, path: Path) -> None:
    """One dataset a parameter; attributes under Hugging Face's names."""
    config = model.config
    with h5py.File(path, "w") as file:
        for key in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
                    "rms_norm_eps", "tie_word_embeddings", "attention_bias", "vocab_size"):
            file.attrs[key] = getattr(config, key)
        file.attrs["rope_theta"] = config_theta(config)
        file.attrs["rope_pairing"] = "half_split"
        for name, parameter in model.named_parameters():
            if not name.endswith("o_proj.bias"):  # transformers' attention_bias has one; it is zero here
                file[name] = parameter.detach().numpy().astype(np.float32)


def config_theta(config: LlamaConfig) -> float:
    """Base of the rotary frequencies, which has moved between versions of transformers."""
    theta = getattr(config, "rope_theta", None)
    return float(theta if theta is not None else config.rope_parameters["rope_theta"])


def draw_model(arguments: argparse.Namespace) -> LlamaForCausalLM:
    """A Llama whose parameters are float32 numbers, in float64."""
    torch.manual_seed(arguments.seed)
    config = LlamaConfig(hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4,
                         num_key_value_heads=2, vocab_size=1000, rope_theta=1e6, rms_norm_eps=1e-6,
                         max_position_embeddings=1 << 20, tie_word_embeddings=False, attention_bias=arguments.bias,
                         attn_implementation="eager")
    model = LlamaForCausalLM(config).float()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("o_proj.bias"):
                parameter.zero_()
            elif parameter.dim() > 1 or name.endswith("bias"):
                parameter.normal_(0, 0.05)
    return model.double()


def expected_of(model: LlamaForCausalLM, tokens: torch.Tensor) -> dict[str, np.ndarray]:
    """Logits, nll and gradients of the mean nll."""
    logits = model(tokens).logits
    nll = -logits[:, :-1].log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]
    nll.mean().backward()
    expected = {"logits": logits.detach().numpy(), "nll": nll.detach().numpy()}
    for name, parameter in model.named_parameters():
        if not name.endswith("o_proj.bias"):
            expected[f"gradients/{name}"] = parameter.grad.numpy()
    return expected


def main() -> int:
    """Run both, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=REPOSITORY / "build" / "release" / "bin" / "ringworld")
    parser.add_argument("--ranks", type=int, default=1, help="ranks of the ring (default 1)")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--context-length", type=int, default=512, help="tokens of a sequence (default 512)")
    parser.add_argument("--bias", action="store_true", help="biases of q, k and v")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bound", type=float, default=1e-5, help="largest error accepted (default 1e-5)")
    parser.add_argument("--keep", type=Path, help="folder to leave the files in")
    arguments = parser.parse_args()
    model = draw_model(arguments)
    tokens = torch.randint(model.config.vocab_size, (arguments.batch, arguments.context_length))
    expected = expected_of(model, tokens)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint, source, output = (folder / name for name in ("checkpoint.h5", "input.h5", "output.h5"))
        write_checkpoint(model, checkpoint)
        with h5py.File(source, "w") as file:
            file["tokens"] = tokens.numpy().astype(np.int32)
        command = ["mpirun", "-n", str(arguments.ranks)] if arguments.ranks > 1 else []
        command += [str(arguments.program), "score", "--checkpoint", str(checkpoint), "--input", str(source), "--output",
                    str(output), "--gradients", "true", "--logits", "true"]
        subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        worst = 0.0
        with h5py.File(output) as file:
            for name, exact in expected.items():
                error = np.sqrt(np.mean((file[name][()] - exact) ** 2) / np.mean(exact**2))
                worst = max(worst, float(error))
                print(f"{name:60s} {error:.2e}")
    print(f"worst {worst:.2e}, bound {arguments.bound:.0e}")
    return 0 if worst <= arguments.bound else 1


if __name__ == "__main__":
    sys.exit(main())
