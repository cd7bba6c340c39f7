"""Contiguous layout under a hybrid of Ulysses and a ring of R: bounded by (R/2) / (R - 1/2) of what zigzag reaches.

Source of the bound: Fang and Zhao, USP, arXiv:2405.07719. The same for predictions: tests/experiments.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from test_simulation import attention

RANKS = 8


def test_contiguous_hybrids_reach_their_bound_and_do_not_beat_it(tmp_path: Path) -> None:
    # At 1e11 FLOP/s blocks take seconds, and messages a thousandth of that.
    rows = attention(
        tmp_path / "a.h5", RANKS, "--context-length", 64 * 1024, "--layout", "contiguous,zigzag", "--ulysses",
        "1,2,4,8", rates=1e11,
    )  # fmt: skip
    times = {(row["layout"], row["ulysses"]): row["step_time"] for row in rows}
    assert len(times) == 8
    for ulysses in (1, 2, 4, 8):
        ring = RANKS // ulysses
        bound = (ring / 2) / (ring - 0.5)
        ratio = times["zigzag", ulysses] / times["contiguous", ulysses]
        assert ratio == pytest.approx(bound, rel=2e-3), f"R = {ring}"
