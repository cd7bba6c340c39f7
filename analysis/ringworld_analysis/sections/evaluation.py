"""World models: captions of pictures and pictures of captions, digits hidden in videos, and the frames themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ringworld_analysis import drawing, formatting, wilson
from ringworld_analysis.content import DataSet, Finding, Grid, Picture, Section, Spot
from ringworld_analysis.reading import EXAMPLE_FRAMES, EXAMPLES, HELD_OUT_TEXT, MEASURES, ROUND_TRIP, VIDEO_NEEDLES
from ringworld_analysis.run import Run, describe
from ringworld_analysis.table import Column, Row, Table

KEY, TITLE = "evaluation", "Images and videos"

#: Columns that tell models apart; what differs only in its training seed is added up.
MODEL = ("stages", "stage", "trained_context_length")
#: Keys that the figures show: in the name of the model, as panels, bars and squares.
SHOWN = ("stages", "stage", "task", "measure", "temperature", "frames", "depth", "kind", "needles_planted",
         "needles_asked", "theta_mode", "items", "number", "windows", "context_length")  # fmt: skip
#: Keys over which hits are added up.
POOLED = ("training_seed", "seed")
#: Keys that follow from those, and are held constant only where rows of one place in a figure differ in them.
FOLLOWING = ("checkpoint_digest", "frame_tokenizer_digest", "rope_theta", "videos")
MEASURE_COLUMNS = (*MODEL, "task", "measure", "temperature", "hits", "trials", "chance", "ceiling", "valid")
NEEDLE_COLUMNS = (*MODEL, "frames", "context_length", "theta_mode", "kind", "depth", "needles_planted",
                  "needles_asked", "hits", "trials", "chance", "ceiling", "seconds", "tokens_per_second",
                  "peak_bytes", "planned_bytes", "valid")  # fmt: skip
EXAMPLE_COLUMNS = (*MODEL, "task", "number", "temperature", "asked", "answered", "is_right", "side", "frames", "first",
                   "valid")  # fmt: skip
TEXT_COLUMNS = (*MODEL, "tokens", "nll", "valid")
ROUND_TRIP_COLUMNS = (*MODEL, "frames", "psnr", "codes_used", "codebook_size", "code_perplexity", "valid")

TASKS = {"image_text": "image → caption", "video_text": "clip → caption", "text_image": "caption → image",
         "text_video": "caption → clip"}  # fmt: skip
PARTS = ("colour", "digit", "row", "column", "cell", "direction", "every_step", "net_direction", "all")
_TABLES = ((MEASURES, MEASURE_COLUMNS), (VIDEO_NEEDLES, NEEDLE_COLUMNS), (EXAMPLES, EXAMPLE_COLUMNS),
           (HELD_OUT_TEXT, TEXT_COLUMNS), (ROUND_TRIP, ROUND_TRIP_COLUMNS))  # fmt: skip
_SHADES = ("#004488", "#6699cc", "#bbccee", "#99aabb")
_RIGHT, _WRONG = "#228833", drawing.LIMIT


@dataclass(frozen=True)
class Share:
    """Hits of some rows together, with what guessing and a perfect reader of the same frames would reach."""

    hits: int
    trials: int
    chance: float
    ceiling: float

    @property
    def accuracy(self) -> float:
        """Share of hits."""
        return self.hits / self.trials if self.trials else math.nan

    def said(self) -> str:
        """Write it in words."""
        low, high = wilson.interval(self.hits, self.trials)
        share = formatting.percent(self.accuracy)
        text = f"{self.hits}/{self.trials} right ({share}, 95 % interval {low:.2f} to {high:.2f})"
        return f"{text}, chance {self.chance:.2g}" + (
            "" if math.isnan(self.ceiling) else f", ceiling {self.ceiling:.2f}"
        )


def total(rows: Table) -> Share:
    """Add up rows; the ceiling is the mean over their trials."""
    trials = rows["trials"].astype(float)
    weights = trials if trials.sum() else np.ones(len(rows))
    return Share(
        int(rows["hits"].sum()), int(trials.sum()),
        float(np.average(rows["chance"], weights=weights)), float(np.average(rows["ceiling"], weights=weights)),
    )  # fmt: skip


def section(run: Run) -> Section | None:
    """Build the section."""
    tables: dict[str, Table] = {}
    for path, columns in _TABLES:
        every = run.records(path)
        if every is None:
            continue
        missing = [name for name in columns if name not in every]
        if missing:
            return Section(KEY, TITLE, missing=f"`{path}` lacks {', '.join(missing)}.")
        found = every.take(every.last_valid(every.keys))
        if len(found):
            tables[path] = found
    if not tables:
        asked = any(run.records(path) is not None for path, _ in _TABLES)
        return Section(KEY, TITLE, missing="There is no valid row to show.") if asked else None
    examples = list(_examples(run))
    pictures = [
        *(_bars(tables[MEASURES]) if MEASURES in tables else ()),
        *(_needle_pictures(tables[VIDEO_NEEDLES]) if VIDEO_NEEDLES in tables else ()),
        *_strips(examples),
    ]
    grids = [
        *([_measure_grid(tables[MEASURES])] if MEASURES in tables else []),
        *([_needle_grid(tables[VIDEO_NEEDLES])] if VIDEO_NEEDLES in tables else []),
        *([_caption_grid(examples)] if examples else []),
    ]
    return Section(
        KEY, TITLE,
        "Frames show cards with handwritten digits that training never saw. A caption counts word by word; frames that "
        "the model generates are read by a rule on their pixels, not by a network. The frame tokenizer loses a little "
        "of every frame: the ceiling is what the same rule reads from the right frames, encoded and decoded.",
        pictures, grids, data=_data(tables), findings=_findings(tables),
    )  # fmt: skip


# ---- models ----------------------------------------------------------------------------------------------------------


def held(rows: Table) -> list[str]:
    """Return the keys that vary and that the figures do not show: each of their values gets figures of its own."""
    others = [name for name in rows.varying(rows.keys) if name not in (*SHOWN, *POOLED, *FOLLOWING)]
    place = [name for name in (*SHOWN, *POOLED, *others) if name in rows]
    return [*others, *rows.colliding(place, [name for name in FOLLOWING if name in rows.keys])]


def _models(rows: Table) -> Iterator[tuple[str, Table]]:
    names = held(rows)
    for (stages, stage, trained, *_apart), part in rows.groups([*MODEL, *names]):
        parts = [str(stages) or "model", f"{formatting.ordinal(int(stage) + 1)} stage",
                 f"trained to {formatting.tokens(int(trained))} tokens"]
        yield ", ".join([*parts, *([describe(part.rows()[0], names)] * bool(names))]), part


def _suffix(index: int, count: int) -> str:
    return "" if count == 1 else f"-{index + 1}"


# ---- shares of right answers -----------------------------------------------------------------------------------------


def _bars(measures: Table) -> Iterator[Picture]:
    found = list(_models(measures.take(np.isin(measures["task"], list(TASKS)))))
    for index, (name, rows) in enumerate(found):
        png, width = _draw_bars(rows)
        yield Picture(
            f"evaluation-shares{_suffix(index, len(found))}", f"Right answers: {name}",
            "Whiskers are 95 % Wilson intervals. A dotted line is chance, a red one the ceiling that the frame "
            "tokenizer leaves. `every step`: the card goes a cell a frame in the asked direction; `net direction`: it "
            "has gone there in the end; `all`: everything at once. T is the temperature of the draws; 0 takes the "
            "likeliest code.",
            f"`hits`, `trials`, `chance`, `ceiling` by `task`, `measure` and `temperature` of `{MEASURES}`",
            png, width, "evaluation", is_folded=index > 1,
        )  # fmt: skip


def _draw_bars(rows: Table) -> tuple[bytes, int]:
    tasks = [task for task in TASKS if (rows["task"] == task).any()]
    columns = min(2, len(tasks))
    with drawing.style():
        figure, grid = drawing.panels(math.ceil(len(tasks) / columns), columns, width=3.6, height=1.9, sharey=True)
        temperatures: set[float] = set()
        for place, task in enumerate(tasks):
            axes = grid[place // columns, place % columns]
            of_task = rows.where(task=task)
            temperatures |= set(of_task.distinct("temperature")) if task.startswith("text_") else set()
            _task_bars(axes, of_task)
            axes.set_title(TASKS[task])
        for place in range(len(tasks), grid.size):
            grid[place // columns, place % columns].set_visible(False)
        for axes in grid[:, 0]:
            axes.set_ylabel("share of right answers")
        lines = [
            Line2D([], [], color=drawing.GREY, linestyle=":", label="chance"),
            Line2D([], [], color=drawing.LIMIT, label="ceiling"),
        ]
        shades = [
            Patch(color=_SHADES[place % len(_SHADES)], label=f"T = {temperature:g}")
            for place, temperature in enumerate(sorted(temperatures))
        ]
        drawing.legend(figure, lines, shades if len(shades) > 1 else [])
        return drawing.to_png(figure)


def _task_bars(axes: Axes, rows: Table) -> None:
    parts = [part for part in PARTS if (rows["measure"] == part).any()]
    temperatures = rows.distinct("temperature")
    for x, part in enumerate(parts):
        for place, temperature in enumerate(temperatures):
            of_bar = rows.where(measure=part, temperature=temperature)
            if len(of_bar):
                width = 0.8 / len(temperatures)
                _bar(axes, x - 0.4 + (place + 0.5) * width, 0.92 * width, total(of_bar), _SHADES[place % len(_SHADES)])
    axes.set_xticks(range(len(parts)), [part.replace("_", "\n") for part in parts])
    axes.set_ylim(0, 1.04)
    axes.grid(visible=False, axis="x")


def _bar(axes: Axes, x: float, width: float, share: Share, colour: str) -> None:
    low, high = wilson.interval(share.hits, share.trials)
    axes.bar(x, share.accuracy, width, color=colour)
    whiskers = [[max(0.0, share.accuracy - low)], [max(0.0, high - share.accuracy)]]
    axes.errorbar(x, share.accuracy, yerr=whiskers, color=drawing.INK, linewidth=0.9, capsize=2)
    ends = [x - width / 2, x + width / 2]
    axes.plot(ends, [share.chance] * 2, color=drawing.GREY, linestyle=":", linewidth=1.6)
    if not math.isnan(share.ceiling):
        axes.plot(ends, [share.ceiling] * 2, color=drawing.LIMIT, linewidth=1.4)


# ---- needles in videos -----------------------------------------------------------------------------------------------


def _needle_pictures(cells: Table) -> Iterator[Picture]:
    found = list(_models(cells))
    for index, (name, rows) in enumerate(found):
        single, several = rows.where(kind="single"), rows.where(kind="multi")
        if len(single):
            png, width, spots = _draw_heat_maps(single)
            yield Picture(
                f"evaluation-needles{_suffix(index, len(found))}", f"A digit in a video: {name}",
                "Each square is a length of the video, a frame a second, and the place of its only digit card; the "
                "number is the share of right answers. The row on top is the ceiling: what the rule on pixels reads "
                "from the same frames after the frame tokenizer. Right of the dashed line videos are longer than any "
                "context that the model was trained on.",
                f"`hits`, `trials`, `ceiling` over `frames` and `depth`, by `theta_mode`, of `{VIDEO_NEEDLES}`",
                png, width, "evaluation-needles", is_folded=index > 1, spots=spots,
            )  # fmt: skip
        if len(several):
            png, width = _draw_several(rows)
            yield Picture(
                f"evaluation-needles-several{_suffix(index, len(found))}", f"Several digits in a video: {name}",
                "N/R: so many digit cards of different colours in the video, so many asked for; 1/1 is the single one, "
                "over all places. Dotted: chance; red: the ceiling that the frame tokenizer leaves.",
                f"`hits`, `trials`, `chance`, `ceiling` over `frames`, by `needles_planted`, `needles_asked` and "
                f"`theta_mode`, of `{VIDEO_NEEDLES}`",
                png, width, "evaluation-needles", is_folded=index > 1,
            )  # fmt: skip


def _duration(frames: int) -> str:
    """Write frames, one a second, as people write time: 64 s, 17 min, 1 h."""
    if frames < 600:
        return f"{frames} s"
    return f"{frames / 60:.3g} min" if frames < 3600 else f"{frames / 3600:.3g} h"


def _draw_heat_maps(rows: Table) -> tuple[bytes, int, list[Spot]]:
    modes = rows.distinct("theta_mode")
    lengths = [int(value) for value in rows.distinct("frames")]
    depths = [float(value) for value in rows.distinct("depth")]
    with drawing.style():
        width = max(0.55 * len(lengths) + 2.6, 6.4 / len(modes)) / {1: 1.9, 2: 1.35}.get(len(modes), 1.0)
        figure, grid = drawing.panels(
            1, len(modes), width=width, height=(0.3 * (len(depths) + 1) + 1.0) / 1.25, sharey=True
        )
        marks: list[tuple[Axes, int, int, str]] = []
        for axes, mode in zip(grid[0], modes):
            of_mode = rows.where(theta_mode=mode)
            shares = np.full((len(depths) + 1, len(lengths)), math.nan)
            for (length,), part in of_mode.groups(["frames"]):
                at = lengths.index(length)
                shares[0, at] = total(part).ceiling
                marks.append((axes, at, 0, f"{_duration(length)}: ceiling {shares[0, at]:.2f}"))
            for (length, depth), part in of_mode.groups(["frames", "depth"]):
                place = depths.index(depth) + 1, lengths.index(length)
                shares[place] = total(part).accuracy
                marks.append((axes, place[1], place[0], f"{_duration(length)}, depth {depth:g}: {total(part).said()}"))
            axes.imshow(shares, cmap="viridis", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
            for row, column in np.argwhere(~np.isnan(shares)):
                value = shares[row, column]
                axes.text(
                    column, row, "1" if value == 1 else "0" if value == 0 else f"{value:.2f}"[1:], ha="center",
                    va="center", fontsize=8.0, color=drawing.INK if value > 0.55 else "white",
                )  # fmt: skip
            axes.axhline(0.5, color="white", linewidth=4)
            axes.set_xticks(range(len(lengths)), [_duration(length) for length in lengths])
            axes.grid(visible=False)
            axes.set_title(f"θ {mode}" if mode != "stage" else "θ as trained")
            _mark_trained(axes, of_mode, lengths)
        drawing.outer_labels(grid, "length of the video", "place of the digit")
        names = {0.0: "0 (start)", 1.0: "1 (end)"}
        grid[0, 0].set_yticks(
            range(len(depths) + 1), ["ceiling", *(names.get(depth, f"{depth:.3g}") for depth in depths)]
        )
        bar = figure.colorbar(
            ScalarMappable(Normalize(0, 1), "viridis"), ax=grid[0].tolist(), label="share of right answers",
            fraction=0.05, pad=0.02,
        )  # fmt: skip
        bar.ax.axhline(total(rows).ceiling, color=drawing.LIMIT, linewidth=2)
        bar.ax.axhline(total(rows).chance, color="white", linestyle=":", linewidth=2)
        png, css_width = drawing.to_png(figure)
        spots = [drawing.spot(axes, (x - 0.5, y - 0.5), (x + 0.5, y + 0.5), text) for axes, x, y, text in marks]
        return png, css_width, spots


def _mark_trained(axes: Axes, rows: Table, lengths: Sequence[int]) -> None:
    """Draw a line between the videos that fit a trained context and those that do not."""
    trained = int(rows["trained_context_length"][0])
    fits = {int(frames) for frames, tokens in zip(rows["frames"], rows["context_length"]) if tokens <= trained}
    inside = sum(length in fits for length in lengths)
    if 0 < inside < len(lengths):
        axes.axvline(inside - 0.5, color=drawing.LIMIT, linestyle=(0, (4, 2)), linewidth=1.6)


def _draw_several(rows: Table) -> tuple[bytes, int]:
    modes = rows.distinct("theta_mode")
    kinds = sorted(set(zip(rows["needles_planted"].tolist(), rows["needles_asked"].tolist())))
    lengths = [int(value) for value in rows.distinct("frames")]
    with drawing.style():
        figure, grid = drawing.panels(len(modes), 1, width=3.9, height=1.9, sharex=True, sharey=True)
        for axes, mode in zip(grid[:, 0], modes):
            for place, (planted, asked) in enumerate(kinds):
                for x, length in enumerate(lengths):
                    part = rows.where(theta_mode=mode, frames=length, needles_planted=planted, needles_asked=asked)
                    if len(part):
                        centre = x - 0.42 + (place + 0.5) / len(kinds) * 0.84
                        _bar(axes, centre, 0.78 / len(kinds), total(part), _SHADES[place % len(_SHADES)])
            axes.set_title(f"θ {mode}" if mode != "stage" else "θ as trained")
            axes.set_ylim(0, 1.04)
            axes.set_xticks(range(len(lengths)), [_duration(length) for length in lengths])
            axes.grid(visible=False, axis="x")
        drawing.outer_labels(grid, "length of the video", "share of right answers")
        drawing.legend(
            figure,
            [Patch(color=_SHADES[place % len(_SHADES)], label=f"{planted}/{asked}")
             for place, (planted, asked) in enumerate(kinds)],
        )  # fmt: skip
        return drawing.to_png(figure)


# ---- frames ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """One item with its frames, (frames, side, side, 3) bytes."""

    row: Row
    pixels: Column


def _examples(run: Run) -> Iterator[Example]:
    """Yield the examples of all files, those of the last stage of each list of stages."""
    for source in run.sources:
        table, pixels = source.table(EXAMPLES), source.numbers(EXAMPLE_FRAMES)
        if table is None or pixels is None or any(name not in table for name in EXAMPLE_COLUMNS):
            continue
        kept = table.take(table.last_valid(table.keys))
        for row in kept.take(kept["stage"] == kept["stage"].max()).rows() if len(kept) else ():
            shape = (int(row["frames"]), int(row["side"]), int(row["side"]), 3)
            first = int(row["first"])
            found = pixels[first : first + math.prod(shape)]
            if len(found) == math.prod(shape):
                yield Example(row, found.reshape(shape))


def _strips(examples: Sequence[Example]) -> Iterator[Picture]:
    for task, title, caption, columns in (
        ("round_trip", "Frames before and after the frame tokenizer",
         "Above each frame as it was painted, below it as the frame tokenizer gives it back; green where the rule on "
         "pixels still reads colour, digit and cell right.", 12),
        ("text_image", "Images of captions",
         "Generated from the captions below them, at the lowest temperature of the record; green where colour, digit "
         "and cell are right.", 8),
        ("text_video", "Clips of captions",
         "Three frames each, generated from the captions below them, at the lowest temperature; green where every "
         "frame shows the digit and its colour, a cell further in the asked direction.", 4),
    ):  # fmt: skip
        of_task = [example for example in examples if example.row["task"] == task]
        if of_task:
            coldest = min(example.row["temperature"] for example in of_task)
            shown = [example for example in of_task if example.row["temperature"] == coldest][: 2 * columns]
            png, width = _draw_strip(shown, columns, stacked=task == "round_trip")
            yield Picture(
                f"evaluation-{task.replace('_', '-')}", title, caption,
                f"`{EXAMPLE_FRAMES}` of the rows of `{EXAMPLES}` where `task` is {task}", png, width,
                "evaluation-captions",
            )  # fmt: skip


def _draw_strip(examples: Sequence[Example], columns: int, *, stacked: bool) -> tuple[bytes, int]:
    """Draw the frames of each example above one another, or side by side, with what was asked below them."""
    columns = min(columns, len(examples))
    rows = math.ceil(len(examples) / columns)
    with drawing.style():
        tall = 2.0 if stacked else 1.0 / (len(examples[0].pixels))
        cell = 9.2 / max(columns, 3)
        figure, grid = drawing.panels(rows, columns, width=cell / {1: 1.9, 2: 1.35}.get(columns, 1.0), height=1.0)
        figure.set_size_inches(cell * columns, rows * (cell * tall + (0.18 if stacked else 0.36)) + 0.1)
        for place in range(grid.size):
            axes = grid[place // columns, place % columns]
            axes.set_xticks([])
            axes.set_yticks([])
            axes.grid(visible=False)
            if place >= len(examples):
                axes.set_visible(False)
                continue
            example = examples[place]
            side = example.pixels.shape[1]
            gap = np.full((1, side, 3) if stacked else (side, 1, 3), 255, dtype=np.uint8)
            parts = [part for frame in example.pixels for part in (frame, gap)][:-1]
            axes.imshow(np.concatenate(parts, axis=0 if stacked else 1), interpolation="nearest")
            for spine in axes.spines.values():
                spine.set(visible=True, color=_RIGHT if example.row["is_right"] else _WRONG, linewidth=2.0)
            if not stacked:
                axes.set_xlabel(_wrapped(str(example.row["asked"])), fontsize=7.0, labelpad=3)
        return drawing.to_png(figure)


def _wrapped(text: str) -> str:
    words = text.split()
    half = (len(words) + 1) // 2
    return " ".join(words[:half]) + "\n" + " ".join(words[half:])


# ---- numbers and words -----------------------------------------------------------------------------------------------


def _measure_grid(measures: Table) -> Grid:
    lines = []
    for name, rows in _models(measures):
        for (task, temperature, part), of_line in rows.groups(["task", "temperature", "measure"]):
            share = total(of_line)
            lines.append([name, task, temperature, part, share.hits, share.trials, share.accuracy,
                          *wilson.interval(share.hits, share.trials), share.chance, share.ceiling])  # fmt: skip
    meanings = {
        "task": "original and round_trip: the rule on pixels, on clean frames and on decoded ones",
        "low": "lower end of the 95 % Wilson interval", "high": "upper end of the 95 % Wilson interval",
        "chance": measures.meanings.get("chance", ""), "ceiling": measures.meanings.get("ceiling", ""),
    }  # fmt: skip
    columns = ("model", "task", "temperature", "part", "hits", "trials", "accuracy", "low", "high", "chance", "ceiling")
    return Grid("Right answers", columns, lines, meanings=meanings)


def _needle_grid(cells: Table) -> Grid:
    lines = []
    for name, rows in _models(cells):
        for (mode, frames, planted, asked), part in rows.groups(
            ["theta_mode", "frames", "needles_planted", "needles_asked"]
        ):
            share = total(part)
            lines.append([name, mode, int(frames), int(part["context_length"].max()), f"{planted}/{asked}", share.hits,
                          share.trials, share.accuracy, share.ceiling, float(np.median(part["tokens_per_second"])),
                          int(part["peak_bytes"].max()), int(part["planned_bytes"].max())])  # fmt: skip
    columns = ("model", "theta", "frames", "context length", "needles", "hits", "trials", "accuracy", "ceiling",
               "speed", "peak memory", "planned memory")  # fmt: skip
    units = {
        "frames": "frame",
        "context length": "token",
        "speed": "token/s",
        "peak memory": "B",
        "planned memory": "B",
    }
    return Grid("Digits in videos", columns, lines, units, caption="Places are added up; speed is the median of cells.")


def _caption_grid(examples: Sequence[Example]) -> Grid:
    """List the first items of each kind; rows with a wrong answer are marked."""
    first = 12
    shown = [
        example.row for example in examples if example.row["task"] != "round_trip" and example.row["number"] < first
    ]
    lines = [
        [row["task"], row["temperature"], row["number"], row["asked"], row["answered"],
         "right" if row["is_right"] else "wrong"]
        for row in shown
    ]  # fmt: skip
    return Grid(
        "Asked and answered", ("task", "temperature", "item", "asked", "answered", "verdict"), lines,
        meanings={"answered": "the model's caption, or what the rule on pixels reads from the generated frames"},
        caption=f"The first {first} items of each kind, as they come.",
        marked=frozenset(index for index, row in enumerate(shown) if not row["is_right"]),
    )  # fmt: skip


def _data(tables: dict[str, Table]) -> list[DataSet]:
    names = {MEASURES: "evaluation", VIDEO_NEEDLES: "evaluation-needles", EXAMPLES: "evaluation-captions",
             HELD_OUT_TEXT: "evaluation-text", ROUND_TRIP: "evaluation-round-trip"}  # fmt: skip
    found = []
    for path, rows in tables.items():
        columns = [name for name in rows.names if name not in ("valid", "reason")]
        found.append(DataSet(names[path], columns, [[row[name] for name in columns] for row in rows.rows()]))
    return found


def _findings(tables: dict[str, Table]) -> list[Finding]:
    findings = []
    for name, rows in _models(tables[MEASURES]) if MEASURES in tables else ():
        for task, part in (("image_text", "digit"), ("text_image", "all"), ("text_video", "every_step")):
            found = rows.where(task=task, measure=part)
            if len(found):
                coldest = found.where(temperature=found["temperature"].min())
                what = "" if part == "all" else f" ({part.replace('_', ' ')})"
                findings.append(Finding(f"{name}: {TASKS[task]}{what}: **{total(coldest).said()}**."))
    for name, rows in _models(tables[VIDEO_NEEDLES]) if VIDEO_NEEDLES in tables else ():
        longest = rows.where(frames=rows["frames"].max())
        text = f"{name}: digits in videos of {_duration(int(longest['frames'][0]))}: **{total(longest).said()}**."
        findings.append(Finding(text))
    for name, rows in _models(tables[HELD_OUT_TEXT]) if HELD_OUT_TEXT in tables else ():
        nll = float(np.average(rows["nll"], weights=rows["tokens"]))
        findings.append(Finding(f"{name}: held-out text: **{nll:.2f} nat a token**."))
    for name, rows in _models(tables[ROUND_TRIP]) if ROUND_TRIP in tables else ():
        row = rows.rows()[-1]
        findings.append(
            Finding(f"{name}: frame tokenizer: **{row['psnr']:.1f} dB**, {row['codes_used']} of {row['codebook_size']} "
                    f"codes used in {row['frames']} frames.")
        )  # fmt: skip
    return findings
