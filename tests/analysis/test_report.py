"""The report: files, numbers, words."""

from __future__ import annotations

import csv
import html.parser
import re
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
from ringworld_analysis import cli
from ringworld_analysis.content import Section
from ringworld_analysis.run import load
from ringworld_analysis.sections import schedules

import synthetic
from synthetic import Row


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def make(tmp_path: Path, rows: list[Row], hops: list[Row] | None = None, **options: object) -> Path:
    run = synthetic.write_run(tmp_path / "run.h5", rows, hops, **options)  # type: ignore[arg-type]
    assert cli.main(["report", str(run), "--output", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def page(folder: Path) -> str:
    return (folder / "index.html").read_text(encoding="utf-8")


def few(**options: object) -> list[Row]:
    chosen = {"contexts": (2048, 4096), "ring_sizes": (1, 2), "dtypes": ("fp32",), "passes": ("forward",), **options}
    return synthetic.attention_rows(**chosen)  # type: ignore[arg-type]


def test_every_figure_and_data_set_is_a_file(typical_report: Path) -> None:
    names = {path.name for path in typical_report.iterdir()}
    for name in ("throughput-flops-1", "throughput-mfu-2", "throughput-tokens-1", "efficiency-1", "memory-1",
                 "memory-ratio-1", "overlap", "overlap-hops-1", "error"):  # fmt: skip
        assert f"{name}.png" in names
    for name in ("attention", "throughput", "efficiency", "memory", "overlap-hops", "error", "wire"):
        assert f"{name}.csv" in names
    for name in names:
        if name.endswith(".png"):
            data = (typical_report / name).read_bytes()
            assert data.startswith(b"\x89PNG")
            assert struct.unpack(">I", data[16:20])[0] >= 900


def test_page_is_self_contained_and_well_formed(typical_report: Path) -> None:
    text = page(typical_report)
    assert len(re.findall(r'src="data:image/png;base64,', text)) == len(list(typical_report.glob("*.png")))
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert "@import" not in text
    assert "url(" not in text
    Balanced().feed(text)


class Balanced(html.parser.HTMLParser):
    """Fails on a tag that is closed out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_names_sections_definitions_and_provenance(typical_report: Path) -> None:
    text = page(typical_report)
    for key in ("summary", "throughput", "efficiency", "memory", "overlap", "error", "wire", "rows", "definitions",
                "provenance"):  # fmt: skip
        assert f'id="{key}"' in text
    for value in ("1f2e3d4c", "GNU 12.2.0", "OMP_NUM_THREADS", "2025-03-04T05:06:07Z", "Imaginary CPU 9000",
                  "context_length = [2048, 4096]"):  # fmt: skip
        assert value in text
    assert "median over repeats of the slowest rank&#39;s time" in text


def test_invalid_rows_are_listed_with_their_reason_and_never_plotted(typical_report: Path, typical_run: Path) -> None:
    with h5py.File(typical_run) as file:
        table = file["/attention"][()]
    reasons = [reason.decode() for reason in table["reason"] if reason]
    assert len(reasons) == 3
    text = page(typical_report)
    assert "<strong>177</strong> of 180 rows are valid" in text
    for reason in reasons:
        assert reason in text
    for name in ("throughput", "memory", "error"):
        assert len(read_csv(typical_report / f"{name}.csv")) == 177
    assert len(read_csv(typical_report / "attention.csv")) == 180


def test_csv_holds_the_numbers_of_the_file_exactly(typical_report: Path, typical_run: Path) -> None:
    with h5py.File(typical_run) as file:
        table = file["/attention"][()]
    table = table[table["valid"]]
    rows = read_csv(typical_report / "throughput.csv")
    for name in ("step_time", "flops_per_second_per_rank", "mfu_measured_peak", "tokens_per_second"):
        np.testing.assert_array_equal([float(row[name]) for row in rows], table[name])
    assert {row["layout"] for row in rows} == {"contiguous", "striped", "zigzag"}


def test_efficiency_is_speedup_over_ring_size_one_by_p(tmp_path: Path) -> None:
    rows = few()
    found = read_csv(make(tmp_path, rows) / "efficiency.csv")
    assert len(found) == len(rows)
    times = {(row["layout"], row["context_length"], row["ranks"]): row["step_time"] for row in rows}
    for row in found:
        layout, context, ranks = row["layout"], int(row["context_length"]), int(row["ranks"])
        expected = times[layout, context, 1] / times[layout, context, ranks] / ranks
        assert float(row["efficiency"]) == pytest.approx(expected)


def test_ring_size_one_of_another_layout_serves_as_baseline(tmp_path: Path) -> None:
    rows = [row for row in few() if row["ranks"] > 1 or row["layout"] == "contiguous"]
    assert len(read_csv(make(tmp_path, rows) / "efficiency.csv")) == len(rows)


def test_contiguous_point_above_its_bound_is_named(typical_report: Path) -> None:
    above = [row for row in read_csv(typical_report / "efficiency.csv") if row["above_bound"] == "true"]
    assert [(row["layout"], row["ranks"], row["context_length"]) for row in above] == [("contiguous", "2", "16384")]
    text = page(typical_report)
    assert "A contiguous ring that beats its bound is a broken timer." in text
    assert "beyond the spread of repeats" in text


def test_oversubscribed_rings_are_marked_from_bindings(typical_report: Path) -> None:
    marks = {(row["ranks"], row["oversubscribed"]) for row in read_csv(typical_report / "efficiency.csv")}
    assert marks == {("1", "false"), ("2", "false"), ("4", "true")}
    assert "More ranks than cores at P = 4" in page(typical_report)


def test_unknown_cores_are_said_to_be_unknown(tmp_path: Path) -> None:
    out = make(tmp_path, few(), provenance=False)
    assert {row["oversubscribed"] for row in read_csv(out / "efficiency.csv")} == {"unknown"}
    assert "does not say how many cores the ranks shared" in page(out)
    assert "no group <code>/provenance</code>" in page(out)


def test_hidden_and_exposed_add_up_to_communication(typical_report: Path) -> None:
    rows = read_csv(typical_report / "overlap-hops.csv")
    assert {row["polling"] for row in rows} == {"true", "false"}
    for row in rows:
        hidden, exposed = float(row["hidden_clipped"]), float(row["exposed_clipped"])
        assert hidden >= 0
        assert exposed >= 0
        assert hidden + exposed == pytest.approx(float(row["t_comm"]))


def test_hops_of_invalid_rows_are_left_out(tmp_path: Path) -> None:
    rows = few()
    hops = synthetic.hop_rows(rows, lambda row: True)
    index = next(i for i, row in enumerate(rows) if row["ranks"] == 2)
    rows[index] = synthetic.invalidate(rows[index], "error is NaN")
    found = {int(row["attention_row"]) for row in read_csv(make(tmp_path, rows, hops) / "overlap-hops.csv")}
    assert found == {hop["attention_row"] for hop in hops} - {index}


def test_missing_hops_are_said_plainly(tmp_path: Path) -> None:
    out = make(tmp_path, few())
    assert "The file has no table <code>/overlap/points</code>" in page(out)
    assert not list(out.glob("overlap*"))


def test_wire_table_marks_a_difference(typical_report: Path) -> None:
    rows = read_csv(typical_report / "wire.csv")
    assert [row["agrees"] for row in rows].count("false") == 1
    assert rows[0]["agrees"] == "false"
    assert rows[0]["difference"] == "128"
    assert len(rows) == 179  # the row that ran out of memory counted nothing
    assert "differ from the model in <strong>1 row</strong>" in page(typical_report)


def test_hops_of_forward_and_backward_together_are_twice_as_many(tmp_path: Path) -> None:
    hops = [2 * (row["ranks"] - 1) for row in few()]
    rows = [{**row, "pass": "forward_backward", "hops": n, "hops_model": n} for row, n in zip(few(), hops)]
    assert {row["agrees"] for row in read_csv(make(tmp_path, rows) / "wire.csv")} == {"true"}


def test_no_rows_make_a_page_that_says_so(tmp_path: Path) -> None:
    assert "the run ended before its first point was complete" in page(make(tmp_path, [], []))


def test_only_invalid_rows_make_a_page_without_figures(tmp_path: Path) -> None:
    out = make(tmp_path, [synthetic.invalidate(row, "timeout after 60 s", measured=False) for row in few()])
    assert "timeout after 60 s" in page(out)
    assert not list(out.glob("*.png"))


def test_text_of_the_file_is_escaped(tmp_path: Path) -> None:
    rows = few()
    rows[0] = synthetic.invalidate(rows[0], "<script>alert(1)</script> & **more**")
    text = page(make(tmp_path, rows, revision="<b>bold</b>"))
    assert "<script>alert" not in text
    assert "<b>bold" not in text


def test_both_rotations_get_their_own_panels(tmp_path: Path) -> None:
    rows = few(passes=("backward",))
    rows += [{**row, "backward_rotation": "q", "step_time": row["step_time"] * 1.2} for row in rows]
    out = make(tmp_path, rows)
    assert "backward, q travels" in page(out)
    assert len(read_csv(out / "throughput.csv")) == len(rows)


def test_a_point_measured_twice_counts_once(tmp_path: Path) -> None:
    rows = few()
    out = make(tmp_path, [*rows, {**rows[0], "step_time": rows[0]["step_time"] * 2}])
    assert len(read_csv(out / "throughput.csv")) == len(rows)
    assert "1 valid row left out of the figures" in page(out)


def test_files_of_one_sweep_join(tmp_path: Path) -> None:
    rows = few()
    hops = synthetic.hop_rows([row for row in rows if row["ranks"] == 2], lambda row: True)
    one = synthetic.write_run(tmp_path / "p1.h5", [row for row in rows if row["ranks"] == 1])
    two = synthetic.write_run(tmp_path / "p2.h5", [row for row in rows if row["ranks"] == 2], hops)
    assert cli.main(["report", str(one), str(two), "--output", str(tmp_path / "out")]) == 0
    found = read_csv(tmp_path / "out" / "efficiency.csv")
    assert len(found) == len(rows)
    assert {row["ranks"] for row in read_csv(tmp_path / "out" / "overlap-hops.csv")} == {"2"}


def test_files_with_the_same_points_stay_apart(tmp_path: Path) -> None:
    paths = [synthetic.write_run(tmp_path / f"{name}.h5", few()) for name in ("before", "after")]
    assert cli.main(["report", *map(str, paths), "--output", str(tmp_path / "out")]) == 0
    assert {row["file"] for row in read_csv(tmp_path / "out" / "throughput.csv")} == {"before.h5", "after.h5"}
    assert (tmp_path / "out" / "throughput-flops-2.png").exists()


def test_report_is_the_same_twice(tmp_path: Path) -> None:
    run = synthetic.write_run(tmp_path / "run.h5", few())
    for name in ("a", "b"):
        assert cli.main(["report", str(run), "--output", str(tmp_path / name)]) == 0
    assert page(tmp_path / "a") == page(tmp_path / "b")


def test_descriptions_are_optional(tmp_path: Path) -> None:
    make(tmp_path, few(), described=False)


def test_run_cut_short_and_mixed_builds_are_said(tmp_path: Path) -> None:
    run = synthetic.write_run(tmp_path / "run.h5", few())
    with h5py.File(run, "a") as file:
        resumed = file["provenance"].create_group("resume_1")
        resumed.attrs["utc_start"] = "2025-03-05T00:00:00Z"
        resumed.attrs["utc_end"] = ""
        resumed.attrs["git_revision"] = "00ff00ff"
    assert cli.main(["report", str(run), "--output", str(tmp_path / "out")]) == 0
    text = page(tmp_path / "out")
    assert "did not reach its end" in text
    assert "2 different revisions" in text
    assert "00ff00ff" in text


def side_by_side() -> list[Row]:
    """Return two points of a ring of four, each with five schedules that take 1, 2, ... times as long."""
    schedules: tuple[Row, ...] = ({}, {"trim": True}, {"schedule": "all_gather", "head_groups": 2}, {"ulysses": 2},
                 {"schedule": "double_ring", "window": 2})  # fmt: skip
    rows = [row for row in few(ring_sizes=(4,)) if row["layout"] == "zigzag"]
    return [
        {**row, **schedule, "step_time": row["step_time"] * (place + 1), "wire_bytes_between_nodes": 64 * (place + 1)}
        for row in rows
        for place, schedule in enumerate(schedules)
    ]


def compared(tmp_path: Path, rows: list[Row], hops: list[Row] | None = None) -> Section | None:
    return schedules.section(load([synthetic.write_run(tmp_path / "run.h5", rows, hops)]))


def cells_of(section: Section | None) -> list[Row]:
    assert section is not None
    data = section.data[0]
    return [dict(zip(data.columns, row)) for row in data.rows]


def test_schedules_stand_side_by_side(tmp_path: Path) -> None:
    section = compared(tmp_path, side_by_side())
    found = cells_of(section)
    names = ["ring", "ring, trimmed", "all_gather, 2 head groups", "ring, ulysses 2", "double_ring, window 2"]
    times = [(row["schedule"], round(row["of_ring"], 9)) for row in found]
    assert sorted(times) == sorted((name, place) for name, place in zip(names, (1, 2, 3, 4, 5)) for _point in range(2))
    assert all(np.isnan(row["exposed"]) for row in found), "no probe was run"
    assert section is not None
    assert [picture.name for picture in section.pictures] == ["schedules"]
    assert section.findings[0].text == "Schedules side by side in 2 points: fastest ring in 2."


def test_a_point_of_one_schedule_alone_is_not_compared(tmp_path: Path) -> None:
    alone = [row for row in side_by_side() if row["context_length"] == 2048 or row["ulysses"] == 2]
    assert {row["context_length"] for row in cells_of(compared(tmp_path, alone))} == {2048}
    (tmp_path / "rings").mkdir()
    assert compared(tmp_path / "rings", few()) is None


def test_exposed_communication_is_that_of_the_rank_with_most(tmp_path: Path) -> None:
    rows = side_by_side()
    hops = synthetic.hop_rows(rows, lambda row: True)
    of_rank: dict[tuple[int, int], float] = {}
    for hop in hops:
        if hop["polling"]:
            place = (hop["attention_row"], hop["rank"])
            of_rank[place] = of_rank.get(place, 0.0) + max(0.0, hop["exposed"])
    wanted = [max(time for (row, _), time in of_rank.items() if row == index) for index in range(len(rows))]
    found = [row["exposed"] for row in cells_of(compared(tmp_path, rows, hops))]
    assert sorted(found) == pytest.approx(sorted(wanted), rel=1e-5)


def test_rows_whose_median_is_not_known_are_counted(tmp_path: Path) -> None:
    rows = [{**row, "noisy": index < 2} for index, row in enumerate(few())]
    assert f"2 rows of {len(rows)} are noisy" in re.sub("<[^>]*>", "", page(make(tmp_path, rows)))
