"""Schedules side by side: points that differ in the schedule and its parameters alone, each relative to the ring."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ringworld_analysis import drawing
from ringworld_analysis.content import DataSet, Finding, Grid, Picture, Section
from ringworld_analysis.formatting import counted
from ringworld_analysis.reading import HOPS, SCHEDULE_BEFORE
from ringworld_analysis.run import PASS_ORDER, Run, ordered
from ringworld_analysis.table import Row

KEY, TITLE = "schedules", "Schedules side by side"
#: (column, name in the figure). `exposed` comes from the overlap probe, the others from the row.
MEASURES = (
    ("step_time", "step time"),
    ("exposed", "exposed\ncommunication"),
    ("wire_bytes", "bytes sent"),
    ("wire_bytes_between_nodes", "bytes between\nnodes"),
    ("peak_bytes", "memory"),
)
REFERENCE = "ring"
INTRO = (
    "All schedules compute the same attention with the same kernels, so what differs between these rows is what "
    "travels, when, and what is held in memory. Compared are points that agree in everything but the schedule and its "
    "parameters; a ring of the same point is 1."
)

#: The rows of one point, by the name of their schedule.
Point = dict[str, Row]


def section(run: Run) -> Section | None:
    """Build the section; None where every point has one schedule alone."""
    points = points_of(run)
    if not points:
        return None
    pictures = []
    passes = ordered(sorted({label for label, _ in points}), PASS_ORDER)
    for index, label in enumerate(passes):
        of_pass = [point for name, point in points if name == label]
        pictures.append(_picture(label, of_pass, "" if len(passes) == 1 else f"-{index + 1}", is_folded=index > 0))
    names = ("context_length", "ranks", "layout", "pass", "configuration", "schedule")
    columns = (*names, *(column for column, _ in MEASURES), "of_ring")
    cells: list[list[Any]] = []
    for _label, point in points:
        cells += [
            [row["context_length"], row["ranks"], row["layout"], row["pass_label"], row["elsewhere"], schedule,
             *(row[column] for column, _ in MEASURES), relative(row, point[REFERENCE], "step_time")]
            for schedule, row in point.items()
        ]  # fmt: skip
    grid = Grid(
        "The numbers behind it", columns, cells,
        {"context_length": "token", "step_time": "s", "exposed": "s", "wire_bytes": "B",
         "wire_bytes_between_nodes": "B", "peak_bytes": "B"},
        {
            "exposed": "largest over ranks of the time that steps took longer with their transfers than without, by "
            "the overlap probe; nan where it was not run",
            "wire_bytes": run.attention.meanings.get("wire_bytes", ""),
            "wire_bytes_between_nodes": run.attention.meanings.get("wire_bytes_between_nodes", ""),
            "peak_bytes": run.attention.meanings.get("peak_bytes", ""),
            "of_ring": "step_time over that of the ring",
        },
        "From `/attention` and the overlap probe.",
    )  # fmt: skip
    return Section(
        KEY, TITLE, INTRO, pictures, [grid], [DataSet(KEY, columns, cells)], [_finding([p for _, p in points])]
    )


def name_of_schedule(row: Mapping[str, Any]) -> str:
    """Name a schedule and those of its parameters that are not as usual: 'double_ring, window 4'."""
    words = [str(row["schedule"])]
    words += ["trimmed"] if row["trim"] else []
    words += [f"window {row['window']}"] if row["window"] != SCHEDULE_BEFORE["window"] else []
    words += [f"{row['head_groups']} head groups"] if row["head_groups"] != SCHEDULE_BEFORE["head_groups"] else []
    words += [f"ulysses {row['ulysses']}"] if row["ulysses"] != SCHEDULE_BEFORE["ulysses"] else []
    return ", ".join(words)


def relative(row: Row, ring: Row, column: str) -> float:
    """Return a measure over that of the ring; NaN where one of them is not there."""
    value, of_ring = float(row[column]), float(ring[column])
    return value / of_ring if of_ring > 0 and math.isfinite(value) else math.nan


def points_of(run: Run) -> list[tuple[str, Point]]:
    """Return (pass, rows by schedule) of the points that a ring and another schedule ran."""
    rows = run.plotted
    if not len(rows) or any(name not in rows for name in SCHEDULE_BEFORE):
        return []
    exposed = _exposed(run)
    rows = rows.with_column("exposed", np.array([exposed.get(int(i), math.nan) for i in run.plotted_index]))
    if "wire_bytes_between_nodes" not in rows:
        rows = rows.with_column("wire_bytes_between_nodes", np.full(len(rows), math.nan))
    rows = rows.with_column("elsewhere", np.array([run.describe(row, _elsewhere(run)) for row in rows.rows()]))
    found = []
    for _key, part in rows.groups([name for name in run.point if name not in SCHEDULE_BEFORE]):
        point = {name_of_schedule(row): row for row in part.rows()}
        if REFERENCE in point and len(point) > 1 and point[REFERENCE]["ranks"] > 1:
            found.append((str(point[REFERENCE]["pass_label"]), point))
    return found


def _elsewhere(run: Run) -> list[str]:
    return [name for name in run.configuration if name not in SCHEDULE_BEFORE]


def _exposed(run: Run) -> dict[int, float]:
    """Return the exposed time of a pass by row of /attention: that of the rank with most, polling as in the row."""
    hops = run.table(HOPS)
    if hops is None or not len(hops):
        return {}
    polling = run.attention["polling"]
    found: dict[int, float] = {}
    for (index, is_polling, _rank), part in hops.groups(["attention_row", "polling", "rank"]):
        if bool(polling[int(index)]) == bool(is_polling):
            time = float(np.clip(part["exposed"], 0.0, None).sum())
            found[int(index)] = max(found.get(int(index), 0.0), time)
    return found


def _picture(label: str, points: list[Point], suffix: str, *, is_folded: bool) -> Picture:
    schedules = sorted({name for point in points for name in point}, key=lambda name: (name != REFERENCE, name))
    values = {
        (name, column): [
            value
            for point in points
            if name in point and math.isfinite(value := relative(point[name], point[REFERENCE], column))
        ]
        for name in schedules
        for column, _ in MEASURES
    }
    shown = [(column, title) for column, title in MEASURES if any(values[name, column] for name in schedules)]
    with drawing.style():
        figure, grid = drawing.panels(
            1, len(shown), width=1.7, height=0.45 + 0.21 * len(schedules), sharey=True
        )  # fmt: skip
        places = np.arange(len(schedules))[::-1]
        for axes, (column, title) in zip(grid[0], shown):
            for place, name in zip(places, schedules):
                here = values[name, column]
                if not here:
                    continue
                middle = float(np.median(here))
                axes.barh(
                    place, middle, height=0.62, color=drawing.COMPUTE if name == REFERENCE else drawing.HIDDEN,
                    xerr=[[middle - min(here)], [max(here) - middle]] if len(here) > 1 else None, ecolor=drawing.INK,
                    error_kw={"linewidth": 0.9},
                )  # fmt: skip
                axes.annotate(
                    f"{middle:.2f}", (max(here), place), xytext=(3, 0), textcoords="offset points", va="center",
                    fontsize=7.5, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
                )  # fmt: skip
            axes.axvline(1.0, color=drawing.INK, linestyle=(0, (4, 2)), linewidth=0.9)
            axes.set_title(title)
            axes.set_xlim(0, 1.28 * max([1.0, *(max(here) for name in schedules if (here := values[name, column]))]))
            axes.grid(visible=False, axis="y")
        grid[0, 0].set_yticks(places, schedules)
        for axes in grid[0, :]:
            axes.set_xlabel("relative to ring")
        png, width = drawing.to_png(figure)
    return Picture(
        f"schedules{suffix}", f"Schedules relative to the ring, {label}",
        f"Bars are medians over {counted(len(points), 'point')} of the sweep, whiskers span them. Below 1 is less than "
        "the ring of the same point. A panel without a bar: the ring has none of it there, or it was not measured.",
        "`step_time`, `wire_bytes`, `wire_bytes_between_nodes`, `peak_bytes` of `/attention` and the overlap probe, by "
        "`schedule`, `ulysses`, `window`, `head_groups` and `trim`",
        png, width, KEY, is_folded=is_folded,
    )  # fmt: skip


def _finding(points: list[Point]) -> Finding:
    fastest: dict[str, int] = {}
    for point in points:
        name = min(point, key=lambda schedule: float(point[schedule]["step_time"]))
        fastest[name] = fastest.get(name, 0) + 1
    told = ", ".join(f"{name} in {count}" for name, count in sorted(fastest.items(), key=lambda pair: -pair[1]))
    return Finding(f"Schedules side by side in {counted(len(points), 'point')}: fastest {told}.")
