"""The roofline of all benchmarks: a panel a number of threads, the measured roofs, a point a benchmark.

Below it, kernels that are a matter of bytes only (copies, element-wise ones), by their share of the triad's bandwidth.

Source: Williams, Waterman, Patterson, "Roofline: an insightful visual performance model", CACM 52(4), 2009. Bytes are
the least that has to move, so a point left of the ridge that passes the slope was served from a cache.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from ringworld_analysis import drawing, formatting
from ringworld_analysis.benchmarks import Benchmarks, Point, Roofs, roofs_of
from ringworld_analysis.errors import InputError

# Paul Tol's "bright" colours: told apart with any colour vision.
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bb5500", "#000000")
BACKEND_MARKERS = {"host": "o", "kokkos": "s", "reference": "^", "cuda": "D"}
ROOF_STYLES: dict[str, Any] = {"float32": "-", "bfloat16": (0, (5, 2))}
SHORT = {"float32": "fp32", "bfloat16": "bf16"}


def write(benchmarks: Benchmarks, path: Path) -> str:
    """Draw the roofline into `path` (PNG); return what a person wants to know in a few lines."""
    try:
        path.write_bytes(draw(benchmarks))
    except OSError as problem:
        raise InputError(f"{path}: cannot be written ({problem.strerror})") from problem
    return summary(benchmarks) + f"\n{path}"


def draw(benchmarks: Benchmarks) -> bytes:
    """Return the picture as PNG."""
    threads = sorted({point.threads for point in benchmarks.points})
    with drawing.style():
        rows = [part for part in (_with_flop(benchmarks.points), _of_bytes(benchmarks.points)) if part]
        figure, grid = drawing.panels(len(rows), len(threads), width=4.9, height=3.4, sharex="row", sharey="row")
        for row, part in enumerate(rows):
            is_roofline = part[0].flop_per_byte > 0
            if is_roofline:
                _set_limits(grid[row, 0], part)
            for axes, count in zip(grid[row, :], threads):
                points = [point for point in part if point.threads == count]
                if not points:
                    drawing.say_empty(axes)
                elif is_roofline:
                    for roofs in roofs_of(points):
                        _draw_roofs(axes, roofs)
                    _name_roofs(axes, roofs_of(points))
                    _draw_points(axes, points, _families(benchmarks))
                else:
                    _draw_shares(axes, points, part, _families(benchmarks))
                axes.set_title(f"{formatting.counted(count, 'thread')}, {benchmarks.isa}, {benchmarks.machine}")
            if is_roofline:
                drawing.outer_labels(grid[row : row + 1], "arithmetic intensity (FLOP / B)", "performance (FLOP/s)")
            else:
                drawing.outer_labels(grid[row : row + 1], "", "bytes moved: share of triad (%)")
        drawing.legend(figure, _family_handles(benchmarks), _style_handles(benchmarks))
        png, _width = drawing.to_png(figure)
    return png


def summary(benchmarks: Benchmarks) -> str:
    """Return the roofs, and each family's best point under them."""
    lines = []
    for roofs in roofs_of(benchmarks.points):
        lines.append(
            f"{formatting.counted(roofs.threads, 'thread')}, {SHORT.get(roofs.dtype, roofs.dtype)}: "
            f"peak {formatting.si(roofs.peak, 'FLOP/s')}, triad {formatting.si(roofs.triad, 'B/s')}"
        )
        for family in _families(benchmarks):
            points = [
                point
                for point in benchmarks.points
                if (point.family, point.dtype, point.threads) == (family, roofs.dtype, roofs.threads)
            ]
            if points and not _with_flop(points):
                best = max(points, key=lambda point: point.of_triad)
                lines.append(f"  {family:<10} {formatting.percent(best.of_triad):>7} of the triad at best: {best.name}")
            elif points:
                best = max(_with_flop(points), key=lambda point: _share(point, roofs))
                share = formatting.percent(_share(best, roofs))
                lines.append(f"  {family:<10} {share:>7} of its roof at best: {best.name}")
    return "\n".join(lines)


def _share(point: Point, roofs: Roofs) -> float:
    return point.flops_per_second / roofs.limit(point.flop_per_byte)


def _with_flop(points: list[Point]) -> list[Point]:
    return [point for point in points if point.flop_per_byte > 0]


def _of_bytes(points: list[Point]) -> list[Point]:
    return [point for point in points if point.flop_per_byte == 0]


def _families(benchmarks: Benchmarks) -> list[str]:
    return sorted({point.family for point in benchmarks.points})


def _colour(family: str, families: list[str]) -> str:
    return COLOURS[families.index(family) % len(COLOURS)]


def _set_limits(axes: Axes, points: list[Point]) -> None:
    """Span all points and every ridge, in whole powers of ten upwards of the slowest point."""
    roofs = roofs_of(points)
    intensities = [point.flop_per_byte for point in points] + [roof.peak / roof.triad for roof in roofs]
    speeds = [point.flops_per_second for point in points]
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(min(intensities) / 2.5, max(intensities) * 2.5)
    # One slow reference kernel must not flatten everything: five powers below the highest roof are enough.
    highest = max(roof.peak for roof in roofs)
    axes.set_ylim(max(min(speeds) / 2, highest / 1e5), highest * 2.2)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _position: formatting.si_tick(value)))
        axis.set_minor_formatter(NullFormatter())


def _draw_roofs(axes: Axes, roofs: Roofs) -> None:
    """Draw slope and peak of a dtype."""
    left, right = axes.get_xlim()
    ridge = roofs.peak / roofs.triad
    axes.plot([left, ridge, right], [roofs.triad * left, roofs.peak, roofs.peak], color=drawing.INK, linewidth=1.2,
              linestyle=ROOF_STYLES.get(roofs.dtype, ":"), zorder=2)  # fmt: skip


def _name_roofs(axes: Axes, roofs: list[Roofs]) -> None:
    """Write the roofs into the corner above the slope, where few points are."""
    lines = [
        f"{SHORT.get(roof.dtype, roof.dtype)} FMA peak {formatting.si(roof.peak, 'FLOP/s')}" for roof in reversed(roofs)
    ]
    lines.append(f"triad {formatting.si(roofs[0].triad, 'B/s')}")
    text = "\n".join(lines)
    axes.text(0.02, 0.97, text, transform=axes.transAxes, ha="left", va="top", fontsize=8.0, linespacing=1.4)


def _draw_points(axes: Axes, points: list[Point], families: list[str]) -> None:
    bottom, _top = axes.get_ylim()
    for point in points:
        colour = _colour(point.family, families)
        is_below = point.flops_per_second < bottom
        axes.plot(
            [point.flop_per_byte], [max(point.flops_per_second, bottom * 1.15)],
            marker="v" if is_below else BACKEND_MARKERS.get(point.backend, "P"), linestyle="none", markersize=5.2,
            markeredgecolor=colour, markeredgewidth=1.1, alpha=0.85, zorder=3,
            markerfacecolor=colour if point.dtype == "float32" else "white",
        )  # fmt: skip


def _draw_shares(axes: Axes, points: list[Point], part: list[Point], families: list[str]) -> None:
    """Draw a column a family; points of a column side by side, in the order of their names."""
    columns = sorted({point.family for point in part})
    for place, family in enumerate(columns):
        members = sorted((point for point in points if point.family == family), key=lambda point: point.name)
        for index, point in enumerate(members):
            colour = _colour(family, families)
            axes.plot(
                [place + 0.7 * ((index + 0.5) / len(members) - 0.5)], [100 * point.of_triad], linestyle="none",
                marker=BACKEND_MARKERS.get(point.backend, "P"), markersize=5.2, markeredgecolor=colour,
                markeredgewidth=1.1, alpha=0.85, markerfacecolor=colour if point.dtype == "float32" else "white",
            )  # fmt: skip
    axes.axhline(100, color=drawing.INK, linewidth=1.2)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_xlim(-0.6, len(columns) - 0.4)
    axes.set_ylim(bottom=0)


def _family_handles(benchmarks: Benchmarks) -> list[Line2D]:
    families = _families(benchmarks)
    return [
        Line2D([], [], marker="o", linestyle="none", color=_colour(family, families), label=family)
        for family in families
    ]


def _style_handles(benchmarks: Benchmarks) -> list[Line2D]:
    dtypes = {point.dtype for point in benchmarks.points}
    handles = [
        Line2D([], [], marker="o", linestyle=style, color=drawing.INK, linewidth=1.2, label=SHORT[dtype],
               markerfacecolor=drawing.INK if dtype == "float32" else "white")
        for dtype, style in ROOF_STYLES.items() if dtype in dtypes
    ]  # fmt: skip
    backends = sorted({point.backend for point in benchmarks.points})
    handles += [
        Line2D([], [], marker=BACKEND_MARKERS.get(backend, "P"), linestyle="none", color=drawing.GREY, label=backend)
        for backend in backends
    ]
    return handles
