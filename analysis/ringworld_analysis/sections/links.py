"""Links between ranks: how long a transfer takes, and how much of a link each kind of transfer uses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from ringworld_analysis import drawing, formatting
from ringworld_analysis.content import DataSet, Finding, Grid, Picture, Section
from ringworld_analysis.reading import LINKS
from ringworld_analysis.run import Run, describe
from ringworld_analysis.table import Column, Table

KEY, TITLE = "links", "Links between ranks"

COLUMNS = ("operation", "bytes", "ranks", "nodes", "memory", "transport", "seconds", "seconds_min", "seconds_max",
           "algorithm_bandwidth", "bus_bandwidth", "wrong", "valid")  # fmt: skip
#: Keys that every figure names, and those that its axes and lines show.
SETTING, SHOWN = ("ranks", "nodes", "memory", "transport"), ("operation", "bytes")
OPERATIONS = ("hop", "two_way_hop", "all_gather", "reduce_scatter", "all_to_all", "broadcast", "reduce")
_COLOURS = ("#332288", "#88ccee", "#117733", "#999933", "#ddcc77", "#cc6677", "#aa4499")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


@dataclass(frozen=True)
class Fit:
    """Time = latency + bytes that cross a link / bandwidth."""

    latency: float
    bandwidth: float
    largest_error: float

    def seconds(self, link_bytes: Column) -> Column:
        """Return the time of transfers."""
        return self.latency + link_bytes / self.bandwidth


def fit(link_bytes: Column, seconds: Column) -> Fit | None:
    """Fit latency and bandwidth by the squares of relative errors; None where there are not two lengths."""
    if len(set(link_bytes.tolist())) < 2:
        return None
    x, y = 1 / seconds, link_bytes / seconds
    latency, slope = np.linalg.lstsq(np.stack([x, y], axis=1), np.ones(len(x)), rcond=None)[0]
    if latency < 0:
        latency, slope = 0.0, y.sum() / (y * y).sum()
    elif slope < 0:
        latency, slope = x.sum() / (x * x).sum(), 0.0
    errors = np.abs(latency * x + slope * y - 1)
    return Fit(float(latency), float(1 / slope) if slope > 0 else math.inf, float(errors.max()))


def section(run: Run) -> Section | None:
    """Build the section."""
    every = run.records(LINKS)
    if every is None:
        return None
    missing = [name for name in COLUMNS if name not in every]
    if missing:
        return Section(KEY, TITLE, missing=f"`{LINKS}` lacks {', '.join(missing)}.")
    rows = every.take(every.last_valid(every.keys))
    wrong = int(np.count_nonzero(every["wrong"] > 0))
    warnings = [Finding(f"**{formatting.counted(wrong, 'transfer')}** brought wrong values.", "bad")] if wrong else []
    if not len(rows):
        return Section(KEY, TITLE, findings=warnings, missing="There is no valid row to show.")
    found = list(_settings(rows))
    return Section(
        KEY, TITLE,
        "Every kind of transfer that schedules of attention are made of, between all ranks at once. Bus bandwidth is "
        "what a link carried, as NVIDIA's nccl-tests define it, so that operations can be compared: the bytes of a "
        "rank over the time, for all-gather, reduce-scatter and all-to-all times (P - 1) / P. "
        "`two_way_hop` sends half of its bytes up the ring and half down: where it beats `hop`, one direction of a "
        "cable was the limit, and a bidirectional ring pays.",
        [_picture(name, part, index, len(found)) for index, (name, part) in enumerate(found)],
        [_grid(found)], [_data(rows)], [*warnings, *_findings(found)],
    )  # fmt: skip


def _settings(rows: Table) -> Iterator[tuple[str, Table]]:
    """Yield the rows of each job shape, with a name that tells it from the others."""
    others = [name for name in rows.varying(rows.keys) if name not in (*SETTING, *SHOWN)]
    for (ranks, nodes, memory, transport, *_apart), part in rows.groups([*SETTING, *others]):
        name = f"P = {ranks} on {formatting.counted(int(nodes), 'node')}, {memory} memory by {transport}"
        yield ", ".join([name, *([describe(part.rows()[0], others)] * bool(others))]), part


def _operations(rows: Table) -> Iterator[tuple[str, Table]]:
    """Yield the rows of each operation by length, operations in the order of the documentation."""
    known = rows.distinct("operation")
    for name in (*(each for each in OPERATIONS if each in known), *(each for each in known if each not in OPERATIONS)):
        part = rows.where(operation=name)
        yield str(name), part.take(np.argsort(part["bytes"], kind="stable"))


def _fit_of(rows: Table) -> Fit | None:
    return fit(_link_bytes(rows), rows["seconds"].astype(float))


def _link_bytes(rows: Table) -> Column:
    product: Column = rows["bus_bandwidth"] * rows["seconds"]
    return product


def _picture(name: str, rows: Table, index: int, count: int) -> Picture:
    png, width = _draw(rows)
    return Picture(
        f"links{'' if count == 1 else f'-{index + 1}'}", f"Bus bandwidth: {name}",
        "Dots are medians over repeats of the slowest rank, bars reach from the fastest to the slowest repeat. Dashed: "
        "the fit α + bytes / β, of which the legend names latency α and bandwidth β.",
        f"`bus_bandwidth`, `seconds_min`, `seconds_max` over `bytes`, by `operation`, of `{LINKS}`",
        png, width, "links", is_folded=index > 1,
    )  # fmt: skip


def _draw(rows: Table) -> tuple[bytes, int]:
    with drawing.style():
        figure, grid = drawing.panels(1, 1, width=4.2, height=3.0)
        axes = grid[0, 0]
        handles = []
        for place, (operation, part) in enumerate(_operations(rows)):
            colour, marker = _COLOURS[place % len(_COLOURS)], _MARKERS[place % len(_MARKERS)]
            handles.append(_draw_operation(axes, operation, part, colour, marker))
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.xaxis.set_major_locator(LogLocator(base=16, numticks=12))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(drawing.binary_label))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: formatting.si_tick(value)))
        axes.set_xlabel("bytes of the transfer")
        axes.set_ylabel("bus bandwidth [B/s]")
        drawing.widen_log(axes, rows["bus_bandwidth"].tolist())
        drawing.legend(figure, handles)
        return drawing.to_png(figure)


def _draw_operation(axes: Axes, operation: str, rows: Table, colour: str, marker: str) -> Line2D:
    """Draw one operation and return its entry of the legend."""
    bytes_, bus = rows["bytes"].astype(float), rows["bus_bandwidth"].astype(float)
    link_bytes = _link_bytes(rows)
    slowest, fastest = link_bytes / rows["seconds_max"], link_bytes / rows["seconds_min"]
    whiskers = np.stack([np.maximum(bus - slowest, 0), np.maximum(fastest - bus, 0)])
    axes.errorbar(
        bytes_, bus, yerr=whiskers, color=colour, marker=marker, linestyle="none", elinewidth=0.8, alpha=0.9
    )  # fmt: skip
    axes.plot(bytes_, bus, color=colour, linewidth=1.2)
    fitted = _fit_of(rows)
    label = operation
    if fitted is not None:
        axes.plot(bytes_, link_bytes / fitted.seconds(link_bytes), color=colour, linestyle=(0, (3, 2)), linewidth=0.9)
        label += f": α {formatting.si(fitted.latency, 's')}, β {formatting.si(fitted.bandwidth, 'B/s')}"
    return Line2D([], [], color=colour, marker=marker, label=label)


def _grid(found: Sequence[tuple[str, Table]]) -> Grid:
    lines = []
    for name, rows in found:
        for operation, part in _operations(rows):
            fitted = _fit_of(part)
            best = int(np.argmax(part["bus_bandwidth"]))
            lines.append(
                [name, operation, fitted.latency if fitted else math.nan, fitted.bandwidth if fitted else math.nan,
                 fitted.largest_error if fitted else math.nan, float(part["seconds"][0]), int(part["bytes"][0]),
                 float(part["bus_bandwidth"][best]), int(part["bytes"][best])]
            )  # fmt: skip
    return Grid(
        "Latency and bandwidth", ("job", "operation", "α", "β", "largest error", "shortest transfer", "of",
                                  "best bus bandwidth", "at"), lines,
        {"α": "s", "β": "B/s", "shortest transfer": "s", "of": "B", "best bus bandwidth": "B/s", "at": "B"},
        {"α": "fitted latency: time of an empty transfer", "β": "fitted bandwidth of an endless transfer, of the bus",
         "largest error": "of the fit: |fitted - measured| / measured, over all lengths",
         "of": "bytes of that transfer", "at": "bytes of that transfer"},
        "Fitted by the squares of relative errors: time = α + bytes that cross a link / β.",
    )  # fmt: skip


def _data(rows: Table) -> DataSet:
    names = [name for name in rows.names if name not in ("valid", "reason")]
    return DataSet("links", names, [[row[name] for name in names] for row in rows.rows()])


def _findings(found: Sequence[tuple[str, Table]]) -> Iterator[Finding]:
    for name, rows in found:
        best = {operation: float(part["bus_bandwidth"].max()) for operation, part in _operations(rows)}
        said = ", ".join(f"{operation} **{formatting.si(value, 'B/s')}**" for operation, value in best.items())
        yield Finding(f"{name}: best bus bandwidth: {said}.")
