"""Mode F: the value that a closed form gives for a published cell."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ringworld_analysis.claims.manifest import Manifest, Mode
from ringworld_analysis.claims.points import Point, points_of
from ringworld_analysis.predictor import closed_forms, exposed_time

_STRIPED_CONSTANT = 0.782
_STRIPED_SHAPES = {"1b": (2048, 5504, 22), "3b": (3200, 8640, 26), "7b": (4096, 11008, 32)}
_VOCABULARY = 32000
_LLAMA_8B_PARAMETERS = 8.03e9
_LLAMA_7B_PARAMETERS = 6738415616
_A100_BYTES, _USABLE = 80e9, 0.9


@dataclass(frozen=True)
class Cell:
    """A published cell and our value for it."""

    point: Point
    published: float
    ours: float


Formula = Callable[[Manifest, Point], float]


def cells(manifest: Manifest, mode: Mode) -> list[Cell]:
    """Return every cell that mode F judges."""
    formula = FORMULAS[mode.model]
    found = []
    for point in points_of(manifest, mode):
        published = PUBLISHED[mode.model](point) if mode.model in PUBLISHED else point.published
        found.append(Cell(point, published, math.nan if point.reason else formula(manifest, point)))
    return found


def striped_linear(hardware: str, model: str) -> float:
    """Return the matrix products of a layer in scores a token; GPUs ran attention in TF32, at half the rate."""
    hidden, feed_forward, layers = _STRIPED_SHAPES[model]
    rate = 0.5 if "A100" in hardware else 1.0
    return _STRIPED_CONSTANT * rate * (2 * hidden + 1.5 * feed_forward + _VOCABULARY / (2 * layers))


def _overlap_threshold(_: Manifest, point: Point) -> float:
    tokens = closed_forms.overlap_threshold(point.keys["flops_per_second"], point.keys["link_bytes_per_second"])
    return tokens if point.column == "tokens_per_rank" else 6 * tokens


def _device_factor(_: Manifest, point: Point) -> float:
    return float(point.keys["blockwise"] * point.keys["ranks"])


def _cost_ratio(_: Manifest, point: Point) -> float:
    return closed_forms.cost_ratio(point.keys["hidden_size"], int(point.column[2:]))


def _striped_bound(_: Manifest, point: Point) -> float:
    linear = striped_linear(point.keys["hardware"], point.keys["model"])
    return closed_forms.striped_bound(linear, point.keys["sp"], point.keys["context_length"])


def _block_speedup(manifest: Manifest, point: Point) -> float:
    ranks = manifest.configuration["ranks"]
    if point.keys["schedule"] == "helper":
        return closed_forms.helper_speedup(ranks)
    return closed_forms.contiguous_block_speedup(ranks)


def _contiguous_bound(manifest: Manifest, point: Point) -> float:
    return float(point.keys["ideal"]) * closed_forms.contiguous_efficiency(manifest.configuration["ranks"])


def _usp_bound(manifest: Manifest, point: Point) -> float:
    ring = manifest.configuration["ranks"] // int(point.column.split("_")[1])
    row = {**point.keys, "layout": "zigzag"}
    zigzag = next(other for other in manifest.rows if all(other[name] == row[name] for name in manifest.label))
    return float(zigzag[point.column]) * closed_forms.contiguous_efficiency(ring)


def _prefill_rate(manifest: Manifest, point: Point) -> float:
    sizes, tokens = manifest.configuration, point.keys["context_length"]
    work = 2 * sizes["parameters"] * tokens + 2 * sizes["layers"] * sizes["hidden_size"] * tokens**2
    return float(work / point.keys["prefill_time"] / point.keys["ranks"] / 1e12)


def _exposed_rotation(manifest: Manifest, point: Point) -> float:
    return 1.0 if exposed_of(manifest, point.keys["new_tokens"], point.keys["cached_tokens"]).do_keys_win else 0.0


def exposed_of(manifest: Manifest, new_tokens: int, cached_tokens: int) -> exposed_time.Exposed:
    """Return what one layer of a partial prefill leaves exposed, by the rates that the source prints."""
    sizes, tensor = manifest.configuration, manifest.configuration["tp"]
    long = next(row for row in manifest.tables["million_token_prefill"].rows if row["context_length"] == 1_000_000)
    return exposed_time.exposed(
        exposed_time.Layer(sizes["heads"] // tensor, sizes["kv_heads"] // tensor, sizes["head_size"]), sizes["sp"],
        new_tokens, cached_tokens,
        exposed_time.Rates(
            sizes["hop_latency"], sizes["hop_bytes_per_second"], long["flops_per_second_per_rank"] * 1e12
        ),
    )  # fmt: skip


def keys_are_faster(point: Point) -> float:
    """Return 1 where the source measured passing keys as faster, else 0."""
    return 1.0 if point.published < point.keys["queries_travel"] else 0.0


def _decode_parts(_: Manifest, point: Point) -> float:
    return float(point.keys["ring_loop"] + point.keys["send_receive"] + point.keys["all_to_all"])


def _arctic_rate(manifest: Manifest, point: Point) -> float:
    sizes, tokens = manifest.configuration, point.keys["context_length"]
    work = 8 * _LLAMA_8B_PARAMETERS + 16 * sizes["layers"] * sizes["hidden_size"] * tokens
    return float(point.keys["sequences"] * work * tokens / point.keys["step_time"] / point.keys["ranks"] / 1e12)


def _cache_fits(manifest: Manifest, point: Point) -> float:
    sizes = manifest.configuration
    token = closed_forms.cache_bytes(sizes["layers"], sizes["kv_heads"], sizes["head_size"], 1)
    return float((_USABLE * _A100_BYTES * point.keys["gpus"] - 2 * _LLAMA_7B_PARAMETERS) / token)


def _stage_table(manifest: Manifest, point: Point) -> float:
    _, _, tensor, sequence = (int(size) for size in point.keys["mesh"].split(","))
    shards = point.keys["chips"] // (tensor * sequence)
    sequences = point.keys["batch_tokens"] / point.keys["context_length"]
    # The source prints its batch in millions of tokens, which stand for powers of two: 4 % of a sequence is rounding.
    if shards != point.keys["fsdp"] or sequences < shards * (1 - manifest.modes["F"].tolerance):
        return math.nan
    return float(point.keys["steps"] * point.keys["batch_tokens"])


def _burst_rate(manifest: Manifest, point: Point) -> float:
    sizes = manifest.configuration
    both = point.column == "forward_backward_tflops"
    work = 4 * point.keys["context_length"] ** 2 * sizes["heads"] * sizes["head_size"] * (3.5 if both else 1)
    milliseconds = point.keys["forward_backward" if both else "forward"]
    return float(work / (milliseconds * 1e-3) / sizes["ranks"] / 1e12)


FORMULAS: dict[str, Formula] = {
    "overlap_threshold": _overlap_threshold,
    "device_factor": _device_factor,
    "cost_ratio": _cost_ratio,
    "striped_bound": _striped_bound,
    "block_speedup": _block_speedup,
    "contiguous_bound": _contiguous_bound,
    "usp_bound": _usp_bound,
    "prefill_rate": _prefill_rate,
    "exposed_rotation": _exposed_rotation,
    "decode_parts": _decode_parts,
    "arctic_rate": _arctic_rate,
    "cache_fits": _cache_fits,
    "stage_table": _stage_table,
    "burst_rate": _burst_rate,
}

#: Where what is judged is not the printed cell but what it says.
PUBLISHED: dict[str, Callable[[Point], float]] = {"exposed_rotation": keys_are_faster}
