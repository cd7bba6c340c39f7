"""Key columns tell points apart in every consumer: the program's, and one that nothing but its role tells of."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from ringworld_analysis import cli, run
from ringworld_analysis.sections import needle, training
from ringworld_analysis.table import Table, concatenate

import synthetic
import synthetic_language as language
from synthetic import Row, RowType

CODE = {"text": ("S16", "copper", "glass"), "whole number": ("<i8", 3, 4), "number": ("<f8", 0.25, 0.5)}
TIMES = ("step_time", "step_time_min", "step_time_max")


def few(**values: Any) -> list[Row]:
    rows = synthetic.attention_rows((2048, 4096), (1, 2), ("fp32",), ("forward",))
    return [{**row, **values} for row in rows if row["layout"] == "zigzag"]


def slower(rows: list[Row], factor: float = 2.0) -> list[Row]:
    return [{**row, **{name: factor * row[name] for name in TIMES}} for row in rows]


def with_fabric(path: str, kind: str = "S16") -> dict[str, RowType]:
    return {path: {**synthetic.row_types(), **language.language_row_types()}[path].with_key("fabric", kind)}


def compared(capsys: pytest.CaptureFixture[str], a: Path, b: Path, *options: str) -> tuple[int, str]:
    code = cli.main(["compare", str(a), str(b), *options])
    answer = capsys.readouterr()
    return code, answer.out + answer.err


def report(folder: Path, *files: Path) -> tuple[str, Path]:
    out = folder / "out"
    assert cli.main(["report", *map(str, files), "--output", str(out)]) == 0
    return (out / "index.html").read_text(encoding="utf-8"), out


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ---- rows that differ in transport or threads ------------------------------------------------------------------------


@pytest.mark.parametrize("key", [("transport", "nccl", "staged"), ("threads", 1, 2), ("seed", 1, 2)])
@pytest.mark.parametrize("has_roles", [True, False])
def test_a_slower_row_fails_whatever_stands_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: tuple[str, Any, Any], has_roles: bool
) -> None:
    name, one, other = key
    kind = synthetic.row_types()["/attention"]
    kinds = {"/attention": kind if has_roles else kind.without_roles()}
    first, second = few(**{name: one}), slower(few(**{name: other}), 3.0)
    a = synthetic.write_run(tmp_path / "a.h5", [*first, *second], kinds=kinds)
    b = synthetic.write_run(tmp_path / "b.h5", [*slower(first[:1]), *first[1:], *second], kinds=kinds)
    code, text = compared(capsys, a, b)
    assert code == 1
    assert "FAILED: 1 slower" in text
    assert f"{len(first) + len(second)} points compared" in text
    assert compared(capsys, a, a)[0] == 0


def test_rows_of_one_and_of_two_threads_are_all_plotted(tmp_path: Path) -> None:
    rows = [*few(threads=1), *slower(few(threads=2), 0.6)]
    record = synthetic.write_run(tmp_path / "run.h5", rows)
    loaded = run.load([record])
    assert (len(loaded.plotted), loaded.repeated_points) == (len(rows), 0)
    text, out = report(tmp_path, record)
    assert "left out of the figures" not in text
    assert "Throughput per rank: threads 1" in text
    assert "Throughput per rank: threads 2" in text
    assert [row["threads"] for row in read_csv(out / "throughput.csv")].count("2") == len(rows) // 2


# ---- a made-up key ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CODE)
def test_every_consumer_of_a_sweep_follows_a_new_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    numpy_type, one, other = CODE[kind]
    kinds = with_fabric("/attention", numpy_type)
    first, second = few(fabric=one), slower(few(fabric=other), 1.3)
    rows = [*first, *second]
    hops = synthetic.hop_rows(rows, lambda row: True)
    record = synthetic.write_run(tmp_path / "run.h5", rows, hops, kinds=kinds)

    loaded = run.load([record])
    assert (len(loaded.plotted), loaded.repeated_points) == (len(rows), 0)
    text, out = report(tmp_path, record)
    for title in ("Throughput per rank", "MFU against the measured peak", "Tokens per second of the whole ring",
                  "Parallel efficiency against ring size", "Memory per rank against context length",
                  "Overlap against context length", "Error against ring size"):  # fmt: skip
        for value in (one, other):
            named = str(value) if isinstance(value, str) else f"{value:g}"
            assert f"{title}: fabric {named}" in text, title
    for name in ("attention", "throughput", "efficiency", "memory", "error", "overlap-hops"):
        assert {row["fabric"] for row in read_csv(out / f"{name}.csv")} == {str(one), str(other)}, name
    assert {row["configuration"] for row in read_csv(out / "wire.csv")} == {
        f"fabric {value}" for value in (one, other)
    }
    # A ring of the one is held against one rank of the one.
    baselines = {row["fabric"]: float(row["efficiency"]) for row in read_csv(out / "efficiency.csv")}
    assert baselines[str(one)] == pytest.approx(baselines[str(other)])

    again = synthetic.write_run(tmp_path / "again.h5", [*first, *slower(second[:1]), *second[1:]], kinds=kinds)
    code, text = compared(capsys, record, again)
    assert code == 1
    assert "FAILED: 1 slower" in text
    assert "fabric" in text
    assert compared(capsys, record, record)[0] == 0


def test_a_column_that_is_no_key_tells_no_rows_apart(tmp_path: Path) -> None:
    kind = with_fabric("/attention")["/attention"]
    measured = RowType(kind.path, kind.columns, (*kind.roles[:-1], "measure"), kind.units, kind.meanings, kind.dtype)
    rows = [*few(fabric="copper"), *few(fabric="glass")]
    loaded = run.load([synthetic.write_run(tmp_path / "run.h5", rows, kinds={"/attention": measured})])
    assert (len(loaded.plotted), loaded.repeated_points) == (len(rows) // 2, len(rows) // 2)


def test_hops_follow_a_key_of_their_own(tmp_path: Path) -> None:
    rows = few()
    plain = synthetic.hop_rows(rows, lambda row: True)
    hops = [{**hop, "fabric": name} for name in ("copper", "glass") for hop in plain]
    record = synthetic.write_run(tmp_path / "run.h5", rows, hops, kinds=with_fabric("/overlap/points"))
    text, out = report(tmp_path, record)
    for value in ("copper", "glass"):
        assert f"Overlap against context length: fabric {value}" in text
    assert {row["fabric"] for row in read_csv(out / "overlap-hops.csv")} == {"copper", "glass"}


def test_needles_follow_a_new_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = {**with_fabric("/needle/cells"), **with_fabric("/needle/perplexity")}

    def cells(copper: float, glass: float) -> list[Row]:
        pair = [language.cell(1024, 37, fabric="copper", seconds=copper), language.cell(1024, 9, fabric="glass")]
        several = {"kind": "multi", "needles_planted": 4, "needles_asked": 4, "depth": float("nan")}
        pair += [{**row, **several, "hits": 3 + index} for index, row in enumerate(pair)]
        return [pair[0], {**pair[1], "seconds": glass}, *pair[2:]]

    texts = [{**row, "fabric": fabric} for fabric in ("copper", "glass") for row in language.perplexity_rows()]
    record = language.write_record(tmp_path / "a.h5", kinds, cells=cells(1.0, 3.0), perplexity=texts)
    text, out = report(tmp_path, record)
    for name, hits in (("copper", "37/40"), ("glass", "9/40")):
        assert f"One needle: progressive, 4th stage, trained to 2K, fabric {name}" in text
        assert f"Several needles: progressive, 4th stage, trained to 2K, fabric {name}" in text
        assert f"depth 0.5: {hits} right" in text
    assert "46/80" not in text
    assert len(read_csv(out / "needle.csv")) == 4
    table = run.load([record]).records("/needle/perplexity")
    assert table is not None
    assert needle.held(table) == ["fabric"]

    slow = language.write_record(tmp_path / "b.h5", kinds, cells=cells(2.0, 3.0), perplexity=texts)
    code, text = compared(capsys, record, slow)
    assert code == 1
    assert "FAILED: 2 slower" in text, "the single needle and the several"
    assert compared(capsys, record, record)[0] == 0


def test_training_follows_a_new_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = with_fabric("/training/steps")
    one, other = ([{**row, "fabric": name} for row in language.step_rows()] for name in ("copper", "glass"))
    record = language.write_record(tmp_path / "a.h5", kinds, steps=[*one, *other])
    table = run.load([record]).records("/training/steps")
    assert table is not None
    assert [(found.schedule, len(found.steps)) for found in training.trainings(table)] == [
        ("progressive, fabric copper", len(one)), ("progressive, fabric glass", len(other))
    ]  # fmt: skip
    text, _ = report(tmp_path, record)
    for name in ("copper", "glass"):
        assert f"Stages on one time axis: progressive, fabric {name}" in text

    late = [{**row, "step_time": 2 * row["step_time"]} if row["stage"] == 1 else row for row in other]
    slow = language.write_record(tmp_path / "b.h5", kinds, steps=[*one, *late])
    code, text = compared(capsys, record, slow)
    assert code == 1
    assert "median of step_time over step" in text
    assert "FAILED: 1 slower" in text
    assert compared(capsys, record, record)[0] == 0


def test_a_training_run_whose_keys_change_between_stages_stays_one_line() -> None:
    kind = language.language_row_types()["/training/steps"].with_key("digest", "<i8")
    rows = [{**row, "digest": row["stage"]} for row in language.step_rows()]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    table = Table({**columns, "file": np.full(len(rows), "")}, roles=dict(zip(kind.columns, kind.roles)))
    assert [found.schedule for found in training.trainings(table)] == ["progressive"]


# ---- needles: what follows from other keys ---------------------------------------------------------------------------


def test_two_models_of_one_seed_are_not_added_up(tmp_path: Path) -> None:
    cells = [language.cell(1024, hits, checkpoint_digest=digest) for hits, digest in ((37, "a1" * 8), (9, "b2" * 8))]
    text, _ = report(tmp_path, language.write_record(tmp_path / "run.h5", cells=cells))
    assert "checkpoint a1a1a1a1" in text
    assert "46/80" not in text


def test_thetas_that_were_given_have_panels_of_their_own(tmp_path: Path) -> None:
    cells = [language.cell(1024, hits, theta_mode="given", rope_theta=theta) for hits, theta in ((37, 1e4), (9, 1e6))]
    cells += [language.cell(length, 40, theta_mode="scaled") for length in (1024, 4096)]
    text, out = report(tmp_path, language.write_record(tmp_path / "run.h5", cells=cells))
    assert "37/40" in text
    assert "9/40" in text
    assert "46/80" not in text
    assert len(list(out.glob("needle-heat*.png"))) == 1


# ---- files that do not fit together ----------------------------------------------------------------------------------


def test_points_measured_twice_are_named_and_each_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = few()
    a = synthetic.write_run(tmp_path / "a.h5", [*slower(rows[:1]), *rows])
    b = synthetic.write_run(tmp_path / "b.h5", [*slower(rows[1:2]), *rows])
    code, text = compared(capsys, a, a)
    assert code == 1, "the earlier of the two is slower than the reference, which is the last"
    assert "2 valid rows of one point (context_length 2048, ranks 1)" in text
    code, text = compared(capsys, a, b)
    assert code == 1
    assert "FAILED: 1 slower" in text
    assert "b.h5: /attention: 2 valid rows of one point (context_length 4096, ranks 1)" in text


def test_a_comparison_of_nothing_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = synthetic.write_run(tmp_path / "a.h5", few(threads=1))
    b = synthetic.write_run(tmp_path / "b.h5", few(threads=2))
    for options in ([], ["--allow-missing"]):
        code, text = compared(capsys, a, b, *options)
        assert code == 2
        assert "no point of /attention in common" in text
        assert "threads is 1 in the first and 2 in the second" in text
    empty = synthetic.write_run(tmp_path / "empty.h5", [])
    for first, second in ((empty, empty), (a, empty), (empty, a)):
        code, text = compared(capsys, first, second, "--allow-missing")
        assert code == 2
        assert "no row to compare" in text


def test_unmatched_points_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = synthetic.write_run(tmp_path / "a.h5", few())
    b = synthetic.write_run(tmp_path / "b.h5", [*few()[:-1], *few(transport="staged")[-1:]])
    code, text = compared(capsys, a, b, "--allow-missing")
    assert code == 0
    assert text.rstrip().endswith("OK: every compared point inside its limits; 1 missing, 1 new")
    assert [line.split()[-1] for line in text.splitlines() if "staged" in line] == ["new"]


def test_a_key_that_one_file_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = with_fabric("/attention")
    old = synthetic.write_run(tmp_path / "old.h5", few())
    same = synthetic.write_run(tmp_path / "same.h5", few(fabric="glass"), kinds=kinds)
    code, text = compared(capsys, old, same)
    assert code == 0
    assert "old.h5 has no column fabric, a key of /attention in" in text
    both = synthetic.write_run(tmp_path / "both.h5", [*few(fabric="copper"), *few(fabric="glass")], kinds=kinds)
    code, text = compared(capsys, old, both)
    assert code == 2
    assert "it has the values copper, glass" in text
    # A report of both shows all rows: the key is empty where a file does not have it.
    loaded = run.load([old, both])
    assert (len(loaded.plotted), loaded.repeated_points) == (3 * len(few()), 0)
    text, _ = report(tmp_path, old, both)
    assert "Throughput per rank: no fabric" in text


def test_a_record_without_roles_opens_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = {"/attention": synthetic.row_types()["/attention"].without_roles()}
    record = synthetic.write_run(tmp_path / "run.h5", few(), kinds=kinds)
    code, text = compared(capsys, record, record)
    assert code == 0
    assert "run.h5: written before tables told which columns are keys" in text
    assert "run.h5: written before tables told which columns are keys" in report(tmp_path, record)[0]


def test_roles_that_do_not_fit_the_columns_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = synthetic.write_run(tmp_path / "run.h5", few(), kinds=with_fabric("/attention"))
    with h5py.File(record, "a") as file:
        file["/attention"].attrs["roles"] = ["measure", "key"]
    code, text = compared(capsys, record, record)
    assert code == 2
    assert "run.h5: /attention: the attribute 'roles'" in text


def test_nan_equals_nan_in_a_key() -> None:
    table = Table({"depth": np.array([np.nan, 0.5, np.nan]), "valid": np.ones(3, dtype=bool)}, roles={"depth": "key"})
    assert table.last_valid(table.keys).tolist() == [1, 2]
    assert [len(rows) for _, rows in table.groups(["depth"])] == [1, 2]
    assert table.colliding([], ["depth"]) == ["depth"]
    assert concatenate([table, table]).keys == ("depth",)
