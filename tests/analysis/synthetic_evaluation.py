"""Records of evaluated world models made up for the tests, with the columns that results/SCHEMA.md lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from synthetic import RING, RowType, schema_row_types, write_provenance, write_table

Row = dict[str, Any]
SIDE = 8
MODEL: Row = {
    "stages": "world", "stage": 3, "trained_context_length": 400, "training_seed": 2, "split": "evaluation", "seed": 1,
    "ranks": 2, "mesh": "1,1,1,2", **RING, "layout": "zigzag", "backend": "host", "dtype": "float32",
    "threads": 1, "checkpoint": "world.h5", "checkpoint_digest": "0123456789abcdef", "frame_tokenizer": "vqgan.h5",
    "frame_tokenizer_digest": "fedcba9876543210", "cards_digest": "00ff", "valid": True, "outcome": "ok",
}  # fmt: skip


def evaluation_row_types() -> dict[str, RowType]:
    """Return the row types of the tables under /evaluation."""
    return {path: kind for path, kind in schema_row_types().items() if path.startswith("/evaluation/")}


def measure(task: str, part: str, hits: int, trials: int = 100, **values: Any) -> Row:
    """Return one share of right answers."""
    return {
        **MODEL, "task": task, "measure": part, "items": trials, "guidance": 1.0, "hits": hits, "trials": trials,
        "rope_theta": 2496.0, "chance": 0.1, "ceiling": 0.9, **values,
    }  # fmt: skip


def needle(frames: int, hits: int, trials: int = 40, **values: Any) -> Row:
    """Return one cell, by default of a single digit in the middle."""
    return {
        **MODEL, "frames": frames, "context_length": 17 * frames + 9, "rope_theta": 2496.0, "theta_mode": "stage",
        "kind": "single", "depth": 0.5, "needles_planted": 1, "needles_asked": 1, "videos": trials, "hits": hits,
        "trials": trials, "chance": 0.1, "ceiling": 0.875, "seconds": 2.0, "tokens_per_second": 5000.0,
        "peak_bytes": 3 << 20, "planned_bytes": 3 << 20, **values,
    }  # fmt: skip


def example(task: str, number: int, frames: int, first: int, **values: Any) -> Row:
    """Return one item whose frames begin at `first`."""
    return {
        **MODEL, "task": task, "number": number, "guidance": 1.0, "asked": "red seven top left",
        "answered": "red seven top left", "is_right": True, "side": SIDE, "frames": frames, "first": first, **values,
    }  # fmt: skip


def write_record(path: Path, pixels: np.ndarray[Any, Any] | None = None, **tables: list[Row]) -> Path:
    """Write a record; tables by the last word of their path."""
    kinds = evaluation_row_types()
    with h5py.File(path, "w") as file:
        for name, rows in tables.items():
            write_table(file, kinds[f"/evaluation/{name}"], rows)
        if pixels is not None:
            file["/evaluation/frames"] = pixels.astype(np.uint8)
        write_provenance(file, 2, 2)
    return path


def typical_evaluation(path: Path) -> Path:
    """Write a record with all that the section shows."""
    measures = [
        *(measure("image_text", part, hits) for part, hits in (("colour", 100), ("digit", 81), ("all", 80))),
        *(measure("text_image", part, hits, temperature=heat)
          for heat in (0.0, 0.5) for part, hits in (("digit", 88), ("all", 87))),
        *(measure("text_video", part, hits) for part, hits in (("every_step", 84), ("all", 61))),
        measure("original", "digit", 98, ceiling=float("nan")),
    ]  # fmt: skip
    needles = [
        *(needle(frames, 30, depth=depth, theta_mode=mode, rope_theta=theta)
          for frames in (8, 64) for depth in (0.0, 0.5, 1.0)
          for mode, theta in (("stage", 2496.0), ("scaled", 2496.0 * frames))),
        *(needle(frames, 120, 160, kind="multi", depth=float("nan"), needles_planted=4, needles_asked=4)
          for frames in (8, 3600)),
    ]  # fmt: skip
    frames_of = {"round_trip": 2, "text_image": 1, "text_video": 3, "image_text": 1}
    examples, count = [], 0
    for task, frames in frames_of.items():
        for number in range(5):
            examples.append(
                example(task, number, frames, count, is_right=number != 2,
                        answered="red seven top left" if number != 2 else "red one top left")
            )  # fmt: skip
            count += frames * SIDE * SIDE * 3
    text = {**MODEL, "windows": 64, "context_length": 48, "rope_theta": 2496.0, "tokens": 3008, "nll": 3.8125}
    trip = {**MODEL, "frames": 300, "psnr": 26.75, "codes_used": 237, "codebook_size": 256, "code_perplexity": 119.8}
    pixels = np.random.default_rng(1).integers(0, 256, count)
    return write_record(
        path, pixels, measures=measures, needles=needles, examples=examples, text=[text], round_trip=[trip]
    )
