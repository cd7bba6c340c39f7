"""The report on links between ranks: files, fits, words."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from ringworld_analysis import cli, run
from ringworld_analysis.sections import links

import synthetic_links as made


def report(folder: Path, *files: Path) -> Path:
    assert cli.main(["report", *map(str, files), "--output", str(folder / "out")]) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def typical(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("links")
    return report(folder, made.typical_links(folder / "links.h5"))


def test_every_column_read_is_declared() -> None:
    assert set(links.COLUMNS) <= set(made.link_row_type().columns)


def test_each_job_has_a_figure_and_the_page_names_it(typical: Path) -> None:
    assert {"links-1.png", "links-2.png", "links.csv"} <= {path.name for path in typical.iterdir()}
    page = (typical / "index.html").read_text(encoding="utf-8")
    for ranks in (2, 4):
        assert f"Bus bandwidth: P = {ranks} on 1 node, host memory by mpi" in page
    assert "best bus bandwidth" in page and "/attention" not in page.split("<h2")[1]


def test_the_figure_has_a_colour_for_every_operation(typical: Path) -> None:
    picture = (imread(io.BytesIO((typical / "links-1.png").read_bytes()))[..., :3] * 255).round().astype(int)
    for colour in links._COLOURS:
        wanted = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)])
        assert np.count_nonzero(np.abs(picture - wanted).max(axis=-1) < 24) > 20, colour


def test_fits_find_latency_and_bandwidth(tmp_path: Path) -> None:
    rows = run.load([made.typical_links(tmp_path / "links.h5")]).records("/links")
    assert rows is not None
    for operation, part in links._operations(rows.where(ranks=4)):
        fitted = links._fit_of(part)
        assert fitted is not None
        latency, bandwidth = made.TRUTH[operation]
        assert fitted.latency == pytest.approx(latency, rel=1e-6)
        assert fitted.bandwidth == pytest.approx(bandwidth, rel=1e-6)
        assert fitted.largest_error < 1e-6


def test_fits_are_never_negative() -> None:
    bent = links.fit(np.array([10.0, 20.0, 40.0]), np.array([1.0, 3.0, 9.0]))
    assert bent is not None and bent.latency == 0 and bent.bandwidth > 0
    falling = links.fit(np.array([10.0, 20.0]), np.array([3.0, 2.0]))
    assert falling is not None and math.isinf(falling.bandwidth) and falling.latency > 2
    assert links.fit(np.array([10.0, 10.0]), np.array([1.0, 2.0])) is None


def test_the_data_hold_every_valid_row(typical: Path) -> None:
    with (typical / "links.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 7 * 14
    hop = next(row for row in rows if row["operation"] == "hop" and row["bytes"] == "8" and row["ranks"] == "4")
    assert float(hop["seconds"]) == pytest.approx(2e-6 + 8 / 20e9)


def test_wrong_values_are_the_first_thing_said_and_not_plotted(tmp_path: Path) -> None:
    rows = [made.link_row("hop", 8 * 4**power) for power in range(3)]
    rows.append(made.link_row("hop", 4096, valid=False, outcome="failed_check", reason="wrong", wrong=3))
    folder = report(tmp_path, made.write_links(tmp_path / "links.h5", rows))
    assert "1 transfer</strong> brought wrong values" in (folder / "index.html").read_text(encoding="utf-8")
    assert "4096" not in (folder / "links.csv").read_text(encoding="utf-8")
    only = made.write_links(tmp_path / "wrong.h5", rows[-1:])
    section = links.section(run.load([only]))
    assert section is not None and section.missing and not section.pictures
