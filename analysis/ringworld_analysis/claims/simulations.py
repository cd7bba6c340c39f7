"""Mode S: what rows of simulations say of a published value. A row that is not there gives no verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

from ringworld_analysis.claims.manifest import Manifest, Mode
from ringworld_analysis.claims.points import Point, points_of
from ringworld_analysis.claims.predictions import PUBLISHED as PUBLISHED_OF_PREDICTIONS
from ringworld_analysis.claims.records import Found, Pool

_HEADS_OF_7B = 32
_HEAD_SIZE = 128
#: Platform of a row of a table, by what the table calls its hardware.
_RING_PLATFORMS = {"8 A100": "dgx_a100", "32 A100": "a100_infiniband", "TPUv4-1024": "tpu_v4"}
_STRIPED_PLATFORMS = {"8x A100 80GB": "dgx_a100", "16x TPU v4 chips": "tpu_v4"}
_LAYOUT_PLATFORMS = {"8xA100": "dgx_a100", "8xH800": "dgx_h800"}


@dataclass(frozen=True)
class Judged:
    """A value of ours beside a published one, or why there is none."""

    row: str
    ours: float
    published: float
    source: str
    reason: str = ""
    """Why the row is not comparable; empty when it is."""


Simulation = Callable[[Manifest, Mode, Pool], Iterator[Judged]]


def _open_points(manifest: Manifest, mode: Mode) -> Iterator[Point]:
    return (point for point in points_of(manifest, mode) if not point.reason)


def _asides(manifest: Manifest, mode: Mode) -> Iterator[Judged]:
    for point in points_of(manifest, mode):
        if point.reason:
            yield Judged(point.name, float("nan"), point.published, "nothing", f"{point.reason}: {point.why}")


def _exposed(found: Found) -> float:
    """Return the share of a pass of full attention, in per cent, in which the ranks only wait."""
    rate = float(found.row["rates"].split()[0])
    compute = float(found.row["flop_full"] / found.row["ranks"] / rate)
    return 100 * max(0.0, 1 - compute / found.seconds)


def _ring_loss(manifest: Manifest, mode: Mode, pool: Pool) -> Iterator[Judged]:
    for point in _open_points(manifest, mode):
        found = pool.find(
            simulated=True, platform=_RING_PLATFORMS[point.keys["hardware"]], ranks=point.keys["ranks"],
            context_length=point.keys["ring_context"], head_size=_HEAD_SIZE, schedule="ring", layout="contiguous",
            causal=False, ulysses=1, **{"pass": "forward"},
        )  # fmt: skip
        if found is not None:
            published = PUBLISHED_OF_PREDICTIONS["ring_loss"](point)
            yield Judged(point.name, _exposed(found), published, found.source)


def _lwm_exposed(manifest: Manifest, mode: Mode, pool: Pool) -> Iterator[Judged]:
    sizes = manifest.rows[0]
    _, _, tensor, sequence = (int(size) for size in sizes["mesh"].split(","))
    found = pool.find(
        simulated=True, platform="tpu_v4", ranks=sequence, context_length=sizes["context_length"],
        heads=_HEADS_OF_7B // tensor, head_size=_HEAD_SIZE, schedule="ring", layout="contiguous", causal=False,
        **{"pass": "forward"},
    )  # fmt: skip
    if found is not None:
        yield Judged(f"attention, sp {sequence}, tp {tensor}: exposed share", _exposed(found), 0.0, found.source)


def _layout_limit(manifest: Manifest, mode: Mode, pool: Pool) -> Iterator[Judged]:
    longest: dict[tuple[str, int], int] = {}
    for row in manifest.rows:
        key = (row["hardware"], row["sp"])
        longest[key] = max(longest.get(key, 0), row["context_length"])
    for (hardware, ranks), length in longest.items():
        name, bound = f"{hardware}, sp {ranks}, {length}", 2 - 1 / ranks
        if hardware not in _STRIPED_PLATFORMS:
            yield Judged(name, float("nan"), bound, "nothing", "hardware: no platform of TPU v3")
            continue
        keys = {"simulated": True, "platform": _STRIPED_PLATFORMS[hardware], "ranks": ranks, "context_length": length,
                "schedule": "ring", "causal": True, "pass": "forward_backward"}  # fmt: skip
        contiguous, striped = (pool.find(layout=layout, **keys) for layout in ("contiguous", "striped"))
        if contiguous is not None and striped is not None:
            yield Judged(name, contiguous.seconds / striped.seconds, bound, f"{contiguous.source} / {striped.source}")


def _passes_per_second(manifest: Manifest, mode: Mode, pool: Pool) -> Iterator[Judged]:
    yield from _asides(manifest, mode)
    sizes = manifest.configuration
    for point in _open_points(manifest, mode):
        found = pool.find(
            simulated=True, platform=_LAYOUT_PLATFORMS[point.keys["hardware"]], ranks=sizes["ranks"],
            context_length=sizes["context_length"], heads=sizes["heads"], kv_heads=sizes["kv_heads"],
            head_size=sizes["head_size"], schedule="ring", layout=point.column, causal=True,
            **{"pass": point.keys["pass"]},
        )  # fmt: skip
        if found is not None:
            yield Judged(point.name, 1 / found.seconds, point.published, found.source)


def _schedule_order(manifest: Manifest, mode: Mode, pool: Pool) -> Iterator[Judged]:
    """Judge pairs of schedules, by the ratio of their times."""
    sizes = manifest.configuration
    groups: dict[tuple[str, bool, str], list[Point]] = {}
    for point in _open_points(manifest, mode):
        groups.setdefault((point.keys["pass"], point.keys["causal"], point.column), []).append(point)
    for (direction, causal, column), points in groups.items():
        ranks = int(column[2:])
        for one, other in combinations(points, 2):
            name = f"{one.keys['method']} / {other.keys['method']}, {direction}, {str(causal).lower()}, {column}"
            published = other.published / one.published
            if abs(one.published / other.published - 1) <= mode.tolerance:
                continue
            found = [
                pool.find(
                    simulated=True, platform="dgx_h100", ranks=ranks, causal=causal, heads=sizes["heads"],
                    context_length=ranks * sizes["tokens_per_rank"], layout=sizes["layout"],
                    **{"pass": direction}, **_method(point.keys["method"], ranks),
                )
                for point in (one, other)
            ]  # fmt: skip
            first, second = found
            if first is not None and second is not None and first is not second:
                yield Judged(name, first.seconds / second.seconds, published, f"{first.source} / {second.source}")


def _method(name: str, ranks: int) -> dict[str, object]:
    schedule = "all_gather" if name == "ring_allgather" else "ring"
    return {"schedule": schedule, "ulysses": {"ulysses": ranks, "usp": min(ranks, 8)}.get(name, 1)}


def _nemo_shares(manifest: Manifest, mode: Mode, pool: Pool) -> Iterator[Judged]:
    """Judge rates relative to that of the shortest context that has a ring."""
    yield from _asides(manifest, mode)
    first: tuple[float, float] | None = None
    for point in _open_points(manifest, mode):
        axes = {part[:2]: int(part[2:]) for part in str(point.keys["mesh"]).split()}
        ranks, tensor = axes["CP"], axes["TP"]
        found = pool.find(
            simulated=True, platform="dgx_h100" if ranks * tensor <= 8 else "h100_rail", ranks=ranks,
            heads=_HEADS_OF_7B // tensor, context_length=point.keys["context_length"], layout="zigzag", causal=True,
            schedule="ring", ulysses=1, **{"pass": "forward_backward"},
        )  # fmt: skip
        if found is None:
            continue
        rate = found.row["flop_causal"] / ranks / found.seconds
        if first is None:
            first = (rate, point.published)
            why = "calibration: the others are relative to this row"
            yield Judged(point.name, float("nan"), 1.0, found.source, why)
        else:
            yield Judged(point.name, rate / first[0], point.published / first[1], found.source)


def _best_degree(manifest: Manifest, mode: Mode, pool: Pool) -> Iterator[Judged]:
    """Judge the published speed of the degree that is fastest here against the best published one."""
    for row in manifest.rows:
        name = manifest.label_of(row)
        if "L20" in row["hardware"]:
            yield Judged(name, float("nan"), float("nan"), "nothing", "hardware: no platform and no rates of L20")
            continue
        times = {}
        for column in mode.values:
            found = pool.find(
                simulated=True, platform="dgx_a100", ranks=manifest.configuration["ranks"], batch=row["batch"],
                context_length=row["context_length"], heads=row["heads"], head_size=row["head_size"], causal=True,
                schedule="ring", layout=row["layout"], ulysses=int(column.split("_")[1]), **{"pass": "forward"},
            )  # fmt: skip
            if found is not None:
                times[column] = found
        if len(times) == len(mode.values):
            fastest = min(times, key=lambda column: times[column].seconds)
            best = max(row[column] for column in mode.values)
            yield Judged(f"{name}: {fastest}", float(row[fastest]), float(best), times[fastest].source)


def _prefill_speedup(manifest: Manifest, mode: Mode, pool: Pool) -> Iterator[Judged]:
    """Judge speed-ups over one node, of the context that several rings have."""
    yield from _asides(manifest, mode)
    sizes = manifest.configuration
    alone = {row["context_length"]: row["prefill_time"] for row in manifest.rows if row["mesh"] == "tp 8"}
    for point in _open_points(manifest, mode):
        ranks, length = point.keys["ranks"] // 8, point.keys["context_length"]
        if ranks == 1:
            continue
        if length not in alone:
            why = "method: no time of one node to start from"
            yield Judged(point.name, float("nan"), point.published, "nothing", why)
            continue
        keys = {"simulated": True, "platform": "h100_rail", "heads": sizes["heads"] // 8, "context_length": length,
                "layout": "zigzag", "causal": True, "schedule": "ring", "pass": "forward"}  # fmt: skip
        one, many = pool.find(ranks=1, **keys), pool.find(ranks=ranks, **keys)
        if one is not None and many is not None:
            yield Judged(point.name, one.seconds / many.seconds, alone[length] / point.published, many.source)


def _rotation_order(manifest: Manifest, mode: Mode, pool: Pool) -> Iterator[Judged]:
    yield from _asides(manifest, mode)
    for point in _open_points(manifest, mode):
        keys = {"simulated": True, "platform": "h100_rail", "ranks": 4, "heads": manifest.configuration["heads"] // 8,
                "context_length": point.keys["new_tokens"], "layout": "zigzag", "pass": "forward"}  # fmt: skip
        ring, queries = (pool.find(schedule=schedule, **keys) for schedule in ("ring", "pass_q"))
        if ring is not None and queries is not None:
            published = 1.0 if point.published < point.keys["queries_travel"] else 0.0
            ours = 1.0 if ring.seconds < queries.seconds else 0.0
            yield Judged(point.name, ours, published, f"{ring.source} against {queries.source}")


def _schedule_ratio(manifest: Manifest, mode: Mode, pool: Pool) -> Iterator[Judged]:
    yield from _asides(manifest, mode)
    for point in _open_points(manifest, mode):
        ratios = []
        for ring in pool.find_all(simulated=True, platform="frontier", schedule="ring", ulysses=1):
            same = {name: ring.row[name] for name in ("ranks", "context_length", "heads", "pass", "layout", "causal")}
            other = pool.find(simulated=True, platform="frontier", schedule="broadcast", **same)
            if other is not None:
                ratios.append((ring.seconds / other.seconds, f"{ring.source} / {other.source}"))
        if ratios:
            largest, source = max(ratios)
            yield Judged(point.name, largest, point.published, source)


SIMULATIONS: dict[str, Simulation] = {
    "exposed_share": _ring_loss,
    "exposed_share_of_stage": _lwm_exposed,
    "layout_limit": _layout_limit,
    "fraction_of_ideal": _passes_per_second,
    "schedule_order": _schedule_order,
    "flat_throughput": _nemo_shares,
    "best_degree": _best_degree,
    "prefill_scaling": _prefill_speedup,
    "rotation_order": _rotation_order,
    "schedule_ratio": _schedule_ratio,
}
