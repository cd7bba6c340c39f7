"""The ring as a recursion over events. It is exact as long as no two messages share a link."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ringworld_analysis.predictor.pairs import pairs


def ring_time(blocks: Sequence[Sequence[float]], hop_seconds: Callable[[int], float], overlap: float = 1.0) -> float:
    """Return the seconds until the last rank has finished its last block.

    A step posts its receive and its send, computes, and waits for both.

    :param blocks: seconds of the block that rank r computes in step s, as blocks[s][r]; P steps of P ranks
    :param hop_seconds: seconds of a message from rank r to rank r + 1
    :param overlap: share of the shorter of computing and waiting that is hidden behind the longer, 0 to 1
    """
    ranks = len(blocks)
    begin = [0.0] * ranks
    for compute in blocks[:-1]:
        end = []
        for rank in range(ranks):
            left, right = (rank - 1) % ranks, (rank + 1) % ranks
            arrived = max(begin[rank], begin[left]) + hop_seconds(left)
            left_us = max(begin[rank], begin[right]) + hop_seconds(rank)
            computing, waiting = compute[rank], max(arrived, left_us) - begin[rank]
            end.append(begin[rank] + max(computing, waiting) + (1 - overlap) * min(computing, waiting))
        begin = end
    return max(start + last for start, last in zip(begin, blocks[-1]))


def block_seconds(
    layout: str, context_length: int, ranks: int, causal: bool, seconds_per_pair: float, step_seconds: float = 0.0
) -> list[list[float]]:
    """Return blocks[s][r] for `ring_time`: in step s rank r holds the keys of rank r - s. An empty block costs nothing.

    :param step_seconds: fixed cost of a block that has pairs: launches and the merge of its result
    """
    table = []
    for step in range(ranks):
        counts = (pairs(layout, context_length, ranks, rank, (rank - step) % ranks, causal) for rank in range(ranks))
        table.append([count * seconds_per_pair + step_seconds if count else 0.0 for count in counts])
    return table
