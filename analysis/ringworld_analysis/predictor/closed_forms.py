"""What the recursion must give where a formula exists, and the bounds that published figures are held against."""

from __future__ import annotations


def balanced_ring(ranks: int, block: float, hop: float) -> float:
    """Return the seconds of a ring whose blocks all take the same time: every step lasts as long as its longer half."""
    return (ranks - 1) * max(block, hop) + block


def contiguous_ring(ranks: int, diagonal: float, full: float) -> float:
    """Return the seconds of a causal ring in contiguous layout with hidden hops: the last rank always has a block."""
    return diagonal + (ranks - 1) * full


def contiguous_efficiency(ranks: int) -> float:
    """Return the largest share of ideal speed of a causal contiguous ring, (P/2) / (P - 1/2)."""
    return (ranks / 2) / (ranks - 0.5)


def helper_speedup(ranks: int) -> float:
    """Return the speed-up of the helper schedule (DistFlashAttn): P (P + 1) / 2 blocks in floor(P / 2) + 1 slots."""
    return ranks * (ranks + 1) / 2 / (ranks // 2 + 1)


def contiguous_block_speedup(ranks: int) -> float:
    """Return the speed-up when a diagonal block takes a whole slot: P (P + 1) / 2 blocks in P slots."""
    return (ranks + 1) / 2


def overlap_threshold(
    flops_per_second: float, bytes_per_second: float, wire_bytes: int = 2, balanced_causal: bool = False,
    backward: bool = False, kv_share: float = 1.0,
) -> float:  # fmt: skip
    """Return the tokens a rank from which the hop of its keys and values hides behind its block.

    :param wire_bytes: bytes of one element on the wire
    :param kv_share: heads of keys over heads of queries
    """
    factor = wire_bytes / 2 * kv_share * (2 if balanced_causal else 1) * (1.2 if backward else 1)
    return flops_per_second / bytes_per_second * factor


def cost_ratio(hidden_size: int, context_length: int, reference: int = 4096) -> float:
    """Return the FLOP of a token at one context length over those at another (Ring Attention, Figure 5)."""
    return (6 * hidden_size + context_length) / (6 * hidden_size + reference)


def striped_bound(linear: float, ranks: int, context_length: int) -> float:
    """Return the largest speed-up of striped over contiguous (Striped Attention): linear work in scores a token."""
    return (linear + (1 - 1 / (2 * ranks)) * context_length) / (linear + context_length / 2)


def cache_bytes(layers: int, kv_heads: int, head_size: int, tokens: int, element_bytes: int = 2) -> int:
    """Return the bytes of a cache of keys and values."""
    return 2 * layers * kv_heads * head_size * element_bytes * tokens
