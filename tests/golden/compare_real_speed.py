#!/usr/bin/env python3
"""Compares the speed of `ringworld generate` with that of transformers: prefill and decoding of a real model, as ratios.

    python tests/golden/compare_real_speed.py --weights SmolLM2-135M-Instruct.Q4_1.gguf

Both programs read the same prompt in float32 on --threads threads and always take the likeliest token. They take turns
--repeats times, so that whatever else the machine does hits both; each repeat gives a ratio, and the median with its
spread is printed. Transformers computes the logits of the last token only, and keeps keys and values. Needs torch,
transformers, accelerate, gguf, h5py. Exit code 1 when a median ratio is below --prefill or --decode.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import h5py
import torch
from transformers import AutoTokenizer, PreTrainedModel

from compare_real_model import read_model
from compare_transformers import REPOSITORY

SENTENCE = "And the sons of {} dwelt in the valley {} years, and their flocks were {}. "


@dataclass(frozen=True)
class Speed:
    """Tokens a second."""

    prefill: float
    decode: float


def prompt_of(weights: Path, tokens: int) -> tuple[str, torch.Tensor]:
    """A text of about so many tokens, and its ids."""
    tokenizer = AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name)
    words = (SENTENCE.format(number, 7 * number, 13 * number) for number in range(tokens))
    text, count = "", 0
    while count < tokens:
        sentence = next(words)
        text += sentence
        count += len(tokenizer(sentence, add_special_tokens=False)["input_ids"])
    return text, tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]


def of_transformers(model: PreTrainedModel, ids: torch.Tensor, new_tokens: int) -> Speed:
    with torch.inference_mode():
        begin = time.perf_counter()
        result = model(ids, use_cache=True, logits_to_keep=1)
        middle = time.perf_counter()
        times = []
        for _ in range(new_tokens):
            start = time.perf_counter()
            token = result.logits[:, -1:].argmax(-1)
            result = model(token, past_key_values=result.past_key_values, use_cache=True, logits_to_keep=1)
            times.append(time.perf_counter() - start)
    return Speed(ids.shape[1] / (middle - begin), 1 / statistics.median(times))


def of_ringworld(program: Path, weights: Path, text: str, new_tokens: int, threads: int) -> Speed:
    with tempfile.TemporaryDirectory() as folder:
        prompt, output = Path(folder) / "prompt.txt", Path(folder) / "record.h5"
        prompt.write_text(text)
        command = [str(program), "generate", "--checkpoint", str(weights), "--prompt-file", str(prompt), "--new-tokens",
                   str(new_tokens), "--threads", str(threads), "--output", str(output)]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": str(threads)})
        with h5py.File(output) as file:
            row = file["generation/prompts"][-1]
            return Speed(float(row["prefill_tokens_per_second"]), 1 / float(row["token_time"]))


def main() -> int:
    """Take turns, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--program", type=Path, default=REPOSITORY / "build" / "release" / "bin" / "ringworld")
    parser.add_argument("--context-length", type=int, default=8192, help="tokens of the prompt (default 8192)")
    parser.add_argument("--new-tokens", type=int, default=16, help="tokens of the answer (default 16)")
    parser.add_argument("--threads", type=int, default=2, help="of each program (default 2)")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each program (default 3)")
    parser.add_argument("--prefill", type=float, default=2.0, help="smallest ratio accepted (default 2)")
    parser.add_argument("--decode", type=float, default=1.5, help="smallest ratio accepted (default 1.5)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = read_model(arguments.weights)
    text, ids = prompt_of(arguments.weights, arguments.context_length - arguments.new_tokens)
    ratios: dict[str, list[float]] = {"prefill": [], "decode": []}
    for _ in range(arguments.repeats):
        ours = of_ringworld(arguments.program, arguments.weights, text, arguments.new_tokens, arguments.threads)
        theirs = of_transformers(model, ids, arguments.new_tokens)
        for name, found in ratios.items():
            mine, other = getattr(ours, name), getattr(theirs, name)
            found.append(mine / other)
            print(f"{name:8s} ringworld {mine:8.1f} token/s, transformers {other:8.1f}: {mine / other:.2f} times", flush=True)
    is_fast = True
    for name, found in ratios.items():
        median, wanted = statistics.median(found), getattr(arguments, name)
        is_fast = is_fast and median >= wanted
        print(f"{name} after {ids.shape[1]} tokens: {median:.2f} ({min(found):.2f} to {max(found):.2f}), wanted {wanted}")
    return 0 if is_fast else 1


if __name__ == "__main__":
    sys.exit(main())
