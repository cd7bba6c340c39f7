"""Whether keys or queries should travel, by what each leaves exposed."""

from __future__ import annotations

from pathlib import Path

import pytest
from ringworld_analysis.claims import formulas, manifest
from ringworld_analysis.predictor.exposed_time import Layer, Rates, exposed

FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "claims"
LAYERS = 126
LAYER = Layer(heads=16, kv_heads=1, head_size=128)


@pytest.fixture(scope="module")
def crossover() -> manifest.Manifest:
    return next(one for one in manifest.read_all(FOLDER) if one.id == "pass_kv_or_q")


@pytest.mark.parametrize(
    ("new_tokens", "ours_ms", "published_ms"),
    [(1280, 165.8, 124.68), (3200, 42.0, 63.75), (12800, -198.6, -124.60)],
    ids=["1 %", "2.5 %", "10 %"],
)
def test_who_wins_is_who_was_measured_to_win(
    crossover: manifest.Manifest, new_tokens: int, ours_ms: float, published_ms: float
) -> None:
    row = next(row for row in crossover.rows if row["new_tokens"] == new_tokens)
    assert row["keys_travel"] - row["queries_travel"] == pytest.approx(published_ms, abs=0.01)
    found = formulas.exposed_of(crossover, new_tokens, row["cached_tokens"])
    assert 1e3 * LAYERS * (found.keys_travel - found.queries_travel) == pytest.approx(ours_ms, abs=0.1)
    assert found.do_keys_win == (published_ms < 0)


def test_from_a_tenth_of_new_tokens_on_keys_always_win(crossover: manifest.Manifest) -> None:
    rows = [row for row in crossover.rows if row["new_tokens"] >= 12800]
    assert len(rows) == 10
    for row in rows:
        assert formulas.exposed_of(crossover, row["new_tokens"], row["cached_tokens"]).do_keys_win
        assert row["keys_travel"] < row["queries_travel"]


def test_a_hop_counts_as_far_as_its_block_does_not_hide_it() -> None:
    # 16.384 MB of keys and 3.2768 MB of queries; the block takes 0.419 ms at 500 TFLOP/s.
    rates = Rates(latency=40e-6, bytes_per_second=26e9, flops_per_second=500e12)
    found = exposed(LAYER, 4, 3200, 124800, rates)
    block = 4 * 16 * 128 * 800 * 32000 / 500e12
    assert found.keys_travel == pytest.approx(3 * (40e-6 + 16.384e6 / 26e9 - block))
    # Queries hide; results of three ranks go home at the end: 16 bits an element, and four bytes a head.
    assert found.queries_travel == pytest.approx(40e-6 + 3 * 800 * (16 * 128 * 2 + 4 * 16) / 26e9)


def test_without_compute_bytes_alone_decide() -> None:
    slow = Rates(latency=0.0, bytes_per_second=1e9, flops_per_second=1e30)
    # Queries and results are 2 Hkv D e / (H (2 D e + 4)) of all tokens at the crossover: 6.2 %.
    assert not exposed(LAYER, 4, 7600, 120400, slow).do_keys_win
    assert exposed(LAYER, 4, 8200, 119800, slow).do_keys_win


def test_one_rank_sends_nothing() -> None:
    found = exposed(LAYER, 1, 3200, 124800, Rates(1e-6, 1e9, 1e12))
    assert (found.keys_travel, found.queries_travel) == (0.0, 0.0)
