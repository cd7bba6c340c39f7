"""What a ring of cached keys leaves exposed, when keys and values travel and when queries do.

Of ranks that hold part of the new tokens and part of the cached ones, either keys and values go round, or queries do
and their partial results go home in one all-to-all at the end:

    keys     [ block ][ block ][ block ][ block ]               P - 1 hops, each behind the block of its step
    queries  [ block ][ block ][ block ][ block ][ all-to-all ] the same, and then what no block hides

Exposed in one layer: (P - 1) max(0, hop - block), and for queries the all-to-all.
Source: Yang et al., "Context Parallelism for Scalable Million-Token Inference", arXiv:2411.01783, sections 3.4 and 4.
Deviations: the time of a hop has a latency, and a block takes one rate whatever its shape.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Bytes of one log-sum-exp, which every partial result has for each query and head.
_LSE_BYTES = 4


@dataclass(frozen=True)
class Layer:
    """One layer of one rank: the heads that tensor parallelism leaves to it."""

    heads: int
    kv_heads: int
    head_size: int
    element_bytes: int = 2

    def block_flop(self, queries: int, keys: int) -> float:
        """Return the FLOP of queries against keys that they all see."""
        return 4.0 * self.heads * self.head_size * queries * keys

    def key_bytes(self, tokens: int) -> int:
        """Return the bytes of keys and values."""
        return 2 * self.kv_heads * self.head_size * self.element_bytes * tokens

    def query_bytes(self, tokens: int) -> int:
        """Return the bytes of queries."""
        return self.heads * self.head_size * self.element_bytes * tokens

    def result_bytes(self, tokens: int) -> int:
        """Return the bytes of normalised partial results."""
        return self.query_bytes(tokens) + _LSE_BYTES * self.heads * tokens


@dataclass(frozen=True)
class Rates:
    """Seconds of a message: latency + bytes / bytes_per_second; and FLOP/s of a block."""

    latency: float
    bytes_per_second: float
    flops_per_second: float

    def hop(self, count: int) -> float:
        """Return the seconds of a message."""
        return self.latency + count / self.bytes_per_second


@dataclass(frozen=True)
class Exposed:
    """Seconds of a layer that communication adds to its blocks."""

    keys_travel: float
    queries_travel: float

    @property
    def do_keys_win(self) -> bool:
        """Tell whether keys should travel."""
        return self.keys_travel < self.queries_travel


def exposed(layer: Layer, ranks: int, new_tokens: int, cached_tokens: int, rates: Rates) -> Exposed:
    """Return what either choice leaves exposed in one layer; tokens are those of the whole sequence."""
    queries, keys = new_tokens // ranks, (new_tokens + cached_tokens) // ranks
    block = layer.block_flop(queries, keys) / rates.flops_per_second
    hops = ranks - 1

    def not_hidden(count: int) -> float:
        return hops * max(0.0, rates.hop(count) - block)

    all_to_all = rates.hop(hops * layer.result_bytes(queries)) if hops else 0.0
    return Exposed(not_hidden(layer.key_bytes(keys)), not_hidden(layer.query_bytes(queries)) + all_to_all)
