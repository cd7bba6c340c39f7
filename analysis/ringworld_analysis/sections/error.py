"""Error of sampled rows against fp64, and the tolerance it must keep, against ring size."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ringworld_analysis import drawing, formatting
from ringworld_analysis.content import DataSet, Finding, Picture, Section
from ringworld_analysis.run import Run, ordered
from ringworld_analysis.sections import sweep
from ringworld_analysis.table import Row, Table

KEY, TITLE = "error", "Error against exact attention"
_DTYPES = ("fp64", "float64", "fp32", "float32", "bf16", "bfloat16", "fp16", "float16")


def section(run: Run) -> Section | None:
    """Build the section."""
    rows = run.plotted
    if not len(rows):
        return Section(KEY, TITLE, missing=sweep.NO_ROWS)
    # Types have panels of their own.
    names = [name for name in run.configuration if name not in ("dtype", "wire_dtype")]
    pictures = []
    for index, (suffix, apart, part) in enumerate(sweep.configurations(run, rows, names)):
        png, width, has_exact = _draw(run, part)
        pictures.append(
            Picture(
                f"error{suffix}", sweep.titled("Error against ring size", apart),
                "Lines join the worst context length of each layout, small dots are the others. A flat line is right: "
                "an error that climbs with P betrays a state that is rounded at each hop. The red line is the "
                "tolerance "
                "(the tightest over contexts); rows above it are not valid and do not appear."
                + (" Triangles at the lower edge are errors of exactly 0." if has_exact else ""),
                "`error`, `error_tolerance` over `ranks`, by `dtype`, `wire_dtype`, `layout`, `pass` of `/attention`",
                png, width, KEY, is_folded=index > 0,
            )
        )  # fmt: skip
    return Section(
        KEY, TITLE, "Largest error of sampled output rows against fp64, over the largest exact value.",
        pictures, data=[_data(run, rows)], findings=_findings(run, rows),
    )  # fmt: skip


def _kinds(rows: Table) -> list[tuple[str, str]]:
    """Pairs of type in memory and on the wire, the most exact first."""
    wires = ordered(rows.distinct("wire_dtype"), _DTYPES)
    found = {kind for kind, _ in rows.groups(["dtype", "wire_dtype"])}
    return [
        (dtype, wire) for dtype in ordered(rows.distinct("dtype"), _DTYPES) for wire in wires if (dtype, wire) in found
    ]


def _draw(run: Run, rows: Table) -> tuple[bytes, int, bool]:
    _layouts, passes = sweep.layouts_and_passes(rows)
    kinds = _kinds(rows)
    positive = rows["error"][rows["error"] > 0].tolist() + rows["error_tolerance"][rows["error_tolerance"] > 0].tolist()
    low = 10.0 ** np.floor(np.log10(min(positive, default=1e-7)) - 0.05)
    high = 10.0 ** np.ceil(np.log10(max(positive, default=1.0)) + 0.05)
    has_exact = bool((rows["error"] <= 0).any())
    with drawing.style():
        figure, grid = drawing.panels(len(kinds), len(passes), sharex=True, sharey=True)
        for i, (dtype, wire) in enumerate(kinds):
            for j, label in enumerate(passes):
                axes = grid[i, j]
                cell = rows.where(pass_label=label, dtype=dtype, wire_dtype=wire)
                drawing.ring_axis(axes, run.ring_sizes)
                drawing.logarithmic(axes)
                axes.set_ylim(low, high)
                if len(cell):
                    _panel(axes, cell, low)
                else:
                    drawing.say_empty(axes)
        drawing.head_panels(
            grid,
            [label.replace("_", " + ") for label in passes],
            [dtype if dtype == wire else f"{dtype}, {wire} on the wire" for dtype, wire in kinds],
        )
        drawing.outer_labels(grid, "ring size P (rank)", "error (of largest value)")
        handles = [
            Line2D([], [], color=drawing.layout_colour(layout), marker=drawing.layout_marker(layout), label=layout)
            for layout in sweep.layouts_and_passes(rows)[0]
        ]
        handles.append(Line2D([], [], color=drawing.LIMIT, linewidth=1.3, linestyle=(0, (5, 2)), label="tolerance"))
        drawing.legend(figure, handles)
        png, width = drawing.to_png(figure)
    return png, width, has_exact


def _panel(axes: Axes, cell: Table, low: float) -> None:
    limits = [(ranks, float(at["error_tolerance"].min())) for (ranks,), at in cell.groups(["ranks"])]
    if len(limits) == 1 or len({limit for _, limit in limits}) == 1:
        axes.axhline(limits[0][1], color=drawing.LIMIT, linewidth=1.3, linestyle=(0, (5, 2)))
    else:
        axes.plot(*zip(*limits), color=drawing.LIMIT, linewidth=1.3, linestyle=(0, (5, 2)))
    layouts = sweep.layouts_and_passes(cell)[0]
    for place, layout in enumerate(layouts):
        line = cell.where(layout=layout)
        # Layouts often agree to the last digit: a small shift keeps their markers apart.
        shift = 2 ** (0.07 * (place - (len(layouts) - 1) / 2))
        colour, marker = drawing.layout_colour(layout), drawing.layout_marker(layout)
        dots = np.maximum(line["error"], low)
        axes.plot(line["ranks"] * shift, dots, ".", color=colour, markersize=3.5, alpha=0.6, markeredgewidth=0)
        exact = line.take(line["error"] <= 0)
        axes.plot(exact["ranks"] * shift, np.full(len(exact), low * 1.2), "v", color=colour, markersize=4)
        worst = [(ranks * shift, float(at["error"].max())) for (ranks,), at in line.groups(["ranks"])]
        seen = [(x, y) for x, y in worst if y > 0]
        if seen:
            axes.plot(*zip(*seen), color=colour, marker=marker, linewidth=1.3, markersize=5)


def _data(run: Run, rows: Table) -> DataSet:
    names = (*run.identity, "error", "error_tolerance")
    return DataSet(KEY, names, [[row[name] for name in names] for row in rows.rows()])


def _findings(run: Run, rows: Table) -> list[Finding]:
    checked = [row for row in rows.rows() if row["error_tolerance"] > 0]
    if not checked:
        return []

    def share(row: Row) -> float:
        return float(row["error"]) / float(row["error_tolerance"])

    worst = max(checked, key=share)
    return [
        Finding(
            f"Worst error of a valid row against its tolerance: **{worst['error']:.2e}** of "
            f"{worst['error_tolerance']:.2e} allowed ({formatting.percent(share(worst))}) at "
            f"{sweep.place(run, worst)}.",
            "good" if share(worst) <= 1 else "bad",
        )
    ]
