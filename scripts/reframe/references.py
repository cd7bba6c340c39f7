"""What each system reaches: figure of merit -> (value, lower, upper, unit), limits as fractions of the value.

A new system runs once with `generic`'s open limits, and its own numbers are then entered here. "Too fast" fails as well: less
was computed, or the reference is old.
"""

from __future__ import annotations

Reference = dict[str, tuple[float, float | None, float | None, str]]

REFERENCES: dict[str, dict[str, Reference]] = {
    "attention": {"generic": {"attention_rate": (1e9, None, None, "FLOP/s")}},
    "train": {"generic": {"train_rate": (1e3, None, None, "token/s"), "train_loss": (7.0, None, 0.5, "nat")}},
}
