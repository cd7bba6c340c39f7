"""The report takes a record of any verb: every table that the program writes is drawn, or its rows are shown."""

from __future__ import annotations

import csv
from pathlib import Path

import h5py
import numpy as np
import pytest
from ringworld_analysis import cli
from ringworld_analysis.reading import ATTENTION, DRAWN_TABLES, HOPS, PROBES, PROVENANCE, SAMPLES

import synthetic as made

TABLES = {
    path: kind
    for path, kind in made.schema_row_types().items()
    if path not in (ATTENTION, SAMPLES, HOPS, PROBES) and not path.startswith(PROVENANCE)
}


def write(path: Path, kind: made.RowType, rows: list[made.Row]) -> Path:
    with h5py.File(path, "w") as file:
        made.write_table(file, kind, rows)
        made.write_provenance(file, 2, 2)
    return path


def columns_of(kind: made.RowType, kinds: str) -> list[str]:
    """Return the columns whose type is of these kinds, as numpy names them."""
    return [name for name in kind.columns if kind.dtype[name].kind in kinds]


def report(folder: Path, *records: Path) -> Path:
    assert cli.main(["report", *map(str, records), "--output", str(folder / "out")]) == 0
    return folder / "out"


def test_drawn_tables_are_some_of_the_program() -> None:
    assert set(DRAWN_TABLES) < set(TABLES)


@pytest.mark.parametrize("path", TABLES)
def test_a_record_of_this_table_alone_makes_a_page(path: str, tmp_path: Path) -> None:
    row: made.Row = dict.fromkeys(columns_of(TABLES[path], "if"), 1)
    row |= dict.fromkeys(columns_of(TABLES[path], "b"), True)
    out = report(tmp_path, write(tmp_path / "run.h5", TABLES[path], [row]))
    assert f"1 row of <code>{path}</code>" in (out / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(set(TABLES) - set(DRAWN_TABLES)))
def test_rows_without_a_figure_are_shown_and_all_are_in_a_file(path: str, tmp_path: Path) -> None:
    kind = TABLES[path]
    number = columns_of(kind, "if")[0]
    rows = [{number: value, **({"valid": True} if "valid" in kind.columns else {})} for value in range(250)]
    out = report(tmp_path, write(tmp_path / "run.h5", kind, rows))
    page = (out / "index.html").read_text(encoding="utf-8")
    assert f"Rows of {path}" in page and "The first 200 of 250 rows." in page
    with (out / f"{path.strip('/').replace('/', '-')}.csv").open(encoding="utf-8") as file:
        assert [float(row[number]) for row in csv.DictReader(file)] == list(range(250))


def test_a_table_that_nobody_knows_is_shown_too(tmp_path: Path) -> None:
    kind = made.RowType("/later/table", ("point", "gain"), ("key", "measure"), ("", "s"), ("which", "how much"),
                        np.dtype([("point", "<i8"), ("gain", "<f8")]))  # fmt: skip
    out = report(tmp_path, write(tmp_path / "run.h5", kind, [{"point": 3, "gain": 0.25}]))
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "Rows of /later/table" in page and "250" in page


def test_a_file_without_rows_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["model/embedding"] = np.zeros((2, 3))
    assert cli.main(["report", str(tmp_path / "weights.h5"), "--output", str(tmp_path / "out")]) == 2
    assert "weights.h5: no table with rows; is it a record of ringworld?" in capsys.readouterr().err


def test_training_of_a_vqgan_is_drawn_and_told(tmp_path: Path) -> None:
    record = tmp_path / "run.h5"
    with h5py.File(record, "w") as file:
        made.write_table(file, TABLES["/vqgan/steps"], [
            {"step": step, "loss": 1 / (1 + step), "elapsed": 0.1 * step, "is_quantized": step > 4, "valid": True}
            for step in range(10)
        ])  # fmt: skip
        made.write_table(file, TABLES["/vqgan/evaluation"], [
            {"step": step, "frames": 30, "codes_per_frame": 16, "codebook_size": 256, "parameters": 226000,
             "psnr": 20.0 + step, "codes_used": 25 * step, "perplexity": 10.0 * step, "valid": True}
            for step in (0, 10)
        ])  # fmt: skip
        made.write_provenance(file, 2, 2)
    out = report(tmp_path, record)
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "after 10 steps: 30 held-out frames at <strong>30.0 dB</strong>, 250 of 256 codes used" in page
    assert (out / "vqgan.png").stat().st_size > 10000
    with (out / "vqgan.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 10


@pytest.mark.parametrize(
    ("noisy", "said"), [(True, "something else disturbed them"), (False, "that beats its bound is a broken timer")]
)
def test_noise_is_not_called_a_broken_timer(
    noisy: bool, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row for row in made.attention_rows() if row["layout"] == "contiguous" and row["causal"]]
    for row in rows:
        # Four times as fast on two ranks as on one.
        times = dict.fromkeys(("step_time", "step_time_min", "step_time_max"), 1 / row["ranks"] ** 2)
        row.update(times, noisy=noisy and row["ranks"] == 1)
    record = write(tmp_path / "run.h5", made.schema_row_types()["/attention"], rows)
    assert cli.main(["report", str(record), "--output", str(tmp_path / "out"), "--findings"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "above the bound of the layout" in told and said in told
