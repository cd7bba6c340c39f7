"""How a run ends before its time: by a signal, by a rank that stands still, by numbers that are none."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
from ringworld_analysis.journal import open_record

import launch
from needle_checkpoint import write_checkpoint, write_text
from record_reading import Table, text_of
from safetensors_file import write_holes

STOPPED = 75
NO_PROGRESS = 3
LIMIT = 2  # seconds without progress
MOST_TO_THE_END = 30  # seconds after the limit
PATIENCE = 90

TRAINING = """
[model]
preset = "needle"
[data]
haystack = "synthetic"
tokenizer = "byte"
[[stage]]
context_length = 48
rope_theta = 512
steps = {first}
batch = 2
learning_rate = 1e-3
[[stage]]
context_length = 48
rope_theta = 512
steps = {second}
batch = 2
learning_rate = {rate}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_text(folder / "hay.txt")
    return write_checkpoint(folder / "model.h5")


def table(path: Path, name: str) -> Table:
    with open_record(path) as file:
        return np.asarray(file[name][()]) if name in file else np.zeros(0)


def tensors(path: Path) -> dict[str, np.ndarray]:
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


class TooShortError(Exception):
    """A run came to its good end before it could be sent a signal."""


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if process.poll() == 0:
            raise TooShortError
        assert process.poll() is None, f"over too early, exit code {process.returncode}: {process.communicate()}"
        assert time.monotonic() < deadline, "nothing happens"
        time.sleep(0.02)


def is_changed(path: Path) -> Callable[[], bool]:
    def written() -> int:
        return path.stat().st_mtime_ns if path.exists() else 0

    before = written()
    return lambda: written() != before


def processes(process: subprocess.Popen[str], ranks: int | None) -> list[int]:
    return [process.pid] if ranks is None else launch.rank_processes(process.pid)


def cpu_seconds(process: int) -> float:
    """Return the time for which the process has run on a core."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def let_work(process: subprocess.Popen[str], ranks: int | None, seconds: float) -> list[int]:
    """Let every rank work for so long, however many others want the cores; return the processes of the ranks."""
    limits: dict[int, float] = {}

    def has_worked() -> bool:
        with contextlib.suppress(OSError):  # a rank may end at any moment
            now = {rank: cpu_seconds(rank) for rank in processes(process, ranks)}
            for rank, used in now.items():
                limits.setdefault(rank, used + seconds)
            return len(now) == (ranks or 1) and all(used >= limits[rank] for rank, used in now.items())
        return False

    wait_until(has_worked, process)
    return list(limits)


def listens(process: subprocess.Popen[str], ranks: int | None, number: int) -> bool:
    """Tell whether every rank has a handler for the signal."""
    found = processes(process, ranks)
    with contextlib.suppress(OSError):
        masks = [re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{rank}/status").read_text()) for rank in found]
        return len(found) == (ranks or 1) and all(mask and int(mask[1], 16) >> (number - 1) & 1 for mask in masks)
    return False


def end_by(
    ranks: int | None, arguments: Sequence[launch.Argument], is_time: Callable[[], bool], number: int,
    to: Sequence[int] | None = None, work: float = 0.3,
) -> tuple[int, str, str, float]:  # fmt: skip
    """Send signal `number` to the ranks `to`, or to all, once `is_time` and each has worked for `work` seconds more.

    Return exit code, stdout, stderr, and the seconds from the signal to the end.
    """
    with launch.started(launch.command_line(ranks, arguments)) as process:
        wait_until(is_time, process)
        wait_until(lambda: listens(process, ranks, signal.SIGTERM), process)
        all_ranks = let_work(process, ranks, work)
        for rank in to if to is not None else range(len(all_ranks)):
            with contextlib.suppress(ProcessLookupError):  # over a moment ago: the exit code says so
                os.kill(all_ranks[rank], number)
        begin = time.monotonic()
        out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out, err, time.monotonic() - begin


def end_in_the_middle(
    ranks: int | None, arguments: Callable[[int], Sequence[launch.Argument]], is_time: Callable[[], bool], number: int,
    to: Sequence[int] | None = None, work: float = 0.0,
) -> tuple[int, str]:  # fmt: skip
    """Stop a run that would come to an end by itself; return how many times its usual length it had, and its errors.

    The run and this process share the cores. When this process gets its turn too late, the run is over, and one of a
    greater length is tried. `arguments` has to remove the files of the one before.
    """
    for length in (1, 4, 16, 64):
        with contextlib.suppress(TooShortError):
            code, _, errors, _ = end_by(ranks, arguments(length), is_time, number, to, work)
            if code != 0:
                assert code == STOPPED, errors
                return length, errors
    pytest.fail("the run does not stop, or is always over before the signal")


def without(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


# ---- a rank that stands still ----------------------------------------------------------------------------------------


def assert_ended_by_watchdog(ended: tuple[int, str, str, float], ranks: int, still: int) -> None:
    code, _, errors, seconds = ended
    assert code == NO_PROGRESS, errors
    assert seconds < LIMIT + MOST_TO_THE_END
    for rank in set(range(ranks)) - {still}:
        line = re.search(rf"rank {rank}: no progress for {LIMIT} s \(--timeout\), in: (.*)", errors)
        assert line is not None, errors
        assert "waiting" in line.group(1), line.group(0)
    assert len(re.findall(rf"no progress .*: rank {still} has not been heard of", errors)) == 1, errors


@pytest.mark.parametrize(("ranks", "still"), [(2, 1), (3, 2), (2, 0), (3, 0)])
def test_attention_with_a_stopped_rank_ends_with_a_row(tmp_path: Path, ranks: int, still: int) -> None:
    output = tmp_path / "record.h5"
    flags = ["attention", "--heads", 4, "--head-size", 32, "--output", output, "--timeout", LIMIT]
    launch.run_successfully(ranks, *flags, "--context-length", 64, "--repeats", 2)
    endless = [*flags, "--context-length", 2048, "--repeats", 1_000_000, "--resume"]
    ended = end_by(ranks, endless, is_changed(output), signal.SIGSTOP, [still], work=1)
    assert_ended_by_watchdog(ended, ranks, still)
    assert re.search(r"in: attention, S=2048 .*(ring step \d of \d, waiting for hop \d from rank \d|waiting )", ended[2])
    rows = table(output, "attention")
    assert bool(rows[0]["valid"]) and rows[0]["context_length"] == 64
    # Rank 0 writes the record; where it stands still, one of the others, once.
    assert [int(row["context_length"]) for row in rows] == [64, 2048]
    assert not rows[1]["valid"] and int(rows[1]["run"]) == 1
    assert text_of(rows[1], "reason").startswith(f"timeout: no progress for {LIMIT} s: rank {still} ")


@pytest.mark.parametrize(("ranks", "still"), [(2, 1), (3, 1), (3, 0)])
def test_training_with_a_stopped_rank_keeps_its_rows(tmp_path: Path, ranks: int, still: int) -> None:
    (tmp_path / "train.toml").write_text(TRAINING.format(first=3, second=1_000_000, rate=1e-3))
    checkpoint, output = tmp_path / "model.h5", tmp_path / "record.h5"
    flags = ["train", "--config", tmp_path / "train.toml", "--checkpoint", checkpoint, "--output", output]
    ended = end_by(ranks, [*flags, "--timeout", LIMIT], checkpoint.exists, signal.SIGSTOP, [still], work=1)
    assert_ended_by_watchdog(ended, ranks, still)
    assert re.search(r"in: train, training stage 1, step \d+, .*waiting", ended[2]), ended[2]
    rows = table(output, "training/steps")
    whole, cut = rows[:-1], rows[-1]
    # No step is missing, though the record is written every few seconds only; the one at hand has a row with the reason.
    assert np.all(whole["valid"]) and list(whole["step"][3:]) == list(range(len(whole) - 3))
    assert not cut["valid"] and int(cut["stage"]) == 1
    # What rank 0 had not brought to the file when it was stopped is lost.
    assert int(cut["step"]) == len(whole) - 3 if still != 0 else int(cut["step"]) >= len(whole) - 3
    assert text_of(cut, "reason").startswith("timeout: no progress")


def test_needle_with_a_stopped_rank_ends_with_a_row(tmp_path: Path, model: Path) -> None:
    output = tmp_path / "record.h5"
    flags = ["needle", "--checkpoint", model, "--haystack", model.parent / "hay.txt", "--depth", 1, "--needles", "1/1",
             "--context-length", 128, "--output", output, "--timeout", LIMIT]  # fmt: skip
    launch.run_successfully(2, *flags, "--trials", 2)
    endless = [*flags, "--trials", 100_000, "--resume"]
    ended = end_by(2, endless, is_changed(output), signal.SIGSTOP, [1], work=1)
    assert_ended_by_watchdog(ended, 2, 1)
    rows = table(output, "needle/cells")
    assert [bool(row["valid"]) for row in rows] == [True, False]
    assert text_of(rows[1], "reason").startswith("timeout: no progress")


def test_ranks_that_wait_for_those_that_work_are_not_stuck(tmp_path: Path) -> None:
    # Rank 1 is outside the ring for several times the limit, on a machine of any speed.
    for repeats in (10, 40, 160):
        finished = launch.run_successfully(
            2, "attention", "--ranks", 1, "--context-length", 8192, "--heads", 4, "--head-size", 64,
            "--repeats", repeats, "--timeout", LIMIT, "--output", tmp_path / "record.h5",
        )  # fmt: skip
        if finished.seconds > 2 * LIMIT:
            return
    pytest.fail(f"the point is too short to show anything: {finished}")


def test_a_job_that_was_suspended_as_a_whole_goes_on(tmp_path: Path) -> None:
    flags = [
        "attention", "--context-length", 2048, "--repeats", 60, "--timeout", LIMIT, "--output", tmp_path / "r.h5",
    ]  # fmt: skip
    with launch.started(launch.command_line(2, flags)) as process:
        wait_until((tmp_path / "r.h5").exists, process)
        ranks = launch.rank_processes(process.pid)
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for rank in ranks:
                os.kill(rank, number)
            time.sleep(2.5 * LIMIT if number == signal.SIGSTOP else 0)
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, errors


# ---- a signal --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ranks", "number", "to"), [(None, signal.SIGTERM, [0]), (2, signal.SIGTERM, [1]),
                                                     (3, signal.SIGUSR1, None)])  # fmt: skip
def test_training_stopped_and_resumed_is_the_same_run(
    tmp_path: Path, ranks: int | None, number: int, to: list[int] | None
) -> None:
    steps = 400 if ranks is None else 200
    cut = tmp_path / "cut.h5"

    def flags(name: str) -> list[launch.Argument]:
        files = ["--checkpoint", tmp_path / f"{name}.h5", "--output", tmp_path / f"{name}-run.h5"]
        return ["train", "--config", tmp_path / "train.toml", *files]

    def run_to_cut(length: int) -> list[launch.Argument]:
        without(cut, tmp_path / "cut-run.h5")
        (tmp_path / "train.toml").write_text(TRAINING.format(first=2, second=steps * length, rate=1e-3))
        return flags("cut")

    length, errors = end_in_the_middle(ranks, run_to_cut, cut.exists, number, to, work=0.1)
    steps *= length
    assert errors.count("stopped early by") == 1
    with h5py.File(cut) as file:
        assert file.attrs["stage"] == 1 and 0 < file.attrs["step"] < steps
        assert len(table(tmp_path / "cut-run.h5", "training/steps")) == 2 + file.attrs["step"]
    launch.run_successfully(ranks, *flags("cut"), "--resume")
    launch.run_successfully(ranks, *flags("whole"))
    expected, actual = tensors(tmp_path / "whole.h5"), tensors(cut)
    assert expected.keys() == actual.keys()
    assert all(np.array_equal(values, actual[name]) for name, values in expected.items())
    columns = ["stage", "step", "loss", "grad_norm", "learning_rate"]
    whole, joined = (table(tmp_path / f"{name}-run.h5", "training/steps")[columns] for name in ("whole", "cut"))
    assert np.array_equal(whole, joined)
    whole, joined = (table(tmp_path / f"{name}-run.h5", "training/stages") for name in ("whole", "cut"))
    for column in ("stage", "steps", "tokens", "final_loss", "first_term", "final_accuracy"):
        np.testing.assert_array_equal(whole[column], joined[column], err_msg=column)
    assert np.all(np.isfinite(whole["final_loss"]))


def test_a_stopped_attention_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    output = tmp_path / "record.h5"
    lengths = ",".join(str(1024 + 16 * index) for index in range(12))
    flags = ["attention", "--context-length", lengths, "--output", output, "--repeats"]

    def run_to_cut(length: int) -> list[launch.Argument]:
        without(output)
        return [*flags, 4 * length]

    def has_a_row() -> bool:
        return output.exists() and len(table(output, "attention")) > 0

    length, _ = end_in_the_middle(2, run_to_cut, has_a_row, signal.SIGUSR1, [1])
    rows = table(output, "attention")
    assert 0 < len(rows) < 12 and np.all(rows["valid"])
    launch.run_successfully(2, *flags, 4 * length, "--resume")
    rows = table(output, "attention")
    assert list(rows["context_length"]) == [1024 + 16 * index for index in range(12)] and np.all(rows["valid"])


def test_a_stopped_needle_grid_goes_on_where_it_was(tmp_path: Path, model: Path) -> None:
    output = tmp_path / "record.h5"
    flags = ["needle", "--checkpoint", model, "--haystack", model.parent / "hay.txt", "--needles", "1/1", "--depth", 6,
             "--context-length", 512, "--output", output, "--trials"]  # fmt: skip

    def run_to_cut(length: int) -> list[launch.Argument]:
        without(output)
        return [*flags, 64 * length]

    def has_a_row() -> bool:
        return output.exists() and len(table(output, "needle/cells")) > 0

    length, _ = end_in_the_middle(2, run_to_cut, has_a_row, signal.SIGTERM, [0])
    assert 0 < len(table(output, "needle/cells")) < 6
    launch.run_successfully(2, *flags, 64 * length, "--resume")
    assert len(table(output, "needle/cells")) == 6


def test_a_stopped_sweep_does_not_take_the_cut_part_for_done(tmp_path: Path) -> None:
    output = tmp_path / "sweep.h5"
    flags = ["sweep", "--ranks", "1,2", "--context-length", ",".join(str(2048 + 16 * index) for index in range(6)),
             "--attention-config", tmp_path / "attention.toml", "--output", output]  # fmt: skip
    parts = Path(f"{output}.parts")

    def run_to_cut(length: int) -> list[launch.Argument]:
        without(output, *parts.glob("*"))
        (tmp_path / "attention.toml").write_text(f"heads = 2\nhead_size = 32\nrepeats = {15 * length}\n")
        return flags

    end_in_the_middle(2, run_to_cut, lambda: any(parts.glob("*.h5")), signal.SIGUSR1)
    assert np.all(table(output, "sweep/points")["exit_code"] == 0) if len(table(output, "sweep/points")) else True
    assert len(table(output, "attention")) < 12
    launch.run_successfully(2, *flags, "--resume")
    assert len(table(output, "attention")) == 12
    assert np.all(table(output, "sweep/points")["exit_code"] == 0)


def test_a_second_sigterm_ends_at_once(tmp_path: Path) -> None:
    output = tmp_path / "record.h5"
    flags = ["attention", "--context-length", 2048, "--repeats", 1_000_000, "--output", output]
    with launch.started(launch.command_line(None, flags)) as process:
        wait_until(output.exists, process)
        let_work(process, None, 2)  # by now the point is at hand
        process.send_signal(signal.SIGTERM)
        time.sleep(4)  # within three of them, from when the first was seen, Slurm's two are one
        assert process.poll() is None, "the point at hand is finished first"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
        assert process.returncode == 128 + signal.SIGTERM
    assert h5py.is_hdf5(output)


def test_a_stopped_generation_has_no_row(tmp_path: Path, model: Path) -> None:
    output = tmp_path / "record.h5"
    flags = ["generate", "--checkpoint", model, "--prompt-file", model.parent / "hay.txt", "--new-tokens", 100_000,
             "--output", output]  # fmt: skip
    code, text, errors, _ = end_by(2, flags, output.exists, signal.SIGUSR1, [1])
    assert (code, text) == (STOPPED, ""), errors
    with h5py.File(output) as file:
        assert "generation" not in file and "provenance" in file


@pytest.mark.parametrize("arguments", [["info", "--seconds", 6, "--triad-bytes", "1M"], ["check"]], ids=lambda a: a[0])
@pytest.mark.parametrize(("ranks", "to"), [(None, [0]), (2, [1])])
def test_what_measures_the_machine_stops_when_told_to(arguments: list[launch.Argument], ranks: int | None,
                                                      to: list[int]) -> None:  # fmt: skip
    code, text, errors, seconds = end_by(ranks, arguments, lambda: True, signal.SIGTERM, to, work=1)
    assert code == STOPPED and errors.count("stopped early by") == 1, errors
    assert seconds < 20 and "Measured peaks" not in text and "checks right with" not in text


def test_a_stopped_score_leaves_no_file(tmp_path: Path, model: Path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["tokens"] = np.ones((4000, 512), np.int32)
    flags = ["score", "--checkpoint", model, "--input", tmp_path / "in.h5", "--output", tmp_path / "out.h5"]
    code, text, errors, _ = end_by(2, flags, lambda: any(tmp_path.glob("out.h5*")), signal.SIGTERM, [1])
    assert (code, text) == (STOPPED, ""), errors
    assert [path.name for path in tmp_path.iterdir()] == ["in.h5"]


def write_big_model(folder: Path) -> Path:
    """Write a model that takes seconds to convert."""
    hidden, ffn, layers = 2048, 16384, 8
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({
        "model_type": "llama", "hidden_size": hidden, "intermediate_size": ffn, "num_hidden_layers": layers,
        "num_attention_heads": 16, "vocab_size": 64, "max_position_embeddings": 64}))  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (64, hidden), "model.norm.weight": (hidden,), "lm_head.weight": (64, hidden)}  # fmt: skip
    for layer in range(layers):
        shapes |= {f"model.layers.{layer}.self_attn.{name}_proj.weight": (hidden, hidden) for name in "qkvo"}
        shapes |= {f"model.layers.{layer}.mlp.{name}_proj.weight": (ffn, hidden) for name in ("gate", "up")}
        shapes[f"model.layers.{layer}.mlp.down_proj.weight"] = (hidden, ffn)
        norms = ("input_layernorm", "post_attention_layernorm")
        shapes |= {f"model.layers.{layer}.{name}.weight": (hidden,) for name in norms}
    write_holes(folder / "model.safetensors", shapes)
    return folder


@pytest.mark.parametrize("name", ["out.h5", "out"])
def test_a_stopped_conversion_leaves_no_file(tmp_path: Path, name: str) -> None:
    big = write_big_model(tmp_path / "big")
    target = tmp_path / name
    written = target if name.endswith(".h5") else target / "model.safetensors"
    flags = ["convert", "--checkpoint", big, "--output", target]
    code, text, errors, _ = end_by(2, flags, lambda: any(written.parent.glob(f"{written.name}.tmp*")), signal.SIGTERM,
                                   [1], work=0)  # fmt: skip
    assert (code, text) == (STOPPED, ""), errors
    assert errors.count("is not written") == 1, errors
    left = {path.name for path in tmp_path.rglob("*")} - {"out"}  # the folder itself may stay
    assert left == {"big", "config.json", "model.safetensors"}


# ---- numbers that are none -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ranks", [None, 2])
def test_a_diverged_training_says_so_in_its_last_row(tmp_path: Path, ranks: int | None) -> None:
    (tmp_path / "train.toml").write_text(TRAINING.format(first=4, second=20, rate=1e30))
    output = tmp_path / "record.h5"
    trace = tmp_path / "trace.json"
    flags = ["train", "--config", tmp_path / "train.toml", "--checkpoint", tmp_path / "model.h5", "--output", output,
             "--trace", trace]  # fmt: skip
    finished = launch.run(ranks, *flags)
    assert finished.code == 1, str(finished)
    rows = table(output, "training/steps")
    assert np.all(rows["valid"][:-1]) and not rows["valid"][-1]
    assert "finite" in text_of(rows[-1], "reason")
    assert f"stage 1, step {int(rows['step'][-1])}: {text_of(rows[-1], 'reason')}" in finished.stderr
    assert len(rows) == 4 + int(rows["step"][-1]) + 1
    # What led there is in the trace.
    events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    assert {event["pid"] for event in events if event["ph"] == "X"} == set(range(ranks or 1))
    assert any(event["name"].startswith("step ") for event in events if event["ph"] == "X")
