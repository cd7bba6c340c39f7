"""A resumed run is the same run, or says what changed; what failed can be tried again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import launch

LINES = {
    "fox": "the quick brown fox jumps over the lazy dog.\n",
    "box": "pack my box with five dozen jugs of liquor now.\n",
}
TRAINING = """
[model]
preset = "needle"
[data]
haystack = ["{folder}/text.txt"]
tokenizer = "byte"
[optimizer]
beta1 = 0.9
[[stage]]
context_length = 64
rope_theta = 512
steps = 2
batch = 2
learning_rate = 1e-3
"""


def rows_of(path: Path, table: str) -> Any:
    with h5py.File(path, "r") as file:
        return file[table][()] if table in file else np.zeros(0)


def columns_of_role(path: Path, table: str, role: str) -> list[str]:
    with h5py.File(path, "r") as file:
        attributes = file[table].attrs
        return [name for name, its in zip(attributes["columns"], attributes["roles"]) if its == role]


def changed(value: Any) -> Any:
    """Return another value of the same type."""
    if isinstance(value, (bytes, np.bytes_)):
        return b"other"
    return not value if isinstance(value, np.bool_) else value + 1


# ---- points ---------------------------------------------------------------------------------------------------------

POINT: tuple[launch.Argument, ...] = ("--context-length", 64, "--heads", 2, "--head-size", 16, "--repeats", 1)


def attention(output: Path, *flags: launch.Argument, code: int = 0) -> launch.Finished:
    finished = launch.run(None, "attention", *POINT, "--output", output, *flags, timeout=60)
    assert finished.code == code, str(finished)
    return finished


def test_every_key_column_tells_points_apart_and_no_other_does(tmp_path: Path) -> None:
    output = tmp_path / "r.h5"
    attention(output)
    (row,) = rows_of(output, "attention")
    keys = columns_of_role(output, "attention", "key")
    others = [name for role in ("measure", "model", "origin") for name in columns_of_role(output, "attention", role)]
    assert {"layout", "transport", "threads", "repeats", "seed"} <= set(keys)

    def resume_with(rows: list[Any]) -> int:
        path = tmp_path / "changed.h5"
        shutil.copy(output, path)
        with h5py.File(path, "r+") as file:
            file["attention"].resize((len(rows),))
            file["attention"][:] = np.array(rows, dtype=row.dtype)
        attention(path, "--resume")
        return len(rows_of(path, "attention")) - len(rows)

    neighbours = []
    for key in keys:
        neighbours.append(row.copy())
        neighbours[-1][key] = changed(row[key])
    assert resume_with(neighbours) == 1, "a row that differs in one key is of another point"
    same = row.copy()
    for name in others:
        same[name] = changed(row[name])
    assert resume_with([same]) == 0, "what was measured does not tell points apart"


def test_points_that_failed_can_be_tried_again(tmp_path: Path) -> None:
    output = tmp_path / "r.h5"
    little: tuple[launch.Argument, ...] = ("--memory-limit", "20K")
    finished = attention(output, *little, code=1)
    assert "--retry-failed" in finished.stderr, "says how it is tried again"
    assert [row["outcome"] for row in rows_of(output, "attention")] == [b"out_of_memory"]
    attention(output, *little, "--resume", code=1)
    assert len(rows_of(output, "attention")) == 1, "under the same limit it would fail again"
    attention(output, *little, "--resume", "--retry-failed", code=1)
    assert len(rows_of(output, "attention")) == 2
    attention(output, "--resume")
    assert [row["valid"] for row in rows_of(output, "attention")] == [False, False, True]
    attention(output, *little, "--resume", "--retry-failed")
    assert len(rows_of(output, "attention")) == 3, "what was measured is not measured again"


# ---- training -------------------------------------------------------------------------------------------------------


class Trained:
    """A folder with a finished training of one stage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "text.txt").write_text(LINES["fox"] * 400)
        self.configuration = TRAINING.format(folder=folder)

    def train(self, configuration: str, *flags: launch.Argument, code: int = 0, name: str = "m") -> launch.Finished:
        (self.folder / "t.toml").write_text(configuration)
        finished = launch.run(
            None, "train", "--config", self.folder / "t.toml", "--checkpoint", self.folder / f"{name}.h5", "--output",
            self.folder / f"{name}-run.h5", *flags, timeout=60,
        )  # fmt: skip
        assert finished.code == code, str(finished)
        return finished


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    run = Trained(tmp_path_factory.mktemp("trained"))
    run.train(run.configuration)
    return run


CHANGES = [
    ("batch = 2", "batch = 4", "stage 0: batch = 2, this run has 4"),
    ("rope_theta = 512", "rope_theta = 5e6", "stage 0: rope_theta = 512, this run has 5000000"),
    ("learning_rate = 1e-3", "learning_rate = 2e-3", "stage 0: learning_rate = 0.001, this run has 0.002"),
    ("learning_rate = 1e-3", "learning_rate = 1e-3\nwarmup = 1", "stage 0: warmup = 0, this run has 1"),
    ("beta1 = 0.9", "beta1 = 0.8", "optimizer: beta1 = 0.9, this run has 0.8"),
    ("beta1 = 0.9", "beta1 = 0.9\nweight_decay = 0.5", "optimizer: weight_decay = 0.1, this run has 0.5"),
    ("steps = 2", "steps = 1", "stage 0: steps = 2, this run has 1"),
    ("[model]", 'seed = 2\n[model]', "seed = 1, this run has 2"),
    ("[model]", 'wire_dtype = "bfloat16"\n[model]', "wire_dtype = float32, this run has bfloat16"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "says"), CHANGES, ids=[change[1].split("\n")[-1] for change in CHANGES])
def test_a_changed_training_is_refused_by_name(trained: Trained, old: str, new: str, says: str) -> None:
    before = (trained.folder / "m.h5").read_bytes(), (trained.folder / "m-run.h5").read_bytes()
    finished = trained.train(trained.configuration.replace(old, new), "--resume", code=2)
    assert len(finished.errors) == 1 and says in finished.errors[0], str(finished)
    assert before == ((trained.folder / "m.h5").read_bytes(), (trained.folder / "m-run.h5").read_bytes())


def test_a_changed_text_is_refused_though_its_name_is_the_same(trained: Trained) -> None:
    text = trained.folder / "text.txt"
    text.write_text(LINES["box"] * 400)
    try:
        finished = trained.train(trained.configuration, "--resume", code=2)
    finally:
        text.write_text(LINES["fox"] * 400)
    assert "data: text" in finished.errors[0], str(finished)


def test_another_machine_is_the_same_training_and_is_said(trained: Trained) -> None:
    finished = trained.train(trained.configuration, "--resume", "--layout", "striped")
    assert re.search("warning: .*layout = zigzag, this run has striped", finished.stderr), str(finished)


def test_more_steps_of_a_finished_stage_train_on_as_in_one_go(tmp_path: Path) -> None:
    run = Trained(tmp_path)
    more = run.configuration.replace("steps = 2", "steps = 5")
    run.train(run.configuration, name="on")
    run.train(more, "--resume", name="on")
    run.train(more, name="whole")
    with h5py.File(tmp_path / "on.h5") as on, h5py.File(tmp_path / "whole.h5") as whole:
        assert np.array_equal(on["model.norm.weight"], whole["model.norm.weight"])
        assert np.array_equal(on["model.embed_tokens.weight"], whole["model.embed_tokens.weight"])
    assert list(rows_of(tmp_path / "on-run.h5", "training/steps")["step"]) == [0, 1, 2, 3, 4]
    assert list(rows_of(tmp_path / "on-run.h5", "training/stages")["steps"]) == [2, 5]
    # A stage behind it may be added; then the one before is closed.
    stage = more[more.index("[[stage]]") :]
    run.train(more + stage, "--resume", name="on")
    finished = run.train((more + stage).replace("steps = 5", "steps = 7", 1), "--resume", code=2, name="on")
    assert "stage 0: steps = 5, this run has 7" in finished.errors[0]


# ---- needles --------------------------------------------------------------------------------------------------------


def test_another_question_is_another_cell(trained: Trained, tmp_path: Path) -> None:
    hay = tmp_path / "hay.txt"
    hay.write_text(LINES["fox"] * 400)

    def ask(*flags: launch.Argument) -> int:
        finished = launch.run(
            None, "needle", "--checkpoint", trained.folder / "m.h5", "--trials", 2, "--context-length", 320, "--depth",
            "0.5", "--perplexity-windows", 1, "--haystack", hay, "--output", tmp_path / "n.h5", "--resume", *flags,
            timeout=60,
        )  # fmt: skip
        assert finished.code == 0, str(finished)
        return len(rows_of(tmp_path / "n.h5", "needle/cells"))

    assert ask() == 1
    assert ask() == 1, "the same question"
    assert ask("--seed", 2) == 2
    texts = len(rows_of(tmp_path / "n.h5", "needle/perplexity"))
    hay.write_text(LINES["box"] * 400)
    assert ask() == 3, "another text under the same name"
    assert len(rows_of(tmp_path / "n.h5", "needle/perplexity")) > texts
    assert len(set(rows_of(tmp_path / "n.h5", "needle/cells")["haystack_digest"])) == 2


# ---- sweeps ---------------------------------------------------------------------------------------------------------


def test_a_part_whose_configuration_changed_is_run_again(tmp_path: Path) -> None:
    config = tmp_path / "a.toml"

    def sweep(text: str, *flags: launch.Argument, code: int = 0) -> Any:
        config.write_text(text)
        finished = launch.run(
            None, "sweep", "--context-length", 64, "--attention-config", config, "--output", tmp_path / "s.h5", *flags,
            timeout=60,
        )  # fmt: skip
        assert finished.code == code, str(finished)
        return rows_of(tmp_path / "s.h5", "attention")

    small = "heads = 2\nhead_size = 16\nrepeats = 1\n"
    assert [row["valid"] for row in sweep(small + 'memory_limit = "20K"\n', code=1)] == [False]
    assert [row["valid"] for row in sweep(small, "--resume")] == [False, True]
    assert len(sweep(small, "--resume")) == 2
    rows = sweep(small + "threads = [1, 2]\n", "--resume")
    assert list(rows["threads"]) == [1, 1, 2], "points that the sweep has are not merged twice"
    samples = rows_of(tmp_path / "s.h5", "samples")
    assert list(samples["attention_row"]) == [1, 2]


# ---- names ----------------------------------------------------------------------------------------------------------


def test_names_may_hold_commas(tmp_path: Path) -> None:
    run = Trained(tmp_path)
    first, second = tmp_path / "a, b.txt", tmp_path / "c.txt"
    for path in (first, second):
        path.write_text(LINES["fox"] * 200)
    quoted = f'"{first}", "{second}"'
    run.train(run.configuration.replace(f'"{tmp_path}/text.txt"', quoted))
    finished = launch.run(
        None, "needle", "--checkpoint", tmp_path / "m.h5", "--trials", 1, "--context-length", 320, "--depth", "0.5",
        "--haystack", f'"{first}",{second}', "--output", tmp_path / "n.h5", timeout=60,
    )  # fmt: skip
    assert finished.code == 0, str(finished)
    assert "double quotes" in launch.run(None, "needle", "--help").stdout
