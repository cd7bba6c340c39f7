"""Contiguous layout under a hybrid of Ulysses and a ring of R: bounded by (R/2) / (R - 1/2) of what zigzag reaches.

The last rank of a ring sees every block of keys, the first one its own alone; only an exchange of heads among all ranks
(R = 1) leaves nothing to balance. Source of the bound: Fang and Zhao, USP, arXiv:2405.07719.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import launch


def bound(ring: int) -> float:
    return (ring / 2) / (ring - 0.5)


@pytest.mark.parametrize("ranks", [2, 8, 64])
def test_contiguous_hybrids_are_predicted_at_their_bound(tmp_path: Path, ranks: int) -> None:
    rates = tmp_path / "rates.toml"
    rates.write_text(
        '[[attention]]\npass = "forward"\ncausal = false\nquery_tokens = 64\nkey_tokens = 64\nhead_size = 16\n'
        'heads = 8\nflops_per_second = 1e9\n[[link]]\nlevel = "node"\nbytes_per_second = 1e18\nlatency = 0.0\n',
        encoding="utf-8",
    )
    finished = launch.run_successfully(
        None, "attention", "--predict", "--dry-run", "--rates", rates, "--heads", 8, "--head-size", 16,
        "--layout", "contiguous,zigzag", "--context-length", 64 * 128, "--ranks", ranks, "--ulysses", "1,2",
    )  # fmt: skip
    times = {}
    for line in finished.stdout.splitlines()[1:]:
        words = line.split()
        times[words[3], 2 if words[2].endswith("/u2") else 1] = float(words[5])
    assert len(times) == 4, finished.stdout
    for ulysses in (1, 2):
        ratio = times["zigzag", ulysses] / times["contiguous", ulysses]
        # A diagonal block of T tokens has T (T + 1) / 2 pairs: a little more than half.
        assert ratio == pytest.approx(bound(ranks // ulysses), rel=0.01), f"U = {ulysses}"
