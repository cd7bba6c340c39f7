"""FLOP/s per rank, tokens per second and model FLOP utilisation against context length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from ringworld_analysis import drawing, formatting
from ringworld_analysis.content import DataSet, Finding, Picture, Section
from ringworld_analysis.run import Run
from ringworld_analysis.sections import sweep
from ringworld_analysis.table import Column, Row, Table

KEY, TITLE = "throughput", "Throughput"


@dataclass(frozen=True)
class Quantity:
    """One thing to plot: a column that is inversely proportional to step_time."""

    column: str
    name: str
    title: str
    unit: str
    is_logarithmic: bool
    caption: str


QUANTITIES = (
    Quantity(
        "flops_per_second_per_rank", "throughput-flops", "Throughput per rank", "FLOP/s", False,
        "Higher is better; a flat line means that longer context costs nothing but its own work. Lines of larger rings "
        "that lie below P = 1 show what the ring costs. Compare panels of a row: the contiguous layout leaves ranks "
        "idle under a causal mask, the balanced layouts do not.",
    ),
    Quantity(
        "mfu_measured_peak", "throughput-mfu", "MFU against the measured peak", "1", False,
        "The share of the FMA rate that the same machine reached in the same run with as many ranks busy. 100 % cannot "
        "be passed; what is missing is softmax, memory traffic, imbalance and exposed communication.",
    ),
    Quantity(
        "tokens_per_second", "throughput-tokens", "Tokens per second of the whole ring", "token/s", True,
        "Attention costs grow with the square of the context, so lines fall by half for each doubling of S once the "
        "kernels are saturated. The vertical distance between ring sizes is the speed-up.",
    ),
)  # fmt: skip


def section(run: Run) -> Section | None:
    """Build the section."""
    rows = run.plotted
    if not len(rows):
        return Section(KEY, TITLE, missing=sweep.NO_ROWS)
    pictures = []
    for quantity in QUANTITIES:
        for index, (suffix, apart, part) in enumerate(sweep.configurations(run, rows)):
            png, width = _draw(run, part, quantity)
            pictures.append(
                Picture(
                    quantity.name + suffix, sweep.titled(quantity.title, apart),
                    f"{quantity.caption} Markers are medians over repeats of the slowest rank; bars span the fastest "
                    "to the slowest repeat."
                    + (" Hollow markers: more ranks than cores." if any(run.is_oversubscribed.values()) else ""),
                    f"`{quantity.column}`, `step_time`, `step_time_min`, `step_time_max` over `context_length`, by "
                    "`ranks`, `layout`, `pass` of `/attention`",
                    png, width, KEY, is_folded=index > 0,
                )
            )  # fmt: skip
    return Section(
        KEY, TITLE,
        "How much work the ring does in a second, and which share of the machine that is.",
        pictures, data=[_data(run, rows)], findings=_findings(run, rows),
    )  # fmt: skip


def _draw(run: Run, rows: Table, quantity: Quantity) -> tuple[bytes, int]:
    is_ratio = quantity.unit == "1"
    factor, prefix = (0.01, "") if is_ratio else formatting.si_scale(float(rows[quantity.column].max()))
    if quantity.is_logarithmic:
        factor, prefix = 1.0, ""
    unit = "%" if is_ratio else f"{prefix}{quantity.unit}"
    label = {"FLOP/s": "throughput per rank", "1": "MFU", "token/s": "throughput"}[quantity.unit]

    def draw(axes: Axes, cell: Table) -> None:
        for ranks, line in sweep.ring_lines(cell):
            value = line[quantity.column] / factor
            low, high = _spread(line, quantity.column)
            axes.errorbar(
                line["context_length"], value, yerr=np.clip([value - low / factor, high / factor - value], 0, None),
                capsize=2.0, elinewidth=0.9, **drawing.ring_style(run, ranks),
            )  # fmt: skip

    with drawing.style():
        figure = sweep.small_multiples(rows, draw, x="context length S (token)", y=f"{label} ({unit})")
        for axes in figure.axes:
            drawing.context_axis(axes, run.context_lengths)
            if quantity.is_logarithmic:
                drawing.logarithmic(axes)
                drawing.widen_log(axes, rows[quantity.column].tolist())
                axes.yaxis.set_major_formatter(lambda value, _position: formatting.si_tick(value))
            else:
                axes.set_ylim(bottom=0)
        drawing.legend(figure, drawing.ring_handles(run))
        return drawing.to_png(figure)


def _spread(rows: Table, column: str) -> tuple[Column, Column]:
    work = rows[column] * rows["step_time"]
    return work / rows["step_time_max"], work / rows["step_time_min"]


def _data(run: Run, rows: Table) -> DataSet:
    values = ("step_time", "step_time_min", "step_time_max", *(quantity.column for quantity in QUANTITIES))
    names = (*run.identity, *values)
    return DataSet(KEY, names, [[row[name] for name in names] for row in rows.rows()])


def _findings(run: Run, rows: Table) -> list[Finding]:
    # Rows whose kernels computed nothing say nothing of this machine's.
    found = [row for row in rows.rows() if not row.get("simulated")]
    if not found:
        return []
    # Nothing is faster than the peak: such a row tells of a machine that did other work when the peak was measured.
    above = [row for row in found if row["mfu_measured_peak"] > 1]
    possible = [row for row in found if row["mfu_measured_peak"] <= 1]
    if not possible:
        return [_above_peak(run, above)]
    fastest = max(possible, key=lambda row: row["flops_per_second_per_rank"])
    text = (
        f"Best throughput: **{formatting.si(fastest['flops_per_second_per_rank'], 'FLOP/s')} per rank** "
        f"({formatting.percent(fastest['mfu_measured_peak'])} of the measured peak) at {sweep.place(run, fastest)}"
    )
    ringed = [row for row in possible if row["ranks"] > 1]
    if fastest["ranks"] == 1 and ringed:
        best = max(ringed, key=lambda row: row["flops_per_second_per_rank"])
        text += (
            f"; best of a real ring: **{formatting.si(best['flops_per_second_per_rank'], 'FLOP/s')} per rank** "
            f"({formatting.percent(best['mfu_measured_peak'])}) at {sweep.place(run, best)}"
        )
    findings = [Finding(text + ".")]
    return [*findings, *([_above_peak(run, above)] if above else [])]


def _above_peak(run: Run, above: list[Row]) -> Finding:
    return Finding(
        f"{formatting.counted(len(above), 'row')} above 100 % MFU, for instance {sweep.place(run, above[0])}: the "
        "machine did other work when its peak was measured, or the timer is broken.",
        "bad",
    )
