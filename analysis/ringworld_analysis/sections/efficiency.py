"""Strong scaling: speed-up over ring size 1 of the same context, divided by P, against the bound of the layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ringworld_analysis import drawing, formatting
from ringworld_analysis.content import DataSet, Finding, Grid, Picture, Section
from ringworld_analysis.run import Run
from ringworld_analysis.sections import sweep
from ringworld_analysis.table import Row, Table

KEY, TITLE = "efficiency", "Parallel efficiency"
INDEX = "plotted_index"
#: Keys that say which tokens a rank holds and how they travel: without meaning in a ring of one rank.
TRAVEL = ("layout", "wire_dtype", "transport", "backward_rotation", "polling")
INTRO = (
    "Speed-up over a ring of one rank with the same context, divided by P. Under a causal mask the contiguous layout "
    "cannot pass (P/2)/(P - 0.5), because the rank with the last tokens works at every step while the first is done "
    "after one."
)


@dataclass(frozen=True)
class Point:
    """One ring size measured against ring size 1."""

    row: Row
    baseline: Row
    speedup: float
    low: float
    high: float

    @property
    def efficiency(self) -> float:
        """Speed-up over ring size 1, divided by P."""
        return self.speedup / int(self.row["ranks"])

    @property
    def is_above_bound(self) -> bool:
        """Whether the median beats what the layout allows."""
        return bool(self.row["ranks"] > 1 and self.efficiency > self.row["layout_efficiency_bound"] * (1 + 1e-9))

    @property
    def is_above_beyond_spread(self) -> bool:
        """Whether even the slowest repeat against the fastest baseline does."""
        return self.is_above_bound and self.low > self.row["layout_efficiency_bound"]

    @property
    def is_noisy(self) -> bool:
        """Whether the median of this point, or of the one rank that it is held against, is not known well."""
        return any(bool(row.get("noisy", False)) for row in (self.row, self.baseline))


def section(run: Run) -> Section | None:
    """Build the section."""
    rows = run.plotted
    if not len(rows):
        return Section(KEY, TITLE, missing=sweep.NO_ROWS)
    rows = rows.with_column(INDEX, np.arange(len(rows)))
    points, without = measure(rows, run.point)
    if not any(point.row["ranks"] > 1 for point in points):
        is_alone = max(run.ring_sizes) == 1
        missing = "There is no ring larger than one rank" if is_alone else "There is no valid row of ring size 1"
        cure = "--ranks 1,2,4 on a job of 4" if is_alone else "--ranks 1 added"
        return Section(
            KEY, TITLE, INTRO, missing=f"{missing} to compare with; the same sweep with --resume and {cure} brings it."
        )
    above = [point for point in points if point.is_above_bound]
    numbers = {point.row[INDEX]: index + 1 for index, point in enumerate(above)}
    pictures = []
    by_index = {point.row[INDEX]: point for point in points}
    paired = rows.take(np.array(sorted(by_index), dtype=np.intp))
    for index, (suffix, apart, part) in enumerate(sweep.configurations(run, paired)):
        chosen = [by_index[place] for place in part[INDEX].tolist()]
        png, width = _draw(run, part, chosen, numbers)
        pictures.append(
            Picture(
                f"efficiency{suffix}", sweep.titled("Parallel efficiency against ring size", apart),
                _caption(run, any(point.is_above_bound for point in chosen)),
                "`step_time`, `step_time_min`, `step_time_max`, `layout_efficiency_bound` over `ranks`, by "
                "`context_length`, `layout`, `pass` of `/attention`; cores from `/provenance/ranks`",
                png, width, KEY, is_folded=index > 0,
            )
        )  # fmt: skip
    return Section(
        KEY, TITLE, INTRO + (f" {_without(without)}" if without else ""), pictures,
        [_above_grid(run, above)] if above else [], [_data(run, points)], _findings(run, points, above),
    )  # fmt: skip


def measure(rows: Table, point: Sequence[str]) -> tuple[list[Point], int]:
    """Pair each row with ring size 1 of the same context; also return how many rows have no such partner.

    At P = 1 all layouts hold the same tokens in the same order and nothing travels, so a baseline of another layout,
    wire dtype, transport, rotation or polling mode stands in where the exact one was not measured.

    :param point: columns that together name one point
    """
    strict = [name for name in point if name != "ranks"]
    loose = [name for name in strict if name not in TRAVEL]
    found = rows.rows()
    exactly, similarly = rows.points(strict), rows.points(loose)
    exact: dict[tuple[Any, ...], Row] = {}
    similar: dict[tuple[Any, ...], Row] = {}
    for row, same, like in zip(found, exactly, similarly):
        if row["ranks"] == 1:
            exact[same] = row
            similar.setdefault(like, row)
    points = []
    for row, same, like in zip(found, exactly, similarly):
        one = exact.get(same) or similar.get(like)
        if one is None:
            continue
        ranks = row["ranks"]
        points.append(
            Point(
                row, one, one["step_time"] / row["step_time"],
                one["step_time_min"] / row["step_time_max"] / ranks,
                one["step_time_max"] / row["step_time_min"] / ranks,
            )
        )  # fmt: skip
    return points, len(found) - len(points)


def _draw(run: Run, rows: Table, points: list[Point], numbers: dict[int, int]) -> tuple[bytes, int]:
    values = {point.row[INDEX]: point for point in points}
    highest = max(1.0, *(point.efficiency for point in points))

    def draw(axes: Axes, cell: Table) -> None:
        _shade_oversubscribed(run, axes)
        bounds = {row["ranks"]: row["layout_efficiency_bound"] for row in cell.rows()}
        sizes = sorted(bounds)
        axes.plot(
            sizes, [100 * bounds[size] for size in sizes], color=drawing.INK, linestyle=(0, (4, 2)), linewidth=1.1,
            marker="_", markersize=13, markeredgewidth=1.6, zorder=2.5,
        )  # fmt: skip
        for (length,), line in cell.groups(["context_length"]):
            chosen = sorted((values[i] for i in line[INDEX].tolist()), key=lambda point: point.row["ranks"])
            at = [_shifted(run, point) for point in chosen]
            middle = np.array([point.efficiency for point in chosen])
            # Ring size 1 is its own baseline: exactly 100 %, and a bar there would only repeat the spread of step_time.
            low = np.array([point.low if point.row["ranks"] > 1 else 1.0 for point in chosen])
            high = np.array([point.high if point.row["ranks"] > 1 else 1.0 for point in chosen])
            colour = drawing.context_colour(run, length)
            axes.errorbar(
                at, 100 * middle, yerr=100 * np.clip([middle - low, high - middle], 0, None), color=colour, capsize=2.0,
                elinewidth=0.8, marker=drawing.context_marker(run, length), markersize=4.5, linewidth=1.2, zorder=3,
            )  # fmt: skip
            for point in chosen:
                if point.is_above_bound:
                    _name(run, axes, point, numbers[point.row[INDEX]])

    with drawing.style():
        figure = sweep.small_multiples(rows, draw, x="ring size P (rank)", y="efficiency (%)", sharey=True)
        for axes in figure.axes:
            drawing.ring_axis(axes, run.ring_sizes)
            axes.set_ylim(0, 100 * highest * 1.14)
        drawing.legend(
            figure, _context_handles(run, rows), _other_handles(run, any(point.is_above_bound for point in points))
        )
        return drawing.to_png(figure)


def _shifted(run: Run, point: Point) -> float:
    """Place on the x axis: the ring size, moved a little by context length so that markers and bars stay apart."""
    lengths = run.context_lengths
    span = np.log2(run.ring_sizes[-1] / run.ring_sizes[0])
    place = lengths.index(point.row["context_length"]) / max(1, len(lengths) - 1) - 0.5
    return float(point.row["ranks"] * 2 ** (min(0.3, 0.06 * span) * place * (len(lengths) > 1)))


def _name(run: Run, axes: Axes, point: Point, number: int) -> None:
    at = (_shifted(run, point), 100 * point.efficiency)
    axes.plot(
        *at, "o", markersize=11, markerfacecolor="none", markeredgecolor=drawing.LIMIT, markeredgewidth=1.4, zorder=4
    )
    axes.annotate(
        str(number), at, xytext=(-9, 5), textcoords="offset points", color=drawing.LIMIT, fontsize=8.0,
        fontweight="bold", ha="right", zorder=5,
    )  # fmt: skip


def _shade_oversubscribed(run: Run, axes: Axes) -> None:
    sizes = run.ring_sizes
    first = next((size for size in sizes if run.is_oversubscribed.get(size)), None)
    if first is None:
        return
    before = [size for size in sizes if size < first]
    start = (first * before[-1]) ** 0.5 if before else first / 2**0.5
    axes.axvspan(start, 4 * sizes[-1], color="#f1f1f4", zorder=0, linewidth=0)


def _context_handles(run: Run, rows: Table) -> list[Any]:
    return [
        Line2D(
            [], [], color=drawing.context_colour(run, length), marker=drawing.context_marker(run, length),
            markersize=4.5, linewidth=1.2, label=f"S = {formatting.tokens(length)}",
        )
        for length in rows.distinct("context_length")
    ]  # fmt: skip


def _other_handles(run: Run, has_named: bool) -> list[Any]:
    handles: list[Any] = [
        Line2D([], [], color=drawing.INK, linestyle=(0, (4, 2)), linewidth=1.1, label="bound of the layout")
    ]
    if has_named:
        handles.append(
            Line2D(
                [], [], linestyle="none", marker="o", markersize=9, markerfacecolor="none",
                markeredgecolor=drawing.LIMIT, label="above the bound",
            )
        )  # fmt: skip
    if any(run.is_oversubscribed.values()):
        handles.append(Patch(color="#e6e6ea", label="more ranks than cores"))
    return handles


def _caption(run: Run, has_named: bool) -> str:
    text = (
        "100 % is perfect scaling; the dashed line is what the layout allows when ring steps run in lockstep. Bars "
        "span the slowest repeat against the fastest baseline and the reverse. A contiguous ring that beats "
        "its bound is a "
        "broken timer."
    )
    if has_named:
        text += " Circled points lie above their bound and are named in the table below."
    crowded = [size for size, is_crowded in run.is_oversubscribed.items() if is_crowded]
    if crowded:
        text += (
            f" Shaded: rings with more ranks than cores (P = {', '.join(map(str, sorted(crowded)))}); ranks take turns "
            "there, so their efficiency says nothing about the ring."
        )
    elif any(is_crowded is None for is_crowded in run.is_oversubscribed.values()):
        text += " The file does not say how many cores the ranks shared, so oversubscribed rings are not marked."
    return text


def _without(count: int) -> str:
    return (
        f"{formatting.counted(count, 'valid row')} {'has' if count == 1 else 'have'} no valid row of ring size 1 with "
        "the same context and configuration, and cannot be shown here."
    )


def _above_grid(run: Run, above: list[Point]) -> Grid:
    rows = []
    for index, point in enumerate(above):
        row = point.row
        verdict = "beyond the spread of repeats" if point.is_above_beyond_spread else "within the spread of repeats"
        verdict += ", noisy" * point.is_noisy
        rows.append(
            [index + 1, row["context_length"], row["ranks"], row["layout"], row["pass_label"], run.describe(row),
             formatting.percent(point.efficiency), formatting.percent(row["layout_efficiency_bound"]), verdict]
        )  # fmt: skip
    return Grid(
        "Points above the bound of their layout",
        ("no.", "context_length", "ranks", "layout", "pass", "configuration", "efficiency", "bound", "how far"),
        rows, {"context_length": "token"},
        caption="Contiguous rings here point at a broken timer or a baseline that was disturbed. Balanced layouts pass "
        "100 % when the shard of a rank fits a cache that the whole sequence does not.",
    )  # fmt: skip


def _data(run: Run, points: list[Point]) -> DataSet:
    names = (*run.identity, "step_time", "baseline_step_time", "speedup", "efficiency", "efficiency_low",
             "efficiency_high", "layout_efficiency_bound", "above_bound", "oversubscribed")  # fmt: skip
    rows = []
    for point in points:
        crowded = run.is_oversubscribed.get(point.row["ranks"])
        rows.append(
            [*(point.row[name] for name in run.identity), point.row["step_time"], point.baseline["step_time"],
             point.speedup, point.efficiency, point.low, point.high, point.row["layout_efficiency_bound"],
             point.is_above_bound, "unknown" if crowded is None else crowded]
        )  # fmt: skip
    return DataSet(KEY, names, rows)


def _findings(run: Run, points: list[Point], above: list[Point]) -> list[Finding]:
    ringed = [point for point in points if point.row["ranks"] > 1]
    fair = [point for point in ringed if not run.is_oversubscribed.get(point.row["ranks"])] or ringed
    fair = [point for point in fair if not point.is_noisy] or fair
    best = max(fair, key=lambda point: point.efficiency)
    findings = [
        Finding(
            f"Best parallel efficiency: **{formatting.percent(best.efficiency)}** (bound "
            f"{formatting.percent(best.row['layout_efficiency_bound'])}) at {sweep.place(run, best.row)}."
        )
    ]
    broken = [point for point in above if point.row["layout"] == "contiguous" and point.row["causal"]]
    if broken:
        judged = [point for point in broken if not point.is_noisy] or broken
        is_noisy = all(point.is_noisy for point in judged)
        sure = any(point.is_above_beyond_spread for point in judged) and not is_noisy
        first = max(judged, key=lambda point: point.efficiency / point.row["layout_efficiency_bound"])
        why = (
            "Their times, or those of one rank, are noisy: something else disturbed them."
            if is_noisy
            else "A contiguous ring that beats its bound is a broken timer."
        )
        findings.append(
            Finding(
                f"{formatting.counted(len(broken), 'contiguous point')} above the bound of the layout, "
                f"{'beyond' if first.is_above_beyond_spread else 'but within'} the spread of repeats; largest: "
                f"{formatting.percent(first.efficiency)} against "
                f"{formatting.percent(first.row['layout_efficiency_bound'])} at "
                f"{sweep.place(run, first.row)}. {why}",
                "bad" if sure else "warn",
            )
        )
    crowded = sorted(size for size, is_crowded in run.is_oversubscribed.items() if is_crowded)
    if crowded:
        findings.append(
            Finding(
                f"More ranks than cores at P = {', '.join(map(str, crowded))}: those times measure the operating "
                "system's scheduler as much as the ring.",
                "warn",
            )
        )
    return findings
