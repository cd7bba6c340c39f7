#!/usr/bin/env python3
"""Holds `ringworld train` of a world model against PyTorch on this CPU: training steps, fp32, one thread, one run.

    python experiments/train/compare_world_pytorch.py [--turns 3] [--stages img,vid,n64]

Stages are those of experiments/train/config/world.toml: the same model, the same documents a step, both losses, AdamW
and clipping. Costs are seconds of CPU time, which other programs on the machine do not change as they change wall time.
Ours is the difference of two runs of unequal numbers of steps, so that starting up drops out. It draws its documents
and encodes frames that it has not seen yet; PyTorch gets its tokens for nothing. Early steps, which are measured here,
see many new frames, the whole training few. Hence two ratios: of whole steps, and of steps without that share, which
the record has as idle time. PyTorch packs the documents without padding: products see all of them as one matrix,
attention (scaled_dot_product_attention, causal) sees those of one length as one batch, and heads see the rows that have
a target. The sides take turns; medians count. Needs Python 3.11, torch, h5py and numpy
(kernels/bench/compare_pytorch.sh sets up a torch in build/pytorch).
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import torch
from torch import Tensor, nn
from torch.nn import functional

from compare_vqgan_pytorch import CASES

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = REPOSITORY / "experiments" / "train" / "config" / "world.toml"
NAMES = ("img", "vid", "n8", "n16", "n64", "n256")
#: Steps that two runs of ours have more and less of, and that PyTorch does.
STEPS = {"img": 24, "vid": 24, "n8": 24, "n16": 20, "n64": 8, "n256": 4}
WARM_UP = 4

# The model of world.toml: preset "needle" with three layers.
LAYERS, WIDTH, HEADS, FFN = 3, 64, 4, 192
WORDS, CODES = 434, 258
FRAME = 17  # codes and the marker after them
TEXT_TOKENS = 48
NEEDLE_QUESTION = 6
NEEDLES = 6


@dataclass(frozen=True)
class Group:
    """Documents of one length: how many, and where their targets are, in words and in codes."""

    count: int
    length: int
    word_targets: range
    code_targets: range
    word_weight: float
    code_weight: float


def vision_tokens(frames: int) -> int:
    """Return the tokens of frames with <vision> and </vision>."""
    return frames * FRAME + 2


def group_of(name: str, count: int, frames: int) -> Group:
    """Return the documents of a format; the words of a caption and of a question are those of world.toml's cards."""
    caption = 4
    shown = vision_tokens(1 if name.startswith("image") or name.endswith("image") else 3)
    length = 1 + shown + caption + 1
    if name in ("image_text", "video_text"):
        return Group(count, length, range(1 + shown, length), range(0), 1, 0)
    if name in ("text_image", "text_video"):
        last = 1 + caption + shown - 1
        return Group(count, length, range(last, length), range(2 + caption, last), 0.1, 1)
    if name == "text":
        return Group(count, TEXT_TOKENS, range(1, TEXT_TOKENS), range(0), 0.1, 0)
    begin = 1 + vision_tokens(frames)
    length = begin + NEEDLES * NEEDLE_QUESTION
    return Group(count, length, range(begin + NEEDLE_QUESTION - 2, length, NEEDLE_QUESTION), range(0), 1, 0)


def groups_of(stage: dict[str, Any]) -> list[Group]:
    """Return the documents of a step."""
    data = stage["data"]
    entries = (entry.split(":") for entry in data["mix"].split(","))
    return [group_of(name.strip(), int(count), data.get("frames", 0)) for name, count in entries]


class Layer(nn.Module):
    """Attention with rotary positions, and SwiGLU."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.RMSNorm(WIDTH, 1e-5)
        self.second = nn.RMSNorm(WIDTH, 1e-5)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.gate_up = nn.Linear(WIDTH, 2 * FFN, bias=False)
        self.down = nn.Linear(FFN, WIDTH, bias=False)

    def forward(self, x: Tensor, groups: list[Group], cosine: Tensor, sine: Tensor) -> Tensor:
        """Return the layer's output for the tokens of all documents, (tokens, width)."""
        q, k, v = self.qkv(self.first(x)).view(-1, 3 * HEADS, WIDTH // HEADS).split(HEADS, 1)
        half = WIDTH // HEADS // 2
        turned = []
        for rows in (q, k):
            left, right = rows[..., :half], rows[..., half:]
            turned.append(torch.cat((left * cosine - right * sine, right * cosine + left * sine), -1))
        outputs, begin = [], 0
        for group in groups:
            end = begin + group.count * group.length
            shape = (group.count, group.length, HEADS, WIDTH // HEADS)
            q_k_v = [rows[begin:end].view(shape).transpose(1, 2) for rows in (*turned, v)]
            attended = functional.scaled_dot_product_attention(*q_k_v, is_causal=True)
            outputs.append(attended.transpose(1, 2).reshape(end - begin, WIDTH))
            begin = end
        x = x + self.out(torch.cat(outputs))
        gate, up = self.gate_up(self.second(x)).chunk(2, -1)
        return x + self.down(functional.silu(gate) * up)


class World(nn.Module):
    """The world model: words and codes have tables and heads of their own, and each head is its table."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Parameter(torch.randn(WORDS, WIDTH) / WIDTH**0.5)
        self.codes = nn.Parameter(torch.randn(CODES, WIDTH) / WIDTH**0.5)
        self.layers = nn.ModuleList([Layer() for _ in range(LAYERS)])
        self.norm = nn.RMSNorm(WIDTH, 1e-5)


@dataclass(frozen=True)
class Targets:
    """Rows that predict tokens of one part, the tokens, and the weights of their losses."""

    rows: Tensor
    tokens: Tensor
    weights: Tensor


class PyTorch:
    """The other side: a model with its optimizer and one step's documents."""

    def __init__(self, stage: dict[str, Any]) -> None:
        torch.manual_seed(0)
        self.groups = groups_of(stage)
        self.tokens = sum(group.count * group.length for group in self.groups)
        self.ids = torch.randint(0, WORDS + CODES, (self.tokens,))
        positions = torch.cat([torch.arange(group.length).repeat(group.count) for group in self.groups])
        exponents = torch.arange(0, WIDTH // HEADS, 2) / (WIDTH // HEADS)
        angles = positions[:, None] * stage["rope_theta"] ** -exponents
        self.cosine, self.sine = angles.cos()[:, None], angles.sin()[:, None]
        self.word_targets = self.targets_of(WORDS, "word")
        self.code_targets = self.targets_of(CODES, "code")
        self.model = World()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.01,
                                           fused=True)  # fmt: skip

    def targets_of(self, vocabulary: int, part: str) -> Targets:
        """Return the targets of one part of the vocabulary; weights sum to 1."""
        rows, weights, begin = [], [], 0
        for group in self.groups:
            targets: range = getattr(group, f"{part}_targets")
            weight: float = getattr(group, f"{part}_weight")
            for document in range(group.count):
                rows += [begin + document * group.length + target - 1 for target in targets]
                weights += [weight / (group.count * len(targets))] * len(targets) if targets else []
            begin += group.count * group.length
        every = torch.tensor(weights)
        return Targets(torch.tensor(rows), torch.randint(0, vocabulary, (len(rows),)), every / every.sum())

    def loss(self) -> Tensor:
        """Return what is minimised: half of it words, half codes."""
        x = functional.embedding(self.ids, torch.cat((self.model.words, self.model.codes)))
        for layer in self.model.layers:
            x = layer(x, self.groups, self.cosine, self.sine)
        hidden = self.model.norm(x)
        total = torch.zeros(())
        for targets, table in ((self.word_targets, self.model.words), (self.code_targets, self.model.codes)):
            nll = functional.cross_entropy(hidden[targets.rows] @ table.t(), targets.tokens, reduction="none")
            total = total + 0.5 * (nll * targets.weights).sum()
        return total

    def run(self, steps: int) -> float:
        """Return CPU seconds of a step: forward, backward, clipping, AdamW."""
        begin = 0.0
        for step in range(WARM_UP + steps):
            if step == WARM_UP:
                begin = time.process_time()
            self.loss().backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        return (time.process_time() - begin) / steps


@dataclass(frozen=True)
class Step:
    """CPU seconds of a step, and the share of them that makes its documents."""

    seconds: float
    data_share: float


class Ringworld:
    """Our side: a stage of world.toml, run alone with another number of steps."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program = program
        self.folder = folder
        config = folder / "vqgan.toml"
        config.write_text(replace(CASES[0], steps=1).toml())
        self.train("--config", config, "--checkpoint", folder / "vqgan.h5")
        self.header, *self.stages = CONFIG.read_text().split("[[stage]]\n")

    def train(self, *flags: str | Path) -> float:
        """Train, and return the CPU seconds that it took."""
        record = self.folder / "record.h5"
        record.unlink(missing_ok=True)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [self.program, "train", *flags, "--output", record]
        subprocess.run(
            [str(part) for part in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def run(self, stage: int, steps: int) -> Step:
        """Return the cost of a step."""
        seconds = []
        for count in (WARM_UP, WARM_UP + steps):
            text = re.sub(r"^steps = \d+$", f"steps = {count}", self.stages[stage], flags=re.MULTILINE)
            text = re.sub(r"^warmup = \d+$", "warmup = 1", text, flags=re.MULTILINE)
            config = self.folder / "stage.toml"
            config.write_text(self.header + "[[stage]]\n" + text)
            model = self.folder / "model.h5"
            seconds.append(self.train("--config", config, "--checkpoint", model, "--frame-tokenizer",
                                      self.folder / "vqgan.h5"))  # fmt: skip
        with h5py.File(self.folder / "record.h5") as file:
            rows = file["training/steps"][WARM_UP:]
        return Step((seconds[1] - seconds[0]) / steps, rows["idle_time"].sum() / rows["step_time"].sum())


def main() -> int:
    """Let both sides take turns, and print their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=REPOSITORY / "build" / "release" / "bin" / "ringworld")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--stages", default="img,vid,n64", help=f"of {','.join(NAMES)}")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    stages = tomllib.loads(CONFIG.read_text())["stage"]
    print(f"PyTorch {torch.__version__}, 1 thread, fp32, tokens of documents per CPU second")
    print(f"{'stage':8}{'tokens a step':>15}{'ours':>16}{'of it data':>12}{'PyTorch':>16}{'ratio':>7}  min..max"
          f"{'without data':>16}  min..max")  # fmt: skip
    # The program finds its own libraries, not those of PyTorch.
    os.environ.pop("LD_LIBRARY_PATH", None)
    with tempfile.TemporaryDirectory() as folder:
        ours = Ringworld(arguments.program, Path(folder))
        for name in arguments.stages.split(","):
            stage = NAMES.index(name)
            theirs = PyTorch(stages[stage])
            turns = [(ours.run(stage, STEPS[name]), theirs.run(STEPS[name])) for _ in range(arguments.turns)]
            whole = sorted(other / own.seconds for own, other in turns)
            bare = sorted(other / (own.seconds * (1 - own.data_share)) for own, other in turns)
            own = theirs.tokens / statistics.median(step.seconds for step, _ in turns)
            other = theirs.tokens / statistics.median(seconds for _, seconds in turns)
            share = statistics.median(step.data_share for step, _ in turns)
            print(f"{name:8}{theirs.tokens:15}{own:8.0f} token/s{share:12.2f}{other:8.0f} token/s"
                  f"{statistics.median(whole):7.2f}  {whole[0]:.2f}..{whole[-1]:.2f}"
                  f"{statistics.median(bare):16.2f}  {bare[0]:.2f}..{bare[-1]:.2f}", flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
