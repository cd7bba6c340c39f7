"""Training: loss and speed of the stages on one time axis, the work behind them, and schedules against each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from ringworld_analysis import drawing, formatting
from ringworld_analysis.content import DataSet, Finding, Grid, Picture, Section
from ringworld_analysis.reading import STAGES, STEPS, TERMS
from ringworld_analysis.run import Run, describe
from ringworld_analysis.table import Column, Table

KEY, TITLE = "training", "Training"

STEP_COLUMNS = ("stages", "stage", "step", "context_length", "loss", "elapsed", "tokens",
                "tokens_per_second", "flop_causal", "seed", "valid")  # fmt: skip
STAGE_COLUMNS = ("stages", "stage", "context_length", "rope_theta", "steps", "batch", "tokens", "mesh", "seconds",
                 "reshard_seconds", "tokens_per_second", "flop_causal", "mfu_measured_peak", "first_term",
                 "final_accuracy", "seed")  # fmt: skip
#: Keys that say which step of which training run a row is of. Other keys tell runs apart where these do not.
PLACE = ("stages", "seed", "stage", "step")

TERM_COLUMNS = ("stages", "stage", "step", "term", "loss", "accuracy", "seed", "valid")

LOSS, SPEED = "#8a8f98", "#117733"
_TERMS = ("#004488", "#bb5566", "#ddaa33", "#44aa99", "#882255")
_SCHEDULES = ("#004488", "#bb5566", "#ddaa33", "#44aa99", "#882255", "#999933", "#88ccee")


def section(run: Run) -> Section | None:
    """Build the section."""
    every = run.records(STEPS)
    if every is None:
        return None
    missing = [name for name in STEP_COLUMNS if name not in every]
    if missing:
        return Section(KEY, TITLE, missing=f"`{STEPS}` lacks {', '.join(missing)}.")
    steps = every.take(every.last_valid(("file", *every.keys)))
    if not len(steps):
        return Section(KEY, TITLE, missing="There is no valid step to plot.")
    steps, names = with_terms(steps, run.records(TERMS))
    stages = run.records(STAGES)
    if stages is not None and any(name not in stages for name in STAGE_COLUMNS):
        stages = None
    return Section(
        KEY, TITLE,
        "The context grows stage by stage; each stage starts from the weights of the one before it.",
        [*_time_axes(steps, names), *_comparison(steps, names)], [_grid(stages)] if stages is not None else [],
        data=[_data(steps)], findings=_findings(steps),
    )  # fmt: skip


def with_terms(steps: Table, terms: Table | None) -> tuple[Table, list[str]]:
    """Return the steps with `loss of X` and `accuracy of X` of each term X, and the names of the terms.

    The first term of a task comes first. What a step has no value of is not a number.
    """
    if terms is None or any(name not in terms for name in TERM_COLUMNS):
        return steps, []
    keys = [name for name in ("file", *terms.keys) if name != "term" and name in terms and name in steps]
    valid = terms.take(terms["valid"].astype(bool))
    names = list(dict.fromkeys(str(name) for name in valid["term"].tolist()))
    for name in names:
        own = valid.where(term=name)
        place = {point: index for index, point in enumerate(own.points(keys))}
        found = [place.get(point, -1) for point in steps.points(keys)]
        for column, meaning in (("loss", "mean nll of its targets"), ("accuracy", "share of them that is likeliest")):
            values = np.array([own[column][index] if index >= 0 else np.nan for index in found])
            steps = steps.with_column(f"{column} of {name}", values, "nat" if column == "loss" else "1", meaning)
    return steps, names


def in_order(rows: Table) -> Table:
    """Return one run's steps as they were taken."""
    return rows.take(np.lexsort((rows["step"], rows["stage"])))


def smooth(values: Column, stages: Column, weight: float = 0.9) -> Column:
    """Return the exponential mean, begun anew with each stage; what is not a number is left out."""
    result = np.full(len(values), np.nan)
    mean, stage = np.nan, None
    for index, value in enumerate(values):
        if stages[index] != stage:
            mean, stage = np.nan, stages[index]
        if np.isfinite(value):
            mean = value if np.isnan(mean) else weight * mean + (1 - weight) * value
        result[index] = mean
    return result


@dataclass(frozen=True)
class Training:
    """The steps of one training run, as they were taken."""

    schedule: str
    """Name of the schedule, and whatever else sets the run apart from others of the report."""
    seed: int
    steps: Table

    def name(self, is_only_seed: bool) -> str:
        """Write it in words."""
        return self.schedule if is_only_seed else f"{self.schedule}, seed {self.seed}"


def trainings(steps: Table) -> list[Training]:
    """Part the steps into runs: by schedule and seed, and by every key in which two rows of one step differ."""
    apart = steps.colliding(PLACE, [name for name in ("file", *steps.keys) if name not in PLACE])
    found = []
    for (schedule, seed, *_apart), rows in steps.groups(["stages", "seed", *apart]):
        words = [schedule or "one schedule", *([describe(rows.rows()[0], apart)] if apart else [])]
        found.append(Training(", ".join(words), int(seed), in_order(rows)))
    return found


# ---- one run ---------------------------------------------------------------------------------------------------------


def _time_axes(steps: Table, terms: list[str]) -> Iterator[Picture]:
    found = trainings(steps)
    is_only_seed = len(steps.distinct("seed")) == 1
    for index, training in enumerate(found):
        suffix = "" if len(found) == 1 else f"-{index + 1}"
        png, width = _draw_time(training.steps, terms)
        yield Picture(
            f"training-time{suffix}", f"Stages on one time axis: {training.name(is_only_seed)}",
            "Dashed lines are stage boundaries, with the context length of each stage above. Thin lines are single "
            "steps, thick ones their running mean. A loss jumps where the context doubles and falls again "
            "within the stage; tokens per second fall as attention outgrows the rest. Work is counted without what is "
            "recomputed, visible pairs only.",
            f"`loss`, `tokens_per_second`, `flop_causal` over `elapsed` of `{STEPS}`, `loss` of `{TERMS}`",
            png, width, KEY, is_folded=index > 0,
        )  # fmt: skip


def _draw_time(rows: Table, terms: list[str]) -> tuple[bytes, int]:
    time = rows["elapsed"]
    divisor, unit = (3600.0, "h") if time.max() > 7200 else (60.0, "min") if time.max() > 180 else (1.0, "s")
    x, of_stage = time / divisor, rows["stage"]
    with drawing.style():
        figure, grid = drawing.panels(3, 1, width=3.95, height=1.75, sharex=True)
        loss, speed, work = grid[:, 0]
        lines = {"loss": ("loss that is minimised", LOSS)}
        for index, term in enumerate(terms):
            if np.isfinite(rows[f"loss of {term}"]).any():
                lines[f"loss of {term}"] = (f"loss of {term}", _TERMS[index % len(_TERMS)])
        for name, (_label, colour) in lines.items():
            loss.plot(x, rows[name], color=colour, linewidth=0.5, alpha=0.35)
            loss.plot(x, smooth(rows[name], of_stage), color=colour, linewidth=1.7)
        loss.set_ylim(bottom=0)
        loss.set_ylabel("loss (nat)")
        factor, prefix = formatting.si_scale(float(rows["tokens_per_second"].max()))
        speed.plot(x, rows["tokens_per_second"] / factor, color=SPEED, linewidth=0.5, alpha=0.35)
        speed.plot(x, smooth(rows["tokens_per_second"], of_stage) / factor, color=SPEED, linewidth=1.7)
        speed.set_ylim(bottom=0)
        speed.set_ylabel(f"speed ({prefix}token/s)")
        total = np.cumsum(rows["flop_causal"])
        factor, prefix = formatting.si_scale(float(total.max()))
        work.plot(x, total / factor, color=drawing.INK)
        work.set_ylim(bottom=0)
        work.set_ylabel(f"work so far ({prefix}FLOP)")
        work.set_xlabel(f"training time ({unit})")
        work.set_xlim(0, float(x.max()) * 1.005)
        for axes in grid[:, 0]:
            _mark_stages(axes, rows, x, is_named=axes is loss)
        drawing.legend(figure, [Line2D([], [], color=colour, label=label) for label, colour in lines.values()])
        return drawing.to_png(figure)


def _mark_stages(axes: Axes, rows: Table, x: Column, *, is_named: bool) -> None:
    start = 0.0
    span = float(x.max())
    for (stage,), part in rows.groups(["stage"]):
        end = float(x[rows["stage"] == stage].max())
        axes.axvline(end, color=drawing.GREY, linestyle=(0, (4, 3)), linewidth=0.8)
        # A stage too short for its name goes without; the grid below the figure has them all.
        if is_named and end - start > 0.03 * span:
            axes.annotate(
                formatting.tokens(int(part["context_length"][0])), xy=((start + end) / 2, 1.0),
                xycoords=("data", "axes fraction"), xytext=(0, 3), textcoords="offset points", ha="center",
                fontsize=8.0, fontweight="bold",
            )  # fmt: skip
        start = end


# ---- schedules against each other ------------------------------------------------------------------------------------


def _comparison(steps: Table, terms: list[str]) -> Iterator[Picture]:
    found = trainings(steps)
    if len({training.schedule for training in found}) < 2 or not terms:
        return
    first = terms[0]
    png, width = _draw_comparison(found, first)
    yield Picture(
        "training-schedules", "Schedules against each other",
        "The same model under different stage schedules, against each of the budgets that could be held equal. Lines "
        f"are running means of the share of {first} tokens that are right, one a seed; a progressive run is judged at "
        "the context of its stage, so it is the right end, at the longest context, that compares. Accuracy on "
        "held-out needles is in the section on needles.",
        f"`accuracy` of {first} of `{TERMS}` over the sums of `tokens` and `flop_causal`, and over `elapsed`, by "
        f"`stages` and `seed` of `{STEPS}`",
        png, width, KEY,
    )  # fmt: skip


def _draw_comparison(found: Sequence[Training], term: str) -> tuple[bytes, int]:
    schedules = list(dict.fromkeys(training.schedule for training in found))
    budgets = (("tokens", "token", "tokens"), ("flop_causal", "FLOP", "work"), ("elapsed", "s", "training time"))
    with drawing.style():
        figure, grid = drawing.panels(1, 3, width=2.85, height=2.1, sharey=True)
        for axes, (column, unit, name) in zip(grid[0], budgets):
            for training in found:
                rows, colour = training.steps, _schedule_colour(schedules, training.schedule)
                x = rows[column] if column == "elapsed" else np.cumsum(rows[column])
                y = smooth(rows[f"accuracy of {term}"], rows["stage"])
                axes.plot(x, y, color=colour, linewidth=1.3)
                axes.plot(x[-1:], y[-1:], marker="o", color=colour, markersize=4)
            axes.set_xlabel(f"{name} ({unit})")
            axes.set_xlim(left=0)
            axes.set_ylim(0, 1)
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _position: formatting.si_tick(value) or "0"))
            axes.locator_params(axis="x", nbins=5)
        grid[0, 0].set_ylabel(f"{term} tokens right (share)")
        handles = [Line2D([], [], color=_schedule_colour(schedules, name), label=name) for name in schedules]
        drawing.legend(figure, handles)
        return drawing.to_png(figure)


def _schedule_colour(schedules: list[str], name: str) -> str:
    return _SCHEDULES[schedules.index(name) % len(_SCHEDULES)]


# ---- numbers and words -----------------------------------------------------------------------------------------------


def _grid(stages: Table) -> Grid:
    first = ("stages", "seed")
    apart = [name for name in stages.varying(stages.keys) if name not in STAGE_COLUMNS]
    names = (*first, *apart, *(name for name in STAGE_COLUMNS if name not in first))
    lines = [[row[name] for name in names] for row in stages.rows()]
    invalid = np.flatnonzero(~stages["valid"].astype(bool)).tolist() if "valid" in stages else []
    return Grid("Stages", names, lines, stages.units, stages.meanings, f"From `{STAGES}`.", frozenset(invalid))


def _data(steps: Table) -> DataSet:
    names = [name for name in steps.names if name not in ("valid", "reason")]
    return DataSet(KEY, names, [[row[name] for name in names] for row in steps.rows()])


def _findings(steps: Table) -> list[Finding]:
    findings = []
    is_only_seed = len(steps.distinct("seed")) == 1
    for training in trainings(steps):
        rows = training.steps
        last = rows.rows()[-1]
        lengths = [int(value) for value in rows.distinct("context_length")]
        findings.append(
            Finding(
                f"{training.name(is_only_seed)}: "
                f"{formatting.counted(len(rows.distinct('stage')), 'stage')} "
                f"from {formatting.tokens(lengths[0])} to {formatting.tokens(lengths[-1])}, "
                f"**{formatting.si(float(rows['tokens'].sum()), 'token')}**, "
                f"{formatting.si(float(rows['flop_causal'].sum()), 'FLOP')}, {formatting.si(last['elapsed'], 's')}."
            )
        )
    return findings
