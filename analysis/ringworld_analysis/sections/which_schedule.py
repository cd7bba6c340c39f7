"""Which schedule here? The fastest one measured, beside the one that measured links and blocks predict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.lines import Line2D

from ringworld_analysis import drawing, formatting
from ringworld_analysis.content import DataSet, Finding, Grid, Picture, Section
from ringworld_analysis.formatting import counted
from ringworld_analysis.reading import LINKS
from ringworld_analysis.run import PASS_ORDER, Run, ordered
from ringworld_analysis.sections.schedules import Point, points_of
from ringworld_analysis.table import Row

KEY, TITLE = "which-schedule", "Which schedule here?"
# Paul Tol's "muted" colours: told apart with any colour vision.
_COLOURS = ("#332288", "#88ccee", "#117733", "#ddcc77", "#cc6677", "#aa4499", "#999933", "#882255", "#44aa99")
INTRO = (
    "Each point of the sweep with the schedule that was fastest, and those that its repeats do not tell from the "
    "fastest. Beside it stands the schedule that `attention --predict` expects to be fastest, from the plan of each "
    "schedule and the rates of blocks and links alone. Where the two agree, the same prediction can be asked for ranks "
    "that are not there: `ringworld attention --predict --dry-run --rates FILE --ranks P --schedule ring,all_gather`."
)
#: What `attention --predict` adds to where its rates come from, when collectives had rates of their own.
_BY_LINKS = "collectives as in /links"
#: Schedules that are made of collectives.
_OF_COLLECTIVES = ("all_gather", "broadcast", "broadcast_queries")
_GREY = "#8c959f"
NO_PREDICTION = (
    "Nothing was predicted. Run the sweep with `--predict`: it measures blocks and links, and names the schedule that "
    "they make the fastest."
)


@dataclass(frozen=True)
class Choice:
    """One point: what was fastest, what was expected to be, and what following the expectation costs."""

    label: str
    """Name of the pass."""
    rows: Point
    fastest: str
    level: Sequence[str]
    """Schedules that are not told from the fastest: their fastest repeat beats its slowest one."""
    predicted: str
    """Empty where not every schedule of the point has a prediction."""

    @property
    def agrees(self) -> bool:
        """Tell whether the expected schedule is the fastest, or not told from it."""
        return self.predicted in (self.fastest, *self.level)

    @property
    def loss(self) -> float:
        """Return the time lost by whoever follows the prediction, as a share of the best; NaN without one."""
        if not self.predicted:
            return math.nan
        return float(self.rows[self.predicted]["step_time"] / self.rows[self.fastest]["step_time"] - 1)


def section(run: Run) -> Section | None:
    """Build the section; None where every point has one schedule alone."""
    choices = [choose(label, rows) for label, rows in points_of(run)]
    if not choices:
        return None
    passes = ordered(sorted({choice.label for choice in choices}), PASS_ORDER)
    pictures, wanted = [], places_of(run)
    for index, label in enumerate(passes):
        of_pass = [choice for choice in choices if choice.label == label]
        if len(wanted) > 1:
            pictures.append(_picture(label, of_pass, wanted, "" if len(passes) == 1 else f"-{index + 1}", index > 0))
    names = ("context_length", "ranks", "layout", "pass", "configuration", "fastest", "step_time", "level with it",
             "predicted", "predicted_time", "agrees", "loss")  # fmt: skip
    cells = [_cells(choice) for choice in choices]
    missed = frozenset(place for place, choice in enumerate(choices) if choice.predicted and not choice.agrees)
    choice_grid = Grid(
        "Point by point", names, cells,
        {"context_length": "token", "step_time": "s", "predicted_time": "s", "loss": "1"},
        {"level with it": "schedules whose fastest repeat beats the slowest of the fastest schedule",
         "loss": "time of the predicted schedule over the best one, less 1"},
        "Points where the prediction names a schedule that is measurably slower are marked.", missed,
    )  # fmt: skip
    every = _every_schedule(choices)
    return Section(
        KEY, TITLE, INTRO, pictures, [choice_grid, every],
        [DataSet(KEY, names, cells), DataSet(f"{KEY}-every", every.columns, every.rows)],
        [*_findings(choices), *_findings_of_collectives(run, choices)],
    )  # fmt: skip


def choose(label: str, rows: Point) -> Choice:
    """Return what was fastest at a point, and what was expected to be."""
    fastest = min(rows, key=lambda name: float(rows[name]["step_time"]))
    level = [
        name for name, row in rows.items()
        if name != fastest and row["step_time_min"] <= rows[fastest]["step_time_max"]
    ]  # fmt: skip
    times = {name: _predicted_time(row) for name, row in rows.items()}
    known = all(math.isfinite(time) for time in times.values())
    return Choice(label, rows, fastest, level, min(times, key=times.__getitem__) if known else "")


def _predicted_time(row: Mapping[str, object]) -> float:
    value = float(str(row.get("predicted_time", 0) or 0))
    return value if value > 0 else math.nan


def _cells(choice: Choice) -> list[object]:
    row: Row = choice.rows[choice.fastest]
    predicted = _predicted_time(choice.rows[choice.predicted]) if choice.predicted else math.nan
    return [
        row["context_length"], row["ranks"], row["layout"], row["pass_label"], row["elsewhere"], choice.fastest,
        float(row["step_time"]), "; ".join(choice.level) or "none", choice.predicted or "not predicted", predicted,
        choice.agrees if choice.predicted else "", choice.loss,
    ]  # fmt: skip


def _every_schedule(choices: Sequence[Choice]) -> Grid:
    """Return what was predicted and measured of each schedule of each point, and what it costs beside time."""
    names = ("context_length", "ranks", "layout", "pass", "configuration", "schedule", "step_time", "predicted_time",
             "ratio", "exposed", "wire_bytes", "wire_bytes_between_nodes", "peak_bytes", "is",
             "collectives")  # fmt: skip
    cells: list[list[object]] = []
    for choice in choices:
        for schedule in sorted(choice.rows, key=lambda name: float(choice.rows[name]["step_time"])):
            row = choice.rows[schedule]
            predicted = _predicted_time(row)
            marks = [word for word, name in (("fastest", choice.fastest), ("predicted", choice.predicted))
                     if name == schedule]  # fmt: skip
            cells.append([
                row["context_length"], row["ranks"], row["layout"], row["pass_label"], row["elsewhere"], schedule,
                float(row["step_time"]), predicted, predicted / float(row["step_time"]), row["exposed"],
                row["wire_bytes"], row["wire_bytes_between_nodes"], row["peak_bytes"], ", ".join(marks),
                _collectives_of(row),
            ])  # fmt: skip
    return Grid(
        "Every schedule, predicted and measured", names, cells,
        {"context_length": "token", "step_time": "s", "predicted_time": "s", "ratio": "1", "exposed": "s",
         "wire_bytes": "B", "wire_bytes_between_nodes": "B", "peak_bytes": "B"},
        {"ratio": "predicted_time / step_time",
         "exposed": "largest over ranks of the time that steps took longer with their transfers than without, by the "
                    "overlap probe; nan where it was not run, or an exchange of heads leaves no hop to probe",
         "is": "fastest: the shortest step_time of the point; predicted: the shortest predicted_time",
         "collectives": "whose time the prediction took for them: that of /links, or that of hops"},
        "The fastest schedule of a point comes first. Bytes are those of all ranks together, counted.",
    )  # fmt: skip


def _collectives_of(row: Mapping[str, object]) -> str:
    """Say where the time of the collectives of a predicted row comes from; empty where it has none."""
    if not _has_collectives(row) or math.isnan(_predicted_time(row)):
        return ""
    return "/links" if str(row.get("predicted_from", "")).endswith(_BY_LINKS) else "hops"


def _has_collectives(row: Mapping[str, object]) -> bool:
    return row["schedule"] in _OF_COLLECTIVES or int(str(row["ulysses"])) > 1


def _findings_of_collectives(run: Run, choices: Sequence[Choice]) -> list[Finding]:
    """Warn of predictions in which collectives take the time of hops."""
    rows = [row for choice in choices for row in choice.rows.values()]
    by_hops = sum(_collectives_of(row) == "hops" for row in rows)
    if not by_hops:
        return []
    advice = (
        "the rows of `/links` are of other jobs, or of all ranks where a part of them exchanges heads"
        if run.records(LINKS) is not None
        else "run `ringworld info --links --output FILE`, then `ringworld attention --predict --resume --output FILE`"
    )
    return [Finding(
        f"In {counted(by_hops, 'prediction')} an all-gather, all-to-all or broadcast takes the time of hops, for want "
        f"of a measured one: {advice}.", "warn",
    )]  # fmt: skip


def _findings(choices: Sequence[Choice]) -> list[Finding]:
    told = [choice for choice in choices if choice.predicted]
    if not told:
        return [Finding(f"**Which schedule here?** {NO_PREDICTION}")]
    agreed = sum(choice.agrees for choice in told)
    worst = max(told, key=lambda choice: choice.loss)
    text = (
        f"**Which schedule here?** In **{agreed} of {counted(len(told), 'point')}** the schedule that links and blocks "
        "predict is the fastest, or not told from it by the repeats"
    )
    if agreed < len(told):
        text += (
            f"; whoever follows the prediction loses {formatting.percent(worst.loss)} at most ({worst.predicted} in "
            f"the place of {worst.fastest})"
        )
    return [Finding(f"{text}.", "good" if agreed == len(told) else "warn")]


def places_of(run: Run) -> set[tuple[int, int]]:
    """Return every context length with every number of ranks of the sweep: also those that did not run together."""
    several = run.attention["ranks"] > 1
    lengths, sizes = (set(run.attention[name][several].tolist()) for name in ("context_length", "ranks"))
    return {(int(length), int(ranks)) for length in lengths for ranks in sizes}


def _picture(
    label: str, choices: Sequence[Choice], wanted: set[tuple[int, int]], suffix: str, is_folded: bool
) -> Picture:
    names = sorted({name for choice in choices for name in (choice.fastest, choice.predicted) if name})
    colours = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(names)}
    with drawing.style():
        figure, grid = drawing.panels(1, 1, width=4.0, height=2.6)
        axes = grid[0, 0]
        places: dict[tuple[int, int], int] = {}
        for choice in choices:
            row = choice.rows[choice.fastest]
            place = (int(row["context_length"]), int(row["ranks"]))
            # Points of other layouts or types lie beside each other.
            shift = places[place] = places.get(place, -1) + 1
            x = place[0] * 1.12**shift
            axes.scatter(x, place[1], s=110, marker="s", color=colours[choice.fastest], zorder=2)
            if choice.predicted:
                axes.scatter(
                    x, place[1], s=26, marker="o", color=colours[choice.predicted], edgecolor="white", zorder=3
                )
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        missing = sorted(wanted - set(places))
        lengths = sorted({place[0] for place in (*places, *missing)})
        sizes = sorted({place[1] for place in (*places, *missing)})
        for length, ranks in missing:
            axes.scatter(length, ranks, s=60, marker="x", color=_GREY, linewidth=1.2, zorder=2)
        axes.set_xticks(lengths, [formatting.tokens(length) for length in lengths])
        axes.set_yticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        axes.set_xlim(lengths[0] / 1.5, lengths[-1] * 1.12 ** max(places.values()) * 1.5)
        axes.set_ylim(sizes[0] / 1.5, sizes[-1] * 1.5)
        axes.set_xlabel("context length [tokens]")
        axes.set_ylabel("ranks")
        handles = [Line2D([], [], marker="s", linestyle="none", color=colours[name], label=name) for name in names]
        if any(choice.predicted for choice in choices):
            handles.append(
                Line2D([], [], marker="o", markersize=4, linestyle="none", color=_GREY, label="inside: predicted")
            )
        if missing:
            handles.append(Line2D([], [], marker="x", linestyle="none", color=_GREY, label="not measured"))
        drawing.legend(figure, handles)
        png, width = drawing.to_png(figure)
    return Picture(
        f"which-schedule{suffix}", f"The fastest schedule, {label}",
        "Squares: the schedule that was fastest. Dots inside: the predicted one; a dot of the same colour agrees, and "
        "without a dot nothing was predicted. Crosses: lengths and ring sizes of the sweep at which no schedule was "
        "measured beside a ring. "
        "Squares side by side are points of the same length and ring that differ in layout or configuration.",
        "`step_time` and `predicted_time` of `/attention`, by `schedule` and its parameters", png, width, KEY,
        is_folded=is_folded,
    )  # fmt: skip
