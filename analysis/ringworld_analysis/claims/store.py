"""Verdict rows as a table of an HDF5 file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from ringworld_analysis.claims.verdicts import Verdict
from ringworld_analysis.errors import InputError

_TEXTS = ("id", "row", "mode", "verdict", "reason", "computed_from")
_NUMBERS = ("ours", "published", "tolerance")
COLUMNS = ("id", "row", "mode", "ours", "published", "tolerance", "verdict", "reason", "computed_from")


def write(rows: Sequence[Verdict], path: Path) -> None:
    """Write /claims/verdicts, one compound row a verdict.

    :raises InputError: when the file cannot be written
    """
    kind = np.dtype([(name, h5py.string_dtype() if name in _TEXTS else np.float64) for name in COLUMNS])
    table = np.array([tuple(getattr(row, name) for name in COLUMNS) for row in rows], dtype=kind)
    try:
        if h5py.is_hdf5(path):
            with h5py.File(path) as file:
                if "claims" not in file:
                    raise InputError(f"{path}: holds something else than claims; give --output another name")
        with h5py.File(path, "w") as file:
            file.create_dataset("claims/verdicts", data=table)
    except OSError as problem:
        raise InputError(f"{path}: cannot be written ({problem})") from problem
