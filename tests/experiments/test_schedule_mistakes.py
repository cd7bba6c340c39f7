"""What a schedule does not fit: every verb says it in one line that names the nearest value that works."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

import launch
from needle_checkpoint import HIDDEN, LAYERS, write_checkpoint, write_text
from problem import Problem, write_tensors

RANKS = 4
HEADS, KV_HEADS = 6, 3

#: Flags, and what the line says of them. Six heads, three of keys, four ranks.
MISTAKES = {
    "heads": (
        "--ulysses 4",
        "--schedule ring --ulysses 4: ulysses 4 does not fit 6 heads, 3 kv heads and 4 ranks; "
        "the nearest that does is 1",
    ),
    "kv heads": (
        "--ulysses 2",
        "--schedule ring --ulysses 2: ulysses 2 does not fit 6 heads, 3 kv heads and 4 ranks; "
        "the nearest that does is 1",
    ),
    "window": (
        "--schedule double_ring --window 3",
        "--schedule double_ring --window 3: window 3 does not divide a ring of 4 ranks; the nearest that does is 2",
    ),
    "head groups": (
        "--schedule all_gather --head-groups 2",
        "--schedule all_gather --head-groups 2: 2 head groups do not divide 3 kv heads; "
        "the nearest number that does is 1",
    ),
    "window of a ring": ("--window 2", "--window 2: a window belongs to the schedule double_ring, not to ring"),
    "trim": (
        "--trim true --layout striped",
        "--schedule ring --trim: trim drops what a causal mask hides in the layout zigzag; the layout is striped",
    ),
}

#: Each verb that takes a schedule, with as few processes as it needs.
VERBS = {
    "attention": (None, f"attention --dry-run --ranks {RANKS} --heads {HEADS} --kv-heads {KV_HEADS} --head-size 16"),
    "verify": (RANKS, "verify --input in.h5 --output out.h5"),
    "train": (None, f"train --dry-run --ranks {RANKS} --config stages.toml"),
    "needle": (RANKS, "needle --checkpoint model.h5 --haystack hay.txt --output out.h5"),
    "sweep of attention": (RANKS, "sweep --attention-config attention.toml --output out.h5"),
    "sweep of training": (RANKS, "sweep --stages stages.toml --output out.h5"),
}
STAGES = f"""
[model]
preset = "needle"
hidden_size = 48
heads = {HEADS}
kv_heads = {KV_HEADS}
head_size = 8
[data]
haystack = "synthetic"
tokenizer = "word"
[[stage]]
context_length = 64
rope_theta = 512
steps = 1
batch = 4
learning_rate = 1e-3
[stage.data]
kind = "needle"
"""


def write_model(path: Path) -> None:
    """Write a checkpoint whose heads are those of the mistakes; its numbers are never used."""
    write_checkpoint(path, num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, head_dim=8)
    rows = {"q_proj": 8 * HEADS, "k_proj": 8 * KV_HEADS, "v_proj": 8 * KV_HEADS}
    with h5py.File(path, "a") as file:
        for layer in range(LAYERS):
            prefix = f"model.layers.{layer}.self_attn."
            shapes: dict[str, tuple[int, ...]] = {f"{name}.weight": (size, HIDDEN) for name, size in rows.items()}
            shapes |= {f"{name}.bias": (size,) for name, size in rows.items()}
            for name, shape in (shapes | {"o_proj.weight": (HIDDEN, 8 * HEADS)}).items():
                del file[prefix + name]
                file[prefix + name] = np.zeros(shape, dtype=np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("mistakes")
    write_tensors(made / "in.h5", Problem(16, 1, heads=HEADS, kv_heads=KV_HEADS, head_size=16).tensors())
    write_model(made / "model.h5")
    write_text(made / "hay.txt")
    (made / "stages.toml").write_text(STAGES)
    (made / "attention.toml").write_text(f"heads = {HEADS}\nkv_heads = {KV_HEADS}\nhead_size = 16\nrepeats = 1\n")
    return made


def cases() -> list[tuple[str, str]]:
    """Every mistake with every verb; a sweep, which asks the verbs, has two of them."""
    return [(verb, name) for verb in VERBS for name in MISTAKES if "sweep" not in verb or name in ("heads", "window")]


@pytest.mark.parametrize(("verb", "name"), cases(), ids=lambda word: word.replace(" ", "_"))
def test_a_schedule_that_does_not_fit_is_one_line(verb: str, name: str, folder: Path) -> None:
    ranks, command = VERBS[verb]
    flags, says = MISTAKES[name]
    before = sorted(folder.iterdir())
    finished = launch.run(ranks, *command.split(), *flags.split(), timeout=60, cwd=folder)
    assert finished.code == 2, str(finished)
    assert len(finished.errors) == 1, str(finished)
    assert finished.errors[0].endswith(says), str(finished)
    assert sorted(folder.iterdir()) == before, "something was written"


def test_a_dry_run_says_which_window_a_double_ring_takes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("train", "--dry-run", "--config", folder / "stages.toml", "--ranks", 8, "--schedule", "double_ring")

    def window(*flags: str) -> str:
        found = re.findall(
            r"schedule +double_ring, window (\d+)(.*)",
            launch.run_successfully(None, *command, *flags).stdout,
        )
        assert len(found) == 1 and ("RINGWORLD_RANKS_PER_NODE" in found[0][1]) == ("--window" not in flags)
        return found[0][0]

    assert window() == "1", "ranks that are not there have a node each"
    assert window("--window", "2") == "2"
    monkeypatch.setenv("RINGWORLD_RANKS_PER_NODE", "4")
    assert window() == "4"
    monkeypatch.setenv("RINGWORLD_RANKS_PER_NODE", "3")
    uneven = launch.run(None, *command)
    assert uneven.code == 2 and len(uneven.errors) == 1, str(uneven)
    assert uneven.errors[0].endswith("needs a window: a divisor of 8"), str(uneven)
