"""Seconds of the schedules other than the ring: each from the seconds of its parts."""

from __future__ import annotations

from math import ceil, log2


def hop_bytes(batch: int, tokens: int, kv_heads: int, head_size: int, element_bytes: int, backward: bool) -> int:
    """Return the bytes of a block of keys and values; backward, their fp32 gradient sums travel behind them."""
    elements = 2 * batch * tokens * kv_heads * head_size
    return elements * (element_bytes + (4 if backward else 0))


def all_gather(gather: float, compute: float, overlap: float = 1.0) -> float:
    """Return the seconds of gathering all keys, `overlap` of it hidden, and of computing on them."""
    return gather * (1 - overlap) + compute


def all_to_all(
    ranks: int, tokens: int, heads: int, kv_heads: int, head_size: int, element_bytes: int, bytes_per_second: float,
    latency: float = 0.0,
) -> float:  # fmt: skip
    """Return the seconds of one of the two exchanges of heads for tokens: (P - 1) / P of half of what both move."""
    moved = (2 * heads + 2 * kv_heads) * head_size * tokens * element_bytes / 2
    return latency + (ranks - 1) / ranks * moved / bytes_per_second


def ulysses(exchange: float, attention: float) -> float:
    """Return the seconds of an exchange, attention over all tokens with some of the heads, and the exchange back."""
    return 2 * exchange + attention


def usp(exchange: float, ring: float) -> float:
    """Return the seconds of exchanges inside a node around a ring over the nodes."""
    return 2 * exchange + ring


def broadcast(ranks: int, message: float, block: float, pipelined: bool = True) -> float:
    """Return the seconds of P broadcasts down a binary tree, each followed by a block (ringX)."""
    tree = ceil(log2(ranks)) * message if ranks > 1 else 0.0
    return ranks * (max(tree, block) if pipelined else tree + block)


def bidirectional_ring(ranks: int, block: float, hop: float) -> float:
    """Return the seconds of a balanced ring that sends half of each block each way."""
    return (ranks - 1) * max(block, hop / 2) + block


def decode(ranks: int, attention: float, latency: float, combine: float) -> float:
    """Return the seconds of one new token on sharded keys: P visits of a P-th, their hops, and the final reduction."""
    return attention + ranks * latency + combine
