"""`train` and `info --links` on ranks that SimGrid simulates: counts of real ranks, times of formulas, stages."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

import launch
from test_simulation import BANDWIDTH, ROOT, Rows, run

#: A model whose every extent differs, two layers more than are simulated where a test says so.
MODEL = ("--preset", "debug", "--context-length", 2048, "--batch", 4)
COUNTS = ("hops", "hop_bytes", "collectives", "collective_bytes")


def rows_of(path: Path, table: str) -> Rows:
    with h5py.File(path, "r") as record:
        rows = record[table]
        names = rows.dtype.names
        return [
            {name: row[name].decode() if isinstance(row[name], bytes) else row[name].item() for name in names}
            for row in rows
        ]


def train(path: Path, ranks: int, *flags: object, platform: str = "flat", rates: float = 1e13) -> Rows:
    done = run(ranks, platform, "train", "--backend", "simulated", "--rates", f"{rates:g}", "--output", path, *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    return rows_of(path, "/training/simulated")


@pytest.mark.parametrize(
    ("ranks", "mesh", "schedule"),
    [(2, "1,2,1,1", "ring"), (2, "1,1,1,2", "ring"), (4, "1,1,2,2", "all_gather"), (4, "2,1,1,2", "ring"),
     (4, "1,1,1,4", "broadcast")],
)  # fmt: skip
def test_messages_and_bytes_of_a_step_are_those_of_real_ranks(
    tmp_path: Path, ranks: int, mesh: str, schedule: str
) -> None:
    flags = (*MODEL, "--mesh", mesh, "--schedule", schedule, "--layers-simulated", 0)
    simulated = train(tmp_path / "simulated.h5", ranks, *flags)[0]
    launch.run_successfully(
        ranks, "train", "--backend", "simulated", "--rates", "1e13", "--output", tmp_path / "real.h5", *flags
    )
    real = rows_of(tmp_path / "real.h5", "/training/simulated")[0]
    assert {name: simulated[name] for name in COUNTS} == {name: real[name] for name in COUNTS}
    assert simulated["collectives"] > 0
    assert (simulated["platform"], real["platform"]) == ("flat", "")


def test_two_numbers_of_layers_say_what_all_layers_take(tmp_path: Path) -> None:
    flags = ("--preset", "200m", "--context-length", "16K", "--batch", 2, "--mesh", "1,2,2,2")
    whole = train(tmp_path / "whole.h5", 8, *flags, "--layers-simulated", 0, platform="dgx_h100")[0]
    scaled = train(tmp_path / "scaled.h5", 8, *flags, "--layers-simulated", "2,4", platform="dgx_h100")[0]
    assert (whole["layers_simulated"], whole["layers"]) == (14, 14)
    assert (scaled["fewer_layers_simulated"], scaled["layers_simulated"], scaled["layers"]) == (2, 4, 14)
    assert {name: scaled[name] for name in COUNTS} == {name: whole[name] for name in COUNTS}
    assert scaled["step_time"] == pytest.approx(whole["step_time"], rel=5e-3)
    assert scaled["step_time"] == pytest.approx(scaled["rest_time"] + 14 * scaled["layer_time"], rel=1e-9)


def test_a_step_that_waits_for_shards_takes_what_they_take(tmp_path: Path) -> None:
    ranks = 4
    row = train(tmp_path / "a.h5", ranks, *MODEL, "--mesh", "1,4,1,1", "--layers-simulated", 0, rates=1e18)[0]
    assert row["step_time"] == pytest.approx(row["collective_bytes"] / ranks / BANDWIDTH, rel=0.25)
    slower = tmp_path / "half.toml"
    flat = (ROOT / "scripts/simulate/platforms/flat.toml").read_text(encoding="utf-8")
    slower.write_text(flat.replace("50e9", "5e9"), encoding="utf-8")
    tenth = train(tmp_path / "b.h5", ranks, *MODEL, "--mesh", "1,4,1,1", "--layers-simulated", 0, rates=1e18,
                  platform=str(slower))[0]  # fmt: skip
    assert tenth["step_time"] > 8 * row["step_time"]


def test_long_messages_take_no_memory(tmp_path: Path) -> None:
    # Sums over tensor-parallel ranks go round as messages of 3 GiB; SMPI would hold a copy of each. The limit leaves room
    # for the 16 GiB of addresses that all phantoms share.
    flags = ("--preset", "7b", "--context-length", "256K", "--mesh", "1,1,4,1", "--layers-simulated", "1,2")
    limit = 18 << 30
    done = run(
        4, "flat", "train", "--backend", "simulated", "--rates", "1e14", "--dtype", "bfloat16", *flags, "--output",
        tmp_path / "a.h5", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows_of(tmp_path / "a.h5", "/training/simulated")[0]["valid"]


def test_the_same_training_twice_gives_the_same_rows(tmp_path: Path) -> None:
    flags = (*MODEL, "--mesh", "1,4,2,8", "--layers-simulated", 0)
    one, two = (train(tmp_path / f"{name}.h5", 64, *flags, platform="dgx_h100") for name in "ab")
    assert one == two


def test_a_simulated_step_is_not_compared_with_one_of_other_rates(tmp_path: Path) -> None:
    from ringworld_analysis import cli

    flags = (*MODEL, "--mesh", "1,2,1,1", "--layers-simulated", 0)
    train(tmp_path / "a.h5", 2, *flags)
    train(tmp_path / "b.h5", 2, *flags, rates=2e13)
    assert cli.main(["compare", str(tmp_path / "a.h5"), str(tmp_path / "b.h5")]) == 2
    assert cli.main(["compare", str(tmp_path / "a.h5"), str(tmp_path / "a.h5")]) == 0


def links(path: Path, ranks: int, platform: str) -> dict[str, Rows]:
    done = run(ranks, platform, "info", "--links", "--backend", "simulated", "--links-repeats", 1,
               "--links-max-bytes", "64M", "--output", path)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = rows_of(path, "/links")
    assert all(row["simulated"] and row["platform"] == platform for row in rows)
    return {name: [row for row in rows if row["operation"] == name] for name in {row["operation"] for row in rows}}


@pytest.mark.parametrize(
    ("platform", "ranks", "latency", "bandwidth"),
    [("flat", 4, 2e-6, 50e9), ("dgx_h100", 8, 2e-6, 450e9), ("dgx_h100", 16, 3e-6, 50e9), ("dgx_a100", 8, 2e-6, 300e9)],
)
def test_hops_find_the_links_of_the_platform(
    tmp_path: Path, platform: str, ranks: int, latency: float, bandwidth: float
) -> None:
    hops = links(tmp_path / "links.h5", ranks, platform)["hop"]
    shortest, longer, longest = hops[0], hops[-2], hops[-1]
    assert shortest["seconds"] == pytest.approx(latency, rel=0.01)
    found = (longest["bytes"] - longer["bytes"]) / (longest["seconds"] - longer["seconds"])
    assert found == pytest.approx(bandwidth, rel=0.01)
    assert hops[0]["nodes"] == {("flat", 4): 4, ("dgx_h100", 16): 2}.get((platform, ranks), 1)


def test_collectives_of_two_nodes_use_the_ports_of_all_their_devices(tmp_path: Path) -> None:
    of = links(tmp_path / "links.h5", 16, "dgx_h100")
    longer, longest = of["all_gather"][-2:]
    on_the_bus = (longest["bytes"] - longer["bytes"]) * 15 / 16
    assert on_the_bus / (longest["seconds"] - longer["seconds"]) == pytest.approx(400e9, rel=0.02)
    assert of["reduce_scatter"][-1]["seconds"] == pytest.approx(longest["seconds"], rel=0.01)


def test_a_platform_made_from_links_is_the_one_that_they_were_measured_on(tmp_path: Path) -> None:
    from ringworld_analysis import cli

    links(tmp_path / "inside.h5", 8, "dgx_h100")
    made = tmp_path / "made.toml"
    assert cli.main(["platform", "calibrate", str(tmp_path / "inside.h5"), "--output", str(made)]) == 0
    done = run(4, str(made), "info", "--links", "--backend", "simulated", "--links-repeats", 1, "--output",
               tmp_path / "again.h5")  # fmt: skip
    assert done.returncode == 0, done.stderr
    hops = [row for row in rows_of(tmp_path / "again.h5", "/links") if row["operation"] == "hop"]
    assert hops[-1]["seconds"] == pytest.approx(hops[-1]["bytes"] / 450e9, rel=0.02)
    assert hops[0]["seconds"] == pytest.approx(2e-6, rel=0.02)


def stages(*flags: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts/simulate/stages.py"), *map(str, flags)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_stages_of_lwm_run_and_one_assumption_is_varied_at_a_time(tmp_path: Path) -> None:
    record = tmp_path / "stages.h5"
    done = stages("--ranks", 64, "--platform", "tpu_v4", "--contexts", "32K", "--layers-simulated", "1,2", "--output",
                  record, "--vary", "link=0.01", "--vary", "efficiency=0.25", "--vary",
                  "mesh=1,-1,1,4 layout=contiguous schedule=ring;all_gather")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    first, link, efficiency, ring, gather = rows_of(record, "/training/simulated")
    for row in (first, link, efficiency, ring, gather):
        assert row["stage_seconds"] == pytest.approx(1200 * row["step_time"])
    assert 1.5 < efficiency["step_time"] / first["step_time"] < 2.01
    assert link["step_time"] > 1.1 * first["step_time"]
    assert [(row["mesh"], row["layout"], row["schedule"]) for row in (first, ring, gather)] == [
        ("1,16,4,1", "zigzag", "ring"), ("1,16,1,4", "contiguous", "ring"), ("1,16,1,4", "contiguous", "all_gather")
    ]  # fmt: skip


def test_stages_of_vision_run_on_any_cluster(tmp_path: Path) -> None:
    record = tmp_path / "stages.h5"
    done = stages("--stages", "vision", "--ranks", 32, "--platform", "dgx_h100", "--contexts", "1K,8K",
                  "--layers-simulated", "1,2", "--with", "micro_batch=4", "--output", record)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = rows_of(record, "/training/simulated")
    assert [(row["stages"], row["context_length"], row["micro_batch"]) for row in rows] == [
        ("lwm_vision", 1024, 4), ("lwm_vision", 8192, 4)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--contexts", "2K"), "no stage has 2048 tokens; stages have 32768, 131072"),
        (("--vary", "speed=2"), "NAME is one of efficiency, link"),
        (("--vary", "link=0"), "give a number above 0"),
    ],
)
def test_bad_usage_of_stages_is_one_clear_line(tmp_path: Path, flags: tuple[str, ...], said: str) -> None:
    done = stages("--ranks", 64, "--platform", "tpu_v4", "--output", tmp_path / "a.h5", *flags)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--layers-simulated", "2"), "give two numbers of layers"),
        (("--layers-simulated", "0,1"), "the first is 1 or more"),
        (("--mesh", "1,3,1,1"), "stage 0"),
    ],
)
def test_bad_usage_of_simulated_training_is_refused(tmp_path: Path, flags: tuple[str, ...], said: str) -> None:
    done = run(2, "flat", "train", "--backend", "simulated", "--rates", "1e13", "--output", tmp_path / "a.h5",
               *MODEL, *flags)  # fmt: skip
    assert done.returncode != 0
    assert said in done.stderr


def test_a_buffer_too_large_to_be_mapped_ends_the_job_in_a_line(tmp_path: Path) -> None:
    refused = run(4, "flat", "train", "--backend", "simulated", "--rates", "1e13", "--output", tmp_path / "run.h5",
                  "--preset", "7b", "--context-length", "1M", "--mesh", "1,1,2,2", "--batch", 16)  # fmt: skip
    assert refused.returncode == 1, refused.stdout + refused.stderr
    errors = [line for line in refused.stderr.splitlines() if line.startswith("ringworld: error: ")]
    assert len(errors) == 1 and "micro_batch" in errors[0], refused.stderr
    assert "Deadlock" not in refused.stderr


def test_collectives_of_many_gigabytes_take_the_time_of_their_bytes(tmp_path: Path) -> None:
    """Each way of the ring carries 9 GiB in the sum of the long one: more than one message holds."""
    model = ("--preset", "7b", "--context-length", "128K", "--mesh", "1,1,4,1", "--layers-simulated", "1,2")
    times = [
        train(tmp_path / f"{batch}.h5", 4, *model, "--batch", batch, platform="dgx_h100", rates=1e18)[0]["layer_time"]
        for batch in (3, 6)
    ]
    assert times[1] == pytest.approx(2 * times[0], rel=0.01)
