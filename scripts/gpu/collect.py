#!/usr/bin/env python3
"""summary.json and results.tar.gz, from what the steps of measure.sh have left so far. usage: collect.py WORK OUTPUT

Called after every step, so that a call that is cut short leaves both whole. Prints how the last step went. Needs
nothing but Python; with h5py it reads records too.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

NO_GPU = "no GPU"
BENCHMARK_FIGURES = ("name", "seconds", "seconds_min", "seconds_max", "flop", "bytes", "of_triad", "error_message")
RECORD_COLUMNS = (
    "context_length", "ranks", "schedule", "layout", "backend", "pass", "step_time", "flops_per_second_per_rank",
    "error", "error_tolerance",
    "probe_rows", "probe_wrong_rows", "steps", "tokens_per_second", "mfu_measured_peak", "attention_share",
    "product_share", "elementwise_share", "communication_share", "idle_share", "peak_bytes", "peak_bytes_model",
    "outcome", "reason",
)  # fmt: skip
VERDICT = re.compile(r"ERROR SUMMARY|RACECHECK SUMMARY|\bvalid\b|\bdone:|% of peak")
LARGEST_KEPT = 4 << 20  # bytes: results.tar.gz has to be easy to carry


def count_tests(log: str) -> dict[str, int]:
    """Sum what the GoogleTest programs of a log say; `programs` of them ran, `empty` of them no test."""
    ran = [int(number) for number in re.findall(r"^\[=+\] (\d+) tests? from \d+ test suites? ran", log, re.MULTILINE)]
    found = {"programs": len(ran), "empty": ran.count(0), "ran": sum(ran)}
    for word in ("PASSED", "SKIPPED", "FAILED"):
        numbers = re.findall(rf"^\[ +{word} +\] (\d+) tests?[.,]", log, re.MULTILINE)
        found[word.lower()] = sum(map(int, numbers))
    return found


def outcome_of(step: dict[str, Any]) -> str:
    """Say in a few words how a step ended: "ok", "no GPU", or why it failed."""
    if step["reason"]:
        return str(step["reason"])
    if step["code"] in (124, 137):  # of timeout, by SIGTERM or SIGKILL
        return f"{'cut' if step['seconds'] >= step['limit'] else 'killed'} after {step['seconds']} s"
    if step["code"] != 0:
        return f"exit code {step['code']}"
    if step["kind"] == "tests":
        tests = step["tests"]
        if tests["programs"] == 0 or tests["empty"] > 0:
            return "ran no test"
        if tests["passed"] == 0:
            return NO_GPU if step["without_gpu"] else "all tests skipped"
    return "ok"


def benchmarks(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a Google Benchmark file, also of one whose program was cut short."""
    text = path.read_text(encoding="utf-8", errors="replace")
    begin = text.find('"benchmarks": [')
    rows: list[dict[str, Any]] = []
    decoder = json.JSONDecoder()
    position = text.find("{", begin) if begin >= 0 else -1
    while position >= 0:
        try:
            row, end = decoder.raw_decode(text, position)
        except json.JSONDecodeError:
            break
        rows.append({key: row[key] for key in BENCHMARK_FIGURES if key in row})
        position = text.find("{", end)
    return rows


def plain(value: object) -> object:
    """Return a cell of a record as JSON has it."""
    number_or_text = value.item() if hasattr(value, "item") else value
    return number_or_text.decode("utf-8", "replace") if isinstance(number_or_text, bytes) else number_or_text


def records(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a record's points and stages; none without h5py."""
    try:
        import h5py
    except ImportError:
        return []
    rows = []
    with h5py.File(path, "r") as file:
        if "journal_begin" in file.attrs:
            raise ValueError(f"{path.name} holds rows that its tables lack: python -m ringworld_analysis fold {path.name}")
        for name in ("attention", "training/stages"):
            if name in file:
                table = file[name]
                columns = [column for column in RECORD_COLUMNS if column in table.dtype.names]
                rows += [{column: plain(row[column]) for column in columns} for row in table[:]]
    return rows


def last_lines(log: str) -> list[str]:
    """Return what a person would look at first: verdicts of the tools, else the end."""
    lines = [line.strip() for line in log.replace("\r", "\n").splitlines() if line.strip()]
    verdicts = [line for line in lines if VERDICT.search(line)]
    return (verdicts or lines)[-5:]


def read_step(work: Path, line: str) -> dict[str, Any]:
    """Return a step with everything that it left."""
    part, name, kind, limit, seconds, code, reason = line.split("\t")
    step: dict[str, Any] = {"part": part, "name": name, "kind": kind, "limit": int(limit), "seconds": int(seconds)}
    step |= {"code": int(code), "reason": reason}
    log_path = work / f"{part}.{name}.log"
    log = log_path.read_text(encoding="utf-8", errors="replace") if log_path.exists() else ""
    step["lines"] = last_lines(log)
    if kind == "tests":
        step["tests"] = count_tests(log)
    if kind == "probe":
        found = re.search(r"GPU of rank 0\s+name +(.+?) \(", log)
        step["gpu"] = found.group(1) if found else ""
    json_path, record_path = work / f"{part}.{name}.json", work / f"{part}.{name}.h5"
    try:
        if name == "pytorch" and json_path.exists():
            step["pytorch"] = json.loads(json_path.read_text(encoding="utf-8"))
        elif json_path.exists():
            step["benchmarks"] = benchmarks(json_path)
        if record_path.exists():
            step["records"] = records(record_path)
    except (OSError, ValueError) as problem:  # cut while it wrote
        step["unreadable"] = str(problem)
    return step


def summarize(work: Path) -> dict[str, Any]:
    """Return everything known so far."""
    lines = (work / "steps.tsv").read_text(encoding="utf-8").splitlines()
    steps = [read_step(work, line) for line in lines]
    without_gpu = any(step["kind"] == "probe" and step["reason"] == NO_GPU for step in steps)
    for step in steps:
        step["without_gpu"] = without_gpu
        step["outcome"] = outcome_of(step)
    names = [step["gpu"] for step in steps if step.get("gpu")]
    return {"gpu": names[0] if names else "", "steps": steps}


def replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write(file)` make a file that takes the place of the one before at once."""
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("wb") as file:
        write(file)
    os.replace(fresh, path)


def archive(work: Path, to: BinaryIO) -> None:
    """Pack what the steps left, without what is too large to carry."""
    kept = [path for path in sorted(work.iterdir()) if path.is_file() and path.stat().st_size <= LARGEST_KEPT]
    with tarfile.open(fileobj=to, mode="w:gz") as packed:
        for path in kept:
            packed.add(path, f"results/{path.name}")


def main() -> int:
    """Write both files."""
    if len(sys.argv) != 3:
        sys.exit("usage: collect.py WORK OUTPUT")
    work, output = Path(sys.argv[1]), Path(sys.argv[2])
    summary = summarize(work)
    text = json.dumps(summary, indent=1).encode() + b"\n"
    replace(output / "summary.json", lambda file: file.write(text))
    replace(output / "results.tar.gz", lambda file: archive(work, file))
    last = summary["steps"][-1]
    tests = f", {last['tests']['passed']} of {last['tests']['ran']} tests passed" if "tests" in last else ""
    print(f"     {last['seconds']} s: {last['outcome']}{tests}")
    if last["outcome"] not in ("ok", NO_GPU):
        print("\n".join(f"     | {line}" for line in last["lines"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
