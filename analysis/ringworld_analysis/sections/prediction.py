"""Predicted times beside measured ones: does the model of a pass, with rates of its parts, say what the pass takes?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ringworld_analysis import drawing
from ringworld_analysis.content import DataSet, Finding, Grid, Picture, Section
from ringworld_analysis.formatting import counted
from ringworld_analysis.run import Run
from ringworld_analysis.table import Row

KEY, TITLE = "prediction", "Predicted and measured time"
#: How far a prediction may be off before its row is marked.
TOLERANCE = 0.10
NAMES = ("context_length", "ranks", "schedule", "layout", "pass_label", "configuration", "predicted_time",
         "predicted_low", "predicted_high", "step_time", "ratio", "ratio_low", "ratio_high", "roofline_tokens",
         "predicted_extrapolated", "predicted_from")  # fmt: skip


def section(run: Run) -> Section | None:
    """Build the section; None when no point was predicted."""
    rows = run.attention.rows() if "predicted_time" in run.attention else []
    asked = [row for row in rows if row["predicted_from"]]
    if not asked:
        return None
    predicted = [row for row in asked if row["predicted_time"] > 0 and row["step_time"] > 0]
    without = len(asked) - len(predicted)
    cells = [_cells(run, row) for row in predicted]
    ratios = [cell[NAMES.index("ratio")] for cell in cells]
    marked = frozenset(place for place, ratio in enumerate(ratios) if abs(ratio - 1) > TOLERANCE)
    meanings = {
        **run.attention.meanings,
        "ratio": "predicted_time / step_time",
        "ratio_low": "predicted_low / step_time: all rates at their highest",
        "ratio_high": "predicted_high / step_time: all rates at their lowest",
    }
    grid = Grid(
        "Every predicted point", ["pass" if name == "pass_label" else name for name in NAMES], cells,
        {"context_length": "token", "predicted_time": "s", "predicted_low": "s", "predicted_high": "s",
         "step_time": "s", "roofline_tokens": "token"},
        {name: meanings.get(name, "") for name in NAMES},
        f"Rows that are more than {TOLERANCE:.0%} off are marked. `roofline_tokens` is the number of tokens a rank "
        "from which compute can hide what a rank sends.",
        marked,
    )  # fmt: skip
    findings = _findings(asked, predicted, ratios, len(marked), without)
    pictures = [_picture(run, predicted)] if predicted else []
    return Section(
        KEY, TITLE,
        "A prediction adds up what every rank does by its plan: blocks at the rate of the block kernel alone, messages "
        "at the rate of a hop alone. Where measured times are longer, something slows the parts down when they run "
        "together.",
        pictures, grids=[grid] if cells else [], data=[DataSet(KEY, grid.columns, cells)] if cells else [],
        findings=findings,
    )  # fmt: skip


def _cells(run: Run, row: Row) -> list[Any]:
    measured = row["step_time"]
    return [
        row["context_length"], row["ranks"], row.get("schedule", "ring"), row["layout"], row["pass_label"],
        run.describe(row), row["predicted_time"], row["predicted_low"], row["predicted_high"], measured,
        row["predicted_time"] / measured, row["predicted_low"] / measured, row["predicted_high"] / measured,
        row["roofline_tokens"], bool(row["predicted_extrapolated"]), row["predicted_from"],
    ]  # fmt: skip


def _findings(asked: list[Row], predicted: list[Row], ratios: list[float], far: int, without: int) -> list[Finding]:
    findings = []
    if predicted:
        errors = sorted(abs(ratio - 1) for ratio in ratios)
        middle = float(np.median(errors))
        verdict = "good" if far == 0 else "warn"
        findings.append(
            Finding(
                f"Predictions of {counted(len(predicted), 'point')} are off by **{middle:.1%}** in the median and "
                f"{errors[-1]:.1%} at most; {far} by more than {TOLERANCE:.0%}.",
                verdict,
            )
        )
        extrapolated = sum(bool(row["predicted_extrapolated"]) for row in predicted)
        if extrapolated:
            findings.append(
                Finding(f"{counted(extrapolated, 'prediction')} used rates outside what was measured.", "warn")
            )
    if without:
        reasons = sorted({row["predicted_from"] for row in asked if not row["predicted_time"] > 0})
        said = f": {reasons[0]}" if reasons else ""
        findings.append(Finding(f"{counted(without, 'point')} without a prediction or a time{said}.", "note"))
    return findings


def _picture(run: Run, predicted: list[Row]) -> Picture:
    with drawing.style():
        figure, axes = drawing.panels(1, 1, width=5.2, height=4.2)
        axis: Axes = axes[0][0]
        for ranks in sorted({row["ranks"] for row in predicted}):
            some = [row for row in predicted if row["ranks"] == ranks]
            times = [row["predicted_time"] for row in some]
            below = [max(row["predicted_time"] - row["predicted_low"], 0) for row in some]
            above = [max(row["predicted_high"] - row["predicted_time"], 0) for row in some]
            colour = drawing.ring_colour(run, ranks)
            axis.errorbar(
                [row["step_time"] for row in some], times, yerr=[below, above], linestyle="none", color=colour,
                marker=drawing.ring_marker(run, ranks), markersize=4, linewidth=0.8,
                label=drawing.ring_label(run, ranks),
            )  # fmt: skip
        values = [row[name] for row in predicted for name in ("step_time", "predicted_low", "predicted_high")]
        ends = [min(values) / math.sqrt(2), max(values) * math.sqrt(2)]
        axis.plot(ends, ends, color=drawing.INK, linewidth=0.9)
        for factor in (1 - TOLERANCE, 1 + TOLERANCE):
            axis.plot(ends, [factor * end for end in ends], color=drawing.INK, linewidth=0.6, linestyle=(0, (3, 2)))
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel("measured time [s]")
        axis.set_ylabel("predicted time [s]")
        axis.legend(loc="upper left", frameon=False)
        png, width = drawing.to_png(figure)
    return Picture(
        KEY, "Predicted over measured time",
        f"On the line a prediction is exact; dashed lines are {TOLERANCE:.0%} off. Bars go from all rates at their "
        "highest to all rates at their lowest.",
        "`predicted_time`, `predicted_low`, `predicted_high` over `step_time`, by `ranks` of `/attention`", png, width,
        KEY,
    )  # fmt: skip
