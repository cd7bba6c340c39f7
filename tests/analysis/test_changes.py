"""Levels of a series: where they change, and that noise changes none."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ringworld_analysis.changes import find_levels, partition, penalty

Column = np.ndarray


def noise(kind: str, count: int, seed: int) -> Column:
    rng = np.random.default_rng(seed)
    return 0.03 * (rng.normal(0, 1, count) if kind == "normal" else rng.standard_t(3, count))


def cost(values: Column, cuts: tuple[int, ...], penalty_of_cut: float) -> float:
    bounds = zip((0, *cuts), (*cuts, len(values)))
    segments = [values[begin:end] for begin, end in bounds]
    return sum(float(np.abs(each - np.median(each)).sum()) for each in segments) + penalty_of_cut * len(cuts)


@pytest.mark.parametrize("seed", range(5))
def test_the_partition_is_the_best_of_all(seed: int) -> None:
    values = noise("normal", 13, seed) + np.repeat([0, 0.2, 0.05], [4, 5, 4])
    price = penalty(values)
    places = range(3, 11)
    every = [
        cuts
        for count in range(4)
        for cuts in itertools.combinations(places, count)
        if all(after - before >= 3 for before, after in zip(cuts, cuts[1:]))
    ]
    best = min(every, key=lambda cuts: cost(values, cuts, price))
    found = tuple(partition(values, price))
    assert cost(values, found, price) == pytest.approx(cost(values, best, price))


@pytest.mark.parametrize(("kind", "count"), [("normal", 20), ("normal", 40), ("student", 20), ("student", 40)])
def test_equal_records_are_seldom_cut(kind: str, count: int) -> None:
    series = [noise(kind, count, seed) for seed in range(100)]
    assert sum(bool(partition(values, penalty(values))) for values in series) <= 4


def test_single_slow_runs_are_no_change() -> None:
    seconds = 0.1 * np.exp(noise("normal", 30, 1))
    seconds[[4, 11, 20, 27]] *= 3
    assert find_levels(seconds).changes == []


def test_changes_are_found_where_they_are_with_their_ratio() -> None:
    seconds = 0.1 * np.exp(0.3 * noise("normal", 36, 2))
    seconds[12:] *= 1.1
    seconds[24:] *= 0.8
    levels = find_levels(seconds)
    assert [change.at for change in levels.changes] == [12, 24]
    assert [change.ratio for change in levels.changes] == [pytest.approx(1.1, rel=0.02), pytest.approx(0.8, rel=0.02)]
    assert [(begin, end) for begin, end, _ in levels.bounds(36)] == [(0, 12), (12, 24), (24, 36)]


def test_a_change_in_the_last_three_records_is_found() -> None:
    seconds = 0.1 * np.exp(0.3 * noise("normal", 23, 3))
    seconds[-3:] *= 1.15
    assert [change.at for change in find_levels(seconds).changes] == [20]


def test_changes_below_the_smallest_do_not_count() -> None:
    seconds = np.repeat([0.1, 0.101, 0.12], 5)
    assert [change.at for change in find_levels(seconds).changes] == [10]
    assert [change.at for change in find_levels(seconds, 0.005).changes] == [5, 10]


RUPTURES = json.loads((Path(__file__).with_name("data") / "ruptures_cuts.json").read_text())


@pytest.mark.parametrize("case", RUPTURES["cases"], ids=lambda case: f"cuts at {case['cuts']}")
def test_ruptures_cuts_at_the_same_records(case: dict[str, Any]) -> None:
    """`make_ruptures_cuts.py` had ruptures cut these series, by another algorithm (PELT) with the same cost."""
    logs = np.log(np.array(case["seconds"]))
    assert penalty(logs) == pytest.approx(case["penalty"])
    assert partition(logs, case["penalty"]) == case["cuts"]


def test_histories_that_ruptures_cut_have_changes_and_have_none() -> None:
    assert {len(case["cuts"]) for case in RUPTURES["cases"]} >= {0, 1, 2, 3}
