"""Records of training and needles made up for the tests, with the columns that the C++ row types declare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from synthetic import RING, RowType, row_types, write_provenance, write_table

SOURCES = Path(__file__).resolve().parents[2] / "src"
Row = dict[str, Any]


def language_row_types() -> dict[str, RowType]:
    """Read the row types of training and needles, by HDF5 path."""
    return {**row_types(SOURCES / "train" / "rows.hpp"), **row_types(SOURCES / "tasks" / "needle" / "rows.hpp")}


def step_rows(
    schedule: str = "progressive", stages: tuple[int, ...] = (64, 256, 1024, 2048), steps: int = 60, seed: int = 2,
    reaches: float = 0.97,
) -> list[Row]:  # fmt: skip
    """Return steps whose loss falls within each stage and jumps where the next begins."""
    rng = np.random.default_rng(seed)
    rows = []
    elapsed = 0.0
    for stage, length in enumerate(stages):
        for step in range(steps):
            speed = 60e3 / (1 + length / 1500) * float(rng.normal(1, 0.03))
            tokens = max(length, 2048)
            done = (step + 1) / steps if stage == 0 else 0.8 + 0.2 * (step + 1) / steps
            accuracy = float(np.clip(reaches * done + rng.normal(0, 0.01), 0, 1))
            answer = 4.6 * (1 - accuracy) + 0.1
            elapsed += tokens / speed
            rows.append(
                {
                    "stages": schedule, "stage": stage, "step": step, "context_length": length,
                    "rope_theta": 8.0 * length, "loss": answer + 0.35, "grad_norm": 0.8, "learning_rate": 4e-3,
                    "step_time": tokens / speed, "elapsed": elapsed, "tokens": tokens, "tokens_per_second": speed,
                    "flop_causal": tokens * (1.3e6 + 896.0 * length), "mfu_measured_peak": 0.4,
                    "attention_time": 0.3 * tokens / speed, "product_time": 0.4 * tokens / speed,
                    "elementwise_time": 0.2 * tokens / speed, "communication_time": 0.0, "idle_time": 0.0, "ranks": 2,
                    "seed": seed, "valid": True, "reason": "", "run": 0,
                }
            )  # fmt: skip
    return rows


def accuracy_of(step: Row) -> float:
    """Return the share of right answers that a step's loss was made from."""
    return float(1 - (step["loss"] - 0.45) / 4.6)


def term_rows(steps: list[Row]) -> list[Row]:
    """Return the terms of the steps' losses: answers, and a tenth of the text."""
    rows = []
    for step in steps:
        common = {name: step[name] for name in ("stages", "stage", "step", "ranks", "seed", "valid", "run")}
        answer = {"term": "answer", "loss": step["loss"] - 0.35, "accuracy": accuracy_of(step), "tokens": 64}
        text = {"term": "text", "loss": 3.5, "accuracy": 0.3, "tokens": 512}
        rows += [{**common, **answer, "weight": 1.0}, {**common, **text, "weight": 0.1}]
    return rows


def stage_rows(steps: list[Row]) -> list[Row]:
    """Return the stages that the steps belong to."""
    rows = []
    for key in sorted({(row["stages"], row["seed"], row["stage"]) for row in steps}):
        part = [row for row in steps if (row["stages"], row["seed"], row["stage"]) == key]
        last = part[-1]
        tokens, seconds = sum(row["tokens"] for row in part), sum(row["step_time"] for row in part)
        rows.append(
            {
                "stages": key[0], "stage": key[2], "context_length": last["context_length"],
                "tokens_per_rank": last["context_length"] // 2, "rope_theta": last["rope_theta"], "steps": len(part),
                "batch": last["tokens"] // last["context_length"], "tokens": tokens, "mesh": "1,1,1,2", "ranks": 2,
                **RING, "layout": "zigzag", "backend": "host",
                "transport": "", "dtype": "float32", "recompute": "none",
                "learning_rate": 4e-3, "seconds": seconds, "reshard_seconds": 0.01, "checkpoint_seconds": 0.02,
                "tokens_per_second": tokens / seconds, "flop_causal": sum(row["flop_causal"] for row in part),
                "flop_full": 2.0, "mfu_measured_peak": 0.4, "attention_share": 0.3, "product_share": 0.4,
                "elementwise_share": 0.2, "communication_share": 0.0, "idle_share": 0.0,
                "parameters": 217_984, "peak_bytes": 1 << 24,
                "peak_bytes_model": 1 << 24, "final_loss": last["loss"], "first_term": "answer",
                "final_accuracy": accuracy_of(last), "seed": key[1], "valid": True, "reason": "", "run": 0,
            }
        )  # fmt: skip
    return rows


def cell(length: int, hits: int, trials: int = 40, **values: Any) -> Row:
    """Return one cell, by default of a single needle at depth 0.5."""
    theta_mode = values.get("theta_mode", "stage")
    row = {
        "stages": "progressive", "stage": 3, "context_length": length, "trained_context_length": 2048,
        "rope_theta": 8.0 * (length if theta_mode == "scaled" and length > 2048 else 2048), "theta_mode": theta_mode,
        "rope_scaling": "model",
        "kind": "single", "depth": 0.5, "needles_planted": 1, "needles_asked": 1, "contexts": trials, "hits": hits,
        "trials": trials, "wrong_needle": 0, "wilson_low": 0.0, "wilson_high": 1.0, "seconds": 1.5,
        "tokens_per_second": trials * length / 1.5, "ranks": 2,
        **RING, "layout": "zigzag", "backend": "host",
        "dtype": "float32", "decoding": "one_pass", "training_seed": 2, "seed": 1, "checkpoint": "model.h5",
        "checkpoint_digest": "0123456789abcdef", "valid": True, "reason": "", "run": 0,
    }  # fmt: skip
    return {**row, **values}


def cell_rows(
    lengths: tuple[int, ...] = (256, 512, 1024, 2048, 4096, 8192), schedule: str = "progressive", seed: int = 2,
    ability: float = 1.0,
) -> list[Row]:  # fmt: skip
    """Return a grid of single needles and some of several, at the trained theta and at a scaled one."""
    rng = np.random.default_rng(seed)
    rows = []
    common: Row = {"stages": schedule, "training_seed": seed, "checkpoint_digest": f"{schedule}-{seed}"}
    for mode in ("stage", "scaled"):
        for length in lengths:
            over = max(0.0, np.log2(length / 2048)) * (0.4 if mode == "stage" else 0.08)
            for depth in (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0):
                share = float(np.clip(ability * (0.985 - over * (1.4 - depth)), 0, 1))
                hits = int(rng.binomial(40, share))
                rows.append(cell(length, hits, depth=depth, theta_mode=mode, **common))
            for planted, asked in ((4, 4), (8, 4), (16, 8)):
                share = float(np.clip(ability * (0.97 - 0.008 * planted - over), 0, 1))
                trials = 25 * asked
                hits = int(rng.binomial(trials, share))
                wrong = int(rng.binomial(trials - hits, 0.6))
                rows.append(
                    cell(length, hits, trials, kind="multi", depth=float("nan"), needles_planted=planted,
                         needles_asked=asked, contexts=25, wrong_needle=wrong, theta_mode=mode, **common)
                )  # fmt: skip
    return rows


def perplexity_rows(length: int = 2048) -> list[Row]:
    """Return an nll that falls with the position."""
    names = language_row_types()["/needle/perplexity"].columns
    whole = cell(length, 0)
    rows = []
    begin = 1
    while begin < length:
        nll = 5.2 - 0.12 * float(np.log2(begin))
        row = {**whole, "position_begin": begin, "position_end": 2 * begin, "tokens": 30 * begin, "nll": nll,
               "perplexity": float(np.exp(nll))}  # fmt: skip
        rows.append({name: row[name] for name in names if name in row})
        begin *= 2
    return rows


def write_record(path: Path, kinds: dict[str, RowType] | None = None, **tables: list[Row]) -> Path:
    """Write a record; tables by the last word of their path: steps, terms, stages, cells, perplexity.

    :param kinds: row types that replace those of the program, by path
    """
    kinds = {**language_row_types(), **(kinds or {})}
    with h5py.File(path, "w") as file:
        for name, rows in tables.items():
            (kind,) = (kind for place, kind in kinds.items() if place.endswith(f"/{name}"))
            write_table(file, kind, rows)
        write_provenance(file, 2, 2)
    return path


def typical_language(path: Path) -> Path:
    """Write a record with all that the sections of training and needles show."""
    steps = [*step_rows(), *step_rows("direct", (2048,), 90, reaches=0.05)]
    cells = [*cell_rows(), *cell_rows(schedule="direct", ability=0.02)]
    return write_record(
        path, steps=steps, terms=term_rows(steps), stages=stage_rows(steps), cells=cells, perplexity=perplexity_rows()
    )
