"""Random inputs of `ringworld verify`, with and without documents, the same on every machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

DOCUMENT_RANKS = 4  # the contiguous ring that `padded_rank` and `isolated_rank` are made for


def _shard(length: int, rank: int) -> slice:
    """Return the tokens of a rank in a contiguous ring of DOCUMENT_RANKS."""
    return slice(length * rank // DOCUMENT_RANKS, length * (rank + 1) // DOCUMENT_RANKS)


def _one_token_documents(length: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Documents of all lengths, every other one a single token."""
    lengths = np.ones(length, dtype=np.int64)
    lengths[::2] = rng.integers(1, max(2, length // 4), len(lengths[::2]))
    return np.repeat(np.arange(length), lengths)[:length].astype(np.int32)


def _single_tokens(length: int, _: np.random.Generator) -> NDArray[np.int32]:
    """Every token its own document."""
    return np.arange(length, dtype=np.int32)


def _interleaved(length: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Three documents and padding, each scattered over the whole sequence."""
    return rng.integers(-1, 3, length).astype(np.int32)


def _padded_rank(length: int, _: np.random.Generator) -> NDArray[np.int32]:
    """One rank's whole shard is padding; two documents round it."""
    ids = np.zeros(length, dtype=np.int32)
    ids[_shard(length, 2)] = -1
    ids[_shard(length, 3)] = 1
    ids[length - 1 :] = -7
    return ids


def _isolated_rank(length: int, _: np.random.Generator) -> NDArray[np.int32]:
    """One rank's shard is a document of its own: no other rank sees its keys."""
    ids = np.zeros(length, dtype=np.int32)
    ids[_shard(length, 1)] = 1
    return ids


def _all_padding(length: int, _: np.random.Generator) -> NDArray[np.int32]:
    """No token sees any other."""
    return np.full(length, -1, dtype=np.int32)


DOCUMENTS: dict[str, Callable[[int, np.random.Generator], NDArray[np.int32]]] = {
    "one_token": _one_token_documents,
    "single_tokens": _single_tokens,
    "interleaved": _interleaved,
    "padded_rank": _padded_rank,
    "isolated_rank": _isolated_rank,
    "all_padding": _all_padding,
}


@dataclass(frozen=True)
class Problem:
    """One input file."""

    context_length: int = 4096
    batch: int = 1
    heads: int = 8
    kv_heads: int = 2
    head_size: int = 64
    documents: str = "none"
    type_on_disk: str = "float32"
    has_dout: bool = True
    logit_scale: float = 1.0
    seed: int = 20240

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the datasets of the file, by name."""
        rng = np.random.default_rng([self.seed, self.context_length, self.batch, self.heads, self.head_size])
        queries = (self.batch, self.context_length, self.heads, self.head_size)
        keys = (self.batch, self.context_length, self.kv_heads, self.head_size)
        made: dict[str, NDArray[Any]] = {
            "q": rng.standard_normal(queries) * self.logit_scale,
            "k": rng.standard_normal(keys),
            "v": rng.standard_normal(keys),
        }
        if self.has_dout:
            made["dout"] = rng.standard_normal(queries)
        made = {name: tensor.astype(self.type_on_disk) for name, tensor in made.items()}
        if self.documents != "none":
            rows = [DOCUMENTS[self.documents](self.context_length, rng) for _ in range(self.batch)]
            made["segment_ids"] = np.stack(rows)
        return made

    def write(self, path: Path) -> Path:
        """Write the file and return its path."""
        write_tensors(path, self.tensors())
        return path


def write_tensors(path: Path, tensors: dict[str, NDArray[Any]]) -> None:
    """Write datasets to a new file."""
    with h5py.File(path, "w") as file:
        for name, tensor in tensors.items():
            file.create_dataset(name, data=tensor)


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Read all datasets of a file."""
    with h5py.File(path, "r") as file:
        return {name: np.asarray(dataset) for name, dataset in file.items()}
