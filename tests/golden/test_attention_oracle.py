"""The oracle is held against sums written out term by term, and its gradients against finite differences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import attention_oracle as oracle

Shape = tuple[int, int, int, int, int]  # B, S, H, Hkv, D
CASES: list[tuple[Shape, bool, bool]] = [
    ((1, 1, 1, 1, 3), True, False),
    ((1, 7, 3, 1, 8), True, False),
    ((2, 9, 4, 2, 5), True, True),
    ((1, 9, 4, 4, 5), False, False),
    ((2, 6, 2, 1, 4), False, True),
]


def tensors(shape: Shape, has_documents: bool) -> dict[str, Any]:
    batch, length, heads, kv_heads, head_size = shape
    rng = np.random.default_rng(11)
    made: dict[str, Any] = {
        "q": rng.standard_normal((batch, length, heads, head_size)),
        "k": rng.standard_normal((batch, length, kv_heads, head_size)),
        "v": rng.standard_normal((batch, length, kv_heads, head_size)),
        "dout": rng.standard_normal((batch, length, heads, head_size)),
    }
    if has_documents:
        made["segment_ids"] = rng.integers(-1, 2, (batch, length)).astype(np.int32)
    return made


def written_out(t: dict[str, Any], causal: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute out and lse by plain sums over single numbers."""
    q, k, v = t["q"], t["k"], t["v"]
    batch, length, heads, head_size = q.shape
    group = heads // k.shape[2]
    ids = t.get("segment_ids", np.zeros((batch, length), dtype=np.int32))
    out = np.zeros(q.shape)
    lse = np.full((batch, heads, length), -np.inf)
    for b in range(batch):
        for h in range(heads):
            for i in range(length):
                keys = [
                    j for j in range(length) if ids[b, i] == ids[b, j] and ids[b, i] >= 0 and (j <= i or not causal)
                ]
                weights = [
                    math.exp(
                        sum(q[b, i, h, d] * k[b, j, h // group, d] for d in range(head_size)) / math.sqrt(head_size)
                    )
                    for j in keys
                ]
                if not keys:
                    continue
                lse[b, h, i] = math.log(sum(weights))
                for d in range(head_size):
                    out[b, i, h, d] = sum(w * v[b, j, h // group, d] for w, j in zip(weights, keys)) / sum(weights)
    return out, lse


@pytest.mark.parametrize(("shape", "causal", "has_documents"), CASES)
@pytest.mark.parametrize("block_rows", [1, 4, 256])
def test_forward_equals_the_sums_written_out(shape: Shape, causal: bool, has_documents: bool, block_rows: int) -> None:
    t = tensors(shape, has_documents)
    got = oracle.attention(**t, causal=causal, block_rows=block_rows)
    out, lse = written_out(t, causal)
    np.testing.assert_allclose(got.out, out, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(got.lse, lse, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("shape", "causal", "has_documents"), CASES)
def test_gradients_equal_central_differences(shape: Shape, causal: bool, has_documents: bool) -> None:
    t = tensors(shape, has_documents)
    got = oracle.attention(**t, causal=causal, block_rows=4).tensors()
    step = 1e-5
    for name in ("q", "k", "v"):
        differences = np.zeros_like(t[name])
        for index in np.ndindex(*t[name].shape):
            losses = []
            for sign in (1, -1):
                moved = dict(t)
                moved[name] = t[name].copy()
                moved[name][index] += sign * step
                losses.append(float((oracle.attention(**moved, causal=causal).out * t["dout"]).sum()))
            differences[index] = (losses[0] - losses[1]) / (2 * step)
        np.testing.assert_allclose(got["d" + name], differences, rtol=1e-7, atol=1e-8)


def test_a_row_that_sees_nothing_has_no_result_and_no_gradient() -> None:
    t = tensors((1, 8, 2, 1, 4), has_documents=False)
    t["segment_ids"] = np.array([[0, 0, -1, -1, 5, -2, -2, 5]], dtype=np.int32)
    got = oracle.attention(**t).tensors()
    padding = [2, 3, 5, 6]
    assert np.all(np.isneginf(got["lse"][0, :, padding]))
    for name in ("out", "dq", "dk", "dv"):
        assert np.all(got[name][0, padding] == 0), name
        assert np.all(np.isfinite(got[name])), name
    alone = oracle.attention(**{**t, "k": t["k"] + 100 * (t["segment_ids"] < 0)[..., None, None]}).tensors()
    np.testing.assert_array_equal(alone["out"], got["out"])


def test_bfloat16_takes_the_nearest_and_of_two_the_even_one() -> None:
    spacing = 2.0**-7  # of bfloat16 in [1, 2)
    values = [1 + 0.49 * spacing, 1 + 0.5 * spacing, 1 + 0.51 * spacing, 1 + 1.5 * spacing, -1 - 1.5 * spacing]
    expected = [1, 1, 1 + spacing, 1 + 2 * spacing, -1 - 2 * spacing]
    np.testing.assert_array_equal(oracle.round_to_bfloat16(np.array(values)), np.array(expected, dtype=np.float32))
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.finfo(np.float32).max, np.nan])
    rounded = oracle.round_to_bfloat16(special)
    np.testing.assert_array_equal(rounded, np.array([0, 0, np.inf, -np.inf, np.inf, np.nan], dtype=np.float32))
    assert np.signbit(rounded[1])


def test_bfloat16_is_never_further_than_half_a_spacing() -> None:
    values = np.random.default_rng(5).standard_normal(100_000).astype(np.float32)
    rounded = oracle.round_to_bfloat16(values)
    spacing = 2.0 ** (np.floor(np.log2(np.abs(values))) - 7)
    assert np.all(np.abs(rounded.astype(np.float64) - values) <= 0.5 * spacing)
    np.testing.assert_array_equal(oracle.round_to_bfloat16(rounded), rounded)
