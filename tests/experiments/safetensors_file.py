"""Writes weights as the safetensors package does, without it."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

Tensors = dict[str, tuple[str, np.ndarray]]


def safetensors(tensors: Tensors) -> bytes:
    """Return a file of tensors, each with its dtype's name and its elements as they are stored."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    content = b""
    for name, (dtype, values) in tensors.items():
        offsets = [len(content), len(content) + values.nbytes]
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": offsets}
        content += values.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + content


def write_holes(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """Write a file of float16 zeros that takes no room on the disk, however large it is."""
    header: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
