"""The world model's configurations can be planned, and those that are held against each other take as many tokens."""

from __future__ import annotations

import re
import sys

import pytest
import tomllib

import launch

TRAIN = launch.REPOSITORY / "experiments" / "train"
sys.path.append(str(TRAIN))
compare_direct = __import__("compare_direct")


@pytest.mark.parametrize(("name", "contexts"), [
    ("world", [704, 1344, 1408, 1920, 4672, 5696]),
    ("world_direct", [4672]),
    ("world_hour", [704, 1344, 1408, 1920, 4672, 5696, 10112, 18880, 27776, 18880]),
])  # fmt: skip
def test_stages_hold_their_frames(name: str, contexts: list[int]) -> None:
    planned = launch.run(None, "train", "--config", TRAIN / "config" / f"{name}.toml", "--dry-run", timeout=60)
    assert planned.code == 0, str(planned)
    assert [int(found) for found in re.findall(r"context_length +(\d+)", planned.stdout)] == contexts


@pytest.mark.parametrize("steps", [1, 0.5])
def test_direct_and_progressive_take_as_many_tokens(steps: float) -> None:
    texts = compare_direct.configurations(steps)
    progressive, direct = (compare_direct.tokens_of(texts[name]) for name in ("progressive", "direct"))
    (last,) = tomllib.loads(texts["direct"])["stage"]
    assert abs(progressive - direct) <= last["context_length"] / 2
    stages = tomllib.loads(texts["progressive"])["stage"]
    assert stages[-1]["data"] == last["data"] and stages[-1]["rope_theta"] == last["rope_theta"]
    whole = tomllib.loads((TRAIN / "config" / "world.toml").read_text())["stage"]
    assert [stage["steps"] for stage in stages] == [steps * stage["steps"] for stage in whole[: len(stages)]]


def test_rates_are_scaled_and_nothing_else() -> None:
    text = "steps = 3\nlearning_rate = 0.004\nmin_learning_rate = 4e-4\n"
    assert compare_direct.scaled(text, "learning_rate", 0.5) == text.replace("= 0.004", "= 0.002")
