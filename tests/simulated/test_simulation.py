"""The program on ranks that SimGrid simulates: times that formulas give, counts of a real run, and what is refused."""

from __future__ import annotations

import csv
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import h5py
import pytest

import launch

ROOT = Path(__file__).resolve().parents[2]
SIMULATE = ROOT / "scripts" / "simulate.sh"
HEADS, HEAD_SIZE = 8, 64
#: Of the platform flat: a message passes the link of its sender and that of its receiver.
BANDWIDTH, LATENCY = 50e9, 2e-6
Rows = list[dict[str, Any]]


def run(ranks: int, platform: str, *flags: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [str(SIMULATE), "-n", str(ranks), "--platform", platform, *map(str, flags)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, **options)


def attention(
    path: Path, ranks: int, *flags: object, platform: str = "flat", rates: float = 1e13, heads: int = HEADS
) -> Rows:
    done = run(ranks, platform, "attention", "--backend", "simulated", "--rates", f"{rates:g}", "--heads", heads,
               "--head-size", HEAD_SIZE, "--repeats", 1, "--warmup", 0, "--output", path, *flags)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return rows_of(path)


def rows_of(path: Path) -> Rows:
    with h5py.File(path, "r") as record:
        table = record["/attention"]
        return [
            {
                name: row[name].decode() if isinstance(row[name], bytes) else row[name].item()
                for name in table.dtype.names
            }
            for row in table
        ]


def hop_seconds(context_length: int, ranks: int) -> float:
    return LATENCY + context_length // ranks * 2 * HEADS * HEAD_SIZE * 4 / BANDWIDTH


@pytest.mark.parametrize("rates", [1e12, 1e14])
def test_a_balanced_ring_of_64_takes_what_the_formula_says(tmp_path: Path, rates: float) -> None:
    context, ranks = 128 * 1024, 64
    row = attention(tmp_path / "a.h5", ranks, "--context-length", context, "--causal", "false", rates=rates)[0]
    block = 4 * HEADS * HEAD_SIZE * (context / ranks) ** 2 / rates
    expected = (ranks - 1) * max(block, hop_seconds(context, ranks)) + block
    assert row["valid"], row["reason"]
    assert row["step_time"] == pytest.approx(expected, rel=1e-3)


def test_every_schedule_takes_what_the_recursion_of_its_plan_says(tmp_path: Path) -> None:
    for ranks in (2, 3, 4, 8):
        rows = attention(
            tmp_path / f"{ranks}.h5", ranks, "--context-length", 24 * 1024, "--schedule",
            "ring,bidirectional,double_ring,all_gather,pass_q", "--layout", "zigzag,striped,contiguous", "--pass",
            "forward,backward", "--predict", "--link", f"{BANDWIDTH},{LATENCY}", rates=1e12,
        )  # fmt: skip
        assert len(rows) == 30
        for row in rows:
            assert row["valid"], row["reason"]
            assert row["step_time"] == pytest.approx(row["predicted_time"], rel=5e-3), row


def test_a_ring_of_64_takes_what_the_recursion_of_its_plan_says(tmp_path: Path) -> None:
    rows = attention(
        tmp_path / "a.h5", 64, "--context-length", 256 * 1024, "--layout", "zigzag,contiguous", "--pass",
        "forward,backward", "--predict", "--link", f"{BANDWIDTH},{LATENCY}",
    )  # fmt: skip
    assert len(rows) == 4
    for row in rows:
        assert row["valid"], row["reason"]
        assert row["step_time"] == pytest.approx(row["predicted_time"], rel=5e-3), row


def test_a_kept_simulation_of_a_claim_is_made_again_bit_by_bit(tmp_path: Path) -> None:
    claim = ROOT / "experiments" / "claims" / "records" / "zigzag_fraction_of_ideal_s.csv"
    lines = claim.read_text(encoding="utf-8").splitlines()
    command = shlex.split(lines[0].removeprefix("# "))
    output = tmp_path / "a.h5"
    done = subprocess.run(
        [*command, "--output", str(output)], cwd=ROOT, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    kept = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    rows = rows_of(output)
    assert len(rows) == 3
    for row, old in zip(rows, kept):
        assert row["layout"] == old["layout"]
        for name in ("step_time", "flop_causal"):
            assert f"{row[name]:.7g}" == old[name]
        for name in ("rates_digest", "wire_bytes", "context_length"):
            assert str(row[name]) == old[name]


def test_the_same_simulation_twice_gives_the_same_rows(tmp_path: Path) -> None:
    flags = ("--context-length", 64 * 1024, "--schedule", "ring,all_gather,broadcast", "--pass", "forward,backward")
    one, two = (attention(tmp_path / f"{name}.h5", 16, *flags, platform="dgx_h100") for name in "ab")
    for row in (*one, *two):
        del row["peak_resident_bytes"]  # of the whole process, on the real machine
    assert one == two


def test_messages_and_bytes_are_those_of_real_ranks(tmp_path: Path) -> None:
    flags = ("--context-length", 4096, "--schedule", "ring,bidirectional,all_gather,broadcast,pass_q", "--pass",
             "forward,backward", "--layout", "zigzag,contiguous")  # fmt: skip
    simulated = attention(tmp_path / "simulated.h5", 4, *flags)
    real_path = tmp_path / "real.h5"
    launch.run_successfully(
        4, "attention", "--backend", "simulated", "--rates", "1e13", "--heads", HEADS, "--head-size", HEAD_SIZE,
        "--repeats", 1, "--warmup", 0, "--output", real_path, *flags,
    )  # fmt: skip
    real = rows_of(real_path)
    assert len(real) == len(simulated) > 10
    for one, other in zip(simulated, real):
        for name in ("schedule", "layout", "pass", "hops", "messages", "wire_bytes", "peak_bytes"):
            assert one[name] == other[name], (name, one, other)


def test_flows_that_share_a_port_share_its_bandwidth(tmp_path: Path) -> None:
    text = 'kind = "nodes"\nsource = "made up"\ndevices_per_node = 2\n' \
           "[inside]\nbytes_per_second = 1e14\nlatency = 1e-9\n" \
           "[network]\nbytes_per_second = 1e10\nlatency = 1e-9\ndevices_per_port = {}\n"  # fmt: skip
    times = {}
    for devices in (1, 2):
        platform = tmp_path / f"port{devices}.toml"
        platform.write_text(text.format(devices), encoding="utf-8")
        rows = attention(
            tmp_path / f"{devices}.h5", 4, "--schedule", "ring,double_ring", "--context-length", 16 * 1024,
            platform=str(platform), rates=1e18,
        )  # fmt: skip
        times[devices] = {row["schedule"]: row["step_time"] for row in rows}
    # One flow of a ring leaves a node, and both of a double ring's.
    assert times[2]["ring"] == pytest.approx(times[1]["ring"], rel=0.01)
    assert times[2]["double_ring"] == pytest.approx(2 * times[1]["double_ring"], rel=0.01)
    assert times[2]["ring"] == pytest.approx(1.5 * times[2]["double_ring"], rel=0.01)


@pytest.mark.parametrize(
    ("platform", "ranks"),
    [("dgx_h100", 16), ("dgx_a100", 16), ("frontier", 16), ("tpu_v4", 1), ("tpu_v4", 2), ("tpu_v4", 5), ("tpu_v4", 16)],
)
def test_every_platform_runs(tmp_path: Path, platform: str, ranks: int) -> None:
    row = attention(tmp_path / "a.h5", ranks, "--context-length", 64 * 1024, platform=platform)[0]
    assert row["valid"], row["reason"]
    assert (row["simulated"], row["platform"]) == (True, platform)
    assert len(row["platform_digest"]) == 16


def test_two_chips_of_a_torus_have_one_link_between_them(tmp_path: Path) -> None:
    row = attention(tmp_path / "a.h5", 2, "--context-length", 64 * 1024, platform="tpu_v4", rates=1e18)[0]
    hop = 1e-6 + 32 * 1024 * 2 * HEADS * HEAD_SIZE * 4 / 45e9
    assert row["step_time"] == pytest.approx(hop, rel=1e-3)


def test_a_block_counts_once_however_many_messages_it_takes(tmp_path: Path) -> None:
    # Blocks of 4 GiB, and MPI counts no more than 2.
    row = attention(tmp_path / "a.h5", 2, "--context-length", 2 * 1024 * 1024)[0]
    assert row["valid"], row["reason"]
    assert row["wire_bytes"] / row["messages"] == 2**32


def test_key_heads_that_several_ranks_share_are_exchanged_as_planned(tmp_path: Path) -> None:
    rows = attention(
        tmp_path / "a.h5", 16, "--context-length", 64 * 1024, "--kv-heads", 8, "--ulysses", 16, "--pass",
        "forward,backward", heads=32,
    )  # fmt: skip
    for row in rows:
        assert row["valid"], row["reason"]


def test_an_exchange_in_groups_of_heads_exposes_a_share_of_itself(tmp_path: Path) -> None:
    rates = 20e12
    rows = attention(tmp_path / "g.h5", 4, "--context-length", "16K", "--ulysses", 4, "--head-groups", "1,2,4", "--pass",
                     "forward,backward", heads=32, rates=rates)  # fmt: skip
    for passed in ("forward", "backward"):
        of_pass = [row for row in rows if row["pass"] == passed]
        assert [row["head_groups"] for row in of_pass] == [1, 2, 4] and all(row["valid"] for row in of_pass)
        exposed = [row["step_time"] - row["flop_causal"] / 4 / rates for row in of_pass]
        for groups, seconds in zip((2, 4), exposed[1:], strict=True):
            assert seconds == pytest.approx(exposed[0] / groups, rel=0.2), passed
        assert of_pass[0]["wire_bytes"] == of_pass[2]["wire_bytes"] and of_pass[0]["peak_bytes"] > of_pass[2]["peak_bytes"]


def test_rings_inside_an_exchange_of_heads_cross_nodes_as_their_ranks_do(tmp_path: Path) -> None:
    row = attention(tmp_path / "a.h5", 16, "--context-length", 64 * 1024, "--ulysses", 8, platform="dgx_h100")[0]
    assert row["valid"], row["reason"]
    assert row["wire_bytes_between_nodes"] == row["wire_bytes_between_nodes_model"] > 0


def test_rows_say_what_they_are(tmp_path: Path) -> None:
    row = attention(tmp_path / "a.h5", 2, "--context-length", 1024)[0]
    assert row["simulated"]
    assert row["rates"] == "1e+13 FLOP/s"
    assert (row["probe_rows"], row["error"]) == (0, 0)


def test_without_simgrid_the_package_is_named(tmp_path: Path) -> None:
    for tool in ("bash", "dirname", "env", "python3", "cat"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    done = run(2, "flat", "attention", env={**os.environ, "PATH": str(tmp_path)})
    assert done.returncode == 2
    assert "libsimgrid-dev" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0, "flat", "info"), "-n takes a number of ranks, not '0'"),
        ((2, "flatt", "info"), "there is no platform 'flatt'"),
        ((2, "flat"), "no verb given"),
    ],
)
def test_bad_usage_is_refused(arguments: tuple[Any, ...], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('kind = "star"', "kind is 'star'"),
        (
            'kind = "flat"\nsource = "x"\ndevices_per_node = 1\n[link]\nbytes_per_second = -1\nlatency = 1',
            "bytes_per_second",
        ),
        ('kind = "flat"\nsource = "x"\ndevices_per_node = 1\n[link]\nspeed = 1', "speed is no key"),
        ("kind = ", "platform.toml"),
    ],
)
def test_a_bad_platform_is_one_clear_line(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "platform.toml"
    path.write_text(line, encoding="utf-8")
    done = run(2, str(path), "info")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
