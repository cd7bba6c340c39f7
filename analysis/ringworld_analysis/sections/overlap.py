"""Exposed against hidden communication, hop by hop, from compute-only, communication-only and joint timings."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ringworld_analysis import drawing, formatting
from ringworld_analysis.content import DataSet, Finding, Picture, Section
from ringworld_analysis.reading import HOPS, PROBES
from ringworld_analysis.run import Run, ordered
from ringworld_analysis.sections import sweep
from ringworld_analysis.table import Row, Table

KEY, TITLE = "overlap", "Overlap of communication and compute"
REQUIRED = ("attention_row", "rank", "hop", "t_compute", "t_comm", "t_both", "exposed", "overlap", "polling")
#: Ranks that a hop figure shows at most; larger rings show those with the least, middle and most exposed time.
MOST_RANKS = 8
#: Hops up to which bars carry their overlap number.
MOST_NUMBERED_HOPS = 12
#: The overlap of a hop is told when the shorter of compute and transfer is at least this share of the longer: below,
#: the difference of two nearly equal times is divided by a small one, and says only how noisy the machine is.
TELLING_SHARE = 0.05
#: Ends of the axis of overlaps. What lies beyond them is no overlap but noise.
LOWEST_SHOWN, HIGHEST_SHOWN = -1.0, 1.1
INTRO = (
    "Each hop is timed three ways: the ring step without its transfer, the transfer without compute, and both at once. "
    "Time blocked in a wait is not used: it is small when nothing overlaps and the library moved the data earlier. "
    "Rings with more ranks than cores are left out of the overview. "
    f"Where the shorter of compute and transfer is below {TELLING_SHARE:.0%} of the longer, the overlap is noise and "
    "is not shown."
)


def section(run: Run) -> Section | None:
    """Build the section."""
    hops = run.table(HOPS)
    if hops is None:
        return Section(KEY, TITLE, missing=f"The file has no table `{PROBES}`: overlap was not probed in this run.")
    absent = [name for name in REQUIRED if name not in hops]
    if absent:
        return Section(KEY, TITLE, missing=f"`{PROBES}` lacks the columns {', '.join(absent)}.")
    hops = _join(run, hops)
    if not len(hops):
        return Section(KEY, TITLE, missing=f"`{PROBES}` has no row that belongs to a valid row of `/attention`.")
    pictures = _overview(run, hops) + _details(run, hops)
    return Section(KEY, TITLE, INTRO, pictures, data=[_data(run, hops)], findings=_findings(hops))


def _join(run: Run, hops: Table) -> Table:
    """Keep hops of plotted points, and give each the point's columns, the hidden and the exposed time."""
    attention = run.attention
    hops = hops.take(np.isin(hops["attention_row"], run.plotted_index))
    index = hops["attention_row"].astype(np.intp)
    for name in (*run.point, "pass_label", "tokens_per_rank"):
        if name not in hops:
            hops = hops.with_column(name, attention[name][index])
    exposed = np.clip(hops["exposed"], 0.0, hops["t_comm"])
    hops = hops.with_column("shown_exposed", exposed).with_column("shown_hidden", hops["t_comm"] - exposed)
    shorter, longer = np.minimum(hops["t_comm"], hops["t_compute"]), np.maximum(hops["t_comm"], hops["t_compute"])
    # Ranks that share a core take turns: what they hide from each other is the scheduler's doing. Simulated kernels
    # only wait, and leave the core to others.
    waits = hops["simulated"].astype(bool) if "simulated" in hops else np.zeros(len(hops), dtype=bool)
    crowded = np.array([bool(run.is_oversubscribed.get(int(ranks))) for ranks in hops["ranks"]], dtype=bool)
    shares_core = crowded & ~waits
    hops = hops.with_column("waits", waits).with_column("shares_core", shares_core)
    return hops.with_column("is_telling", (shorter >= TELLING_SHARE * longer) & ~shares_core)


def _held(run: Run, hops: Table) -> list[str]:
    """Columns that a figure of hops holds constant: it shows rank, hop and polling itself."""
    own = [name for name in hops.keys if name not in ("attention_row", "rank", "hop")]
    return [name for name in dict.fromkeys((*run.configuration, *own)) if name != "polling"]


def _overview(run: Run, hops: Table) -> list[Picture]:
    names = _held(run, hops)
    hops = hops.take(hops["is_telling"])
    if not len(hops):
        return []
    lengths = [int(length) for length in hops.distinct("context_length")]
    pictures = []
    for index, (suffix, apart, part) in enumerate(sweep.configurations(run, hops, names)):
        lowest = min(0.0, float(part["overlap"].min()))

        def draw(axes: Axes, cell: Table) -> None:
            axes.axhline(1.0, color=drawing.INK, linestyle=(0, (4, 2)), linewidth=0.9)
            axes.axhline(0.0, color=drawing.INK, linewidth=0.9)
            for (ranks, polling), line in cell.groups(["ranks", "polling"]):
                _overview_line(run, axes, lengths, int(ranks), bool(polling), line)

        with drawing.style():
            figure = sweep.small_multiples(
                part, draw, x="context length S (token)", y="overlap (1 = all hidden)", sharey=True
            )
            for axes in figure.axes:
                drawing.context_axis(axes, lengths)
                axes.set_ylim(max(lowest, LOWEST_SHOWN) - 0.08, HIGHEST_SHOWN + 0.04)
            sizes = [int(size) for size in part.distinct("ranks")]
            handles = [
                Line2D([], [], color=drawing.ring_colour(run, size), marker=drawing.ring_marker(run, size),
                       label=drawing.ring_label(run, size))
                for size in sizes
            ]  # fmt: skip
            modes = part.distinct("polling")
            kinds = [
                Line2D([], [], color=drawing.GREY, marker="o", linestyle="-" if mode else ":",
                       markerfacecolor=drawing.GREY if mode else "white", label=f"polling {'on' if mode else 'off'}")
                for mode in reversed(modes)
            ]  # fmt: skip
            drawing.legend(figure, handles, kinds)
            png, width = drawing.to_png(figure)
        pictures.append(
            Picture(
                f"overlap{suffix}", sweep.titled("Overlap against context length", apart),
                "1: the shorter of compute and transfer is hidden altogether; 0: they ran one after the other; below "
                "0: together they took longer than one after the other. Markers are medians over ranks and hops, bars "
                "span their 10th to 90th percentile. Filled markers: kernels drove communication between "
                "tiles (polling on)."
                + (
                    " An arrow at the edge: the median lies beyond the axis, as noise puts it."
                    if lowest < LOWEST_SHOWN or part["overlap"].max() > HIGHEST_SHOWN
                    else ""
                ),
                "`t_compute`, `t_comm` and `t_both` of `/overlap`, by `polling` and the point of `/attention` that "
                "`attention_row` names",
                png, width, "overlap-hops", is_folded=index > 0,
            )
        )  # fmt: skip
    return pictures


def _overview_line(run: Run, axes: Axes, lengths: list[int], ranks: int, polling: bool, line: Table) -> None:
    # A small shift by ring size keeps markers and bars apart.
    sizes = run.ring_sizes
    place = sizes.index(ranks) / max(1, len(sizes) - 1) - 0.5
    shift = 2 ** (min(0.3, 0.06 * np.log2(max(lengths) / min(lengths))) * place)
    x, middle, low, high = [], [], [], []
    for (length,), at in line.groups(["context_length"]):
        x.append(length * shift)
        middle.append(float(np.median(at["overlap"])))
        low.append(float(np.percentile(at["overlap"], 10)))
        high.append(float(np.percentile(at["overlap"], 90)))
    colour = drawing.ring_colour(run, ranks)
    face = colour if polling else "white"
    # A line breaks where a point is off the axis: an arrow at the edge stands for it.
    centre = np.array(middle)
    inside = np.where((centre >= LOWEST_SHOWN) & (centre <= HIGHEST_SHOWN), centre, np.nan)
    axes.errorbar(
        x, inside, yerr=np.clip([np.subtract(inside, low), np.subtract(high, inside)], 0, None), color=colour,
        marker=drawing.ring_marker(run, ranks), markerfacecolor=face, linestyle="-" if polling else ":", capsize=2.0,
        elinewidth=0.8,
    )  # fmt: skip
    for edge, marker, is_off in (
        (LOWEST_SHOWN, 7, centre < LOWEST_SHOWN), (HIGHEST_SHOWN, 6, centre > HIGHEST_SHOWN)
    ):  # fmt: skip
        axes.plot(np.array(x)[is_off], np.full(int(is_off.sum()), edge), linestyle="none", color=colour, marker=marker,
                  markersize=7, markerfacecolor=face)  # fmt: skip


def _details(run: Run, hops: Table) -> list[Picture]:
    """Draw bars for one point of each layout and pass: the largest context of the largest ring."""
    names = _held(run, hops)
    pictures: list[Picture] = []
    total = sum(1 for _ in hops.groups([*names, "context_length", "ranks", "layout", "pass_label"]))
    chosen: list[Table] = []
    for _suffix, _apart, part in sweep.configurations(run, hops, names):
        layouts, passes = sweep.layouts_and_passes(part)
        for label in passes:
            # The most balanced layout first: it is the one to look at.
            for layout in ordered(layouts, ("zigzag", "striped", "contiguous")):
                cell = part.where(layout=layout, pass_label=label)
                if len(cell):
                    cell = cell.where(ranks=cell["ranks"].max())
                    chosen.append(cell.where(context_length=cell["context_length"].max()))
    for index, point in enumerate(chosen):
        row = point.rows()[0]
        apart = run.describe(row, names, hops)
        png, width, shown = _bars(point)
        where = (
            f"S = {formatting.tokens(row['context_length'])}, P = {row['ranks']}, {row['layout']}, {row['pass_label']}"
        )
        pictures.append(
            Picture(
                f"overlap-hops-{index + 1}", sweep.titled(f"Hops at {where}", apart),
                "Left bar of each hop: the transfer alone, split into the part that compute hid and the part that "
                "stayed exposed. Right bar: the compute alone; the black tick is both at once, which for "
                "perfect overlap lies "
                "at the top of the taller bar. The number is the overlap."
                + (f" {shown}" if shown else "")
                + (f" This is the largest ring and context of its layout and pass; all {total} probed points are in "
                   "`overlap-hops.csv`." if total > len(chosen) else ""),
                "`t_comm`, `exposed` (clipped to [0, `t_comm`]), `t_compute`, `t_both`, `overlap`, `polling` of "
                "`/overlap`",
                png, width, "overlap-hops", is_folded=index > 0,
            )
        )  # fmt: skip
    return pictures


def _bars(point: Table) -> tuple[bytes, int, str]:
    modes = sorted(point.distinct("polling"))
    ranks, shown = _chosen_ranks(point)
    top = float(
        max((point["shown_hidden"] + point["shown_exposed"]).max(), point["t_compute"].max(), point["t_both"].max())
    )
    # Where compute dwarfs the transfer, its bars are cut so that the transfer can be seen.
    cut = 3.0 * float(point["t_comm"].max())
    is_cut = 0 < cut < 0.6 * top
    top = cut if is_cut else top
    factor, prefix = formatting.si_scale(top)
    hops = [int(hop) for hop in point.distinct("hop")]
    with drawing.style():
        wide = min(max(0.62 * len(hops) + 1.2, 3.0), 9.5 / len(modes))
        figure, grid = drawing.panels(len(ranks), len(modes), width=wide, height=1.75, sharex=True, sharey=True)
        figure.set_figwidth(max(wide * len(modes), 6.0))
        for i, rank in enumerate(ranks):
            for j, mode in enumerate(modes):
                axes = grid[i, j]
                axes.grid(visible=False, axis="x")
                cell = point.where(rank=rank, polling=mode)
                for row in cell.rows():
                    _hop(axes, row, factor, top, is_numbered=len(hops) <= MOST_NUMBERED_HOPS)
                step = -(-len(hops) // 16)
                axes.set_xticks(hops[::step], [str(hop) for hop in hops[::step]])
                axes.set_xlim(min(hops) - 0.6, max(hops) + 0.6)
                axes.set_ylim(0, 1.24 * top / factor)
        drawing.head_panels(
            grid, [f"polling {'on' if mode else 'off'}" for mode in modes], [f"rank {rank}" for rank in ranks]
        )
        drawing.outer_labels(grid, "hop", f"time ({prefix}s)")
        handles: list[Any] = [
            Patch(color=drawing.HIDDEN, label="communication, hidden"),
            Patch(
                facecolor=drawing.EXPOSED, hatch="////", edgecolor="white", linewidth=0, label="communication, exposed"
            ),
            Patch(color=drawing.COMPUTE, label="compute"),
            Line2D([], [], color="black", linewidth=2.0, label="both at once"),
        ]
        drawing.legend(figure, handles[:2], handles[2:])
        png, width = drawing.to_png(figure)
    if is_cut:
        length = " and carry their length" if len(hops) <= MOST_NUMBERED_HOPS else ""
        shown = f"{shown} Compute is so much longer here that its bars are cut{length}; the tick may lie above.".strip()
    return png, width, shown


def _hop(axes: Axes, row: Row, factor: float, top: float, is_numbered: bool) -> None:
    x, width = row["hop"], 0.36
    hidden, exposed = row["shown_hidden"] / factor, row["shown_exposed"] / factor
    axes.bar(x - width / 2, hidden, width, color=drawing.HIDDEN)
    axes.bar(
        x - width / 2,
        exposed,
        width,
        bottom=hidden,
        color=drawing.EXPOSED,
        hatch="////",
        edgecolor="white",
        linewidth=0,
    )
    compute, both = row["t_compute"] / factor, row["t_both"] / factor
    edge = top / factor
    axes.bar(x + width / 2, min(compute, edge), width, color=drawing.COMPUTE)
    if compute > edge * 1.001 and is_numbered:
        axes.annotate(
            "", (x + width / 2, 1.08 * edge), (x + width / 2, 0.86 * edge),
            arrowprops={"arrowstyle": "-|>", "color": "#6b7078", "linewidth": 1.1},
        )  # fmt: skip
        axes.text(
            x + width / 2, 0.82 * edge, formatting.si(row["t_compute"], "s"), rotation=90, ha="center", va="top",
            fontsize=7.0, color="#444444",
        )  # fmt: skip
    if both <= 1.2 * edge:
        axes.plot([x + 0.02, x + width - 0.02], [both, both], color="black", linewidth=2.0, solid_capstyle="butt")
    if is_numbered:
        axes.text(
            x, min(max(hidden + exposed, compute, both) + 0.03 * edge, 1.1 * edge),
            f"{row['overlap']:.2f}" if row["is_telling"] else "–", ha="center", va="bottom", fontsize=7.5,
        )  # fmt: skip


def _chosen_ranks(point: Table) -> tuple[list[int], str]:
    ranks = [int(rank) for rank in point.distinct("rank")]
    if len(ranks) <= MOST_RANKS:
        return ranks, ""
    exposed = sorted(ranks, key=lambda rank: float(point.where(rank=rank)["shown_exposed"].sum()))
    middle = len(exposed) // 2
    picked = sorted({*exposed[:2], exposed[middle - 1], exposed[middle], *exposed[-2:]})
    return picked, (
        f"Of {len(ranks)} ranks, those with the least, the middle and the most exposed communication are shown."
    )


def _data(run: Run, hops: Table) -> DataSet:
    own = [name for name in _held(run, hops) if name not in run.identity]
    names = ("attention_row", *own, *(name for name in run.identity if name != "polling"), "polling", "rank",
             "hop", "t_compute", "t_comm", "t_both", "exposed", "overlap")  # fmt: skip
    rows = [[*(row[name] for name in names), row["shown_hidden"], row["shown_exposed"]] for row in hops.rows()]
    return DataSet("overlap-hops", (*names, "hidden_clipped", "exposed_clipped"), rows)


def _findings(hops: Table) -> list[Finding]:
    texts = []
    findings = []
    telling = hops.take(hops["is_telling"])
    crowded, short = int(hops["shares_core"].sum()), int((~hops["is_telling"] & ~hops["shares_core"]).sum())
    if crowded:
        findings.append(
            Finding(
                f"In {crowded} of {formatting.counted(len(hops), 'hop')} ranks shared a core: what they hid from each "
                "other is the scheduler's doing."
            )
        )
    if short:
        own = hops.take(~hops["shares_core"])
        ratio = float(np.median(own["t_comm"] / np.maximum(own["t_compute"], 1e-12)))
        findings.append(
            Finding(
                f"In {short} of {formatting.counted(len(hops), 'hop')} one of compute and transfer "
                f"is too short for an overlap to be told (median transfer {formatting.percent(ratio)} of compute); "
                "`scripts/netlab.sh check` tests overlap on a link that is slow enough."
            )
        )
    modes = sorted(telling.distinct("polling"), reverse=True)
    for mode, simulated in itertools.product(modes, (False, True)):
        part = telling.take((telling["polling"] == mode) & (telling["waits"] == simulated))
        if not len(part):
            continue
        total = float(part["t_comm"].sum())
        share = float(part["shown_exposed"].sum()) / total if total > 0 else 0.0
        texts.append(
            f"**{float(np.median(part['overlap'])):.2f}** with polling {'on' if mode else 'off'}"
            f"{' behind kernels that only wait' if simulated else ''} "
            f"({formatting.counted(len(part), 'hop')}, {formatting.percent(share)} of communication time exposed)"
        )
    if texts:
        findings.insert(0, Finding(f"Median overlap: {'; '.join(texts)}."))
    return findings
