"""How every figure looks: fonts, colours, axes. No pyplot, so no display and no global state."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from ringworld_analysis import formatting
from ringworld_analysis.content import Spot
from ringworld_analysis.run import Run

DPI = 150
INK = "#222222"
GREY = "#8a8f98"
LIMIT = "#c1272d"

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 8.5,
    "axes.edgecolor": "#9aa0a6",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e6ea",
    "grid.linewidth": 0.7,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "text.color": INK,
    "axes.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 5.0,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
# Paul Tol's "high contrast" and "muted" colours: told apart with any colour vision, and in grey.
_LAYOUT_COLOURS = {"contiguous": "#bb5566", "striped": "#ddaa33", "zigzag": "#004488"}
_LAYOUT_MARKERS = {"contiguous": "o", "striped": "s", "zigzag": "^"}
HIDDEN = "#88ccee"
EXPOSED = "#cc6677"
COMPUTE = "#c4c7cc"


def style() -> Any:  # noqa: ANN401 - a context manager of matplotlib
    """Return the context in which figures are made."""
    return mpl.rc_context(STYLE)


def panels(rows: int, columns: int, *, width: float = 3.15, height: float = 2.35, **options: Any) -> tuple[Figure, Any]:  # noqa: ANN401
    """Make a figure of rows x columns axes; the array of axes always has two dimensions."""
    # A lone panel is wider: it would look lost on the page.
    wide = {1: 1.9, 2: 1.35}.get(columns, 1.0)
    figure = Figure(figsize=(width * columns * wide, height * rows * (1.25 if rows == 1 else 1.0) + 0.55))
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def to_png(figure: Figure) -> tuple[bytes, int]:
    """Return the picture and its width in CSS pixels."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue(), int(figure.get_figwidth() * 100)


def legend(figure: Figure, *rows: Sequence[Any]) -> None:
    """Put one legend above all panels: a row for each group of entries, broken where the figure is too narrow."""
    handles = [handle for row in rows for handle in row]
    if not handles:
        return
    for columns in range(max(len(row) for row in rows), 0, -1):
        lines = [list(row[at : at + columns]) for row in rows for at in range(0, len(row), columns)]
        widths = [max(len(str(line[at].get_label())) for line in lines if at < len(line)) for at in range(columns)]
        if sum(0.65 + 0.07 * width for width in widths) <= figure.get_figwidth():
            break
    # matplotlib fills column by column; blanks keep the rows apart.
    blank = Line2D([], [], linestyle="none", label=" ")
    padded = [line + [blank] * (columns - len(line)) for line in lines]
    figure.legend(
        handles=[line[place] for place in range(columns) for line in padded], loc="outside upper center",
        ncols=columns, fontsize=8.5, handlelength=2.4, columnspacing=1.6,
    )  # fmt: skip


def ring_colour(run: Run, ranks: int) -> str:
    """Colour of a ring size: dark to light along viridis, the same in every figure of a report."""
    return _along("viridis", run.ring_sizes, ranks, 0.0, 0.78)


def ring_marker(run: Run, ranks: int) -> str:
    """Marker of a ring size."""
    return _MARKERS[run.ring_sizes.index(ranks) % len(_MARKERS)]


def ring_label(run: Run, ranks: int) -> str:
    """Name of a ring size, with a note where it ran more ranks than cores."""
    return f"P = {ranks}" + (" (oversubscribed)" if run.is_oversubscribed.get(ranks) else "")


def ring_style(run: Run, ranks: int) -> dict[str, Any]:
    """Line style of a ring size; hollow markers where it is oversubscribed."""
    colour = ring_colour(run, ranks)
    return {
        "color": colour,
        "marker": ring_marker(run, ranks),
        "markerfacecolor": "white" if run.is_oversubscribed.get(ranks) else colour,
        "markeredgecolor": colour,
    }


def ring_handles(run: Run) -> list[Line2D]:
    """Legend entries of all ring sizes."""
    return [Line2D([], [], label=ring_label(run, ranks), **ring_style(run, ranks)) for ranks in run.ring_sizes]


def context_colour(run: Run, length: int) -> str:
    """Colour of a context length: along plasma, so that it is never mistaken for a ring size."""
    return _along("plasma", run.context_lengths, length, 0.0, 0.82)


def context_marker(run: Run, length: int) -> str:
    """Marker of a context length."""
    return _MARKERS[run.context_lengths.index(length) % len(_MARKERS)]


def layout_colour(layout: str) -> str:
    """Colour of a layout."""
    return _LAYOUT_COLOURS.get(layout, GREY)


def layout_marker(layout: str) -> str:
    """Marker of a layout."""
    return _LAYOUT_MARKERS.get(layout, "D")


def context_axis(axes: Axes, lengths: Sequence[int]) -> None:
    """Make x a log2 axis with a tick a context length: 2K, 4K, ..."""
    _log2_axis(axes, lengths, formatting.tokens, at_most=8)


def ring_axis(axes: Axes, sizes: Sequence[int]) -> None:
    """Make x a log2 axis with a tick a ring size."""
    _log2_axis(axes, sizes, lambda value: f"{value:g}", at_most=10)


def logarithmic(axes: Axes, base: int = 10) -> None:
    """Make y logarithmic with labelled powers and quiet minor ticks."""
    axes.set_yscale("log", base=base)
    axes.yaxis.set_minor_formatter(NullFormatter())
    if base == 10:
        axes.yaxis.set_major_locator(LogLocator(base=10, numticks=7))


def widen_log(axes: Axes, values: Iterable[float], base: float = 10.0) -> None:
    """Give a logarithmic y axis room of at least one power on all sides, so that flat lines look flat."""
    positive = [value for value in values if value > 0 and math.isfinite(value)]
    if positive:
        low = math.floor(math.log(min(positive), base) - 0.05)
        high = math.ceil(math.log(max(positive), base) + 0.05)
        axes.set_ylim(base**low, base ** max(high, low + 1))


def outer_labels(grid: Any, x: str, y: str) -> None:  # noqa: ANN401
    """Label the lowest row and the leftmost column only."""
    for axes in grid[-1, :]:
        axes.set_xlabel(x)
    for axes in grid[:, 0]:
        axes.set_ylabel(y)


def head_panels(grid: Any, column_names: Sequence[str], row_names: Sequence[str]) -> None:  # noqa: ANN401
    """Name columns above the grid and rows at its right edge."""
    for axes, name in zip(grid[0, :], column_names):
        axes.set_title(name)
    if len(row_names) > 1 or len(column_names) > 1:
        for axes, name in zip(grid[:, -1], row_names):
            axes.annotate(
                name, xy=(1.0, 0.5), xycoords="axes fraction", xytext=(8, 0), textcoords="offset points",
                rotation=270, va="center", ha="left", fontsize=9.0, fontweight="bold",
            )  # fmt: skip


def spot(axes: Axes, corner: tuple[float, float], opposite: tuple[float, float], text: str) -> Spot:
    """Return the rectangle between two points in data coordinates; the figure must have been drawn."""
    to_figure = axes.figure.transFigure.inverted()
    (x0, y0), (x1, y1) = to_figure.transform(axes.transData.transform([corner, opposite]))
    return Spot(min(x0, x1), 1 - max(y0, y1), abs(x1 - x0), abs(y1 - y0), text)


def say_empty(axes: Axes) -> None:
    """Mark a panel that has no valid row."""
    axes.text(0.5, 0.5, "no valid rows", transform=axes.transAxes, ha="center", va="center", color=GREY)


def binary_label(value: float, _position: object = None) -> str:
    """Write a tick in bytes: 64 KiB."""
    divisor, unit = formatting.binary_scale(value)
    return f"{value / divisor:g} {unit}"


def _along(name: str, known: Sequence[int], value: int, start: float, end: float) -> str:
    place = list(known).index(value) / max(1, len(known) - 1)
    return to_hex(mpl.colormaps[name](start + (end - start) * place))


def _log2_axis(axes: Axes, values: Sequence[int], write: Any, at_most: int) -> None:  # noqa: ANN401
    axes.set_xscale("log", base=2)
    step = math.ceil(len(values) / at_most) or 1
    shown = list(values)[::-1][::step]
    axes.xaxis.set_major_locator(FixedLocator([float(value) for value in shown]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _position: write(value)))
    if values:
        span = max(math.log2(max(values) / min(values)), 1.0)
        room = 2 ** (0.07 * span)
        axes.set_xlim(min(values) / room, max(values) * room)
