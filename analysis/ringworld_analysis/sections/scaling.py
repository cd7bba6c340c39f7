"""Strong and weak scaling over ring sizes, in which measured and simulated points cannot be mistaken for each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ringworld_analysis import drawing, formatting
from ringworld_analysis.content import DataSet, Finding, Picture, Section
from ringworld_analysis.run import Run
from ringworld_analysis.table import Row

KEY, TITLE = "scaling", "Strong and weak scaling"
INTRO = (
    "The rate of a rank (`flops_per_second_per_rank`) over that of the smallest ring of the same series: 100 % is "
    "perfect scaling. Strong: the context stays the same. Weak: the tokens of a rank stay the same, so under attention "
    "the time of a pass grows with the ring. A simulated point ran the same program on ranks that do not exist; its "
    "messages go on by themselves and nothing is noisy, so it bounds what a machine can reach."
)
STRONG, WEAK = "strong", "weak"
#: What a series holds constant, by its kind.
_CONSTANT = {STRONG: "context_length", WEAK: "tokens_per_rank"}
MEASURED, SIMULATED = "measured", "simulated"
#: Colour, marker, face of the marker, line.
_LOOK = {MEASURED: ("#004488", "o", "#004488", "solid"), SIMULATED: ("#cc5500", "D", "white", (0, (4, 2)))}
_COLUMNS = ("scaling", "origin", "ranks", "context_length", "tokens_per_rank", "layout", "pass", "configuration",
            "step_time", "flops_per_second_per_rank", "efficiency")  # fmt: skip


@dataclass(frozen=True)
class Series:
    """Points that differ in the number of ranks alone, and in the context where tokens a rank are held constant."""

    kind: str
    origin: str
    constant: int
    rows: tuple[Row, ...]

    def efficiency(self, row: Row) -> float:
        """Return the rate of a rank over that of the smallest ring."""
        return float(row["flops_per_second_per_rank"] / self.rows[0]["flops_per_second_per_rank"])

    @property
    def label(self) -> str:
        """Name what stays the same."""
        return f"{formatting.tokens(self.constant)}{' a rank' if self.kind == WEAK else ''}"


def section(run: Run) -> Section | None:
    """Build the section; None where nothing was simulated on several numbers of ranks."""
    found = list(series_of(run))
    if not any(one.origin == SIMULATED for one in found):
        return None
    data = [
        [one.kind, one.origin, row["ranks"], row["context_length"], row["tokens_per_rank"], row["layout"],
         row["pass_label"], run.describe(row), row["step_time"], row["flops_per_second_per_rank"], one.efficiency(row)]
        for one in found
        for row in one.rows
    ]  # fmt: skip
    return Section(
        KEY, TITLE, INTRO, [_picture(found)], data=[DataSet(KEY, _COLUMNS, data)], findings=[_finding(found)]
    )


def series_of(run: Run) -> Iterator[Series]:
    """Yield every series of three ring sizes or more."""
    rows = run.plotted
    if not len(rows) or "simulated" not in rows:
        return
    same = [name for name in run.point if name not in ("context_length", "ranks")]
    for kind, constant in _CONSTANT.items():
        for key, part in rows.groups([*same, constant]):
            ordered = sorted(part.rows(), key=lambda row: int(row["ranks"]))
            if len({row["ranks"] for row in ordered}) >= 3:
                origin = SIMULATED if ordered[0]["simulated"] else MEASURED
                yield Series(kind, origin, int(key[-1]), tuple(ordered))


def _picture(found: list[Series]) -> Picture:
    shown = [kind for kind in _CONSTANT if any(one.kind == kind for one in found)]
    with drawing.style():
        figure, grid = drawing.panels(1, len(shown), width=3.6, height=2.6, sharey=True)
        for axes, kind in zip(grid[0], shown):
            _draw(axes, [one for one in found if one.kind == kind])
            axes.set_title(f"{kind} scaling")
        drawing.outer_labels(grid, "ranks", "efficiency [%]")
        drawing.legend(figure, [_handle(origin) for origin in _LOOK if any(one.origin == origin for one in found)])
        png, width = drawing.to_png(figure)
    return Picture(
        KEY, "Rate of a rank over the number of ranks",
        "Filled blue circles on solid lines were measured on real ranks; hollow orange diamonds on dashed lines are "
        "simulated. The text at the end of a line says what stays the same along it.",
        "`flops_per_second_per_rank` over `ranks`, by `simulated`, `context_length` and `tokens_per_rank` of "
        "`/attention`",
        png, width, KEY,
    )  # fmt: skip


def _draw(axes: Axes, found: list[Series]) -> None:
    for one in found:
        colour, marker, face, line = _LOOK[one.origin]
        ranks = [int(row["ranks"]) for row in one.rows]
        values = [100 * one.efficiency(row) for row in one.rows]
        axes.plot(
            ranks, values, color=colour, marker=marker, markerfacecolor=face, markeredgecolor=colour, linestyle=line,
            clip_on=False,
        )  # fmt: skip
        axes.annotate(
            one.label, (ranks[-1], values[-1]), xytext=(-7, -11), textcoords="offset points", fontsize=7.5,
            color=colour, ha="right",
        )  # fmt: skip
    axes.axhline(100, color=drawing.INK, linewidth=0.8)
    drawing.ring_axis(axes, sorted({int(row["ranks"]) for one in found for row in one.rows}))
    axes.set_ylim(bottom=0)


def _handle(origin: str) -> Line2D:
    colour, marker, face, line = _LOOK[origin]
    name = f"{origin} on real ranks" if origin == MEASURED else f"{origin}: no measurement of a machine"
    look: dict[str, Any] = {"color": colour, "marker": marker, "markerfacecolor": face, "linestyle": line}
    return Line2D([], [], label=name, **look)


def _finding(found: list[Series]) -> Finding:
    last = [(one, one.rows[-1]) for one in found if one.origin == SIMULATED]
    told = "; ".join(
        f"{one.kind}, {one.label}: {one.efficiency(row):.0%} at {row['ranks']} ranks" for one, row in last[:4]
    )
    return Finding(f"Simulated scaling, an upper bound: {told}.")
