"""Exact attention and its gradients in float64, written from the definition and independent of the program.

    s_ij = q_i . k_j / sqrt(D)      for visible (i, j), else -inf
    lse_i = log sum_j exp(s_ij),    p_ij = exp(s_ij - lse_i),    out_i = sum_j p_ij v_j
    dv_j = sum_i p_ij dout_i
    ds_ij = p_ij (dout_i . v_j - dout_i . out_i)
    dq_i = sum_j ds_ij k_j / sqrt(D),    dk_j = sum_i ds_ij q_i / sqrt(D)

A query i sees a key j when both are of one document (equal segment ids, not negative) and, with a causal mask, j <= i.
A query that sees no key has out = 0, lse = -inf and no gradient. Query head h reads key/value head h // (H / Hkv).

Only a block of query rows is held at a time: S = 4096 with 8 heads needs some 50 MB and takes a few seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Attention:
    """Results in float64: out, dq (B, S, H, D), lse (B, H, S), dk, dv (B, S, Hkv, D); gradients only with dout."""

    out: Float64
    lse: Float64
    dq: Float64 | None = None
    dk: Float64 | None = None
    dv: Float64 | None = None

    def tensors(self) -> dict[str, Float64]:
        """Return what there is, by the name of its dataset."""
        named = {"out": self.out, "lse": self.lse, "dq": self.dq, "dk": self.dk, "dv": self.dv}
        return {name: tensor for name, tensor in named.items() if tensor is not None}


def round_to_bfloat16(values: NDArray[Any]) -> NDArray[np.float32]:
    """Round to float32, then to the nearest bfloat16, ties to the even one; returned as float32."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    is_nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
    lowest_kept_bit = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = (bits + np.uint32(0x7FFF) + lowest_kept_bit) & np.uint32(0xFFFF0000)
    rounded = np.where(is_nan, (bits & np.uint32(0xFFFF0000)) | np.uint32(0x00400000), rounded)
    return rounded.astype(np.uint32).view(np.float32)


def attention(
    q: NDArray[Any],
    k: NDArray[Any],
    v: NDArray[Any],
    dout: NDArray[Any] | None = None,
    segment_ids: NDArray[Any] | None = None,
    causal: bool = True,
    block_rows: int = 256,
) -> Attention:
    """Compute attention of q (B, S, H, D) over k, v (B, S, Hkv, D), and its gradients when dout (B, S, H, D) is given.

    segment_ids is (B, S); without it all tokens are of one document.
    """
    batch, length, heads, head_size = q.shape
    kv_heads = k.shape[2]
    if k.shape != (batch, length, kv_heads, head_size) or v.shape != k.shape or heads % kv_heads != 0:
        raise ValueError(f"shapes do not fit: q {q.shape}, k {k.shape}, v {v.shape}")
    if dout is not None and dout.shape != q.shape:
        raise ValueError(f"dout has shape {dout.shape}, q has {q.shape}")
    if segment_ids is not None and segment_ids.shape != (batch, length):
        raise ValueError(f"segment_ids has shape {segment_ids.shape}, where {(batch, length)} is expected")

    group = heads // kv_heads  # query heads of one key/value head
    out = np.zeros(q.shape)
    lse = np.full((batch, heads, length), -np.inf)
    dq = np.zeros(q.shape)
    dk = np.zeros(k.shape)
    dv = np.zeros(v.shape)
    for b in range(batch):
        ids = np.zeros(length, dtype=np.int64) if segment_ids is None else segment_ids[b].astype(np.int64)
        for kv_head in range(kv_heads):
            head = slice(kv_head * group, (kv_head + 1) * group)
            for begin in range(0, length, block_rows):
                rows = slice(begin, min(begin + block_rows, length))
                columns = slice(0, rows.stop if causal else length)
                block = _block(
                    q[b, rows, head].astype(np.float64),
                    k[b, columns, kv_head].astype(np.float64),
                    v[b, columns, kv_head].astype(np.float64),
                    None if dout is None else dout[b, rows, head].astype(np.float64),
                    _visible(ids, rows, columns, causal),
                )
                out[b, rows, head] = block.out
                lse[b, head, rows] = block.lse.T
                if block.dq is not None and block.dk is not None and block.dv is not None:
                    dq[b, rows, head] = block.dq
                    dk[b, columns, kv_head] += block.dk
                    dv[b, columns, kv_head] += block.dv
    return Attention(out, lse) if dout is None else Attention(out, lse, dq, dk, dv)


def _visible(ids: NDArray[np.int64], rows: slice, columns: slice, causal: bool) -> NDArray[np.bool_]:
    """Return (rows, columns): whether a query sees a key."""
    seen: NDArray[np.bool_] = (ids[rows, None] == ids[None, columns]) & (ids[rows, None] >= 0)
    if causal:
        seen &= np.arange(rows.start, rows.stop)[:, None] >= np.arange(columns.start, columns.stop)[None, :]
    return seen


def _block(q: Float64, k: Float64, v: Float64, dout: Float64 | None, visible: NDArray[np.bool_]) -> Attention:
    """Compute all of q (R, G, D) over k, v (N, D); here lse is (R, G) and dk, dv (N, D) are this block's shares."""
    rows, group, head_size = q.shape
    scale = 1.0 / np.sqrt(head_size)
    queries = q.reshape(rows * group, head_size)
    scores = (queries @ k.T) * scale
    scores.reshape(rows, group, -1)[~np.broadcast_to(visible[:, None, :], (rows, group, len(k)))] = -np.inf
    largest = scores.max(axis=1)
    sees_a_key = np.isfinite(largest)
    shift = np.where(sees_a_key, largest, 0.0)
    probabilities = np.exp(scores - shift[:, None])
    total = probabilities.sum(axis=1)
    safe_total = np.where(sees_a_key, total, 1.0)
    probabilities /= safe_total[:, None]
    out = probabilities @ v
    lse = np.where(sees_a_key, shift + np.log(safe_total), -np.inf)
    shape = (rows, group, head_size)
    if dout is None:
        return Attention(out.reshape(shape), lse.reshape(rows, group))
    upstream = dout.reshape(rows * group, head_size)
    dv = probabilities.T @ upstream
    delta = (upstream * out).sum(axis=1)
    score_gradients = upstream @ v.T
    score_gradients -= delta[:, None]
    score_gradients *= probabilities
    dq = score_gradients @ k * scale
    dk = score_gradients.T @ queries * scale
    return Attention(out.reshape(shape), lse.reshape(rows, group), dq.reshape(shape), dk, dv)
