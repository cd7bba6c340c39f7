"""Inputs that are nearly right: text, bytes and HDF5 files with seeded mistakes of the kind that people and disks make."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import h5py
import numpy as np

NUMBERS = ("0", "-1", "1", "3", "7", "1e-3", "-2.5", "1e400", "nan", "inf", "9223372036854775807",
           "-9223372036854775808", "99999999999999999999", "4294967296", "65", "true", '""', '"zigzag"', "[]", "[1, 2]",
           "{}", "1K", "0x10", "1_000", "''", '"' + "x" * 5000 + '"')  # fmt: skip
WORDS = ("host", "cuda", "kokkos", "striped", "float32", "bfloat16", "kjv", "../x", "/", ".", "\\u0000", "ü", "a,b", "-")


def mutate_text(text: str, chance: random.Random) -> bytes:
    """Return a configuration with one to three mistakes."""
    lines = text.splitlines()
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(lines)) if lines else 0
        kind = chance.randrange(9)
        if not lines:
            break
        key, equals, value = lines[at].partition("=")
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(at, lines[chance.randrange(len(lines))])
        elif kind in (2, 3, 4) and equals:
            lines[at] = f"{key}= {chance.choice(NUMBERS)}"
        elif kind == 5 and equals:
            lines[at] = f'{key}= "{chance.choice(WORDS)}"'
        elif kind == 6 and equals:
            lines[at] = f"{key.strip()[:-1]} ={value}"
        elif kind == 7:
            lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
        else:
            lines[at], lines[-1] = lines[-1], lines[at]
    content = bytearray("\n".join(lines).encode())
    if chance.random() < 0.2 and content:
        content[chance.randrange(len(content))] = chance.randrange(256)
    return bytes(content)


def damage_bytes(path: Path, chance: random.Random) -> None:
    """Flip bits, cut the end off, or write a stretch of zeros or noise, as a bad disk or a cut copy does."""
    content = bytearray(path.read_bytes())
    kind = chance.randrange(5)
    if kind == 0:
        content = content[: chance.randrange(len(content))]
    elif kind == 1:
        at, length = chance.randrange(len(content)), chance.randrange(1, 512)
        content[at : at + length] = bytes(length)
    elif kind == 2:
        at, length = chance.randrange(len(content)), chance.randrange(1, 64)
        content[at : at + length] = chance.randbytes(length)
    else:
        # Headers lie in the first bytes of a small file, and are where damage hurts.
        reach = len(content) if kind == 3 else min(len(content), 4096)
        for _ in range(chance.randint(1, 16)):
            content[chance.randrange(reach)] ^= 1 << chance.randrange(8)
    path.write_bytes(bytes(content))


def odd_values(chance: random.Random) -> Any:
    """Return a value that an attribute should not have."""
    return chance.choice([
        0, -1, 2**62, -(2**63), 3.5, float("nan"), float("inf"), "", "text", "half_split", b"\xff\xfe", [], [1, 2, 3],
        np.zeros((2, 2)), np.uint8(255), np.float16(1), True, "x" * 3000,
    ])  # fmt: skip


def mutate_hdf5(path: Path, chance: random.Random) -> None:
    """Change attributes, types, shapes or values of a file that stays a whole HDF5 file."""
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        for _ in range(chance.randint(1, 2)):
            kind = chance.randrange(8)
            attributes = list(file.attrs)
            name = chance.choice(names)
            if kind in (0, 1) and attributes:
                file.attrs[chance.choice(attributes)] = odd_values(chance)
            elif kind == 2 and attributes:
                del file.attrs[chance.choice(attributes)]
            elif name not in file:
                continue
            elif kind == 3:
                del file[name]
            else:
                values = file[name][()]
                del file[name]
                file[name] = _changed(values, kind, chance)


def _changed(values: Any, kind: int, chance: random.Random) -> Any:
    values = np.asarray(values)
    if kind == 4:  # another type
        wanted = chance.choice(["f2", "f4", "f8", "i1", "i4", "i8", "u2", "u8", ">f4", ">i8", "S5", "c8", "?"])
        with np.errstate(all="ignore"):
            return values.astype(wanted) if values.dtype.kind in "fiub" else values
    if kind == 5:  # another shape
        shape = list(values.shape) or [1]
        axis = chance.randrange(len(shape))
        shape[axis] = chance.choice([0, 1, shape[axis] + 1, max(shape[axis] - 1, 0)])
        return np.resize(values, shape) if np.prod(shape) and values.size else np.zeros(shape, values.dtype)
    if kind == 6:  # another rank
        return chance.choice([values.ravel(), values[None], values.ravel()[:1].reshape(())]) if values.size else values
    if values.size and values.dtype.kind in "fiu":
        values = values.copy()
        extremes = [np.nan, np.inf, 1e38, -1e38] if values.dtype.kind == "f" else [-1, 2**31 - 1, 101, -(2**31)]
        with np.errstate(all="ignore"):
            values.flat[chance.randrange(values.size)] = np.array(chance.choice(extremes)).astype(values.dtype)
    return values
