"""Records whose tables lack what was committed last: a killed job leaves it in a journal behind the HDF5 image.

The layout of the journal is described in src/io/record_journal.hpp. Other programs see the image alone.
"""

from __future__ import annotations

import fcntl
import io
import os
import struct
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ringworld_analysis.errors import InputError

#: Attribute of the root: the byte at which the journal begins. Not there in a file that is complete without one.
BEGIN = "journal_begin"

_START, _COMMIT = b"RWJOURNL", b"RWCOMMIT"
_HEADER = struct.Struct("<8sqqq")  # marker, number, bytes of the payload, checksum
_CHECKED = struct.calcsize("<8sqq")
_NUMBER = struct.Struct("<q")


@dataclass(frozen=True)
class Rows:
    """What one commit adds to one dataset."""

    dataset: str
    first: int
    count: int
    content: bytes


def open_record(path: Path) -> h5py.File:
    """Open a record to read it; the tables of what is returned hold every committed row.

    :raises OSError: when the file is not HDF5, or cannot be read
    :raises InputError: when the journal is damaged
    """
    file = h5py.File(path, "r")
    if BEGIN not in file.attrs:
        return file
    file.close()
    content = path.read_bytes()  # once, so that a job that still writes may go on
    image = h5py.File(io.BytesIO(content), "r")
    if BEGIN not in image.attrs:  # it was folded meanwhile
        return image
    begin = int(image.attrs[BEGIN])
    image.close()
    try:
        commits, ignored = _decode(content[begin:])
        memory = h5py.File(io.BytesIO(content[:begin]), "r+")
        for rows in commits:
            _append(memory, rows)
    except ValueError as problem:
        raise InputError(f"{path}: {problem}") from problem
    if ignored:
        print(f"{path}: the last {ignored} bytes are of a commit that was not ended, and do not count", file=sys.stderr)
    return memory


def fold(path: Path) -> int:
    """Make plain HDF5 of a record, which any program then reads whole; return the number of rows that it lacked.

    :raises InputError: when a job writes the record, when its journal is damaged, or when it cannot be replaced
    """
    try:
        with h5py.File(path, "r") as image:
            if BEGIN not in image.attrs:
                return 0
            before = _row_count(image)
        with _lock(path), open_record(path) as record:
            added = _row_count(record) - before
            temporary = path.with_name(f"{path.name}.tmp-{os.getpid()}")
            _write_plain(record, temporary)
            temporary.replace(path.resolve())
    except OSError as problem:
        raise InputError(f"{path}: cannot be folded ({problem})") from problem
    return added


def _write_plain(record: h5py.File, path: Path) -> None:
    if record.mode != "r+":  # the journal holds no commit, so that the file itself was opened
        raise InputError(f"{record.filename}: has no journal")
    del record.attrs[BEGIN]
    record.flush()
    with path.open("wb") as file:
        file.write(record.id.get_file_image())
        file.flush()
        os.fsync(file.fileno())


def _row_count(file: h5py.File) -> int:
    counts: list[int] = []
    file.visititems(lambda _, item: counts.append(item.size) if isinstance(item, h5py.Dataset) else None)
    return sum(counts)


class _lock:  # noqa: N801 - reads as a statement
    """Holds the lock that a running job would hold, see src/io/output_lock.hpp."""

    def __init__(self, path: Path) -> None:
        self._record = path
        self._path = path.resolve().with_name(f".{path.resolve().name}.lock")
        self._file: io.TextIOWrapper | None = None

    def __enter__(self) -> None:
        if not self._path.exists():
            return
        self._file = self._path.open()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = " ".join(self._file.read().split())
            self._file.close()
            raise InputError(f"{self._record}: a job writes it ({holder})") from None

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def _append(file: h5py.File, rows: Rows) -> None:
    dataset = file.get(rows.dataset)
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"its journal adds to '{rows.dataset}', which it does not have")
    if rows.first != len(dataset) or len(rows.content) != rows.count * dataset.dtype.itemsize:
        raise ValueError(f"its journal does not go on where '{rows.dataset}' ends")
    dataset.resize(rows.first + rows.count, axis=0)
    dataset[rows.first :] = np.frombuffer(rows.content, dtype=dataset.dtype)


def _decode(journal: bytes) -> tuple[list[Rows], int]:
    """Return the rows of all whole commits, and the bytes of one at the end that was not ended."""
    if not journal.startswith(_START):
        raise ValueError(
            f"its journal is missing: a program that writes HDF5 has cut it off, and rows with it; without the "
            f"attribute '{BEGIN}' the file counts as it is"
        )
    rows: list[Rows] = []
    place, number = len(_START), 0
    while place < len(journal):
        payload = _payload(journal, place, number)
        if payload is None:
            if _holds_whole_commit(journal, place + 1):
                raise ValueError(f"damaged: commit {number} of its journal is wrong, and a later one is not")
            return rows, len(journal) - place
        rows.extend(_rows_of(payload))
        place += _HEADER.size + len(payload)
        number += 1
    return rows, 0


def _payload(journal: bytes, place: int, number: int | None) -> bytes | None:
    if len(journal) - place < _HEADER.size:
        return None
    marker, found, size, checksum = _HEADER.unpack_from(journal, place)
    end = place + _HEADER.size + size
    if marker != _COMMIT or size < 0 or end > len(journal) or (number is not None and found != number):
        return None
    payload = journal[place + _HEADER.size : end]
    whole = checksum == zlib.crc32(payload, zlib.crc32(journal[place : place + _CHECKED]))
    return payload if whole else None


def _holds_whole_commit(journal: bytes, place: int) -> bool:
    while (place := journal.find(_COMMIT, place)) >= 0:
        if _payload(journal, place, None) is not None:
            return True
        place += 1
    return False


def _rows_of(payload: bytes) -> Iterator[Rows]:
    place = 0

    def number() -> int:
        (value,) = _NUMBER.unpack(content(_NUMBER.size))
        return int(value)

    def content(size: int) -> bytes:
        nonlocal place
        if not 0 <= size <= len(payload) - place:
            raise ValueError("damaged: a commit of its journal ends too early")
        place += size
        return payload[place - size : place]

    while place < len(payload):
        name = content(number()).decode()
        first, count = number(), number()
        yield Rows(name, first, count, content(number()))
