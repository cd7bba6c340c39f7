"""`ringworld attention --predict`: what is predicted from rates that are given, and from rates of the same job."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest

import launch
from record_reading import read_table, text_of

HEADS, HEAD_SIZE = 2, 16
POINT = ("--heads", HEADS, "--head-size", HEAD_SIZE, "--causal", "false")
#: 4 D H = 128 FLOP a pair of a forward pass: 1e8 pairs a second. Keys and values of a token have 256 bytes.
RATES = """
[[attention]]
pass = "forward"
causal = false
query_tokens = 100
key_tokens = 100
head_size = 16
heads = 2
flops_per_second = 1.28e10
lowest = 0.64e10
highest = 2.56e10

[[link]]
level = "node"
bytes_per_second = 1e9
latency = 1e-6
"""
BLOCK = 100 * 100 / 1e8
HOP = 1e-6 + 100 * 256 / 1e9


@pytest.fixture
def rates(tmp_path: Path) -> Path:
    path = tmp_path / "rates.toml"
    path.write_text(RATES, encoding="utf-8")
    return path


def times_of(finished: launch.Finished) -> list[tuple[float, float, float]]:
    """Predicted time, and that with the highest and the lowest rates, of each line of the table."""
    found = []
    for line in finished.stdout.splitlines()[1:]:
        words = line.split()
        low, high = words[words.index("to") - 1], words[words.index("to") + 1]
        found.append((float(words[5]), float(low), float(high)))
    return found


def test_a_dry_run_predicts_ranks_that_are_not_there(rates: Path) -> None:
    # 1024 is far above the job's one rank: 100 tokens each, hops of 26.6 us behind blocks of 100 us.
    for ranks in (1, 4, 1024):
        finished = launch.run_successfully(
            None, "attention", "--predict", "--dry-run", "--rates", rates, *POINT, "--context-length", 100 * ranks,
            "--ranks", ranks,
        )  # fmt: skip
        assert times_of(finished) == [pytest.approx((ranks * BLOCK, ranks * BLOCK / 2, ranks * BLOCK * 2), rel=1e-3)]
        assert "extrapolated" not in finished.stdout


def test_a_given_link_takes_the_place_of_that_of_the_file(rates: Path) -> None:
    finished = launch.run_successfully(
        None, "attention", "--predict", "--dry-run", "--rates", rates, *POINT, "--context-length", 400, "--ranks", 4,
        "--link", "1e9,1e-3",
    )  # fmt: skip
    hop = 1e-3 + 100 * 256 / 1e9
    assert times_of(finished)[0][0] == pytest.approx(3 * hop + BLOCK, rel=1e-3)


def test_without_overlap_hops_come_on_top(rates: Path) -> None:
    finished = launch.run_successfully(
        None, "attention", "--predict", "--dry-run", "--rates", rates, *POINT, "--context-length", 400, "--ranks", 4,
        "--overlap", 0,
    )  # fmt: skip
    assert times_of(finished)[0][0] == pytest.approx(3 * (BLOCK + HOP) + BLOCK, rel=1e-3)


def test_shapes_outside_the_table_are_marked(rates: Path) -> None:
    finished = launch.run_successfully(
        None, "attention", "--predict", "--dry-run", "--rates", rates, *POINT, "--context-length", 200, "--ranks", 1
    )
    assert "extrapolated" in finished.stdout
    assert times_of(finished)[0][0] == pytest.approx(4 * BLOCK, rel=1e-3)


def test_every_schedule_is_predicted(rates: Path) -> None:
    kinds = "ring,all_gather,bidirectional,double_ring,broadcast,broadcast_queries,pass_q"
    finished = launch.run_successfully(
        None, "attention", "--predict", "--dry-run", "--rates", rates, *POINT, "--context-length", 1600, "--ranks", 16,
        "--ranks-per-node", 4, "--schedule", kinds, "--ulysses", "1,2",
    )  # fmt: skip
    times = times_of(finished)
    assert len(times) == 14
    assert all(low <= time <= high for time, low, high in times)
    assert all(time >= 0.999 * 16 * BLOCK for time, _, _ in times), "no schedule is faster than its blocks"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--dry-run",), "give --rates"),
        (("--link", "0,1e-6"), "--link takes a positive bandwidth"),
        (("--link", "1e9"), "--link takes a positive bandwidth"),
        (("--overlap", "1.5"), "--overlap must be between 0 and 1"),
    ],
)
def test_what_cannot_be_predicted_is_refused(flags: tuple[str, ...], said: str) -> None:
    finished = launch.run(None, "attention", "--predict", *flags)
    assert finished.code == 2, str(finished)
    assert said in finished.stderr


def test_a_run_measures_its_rates_and_writes_them(tmp_path: Path) -> None:
    record, table = tmp_path / "record.h5", tmp_path / "measured.toml"
    launch.run_successfully(
        None, "attention", "--predict", *POINT, "--context-length", 512, "--pass", "forward,backward", "--repeats", 2,
        "--rates-output", table, "--output", record,
    )  # fmt: skip
    rows = read_table(record, "/attention")
    for row in rows:
        assert 0 < row["predicted_low"] <= row["predicted_time"] <= row["predicted_high"]
        assert not row["predicted_extrapolated"]
        assert text_of(row, "predicted_from").startswith("measured in this run, digest ")
        assert row["block_flops_per_second"] > 0
        assert row["link_bytes_per_second"] == 0, "one rank has no link"
    finished = launch.run_successfully(
        None, "attention", "--predict", "--dry-run", "--rates", table, *POINT, "--context-length", 512
    )
    assert times_of(finished)[0][0] == pytest.approx(rows[0]["predicted_time"], rel=1e-3), "the file says the same"


def test_collectives_take_the_times_that_the_record_holds(tmp_path: Path, rates: Path) -> None:
    record = tmp_path / "record.h5"
    launch.run_successfully(
        2, "info", "--links", "--links-max-bytes", "4K", "--links-repeats", 2, "--seconds", 0.01, "--output", record
    )
    with h5py.File(record, "r+") as file:
        rows = file["/links"][()]
        # An all_gather of two ranks takes a second, and a nanosecond a byte that crosses the link.
        slow = rows["operation"] == b"all_gather"
        crossing = rows["bytes"][slow] / 2
        rows["seconds"][slow] = rows["seconds_min"][slow] = rows["seconds_max"][slow] = 1 + 1e-9 * crossing
        rows["bus_bandwidth"][slow] = crossing / rows["seconds"][slow]
        file["/links"][...] = rows
    times = []
    for resumed in (False, True):
        output = record if resumed else tmp_path / "alone.h5"
        launch.run_successfully(
            2, "attention", "--predict", "--rates", rates, "--link", "1e9,1e-6", *POINT, "--context-length", 400,
            "--schedule", "ring,all_gather", "--repeats", 1, "--output", output, *(["--resume"] * resumed),
        )  # fmt: skip
        found = read_table(output, "/attention")
        assert [text_of(row, "predicted_from").endswith("; collectives as in /links") for row in found] == [resumed] * 2
        times.append({text_of(row, "schedule"): float(row["predicted_time"]) for row in found})
    assert times[1]["ring"] == times[0]["ring"], "a ring has no collective"
    assert times[0]["all_gather"] < 0.5
    assert 1 < times[1]["all_gather"] < 1.5


def test_ranks_that_share_cores_have_no_prediction(tmp_path: Path) -> None:
    record = tmp_path / "record.h5"
    finished = launch.run_successfully(
        None, "attention", "--predict", *POINT, "--context-length", 64, "--threads", 64, "--repeats", 1, "--output",
        record,
    )  # fmt: skip
    row = read_table(record, "/attention")[0]
    assert row["predicted_time"] == 0
    assert text_of(row, "predicted_from").startswith("none: 64 threads of rank 0 share")
    assert "none: 64 threads" in finished.stdout


def test_points_without_the_flag_are_not_predicted(tmp_path: Path) -> None:
    record = tmp_path / "record.h5"
    launch.run_successfully(None, "attention", *POINT, "--context-length", 64, "--repeats", 1, "--output", record)
    row = read_table(record, "/attention")[0]
    assert row["predicted_time"] == 0
    assert text_of(row, "predicted_from") == ""
