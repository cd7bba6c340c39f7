"""Stages of training on simulated ranks: hours by mesh and assumption, beside those that LWM published."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from ringworld_analysis import formatting
from ringworld_analysis.content import DataSet, Finding, Grid, Section
from ringworld_analysis.reading import SIMULATED_STEPS
from ringworld_analysis.run import Run
from ringworld_analysis.table import Row, Table

KEY, TITLE = "simulated-stages", "Stages on simulated ranks"

COLUMNS = ("stages", "stage", "context_length", "mesh", "micro_batch", "ranks", "layout", "schedule", "ulysses",
           "head_groups", "recompute", "rates", "platform",
           "layers", "layers_simulated", "step_time", "stage_seconds", "attention_time", "communication_time",
           "idle_time", "mfu_causal", "mfu_full", "valid")  # fmt: skip
#: Hours of LWM's stages, by list of stages and ranks, then by context length.
#: Source: Liu et al., arXiv:2402.08268, tables of training stages. Those of 1M text are from the text; the others are
#: from a transcription and were not checked against the paper.
PUBLISHED_HOURS: dict[tuple[str, int], dict[int, float]] = {
    ("lwm_text", 256): {32768: 8, 131072: 45, 262144: 83, 524288: 47, 1048576: 58},
    ("lwm_vision", 512): {1024: 83, 8192: 32, 32768: 10, 131072: 6, 1048576: 8},
}
#: Keys that the table names beside the mesh where they vary.
ASSUMPTIONS = ("rates", "platform", "layout", "schedule", "ulysses", "head_groups", "recompute")


def section(run: Run) -> Section | None:
    """Build the section."""
    every = run.records(SIMULATED_STEPS)
    if every is None:
        return None
    missing = [name for name in COLUMNS if name not in every]
    if missing:
        return Section(KEY, TITLE, missing=f"`{SIMULATED_STEPS}` lacks {', '.join(missing)}.")
    rows = every.take(every.last_valid(every.keys))
    if not len(rows):
        return Section(KEY, TITLE, missing="There is no valid row to show.")
    return Section(
        KEY, TITLE,
        "**Simulated, not measured.** The program runs its own steps, with all messages, on simulated ranks; kernels "
        "take the time that rates say, links are shared fairly, and nothing is noisy. So hours are a bound for a "
        "machine under the assumptions of each line. Steps with a few layers are simulated and extrapolated to all: "
        "a layer adds the same time each. Published hours are of the machine as it was, with other software.",
        grids=[_grid(rows)], data=[_data(rows)], findings=list(_findings(rows)),
    )  # fmt: skip


def published_hours(row: Row) -> float:
    """Return the hours that LWM published for a stage on so many chips; not a number where it did not."""
    of_list = PUBLISHED_HOURS.get((str(row["stages"]), int(row["ranks"])), {})
    # On another machine the hours say nothing.
    is_theirs = str(row["platform"]).startswith("tpu_v4")
    return of_list.get(int(row["context_length"]), math.nan) if is_theirs else math.nan


def assumption(row: Row, names: list[str]) -> str:
    """Return what a row assumes, in the columns that vary."""
    return ", ".join(f"{name} {row[name]}" if name in ("ulysses", "head_groups") else str(row[name]) for name in names)


def _grid(rows: Table) -> Grid:
    names = [name for name in ASSUMPTIONS if name in ("rates", "platform") or len(rows.distinct(name)) > 1]
    lines = []
    for row in rows.rows():
        hours, published = float(row["stage_seconds"]) / 3600, published_hours(row)
        step = float(row["step_time"])
        lines.append(
            [row["stages"], int(row["context_length"]), int(row["ranks"]), row["mesh"], assumption(row, names), step,
             float(row["attention_time"]) / step, float(row["communication_time"] + row["idle_time"]) / step,
             float(row["mfu_full"]), hours, published, hours / published]
        )  # fmt: skip
    return Grid(
        "Hours of each stage",
        ("stages", "context", "ranks", "mesh", ", ".join(names), "step", "in attention", "waiting", "MFU", "hours",
         "published", "ratio"),
        lines, {"context": "token", "step": "s"},
        {"waiting": "share of the step in which a rank waits for others: communication_time and idle_time",
         "in attention": "share of the step in attention and the hops of its ring",
         "MFU": "all (query, key) pairs counted, of the devices' rated peak, without recomputation: mfu_full",
         "published": "hours in LWM's tables for as many TPU v4 chips, where it published some",
         "ratio": "simulated / published hours"},
    )  # fmt: skip


def _data(rows: Table) -> DataSet:
    names = [name for name in rows.names if name not in ("valid", "reason")]
    return DataSet("simulated_stages", [*names, "published_hours"],
                   [[*(row[name] for name in names), published_hours(row)] for row in rows.rows()])  # fmt: skip


def _findings(rows: Table) -> Iterator[Finding]:
    """Yield the hours of each list of stages; of alternatives of a stage the fastest counts."""
    for (file, stages, ranks, platform), part in rows.groups(["file", "stages", "ranks", "platform"]):
        fastest: dict[int, Row] = {}
        for row in part.rows():
            length = int(row["context_length"])
            if length not in fastest or row["stage_seconds"] < fastest[length]["stage_seconds"]:
                fastest[length] = row
        hours = sum(float(row["stage_seconds"]) for row in fastest.values()) / 3600
        known = [(float(row["stage_seconds"]) / 3600, published_hours(row)) for row in fastest.values()]
        known = [(ours, theirs) for ours, theirs in known if not math.isnan(theirs)]
        beside = (
            f"; of {formatting.counted(len(known), 'stage')} with published hours, "
            f"{sum(ours for ours, _ in known):.1f} against {sum(theirs for _, theirs in known):.0f}"
            if known
            else ""
        )
        choice = ", the fastest line of each stage added up" if len(part) > len(fastest) else ""
        yield Finding(
            f"{Path(str(file)).name}: {stages} on {ranks} simulated ranks of {platform}: **{hours:.1f} hours**{choice}"
            f"{beside}."
        )
