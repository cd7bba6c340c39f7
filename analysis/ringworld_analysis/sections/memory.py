"""Memory of the fullest rank: counted in buffers, by the model, and as the operating system sees it."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from ringworld_analysis import drawing, formatting
from ringworld_analysis.content import DataSet, Finding, Picture, Section
from ringworld_analysis.run import Run
from ringworld_analysis.sections import sweep
from ringworld_analysis.table import Column, Table

KEY, TITLE = "memory", "Memory per rank"
COLUMNS = ("peak_bytes", "peak_bytes_model", "peak_resident_bytes")


def section(run: Run) -> Section | None:
    """Build the section."""
    rows = run.plotted
    if not len(rows):
        return Section(KEY, TITLE, missing=sweep.NO_ROWS)
    pictures = []
    for index, (suffix, apart, part) in enumerate(sweep.configurations(run, rows)):
        png, width = _draw_bytes(run, part)
        pictures.append(
            Picture(
                f"memory{suffix}", sweep.titled("Memory per rank against context length", apart),
                "Solid lines with markers are counted in buffers, the dashed line through them is the formula, dotted "
                "lines are the growth of the process as the operating system sees it, libraries and message buffers "
                "included. Memory must grow in proportion to S / P: lines of slope one, a factor P apart; a slope of "
                "two would betray a T x T array.",
                "`peak_bytes`, `peak_bytes_model`, `peak_resident_bytes` over `context_length`, by `ranks`, `layout`, "
                "`pass` of `/attention`",
                png, width, KEY, is_folded=index > 0,
            )
        )  # fmt: skip
        png, width = _draw_ratio(run, part)
        pictures.append(
            Picture(
                f"memory-ratio{suffix}", sweep.titled("Counted memory over the model", apart),
                "1 means that the formula accounts for every byte. Above 1 something is allocated that the "
                "formula does not know; below 1 the formula is too pessimistic.",
                "`peak_bytes` / `peak_bytes_model` over `context_length`, by `ranks`, `layout`, `pass` of `/attention`",
                png, width, KEY, is_folded=index > 0,
            )
        )  # fmt: skip
    return Section(
        KEY, TITLE, "What the fullest rank of the ring holds at once, against the formula of the memory model.",
        pictures, data=[_data(run, rows)], findings=_findings(run, rows),
    )  # fmt: skip


def _draw_bytes(run: Run, rows: Table) -> tuple[bytes, int]:
    def draw(axes: Axes, cell: Table) -> None:
        for ranks, line in sweep.ring_lines(cell):
            colour = drawing.ring_colour(run, ranks)
            x = line["context_length"]
            axes.plot(x, _positive(line["peak_resident_bytes"]), color=colour, linestyle=":", linewidth=1.2)
            axes.plot(
                x, _positive(line["peak_bytes"]), **{**drawing.ring_style(run, ranks), "linewidth": 2.2, "alpha": 0.75}
            )
            axes.plot(x, _positive(line["peak_bytes_model"]), color=drawing.INK, linestyle=(0, (3, 2)), linewidth=0.9)

    with drawing.style():
        figure = sweep.small_multiples(rows, draw, x="context length S (token)", y="memory (bytes)", sharey=True)
        every = [value for name in COLUMNS for value in rows[name].tolist()]
        for axes in figure.axes:
            drawing.context_axis(axes, run.context_lengths)
            drawing.logarithmic(axes, base=2)
            drawing.widen_log(axes, every, 2.0)
            axes.yaxis.set_major_formatter(FuncFormatter(drawing.binary_label))
        kinds = [
            Line2D([], [], color=drawing.INK, linestyle=(0, (3, 2)), linewidth=0.9, label="model"),
            Line2D([], [], color=drawing.GREY, linestyle=":", linewidth=1.2, label="resident (same colours)"),
        ]
        drawing.legend(figure, drawing.ring_handles(run), kinds)
        return drawing.to_png(figure)


def _draw_ratio(run: Run, rows: Table) -> tuple[bytes, int]:
    every = _ratio(rows)

    def draw(axes: Axes, cell: Table) -> None:
        axes.axhline(1.0, color=drawing.INK, linestyle=(0, (4, 2)), linewidth=1.0)
        for ranks, line in sweep.ring_lines(cell):
            axes.plot(line["context_length"], _ratio(line), **drawing.ring_style(run, ranks))

    with drawing.style():
        figure = sweep.small_multiples(
            rows, draw, x="context length S (token)", y="counted / model", sharey=True, height=1.9
        )
        finite = every[np.isfinite(every) & (every > 0)]
        room = max(1.1, 1.05 * max([1.0, *(finite.tolist()), *((1 / finite).tolist())]))
        for axes in figure.axes:
            drawing.context_axis(axes, run.context_lengths)
            if room > 4:
                axes.set_yscale("log", base=2)
                axes.yaxis.set_minor_formatter(NullFormatter())
            axes.set_ylim(1 / room, room)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:g}"))
        drawing.legend(figure, drawing.ring_handles(run))
        return drawing.to_png(figure)


def _positive(values: Column) -> Column:
    return np.where(values > 0, values, np.nan)


def _ratio(rows: Table) -> Column:
    model = rows["peak_bytes_model"].astype(float)
    ratio: Column = np.divide(rows["peak_bytes"], model, out=np.full(len(rows), np.nan), where=model > 0)
    return ratio


def _data(run: Run, rows: Table) -> DataSet:
    names = (*run.identity, *COLUMNS)
    ratios = _ratio(rows).tolist()
    return DataSet(
        KEY, (*names, "peak_bytes_over_model"),
        [[*(row[name] for name in names), ratio] for row, ratio in zip(rows.rows(), ratios)],
    )  # fmt: skip


def _findings(run: Run, rows: Table) -> list[Finding]:
    ratios = _ratio(rows)
    if not np.isfinite(ratios).any():
        return []
    deviation = np.where(np.isfinite(ratios) & (ratios > 0), np.abs(np.log(np.where(ratios > 0, ratios, 1.0))), -1.0)
    worst = int(deviation.argmax())
    row = rows.rows()[worst]
    if deviation[worst] < 5e-4:
        return [Finding("Counted memory equals the memory model in every valid row.", "good")]
    return [
        Finding(
            f"Counted memory over the model: median {np.nanmedian(ratios):.3f}, farthest from 1 is "
            f"**{ratios[worst]:.3f}** ({formatting.size(row['peak_bytes'])} against "
            f"{formatting.size(row['peak_bytes_model'])}) at "
            f"{sweep.place(run, row)}."
        )
    ]
