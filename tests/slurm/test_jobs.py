"""Jobs of scripts/slurm on a real Slurm: what they leave when they end, are cancelled, preempted or out of time."""

from __future__ import annotations

import re
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from conftest import ROOT, Cluster, Job

RANKS = 2
FIRST_LENGTH = 1024


def write_sweep(path: Path, points: int, repeats: int = 60) -> None:
    """A sweep of attention whose points take about half a second each."""
    lengths = [FIRST_LENGTH + 16 * point for point in range(points)]
    path.write_text(f"context_length = {lengths}\nheads = 4\nwarmup = 1\nrepeats = {repeats}\n")


def sweep_job(cluster: Cluster, folder: Path, points: int, options: tuple[str, ...] = ()) -> Job:
    write_sweep(folder / "sweep.toml", points)
    flags = ("attention", folder / "sweep.toml", "--output", folder / "record.h5")
    return cluster.submit(folder / "job.log", *flags, options=(f"--ntasks={RANKS}", *options))


def rows_of(folder: Path) -> np.ndarray:
    """The rows of the record, whose journal, if the last run left one, has been folded in by a reader or a run."""
    with h5py.File(folder / "record.h5") as file:
        return file["attention"][()]


def check_whole(folder: Path, points: int, runs: int) -> None:
    """Every point once, all right, by so many runs, each of which describes itself and ended in order if it could."""
    rows = rows_of(folder)
    lengths = sorted(rows["context_length"].tolist())
    assert lengths == [FIRST_LENGTH + 16 * point for point in range(points)]
    assert np.all(rows["valid"] == 1)
    assert set(rows["run"].tolist()) == set(range(runs)), "each run did a part"
    with h5py.File(folder / "record.h5") as file:
        assert [f"resume_{run}" in file["provenance"] for run in range(1, runs + 1)] == [True] * (runs - 1) + [False]


def test_ranks_have_cores_of_their_own(cluster: Cluster, tmp_path: Path) -> None:
    size = ("--seconds", 0.05, "--hop-bytes", "1M", "--triad-bytes", "1M", "--gemm-extent", 64)
    info = cluster.submit(tmp_path / "info.log", "info", *size, options=(f"--ntasks={RANKS}",))
    info.wait_for_state("COMPLETED")
    assert f"all {RANKS} ranks at work" in info.text()
    rows = re.findall(rf"^ +[0-{RANKS - 1}]  \S.* (\S+)$", info.text(), re.MULTILINE)
    assert len(set(rows)) == RANKS, info.text()


def test_srun_starts_ranks_of_mpich_by_pmi2(cluster: Cluster, tmp_path: Path) -> None:
    program = ROOT / "build/mpich/bin/ringworld"
    if not program.exists():
        pytest.skip("the program was not built on MPICH (scripts/test.sh --stage mpich)")
    flags = ("--quick", "--context-length", 131, "--link-bytes", "64K")
    mpich = {"RINGWORLD_PROGRAM": str(program), "RINGWORLD_SRUN_MPI": "pmi2"}
    check = cluster.submit(tmp_path / "check.log", "check", *flags, options=(f"--ntasks={RANKS}",), **mpich)
    check.wait_for_state("COMPLETED")
    assert re.search(rf"^ok: (\d+) of \1 checks right with {RANKS} ranks", check.text(), re.MULTILINE), check.text()


def test_an_array_gives_each_task_a_file(cluster: Cluster, tmp_path: Path) -> None:
    for task, name in enumerate(("a.toml", "b.toml")):
        write_sweep(tmp_path / name, points=1 + task, repeats=2)
    options = (f"--ntasks={RANKS}", "--array=0-2")
    job = cluster.submit(tmp_path / "job-%a.log", "attention", tmp_path, options=options)
    logs = [Job(cluster, f"{job.number}_{task}", tmp_path / f"job-{task}.log") for task in range(3)]
    records = [ROOT / f"results/runs/attention-{job.number}_{task}.h5" for task in range(3)]
    try:
        for log in logs[:2]:
            log.wait_for_state("COMPLETED")
        logs[2].wait_for_state("FAILED")
        assert "task 2 of the array has no file" in logs[2].text()
        for task in range(2):
            with h5py.File(records[task]) as file:
                assert len(file["attention"]) == 1 + task
    finally:
        for record in records:
            record.unlink(missing_ok=True)


def test_scancel_ends_a_job_at_the_first_call(cluster: Cluster, tmp_path: Path) -> None:
    points = 30
    job = sweep_job(cluster, tmp_path, points)
    job.wait_for_line(r"^\[2/30")
    cluster.run("scancel", job.number)
    job.wait_for_state("CANCELLED", seconds=40)
    time.sleep(2)  # a job that requeued itself would be there again by now
    assert cluster.run("squeue", "--noheader", "--jobs", job.number, "--states=all").split()[4] == "CA"
    assert job.field("Restarts") == "0"
    job.wait_for_line("the job is not queued again")
    assert "goes back into the queue" not in job.text()
    assert "told to end: exit code 75" in job.text(), "the point at hand is ended in order"
    done = len(rows_of(tmp_path))
    assert 2 <= done < points


def preempt(cluster: Cluster) -> None:
    """Has the node taken for a moment by a job of more weight."""
    options = (f"--ntasks={RANKS}", "--partition=urgent", "--output=/dev/null")
    cluster.run("sbatch", "--parsable", "--wait", *options, "--wrap", "sleep 1")


@pytest.mark.parametrize("partition", ["debug", "graceful"])
def test_a_preempted_job_goes_on_later(cluster: Cluster, tmp_path: Path, partition: str) -> None:
    """`graceful` has a grace time, in which the ranks are told and the script is not; `debug` has none."""
    points = 16
    job = sweep_job(cluster, tmp_path, points, (f"--partition={partition}",))
    job.wait_for_line(r"^\[2/16")
    preempt(cluster)
    job.wait_for_state("COMPLETED", seconds=90)
    assert job.field("Restarts") == "1"
    assert ("goes back into the queue" in job.text()) == (partition == "graceful")
    check_whole(tmp_path, points, runs=2)


def test_a_job_out_of_time_goes_on_later(cluster: Cluster, tmp_path: Path) -> None:
    points = 48  # longer than the warning takes, on a fast machine too
    # The shortest limit there is, a minute, and the warning after its first seconds.
    job = sweep_job(cluster, tmp_path, points, ("--time=1", "--signal=B:USR1@55"))
    job.wait_for_line("goes back into the queue")
    job.wait_for_state("COMPLETED", seconds=400)
    runs = 1 + int(job.field("Restarts"))
    assert job.text().count("goes back into the queue") == runs - 1 >= 1
    assert "(exit code 75)" in job.text()
    check_whole(tmp_path, points, runs)


def test_bad_words_end_a_job_with_code_2(cluster: Cluster, tmp_path: Path) -> None:
    job = cluster.submit(tmp_path / "job.log", "attention", "no_such_file.toml", options=(f"--ntasks={RANKS}",))
    job.wait_for_state("FAILED")
    assert job.field("ExitCode") == "2:0"
    assert "there is no file 'no_such_file.toml'" in job.text()
