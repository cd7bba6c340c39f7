"""Mode P: what a model with a few fitted rates gives for a published time or rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

from ringworld_analysis.claims.fits import Known, Model, fit
from ringworld_analysis.claims.formulas import striped_linear
from ringworld_analysis.claims.manifest import Manifest
from ringworld_analysis.claims.points import Point, points_of
from ringworld_analysis.errors import InputError
from ringworld_analysis.predictor import closed_forms, fitting, ring, schedules
from ringworld_analysis.predictor.pairs import pairs, tile_share
from ringworld_analysis.predictor.training import SHAPES, Work, largest_tokens, token_work

_TERA = 1e12


@cache
def _unit_ring(layout: str, length: int, ranks: int) -> tuple[tuple[int, ...], ...]:
    """Return the pairs of every block of a causal ring, as [step][rank]."""
    return tuple(
        tuple(pairs(layout, length, ranks, rank, (rank - step) % ranks, True) for rank in range(ranks))
        for step in range(ranks)
    )


def _causal_ring(layout: str, length: int, ranks: int, per_pair: float, step: float, hop: float) -> float:
    blocks = [[count * per_pair + step if count else 0.0 for count in row] for row in _unit_ring(layout, length, ranks)]
    return ring.ring_time(blocks, lambda _: hop)


# ---- rings on one node


_MEMORY = {"8xA100": 2.04e12, "8xH800": 3.35e12}
_LINK = {"8xA100": 300e9, "8xH800": 200e9}
_BARS = {  # where the bars of FlashAttention-2 are read: source and pass, forward and backward
    "8xA100": (("fa2_a100", "forward"), ("fa2_a100", "backward")),
    "8xH800": (("fa3", "forward"), ("fa2_h100", "forward_backward")),
}


def _bar(manifest: Manifest, source: str, direction: str, causal: bool, length: int) -> float:
    for row in manifest.tables["flash_kernels"].rows:
        same = row["source"] == source and row["pass"] == direction and row["causal"] == causal
        if same and row["head_size"] == 128 and row["method"] == "FA2":
            return float(row[f"S_{length}"])
    raise InputError(f"{manifest.path}: flash_kernels has no FA2 bar of {source}, {direction}")


def _ring_layouts(manifest: Manifest, what: Known, x: Sequence[float]) -> float:
    sizes, hardware = manifest.configuration, what.text("hardware")
    length, ranks = sizes["context_length"], sizes["ranks"]
    tokens = length // ranks
    per_rank = length * (length + 1) / 2 / ranks
    hop = schedules.hop_bytes(1, tokens, sizes["kv_heads"], sizes["head_size"], 2, False) / _LINK[hardware]
    state = tokens * sizes["heads"] * sizes["head_size"] / _MEMORY[hardware]
    forward_ideal = 1 / _ideal(manifest, hardware, "forward")
    passes = x[("contiguous", "zigzag", "striped").index(what.column)]

    def rate(direction: int) -> float:
        source, name = _BARS[hardware][direction]
        block = _bar(manifest, source, name, what.column == "striped", 8192)
        return block / _bar(manifest, source, name, True, 16384)

    seconds = _causal_ring(what.column, length, ranks, forward_ideal / per_rank / rate(0), passes * 10 * state, hop)
    if what.text("pass") == "forward_backward":
        ideal = 1 / _ideal(manifest, hardware, "forward_backward") - forward_ideal
        seconds += _causal_ring(what.column, length, ranks, ideal / per_rank / rate(1), x[3] * 12 * state, 3 * hop)
    return 1 / seconds


def _ideal(manifest: Manifest, hardware: str, direction: str) -> float:
    """Return passes a second of the kernel of one device over the whole sequence, over the ranks: an input."""
    return float(
        next(
            row["ideal"]
            for row in manifest.rows
            if (row["hardware"], row["input"], row["pass"]) == (hardware, "one sequence", direction)
        )
    )


def _usp_passes(manifest: Manifest, what: Known, x: Sequence[float]) -> float:
    degree = int(what.column.split("_")[1])
    ranks, length, layout = manifest.configuration["ranks"] // degree, what.count("context_length"), what.text("layout")
    base = 1 / x[0] / (length * (length + 1) / 2) * ranks
    striped = x[2] if layout == "striped" and ranks > 1 else 1.0
    whole = x[3] if layout != "striped" and ranks > 1 else 1.0
    return 1 / _causal_ring(layout, length, ranks, base * striped / whole, 0 if ranks == 1 else x[1] * 1e-3, 0.0)


# ---- schedules on several nodes


_NVLINK, _INFINIBAND = 450e9 * 0.8, 50e9 * 0.9


def _context_parallel(manifest: Manifest, what: Known, x: Sequence[float]) -> float:
    sizes, causal, method = manifest.configuration, bool(what.keys["causal"]), what.text("method")
    backward = what.text("pass") == "backward"
    ranks, tokens = int(what.column[2:]), sizes["tokens_per_rank"]
    length = tokens * ranks
    per_pair = (10 if backward else 4) * sizes["heads"] * sizes["head_size"]
    work = per_pair * (length * (length + 1) / 2 if causal else length**2) / ranks
    keys = schedules.hop_bytes(1, tokens, sizes["kv_heads"], sizes["head_size"], 2, backward)
    if method == "ring_p2p":
        rate = fitting.interpolate(_kernel(manifest, what.text("pass"), False), tokens) * _TERA
        # With several nodes one hop leaves the node; all ranks wait for it when it is longer than a block.
        hop = keys / (_INFINIBAND if ranks > 8 else _NVLINK)
        seconds = closed_forms.balanced_ring(ranks, work / ranks / rate + x[0] * 1e-4, hop)
        return float(work / seconds / _TERA)
    rate = fitting.interpolate(_kernel(manifest, what.text("pass"), causal), min(length, 32768)) * _TERA * x[0]
    queries = 2 * tokens * sizes["heads"] * sizes["head_size"]
    exchanged = (2 * queries + keys) * (2 if backward else 1)
    outside = max(0, ranks - 8) / ranks
    if method == "ring_allgather":
        seconds = schedules.all_gather((ranks - 1) * keys / _INFINIBAND, work / rate)
    elif method == "ulysses":
        moved = exchanged * (ranks - 1) / ranks
        seconds = work / rate + moved * (outside / _INFINIBAND + (1 - outside) / _NVLINK)
    else:
        seconds = work / rate + exchanged * 7 / 8 / _NVLINK
    return float(work / seconds / _TERA)


def _kernel(manifest: Manifest, direction: str, causal: bool) -> dict[int, float]:
    table = manifest.tables["flash_kernels"]
    for row in table.rows:
        if (row["source"], row["method"], row["pass"], row["causal"]) == ("magi", "fa3", direction, causal):
            return {
                int(name[2:]): float(row[name])
                for name in table.columns
                if name.startswith("S_") and isinstance(row[name], float) and not math.isnan(row[name])
            }
    raise InputError(f"{manifest.path}: flash_kernels has no fa3 row of magi, {direction}")


# ---- training steps of two rates


def _two_rates(manifest: Manifest, what: Known, x: Sequence[float]) -> float:
    length = what.count("context_length")
    if manifest.id == "ulysses_throughput":
        done = counted = Work(6 * 30e9, 12 * 48 * 7168 * length)
    else:
        shape = SHAPES["7b" if what.text("hardware") == "H100" else "8b"]
        done, counted = (token_work(shape, length, causal, False, False) for causal in (True, False))
    return counted.total / done.seconds(x[0] * _TERA, x[1] * _TERA) / _TERA


def _offloaded(_: Manifest, what: Known, x: Sequence[float]) -> float:
    return 8 / token_work(SHAPES["7b"], what.count("context_length"), True, True, True).seconds(
        x[0] * _TERA, x[1] * _TERA
    )


def _arctic_step(_: Manifest, what: Known, x: Sequence[float]) -> float:
    length = what.count("context_length")
    work = token_work(SHAPES["8b"], length, True, True, True)
    return length / what.count("ranks") * work.seconds(x[0] * _TERA, x[0] * _TERA)


def _helper_step(_: Manifest, what: Known, x: Sequence[float]) -> float:
    shape, length, ranks = SHAPES[what.text("model")], what.count("context_length"), what.count("ranks")
    work = token_work(shape, length, True, True, False)
    tokens = length / ranks
    balance = closed_forms.helper_speedup(ranks) / (ranks + 1)
    # The backward pass of a fused kernel does five products where four are counted: 7 / 6 of the whole.
    attention = tokens * work.attention * 7 / 6 / (x[1] * _TERA) / balance
    keys = schedules.hop_bytes(1, int(tokens), shape.kv_heads, shape.head_size, 2, False)
    # Between nodes keys and values travel forward, and both with their gradients backward: four messages.
    hops = shape.layers * ranks / 2 * 4 * keys / (x[2] * 1e9) if ranks > 8 else 0.0
    return tokens * work.linear / (x[0] * _TERA) + max(attention, hops)


def _prefill(manifest: Manifest, what: Known, x: Sequence[float]) -> float:
    ranks, length = what.count("ranks"), what.count("context_length")
    return _prefill_seconds(manifest, length, 0, ranks, x)


def _prefill_seconds(manifest: Manifest, new: int, cached: int, ranks: int, x: Sequence[float]) -> float:
    sizes = manifest.configuration
    linear = 2 * sizes["parameters"] * new / (x[0] * _TERA)
    attention = 4 * sizes["layers"] * sizes["hidden_size"] * (new * cached + new * new / 2) / (x[1] * _TERA)
    nodes = ranks // 8
    hops = sizes["layers"] * nodes * x[2] * 1e-3 if nodes > 1 else 0.0
    return float((linear + attention) / ranks + hops)


def _partial_prefill(manifest: Manifest, what: Known, _: Sequence[float]) -> float:
    source = manifest.tables["million_token_prefill"]
    return 1e3 * _prefill_seconds(
        source, what.count("new_tokens"), what.count("cached_tokens"), 32, _prefill_rates(source)
    )


_RATES: dict[int, tuple[float, ...]] = {}


def _prefill_rates(source: Manifest) -> tuple[float, ...]:
    if id(source) not in _RATES:
        mode = source.modes["P"]
        _RATES[id(source)] = fit(source, PREDICTIONS["prefill"], points_of(source, mode)).values
    return _RATES[id(source)]


def _burst_time(_: Manifest, what: Known, x: Sequence[float]) -> float:
    length = what.count("context_length") / 65536
    return x[0] * length**2 + x[1] * length


def _striped_speedup(_: Manifest, what: Known, x: Sequence[float]) -> float:
    ranks, length, hardware = what.count("sp"), what.count("context_length"), what.text("hardware")
    tiled = tile_share(length // ranks, 2048, 4096 if "A100" in hardware else 2048)
    rest = striped_linear(hardware, what.text("model")) * x[0] + x[2] * 1000 * ranks / 8
    return (rest + (ranks - 1 + tiled) / ranks * length) / (rest + x[1] * tiled * length)


# ---- nothing fitted


#: Bytes of memory of one device.
_DEVICES = {"A100": 80e9, "TPUv3": 16e9, "TPUv4": 32e9, "TPUv5e": 16e9}


def _largest_context(_: Manifest, what: Known, __: Sequence[float]) -> float:
    name = next(name for name in _DEVICES if name in what.text("hardware"))
    ranks = what.count("ranks")
    return float(ranks * largest_tokens(SHAPES[what.text("model")], ranks, _DEVICES[name]))


def _ring_loss(_: Manifest, what: Known, __: Sequence[float]) -> float:
    flops, link = (
        (275e12, 45e9) if "TPU" in what.text("hardware") else (312e12, 300e9 if what.count("ranks") == 8 else 12.5e9)
    )
    tokens = what.number("ring_context") / what.count("ranks")
    threshold = closed_forms.overlap_threshold(flops, link)
    return 100 * max(0.0, 1 - tokens / threshold)


def _lwm_step(_: Manifest, what: Known, __: Sequence[float]) -> float:
    work = token_work(SHAPES["7b"], what.count("context_length"), False, False, False)
    utilisation = (35.61 + 36.61) / 200
    # Four million tokens a step stand for 4 x 2^20: four sequences of the published length.
    return work.total * 4 * 2**20 / what.count("chips") / 275e12 / utilisation


PREDICTIONS: dict[str, Model] = {
    "ring_layouts": Model(
        _ring_layouts, ("passes contiguous", "passes zigzag", "passes striped", "passes backward"), (1, 2, 3, 1)
    ),
    "usp_passes": Model(
        _usp_passes, ("rate", "ms a step", "striped penalty", "whole-block gain"), (16, 0.5, 1.02, 1.05)
    ),
    "context_parallel": Model(
        _context_parallel, ("ring: overhead in 1e-4 s, others: share of the kernel rate",), (1.0,)
    ),
    "two_rates": Model(_two_rates, ("F_linear TFLOP/s", "F_attention TFLOP/s"), (500, 200)),
    "offloaded_throughput": Model(_offloaded, ("F_linear TFLOP/s", "F_attention TFLOP/s"), (100, 180)),
    "arctic_step": Model(_arctic_step, ("F TFLOP/s",), (280,)),
    "helper_step": Model(
        _helper_step, ("F_linear TFLOP/s", "F_attention TFLOP/s", "GB/s between nodes"), (150, 190, 10)
    ),
    "prefill": Model(_prefill, ("F_linear TFLOP/s", "F_attention TFLOP/s", "ms a hop"), (500, 550, 0.5)),
    "partial_prefill": Model(_partial_prefill),
    "burst_time": Model(_burst_time, ("compute ms at 64K", "ms a 64K tokens"), (40, 10)),
    "striped_speedup": Model(_striped_speedup, ("linear weight", "striped penalty", "fixed cost"), (1.0, 1.05, 1.0)),
    "largest_context": Model(_largest_context),
    "ring_loss": Model(_ring_loss),
    "lwm_step": Model(_lwm_step),
}
#: What is judged where it is not the printed cell itself.
PUBLISHED: dict[str, Callable[[Point], float]] = {
    "ring_loss": lambda point: 100 * (1 - point.published / point.keys["ring_mfu_expected"])
}
