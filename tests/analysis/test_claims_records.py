"""Claims judged by rows of runs and simulations: what is read, what is kept, and what gives no verdict."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import h5py
import pytest
from ringworld_analysis import cli
from ringworld_analysis.claims import (
    command,
    kernel_rates,
    manifest,
    measurements,
    overview,
    records,
    runner,
    simulations,
)
from ringworld_analysis.claims.records import Found, Pool
from ringworld_analysis.claims.verdicts import NOT_REPRODUCED, NOT_RUN, REPRODUCED, Verdict, judge, summarize

import synthetic

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "experiments" / "claims"
#: A pass of the ring that the table of layouts is about, on simulated A100.
LAYOUT_ROW: dict[str, Any] = {
    "simulated": True, "platform": "dgx_a100", "rates": "a100_fa2", "rates_digest": "01", "schedule": "ring",
    "layout": "zigzag", "ranks": 8, "ulysses": 1, "pass": "forward", "backend": "simulated", "dtype": "bfloat16",
    "context_length": 65536, "heads": 32, "kv_heads": 8, "head_size": 128, "batch": 1, "causal": True,
    "step_time": 1 / 38.2, "flop_causal": 1e12, "flop_full": 2e12, "wire_bytes": 5, "valid": True, "outcome": "ok",
}  # fmt: skip


@pytest.fixture(scope="module")
def manifests() -> dict[str, manifest.Manifest]:
    return {one.id: one for one in manifest.read_all(FOLDER)}


def pool(*rows: dict[str, Any]) -> Pool:
    return Pool(Found({**LAYOUT_ROW, **row}, f"row {number}") for number, row in enumerate(rows))


def simulated(one: manifest.Manifest, found: Pool) -> list[Verdict]:
    return [row for row in judge(one, found) if row.mode == "S" and row.verdict in (REPRODUCED, NOT_REPRODUCED)]


def test_a_simulated_time_is_judged_by_the_rule_of_its_mode(manifests: dict[str, manifest.Manifest]) -> None:
    one = manifests["zigzag_fraction_of_ideal"]
    row = simulated(one, pool({}))[0]
    assert (row.verdict, row.published, row.computed_from) == (REPRODUCED, 38.2, "row 0")
    assert row.ours == pytest.approx(38.2)
    assert simulated(one, pool({"step_time": 1 / 43}))[0].verdict == NOT_REPRODUCED


@pytest.mark.parametrize(
    "change",
    [{"simulated": False}, {"valid": False}, {"platform": "flat"}, {"layout": "other"}, {"kv_heads": 32}, {"ranks": 4}],
)
def test_a_row_of_another_configuration_gives_no_verdict(
    manifests: dict[str, manifest.Manifest], change: dict[str, Any]
) -> None:
    one = manifests["zigzag_fraction_of_ideal"]
    rows = judge(one, pool(change))
    assert summarize(one, one.modes["S"], rows).verdict == NOT_RUN


def test_a_measured_claim_is_not_judged_by_a_simulation(manifests: dict[str, manifest.Manifest]) -> None:
    one = manifests["balanced_schedule"]
    small: dict[str, Any] = {"platform": "", "context_length": 8192, "dtype": "float32"}
    times: list[dict[str, Any]] = [
        {"ranks": 1, "step_time": 1.0},
        {"ranks": 2, "step_time": 0.52},
        {"ranks": 2, "layout": "contiguous", "step_time": 0.78},
    ]
    for is_simulated, expected in ((False, (2, 2)), (True, (0, 0))):
        found = pool(*({**small, **time, "simulated": is_simulated} for time in times))
        summary = summarize(one, one.modes["M"], judge(one, found))
        assert (summary.reproduced, summary.comparable) == expected
    beaten = pool(*({**small, **time, "simulated": False} for time in (times[0], {**times[1], "step_time": 0.4})))
    verdict = [row for row in judge(one, beaten) if row.mode == "M"]
    assert [row.verdict for row in verdict] == [NOT_REPRODUCED], "a value that beats its bound is no success"


def test_records_and_kept_tables_say_the_same(tmp_path: Path) -> None:
    rows = synthetic.attention_rows((2048, 4096), (1, 2), ("fp32",), ("forward",))
    record = synthetic.write_run(tmp_path / "run.h5", rows)
    found = records.read_record(record)
    records.keep(["the command"], found, tmp_path / "kept" / "a_m.csv")
    again = records.read_kept(tmp_path / "kept")
    assert len(again) == len(found) > 3
    digits = {"step_time": 0.0, "flop_causal": 0.0, "flop_full": 0.0}
    for one, other in zip(found, again):
        assert {**one.row, **digits} == {**other.row, **digits}
        assert one.row["step_time"] == pytest.approx(other.row["step_time"], rel=1e-6)
    assert (tmp_path / "kept" / "a_m.csv").read_text(encoding="utf-8").startswith("# the command\n")


def test_a_given_record_comes_before_what_is_kept(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    rows = synthetic.attention_rows((2048,), (1,), ("fp32",), ("forward",))
    record = synthetic.write_run(tmp_path / "run.h5", rows)
    found = records.read_record(record)
    slow = [dataclasses.replace(one, row={**one.row, "step_time": 99.0}) for one in found]
    records.keep([], slow, tmp_path / "records" / "a_m.csv")
    assert command.pool_of(tmp_path).find(context_length=2048).seconds == 99.0  # type: ignore[union-attr]
    assert command.pool_of(tmp_path, [record]).find(context_length=2048).seconds < 99  # type: ignore[union-attr]


def test_what_is_no_record_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "no.h5"
    path.write_text("x", encoding="utf-8")
    assert cli.main(["claims", "--manifests", str(FOLDER), "--record", str(path)]) == 2
    assert "no.h5" in capsys.readouterr().err


def test_every_command_has_a_reader_and_every_mode_without_one_says_why(
    manifests: dict[str, manifest.Manifest],
) -> None:
    readers = {**simulations.SIMULATIONS, **measurements.MEASUREMENTS}
    for one in manifests.values():
        for mode in one.modes.values():
            if mode.name in ("M", "S") and mode.rule != "none":
                assert bool(mode.commands) != bool(mode.waits_for), (one.id, mode.name)
            if mode.commands:
                assert mode.model in readers, (one.id, mode.name)
            for line in mode.commands:
                assert line.startswith(runner.SIMULATE if mode.name == "S" else runner.PROGRAM)


def test_nothing_but_a_formula_or_a_run_is_called_reproduced() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8").split(overview.BEGIN)[1]
    for line in text.splitlines()[3:]:
        cells = line.split("|")
        if len(cells) > 6:
            assert "reproduced" not in cells[5], line
            assert "reproduced" not in cells[6], line


def test_rates_of_kernels_are_those_that_were_published(manifests: dict[str, manifest.Manifest]) -> None:
    for name in kernel_rates.TABLES:
        text = (FOLDER / kernel_rates.FOLDER / f"{name}.toml").read_text(encoding="utf-8")
        assert text == kernel_rates.text_of(manifests["flash_kernels"], name)
        assert text.count("[[attention]]") > 10


def test_a_run_skips_with_a_reason_and_ends_what_takes_too_long(
    tmp_path: Path, manifests: dict[str, manifest.Manifest], capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "ringworld"
    program.write_text("#!/bin/sh\nexec sleep 60\n", encoding="utf-8")
    program.chmod(0o755)
    one = manifests["zigzag_fraction_of_ideal"]
    endless = dataclasses.replace(one.modes["M"], commands=(f"{program} --ranks 1",))
    cases = [dataclasses.replace(one, modes={"M": endless}), manifests["flash_kernels"]]
    limits = runner.Limits(seconds=0.3, modes=("M",), program=program, is_busy_allowed=True)
    runner.run(cases, tmp_path, limits)
    said = capsys.readouterr().out
    assert "zigzag_fraction_of_ideal M 1/1: ended after 0.3 s" in said
    assert "flash_kernels M: skipped: waits for an H100" in said
    assert not (tmp_path / records.FOLDER).exists()
    runner.run([one], tmp_path, dataclasses.replace(limits, program=tmp_path / "absent"))
    assert "absent is not built" in capsys.readouterr().out


STAGE_ROW: dict[str, Any] = {
    "stages": "lwm_text", "stage": 4, "context_length": 1 << 20, "steps": 10, "batch": 4, "mesh": "1,4,16,4",
    "ranks": 256, "schedule": "ring", "layout": "zigzag", "backend": "cuda", "dtype": "bfloat16",
    "parameters": 6_738_000_000, "seconds": 4400.0, "valid": True, "outcome": "ok",
}  # fmt: skip
CELL_ROW: dict[str, Any] = {
    "checkpoint": "/models/LWM-Text-1M", "context_length": 1 << 20, "needles_planted": 4, "needles_asked": 1,
    "task": "lwm", "decoding": "open", "hits": 10, "trials": 10, "ranks": 8, "backend": "cuda", "dtype": "bfloat16",
    "valid": True, "outcome": "ok",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "verdicts"),
    [({}, [REPRODUCED, REPRODUCED]), ({"seconds": 9000.0}, [NOT_REPRODUCED, NOT_REPRODUCED]),
     ({"mesh": "1,1,16,16"}, []), ({"parameters": 1_000_000}, []), ({"ranks": 512}, []), ({"valid": False}, [])],
)  # fmt: skip
def test_a_stage_of_a_training_is_judged_by_its_mean_step(
    manifests: dict[str, manifest.Manifest], change: dict[str, Any], verdicts: list[str]
) -> None:
    found = Pool([Found({**STAGE_ROW, **change}, "row 0", "training/stages")])
    rows = [row for row in judge(manifests["lwm_step_time"], found) if row.mode == "M"]
    assert [row.verdict for row in rows] == verdicts


def test_needles_are_judged_over_all_depths_and_what_is_from_memory_judges_nothing(
    manifests: dict[str, manifest.Manifest],
) -> None:
    one = manifests["lwm_needles"]
    cells = [CELL_ROW, {**CELL_ROW, "hits": 7}, {**CELL_ROW, "checkpoint": "another.h5", "hits": 0},
             {**CELL_ROW, "context_length": 32768, "hits": 0}]  # fmt: skip
    found = Pool(Found(row, "row", "needle/cells") for row in cells)
    judged = [row for row in judge(one, found) if row.verdict in (REPRODUCED, NOT_REPRODUCED)]
    assert [(row.ours, row.published, row.verdict) for row in judged] == [(0.85, 0.84, REPRODUCED)]
    assert summarize(one, one.modes["M"], judge(one, Pool())).verdict == NOT_RUN


def test_records_of_trainings_and_needles_are_read(tmp_path: Path) -> None:
    for table, row, header in (
        ("training/stages", STAGE_ROW, "src/train/rows.hpp"),
        ("needle/cells", CELL_ROW, "src/tasks/needle/rows.hpp"),
    ):
        declared = synthetic.row_types(ROOT / header)[f"/{table}"]
        assert set(records.TABLES[table]) <= set(declared.columns)
        path = tmp_path / f"{table.replace('/', '_')}.h5"
        with h5py.File(path, "w") as file:
            synthetic.write_table(file, declared, [row])
        (read,) = records.read_record(path)
        assert (read.table, read.row) == (table, row)
        records.keep(["the command"], [read], tmp_path / "kept" / path.with_suffix(".csv").name)
    kept = records.read_kept(tmp_path / "kept")
    assert [(one.table, one.row) for one in kept] == [("needle/cells", CELL_ROW), ("training/stages", STAGE_ROW)]
