"""The report on training and needles: files, numbers, words."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from ringworld_analysis import cli, run, wilson
from ringworld_analysis.sections import needle, training
from ringworld_analysis.table import Table

import synthetic
import synthetic_language as language


def report(folder: Path, *files: Path) -> Path:
    assert cli.main(["report", *map(str, files), "--output", str(folder / "out")]) == 0
    return folder / "out"


def page(folder: Path) -> str:
    return (folder / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def typical(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("language")
    return report(folder, language.typical_language(folder / "run.h5"))


def test_every_column_read_is_declared() -> None:
    kinds = language.language_row_types()
    assert set(kinds) == {
        "/training/steps", "/training/terms", "/training/stages", "/needle/cells", "/needle/perplexity"
    }  # fmt: skip
    assert set(needle.COLUMNS) <= set(kinds["/needle/cells"].columns)
    assert set(needle.PERPLEXITY_COLUMNS) <= set(kinds["/needle/perplexity"].columns)
    assert set(training.STEP_COLUMNS) <= set(kinds["/training/steps"].columns)
    assert set(training.TERM_COLUMNS) <= set(kinds["/training/terms"].columns)
    assert set(training.STAGE_COLUMNS) <= set(kinds["/training/stages"].columns)


def test_every_figure_and_data_set_is_a_file(typical: Path) -> None:
    names = {path.name for path in typical.iterdir()}
    assert {"needle-heat-1.png", "needle-heat-2.png", "needle-multi-1.png", "needle-perplexity.png", "needle.csv",
            "training-time-1.png", "training-schedules.png", "training.csv"} <= names  # fmt: skip


def test_a_record_without_a_sweep_says_nothing_of_attention(typical: Path) -> None:
    text = page(typical)
    assert 'id="throughput"' not in text
    assert 'id="rows"' not in text
    assert not (typical / "attention.csv").exists()
    assert "all valid" in text


def test_squares_of_the_heat_map_say_hits_and_trials(tmp_path: Path) -> None:
    record = language.write_record(
        tmp_path / "run.h5", cells=[language.cell(1024, 37), language.cell(4096, 9, depth=1.0)]
    )
    text = page(report(tmp_path, record))
    spots = re.findall(r'<span class="spot" title="([^"]+)" style="left:([\d.]+)%;top:([\d.]+)%', text)
    assert [title for title, *_ in spots] == [
        "1K tokens, depth 0.5: 37/40 right (92.5 %, 95 % interval 0.80 to 0.97)",
        "4K tokens, depth 1: 9/40 right (22.5 %, 95 % interval 0.12 to 0.38)",
    ]
    first, second = ((float(left), float(top)) for _, left, top in spots)
    assert first[0] < second[0], "longer contexts stand further right"
    assert first[1] < second[1], "deeper needles stand lower"


def test_seeds_are_added_up_and_a_cell_measured_twice_counts_once(tmp_path: Path) -> None:
    files = [
        language.write_record(
            tmp_path / f"{seed}.h5", cells=[language.cell(1024, hits, training_seed=seed, checkpoint_digest=str(seed))]
        )
        for seed, hits in ((1, 40), (2, 30))
    ]
    again = language.write_record(
        tmp_path / "again.h5", cells=[language.cell(1024, 35, training_seed=2, checkpoint_digest="2")]
    )
    cells = run.load([*files, again]).records("/needle/cells")
    assert cells is not None
    assert needle.total(needle.last_of_each_cell(cells)) == needle.Share(75, 80, 0)


def test_cells_that_differ_in_theta_are_not_added_up(tmp_path: Path) -> None:
    record = language.write_record(
        tmp_path / "run.h5", cells=[language.cell(4096, 4), language.cell(4096, 36, theta_mode="scaled")]
    )
    text = page(report(tmp_path, record))
    assert "4/40" in text
    assert "36/40" in text
    assert "40/80" not in text


def test_cells_that_differ_in_the_scaling_of_angles_have_panels_of_their_own(tmp_path: Path) -> None:
    scalings = {"model": 4, "none": 5, "yarn:4": 31, "yarn:16": 33, "linear:2": 12}
    record = language.write_record(
        tmp_path / "run.h5",
        cells=[language.cell(4096, hits, rope_scaling=scaling) for scaling, hits in scalings.items()],
    )
    text = page(report(tmp_path, record))
    for hits in scalings.values():
        assert f"{hits}/40 right" in text
    assert "85/200" not in text
    cells = run.load([record]).records("/needle/cells")
    assert cells is not None
    modes = needle._theta_modes(needle.last_of_each_cell(cells))
    assert [needle._theta(mode) for mode in modes] == [
        "θ as trained",
        "θ as trained, not scaled",
        "θ as trained, linear × 2",
        "θ as trained, YaRN × 4",
        "θ as trained, YaRN × 16",
    ]


def test_generated_answers_are_not_added_to_those_of_one_pass(tmp_path: Path) -> None:
    record = language.write_record(
        tmp_path / "run.h5", cells=[language.cell(1024, 38), language.cell(1024, 21, decoding="greedy")]
    )
    text = page(report(tmp_path, record))
    assert "38/40" in text
    assert "21/40" in text
    assert "progressive, generated" in text


def test_invalid_cells_are_counted_and_not_plotted(tmp_path: Path) -> None:
    bad = language.cell(2048, 40, valid=False, reason="out of memory")
    record = language.write_record(tmp_path / "run.h5", cells=[language.cell(1024, 20), bad])
    folder = report(tmp_path, record)
    assert "1 not valid" in page(folder)
    with (folder / "needle.csv").open(encoding="utf-8") as file:
        assert [row["context_length"] for row in csv.DictReader(file)] == ["1024"]


def test_several_needles_come_with_the_single_one_beside_them(typical: Path) -> None:
    text = page(typical)
    assert "Several needles: progressive, 4th stage, trained to 2K" in text
    assert re.search(r"16/8 at 2K: <strong>\d+/200 right", text)


def test_schedules_are_compared_only_where_there_are_several(typical: Path, tmp_path: Path) -> None:
    assert "Schedules against each other" in page(typical)
    steps = language.step_rows()
    alone = report(tmp_path, language.write_record(tmp_path / "run.h5", steps=steps, stages=language.stage_rows(steps)))
    assert "Schedules against each other" not in page(alone)
    assert "4 stages from 64 to 2K" in page(alone)


def test_steps_without_answers_leave_no_hole(tmp_path: Path) -> None:
    steps = language.step_rows()
    terms = language.term_rows(steps)
    for row in terms:
        if row["term"] == "answer":
            row["loss"] = row["accuracy"] = float("nan")
    report(tmp_path, language.write_record(tmp_path / "run.h5", steps=steps, terms=terms))


def test_terms_stand_beside_their_steps() -> None:
    def table(rows: list[dict[str, object]], keys: tuple[str, ...]) -> Table:
        columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        return Table(columns, roles=dict.fromkeys(keys, "key"))

    taken = language.step_rows(stages=(64, 128), steps=3)
    rows = language.term_rows(taken)[:-2]  # the last step has none
    steps = table(taken, ("schedule", "stage", "step", "seed"))
    joined, names = training.with_terms(steps, table(rows, ("schedule", "stage", "step", "term", "seed")))
    assert names == ["answer", "text"]
    expected = [row["loss"] for row in rows if row["term"] == "answer"]
    assert joined["loss of answer"][:-1].tolist() == expected
    assert np.isnan(joined["loss of answer"][-1]) and np.isnan(joined["accuracy of text"][-1])
    assert training.with_terms(steps, None) == (steps, [])


def test_a_sweep_and_a_training_run_share_a_page(tmp_path: Path, typical_run: Path) -> None:
    record = language.write_record(tmp_path / "train.h5", steps=language.step_rows(), cells=[language.cell(1024, 3)])
    folder = report(tmp_path, typical_run, record)
    text = page(folder)
    assert 'id="throughput"' in text
    assert 'id="needle"' in text
    assert (folder / "attention.csv").exists()


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    kind = language.language_row_types()["/needle/cells"]
    with h5py.File(tmp_path / "run.h5", "w") as file:
        synthetic.write_table(file, kind, [language.cell(1024, 3)])
        data = file["/needle/cells"][()]
        del file["/needle/cells"]
        file["/needle/cells"] = data[[name for name in data.dtype.names if name != "hits"]]
    assert "lacks hits" in page(report(tmp_path, tmp_path / "run.h5"))


def test_the_interval_is_that_of_the_program() -> None:
    assert wilson.interval(8, 10) == pytest.approx((0.4901624715, 0.9433178485), abs=1e-9)
    assert wilson.interval(0, 20) == pytest.approx((0.0, 0.1611251580), abs=1e-9)
    assert wilson.interval(0, 0) == (0.0, 1.0)


def test_running_means_begin_anew_with_each_stage_and_skip_what_is_no_number() -> None:
    values = np.array([1.0, 2.0, np.nan, 5.0, 7.0])
    stages = np.array([0, 0, 0, 1, 1])
    assert training.smooth(values, stages, 0.5).tolist() == [1.0, 1.5, 1.5, 5.0, 6.0]
