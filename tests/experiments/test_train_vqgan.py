"""`ringworld train` of a VQGAN on folders of pictures: ended and resumed, and refused when they changed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

import launch
from test_train import tensors, written

STOPPED = 75
PATIENCE = 60
STEPS = 96  # more than come to pass while this process waits for its turn to end one
TRAINING = """
seed = {seed}
[vqgan]
frame_side = 16
hidden_size = 4
multipliers = [1, 2, 2]
blocks = 1
middle_blocks = 1
latent_channels = 4
codebook_size = 100
norm_groups = 2
[data]
frames = ["{folder}/training"]
evaluation = ["{folder}/evaluation"]
[training]
steps = {steps}
batch = 4
learning_rate = 1e-3
plain_steps = 4
seeding_frames = 8
restart_every = 3
evaluate_every = 32
evaluation_frames = 3
"""
STEP_COLUMNS = ["step", "is_quantized", "loss", "absolute_error", "squared_error", "quantization_error", "codes_used",
                "codes_restarted", "grad_norm", "learning_rate"]  # fmt: skip
EVALUATION_COLUMNS = ["step", "frames", "frame_side", "psnr", "codes_used", "perplexity"]


def write_pictures(folder: Path, first: int, count: int) -> None:
    folder.mkdir()
    for number in range(first, first + count):
        y, x = np.mgrid[0:20, 0:26]
        waves = [127 + 120 * np.sin((x + 3 * number) / (2 + c) + (number % 5) * y / (5 - c)) for c in range(3)]
        Image.fromarray(np.stack(waves, axis=-1).astype(np.uint8)).save(folder / f"{number}.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return pictures, a configuration, and its runs to the end on one rank and on two."""
    made = tmp_path_factory.mktemp("vqgan")
    write_pictures(made / "training", 0, 10)
    write_pictures(made / "evaluation", 50, 3)
    (made / "train.toml").write_text(TRAINING.format(folder=made, seed=1, steps=STEPS))
    for ranks in (None, 2):
        finished = train(ranks, made, f"whole-{ranks}")
        assert finished.code == 0, str(finished)
    return made


def flags_of(folder: Path, name: str) -> list[launch.Argument]:
    return ["train", "--config", folder / "train.toml", "--checkpoint", folder / f"{name}.h5", "--output",
            folder / f"{name}-run.h5"]  # fmt: skip


def train(ranks: int | None, folder: Path, name: str, *flags: launch.Argument) -> launch.Finished:
    return launch.run(ranks, *flags_of(folder, name), *flags)


def rows(path: Path, table: str, columns: list[str]) -> np.ndarray:
    with h5py.File(path) as file:
        return np.asarray(file[f"vqgan/{table}"][()][columns])


def test_pictures_of_a_folder_are_learnt(folder: Path) -> None:
    steps = rows(folder / "whole-None-run.h5", "steps", STEP_COLUMNS)
    assert list(steps["step"]) == list(range(STEPS))
    assert list(steps["is_quantized"]) == [False] * 4 + [True] * (STEPS - 4)
    assert steps["loss"][-4:].mean() < steps["loss"][:4].mean()
    assert steps["codes_restarted"].sum() > 0, "restarts take part in what is resumed"
    evaluations = rows(folder / "whole-None-run.h5", "evaluation", EVALUATION_COLUMNS)
    assert list(evaluations["step"]) == [32, 64, 96] and set(evaluations["frames"]) == {3}
    # Other pictures, another training: the frames come from the folder.
    other = folder / "other"
    other.mkdir()
    write_pictures(other / "training", 20, 10)
    text = (folder / "train.toml").read_text()
    (other / "train.toml").write_text(text.replace(f"{folder}/training", f"{other}/training"))
    assert train(None, other, "model").code == 0
    assert not np.array_equal(rows(other / "model-run.h5", "steps", STEP_COLUMNS)["loss"], steps["loss"])


def end(process: int, ranks: int | None, number: signal.Signals) -> None:
    """Send a signal to the last rank."""
    of_job = [process] if ranks is None else launch.rank_processes(process)
    if of_job:
        os.kill(of_job[-1], number)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("ranks", [None, 2])
def test_ended_and_resumed_is_the_same_run(folder: Path, ranks: int | None, number: signal.Signals) -> None:
    name = f"ended-{ranks}-{number.name}"
    checkpoint = folder / f"{name}.h5"
    command = launch.command_line(ranks, [*flags_of(folder, name), "--checkpoint-steps", 1, "--resume"])
    begun = []
    for _ in range(3):
        with launch.started(command, folder) as process:
            before, deadline = written(checkpoint), time.monotonic() + PATIENCE
            while written(checkpoint) == before and time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.002)
            end(process.pid, ranks, number)
            process.wait(timeout=PATIENCE)
            if number == signal.SIGTERM:
                assert process.returncode == STOPPED
        with h5py.File(checkpoint) as file:  # whole at any moment
            begun.append(int(file.attrs["step"]))
    assert 0 < begun[0] < begun[1] < begun[2] < STEPS, "each was ended in the middle"
    finished = train(ranks, folder, name, "--resume")
    assert finished.code == 0, str(finished)
    assert list(folder.glob("*.tmp-*")) == []

    expected, actual = tensors(folder / f"whole-{ranks}.h5"), tensors(checkpoint)
    assert expected.keys() == actual.keys()
    for tensor, values in expected.items():
        assert np.array_equal(values, actual[tensor]), tensor
    for table, columns in (("steps", STEP_COLUMNS), ("evaluation", EVALUATION_COLUMNS)):
        whole, joined = (rows(folder / f"{run}-run.h5", table, columns) for run in (f"whole-{ranks}", name))
        assert np.array_equal(np.sort(joined, order="step"), whole), table


def test_a_picture_that_changed_is_another_training(folder: Path) -> None:
    (folder / "changed.h5").write_bytes((folder / "whole-None.h5").read_bytes())
    picture = folder / "training" / "3.png"
    before = picture.read_bytes()
    picture.write_bytes((folder / "training" / "4.png").read_bytes())
    try:
        finished = train(None, folder, "changed", "--resume")
    finally:
        picture.write_bytes(before)
    assert finished.code == 2 and len(finished.errors) == 1 and "frames = " in finished.errors[0], str(finished)
