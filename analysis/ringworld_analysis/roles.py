"""What the columns of a table are for. A record says so itself, in the attribute `roles` of each table.

`key` columns name the point that a row is about: rows that agree in all of them measured the same thing, and rows that
differ in one of them did not. Nothing else in this package decides which rows are the same. `measure` is what was
measured, `model` what follows from the keys by a formula, `verdict` whether the row is to be believed, `origin` where
it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

KEY = "key"

#: What is said of a record whose tables have no roles.
OLD_FORMAT = "written before tables told which columns are keys: its points are told apart by the keys of that time"

#: Key columns of tables that were written before tables had the attribute `roles`. That format is closed: a column that
#: is added to the program carries its role in the file and is never added here.
KEYS_BEFORE_ROLES: Mapping[str, tuple[str, ...]] = {
    "/attention": (
        "context_length", "ranks", "layout", "backend", "transport", "dtype", "wire_dtype", "heads", "kv_heads",
        "head_size", "batch", "causal", "pass", "backward_rotation", "threads", "polling", "seed",
    ),
    "/overlap/hops": ("attention_row", "rank", "hop", "polling"),
    "/samples": ("attention_row", "repeat", "rank"),
    "/training/steps": ("stages", "stage", "step", "context_length", "rope_theta", "ranks", "seed"),
    "/training/stages": (
        "stages", "stage", "context_length", "rope_theta", "steps", "batch", "mesh", "ranks", "layout", "backend",
        "transport", "dtype", "recompute", "learning_rate", "seed",
    ),
    "/needle/cells": (
        "stages", "stage", "context_length", "rope_theta", "theta_mode", "kind", "depth", "needles_planted",
        "needles_asked", "contexts", "ranks", "layout", "backend", "dtype", "decoding", "training_seed", "seed",
        "checkpoint_digest",
    ),
    "/needle/perplexity": (
        "stages", "stage", "context_length", "rope_theta", "theta_mode", "position_begin", "position_end", "contexts",
        "ranks", "layout", "backend", "training_seed", "seed", "checkpoint_digest",
    ),
}  # fmt: skip


def before_roles(path: str, columns: Iterable[str]) -> dict[str, str]:
    """Return the roles of a table that does not tell them: its key columns, by the list of the old format."""
    known = KEYS_BEFORE_ROLES.get(path, ())
    return {name: KEY for name in columns if name in known}
