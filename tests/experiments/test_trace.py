"""`--trace FILE`: one file of a job for ui.perfetto.dev."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from ringworld_analysis.journal import open_record

import launch

Event = dict[str, Any]
QUICK = launch.REPOSITORY / "experiments" / "train" / "config" / "quick.toml"
MODEL = ("--context-length", 96, "--head-size", 16, "--heads", 2, "--backend", "reference")


def read_trace(path: Path) -> tuple[list[Event], dict[str, Any]]:
    trace = json.loads(path.read_text(encoding="utf-8"))
    return trace["traceEvents"], trace["otherData"]


def spans_of(events: list[Event], rank: int) -> list[Event]:
    """Return the spans of the work track."""
    return [event for event in events if event["ph"] == "X" and event["pid"] == rank and event["tid"] == 1]


def transfers_of(events: list[Event], rank: int) -> list[tuple[Event, Event]]:
    """Return begin and end of each transfer."""
    begins = {event["id"]: event for event in events if event["ph"] == "b" and event["pid"] == rank}
    ends = {event["id"]: event for event in events if event["ph"] == "e" and event["pid"] == rank}
    assert begins.keys() == ends.keys()
    return [(begins[key], ends[key]) for key in begins]


def lies_in(begin: float, end: float, outer: Event) -> bool:
    slack = 0.0011  # of times in whole nanoseconds
    return bool(outer["ts"] - slack <= begin and end <= outer["ts"] + outer["dur"] + slack)


def require_nesting(spans: list[Event]) -> None:
    """Each span ends before the one that it began in."""
    open_spans: list[Event] = []
    for span in sorted(spans, key=lambda event: (event["ts"], -event["dur"])):
        while open_spans and span["ts"] >= open_spans[-1]["ts"] + open_spans[-1]["dur"] - 0.0011:
            open_spans.pop()
        if open_spans:
            assert lies_in(span["ts"], span["ts"] + span["dur"], open_spans[-1]), (span, open_spans[-1])
        open_spans.append(span)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_every_rank_its_steps_and_its_hops_are_there(ranks: int, tmp_path: Path) -> None:
    trace, record = tmp_path / "trace.json", tmp_path / "run.h5"
    launch.run_successfully(
        ranks, "attention", *MODEL, "--ranks", ranks, "--repeats", 3, "--overlap-probe", "false", "--trace", trace,
        "--output", record,
    )  # fmt: skip
    events, about = read_trace(trace)
    with open_record(record) as file:
        row = file["attention"][0]
    assert row["valid"] and row["hops_model"] == ranks - 1
    assert about["ranks"] == ranks and about["spans_left_out"] == 0
    names = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    assert sorted(names) == list(range(ranks))
    for rank in range(ranks):
        assert names[rank].startswith(f"rank {rank} on ")
        spans = spans_of(events, rank)
        require_nesting(spans)
        hops = [pair for pair in transfers_of(events, rank) if pair[0]["name"] == "hop"]
        repeats = [span for span in spans if span["name"].startswith("repeat ")]
        assert [span["name"] for span in sorted(repeats, key=lambda event: event["ts"])] == [
            "repeat 0", "repeat 1", "repeat 2",
        ]  # fmt: skip
        for repeat in repeats:
            inside = [span for span in spans if lies_in(span["ts"], span["ts"] + span["dur"], repeat)]
            steps = [span for span in inside if span["name"].startswith("ring step ")]
            assert len(steps) == ranks
            assert sum(span["name"] == "compute" for span in inside) == ranks
            of_pass = [hop for hop in hops if lies_in(hop[0]["ts"], hop[1]["ts"], repeat)]
            assert len(of_pass) == row["hops_model"]
            for begin, _ in of_pass:
                assert begin["args"]["to"] == (rank + 1) % ranks
                assert begin["args"]["from"] == (rank - 1) % ranks
            assert sum(begin["args"]["bytes"] for begin, _ in of_pass) == row["wire_bytes_model"] / ranks
    # Repeats begin after a barrier: on one clock, each begins on every rank before it ends on any.
    by_name = defaultdict(list)
    for rank in range(ranks):
        for span in spans_of(events, rank):
            by_name[span["name"]].append(span)
    for name in ("repeat 0", "repeat 1", "repeat 2"):
        same = by_name[name]
        assert len(same) == ranks
        assert max(span["ts"] for span in same) <= min(span["ts"] + span["dur"] for span in same)


def test_what_does_not_fit_is_left_out_and_counted(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    finished = launch.run_successfully(
        2, "check", "--quick", "--context-length", 40, "--link-bytes", 100, "--trace", trace, "--trace-spans", 100,
    )  # fmt: skip
    events, about = read_trace(trace)
    assert about["spans"] == 100 and about["spans_left_out"] > 100
    assert f"{about['spans_left_out']} earlier ones left out" in finished.stderr
    for rank in range(2):
        require_nesting(spans_of(events, rank))
        labels = [event for event in events if event["name"] == "process_labels" and event["pid"] == rank]
        assert len(labels) == 1 and "spans left out" in labels[0]["args"]["labels"]


def test_a_file_that_cannot_be_written_is_refused_before_work(tmp_path: Path) -> None:
    record = tmp_path / "run.h5"
    arguments = ("attention", *MODEL, "--output", record)
    missing = launch.run(2, *arguments, "--trace", tmp_path / "nowhere" / "trace.json")
    assert missing.code == 2 and len(missing.errors) == 1 and "nowhere" in missing.errors[0], str(missing)
    folder = launch.run(2, *arguments, "--trace", tmp_path)
    assert folder.code == 2 and len(folder.errors) == 1 and str(tmp_path) in folder.errors[0], str(folder)
    same = launch.run(2, *arguments, "--trace", record)
    assert same.code == 2 and len(same.errors) == 1 and "--trace" in same.errors[0], str(same)
    none = launch.run(None, *arguments, "--trace", tmp_path / "trace.json", "--trace-spans", 0)
    assert none.code == 2 and len(none.errors) == 1 and "--trace-spans" in none.errors[0], str(none)
    assert list(tmp_path.iterdir()) == []


def test_a_training_shows_steps_collectives_and_kinds_of_work(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    launch.run_successfully(
        2, "train", "--config", QUICK, "--stage-count", 1, "--mesh", "1,2,1,1", "--checkpoint", tmp_path / "model.h5",
        "--output", tmp_path / "run.h5", "--trace", trace,
    )  # fmt: skip
    events, _ = read_trace(trace)
    for rank in range(2):
        spans = spans_of(events, rank)
        require_nesting(spans)
        names = {span["name"] for span in spans}
        assert {"step 0", "step 1", "gradient reduce", "checkpoint", "product", "attention", "elementwise"} <= names
        kinds = {begin["name"] for begin, _ in transfers_of(events, rank)}
        assert {"all-gather", "reduce-scatter"} <= kinds
