"""The verbs `attention`, `verify` and `info` on GPUs, where the program has any: real ones, or emulated ones.

RINGWORLD_BIN=build/cuda_emulated/bin/ringworld runs them anywhere. The emulated node has one GPU, which ranks share.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import launch
from record_reading import read_hops, read_table, text_of

SMALL = (
    "--backend", "cuda", "--context-length", 70, "--heads", 4, "--kv-heads", 2, "--head-size", 64, "--dtype", "bfloat16",
    "--warmup", 0, "--repeats", 2, "--gemm-extent", 64,
)  # fmt: skip
TIMEOUT = 300


@pytest.fixture(scope="module", autouse=True)
def gpu() -> None:
    """Skip where the program finds no GPU, and say why."""
    shown = launch.run(None, "info", "--schema", "--backend", "cuda")
    assert shown.code == 0, str(shown)
    tried = launch.run(
        None, "info", "--backend", "cuda", "--seconds", 0.01, "--gemm-extent", 32, "--triad-bytes", "64K", timeout=TIMEOUT
    )
    if tried.code == 2 and len(tried.errors) == 1:
        pytest.skip(tried.errors[0])
    assert tried.code == 0, str(tried)


def test_info_shows_the_gpus_and_how_they_are_joined() -> None:
    finished = launch.run_successfully(
        2, "info", "--backend", "cuda", "--seconds", 0.01, "--gemm-extent", 32, "--triad-bytes", "64K",
        "--hop-bytes", "100K", "--transport", "staged", timeout=TIMEOUT,
    )  # fmt: skip
    for part in ("GPU-", "attention   ", "bf16 GEMM", "memory", "transport   staged", "each way"):
        assert part in finished.stdout, str(finished)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_a_sweep_is_valid_and_says_how_blocks_travelled(ranks: int, tmp_path: Path) -> None:
    record = tmp_path / "record.h5"
    flags = (*SMALL, "--pass", "forward,forward_backward", "--transport", "staged", "--overlap-probe")
    launch.run_successfully(ranks, "attention", "--output", record, *flags, "--probe-repeats", 1, timeout=TIMEOUT)
    rows = read_table(record, "/attention")
    assert len(rows) == 2
    for row in rows:
        assert row["valid"], text_of(row, "reason")
        assert text_of(row, "backend") == "cuda"
        assert text_of(row, "transport") == "staged"
        assert row["peak_bytes"] == row["peak_bytes_model"]
        assert row["peak_flops_per_second"] > 0
        assert 0 < row["error"] <= row["error_tolerance"]
    samples = read_table(record, "/samples")
    assert len(samples) == 2 * 2 * ranks
    for sample in samples:
        known = text_of(sample, "throttle_reasons") != "not available"
        assert known == (sample["clock"] > 0), "clocks and reasons come from NVML together"
    hops = read_hops(record)
    assert len(hops) == 2 * ranks * (ranks - 1)
    for name in ("t_compute", "t_comm", "t_both"):
        assert np.all(hops[name] >= 0)
    with h5py.File(record, "r") as file:
        devices = {bytes(device).decode() for device in file["/provenance/ranks"]["device"]}
    assert all("GPU-" in device for device in devices)


def test_host_and_gpu_agree(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    source = tmp_path / "in.h5"
    with h5py.File(source, "w") as file:
        for name, heads in (("q", 4), ("k", 2), ("v", 2), ("dout", 4)):
            file[name] = generator.standard_normal((1, 45, heads, 64)).astype(np.float32)
        file["segment_ids"] = np.repeat(np.arange(3, dtype=np.int32), 15)[None, :]
    for backend in ("host", "cuda"):
        flags = ("--input", source, "--output", tmp_path / f"{backend}.h5", "--backend", backend)
        launch.run_successfully(2, "verify", *flags, timeout=TIMEOUT)
    with h5py.File(tmp_path / "host.h5", "r") as host, h5py.File(tmp_path / "cuda.h5", "r") as cuda:
        for name in ("out", "lse", "dq", "dk", "dv"):
            np.testing.assert_allclose(cuda[name][:], host[name][:], rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("verb", ["attention", "info"])
def test_a_transport_that_cannot_be_had_is_one_line(verb: str, tmp_path: Path) -> None:
    flags = (*SMALL, "--output", tmp_path / "record.h5") if verb == "attention" else ("--backend", "cuda")
    finished = launch.run(2, verb, *flags, "--transport", "nccl", timeout=TIMEOUT)
    if finished.code == 0:
        pytest.skip("every rank has a GPU of its own here, and NCCL is built")
    assert finished.code == 2, str(finished)
    assert len(finished.errors) == 1, str(finished)
    assert "nccl" in finished.errors[0]


def test_a_mistyped_transport_names_the_nearest(tmp_path: Path) -> None:
    finished = launch.run(None, "attention", *SMALL, "--output", tmp_path / "record.h5", "--transport", "stagged")
    assert finished.code == 2, str(finished)
    assert "did you mean 'staged'" in finished.errors[0]
