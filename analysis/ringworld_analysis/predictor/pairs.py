"""How many (query, key) pairs a causal mask leaves between two ranks, by closed forms, for every layout."""

from __future__ import annotations

from dataclasses import dataclass

LAYOUTS = ("contiguous", "striped", "zigzag")


@dataclass(frozen=True)
class Segment:
    """Positions first, first + stride, ... of one rank; `count` of them."""

    first: int
    stride: int
    count: int


def visible(queries: int, keys: int, diagonal: int) -> int:
    """Count pairs (i, j) with j <= i + diagonal, for i < queries and j < keys."""
    first = min(max(-diagonal, 0), queries)
    full = min(max(keys - diagonal - 1, first), queries)
    growing = full - first
    return growing * (first + diagonal + 1) + growing * (growing - 1) // 2 + (queries - full) * keys


def segments(layout: str, context_length: int, ranks: int, rank: int) -> list[Segment]:
    """Return the positions of a rank.

    :raises ValueError: when the layout has another name than those of `LAYOUTS`.
    """
    if layout == "striped":
        return [Segment(rank, ranks, len(range(rank, context_length, ranks)))]
    if layout == "contiguous":
        pieces, chosen = ranks, [rank]
    elif layout == "zigzag":
        pieces, chosen = 2 * ranks, [rank, 2 * ranks - 1 - rank]
    else:
        raise ValueError(f"unknown layout {layout}")
    cuts = [context_length * piece // pieces for piece in range(pieces + 1)]
    return [Segment(cuts[piece], 1, cuts[piece + 1] - cuts[piece]) for piece in chosen]


def pairs(layout: str, context_length: int, ranks: int, query_rank: int, key_rank: int, causal: bool) -> int:
    """Count the pairs that the queries of one rank have with the keys of another."""
    total = 0
    for keys in segments(layout, context_length, ranks, key_rank):
        for queries in segments(layout, context_length, ranks, query_rank):
            if causal:
                total += visible(queries.count, keys.count, (queries.first - keys.first) // keys.stride)
            else:
                total += queries.count * keys.count
    return total


def tile_share(tokens: int, tile_queries: int, tile_keys: int) -> float:
    """Return the share of a causal tokens x tokens block that is computed when only whole tiles are left out."""
    height, width = min(tile_queries, tokens), min(tile_keys, tokens)
    computed = sum(
        height * width
        for top in range(0, tokens, height)
        for left in range(0, tokens, width)
        if left <= top + height - 1
    )
    return computed / tokens**2
