#!/usr/bin/env python3
"""Writes data/ruptures_cuts.json: series of times, and where ruptures, an independent program, cuts them.

usage, with ruptures 1.1.9 installed: PYTHONPATH=analysis python tests/analysis/make_ruptures_cuts.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import ruptures
from ringworld_analysis.changes import FEWEST, penalty

#: Of each history the changes of level, as (record, ratio), and the spread of the noise.
HISTORIES = [
    ([], 0.01),
    ([], 0.05),
    ([(15, 1.10)], 0.01),
    ([(20, 1.05)], 0.01),
    ([(10, 0.80), (30, 1.25)], 0.03),
    ([(12, 1.1), (24, 1.1), (36, 0.7)], 0.02),
    ([(8, 2.0), (12, 0.5)], 0.05),
    ([(25, 1.3)], 0.10),
]
RECORDS = 48


def series_of(changes: list[tuple[int, float]], noise: float, seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    seconds = 0.1 * np.exp(noise * rng.standard_t(4, RECORDS))
    for at, ratio in changes:
        seconds[at:] *= ratio
    return [float(f"{value:.6g}") for value in seconds]


def main() -> None:
    cases = []
    for seed, (changes, noise) in enumerate(HISTORIES):
        seconds = series_of(changes, noise, seed)
        logs = np.log(np.array(seconds))
        price = penalty(logs)
        search = ruptures.Pelt(model="l1", min_size=FEWEST, jump=1).fit(logs)
        *cuts, _ = search.predict(pen=price)  # the last is the end of the series
        made = [at for at, _ in changes]
        cases.append({"made_with_changes_at": made, "cuts": cuts, "penalty": price, "seconds": seconds})
    path = Path(__file__).with_name("data") / "ruptures_cuts.json"
    path.write_text(json.dumps({"ruptures": ruptures.__version__, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
