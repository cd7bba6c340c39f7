#!/usr/bin/env python3
"""Holds `ringworld train` of a VQGAN against PyTorch on this CPU: training steps, fp32, same threads, one run.

    python experiments/train/compare_vqgan_pytorch.py [--threads 1] [--turns 3]

Two cases: the network of experiments/train/config/vqgan_cards.toml on 16 frames of 32 x 32, and LWM's tokenizer at half
its width on 2 frames of 64 x 64. A step is forward, backward, clipping and Adam on the same loss: without the quantiser,
as training begins, and with it. PyTorch gets its frames for nothing and takes the faster one of its two memory layouts;
ours draws its frames. The sides take turns; medians count. Needs torch, numpy and h5py
(kernels/bench/compare_pytorch.sh sets up a torch in build/pytorch).
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
from torch import Tensor, nn
from torch.nn import functional

REPOSITORY = Path(__file__).resolve().parents[2]
WARM_UP = 2
COMMITMENT = 0.25


@dataclass(frozen=True)
class Case:
    """A network, a batch, and how many steps are measured of each kind."""

    name: str
    side: int
    hidden: int
    multipliers: tuple[int, ...]
    blocks: int
    middle_blocks: int
    latent: int
    codes: int
    groups: int
    batch: int
    steps: int

    def toml(self) -> str:
        """Return the configuration of `ringworld train`: half of the steps without the quantiser, half with it."""
        return f"""
seed = 1
[vqgan]
frame_side = {self.side}
hidden_size = {self.hidden}
multipliers = {list(self.multipliers)}
blocks = {self.blocks}
middle_blocks = {self.middle_blocks}
latent_channels = {self.latent}
codebook_size = {self.codes}
norm_groups = {self.groups}
commitment = {COMMITMENT}
[data]
frames = "cards"
[optimizer]
beta1 = 0.9
beta2 = 0.99
weight_decay = 0.0
clip = 1.0
[training]
steps = {2 * self.steps}
batch = {self.batch}
learning_rate = 1e-4
plain_steps = {self.steps}
seeding_frames = {max(64, self.codes // (self.side // 2 ** (len(self.multipliers) - 1)) ** 2)}
seeding_rounds = 1
restart_every = 0
evaluation_frames = 1
"""


CASES = (
    Case("cards, 32 x 32, batch 16", 32, 16, (1, 1, 2, 2), 1, 1, 16, 256, 4, 16, 30),
    Case("LWM / 2, 64 x 64, batch 2", 64, 64, (1, 2, 2, 4, 6), 2, 2, 64, 1024, 32, 2, 5),
)


@dataclass(frozen=True)
class Step:
    """Seconds of a step, and the share of them that convolutions take."""

    seconds: float
    convolutions: float


def run_ringworld(case: Case, program: Path, threads: int, folder: Path) -> list[Step]:
    """Return the median step without and with the quantiser."""
    config, record = folder / "case.toml", folder / "record.h5"
    config.write_text(case.toml())
    record.unlink(missing_ok=True)
    command = [program, "train", "--config", config, "--threads", str(threads), "--output", record]
    command += ["--checkpoint", folder / "model.h5"]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    with h5py.File(record) as file:
        rows = file["vqgan/steps"][:]
    steps = []
    for kind in (False, True):
        measured = rows[rows["is_quantized"].astype(bool) == kind][WARM_UP:]
        shares = measured["product_time"] / measured["step_time"]
        steps.append(Step(statistics.median(measured["step_time"]), statistics.median(shares)))
    return steps


def convolution(inputs: int, outputs: int, side: int = 3, stride: int = 1, padding: int | None = None) -> nn.Conv2d:
    """Return a convolution with the initial weights of Flax."""
    layer = nn.Conv2d(inputs, outputs, side, stride=stride, padding=side // 2 if padding is None else padding)
    nn.init.normal_(layer.weight, std=layer.weight[0].numel() ** -0.5)
    nn.init.zeros_(layer.bias)
    return layer


class Residual(nn.Module):
    """Two convolutions, each behind a group norm and SiLU."""

    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.GroupNorm(groups, inputs, 1e-6), nn.GroupNorm(groups, outputs, 1e-6)])
        self.convolutions = nn.ModuleList([convolution(inputs, outputs), convolution(outputs, outputs)])
        self.shortcut = convolution(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's result, of as many pixels."""
        hidden = x
        for norm, layer in zip(self.norms, self.convolutions, strict=True):
            hidden = layer(functional.silu(norm(hidden)))
        return hidden + self.shortcut(x)


class Vqgan(nn.Module):
    """LWM's topology: half a pixel grid a level, no attention."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        widths = [case.hidden * multiplier for multiplier in case.multipliers]
        groups, deepest = case.groups, widths[-1]
        layers: list[nn.Module] = [convolution(3, case.hidden)]
        width = case.hidden
        for level, outputs in enumerate(widths):
            for _ in range(case.blocks):
                layers.append(Residual(width, outputs, groups))
                width = outputs
            if level + 1 < len(widths):
                layers += [nn.ZeroPad2d((0, 1, 0, 1)), convolution(width, width, stride=2, padding=0)]
        layers += [Residual(deepest, deepest, groups) for _ in range(case.middle_blocks)]
        layers += [nn.GroupNorm(groups, deepest, 1e-6), nn.SiLU(), convolution(deepest, case.latent)]
        self.encoder = nn.Sequential(*layers, convolution(case.latent, case.latent, 1))
        layers = [convolution(case.latent, case.latent, 1), convolution(case.latent, deepest)]
        layers += [Residual(deepest, deepest, groups) for _ in range(case.middle_blocks)]
        for level in reversed(range(len(widths))):
            for _ in range(case.blocks + 1):
                layers.append(Residual(width, widths[level], groups))
                width = widths[level]
            if level > 0:
                layers += [nn.Upsample(scale_factor=2, mode="nearest"), convolution(width, width)]
        layers += [nn.GroupNorm(groups, width, 1e-6), nn.SiLU(), convolution(width, 3)]
        self.decoder = nn.Sequential(*layers)
        self.codebook = nn.Parameter(torch.randn(case.codes, case.latent))

    def loss(self, frames: Tensor, is_quantized: bool) -> Tensor:
        """Return what is minimised."""
        latent = self.encoder(frames)
        penalty = torch.zeros(())
        if is_quantized:
            z = latent.permute(0, 2, 3, 1).flatten(0, 2)
            distances = self.codebook.pow(2).sum(1) - 2 * z @ self.codebook.t()
            nearest = functional.embedding(distances.argmin(1), self.codebook)
            penalty = functional.mse_loss(nearest, z.detach()) + COMMITMENT * functional.mse_loss(z, nearest.detach())
            frame, channels, height, width = latent.shape
            latent = (z + (nearest - z).detach()).view(frame, height, width, channels).permute(0, 3, 1, 2)
        result = self.decoder(latent)
        return functional.l1_loss(result, frames) + functional.mse_loss(result, frames) + penalty


class PyTorch:
    """The other side: a network with its optimizer."""

    def __init__(self, case: Case, memory_format: torch.memory_format) -> None:
        torch.manual_seed(0)
        self.case = case
        self.model = Vqgan(case).to(memory_format=memory_format)
        self.frames = (2 * torch.rand(case.batch, 3, case.side, case.side) - 1).to(memory_format=memory_format)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-4, betas=(0.9, 0.99), fused=True)

    def parameters(self) -> int:
        """Return how many there are."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def step(self, is_quantized: bool) -> None:
        """Forward, backward, clipping, Adam."""
        self.model.loss(self.frames, is_quantized).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def run(self, is_quantized: bool) -> float:
        """Return seconds of a step, the median of the steps after the first."""
        seconds = []
        for _ in range(self.case.steps):
            start = time.perf_counter()
            self.step(is_quantized)
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds[WARM_UP:])


def main() -> int:
    """Let both sides take turns, and print their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=REPOSITORY / "build" / "release" / "bin" / "ringworld")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"PyTorch {torch.__version__}, {arguments.threads} thread(s), fp32")
    print(f"{'case':28}{'quantiser':>10}{'ours':>17}{'convolutions':>14}{'PyTorch':>17}{'ratio':>8}  min..max")
    # The program finds its own libraries, not those of PyTorch.
    os.environ.pop("LD_LIBRARY_PATH", None)
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            layouts = [PyTorch(case, layout) for layout in (torch.contiguous_format, torch.channels_last)]
            turns = []
            for _ in range(arguments.turns):
                ours = run_ringworld(case, arguments.program, arguments.threads, Path(folder))
                turns.append((ours, [min(side.run(kind) for side in layouts) for kind in (False, True)]))
            for kind, name in enumerate(("without", "with")):
                ratios = sorted(theirs[kind] / ours[kind].seconds for ours, theirs in turns)
                own = statistics.median(1 / ours[kind].seconds for ours, _ in turns)
                share = statistics.median(ours[kind].convolutions for ours, _ in turns)
                other = statistics.median(1 / theirs[kind] for _, theirs in turns)
                print(f"{case.name:28}{name:>10}{own:9.2f} steps/s{share:14.2f}{other:9.2f} steps/s"
                      f"{statistics.median(ratios):7.2f}  {ratios[0]:.2f}..{ratios[-1]:.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
