"""Records of killed jobs: commits behind the HDF5 image are read, folded, or refused, and never left out in silence."""

from __future__ import annotations

import fcntl
import struct
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from ringworld_analysis import cli
from ringworld_analysis.errors import InputError
from ringworld_analysis.journal import open_record
from ringworld_analysis.reading import read_source

import synthetic

COMMITS = 3


def commit(number: int, dataset: str, first: int, rows: np.ndarray) -> bytes:
    """Return a commit as src/io/record_journal.hpp describes it."""
    name, content = dataset.encode(), rows.tobytes()
    payload = struct.pack("<q", len(name)) + name
    payload += struct.pack("<qqq", first, len(rows), len(content)) + content
    header = b"RWCOMMIT" + struct.pack("<qq", number, len(payload))
    return header + struct.pack("<q", zlib.crc32(header + payload)) + payload


@pytest.fixture
def killed(tmp_path: Path) -> tuple[Path, list[int], np.ndarray]:
    """Return a record whose last rows are in its journal, the size after each commit, and all its rows."""
    path = synthetic.write_run(tmp_path / "run.h5", synthetic.attention_rows())
    with h5py.File(path, "r+") as file:
        rows = file["attention"][()]
        assert len(rows) > COMMITS
        file["attention"].resize(len(rows) - COMMITS, axis=0)
        file.attrs["journal_begin"] = 0
    with h5py.File(path, "r+") as file:
        file.attrs["journal_begin"] = path.stat().st_size
    image = path.read_bytes()
    assert h5py.File(path).attrs["journal_begin"] == len(image)
    content, sizes = image + b"RWJOURNL", [len(image) + 8]
    for number in range(COMMITS):
        first = len(rows) - COMMITS + number
        content += commit(number, "/attention", first, rows[first : first + 1])
        sizes.append(len(content))
    path.write_bytes(content)
    return path, sizes, rows


def test_every_prefix_holds_its_whole_commits(killed: tuple[Path, list[int], np.ndarray]) -> None:
    path, sizes, rows = killed
    content = path.read_bytes()
    for size in sorted({*sizes, *(size - 1 for size in sizes[1:]), *range(sizes[0], sizes[-1], 97)}):
        path.write_bytes(content[:size])
        whole = sum(end <= size for end in sizes[1:])
        with open_record(path) as file:
            assert np.array_equal(file["attention"][()], rows[: len(rows) - COMMITS + whole]), size


def test_flipped_bytes_are_refused_or_cost_the_last_commit(killed: tuple[Path, list[int], np.ndarray]) -> None:
    path, sizes, rows = killed
    content = bytearray(path.read_bytes())
    for place in range(sizes[0], sizes[-1], 41):
        content[place] ^= 0x20
        path.write_bytes(content)
        if place >= sizes[-2]:
            with open_record(path) as file:
                assert len(file["attention"]) == len(rows) - 1
        else:
            with pytest.raises(InputError, match=r"run\.h5: damaged: commit \d of its journal is wrong"):
                open_record(path)
        content[place] ^= 0x20


def test_what_another_program_cut_off_is_missed(
    killed: tuple[Path, list[int], np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    path, _, _ = killed
    with h5py.File(path, "r+"):  # HDF5 cuts off what lies behind its end
        pass
    with pytest.raises(InputError, match=r"run\.h5: its journal is missing"):
        read_source(path)
    assert cli.main(["fold", str(path)]) == 2
    assert "its journal is missing" in capsys.readouterr().err


def test_the_report_and_compare_read_through(
    killed: tuple[Path, list[int], np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    path, sizes, rows = killed
    assert len(read_source(path).attention) == len(rows)
    whole = synthetic.write_run(path.with_name("whole.h5"), synthetic.attention_rows())
    assert cli.main(["compare", str(whole), str(path)]) == 0
    assert "missing" not in capsys.readouterr().out
    path.write_bytes(path.read_bytes()[: sizes[-1] - 1])
    read_source(path)
    assert "of a commit that was not ended, and do not count" in capsys.readouterr().err


def test_a_folded_record_is_plain_hdf5(
    killed: tuple[Path, list[int], np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    path, _, rows = killed
    assert cli.main(["fold", str(path)]) == 0
    assert f"{COMMITS} rows came from its journal" in capsys.readouterr().out
    with h5py.File(path) as file:
        assert "journal_begin" not in file.attrs
        assert np.array_equal(file["attention"][()], rows)
    assert cli.main(["fold", str(path)]) == 0
    assert [entry.name for entry in path.parent.iterdir()] == ["run.h5"]


def test_a_record_that_a_job_writes_is_not_folded(
    killed: tuple[Path, list[int], np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    path, _, _ = killed
    before = path.read_bytes()
    with path.with_name(".run.h5.lock").open("w") as lock:
        lock.write("process 1 on node7")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert cli.main(["fold", str(path)]) == 2
    assert "a job writes it (process 1 on node7)" in capsys.readouterr().err
    assert path.read_bytes() == before
