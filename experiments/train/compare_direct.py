#!/usr/bin/env python3
"""Holds training on growing context against training on the longest context from the start: equal tokens.

    python experiments/train/compare_direct.py --frame-tokenizer vqgan.h5 [--steps 0.5] [--rates 0.5,1,2] [--seed 1]

Progressive: the stages of experiments/train/config/world.toml up to videos of 64 frames. Direct: the last of these
alone, experiments/train/config/world_direct.toml, for as many steps as give the same number of tokens. Both are trained
with their learning rates times each of --rates, so that neither suffers from a rate that suits the other; --steps
scales the steps of both. Then `ringworld evaluate` asks for digits in videos of 64 frames with handwriting that
training never saw. Time is CPU time of the training, so that other programs on the machine do not count. Needs Python
3.11 and h5py.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import h5py

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = REPOSITORY / "experiments" / "train" / "config"
STAGES = 5  # of world.toml, the last of which has videos of 64 frames
FRAMES = 64


def scaled(text: str, key: str, factor: float) -> str:
    """Return a configuration with all values of a key times a factor."""

    def product(match: re.Match[str]) -> str:
        value = factor * float(match[1])
        return f"{key} = {value:g}" if "rate" in key else f"{key} = {max(1, round(value))}"

    return re.sub(rf"^{key} = (\S+)$", product, text, flags=re.MULTILINE)


def tokens_of(text: str) -> int:
    """Return the tokens that a configuration trains on."""
    stages = tomllib.loads(text)["stage"]
    return sum(stage["context_length"] * stage["batch"] * stage["steps"] for stage in stages)


def configurations(steps: float) -> dict[str, str]:
    """Return both configurations, of equal numbers of tokens."""
    header, *stages = (CONFIG / "world.toml").read_text().split("[[stage]]\n")
    texts = {
        "progressive": "[[stage]]\n".join([header, *stages[:STAGES]]),
        "direct": (CONFIG / "world_direct.toml").read_text(),
    }
    for key in ("steps", "warmup"):
        texts["progressive"] = scaled(texts["progressive"], key, steps)
    factor = tokens_of(texts["progressive"]) / tokens_of(texts["direct"])
    for key in ("steps", "warmup"):
        texts["direct"] = scaled(texts["direct"], key, factor)
    return texts


class Session:
    """A folder, and the program that works in it."""

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self.arguments = arguments
        self.folder = folder

    def ringworld(self, *words: str | Path) -> float:
        """Run a verb, and return its CPU seconds."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [str(word) for word in (self.arguments.program, *words)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def train(self, text: str, rate: float) -> float:
        """Train one configuration, and return its CPU seconds."""
        for key in ("learning_rate", "min_learning_rate"):
            text = scaled(text, key, rate)
        config = self.folder / "train.toml"
        config.write_text(text.replace("keep_stages = true\n", ""))
        for name in ("model.h5", "train.h5"):
            (self.folder / name).unlink(missing_ok=True)
        return self.ringworld("train", "--config", config, "--seed", str(self.arguments.seed), "--frame-tokenizer",
                              self.arguments.frame_tokenizer, "--checkpoint", self.folder / "model.h5", "--output",
                              self.folder / "train.h5")  # fmt: skip

    def evaluate(self) -> tuple[float, float]:
        """Return the shares of right digits: a single one at five depths, and six of six."""
        record = self.folder / "evaluation.h5"
        record.unlink(missing_ok=True)
        self.ringworld("evaluate", "--checkpoint", self.folder / "model.h5", "--frame-tokenizer",
                       self.arguments.frame_tokenizer, "--tasks", "needle", "--frames", str(FRAMES), "--needles",
                       "1/1,6/6", "--trials", "20", "--output", record)  # fmt: skip
        with h5py.File(record) as file:
            rows = file["evaluation/needles"][:]
        several = rows["needles_planted"] > 1
        single = rows["hits"][~several].sum() / rows["trials"][~several].sum()
        return single, rows["hits"][several].sum() / rows["trials"][several].sum()


def main() -> int:
    """Train both at all rates, and print what they know."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=REPOSITORY / "build" / "release" / "bin" / "ringworld")
    parser.add_argument("--frame-tokenizer", type=Path, required=True, help="VQGAN that vqgan_cards.toml trained")
    parser.add_argument("--steps", type=float, default=1)
    parser.add_argument("--rates", default="0.5,1,2")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.frame_tokenizer = arguments.frame_tokenizer.resolve()
    print(f"{'training':14}{'rate':>6}{'tokens':>10}{'CPU s':>8}{'one of one':>12}{'six of six':>12}")
    with tempfile.TemporaryDirectory() as folder:
        session = Session(arguments, Path(folder))
        for rate in map(float, arguments.rates.split(",")):
            for name, text in configurations(arguments.steps).items():
                seconds = session.train(text, rate)
                single, several = session.evaluate()
                print(f"{name:14}{rate:6g}{tokens_of(text):10}{seconds:8.0f}{single:12.2f}{several:12.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
