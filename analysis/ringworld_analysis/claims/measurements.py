"""Mode M, and bytes counted for mode F: what rows of runs on a real machine say of a claim."""

from __future__ import annotations

from collections.abc import Iterator

from ringworld_analysis.claims.manifest import Manifest, Mode
from ringworld_analysis.claims.points import points_of
from ringworld_analysis.claims.records import Pool
from ringworld_analysis.claims.simulations import Judged, Simulation
from ringworld_analysis.predictor import closed_forms

_RANKS = 2
#: Parameters of a model that counts as one of 7b.
_LEAST_7B, _MOST_7B = 6e9, 8e9
_SAME = ("context_length", "heads", "kv_heads", "head_size", "batch", "pass", "dtype", "backend", "causal")


def _layouts(pool: Pool, first: dict[str, object], second: dict[str, object]) -> Iterator[tuple[float, str]]:
    """Yield the ratio of times of the first pair of rows that differ in nothing but what is asked for."""
    for one in pool.find_all(simulated=False, **first):
        same = {name: one.row[name] for name in _SAME}
        other = pool.find(simulated=False, **same, **second)
        if other is not None:
            yield one.seconds / other.seconds, f"{one.source} / {other.source}"
            return


def _balance(_: Manifest, mode: Mode, pool: Pool) -> Iterator[Judged]:
    bounds = {"contiguous": _RANKS * closed_forms.contiguous_efficiency(_RANKS), "zigzag": float(_RANKS)}
    for layout, bound in bounds.items():
        keys = {"causal": True, "schedule": "ring", "ulysses": 1}
        other = {"ranks": _RANKS, "layout": layout, "schedule": "ring", "ulysses": 1}
        for ratio, source in _layouts(pool, {"ranks": 1, **keys}, other):
            yield Judged(f"{layout}, speed-up of {_RANKS} ranks", ratio, bound, source)


def _striped(_: Manifest, mode: Mode, pool: Pool) -> Iterator[Judged]:
    keys = {"ranks": _RANKS, "schedule": "ring", "ulysses": 1}
    first = {"layout": "contiguous", "pass": "forward_backward", "causal": True, **keys}
    for ratio, source in _layouts(pool, first, {"layout": "striped", **keys}):
        yield Judged(f"striped over contiguous, {_RANKS} ranks", ratio, 2 - 1 / _RANKS, source)


def _ulysses_volume(_: Manifest, mode: Mode, pool: Pool) -> Iterator[Judged]:
    for found in pool.find_all(simulated=False, ulysses=_RANKS, ranks=_RANKS, schedule="ring", **{"pass": "forward"}):
        row = found.row
        if row["heads"] != row["kv_heads"]:
            continue
        ranks, width = row["ranks"], row["heads"] * row["head_size"]
        element = {"float32": 4, "bfloat16": 2}[row["dtype"]]
        published = 4 * row["batch"] * row["context_length"] * width * (ranks - 1) / ranks * element
        name = f"bytes of {ranks} ranks, {row['context_length']}"
        yield Judged(name, float(row["wire_bytes"]), published, found.source)
        return


def _needle_accuracy(manifest: Manifest, mode: Mode, pool: Pool) -> Iterator[Judged]:
    """Judge cells of a model whose file has the published name, all depths together."""
    for point in points_of(manifest, mode):
        if point.reason:
            yield Judged(point.name, float("nan"), point.published, "nothing", f"{point.reason}: {point.why}")
            continue
        keys = {name: point.keys[name] for name in ("context_length", "needles_planted", "needles_asked")}
        cells = [cell for cell in pool.find_all("needle/cells", task="lwm", **keys)
                 if point.keys["model"] in cell.row["checkpoint"]]  # fmt: skip
        if cells:
            hits, trials = (sum(cell.row[name] for cell in cells) for name in ("hits", "trials"))
            yield Judged(point.name, hits / trials, point.published, f"{len(cells)} cells, the first {cells[0].source}")


def _training_step(manifest: Manifest, mode: Mode, pool: Pool) -> Iterator[Judged]:
    """Judge the mean step of a stage of a model of that size, on as many ranks in the same mesh."""
    for point in points_of(manifest, mode):
        keys = {"context_length": point.keys["context_length"], "ranks": point.keys["chips"]}
        for stage in pool.find_all("training/stages", dtype="bfloat16", **keys):
            row = stage.row
            tensor_and_sequence = row["mesh"].split(",")[2:] == point.keys["mesh"].split(",")[2:]
            if tensor_and_sequence and _LEAST_7B <= row["parameters"] <= _MOST_7B:
                yield Judged(point.name, row["seconds"] / row["steps"], point.published, stage.source)
                break


MEASUREMENTS: dict[str, Simulation] = {
    "balance_measured": _balance,
    "striped_measured": _striped,
    "ulysses_volume": _ulysses_volume,
    "needle_accuracy": _needle_accuracy,
    "training_step": _training_step,
}
