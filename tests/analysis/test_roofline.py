"""The roofline from the JSON of real benchmarks: `data/benchmarks.json`, shortened, as the programs wrote it."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from ringworld_analysis import benchmarks, cli, roofline

RECORDED = Path(__file__).parent / "data" / "benchmarks.json"


def write(path: Path, change: Any = None) -> Path:
    document = json.loads(RECORDED.read_text())
    if change is not None:
        change(document)
    path.write_text(json.dumps(document))
    return path


def test_points_carry_what_the_programs_reported() -> None:
    found = benchmarks.read([RECORDED])
    assert {point.family for point in found.points} == {"attention", "matmul", "norm"}
    assert {point.threads for point in found.points} == {1, 2}
    assert found.isa == "avx512"
    assert found.machine == "AMD EPYC"
    entries = {entry["run_name"]: entry for entry in json.loads(RECORDED.read_text())["benchmarks"]}
    for point in found.points:
        entry = entries[point.name + "/real_time"]
        assert point.flop_per_byte == pytest.approx(entry["flop_per_byte"])
        assert point.flops_per_second / point.peak == pytest.approx(entry.get("of_peak", 0.0))
        assert point.of_triad == pytest.approx(entry["of_triad"])
        assert (point.flop_per_byte == 0) == (point.family == "norm")


def test_roofs_are_the_best_of_the_run_for_each_dtype_and_thread_count() -> None:
    points = benchmarks.read([RECORDED]).points
    roofs = benchmarks.roofs_of(points)
    assert [(roof.threads, roof.dtype) for roof in roofs] == [
        (1, "float32"), (1, "bfloat16"), (2, "float32"), (2, "bfloat16"),
    ]  # fmt: skip
    for roof in roofs:
        same = [point for point in points if point.threads == roof.threads]
        assert roof.peak == max(point.peak for point in same if point.dtype == roof.dtype)
        assert roof.triad == max(point.triad for point in same), "whatever the dtype"
    roof = benchmarks.Roofs("float32", 1, 100.0, 10.0)
    assert [roof.limit(intensity) for intensity in (1.0, 10.0, 50.0)] == [10.0, 100.0, 100.0]


def test_picture_is_drawn_and_the_best_of_each_family_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "roofline.png"
    assert cli.main(["roofline", str(RECORDED), "-o", str(picture)]) == 0
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    assert width > height > 400
    out = capsys.readouterr().out
    assert "1 thread, fp32: peak" in out
    assert out.count("matmul") == 4
    assert out.count("of the triad at best: ") == 2
    assert str(picture) in out


def test_of_repetitions_the_fastest_counts(tmp_path: Path) -> None:
    def repeat_slower(document: dict[str, Any]) -> None:
        slower = dict(document["benchmarks"][0])
        slower["B/s"] /= 2
        document["benchmarks"].append(slower)

    repeated = write(tmp_path / "repeated.json", repeat_slower)
    assert benchmarks.read([repeated]).points == benchmarks.read([RECORDED]).points
    assert benchmarks.read([RECORDED, repeated]).points == benchmarks.read([RECORDED]).points


def test_failed_and_aggregate_entries_are_left_out(tmp_path: Path) -> None:
    def spoil(document: dict[str, Any]) -> None:
        document["benchmarks"][0] = {"run_name": "x", "error_occurred": True, "error_message": "no such backend"}
        document["benchmarks"][1]["run_type"] = "aggregate"

    spoilt = write(tmp_path / "spoilt.json", spoil)
    assert len(benchmarks.read([spoilt]).points) == len(benchmarks.read([RECORDED]).points) - 2


def test_one_family_and_one_thread_count_can_be_drawn() -> None:
    found = benchmarks.read([RECORDED])
    for point in (found.points[0], found.points[-1]):
        alone = benchmarks.Benchmarks([point], found.machine, found.isa)
        assert roofline.draw(alone).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (None, "cannot be read"),
        ("FLOP/s", "is not JSON"),
        ("[]", "no list 'benchmarks'"),
        ('{"benchmarks": []}', "no benchmark that says how many bytes"),
        ('{"benchmarks": [{"run_name": "a", "flop": 1, "bytes": 2}]}', "lacks B/s"),
    ],
)
def test_unusable_files_are_named_in_one_line(
    content: str | None, part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bench.json"
    if content is not None:
        path.write_text(content)
    assert cli.main(["roofline", str(path), "-o", str(tmp_path / "out.png")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(path) in error
    assert part in error
    assert not (tmp_path / "out.png").exists()


def test_a_picture_that_cannot_be_written_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["roofline", str(RECORDED), "-o", str(tmp_path / "absent" / "out.png")]) == 2
    assert "cannot be written" in capsys.readouterr().err
