"""Tables of rates for simulated kernels, made of the published figures of attention kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ringworld_analysis.claims.manifest import Manifest
from ringworld_analysis.claims.points import is_number
from ringworld_analysis.errors import InputError

FOLDER = "rates"
"""Folder of the tables, beside the manifests."""


@dataclass(frozen=True)
class Choice:
    """Which rows of `flash_kernels` make one table."""

    source: str
    method: str
    passes: tuple[str, ...]


TABLES = {
    "a100_fa2": Choice("fa2_a100", "FA2", ("forward", "backward")),
    "h100_fa2": Choice("fa3", "FA2", ("forward",)),
    "h100_fa3": Choice("magi", "fa3", ("forward", "backward")),
}


def text_of(kernels: Manifest, name: str) -> str:
    """Return a table of rates as TOML: square blocks, 16 heads in a call, whatever was published."""
    choice = TABLES[name]
    lines = [
        "# Made from flash_kernels.toml by `ringworld_analysis claims --kernel-rates`; published figures, "
        "not measured here.",
        "[source]",
        f'machine = "{name.split("_", maxsplit=1)[0].upper()}, published"',
        'dtype = "bfloat16 or float16"',
        'date = "as published"',
        f'record = "flash_kernels: {choice.source}, {choice.method}"',
    ]
    for row in kernels.rows:
        if (row["source"], row["method"]) != (choice.source, choice.method) or row["pass"] not in choice.passes:
            continue
        for column in kernels.columns:
            if not column.startswith("S_") or not is_number(row[column]) or math.isnan(row[column]):
                continue
            tokens = int(column[2:])
            lines += [
                "[[attention]]", f'pass = "{row["pass"]}"', f"causal = {str(row['causal']).lower()}",
                f"query_tokens = {tokens}", f"key_tokens = {tokens}", f"head_size = {row['head_size']}", "heads = 16",
                f"flops_per_second = {row[column] * 1e12:.5g}",
            ]  # fmt: skip
    return "\n".join(lines) + "\n"


def write_all(manifests: list[Manifest], folder: Path) -> None:
    """Write all tables.

    :raises InputError: when the published figures are not among the manifests, or a file cannot be written
    """
    kernels = next((one for one in manifests if one.id == "flash_kernels"), None)
    if kernels is None:
        raise InputError("rates of kernels need the manifest flash_kernels")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in TABLES:
            (folder / f"{name}.toml").write_text(text_of(kernels, name), encoding="utf-8")
    except OSError as problem:
        raise InputError(f"{folder}: {problem.strerror}") from problem
