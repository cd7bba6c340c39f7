"""Training of a VQGAN: its loss, and what held-out frames look like through it as it learns."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.lines import Line2D

from ringworld_analysis import drawing, formatting
from ringworld_analysis.content import DataSet, Finding, Grid, Picture, Section
from ringworld_analysis.reading import VQGAN_HELD_OUT, VQGAN_STEPS
from ringworld_analysis.run import Run, describe
from ringworld_analysis.sections.training import smooth
from ringworld_analysis.table import Table

KEY, TITLE = "vqgan", "Training of the frame tokenizer"

STEP_COLUMNS = ("step", "is_quantized", "loss", "elapsed", "seed", "valid")
HELD_OUT_COLUMNS = ("step", "frames", "codes_per_frame", "codebook_size", "parameters", "psnr", "codes_used",
                    "perplexity", "training_seconds", "frames_per_second", "seed", "valid")  # fmt: skip
_COLOURS = ("#004488", "#bb5566", "#ddaa33", "#44aa99", "#882255")


@dataclass(frozen=True)
class Training:
    """The steps of one training run, and how it did on held-out frames."""

    name: str
    colour: str
    steps: Table | None
    held_out: Table | None


def section(run: Run) -> Section | None:
    """Build the section."""
    steps, held_out = run.records(VQGAN_STEPS), run.records(VQGAN_HELD_OUT)
    for table, columns, path in ((steps, STEP_COLUMNS, VQGAN_STEPS), (held_out, HELD_OUT_COLUMNS, VQGAN_HELD_OUT)):
        missing = [name for name in columns if table is not None and name not in table]
        if missing:
            return Section(KEY, TITLE, missing=f"`{path}` lacks {', '.join(missing)}.")
    if steps is None and held_out is None:
        return None
    tables = [_last_valid(table) for table in (steps, held_out)]
    found = trainings(*tables)
    if not found:
        return Section(KEY, TITLE, missing="There is no valid step to plot.")
    return Section(
        KEY, TITLE,
        "A VQGAN learns to write a frame as a few codes of a codebook, and to paint the frame from them. Its codes are "
        "the vision tokens of a world model, which can tell apart no more than they hold.",
        [_picture(found)], [_grid(tables[1])] if tables[1] is not None else [],
        [DataSet(name, table.names, [list(row.values()) for row in table.rows()])
         for name, table in zip((KEY, f"{KEY}-held-out"), tables) if table is not None],
        [_finding(training) for training in found if training.held_out is not None],
    )  # fmt: skip


def _last_valid(table: Table | None) -> Table | None:
    return None if table is None else table.take(table.last_valid(("file", *table.keys)))


def trainings(steps: Table | None, held_out: Table | None) -> list[Training]:
    """Part the rows into training runs: by file, and by every key but the step in which rows differ."""
    tables = [table for table in (steps, held_out) if table is not None and len(table)]
    names = [name for name in ("file", "seed", "training_digest") if all(name in table for table in tables)]
    parts: list[dict[tuple[object, ...], Table]] = [
        {} if table is None else dict(table.groups(names)) for table in (steps, held_out)
    ]
    keys = list(dict.fromkeys([*parts[0], *parts[1]]))
    apart = [name for place, name in enumerate(names) if len({key[place] for key in keys}) > 1]
    found = []
    for index, key in enumerate(keys):
        words = describe(dict(zip(names, key)), apart) or "VQGAN"
        found.append(Training(words, _COLOURS[index % len(_COLOURS)], parts[0].get(key), parts[1].get(key)))
    return found


def _picture(found: list[Training]) -> Picture:
    with drawing.style():
        figure, grid = drawing.panels(3, 1, width=3.95, height=1.6, sharex=True)
        loss, psnr, codes = grid[:, 0]
        for training in found:
            colour = training.colour
            if training.steps is not None:
                rows = training.steps
                loss.plot(rows["step"], rows["loss"], color=colour, linewidth=0.5, alpha=0.35)
                loss.plot(rows["step"], smooth(rows["loss"], rows["is_quantized"]), color=colour, linewidth=1.7)
            if training.held_out is not None:
                rows = training.held_out
                psnr.plot(rows["step"], rows["psnr"], color=colour, marker="o")
                codes.plot(rows["step"], rows["codes_used"], color=colour, marker="o")
                codes.plot(rows["step"], rows["perplexity"], color=colour, linestyle=(0, (4, 3)))
        loss.set_ylabel("loss (1)")
        loss.set_yscale("log")
        psnr.set_ylabel("held-out frames (dB)")
        codes.set_ylabel("codes")
        codes.set_ylim(bottom=0)
        codes.set_xlabel("optimiser step")
        kinds = [Line2D([], [], color=drawing.INK, marker="o", label="codes used, loss: running mean"),
                 Line2D([], [], color=drawing.INK, linestyle=(0, (4, 3)), label="equally likely codes")]  # fmt: skip
        runs = [Line2D([], [], color=training.colour, label=training.name) for training in found if len(found) > 1]
        drawing.legend(figure, kinds, *([runs] if runs else []))
        png, width = drawing.to_png(figure)
    return Picture(
        KEY, "Loss, held-out frames and codes in use",
        "Top: the loss of single steps and its running mean; it jumps where the quantiser joins. Middle: held-out "
        "frames after encoding and decoding, against the originals; each 6 dB more halves the error. Bottom: codes "
        "that held-out frames use; codes that nothing uses are lost capacity.",
        f"`loss` of `{VQGAN_STEPS}`; `psnr`, `codes_used`, `perplexity` of `{VQGAN_HELD_OUT}`, over `step`",
        png, width, KEY,
    )  # fmt: skip


def _grid(held_out: Table) -> Grid:
    names = [name for name in HELD_OUT_COLUMNS if name != "valid"]
    rows = [[row[name] for name in names] for row in held_out.rows()]
    return Grid("Held-out frames", names, rows, held_out.units, held_out.meanings, f"From `{VQGAN_HELD_OUT}`.")


def _finding(training: Training) -> Finding:
    assert training.held_out is not None
    last = training.held_out.rows()[-1]
    codes = (
        f", {last['codes_used']} of {last['codebook_size']} codes used"
        if last["codes_used"]
        else ", not yet quantised"
    )
    return Finding(
        f"{training.name} of {formatting.si(float(last['parameters']), 'parameter')}, "
        f"{last['codes_per_frame']} codes a frame, after {formatting.counted(int(last['step']), 'step')}: "
        f"{last['frames']} held-out frames at **{last['psnr']:.1f} dB**{codes}."
    )
