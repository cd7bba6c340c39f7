"""`ringworld official`: one problem, one rating, one file to hand in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import launch


def test_a_run_is_rated_and_its_submission_cannot_be_changed_unseen(tmp_path: Path) -> None:
    submission = tmp_path / "mine.json"
    finished = launch.run_successfully(
        2, "official", "--size", "small", "--output", tmp_path / "run.h5", "--submission", submission,
    )  # fmt: skip
    *_, rating = finished.stdout.splitlines()
    assert rating.startswith("FOM official_rating ") and rating.endswith(" valid=yes"), rating
    assert " FLOP/s size=small ranks=2 " in rating
    written = json.loads(submission.read_text(encoding="utf-8"))
    assert written["valid"] and written["fault"] == ""
    assert written["rating"]["measured_seconds"] >= 5
    assert written["rating"]["value"] == pytest.approx(written["problem"]["flop"] / written["rating"]["seconds"])
    assert written["problem"]["context_length"] == 4096 and written["problem"]["pass"] == "forward_backward"
    assert written["probe"]["rows"] > 0 and written["probe"]["wrong_rows"] == 0
    assert [rank["rank"] for rank in written["binding"]["ranks"]] == [0, 1]
    assert written["machine"]["ranks"] == 2 and written["machine"]["mpi_library"]
    assert launch.run(None, "official", "--check", submission).code == 0
    written["rating"]["value"] *= 2
    submission.write_text(json.dumps(written), encoding="utf-8")
    changed = launch.run(None, "official", "--check", submission)
    assert changed.code == 1 and "changed since it was written" in changed.stdout
    submission.write_text("{}", encoding="utf-8")
    assert launch.run(None, "official", "--check", submission).code == 2


@pytest.mark.parametrize("flag", ["--context-length=1K", "--heads", "--repeats", "--dtype", "--batch", "--causal"])
def test_flags_that_would_change_the_problem_are_refused(flag: str, tmp_path: Path) -> None:
    refused = launch.run(
        None, "official", *([flag] if "=" in flag else [flag, "1"]), "--output", tmp_path / "run.h5", "--submission",
        tmp_path / "mine.json",
    )  # fmt: skip
    assert refused.code == 2 and len(refused.errors) == 1, str(refused)
    assert f"{flag.split('=')[0]} belongs to the problem" in refused.errors[0]
    assert list(tmp_path.iterdir()) == []


def test_a_size_that_is_not_known_is_refused() -> None:
    refused = launch.run(None, "official", "--size", "smal")
    assert refused.code == 2 and "small" in refused.errors[0], str(refused)
