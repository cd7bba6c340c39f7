"""What each number of the report means, from first principles."""

from __future__ import annotations

#: (term, formula, explanation). Formulas use the symbols of the first entry.
DEFINITIONS: tuple[tuple[str, str, str], ...] = (
    (
        "Symbols", "S, P, T = S / P, B, H, Hkv, D",
        "Context length, ring size, tokens per rank, sequences per step, query heads, key/value heads, head size.",
    ),
    (
        "Step time", "t = median over repeats of (max over ranks of t_rank)",
        "A ring is as fast as its slowest rank. Bars in figures span the fastest and the slowest repeat.",
    ),
    (
        "Work", "forward 4 B H D n,  backward 10 B H D n,  n = S (S + 1) / 2 (causal) or S² (full)",
        "Two matrix products of 2 D FLOP for each visible pair of query and key forward, five backward. Work that a "
        "kernel repeats or wastes on masked pairs is not counted. Counting S² for causal attention would nearly double "
        "every throughput.",
    ),
    (
        "Throughput per rank", "FLOP / t / P",
        "With the causal FLOP count where the mask is causal, else the full one.",
    ),
    ("Tokens per second", "B S / t", "Of the whole ring, for one attention layer."),
    (
        "MFU, measured peak", "throughput per rank / FMA peak per rank",
        "The peak is measured on the same machine in the same run with as many ranks busy, so frequency and shared "
        "cores count alike on both sides.",
    ),
    (
        "Speed-up and efficiency", "t(1) / t(P)  and  t(1) / (P t(P))",
        "Against a ring of one rank with the same context and configuration (strong scaling).",
    ),
    (
        "Bound of the layout", "contiguous, causal: (P / 2) / (P - 1/2); balanced layouts: near 1",
        "The last rank of a contiguous ring computes half a block on the diagonal and P - 1 whole ones; the average "
        "rank computes P / 2. At P = 8 that is 53.3 %.",
    ),
    (
        "Overlap", "(t_compute + t_comm - t_both) / min(t_compute, t_comm)",
        "1: the shorter of the two is hidden altogether. 0: one after the other. Exposed communication is "
        "t_both - t_compute; what is left of t_comm was hidden.",
    ),
    (
        "Memory", "peak of the sum of live buffers on the fullest rank",
        "The model adds q, k, v, out, lse (with their gradients in a backward pass) and the larger of the running "
        "state plus two operand blocks (forward) and two operand plus three gradient blocks (backward). No "
        "term has T².",
    ),
    (
        "Error", "max |x - x64| / max |x64| over sampled rows",
        "x64 is the same attention in fp64. A row is valid only if the error keeps its tolerance.",
    ),
    (
        "Needle hits", "hits / trials, trials = contexts times needles asked for",
        "A hit is an answer with every token right, by greedy decoding, the right answers to earlier questions given. "
        "Depth and length are counted in the model's own tokens; each cell has its own text and random numbers.",
    ),
    (
        "Wilson interval", "the shares c with |p - c| <= 1.96 sqrt(c (1 - c) / n),  p = hits / n,  n = trials",
        "Where the true share lies with 95 % confidence. Answers of one context count as independent.",
    ),
    (
        "Work of training", "3 (2 N + attention) per token, attention by visible pairs",
        "Backward counts twice forward; what a recomputation policy does again is not counted.",
    ),
    (
        "Hops and bytes", "P - 1 hops; bytes by all ranks = (P - 1) S B bytes_per_token",
        "Every token's block visits the P - 1 other ranks once.",
    ),
)  # fmt: skip
