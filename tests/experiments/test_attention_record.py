"""What `ringworld attention` records: whole tables, models that agree, failures as rows, and nothing lost to a kill."""

from __future__ import annotations

import itertools
import random
import re
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from ringworld_analysis.reading import read_source

import launch
from record_reading import Table, declared_columns, numpy_type, point_of, read_hops, read_table, text_of

RANKS = 4
HEADS, KV_HEADS, HEAD_SIZE, BATCH, REPEATS = 4, 2, 32, 2, 4
FEW = ("--heads", 4, "--kv-heads", 2, "--head-size", 16, "--warmup", 0)
SMALL = (*FEW, "--repeats", 1, "--gemm-extent", 256)
PROGRESS = re.compile(r"^\[\s*(\d+)/(\d+)\b")
TIMEOUT = 180


def sweep(
    output: Path, *flags: launch.Argument, ranks: int = 2, code: int = 0, timeout: float = TIMEOUT
) -> launch.Finished:
    finished = launch.run(ranks, "attention", "--output", output, *flags, timeout=timeout)
    assert finished.code == code, str(finished)
    return finished


def progress_lines(stderr: Iterable[str]) -> list[str]:
    return [line for line in stderr if PROGRESS.match(line)]


def rows_of(path: Path) -> Table:
    return read_table(path, "/attention")


# ---- repeats, figures of merit ---------------------------------------------------------------------------------------


def test_automatic_repeats_end_together_and_figures_of_merit_come_last(tmp_path: Path) -> None:
    output = tmp_path / "record.h5"
    flags = (*FEW, "--context-length", "64,512", "--ranks", "1,3", "--repeat-seconds", 0.02, "--csv")
    finished = sweep(output, *flags, ranks=3)
    rows = rows_of(output)
    assert np.all(rows["repeats"] == 0) and np.all(rows["repeats_done"] >= 5) and np.all(rows["repeats_done"] <= 200)
    samples = read_table(output, "/samples")
    for index, row in enumerate(rows):
        mine = samples[samples["attention_row"] == index]
        assert len(mine) == row["repeats_done"] * row["ranks"], "nothing is dropped"
        slowest = [mine["seconds"][mine["repeat"] == repeat].max() for repeat in range(row["repeats_done"])]
        assert row["step_time"] == np.median(slowest)
        # Without noise it would have gone on to 7 at most, with noise until its time was over.
        assert row["noisy"] or row["repeats_done"] >= 7 or np.ptp(slowest) <= 0.04 * row["step_time"]
    lines = finished.stdout.splitlines()
    header = lines.index(next(line for line in lines if line.startswith("context_length,ranks,schedule,")))
    assert len(lines[header + 1].split(",")) == len(lines[header].split(","))
    figures = [line.split(" ") for line in lines[-len(rows) :]]
    for row, (mark, name, value, unit, *keys) in zip(rows, figures):
        said = dict(key.split("=") for key in keys)
        assert (mark, name, unit) == ("FOM", "attention_rate", "FLOP/s")
        assert float(value) == pytest.approx(row["flops_per_second_per_rank"], rel=1e-5)
        assert (said["context_length"], said["ranks"]) == (str(row["context_length"]), str(row["ranks"]))
        assert said["valid"] == "yes" and said["noisy"] == ("yes" if row["noisy"] else "no")
        assert (said["joules"] == "not_available") == (row["energy"] == 0)


# ---- a good sweep ---------------------------------------------------------------------------------------------------

LENGTHS, SIZES, LAYOUTS = (251, 512), (1, 2, 3, 4), ("contiguous", "striped", "zigzag")
PASSES, DTYPES = ("forward", "backward", "forward_backward"), ("float32", "bfloat16")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, launch.Finished]:
    output = tmp_path_factory.mktemp("good") / "record.h5"
    flags: list[launch.Argument] = ["--context-length", ",".join(map(str, LENGTHS)), "--ranks", "1,2,3,4"]
    flags += ["--layout", ",".join(LAYOUTS), "--pass", ",".join(PASSES), "--dtype", ",".join(DTYPES)]
    flags += ["--heads", HEADS, "--kv-heads", KV_HEADS, "--head-size", HEAD_SIZE, "--batch", BATCH]
    flags += ["--warmup", 1, "--repeats", REPEATS, "--seed", 7]
    return output, sweep(output, *flags, ranks=RANKS)


def test_a_sweep_is_the_product_of_its_lists(good: tuple[Path, launch.Finished]) -> None:
    rows = rows_of(good[0])
    found = [
        (int(row["context_length"]), int(row["ranks"]), *(text_of(row, name) for name in ("layout", "pass", "dtype")))
        for row in rows
    ]
    assert sorted(found) == sorted(itertools.product(LENGTHS, SIZES, LAYOUTS, PASSES, DTYPES))
    assert len({point_of(row) for row in rows}) == len(rows)
    assert len(progress_lines(good[1].stderr.splitlines())) == len(rows)


def test_every_row_is_valid(good: tuple[Path, launch.Finished]) -> None:
    rows = rows_of(good[0])
    assert [text_of(row, "reason") for row in rows if not row["valid"] or text_of(row, "reason")] == []
    assert np.all(rows["error"] <= rows["error_tolerance"])
    assert np.all(rows["error_rms"] <= rows["error"])
    assert np.all(rows["error"][rows["dtype"] == b"float32"] <= 2e-5)
    assert np.all(rows["error"] > 0), "an error of exactly 0 was not measured"


@pytest.mark.parametrize("table", ["/attention", "/samples"])
def test_tables_have_the_declared_columns(good: tuple[Path, launch.Finished], table: str) -> None:
    columns = declared_columns()[table]
    with h5py.File(good[0], "r") as file:
        dataset = file[table]
        assert dataset.dtype.names == tuple(columns)
        for name, cpp_type in columns.items():
            assert dataset.dtype[name] == numpy_type(cpp_type), name
        for described in ("columns", "units", "meanings"):
            assert len(dataset.attrs[described]) == len(columns), described
        units = dict(zip(dataset.attrs["columns"], dataset.attrs["units"]))
    assert units["step_time" if table == "/attention" else "seconds"] == "s"


def test_columns_that_are_given_by_the_point(good: tuple[Path, launch.Finished]) -> None:
    for row in rows_of(good[0]):
        length, ranks = int(row["context_length"]), int(row["ranks"])
        assert (row["heads"], row["kv_heads"], row["head_size"], row["batch"]) == (HEADS, KV_HEADS, HEAD_SIZE, BATCH)
        assert (row["causal"], row["polling"], row["repeats"], row["seed"]) == (True, True, REPEATS, 7)
        assert text_of(row, "backend") == "host"
        assert text_of(row, "wire_dtype") == text_of(row, "dtype"), "activations travel in their own type by default"
        assert row["tokens_per_rank"] >= length / ranks
        # striped and contiguous runs differ by one token at most, zigzag has two of them
        assert row["tokens_per_rank"] <= -(-length // ranks) + (1 if text_of(row, "layout") == "zigzag" else 0)
        rotation = text_of(row, "backward_rotation")
        assert rotation == "none" if text_of(row, "pass") == "forward" else rotation in ("kv", "q")


def wire_bytes(row: Any) -> int:
    """Return what all ranks send in one pass: every token's operands and gradients travel P - 1 hops."""
    size = 4 if text_of(row, "wire_dtype") == "float32" else 2
    heads, kv_heads, head_size = (int(row[name]) for name in ("heads", "kv_heads", "head_size"))
    keys = 2 * kv_heads * head_size * size
    queries = 2 * heads * head_size * size + 3 * heads * 4  # q, dout, maximum, sum and delta
    bytes_of_token = 0
    if text_of(row, "pass") != "backward":
        bytes_of_token += keys
    if text_of(row, "pass") != "forward":
        rotates_keys = text_of(row, "backward_rotation") == "kv"
        bytes_of_token += (keys + 2 * kv_heads * head_size * 4) if rotates_keys else (queries + heads * head_size * 4)
    return int(row["batch"]) * int(row["context_length"]) * (int(row["ranks"]) - 1) * bytes_of_token


def test_counts_equal_their_models(good: tuple[Path, launch.Finished]) -> None:
    for row in rows_of(good[0]):
        passes = 2 if text_of(row, "pass") == "forward_backward" else 1
        assert row["hops"] == passes * (row["ranks"] - 1)
        assert row["wire_bytes"] == row["wire_bytes_model"] == wire_bytes(row), point_of(row)
        length = int(row["context_length"])
        per_pair = {"forward": 4, "backward": 10, "forward_backward": 14}[text_of(row, "pass")] * BATCH
        assert row["flop_full"] == per_pair * HEADS * HEAD_SIZE * length**2
        assert row["flop_causal"] == per_pair * HEADS * HEAD_SIZE * length * (length + 1) // 2


def test_rates_follow_from_times(good: tuple[Path, launch.Finished]) -> None:
    rows = rows_of(good[0])
    rate = rows["flop_causal"] / rows["step_time"] / rows["ranks"]
    np.testing.assert_allclose(rows["flops_per_second_per_rank"], rate, rtol=1e-12)
    np.testing.assert_allclose(rows["mfu_measured_peak"], rate / rows["peak_flops_per_second"], rtol=1e-12)
    tokens = BATCH * rows["context_length"]
    np.testing.assert_allclose(rows["tokens_per_second"], tokens / rows["step_time"], rtol=1e-12)
    assert np.all(rows["peak_flops_per_second"] > 0)
    assert np.all(rows["mfu_measured_peak"] > 0)
    known = rows["nominal_flops_per_second"] > 0
    expected = np.where(known, rate / np.where(known, rows["nominal_flops_per_second"], 1), 0)
    np.testing.assert_allclose(rows["mfu_nominal_peak"], expected, rtol=1e-12)


def test_the_efficiency_bound_is_that_of_the_layout(good: tuple[Path, launch.Finished]) -> None:
    for row in rows_of(good[0]):
        ranks, layout = int(row["ranks"]), text_of(row, "layout")
        bound = ranks / 2 / (ranks - 0.5) if layout == "contiguous" else 1.0
        assert row["layout_efficiency_bound"] == pytest.approx(bound, rel=0.03), point_of(row)
        assert row["layout_efficiency_bound"] <= 1


def test_samples_are_the_repeats_of_every_rank(good: tuple[Path, launch.Finished]) -> None:
    rows, samples = rows_of(good[0]), read_table(good[0], "/samples")
    assert len(samples) == sum(row["ranks"] * row["repeats"] for row in rows)
    for index, row in enumerate(rows):
        mine = samples[samples["attention_row"] == index]
        pairs = sorted((int(sample["repeat"]), int(sample["rank"])) for sample in mine)
        assert pairs == list(itertools.product(range(REPEATS), range(row["ranks"])))
        assert np.all(mine["seconds"] > 0)
        slowest = [mine["seconds"][mine["repeat"] == repeat].max() for repeat in range(REPEATS)]
        assert row["step_time"] == pytest.approx(float(np.median(slowest)), rel=1e-12)
        assert (row["step_time_min"], row["step_time_max"]) == (min(slowest), max(slowest))


def test_provenance_says_where_the_record_comes_from(good: tuple[Path, launch.Finished]) -> None:
    with h5py.File(good[0], "r") as file:
        attributes = dict(file["provenance"].attrs)
        ranks = file["provenance/ranks"][:]
        environment = dict(file["provenance/environment"].attrs)
    for name in ("git_revision", "compiler", "compiler_flags", "build_type", "enabled_backends", "library_versions"):
        assert attributes[name], name
    assert "git_is_dirty" in attributes
    assert attributes["mpi_library"]
    assert [str(word) for word in attributes["argv"]][1:3] == ["attention", "--output"]
    assert "context_length = [251, 512]" in attributes["configuration"]
    assert "warmup = 1" in attributes["configuration"], "defaults belong to the configuration"
    assert list(attributes["seeds"]) == [7]
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.fullmatch(stamp, attributes["utc_start"])
    assert re.fullmatch(stamp, attributes["utc_end"])
    assert attributes["utc_start"] <= attributes["utc_end"]
    assert environment["OMP_NUM_THREADS"] == "1"
    assert sorted(int(row["rank"]) for row in ranks) == list(range(RANKS))
    assert all(row["host"] and row["device"] and row["pid"] > 0 for row in ranks)


def test_nothing_but_the_record_is_left(good: tuple[Path, launch.Finished]) -> None:
    assert [path.name for path in good[0].parent.iterdir()] == ["record.h5"]


# ---- one thing at a time --------------------------------------------------------------------------------------------


def test_every_flag_that_spans_a_sweep_reaches_its_column(tmp_path: Path) -> None:
    output = tmp_path / "record.h5"
    flags: list[launch.Argument] = ["--context-length", 96, "--heads", "4,8", "--kv-heads", "2,4", "--batch", "1,3"]
    flags += ["--head-size", "16,100", "--causal", "true,false", "--warmup", 0, "--repeats", 1, "--backend"]
    sweep(output, *flags, "host,kokkos,reference", ranks=2)
    rows = rows_of(output)
    assert len(rows) == 2 * 2 * 2 * 2 * 2 * 3
    assert np.all(rows["valid"])
    for name, values in {"heads": (4, 8), "kv_heads": (2, 4), "batch": (1, 3), "head_size": (16, 100)}.items():
        assert {int(value) for value in rows[name]} == set(values), name
    assert {text_of(row, "backend") for row in rows} == {"host", "kokkos", "reference"}
    full = ~rows["causal"]
    assert full.sum() == len(rows) // 2
    rate = rows["flop_full"][full] / rows["step_time"][full] / rows["ranks"][full]
    np.testing.assert_allclose(rows["flops_per_second_per_rank"][full], rate, rtol=1e-12)
    assert np.all(rows["layout_efficiency_bound"][full] == 1)


def test_wire_type_rotation_and_polling_reach_their_columns(tmp_path: Path) -> None:
    output = tmp_path / "record.h5"
    flags: list[launch.Argument] = ["--context-length", 129, "--pass", "backward", "--wire-dtype", "float32,bfloat16"]
    flags += ["--dtype", "float32,bfloat16", "--backward-rotation", "kv,q", "--polling", "true,false"]
    sweep(output, *SMALL, *flags, ranks=3)
    rows = rows_of(output)
    assert np.all(rows["valid"]), [text_of(row, "reason") for row in rows]
    assert len({point_of(row) for row in rows}) == len(rows) == 16
    for row in rows:
        assert row["hops"] == 2
        assert row["wire_bytes"] == wire_bytes(row)


def test_the_cheaper_rotation_is_chosen(tmp_path: Path) -> None:
    output = tmp_path / "record.h5"
    flags: list[launch.Argument] = ["--context-length", 64, "--pass", "backward", "--heads", 8, "--kv-heads", "1,2,4,8"]
    sweep(output, *flags, "--head-size", 64, "--dtype", "bfloat16", "--warmup", 0, "--repeats", 1)
    chosen = {int(row["kv_heads"]): text_of(row, "backward_rotation") for row in rows_of(output)}
    # 2 Hkv D (2 + 4) bytes with keys, H D (2 * 2 + 4) and 8 H more with queries: equal at Hkv = 2/3 H
    assert chosen == {1: "kv", 2: "kv", 4: "kv", 8: "q"}


def test_a_config_file_holds_the_same_keys_and_flags_win(tmp_path: Path) -> None:
    config = tmp_path / "sweep.toml"
    config.write_text(
        'context_length = [64, "1K"]\nlayout = "striped,zigzag"\nheads = 4\nkv_heads = 2\nhead_size = 16\n'
        'causal = true\nrepeats = 5\nwarmup = 0\ntimeout = 60.0\npass = ["forward"]\n'
    )
    output = tmp_path / "record.h5"
    sweep(output, "--config", config, "--repeats", 2, "--layout", "contiguous,zigzag")
    rows = rows_of(output)
    found = sorted((int(row["context_length"]), text_of(row, "layout")) for row in rows)
    assert found == [(64, "contiguous"), (64, "zigzag"), (1024, "contiguous"), (1024, "zigzag")]
    assert np.all(rows["repeats"] == 2)
    assert np.all(rows["ranks"] == 2), "the default is the size of the job"
    with h5py.File(output, "r") as file:
        assert "repeats = 2" in file["provenance"].attrs["configuration"]


def test_the_seed_decides_the_inputs(tmp_path: Path) -> None:
    errors = []
    for name, seed, ranks in (("a", 1, 2), ("b", 1, 2), ("c", 2, 2)):
        output = tmp_path / f"{name}.h5"
        sweep(output, *SMALL, "--context-length", 257, "--seed", seed, ranks=ranks)
        errors.append(float(rows_of(output)["error_rms"][0]))
    assert errors[0] == errors[1]
    assert errors[0] != errors[2]


@pytest.mark.parametrize("pass_name", ["forward", "backward"])
def test_the_overlap_probe_measures_every_hop_of_every_rank(pass_name: str, tmp_path: Path) -> None:
    output = tmp_path / "record.h5"
    flags: list[launch.Argument] = ["--context-length", 514, "--ranks", "1,2,4", "--layout", "zigzag"]
    sweep(output, *FEW, *flags, "--pass", pass_name, "--overlap-probe", "true", "--repeats", 3, ranks=RANKS)
    rows, hops, probes = rows_of(output), read_hops(output), read_table(output, "/overlap/points")
    assert np.all(rows["valid"])
    columns = declared_columns()["/overlap/points"]
    assert probes.dtype.names == tuple(columns)
    assert [probes.dtype[name] for name in columns] == [numpy_type(kind) for kind in columns.values()]
    assert probes["attention_row"].tolist() == [1, 2], "one rank has nothing to hide"
    assert probes["first"].tolist() == [0, probes[0]["ranks"] * probes[0]["steps"]]
    for index, row in enumerate(rows):
        mine = hops[hops["attention_row"] == index]
        ranks = int(row["ranks"])
        pairs = sorted((int(hop["rank"]), int(hop["hop"])) for hop in mine)
        # Backward: a gradient hop that starts at step s is waited for at s + 1, and there is none before step 1.
        forward_steps = range(ranks - 1)
        backward_steps = [step for step in range(ranks + 1) if step + 1 < ranks or step > 1] if ranks > 1 else []
        steps = forward_steps if pass_name == "forward" else backward_steps
        assert pairs == list(itertools.product(range(ranks), steps))
        assert mine["bytes"].sum() == row["wire_bytes"]
    assert np.all(hops["t_comm"] > 0)
    assert np.all(hops["t_both"] > 0)
    unfolded = read_source(output).table("/overlap/hops")
    assert unfolded is not None
    for name in ("attention_row", "rank", "hop", "t_compute", "t_comm", "t_both", "bytes", "polling"):
        assert np.array_equal(unfolded[name], hops[name]), name


def test_without_the_probe_there_are_no_hops(good: tuple[Path, launch.Finished]) -> None:
    assert len(read_table(good[0], "/overlap/points")) == 0


# ---- memory ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pass_name", PASSES)
@pytest.mark.parametrize("rotation", ["kv", "q"])
def test_memory_of_a_rank_depends_on_its_tokens_only(pass_name: str, rotation: str, tmp_path: Path) -> None:
    if pass_name == "forward" and rotation == "q":
        pytest.skip("nothing but keys travels forward")
    output = tmp_path / "record.h5"
    flags: list[launch.Argument] = [*SMALL, "--pass", pass_name, "--backward-rotation", rotation]
    for ranks in (2, 4, 8):
        resume = [] if ranks == 2 else ["--resume"]
        sweep(output, *flags, "--context-length", 1024 * ranks, "--ranks", ranks, *resume, ranks=8)
    rows = rows_of(output)
    assert list(rows["ranks"]) == [2, 4, 8]
    peaks = rows["peak_bytes"].astype(float)
    assert np.all(np.abs(peaks[1:] / peaks[:-1] - 1) <= 0.02), peaks
    assert np.all(peaks <= 1.15 * rows["peak_bytes_model"])
    assert np.all(peaks >= 0.85 * rows["peak_bytes_model"])


@pytest.mark.parametrize("backend", ["host", "kokkos", "reference"])
def test_memory_keeps_its_model(backend: str, tmp_path: Path) -> None:
    output = tmp_path / "record.h5"
    # Memory of the slow backends is asked for as the host's is: shorter contexts and one layout will do.
    is_slow = backend != "host"
    lengths, layouts = ("61,253", "zigzag") if is_slow else ("61,1021", "contiguous,zigzag")
    flags: list[launch.Argument] = ["--context-length", lengths, "--ranks", "1,2,3", "--layout", layouts]
    flags += ["--pass", "forward,forward_backward", "--dtype", "float32,bfloat16", "--batch", "2" if is_slow else "1,2"]
    sweep(output, *SMALL, *flags, "--backend", backend, ranks=3)
    rows = rows_of(output)
    assert len(rows) == (24 if is_slow else 96)
    assert np.all(rows["peak_bytes"] <= 1.15 * rows["peak_bytes_model"])
    assert np.all(rows["peak_bytes"] > 0)


# ---- failure as data ------------------------------------------------------------------------------------------------


def test_out_of_memory_is_a_row_and_the_sweep_goes_on(tmp_path: Path) -> None:
    output = tmp_path / "record.h5"
    limit = 6 * 2**20
    flags: list[launch.Argument] = ["--context-length", "256,65536,512", "--memory-limit", limit]
    finished = sweep(output, *SMALL, *flags)
    rows = rows_of(output)
    assert list(rows["context_length"]) == [256, 65536, 512]
    assert list(rows["valid"]) == [True, False, True], [text_of(row, "reason") for row in rows]
    assert text_of(rows[1], "reason").startswith("out of memory")
    assert rows[1]["step_time"] == 0
    assert rows[1]["repeats_done"] == 0
    assert [text_of(row, "outcome") for row in rows] == ["ok", "out_of_memory", "ok"]
    assert np.all(rows["peak_bytes"] <= limit)
    assert len(progress_lines(finished.stderr.splitlines())) == 3
    assert finished.errors == []


def test_more_memory_than_the_node_has_is_a_row_too(tmp_path: Path) -> None:
    output = tmp_path / "record.h5"
    sweep(output, *SMALL, "--context-length", "128G,64", "--ranks", "1,2", timeout=60)
    rows = rows_of(output)
    assert list(rows["valid"]) == [False, False, True, True]
    assert all(text_of(row, "reason").startswith("out of memory") for row in rows[:2])


def test_a_point_over_its_time_limit_is_a_row_and_the_sweep_goes_on(tmp_path: Path) -> None:
    output = tmp_path / "record.h5"
    flags: list[launch.Argument] = ["--context-length", "64,131072,96", "--ranks", "1,2", "--pass", "forward_backward"]
    finished = sweep(output, *SMALL, *flags, "--time-limit", 1.5, timeout=90)
    rows = rows_of(output)
    assert list(rows["context_length"]) == [64, 64, 131072, 131072, 96, 96]
    assert list(rows["valid"]) == [True, True, False, False, True, True], [text_of(row, "reason") for row in rows]
    assert all(text_of(row, "reason").startswith("timeout") for row in rows[2:4])
    assert np.all(rows["repeats_done"][2:4] == 0)
    assert {text_of(row, "outcome") for row in rows[2:4]} == {"timeout"}
    assert len(progress_lines(finished.stderr.splitlines())) == 6
    assert finished.seconds < 60


# ---- kill and resume ------------------------------------------------------------------------------------------------


def long_sweep(output: Path) -> list[launch.Argument]:
    lengths = ",".join(str(length) for length in range(1024, 1024 + 20 * 16, 16))
    flags: list[launch.Argument] = ["--context-length", lengths, "--ranks", "2,3", "--output", output, "--repeats", 3]
    return ["attention", *flags, "--warmup", 0, "--heads", 4, "--kv-heads", 4, "--head-size", 64]


LONG_SWEEP_POINTS = 40


def run_until_killed(output: Path, points: int, rank: int, delay: float, resume: bool) -> int:
    """Start the long sweep and kill a rank `delay` seconds after so many points; return how many it had reported."""
    command = launch.command_line(3, [*long_sweep(output), *(["--resume"] if resume else [])])
    reported: list[str] = []
    enough = threading.Event()

    def follow(pipe: Any) -> None:
        for line in pipe:
            if PROGRESS.match(line):
                reported.append(line)
                if len(reported) >= points:
                    enough.set()
        enough.set()

    with launch.started(command) as process:
        readers = [
            threading.Thread(target=follow, args=(process.stderr,)),
            threading.Thread(target=lambda: process.stdout and process.stdout.read()),
        ]
        for reader in readers:
            reader.start()
        assert enough.wait(TIMEOUT), f"no {points} points within {TIMEOUT} s: {reported}"
        time.sleep(delay)
        assert launch.kill_rank(process.pid, rank), "the sweep was over before the kill"
        process.wait(timeout=30)
        for reader in readers:
            reader.join(timeout=10)
            assert not reader.is_alive(), "a rank outlives the launcher"
        assert process.returncode != 0
    return len(reported)


def assert_whole(output: Path) -> Table:
    """Every row of the record has its samples; return the rows."""
    rows, samples = rows_of(output), read_table(output, "/samples")
    assert np.all(rows["valid"])
    assert len({point_of(row) for row in rows}) == len(rows), "a point was repeated"
    assert len(samples) == sum(row["ranks"] * row["repeats"] for row in rows)
    for index, row in enumerate(rows):
        assert (samples["attention_row"] == index).sum() == row["ranks"] * row["repeats"]
    return rows


def test_a_killed_sweep_keeps_its_rows_and_resumes(tmp_path: Path) -> None:
    output = tmp_path / "record.h5"
    chance = random.Random(2310_01889)
    kept = rows_of_nothing = 0
    before: Table | None = None
    for attempt, rank in enumerate((1, 0, 2)):
        points, delay = chance.randint(1, 8), chance.uniform(0, 0.05)
        reported = run_until_killed(output, points, rank, delay, resume=attempt > 0)
        rows = assert_whole(output)
        assert len(rows) >= kept + reported, "a point was reported and then lost"
        assert len(rows) < LONG_SWEEP_POINTS
        if before is not None:
            np.testing.assert_array_equal(rows[: len(before)], before)
        before, kept = rows, len(rows)
        rows_of_nothing += reported == 0
    assert rows_of_nothing == 0
    assert before is not None
    with h5py.File(output, "r") as file:
        assert file["provenance"].attrs["utc_end"] == "", "a run that was cut short has no end"

    finished = launch.run(3, *long_sweep(output), "--resume", timeout=TIMEOUT)
    assert finished.code == 0, str(finished)
    rows = assert_whole(output)
    assert len(rows) == LONG_SWEEP_POINTS
    np.testing.assert_array_equal(rows[:kept], before)
    assert len(progress_lines(finished.stderr.splitlines())) == LONG_SWEEP_POINTS - kept
    with h5py.File(output, "r") as file:
        assert sorted(name for name in file["provenance"] if name.startswith("resume_")) == [
            f"resume_{run}" for run in range(1, 4)
        ]
        assert file["provenance/resume_3"].attrs["utc_end"] != ""
        assert {int(row["run"]) for row in file["provenance/ranks"][:]} == set(range(4))
    assert [path.name for path in tmp_path.iterdir()] == ["record.h5"], "temporary files of killed runs are left"


def test_resuming_a_whole_record_adds_nothing(tmp_path: Path) -> None:
    output = tmp_path / "record.h5"
    sweep(output, *SMALL, "--context-length", "64,128", "--ranks", "1,2")
    before = rows_of(output)
    finished = sweep(output, *SMALL, "--context-length", "64,128", "--ranks", "1,2", "--resume")
    np.testing.assert_array_equal(rows_of(output), before)
    assert progress_lines(finished.stderr.splitlines()) == []
    sweep(output, *SMALL, "--context-length", "64,96,128", "--ranks", "1,2", "--resume")
    rows = rows_of(output)
    np.testing.assert_array_equal(rows[:4], before)
    assert [int(length) for length in rows["context_length"]] == [64, 64, 128, 128, 96, 96]


def test_resume_without_a_record_starts_one(tmp_path: Path) -> None:
    output = tmp_path / "record.h5"
    sweep(output, *SMALL, "--context-length", 64, "--resume")
    assert len(rows_of(output)) == 1


def test_an_existing_output_is_kept_under_another_name(tmp_path: Path) -> None:
    output = tmp_path / "record.h5"
    contents = []
    for length in (64, 96, 128):
        finished = sweep(output, *SMALL, "--context-length", length)
        contents.append(output.read_bytes())
        assert ("record.h5.1~" in finished.stderr) == (length == 96), finished.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["record.h5", "record.h5.1~", "record.h5.2~"]
    assert (tmp_path / "record.h5.1~").read_bytes() == contents[0]
    assert (tmp_path / "record.h5.2~").read_bytes() == contents[1]
    assert [int(row["context_length"]) for row in rows_of(output)] == [128]


def test_a_mistake_does_not_touch_an_existing_output(tmp_path: Path) -> None:
    output = tmp_path / "record.h5"
    sweep(output, *SMALL, "--context-length", 64)
    before = output.read_bytes()
    sweep(output, *SMALL, "--context-length", 64, "--layout", "zagzig", code=2)
    assert output.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["record.h5"]


def test_inputs_of_known_answer_are_points_of_their_own(tmp_path: Path) -> None:
    output = tmp_path / "record.h5"
    command = [*SMALL, "--context-length", 96, "--inputs", "random,probe", "--pass", "forward_backward"]
    sweep(output, *command)
    rows = rows_of(output)
    assert [bytes(row["inputs"]) for row in rows] == [b"random", b"probe"]
    for row in rows:
        assert row["valid"]
        assert (row["probe_rows"], row["probe_wrong_rows"]) == (96 * (4 + 4 + 2), 0)
        assert row["probe_first_wrong"] == b""
        assert row["lse_error"] <= row["lse_error_tolerance"]
    assert rows[0]["error"] > 0
    sweep(output, *command, "--resume")
    assert len(rows_of(output)) == 2
