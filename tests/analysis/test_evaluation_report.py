"""The report on world models: files, numbers, pictures, words."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from ringworld_analysis import cli, run
from ringworld_analysis.sections import evaluation

import synthetic_evaluation as made


def report(folder: Path, *files: Path) -> Path:
    assert cli.main(["report", *map(str, files), "--output", str(folder / "out")]) == 0
    return folder / "out"


def page(folder: Path) -> str:
    return (folder / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def typical(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    return report(folder, made.typical_evaluation(folder / "run.h5"))


def test_every_column_read_is_in_the_schema() -> None:
    kinds = made.evaluation_row_types()
    assert set(kinds) == {f"/evaluation/{name}" for name in ("measures", "needles", "text", "round_trip", "examples")}
    for path, columns in evaluation._TABLES:
        assert set(columns) <= set(kinds[path].columns), path


def test_every_figure_and_data_set_is_a_file(typical: Path) -> None:
    names = {path.name for path in typical.iterdir()}
    assert {f"evaluation-{name}.png" for name in ("shares", "needles", "needles-several", "round-trip", "text-image",
            "text-video")} <= names  # fmt: skip
    assert {"evaluation.csv", "evaluation-needles.csv", "evaluation-captions.csv", "evaluation-text.csv",
            "evaluation-round-trip.csv"} <= names  # fmt: skip


def test_findings_say_shares_with_chance_and_ceiling(typical: Path) -> None:
    text = page(typical)
    assert "image → caption (digit): <strong>81/100 right (81.0 %, 95 % interval 0.72 to 0.87), chance 0.1, " in text
    assert "digits in videos of 1 h: <strong>120/160 right" in text
    assert "held-out text: <strong>3.81 nat a token</strong>" in text
    assert "frame tokenizer: <strong>26.8 dB</strong>, 237 of 256 codes used in 300 frames" in text


def test_squares_of_the_heat_map_say_hits_and_the_row_on_top_the_ceiling(tmp_path: Path) -> None:
    record = made.write_record(tmp_path / "run.h5", needles=[made.needle(8, 37), made.needle(64, 9, depth=1.0)])
    spots = re.findall(
        r'<span class="spot" title="([^"]+)" style="left:([\d.]+)%;top:([\d.]+)%', page(report(tmp_path, record))
    )
    by_text = {title: (float(left), float(top)) for title, left, top in spots}
    ceilings = [place for title, place in by_text.items() if title.endswith("ceiling 0.88") and "depth" not in title]
    cells = [place for title, place in by_text.items() if "depth" in title]
    assert len(ceilings) == len(cells) == 2
    assert max(top for _, top in ceilings) < min(top for _, top in cells), "the ceiling is above all squares"
    assert any(title.startswith("8 s, depth 0.5: 37/40 right (92.5 %") for title in by_text)
    assert any(title.startswith("64 s, depth 1: 9/40 right (22.5 %") for title in by_text)


def test_seeds_are_added_up_and_thetas_are_not(tmp_path: Path) -> None:
    record = made.write_record(
        tmp_path / "run.h5",
        needles=[made.needle(8, 40), made.needle(8, 30, training_seed=3, checkpoint_digest="other"),
                 made.needle(8, 4, theta_mode="scaled", rope_theta=9e3)],
    )  # fmt: skip
    text = page(report(tmp_path, record))
    assert "70/80 right" in text
    assert "4/40 right" in text


def test_a_ceiling_is_the_mean_over_answers() -> None:
    rows = [
        made.measure("image_text", "digit", 8, 10, ceiling=0.8),
        made.measure("image_text", "digit", 30, 30, ceiling=1.0),
    ]
    table = evaluation.Table({name: np.array([row[name] for row in rows]) for name in rows[0]})
    total = evaluation.total(table)
    assert (total.hits, total.trials) == (38, 40)
    assert total.chance == pytest.approx(0.1) and total.ceiling == pytest.approx(0.95)


def test_captions_stand_beside_answers_and_wrong_ones_are_marked(typical: Path) -> None:
    text = page(typical)
    rows = re.findall(r"<tr[^>]*>(?:(?!</tr>).)*red one top left(?:(?!</tr>).)*</tr>", text, flags=re.DOTALL)
    assert len(rows) == 3, "one wrong answer of each kind, and none of the round trip"
    assert all("wrong" in row for row in rows)
    with (typical / "evaluation.csv").open(encoding="utf-8") as file:
        assert {row["task"] for row in csv.DictReader(file)} == {"image_text", "text_image", "text_video", "original"}


def test_frames_are_drawn_as_they_are_in_the_record(tmp_path: Path) -> None:
    """A frame of one colour is a patch of that colour in the picture."""
    colour = np.array([250, 10, 120])
    pixels = np.tile(colour, 2 * made.SIDE * made.SIDE)
    pixels[3 * made.SIDE * made.SIDE :] = 0  # the second frame is black
    record = made.write_record(tmp_path / "run.h5", pixels, examples=[made.example("round_trip", 0, 2, 0)])
    picture = imread(io.BytesIO((report(tmp_path, record) / "evaluation-round-trip.png").read_bytes()))
    shown = np.round(picture[..., :3] * 255).astype(int)
    is_colour = (abs(shown - colour) <= 1).all(axis=2)
    is_black = (shown <= 1).all(axis=2)
    assert is_colour.sum() > 1000
    assert is_black.sum() == pytest.approx(is_colour.sum(), rel=0.1)
    assert np.nonzero(is_colour)[0].max() < np.nonzero(is_black)[0].min(), "the original is above"


def test_examples_whose_frames_are_cut_off_are_left_out(tmp_path: Path) -> None:
    record = made.write_record(
        tmp_path / "run.h5", np.zeros(made.SIDE * made.SIDE * 3),
        examples=[made.example("text_image", 0, 1, 0), made.example("text_image", 1, 1, 192)],
    )  # fmt: skip
    assert len(list(evaluation._examples(run.load([record])))) == 1
    assert "evaluation-text-image.png" in {path.name for path in report(tmp_path, record).iterdir()}


def test_rows_that_are_not_valid_are_not_plotted(tmp_path: Path) -> None:
    bad = made.needle(64, 40, valid=False, outcome="out_of_memory", reason="out of memory")
    text = page(report(tmp_path, made.write_record(tmp_path / "run.h5", needles=[made.needle(8, 20), bad])))
    assert "20/40 right" in text
    assert "64 s" not in text
    only_bad = made.write_record(tmp_path / "bad.h5", needles=[bad])
    assert "There is no valid row to show." in page(report(tmp_path / "bad", only_bad))


def test_a_slower_cell_fails_the_comparison(tmp_path: Path) -> None:
    base = made.write_record(tmp_path / "base.h5", needles=[made.needle(8, 30), made.needle(64, 30)])
    slow = made.write_record(tmp_path / "slow.h5", needles=[made.needle(8, 30), made.needle(64, 30, seconds=9.0)])
    assert cli.main(["compare", str(base), str(base)]) == 0
    assert cli.main(["compare", str(base), str(slow)]) == 1
