"""`ringworld check`: one line a check, a summary, and an exit code."""

from __future__ import annotations

import re

import pytest

import launch

COLUMNS = re.compile(r"\s{2,}")
SUMMARY = re.compile(r"^ok: (\d+) of (\d+) checks right with (\d+) ranks?, [\d.]+ s$")


@pytest.mark.parametrize(
    "ranks", [1, 3, pytest.param(6, marks=pytest.mark.slow), pytest.param(8, marks=pytest.mark.slow)]
)
def test_every_check_is_right_and_has_its_line(ranks: int) -> None:
    finished = launch.run_successfully(ranks, "check", "--quick", "--context-length", 131, "--link-bytes", 10_001)
    *lines, summary, figure = finished.stdout.splitlines()
    counted = SUMMARY.match(summary)
    assert counted is not None, str(finished)
    checks = [COLUMNS.split(line) for line in lines]
    assert {check[0] for check in checks} <= {"ok", "skip"}, str(finished)
    right = [check[1] for check in checks if check[0] == "ok"]
    assert figure == f"FOM checks_right {len(right)} check checks={len(right)} ranks={ranks} valid=yes"
    assert [int(counted[1]), int(counted[2]), int(counted[3])] == [len(right), len(right), ranks]
    assert len(set(right)) == len(right), "a check has the name of another"
    for part in ("host mpi", "zigzag", "float32", "bfloat16", "forward", "backward kv", "backward q", "fp64 host"):
        assert any(part in name for name in right), part
    assert ("link mpi" in right) == (ranks > 1)
    assert any("ulysses" in name for name in right) == (ranks > 1)
    for name, seconds, detail in (check[1:] for check in checks if check[0] == "ok"):
        assert re.fullmatch(r"[\d.]+ s", seconds), name
        if name.startswith("probe"):
            of = re.fullmatch(r"(\d+) of (\d+) rows exact, checksum [0-9a-f]{8}", detail)
            assert of is not None and of[1] == of[2] and int(of[1]) > 0, (name, detail)
        if name.startswith("link"):
            # Three lengths, as many hops as ranks, every rank.
            assert detail.startswith(f"0 of {ranks * ranks * (1 + 4097 + 10_001)} bytes wrong, "), detail


def test_a_corrupted_message_fails_the_link_check_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    library = launch.program().parent / "libcorrupting_mpi.so"
    assert library.is_file(), f"build {library}"
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("RINGWORLD_CORRUPTED_RANK", "1")
    monkeypatch.setenv("RINGWORLD_CORRUPTED_BYTES", "4097")  # a length that only the link check sends
    finished = launch.run(2, "check", "--quick", "--context-length", 131, "--link-bytes", 10_001)
    assert finished.code == 1, str(finished)
    *lines, summary, figure = finished.stdout.splitlines()
    assert figure.endswith(" valid=no")
    wrong = [COLUMNS.split(line) for line in lines if line.startswith("FAIL")]
    assert [check[1] for check in wrong] == ["link mpi"], str(finished)
    # The byte is wrong at every rank that it is passed on to: 2 hops, until its block is home.
    assert wrong[0][3].startswith(f"2 of {4 * (1 + 4097 + 10_001)} bytes wrong, "), wrong
    assert wrong[0][3].endswith("; first at rank 0, from rank 1, hop 1"), wrong
    counted = re.match(r"^FAIL: (\d+) of (\d+) checks right with 2 ranks, ", summary)
    assert counted is not None and int(counted[1]) == int(counted[2]) - 1, summary


def test_every_schedule_layout_type_and_mask_is_run() -> None:
    finished = launch.run_successfully(2, "check", "--context-length", 40, "--link-bytes", 100)
    names = {COLUMNS.split(line)[1] for line in finished.stdout.splitlines()[:-2]}
    for layout in ("contiguous", "striped", "zigzag"):
        for types in ("float32", "bfloat16", "float32 wire bfloat16"):
            for heads in ("4/4", "6/3"):
                for run in ("forward", "backward kv", "backward q"):
                    assert f"probe host mpi ring {layout} {types} {heads} heads {run}" in names
        assert f"probe host mpi ring {layout} float32 4/4 heads not causal forward" in names
    schedules = ("all_gather", "bidirectional", "broadcast", "broadcast_queries", "pass_q", "double_ring, window 2",
                 "ring, trimmed", "all_gather, 3 head groups")  # fmt: skip
    for schedule in schedules:
        for run in ("forward", "backward kv", *(() if "trimmed" in schedule else ("backward q",))):
            assert f"probe host mpi {schedule} zigzag bfloat16 6/3 heads {run}" in names
    for run in ("forward", "backward kv", "backward q"):
        assert f"probe host mpi ring, ulysses 2 zigzag bfloat16 4/4 heads {run}" in names


def test_help_shows_the_flags_and_their_defaults() -> None:
    finished = launch.run_successfully(None, "check", "--help")
    for flag, default in (("--context-length", "1021"), ("--seed", "1"), ("--link-bytes", "4194304"), ("--quick", "")):
        assert re.search(rf"{flag}\b[^-]*{default}", finished.stdout), finished.stdout
