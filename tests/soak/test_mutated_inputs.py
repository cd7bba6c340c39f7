"""Mutated configurations, checkpoints and inputs: each gives a right run or one clear error, and none a crash."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

import launch
import mutate
from needle_checkpoint import VOCABULARY, write_checkpoint, write_text

#: A mutated number may ask for hours of work: such a run is told to stop, and then has to.
LONGEST_RUN = float(os.environ.get("RINGWORLD_SOAK_SECONDS", "12"))
#: A run that is told to stop finishes its step and writes its checkpoint, of a thousand layers if it was asked for them.
LONGEST_END = max(30.0, 3 * LONGEST_RUN)
STOPPED_BY_A_SIGNAL = 75

CONFIGURATIONS = {
    "attention": 'context_length = [64, 96]\nheads = [2]\nkv_heads = [1]\nhead_size = [16]\nbatch = [1]\nrepeats = 1\n'
    'warmup = 0\nlayout = ["zigzag"]\ndtype = ["float32"]\nwire_dtype = ["same"]\ncausal = [true]\nbackend = ["host"]\n'
    'pass = ["forward_backward"]\nthreads = [1]\nseed = 1\nmemory_limit = 0\n',
    "train": '[model]\npreset = "needle"\nlayers = 1\n[data]\nhaystack = ["{folder}/text.txt"]\ntokenizer = "byte"\n'
    "[optimizer]\nweight_decay = 0.1\n[[stage]]\ncontext_length = 64\nrope_theta = 512\nsteps = 2\nbatch = 2\n"
    'learning_rate = 1e-3\nmesh = "1,1,1,-1"\n',
    "needle": 'checkpoint = "{folder}/model.h5"\nhaystack = "{folder}/text.txt"\ntrials = 2\ndepth = [0.0, 1.0]\n'
    'context_length = [96]\nlayout = "zigzag"\nbackend = "host"\ndtype = "float32"\nseed = 3\nmesh = "1,1,1,-1"\n',
    "sweep": 'ranks = [1]\ncontext_length = [64]\nattention_config = "{folder}/attention.toml"\n'
    'stages = ["{folder}/train.toml"]\n',
}


@dataclass(frozen=True)
class Target:
    """What is mutated, how, and who reads it."""

    name: str
    mutate: Callable[[Path, random.Random], None]
    arguments: Callable[[Path], list[launch.Argument]]


def _configuration(verb: str) -> Callable[[Path, random.Random], None]:
    def change(folder: Path, chance: random.Random) -> None:
        path = folder / f"{verb}.toml"
        path.write_bytes(mutate.mutate_text(path.read_text(), chance))

    return change


def _hdf5(name: str) -> Callable[[Path, random.Random], None]:
    def change(folder: Path, chance: random.Random) -> None:
        (mutate.mutate_hdf5 if chance.random() < 0.6 else mutate.damage_bytes)(folder / name, chance)

    return change


def _config_flags(verb: str) -> Callable[[Path], list[launch.Argument]]:
    def flags(folder: Path) -> list[launch.Argument]:
        extra = ["--checkpoint", folder / "new.h5"] if verb == "train" else []
        return [verb, "--config", folder / f"{verb}.toml", *extra, "--output", folder / "out.h5"]

    return flags


TARGETS = (
    *(Target(f"{verb} configuration", _configuration(verb), _config_flags(verb)) for verb in CONFIGURATIONS),
    Target("needle checkpoint", _hdf5("model.h5"), _config_flags("needle")),
    Target(
        "score checkpoint",
        _hdf5("model.h5"),
        lambda folder: ["score", "--checkpoint", folder / "model.h5", "--input", folder / "tokens.h5", "--output",
                        folder / "out.h5"],
    ),
    Target(
        "score input",
        _hdf5("tokens.h5"),
        lambda folder: ["score", "--checkpoint", folder / "model.h5", "--input", folder / "tokens.h5", "--output",
                        folder / "out.h5", "--gradients"],
    ),
    Target(
        "generate checkpoint",
        _hdf5("model.h5"),
        lambda folder: ["generate", "--checkpoint", folder / "model.h5", "--prompt", "waaa waab waac", "--new-tokens",
                        2, "--output", folder / "out.h5"],
    ),
    Target(
        "verify input",
        _hdf5("tensors.h5"),
        lambda folder: ["verify", "--input", folder / "tensors.h5", "--output", folder / "out.h5"],
    ),
    Target(
        "attention record to resume",
        _hdf5("record.h5"),
        lambda folder: ["attention", "--config", folder / "attention.toml", "--output", folder / "record.h5",
                        "--resume"],
    ),
    Target(
        "training checkpoint to resume",
        _hdf5("trained.h5"),
        lambda folder: ["train", "--config", folder / "train.toml", "--checkpoint", folder / "trained.h5", "--output",
                        folder / "trained-record.h5", "--resume"],
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Right inputs of every kind; `{folder}` in a configuration stands for the folder that it is copied to."""
    folder = tmp_path_factory.mktemp("originals")
    write_text(folder / "text.txt", words=4000)
    write_checkpoint(folder / "model.h5")
    rng = np.random.default_rng(5)
    with h5py.File(folder / "tokens.h5", "w") as file:
        file["tokens"] = rng.integers(0, VOCABULARY, (2, 24)).astype("i4")
        file["segment_ids"] = np.repeat([[0, 1]], 2, 0).repeat(12, 1).astype("i4")
        file["loss_mask"] = np.ones((2, 24), "f4")
    with h5py.File(folder / "tensors.h5", "w") as file:
        for name in ("q", "k", "v", "dout"):
            file[name] = rng.standard_normal((1, 24, 2, 16)).astype("f4")
        file["segment_ids"] = np.array([[0] * 12 + [1] * 10 + [-1] * 2], "i4")
    for verb, text in CONFIGURATIONS.items():
        (folder / f"{verb}.toml").write_text(text)
    copy = folder / "made"
    lay_out(folder, copy)
    launch.run_successfully(None, "attention", "--config", copy / "attention.toml", "--output", folder / "record.h5")
    launch.run_successfully(None, "train", "--config", copy / "train.toml", "--checkpoint", folder / "trained.h5",
                            "--output", folder / "trained-record.h5")  # fmt: skip
    return folder


def lay_out(originals: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in originals.iterdir():
        if path.suffix == ".toml":
            (folder / path.name).write_text(path.read_text().replace("{folder}", str(folder)))
        elif path.is_file():
            shutil.copy(path, folder / path.name)


def run_to_its_end(command: list[str], folder: Path) -> tuple[int, str]:
    """Run it, in its folder; one that works for long is told to stop. Return exit code and what it said."""
    log = folder / "log"
    with log.open("w") as sink:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd=folder,
                                   env=launch.environment(), start_new_session=True)  # fmt: skip
        try:
            process.wait(timeout=LONGEST_RUN)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=LONGEST_END)
            except subprocess.TimeoutExpired:
                pytest.fail(f"does not end on SIGTERM: {' '.join(command)}\n{log.read_text(errors='replace')[-2000:]}")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, log.read_text(errors="replace")


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name.replace(" ", "_"))
def test_mutated_input_gives_a_run_or_a_clear_error(
    target: Target, originals: Path, mutated_inputs: int, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    for index in range(max(1, mutated_inputs // len(TARGETS))):
        chance = random.Random(f"{target.name} {index}")
        lay_out(originals, folder)
        target.mutate(folder, chance)
        code, said = run_to_its_end(launch.command_line(None, target.arguments(folder)), folder)
        what = f"{target.name}, mutation {index}: exit code {code}\n{said[-3000:]}"
        assert code in (0, 1, 2, STOPPED_BY_A_SIGNAL), what
        assert "Sanitizer" not in said and "runtime error:" not in said, what
        if code == 2:
            errors = [line for line in said.splitlines() if line.startswith(launch.ERROR_PREFIX)]
            assert len(errors) == 1 and len(errors[0]) > len(launch.ERROR_PREFIX) + 10, what
