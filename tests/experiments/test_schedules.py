"""Every schedule of attention and its parameters, through the verbs that take them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import launch
from needle_checkpoint import write_checkpoint, write_text
from record_reading import Table, read_table, text_of

RANKS = 4
KINDS = ("ring", "all_gather", "bidirectional", "double_ring", "broadcast", "broadcast_queries", "pass_q")
LISTS = (
    "--schedule", ",".join(KINDS), "--ulysses", "1,2", "--window", "0,2", "--head-groups", "1,2",
    "--trim", "false,true",
)  # fmt: skip
POINT = (
    "--context-length", 61, "--heads", 4, "--kv-heads", 2, "--head-size", 16, "--pass", "forward_backward",
    "--backward-rotation", "kv",
)  # fmt: skip
#: Flags of one schedule for a run of four ranks, one of each kind and one of each parameter.
EVERY_SCHEDULE = (
    "--schedule all_gather --head-groups 2", "--schedule bidirectional", "--schedule double_ring --window 2",
    "--schedule broadcast", "--schedule broadcast_queries", "--schedule pass_q", "--trim", "--ulysses 2",
)  # fmt: skip
QUICK = launch.REPOSITORY / "experiments" / "train" / "config" / "quick.toml"


def schedule_of(row: Any) -> tuple[Any, ...]:
    parameters = (row[name].item() for name in ("ulysses", "window", "head_groups", "trim"))
    return (text_of(row, "schedule"), *parameters)


def read_table_of(path: Path, table: str) -> Table:
    with h5py.File(path, "r") as file:
        return np.asarray(file[table][:])


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> tuple[Table, launch.Finished]:
    output = tmp_path_factory.mktemp("schedules") / "record.h5"
    finished = launch.run_successfully(
        RANKS, "attention", *POINT, *LISTS, "--repeats", 1, "--warmup", 0, "--output", output
    )
    return read_table(output, "/attention"), finished


def test_a_sweep_leaves_out_what_a_schedule_does_not_have(sweep: tuple[Table, launch.Finished]) -> None:
    rows, finished = sweep
    found = [schedule_of(row) for row in rows]
    plain = [(kind, ulysses, 0, 1, False) for kind in KINDS if kind != "double_ring" for ulysses in (1, 2)]
    # The four ranks share a node: a window of 0 is 4, or the 2 of a ring inside an exchange of heads.
    double = [("double_ring", 1, 4, 1, False), ("double_ring", 1, 2, 1, False), ("double_ring", 2, 2, 1, False)]
    others = [("all_gather", 1, 0, 2, False), ("ring", 1, 0, 1, True), ("ring", 2, 0, 1, True)]
    assert sorted(found) == sorted([*plain, *double, *others])
    said = [line for line in finished.stderr.splitlines() if "left out" in line]
    assert len(said) == 1 and re.search(r"\b93 combinations are left out", said[0]), finished.stderr


def test_every_schedule_is_exact_and_sends_what_its_plan_says(sweep: tuple[Table, launch.Finished]) -> None:
    rows = sweep[0]
    assert [text_of(row, "reason") for row in rows if not row["valid"]] == []
    for name in ("hops", "messages", "wire_bytes", "wire_bytes_between_nodes", "peak_bytes"):
        assert rows[name].tolist() == rows[f"{name}_model"].tolist(), name
    assert set(rows["wire_bytes_between_nodes"].tolist()) == {0}, "all ranks share a node"


def test_bytes_are_those_of_closed_formulas(sweep: tuple[Table, launch.Finished]) -> None:
    sent = {schedule_of(row): int(row["wire_bytes"]) for row in sweep[0]}
    keys, gradients, tokens = 2 * 2 * 16 * 4, 2 * 2 * 16 * 4, 61  # bytes of a token, float32
    of_ring = (RANKS - 1) * tokens * (2 * keys + gradients)
    for kind in ("ring", "all_gather", "bidirectional", "broadcast"):
        assert sent[kind, 1, 0, 1, False] == of_ring, kind
    assert sent["double_ring", 1, 2, 1, False] == of_ring + tokens * gradients, "P + N - 2 hops of sums, with N = 2"
    assert sent["ring", 1, 0, 1, True] < of_ring
    assert sent["pass_q", 1, 0, 1, False] > of_ring < sent["broadcast_queries", 1, 0, 1, False]


def test_a_dry_run_draws_the_plan_of_what_is_run(sweep: tuple[Table, launch.Finished], tmp_path: Path) -> None:
    command = ("attention", *POINT, *LISTS, "--ranks", RANKS, "--dry-run")
    text = launch.run_successfully(None, *command, "--output", tmp_path / "none.h5").stdout
    assert not (tmp_path / "none.h5").exists()
    drawn = [
        tuple(sum(map(int, re.findall(sent, plan))) for sent in (r"all ranks send +(\d+) B", r"B in (\d+) messages"))
        for plan in re.split(r"^(?=\w[^\n]*: S=61 P=4 )", text, flags=re.M)[1:]
    ]  # fmt: skip
    counted = [(int(row["wire_bytes"]), int(row["messages"])) for row in sweep[0]]
    assert sorted(drawn) == sorted(counted)
    ring = text[: text.index("backward:")].splitlines()
    assert [line.split() for line in ring if line.startswith("rank 1")] == [["rank", "1", "1", "0", "3", "2"]]
    assert re.search(r"<k0 +<k3 +<k2", "\n".join(ring))


def test_a_dry_run_needs_no_ranks() -> None:
    text = launch.run_successfully(None, "attention", *POINT, "--ranks", 64, "--dry-run").stdout
    assert "and 56 ranks more" in text and "and 48 more" in text, text


def test_verify_writes_the_same_tensors(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        for name, heads in (("q", 4), ("k", 2), ("v", 2), ("dout", 4)):
            file[name] = rng.normal(size=(1, 37, heads, 16)).astype(np.float32)
    found = {}
    for flags in ("--schedule ring", *EVERY_SCHEDULE):
        output = tmp_path / "out.h5"
        command = ("verify", "--input", tmp_path / "in.h5", "--output", output, "--backward-rotation", "kv")
        launch.run_successfully(RANKS, *command, *flags.split())
        with h5py.File(output) as file:
            found[flags] = {name: file[name][()] for name in ("out", "lse", "dq", "dk", "dv")}
    for flags in EVERY_SCHEDULE:
        for name, tensor in found[flags].items():
            np.testing.assert_allclose(
                tensor, found["--schedule ring"][name], atol=2e-5, rtol=1e-5, err_msg=f"{flags} {name}"
            )


def test_every_schedule_trains_to_the_same_losses(tmp_path: Path) -> None:
    short = QUICK.read_text().replace("steps = 20", "steps = 4").replace("warmup = 5", "warmup = 1")
    (tmp_path / "short.toml").write_text(short)
    losses = {}
    for index, flags in enumerate(("--schedule ring", *EVERY_SCHEDULE)):
        record = tmp_path / f"{index}.h5"
        launch.run_successfully(
            RANKS, "train", "--config", tmp_path / "short.toml", "--stage-count", 1, "--mesh", "1,1,1,4",
            "--checkpoint", tmp_path / f"model-{index}.h5", "--output", record, *flags.split(),
        )  # fmt: skip
        losses[flags] = read_table_of(record, "/training/steps")["loss"]
        stage = read_table_of(record, "/training/stages")[0]
        kind = flags.split()[1] if "--schedule" in flags else "ring"
        assert (bool(stage["valid"]), schedule_of(stage)[0]) == (True, kind)
        assert (int(stage["ulysses"]), bool(stage["trim"])) == (2 if "--ulysses" in flags else 1, "--trim" in flags)
    for flags in EVERY_SCHEDULE:
        np.testing.assert_allclose(losses[flags], losses["--schedule ring"], rtol=1e-5, err_msg=flags)


def test_the_keys_of_a_training_file_are_those_of_the_flags(tmp_path: Path) -> None:
    schedule = 'schedule = "double_ring"\nulysses = 2\nwindow = 3\n'
    (tmp_path / "wrong.toml").write_text(schedule + QUICK.read_text())
    command = ("train", "--config", tmp_path / "wrong.toml", "--mesh", "1,1,1,8", "--ranks", 8, "--dry-run")
    finished = launch.run(None, *command)
    assert finished.code == 2, str(finished)
    says = (
        r"stage 0: --schedule double_ring --ulysses 2 --window 3: window 3 does not divide a ring of 4 ranks; "
        r"the nearest that does is [24]"
    )
    assert re.search(says, finished.errors[0]), str(finished)


def test_needles_are_found_by_another_schedule(tmp_path: Path) -> None:
    hay = write_text(tmp_path / "hay.txt")
    model = write_checkpoint(tmp_path / "model.h5")
    rows = []
    for index, flags in enumerate(("--schedule ring", "--schedule double_ring --window 2 --ulysses 2")):
        output = tmp_path / f"{index}.h5"
        launch.run_successfully(
            RANKS, "needle", "--checkpoint", model, "--haystack", hay, "--depth", 3, "--trials", 4,
            "--perplexity-windows", 2, "--output", output, *flags.split(),
        )  # fmt: skip
        rows.append((read_table_of(output, "/needle/cells"), read_table_of(output, "/needle/perplexity")))
    (cells, text), (other_cells, other_text) = rows
    assert schedule_of(other_cells[0]) == ("double_ring", 2, 2, 1, False) == schedule_of(other_text[0])
    assert other_cells["hits"].tolist() == cells["hits"].tolist()
    np.testing.assert_allclose(other_text["nll"], text["nll"], rtol=1e-5)


def test_the_overlap_of_the_rings_inside_an_exchange_is_that_of_their_steps(tmp_path: Path) -> None:
    output = tmp_path / "overlap.h5"
    launch.run_successfully(
        RANKS, "attention", "--context-length", 64, "--heads", 4, "--head-size", 16, "--pass", "forward", "--ulysses",
        "1,2,4", "--overlap-probe", "true", "--repeats", 1, "--warmup", 0, "--output", output,
    )  # fmt: skip
    points = read_table_of(output, "/overlap/points")
    # A ring of P ranks waits P - 1 times: of 4, of 2, and of the one that an exchange among all leaves.
    assert [point["steps"].item() for point in points] == [3, 1, 0]
