"""The small multiples that several sections share: one column a layout, one row a pass, x the context length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ringworld_analysis import drawing, formatting
from ringworld_analysis.run import LAYOUT_ORDER, PASS_ORDER, Run, ordered
from ringworld_analysis.table import Row, Table

NO_ROWS = "There is no valid row to plot."

def configurations(
    run: Run, table: Table, names: Sequence[str] | None = None
) -> Iterator[tuple[str, str, Table]]:
    """Yield (file name suffix, what sets it apart, rows), one for each figure that a section makes.

    :param names: columns that a figure holds constant; the whole configuration by default
    """
    found = list(table.groups(run.configuration if names is None else names))
    for index, (_key, rows) in enumerate(found):
        yield ("" if len(found) == 1 else f"-{index + 1}"), run.describe(rows.rows()[0], names, table), rows


def titled(title: str, apart: str) -> str:
    """Append what sets a figure apart from its siblings."""
    return f"{title}: {apart}" if apart else title


def layouts_and_passes(rows: Table) -> tuple[list[str], list[str]]:
    """Return the layouts and pass labels of some rows, in reading order."""
    layouts = ordered(rows.distinct("layout"), LAYOUT_ORDER)
    passes = ordered(rows.distinct("pass_label"), PASS_ORDER)
    return layouts, passes


def small_multiples(
    rows: Table,
    draw: Callable[[Axes, Table], None],
    *,
    x: str,
    y: str,
    **options: Any,  # noqa: ANN401
) -> Figure:
    """Draw a panel for each layout (columns) and pass (rows); a lone layout has its passes side by side."""
    layouts, passes = layouts_and_passes(rows)
    is_turned = len(layouts) == 1 < len(passes)
    down, across = (layouts, passes) if is_turned else (passes, layouts)
    figure, grid = drawing.panels(len(down), len(across), **{"sharex": True, "sharey": "row", **options})
    for i, below in enumerate(down):
        for j, beside in enumerate(across):
            layout, label = (below, beside) if is_turned else (beside, below)
            cell = rows.where(layout=layout, pass_label=label)
            if len(cell):
                draw(grid[i, j], cell)
            else:
                drawing.say_empty(grid[i, j])
    drawing.head_panels(grid, *([name.replace("_", " + ") for name in names] for names in (across, down)))
    drawing.outer_labels(grid, x, y)
    return figure


def ring_lines(rows: Table) -> Iterator[tuple[int, Table]]:
    """Yield (ring size, rows sorted by context length)."""
    for (ranks,), line in rows.groups(["ranks"]):
        yield int(ranks), line.take(line["context_length"].argsort(kind="stable"))


def place(run: Run, row: Row) -> str:
    """Name a point of the sweep in words."""
    text = f"S = {formatting.tokens(row['context_length'])}, P = {row['ranks']}, {row['layout']}, {row['pass_label']}"
    apart = run.describe(row)
    return f"{text}, {apart}" if apart else text
