"""Needle retrieval: accuracy by context length and depth, several needles, and perplexity by position."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D

from ringworld_analysis import drawing, formatting, wilson
from ringworld_analysis.content import DataSet, Finding, Grid, Picture, Section, Spot
from ringworld_analysis.reading import CELLS, PERPLEXITY
from ringworld_analysis.run import Run, describe
from ringworld_analysis.table import Table

KEY, TITLE = "needle", "Needle retrieval"

#: Columns that tell models apart; what differs only in its training seed is added up.
MODEL = ("stages", "stage", "trained_context_length")
#: Keys that the figures show: in the name of the model, as axes, panels, bars and squares.
SHOWN = ("stages", "stage", "decoding", "theta_mode", "rope_scaling", "context_length", "depth", "kind",
         "needles_planted", "needles_asked", "position_begin", "position_end")  # fmt: skip
#: Keys over which hits are added up.
POOLED = ("training_seed", "seed")
#: Keys that follow from those: a model has its checkpoint, a scaled theta its length, a kind of cell its number of
#: contexts. They are held constant only where cells of one place in a figure differ in them.
FOLLOWING = ("checkpoint_digest", "rope_theta", "contexts")
COLUMNS = (*MODEL, "theta_mode", "rope_theta", "training_seed", "context_length", "kind", "depth", "needles_planted",
           "needles_asked", "decoding", "hits", "trials", "wrong_needle", "valid")  # fmt: skip
PERPLEXITY_COLUMNS = (*MODEL, "theta_mode", "rope_theta", "context_length", "position_begin", "position_end",
                      "tokens", "nll", "valid")  # fmt: skip

_THETA = {"stage": "θ as trained", "scaled": "θ scaled with the length", "given": "θ given"}
_THETA_ORDER = ("stage", "scaled", "given")
_SCALING = {"none": "not scaled", "linear": "linear", "dynamic": "dynamic", "yarn": "YaRN"}


@dataclass(frozen=True)
class Share:
    """Hits of some cells together."""

    hits: int
    trials: int
    wrong_needle: int

    @property
    def accuracy(self) -> float:
        """Share of hits."""
        return self.hits / self.trials if self.trials else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval."""
        return wilson.interval(self.hits, self.trials)

    def said(self) -> str:
        """Write it in words."""
        low, high = self.interval
        share = formatting.percent(self.accuracy)
        return f"{self.hits}/{self.trials} right ({share}, 95 % interval {low:.2f} to {high:.2f})"


def section(run: Run) -> Section | None:
    """Build the section."""
    every = run.records(CELLS)
    if every is None:
        return None
    missing = [name for name in COLUMNS if name not in every]
    if missing:
        return Section(KEY, TITLE, missing=f"`{CELLS}` lacks {', '.join(missing)}.")
    cells = last_of_each_cell(every)
    if not len(cells):
        return Section(KEY, TITLE, missing="There is no valid cell to plot.")
    pictures = [*_heat_maps(cells), *_multi_bars(cells), *_perplexity(run)]
    return Section(
        KEY, TITLE,
        "A fact is planted in held-out text and asked for at the end; an answer counts when every token is right. A "
        "single needle needs no matching of keys, so it says only that the model can look back; several needles show "
        "whether it looks at the right place.",
        pictures, [_grid(cells)], data=[_data(cells), *_perplexity_data(run)], findings=_findings(cells),
    )  # fmt: skip


def last_of_each_cell(every: Table) -> Table:
    """Return the valid rows, the last of each cell: what a resumed or repeated run measured again counts once.

    Generated answers are those of another schedule, so that they are not added to those of one pass.
    """
    found = _with_angles(every.take(every.last_valid(every.keys)))
    schedules = [
        f"{schedule}, generated" if decoding in ("greedy", "open") else schedule
        for schedule, decoding in zip(found["stages"].tolist(), found["decoding"].tolist())
    ]
    return found.with_column("stages", np.array(schedules, dtype=object), meaning="schedule, and how it answers")


def _with_angles(rows: Table) -> Table:
    """Return the rows with all that sets their angles in `theta_mode`.

    That is the number, where several thetas were given by hand, and the scaling, where it is not the model's own.
    """
    modes, thetas = rows["theta_mode"].tolist(), rows["rope_theta"].tolist()
    # Records written before there was a choice say nothing.
    said = rows["rope_scaling"].tolist() if "rope_scaling" in rows else [""] * len(modes)
    scalings = [scaling or "model" for scaling in said]
    is_one_given = len({theta for mode, theta in zip(modes, thetas) if mode == "given"}) < 2
    if is_one_given and set(scalings) <= {"model"}:
        return rows
    named = [
        (f"given {theta:g}" if mode == "given" and not is_one_given else mode)
        + ("" if scaling == "model" else f", {scaling}")
        for mode, theta, scaling in zip(modes, thetas, scalings)
    ]
    return rows.with_column("theta_mode", np.array(named, dtype=object), meaning=rows.meanings.get("theta_mode", ""))


def total(rows: Table) -> Share:
    """Add up cells."""
    return Share(*(int(rows[name].sum()) for name in ("hits", "trials", "wrong_needle")))


@dataclass(frozen=True)
class Model:
    """What a figure is about: a trained model, and whatever else sets its cells apart from others of the record."""

    schedule: str
    stage: int
    trained: int
    configuration: str = ""

    def name(self, theta_mode: str = "") -> str:
        """Write it in words: 'progressive, 6th stage, trained to 2K, θ as trained'."""
        place = f"{formatting.ordinal(self.stage + 1)} stage"
        parts = [self.schedule or "model", place, f"trained to {formatting.tokens(self.trained)}"]
        return ", ".join([*parts, *([self.configuration] * bool(self.configuration)),
                          *([_theta(theta_mode)] * bool(theta_mode))])  # fmt: skip


def held(rows: Table) -> list[str]:
    """Return the keys that vary and that the figures do not show: each of their values gets figures of its own."""
    others = [name for name in rows.varying(rows.keys) if name not in (*SHOWN, *POOLED, *FOLLOWING)]
    place = [name for name in (*SHOWN, *POOLED, *others) if name in rows]
    return [*others, *rows.colliding(place, [name for name in FOLLOWING if name in rows.keys])]


def _models(rows: Table) -> Iterator[tuple[Model, Table]]:
    names = held(rows)
    for (schedule, stage, trained, *_apart), part in rows.groups([*MODEL, *names]):
        yield Model(str(schedule), int(stage), int(trained), describe(part.rows()[0], names)), part


def _theta(mode: str) -> str:
    """Write in words what sets the angles: 'stage, yarn:4' is 'θ as trained, YaRN × 4'."""
    theta, _, scaling = mode.partition(", ")
    kind, _, factor = scaling.partition(":")
    parts = [_THETA.get(theta) or f"θ {theta}"]
    if scaling:
        parts.append(_SCALING.get(kind, kind) + (f" × {factor}" if factor else ""))
    return ", ".join(parts)


def _theta_modes(rows: Table) -> list[str]:
    def rank(mode: str) -> tuple[int, float, int, float]:
        theta, _, scaling = mode.partition(", ")
        name, _, value = theta.partition(" ")
        kind, _, factor = scaling.partition(":")
        kinds = ["", *_SCALING]
        return (_THETA_ORDER.index(name) if name in _THETA_ORDER else len(_THETA_ORDER), float(value or 0),
                kinds.index(kind) if kind in kinds else len(kinds), float(factor or 0))  # fmt: skip

    return sorted(rows.distinct("theta_mode"), key=rank)


def _seeds(rows: Table) -> str:
    count = len(rows.distinct("training_seed"))
    return f" Hits of {count} models, trained with different seeds, are added up." if count > 1 else ""


# ---- one needle ------------------------------------------------------------------------------------------------------


def _heat_maps(cells: Table) -> Iterator[Picture]:
    found = [(model, part) for model, rows in _models(cells) if len(part := rows.where(kind="single"))]
    for index, (model, rows) in enumerate(found):
        suffix = "" if len(found) == 1 else f"-{index + 1}"
        png, width, spots = _draw_heat_maps(model, rows)
        yield Picture(
            f"needle-heat{suffix}", f"One needle: {model.name()}",
            "Each square is a context length and a depth of the needle; the number is the share of right answers. Rest "
            "the pointer on a square for hits and trials. Right of the dashed line contexts are longer than any that "
            "the model was trained on." + _seeds(rows),
            f"`hits`, `trials` over `context_length` and `depth`, by `theta_mode`, of `{CELLS}` where `kind` is single",
            png, width, "needle", is_folded=index > 1, spots=spots,
        )  # fmt: skip


def _draw_heat_maps(model: Model, rows: Table) -> tuple[bytes, int, list[Spot]]:
    modes = _theta_modes(rows)
    lengths = [int(value) for value in rows.distinct("context_length")]
    depths = [float(value) for value in rows.distinct("depth")]
    with drawing.style():
        # One panel fills the page as two do; `panels` widens few panels itself.
        width = max(0.52 * len(lengths) + 2.8, 6.4 / len(modes)) / {1: 1.9, 2: 1.35}.get(len(modes), 1.0)
        height = (0.27 * len(depths) + 1.0) / 1.25
        figure, grid = drawing.panels(1, len(modes), width=width, height=height, sharey=True)
        marks: list[tuple[Axes, int, int, str]] = []
        for axes, mode in zip(grid[0], modes):
            shown = rows.where(theta_mode=mode)
            shares = np.full((len(depths), len(lengths)), math.nan)
            for (length, depth), part in shown.groups(["context_length", "depth"]):
                share = total(part)
                at = depths.index(depth), lengths.index(length)
                shares[at] = share.accuracy
                text = f"{formatting.tokens(length)} tokens, depth {depth:g}: {share.said()}"
                marks.append((axes, at[1], at[0], text))
            axes.imshow(shares, cmap="viridis", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
            for row, column in np.argwhere(~np.isnan(shares)):
                value = shares[row, column]
                axes.text(
                    column, row, "1" if value == 1 else "0" if value == 0 else f"{value:.2f}"[1:], ha="center",
                    va="center", fontsize=8.0, color=drawing.INK if value > 0.55 else "white",
                )  # fmt: skip
            axes.set_xticks(range(len(lengths)), [formatting.tokens(length) for length in lengths])
            axes.grid(visible=False)
            axes.set_title(_theta(mode))
            _mark_trained(axes, lengths, model.trained)
        drawing.outer_labels(grid, "context length (token)", "depth of the needle")
        grid[0, 0].set_yticks(
            range(len(depths)), [{0.0: "0 (start)", 1.0: "1 (end)"}.get(depth, f"{depth:.3g}") for depth in depths]
        )
        shades = ScalarMappable(Normalize(0, 1), "viridis")
        figure.colorbar(shades, ax=grid[0].tolist(), label="share of right answers", fraction=0.05, pad=0.02)
        png, css_width = drawing.to_png(figure)
        spots = [drawing.spot(axes, (x - 0.5, y - 0.5), (x + 0.5, y + 0.5), text) for axes, x, y, text in marks]
        return png, css_width, spots


def _mark_trained(axes: Axes, lengths: list[int], trained: int) -> None:
    """Draw a line between the lengths that were trained and those that were not."""
    inside = sum(length <= trained for length in lengths)
    if 0 < inside < len(lengths):
        axes.axvline(inside - 0.5, color=drawing.LIMIT, linestyle=(0, (4, 2)), linewidth=1.6)
        axes.annotate(
            "beyond training", xy=(inside - 0.5, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 2),
            textcoords="offset points", color=drawing.LIMIT, fontsize=7.5, ha="left", va="bottom",
        )  # fmt: skip
        axes.set_title(axes.get_title(), pad=15)


# ---- several needles -------------------------------------------------------------------------------------------------


def _kinds(rows: Table) -> list[tuple[int, int]]:
    return sorted(set(zip(rows["needles_planted"].tolist(), rows["needles_asked"].tolist())))


def _multi_bars(cells: Table) -> Iterator[Picture]:
    found = [(model, rows) for model, rows in _models(cells) if (rows["kind"] == "multi").any()]
    for index, (model, rows) in enumerate(found):
        suffix = "" if len(found) == 1 else f"-{index + 1}"
        png, width = _draw_multi(rows)
        yield Picture(
            f"needle-multi{suffix}", f"Several needles: {model.name()}",
            "N/R: so many needles planted, so many asked for, one after another; 1/1 is the single needle, over all "
            "depths. Whiskers are 95 % Wilson intervals. The pale part above a bar is answers that named another "
            "needle's value: the model found a needle, but not the one asked for." + _seeds(rows),
            f"`hits`, `wrong_needle`, `trials` over `context_length`, by `needles_planted`, `needles_asked`, "
            f"`theta_mode`, of `{CELLS}`",
            png, width, "needle", is_folded=index > 1,
        )  # fmt: skip


def _draw_multi(rows: Table) -> tuple[bytes, int]:
    modes = _theta_modes(rows)
    kinds = _kinds(rows)
    colours = ["#7f8c8d" if kind == (1, 1) else colour for kind, colour in zip(kinds, _bar_colours(kinds))]
    with drawing.style():
        figure, grid = drawing.panels(len(modes), 1, width=3.9, height=1.9, sharex=True, sharey=True)
        lengths = [int(value) for value in rows.distinct("context_length")]
        for axes, mode in zip(grid[:, 0], modes):
            for place, kind in enumerate(kinds):
                for x, length in enumerate(lengths):
                    part = rows.where(
                        theta_mode=mode, context_length=length, needles_planted=kind[0], needles_asked=kind[1]
                    )
                    if len(part):
                        centre = x + (place + 0.5) / len(kinds) * 0.84 - 0.42
                        _bar(axes, centre, 0.78 / len(kinds), total(part), colours[place])
            axes.set_title(_theta(mode))
            axes.set_ylim(0, 1.03)
            axes.set_xlim(-0.5, len(lengths) - 0.5)
            axes.set_xticks(range(len(lengths)), [formatting.tokens(length) for length in lengths])
            axes.grid(visible=False, axis="x")
            trained = int(rows["trained_context_length"][0])
            inside = sum(length <= trained for length in lengths)
            if 0 < inside < len(lengths):
                axes.axvline(inside - 0.5, color=drawing.LIMIT, linestyle=(0, (4, 2)), linewidth=1.4)
        drawing.outer_labels(grid, "context length (token); dashed: end of training", "share of right answers")
        drawing.legend(
            figure,
            [Line2D([], [], color=colour, linewidth=6, label=f"{planted}/{asked}")
             for (planted, asked), colour in zip(kinds, colours)],
        )  # fmt: skip
        return drawing.to_png(figure)


def _bar_colours(kinds: list[tuple[int, int]]) -> list[str]:
    multi = [kind for kind in kinds if kind != (1, 1)]
    palette = ("#004488", "#ddaa33", "#bb5566", "#44aa99", "#882255", "#999933")
    return [palette[multi.index(kind) % len(palette)] if kind in multi else drawing.GREY for kind in kinds]


def _bar(axes: Axes, x: float, width: float, share: Share, colour: str) -> None:
    low, high = share.interval
    axes.bar(x, share.accuracy, width, color=colour)
    axes.bar(x, share.wrong_needle / share.trials, width, bottom=share.accuracy, color=colour, alpha=0.25)
    whiskers = [[max(0.0, share.accuracy - low)], [max(0.0, high - share.accuracy)]]
    axes.errorbar(x, share.accuracy, yerr=whiskers, color=drawing.INK, linewidth=0.9, capsize=2)


# ---- numbers and words -----------------------------------------------------------------------------------------------


def _summary_rows(cells: Table) -> Iterator[tuple[Model, str, int, int, int, Share, float]]:
    """Yield (model, theta mode, length, planted, asked, share, worst depth) in reading order."""
    for model, rows in _models(cells):
        for (mode, length, planted, asked), part in rows.groups(
            ["theta_mode", "context_length", "needles_planted", "needles_asked"]
        ):
            by_depth = [total(at).accuracy for _, at in part.groups(["depth"])] if planted == 1 else []
            yield model, str(mode), int(length), int(planted), int(asked), total(part), min(by_depth, default=math.nan)


def _grid(cells: Table) -> Grid:
    found = list(_summary_rows(cells))
    is_apart = any(model.configuration for model, *_ in found)
    columns = ("stages", "stage", "trained to", *(["configuration"] * is_apart), "theta", "context length", "planted",
               "asked", "hits", "trials", "accuracy", "low", "high", "worst depth", "wrong needle")  # fmt: skip
    lines = [
        [model.schedule, model.stage, model.trained, *([model.configuration] * is_apart), mode, length, planted, asked,
         share.hits, share.trials, share.accuracy, *share.interval, worst, share.wrong_needle]
        for model, mode, length, planted, asked, share, worst in found
    ]  # fmt: skip
    meanings = {
        "low": "lower end of the 95 % Wilson interval", "high": "upper end of the 95 % Wilson interval",
        "worst depth": "smallest share of hits of one depth, single needles only",
        "wrong needle": "wrong answers that are another needle's value",
        "configuration": "keys of the cells that vary in this report",
    }  # fmt: skip
    units = {"trained to": "token", "context length": "token"}
    caption = "Seeds and depths are added up; depths one by one are in `needle.csv`."
    return Grid("Accuracy", columns, lines, units, meanings, caption)


def _data(cells: Table) -> DataSet:
    names = [name for name in cells.names if name not in ("valid", "reason")]
    return DataSet(KEY, names, [[row[name] for name in names] for row in cells.rows()])


def _findings(cells: Table) -> list[Finding]:
    findings = []
    for model, rows in _models(cells):
        inside = rows.take((rows["context_length"] <= model.trained) & (rows["theta_mode"] == "stage"))
        single = inside.where(kind="single")
        if len(single):
            findings.append(
                Finding(f"{model.name()}: one needle at the trained lengths: **{total(single).said()}**.")
            )
        multi = inside.where(kind="multi")
        if len(multi):
            longest = multi.where(context_length=multi["context_length"].max())
            for (planted, asked), part in longest.groups(["needles_planted", "needles_asked"]):
                length = formatting.tokens(int(part["context_length"][0]))
                place = f"{planted}/{asked} at {length}"
                findings.append(Finding(f"{model.name()}: {place}: **{total(part).said()}**."))
    return findings


# ---- perplexity ------------------------------------------------------------------------------------------------------


def _perplexity_rows(run: Run) -> Table | None:
    table = run.records(PERPLEXITY)
    if table is None or any(name not in table for name in PERPLEXITY_COLUMNS):
        return None
    valid = _with_angles(table.take(table.last_valid(table.keys)))
    return valid if len(valid) else None


def _perplexity(run: Run) -> Iterator[Picture]:
    rows = _perplexity_rows(run)
    if rows is None:
        return
    with drawing.style():
        figure, grid = drawing.panels(1, 1)
        handles = [
            _perplexity_line(grid[0, 0], part, index, f"{model.name(str(mode))}, S = {formatting.tokens(length)}")
            for index, (model, mode, length, part) in enumerate(
                (model, mode, length, part)
                for model, of_model in _models(rows)
                for (mode, length), part in of_model.groups(["theta_mode", "context_length"])
            )
        ]
        grid[0, 0].set_xscale("log", base=2)
        grid[0, 0].xaxis.set_major_formatter(lambda value, _position: formatting.tokens(value))
        drawing.outer_labels(grid, "position in the context (token)", "nll of held-out text (nat)")
        drawing.legend(figure, *[[handle] for handle in handles])
        png, width = drawing.to_png(figure)
    yield Picture(
        "needle-perplexity", "Perplexity against position",
        "A model that uses its context predicts late tokens better than early ones: the line falls. Where it rises, "
        "the positions are beyond what the model has learnt.",
        f"`nll` over `position_begin` and `position_end` of `{PERPLEXITY}`", png, width, "perplexity",
    )  # fmt: skip


def _figure_colour(index: int) -> str:
    palette = ("#004488", "#bb5566", "#ddaa33", "#44aa99", "#882255", "#999933", "#88ccee")
    return palette[index % len(palette)]


def _perplexity_line(axes: Axes, rows: Table, index: int, label: str) -> Line2D:
    points = []
    for (begin, end), part in rows.groups(["position_begin", "position_end"]):
        points.append((math.sqrt(begin * max(begin, end - 1)), np.average(part["nll"], weights=part["tokens"])))
    (line,) = axes.plot(*zip(*points), marker="o", color=_figure_colour(index), label=label)
    return line


def _perplexity_data(run: Run) -> list[DataSet]:
    rows = _perplexity_rows(run)
    if rows is None:
        return []
    return [DataSet("perplexity", rows.names, [list(row.values()) for row in rows.rows()])]

