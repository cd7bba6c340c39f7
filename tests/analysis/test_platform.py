"""A platform from what was measured: links by place, the peak, and what cannot be told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ringworld_analysis import cli

import synthetic_links as made

ROOT = Path(__file__).resolve().parents[2]


def record(path: Path, ranks: int, nodes: int) -> Path:
    return made.write_links(path, [made.link_row("hop", 8 * 4**power, ranks, nodes=nodes) for power in range(14)])


def calibrate(tmp_path: Path, *arguments: object) -> int:
    return cli.main(["platform", "calibrate", *map(str, arguments), "--output", str(tmp_path / "made.toml")])


def made_platform(tmp_path: Path) -> dict[str, object]:
    sys.path.insert(0, str(ROOT / "scripts" / "simulate"))
    try:
        import make_platform
    finally:
        sys.path.pop(0)
    read: dict[str, object] = make_platform.read(tmp_path / "made.toml")  # refuses what simulate.sh would
    return read


def test_a_flat_platform_has_half_of_the_latency_on_either_link(tmp_path: Path) -> None:
    assert calibrate(tmp_path, record(tmp_path / "links.h5", 4, 4)) == 0
    latency, bandwidth = made.TRUTH["hop"]
    platform = made_platform(tmp_path)
    assert platform["kind"] == "flat"
    assert platform["link"] == pytest.approx({"bytes_per_second": bandwidth, "latency": latency / 2}, rel=1e-4)


def test_links_inside_and_between_nodes_come_from_two_records(tmp_path: Path) -> None:
    inside, between = record(tmp_path / "inside.h5", 8, 1), record(tmp_path / "between.h5", 4, 4)
    assert calibrate(tmp_path, between, inside, "--devices-per-node", 8) == 0
    platform = made_platform(tmp_path)
    latency, bandwidth = made.TRUTH["hop"]
    assert (platform["kind"], platform["devices_per_node"]) == ("nodes", 8)
    for name in ("inside", "network"):
        link = platform[name]
        assert isinstance(link, dict)
        assert (link["bytes_per_second"], link["latency"]) == pytest.approx((bandwidth, latency), rel=1e-4)


def test_rates_that_attention_wrote_are_read(tmp_path: Path) -> None:
    rates = tmp_path / "rates.toml"
    rates.write_text('[[link]]\nlevel = "network"\nbytes_per_second = 1.25e9\nlatency = 3e-5\n', encoding="utf-8")
    assert calibrate(tmp_path, rates) == 0
    assert made_platform(tmp_path)["link"] == pytest.approx({"bytes_per_second": 1.25e9, "latency": 1.5e-5})


@pytest.mark.parametrize(
    ("ranks", "nodes", "flags", "said"),
    [
        (8, 2, (), "some hops left a node and some did not"),
        (4, 4, ("--devices-per-node", 8), "give a record of one node, too"),
    ],
)
def test_what_cannot_be_told_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ranks: int, nodes: int, flags: tuple[object, ...], said: str
) -> None:
    assert calibrate(tmp_path, record(tmp_path / "links.h5", ranks, nodes), *flags) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "made.toml").exists()
