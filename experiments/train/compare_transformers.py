#!/usr/bin/env python3
"""Holds `ringworld train` against transformers' LlamaForCausalLM on this CPU: training steps, fp32, same threads, one run.

    python experiments/train/compare_transformers.py [--threads 1] [--turns 3]

Two cases: the demo's model (2 layers, 64 hidden, 1731 words) on contexts of 2048, and two layers of the 200m preset
(1024 hidden, 2048 ffn, vocabulary 32000) on contexts of 4096. A step is forward, backward, clipping and AdamW, on batches of
the same shape, with the loss on the same share of tokens. The sides take turns; medians count. Needs torch, transformers and
h5py (kernels/bench/compare_pytorch.sh sets up a torch in build/pytorch).
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
from transformers import LlamaConfig, LlamaForCausalLM

REPOSITORY = Path(__file__).resolve().parents[2]
WARM_UP = 2


@dataclass(frozen=True)
class Case:
    """A model, a shape of batch, and the share of tokens that have a loss."""

    name: str
    hidden: int
    ffn: int
    heads: int
    head_size: int
    vocabulary: int
    is_tied: bool
    context: int
    batch: int
    text_share: float
    steps: int

    def toml(self) -> str:
        """Return the configuration of `ringworld train`."""
        return f"""
[model]
hidden_size = {self.hidden}
ffn_size = {self.ffn}
layers = 2
heads = {self.heads}
kv_heads = {self.heads}
head_size = {self.head_size}
vocab_size = {self.vocabulary}
is_head_tied = {str(self.is_tied).lower()}
rope_pairing = "half_split"

[data]
haystack = "kjv"
tokenizer = "word"

[[stage]]
context_length = {self.context}
rope_theta = {8 * self.context}
steps = {self.steps}
batch = {self.batch}
learning_rate = 1e-4
[stage.data]
kind = "needle"
template = "long1"
text_weight = 0.1
text_share = {self.text_share}
max_needles = 1
"""


CASES = (
    Case("needle, S = 2048", 64, 192, 4, 16, 1731, True, 2048, 2, 0.25, 14),
    Case("200m, 2 layers, S = 4096", 1024, 2048, 8, 128, 32000, False, 4096, 1, 1.0, 5),
)


def run_ringworld(case: Case, program: Path, threads: int, folder: Path) -> tuple[float, float]:
    """Return tokens a second and the share of the FMA peak, medians of the steps after the first."""
    config, record = folder / "case.toml", folder / "record.h5"
    config.write_text(case.toml())
    record.unlink(missing_ok=True)
    command = [program, "train", "--config", config, "--threads", str(threads), "--output", record]
    command += ["--checkpoint", folder / "model.h5"]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    with h5py.File(record) as file:
        rows = file["training/steps"][WARM_UP:]
    return statistics.median(rows["tokens_per_second"]), statistics.median(rows["mfu_measured_peak"])


class Transformers:
    """The other side: a model with its optimizer."""

    def __init__(self, case: Case) -> None:
        torch.manual_seed(0)
        self.case = case
        config = LlamaConfig(hidden_size=case.hidden, intermediate_size=case.ffn, num_hidden_layers=2,
                             num_attention_heads=case.heads, num_key_value_heads=case.heads, head_dim=case.head_size,
                             vocab_size=case.vocabulary, max_position_embeddings=case.context, use_cache=False,
                             tie_word_embeddings=case.is_tied, attn_implementation="sdpa")
        self.model = LlamaForCausalLM(config).float()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, betas=(0.9, 0.95), fused=True)

    def step(self) -> None:
        """Forward, backward, clipping, AdamW; logits only where there is a loss."""
        case = self.case
        tokens = torch.randint(case.vocabulary, (case.batch, case.context + 1))
        kept = torch.randperm(case.context)[: int(case.text_share * case.context)].sort().values
        logits = self.model(tokens[:, :-1], logits_to_keep=kept).logits
        targets = tokens[:, 1:][:, kept]
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def run(self) -> float:
        """Return tokens a second, the median of the steps after the first."""
        seconds = []
        for _ in range(self.case.steps):
            start = time.perf_counter()
            self.step()
            seconds.append(time.perf_counter() - start)
        return self.case.batch * self.case.context / statistics.median(seconds[WARM_UP:])


def main() -> int:
    """Let both sides take turns, and print their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=REPOSITORY / "build" / "release" / "bin" / "ringworld")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"PyTorch {torch.__version__}, {arguments.threads} thread(s), fp32")
    print(f"{'case':28}{'ours':>14}{'of peak':>9}{'transformers':>14}{'ratio':>8}  min..max")
    # The program finds its own libraries, not those of PyTorch.
    os.environ.pop("LD_LIBRARY_PATH", None)
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            theirs = Transformers(case)
            turns = []
            for _ in range(arguments.turns):
                ours, share = run_ringworld(case, arguments.program, arguments.threads, Path(folder))
                turns.append((ours, share, theirs.run()))
            ratios = sorted(ours / other for ours, _, other in turns)
            print(f"{case.name:28}{statistics.median(t[0] for t in turns):10.0f} t/s"
                  f"{statistics.median(t[1] for t in turns):9.2f}{statistics.median(t[2] for t in turns):10.0f} t/s"
                  f"{statistics.median(ratios):8.2f}  {ratios[0]:.2f}..{ratios[-1]:.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
