#!/usr/bin/env python3
"""Runs the tests of a build tree as `ctest` does, with many cases of a GoogleTest program in one process.

  ctest_in_batches.py BUILD --junit FILE [--jobs N] [--timeout S] [-- CTEST OPTIONS THAT CHOOSE TESTS]

CTest starts a program anew for each of its cases. Where a start takes longer than a case (sanitizers, CUDA's libraries),
starting is most of the time. Here the cases that ctest would run are put together by program and environment, BATCH
cases a process; all other tests are left to ctest. A batch that fails is told case by case; when it ends without a
report (a crash, a time limit), the case at which it ended is the one that failed, and the rest run in a batch of their
own.

The JUnit file has every case under the name that ctest gives it. Exit code: 0 all passed, 1 some failed, 2 no test.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

BATCH = 100
FILTER = "--gtest_filter="
PATTERN_CHARACTERS = re.compile(r"[*?:-]")
STARTED = re.compile(r"^\[ RUN      \] (\S+)", re.MULTILINE)
OUTPUT_SHOWN = 20000  # characters of a failed batch


@dataclasses.dataclass(frozen=True)
class Program:
    """What the cases of a batch have in common: their program, its folder and its environment."""

    path: str
    folder: str
    environment: tuple[str, ...]
    changes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Case:
    """A case of a GoogleTest program, under the name of ctest and that of the program."""

    name: str
    filter: str
    timeout: float


@dataclasses.dataclass
class Outcome:
    """What a case came to."""

    case: Case
    seconds: float = 0.0
    failure: str | None = None
    is_skipped: bool = False


def properties_of(test: dict[str, object]) -> dict[str, object]:
    """Return the properties of a test of ctest's list."""
    listed = test.get("properties", [])
    assert isinstance(listed, list)
    return {entry["name"]: entry["value"] for entry in listed}


def case_of(test: dict[str, object], limit: float) -> tuple[Program, Case] | None:
    """Return a test that is one case of a GoogleTest program; None for any other."""
    command = test.get("command", [])
    assert isinstance(command, list)
    filters = [word.removeprefix(FILTER) for word in command[1:] if word.startswith(FILTER)]
    if len(command) != 3 or len(filters) != 1 or PATTERN_CHARACTERS.search(filters[0]):
        return None
    found = properties_of(test)
    environment, changes = found.get("ENVIRONMENT", []), found.get("ENVIRONMENT_MODIFICATION", [])
    assert isinstance(environment, list) and isinstance(changes, list)
    timeout = min(float(str(found.get("TIMEOUT", limit))), limit)
    program = Program(command[0], str(found["WORKING_DIRECTORY"]), tuple(environment), tuple(changes))
    return program, Case(str(test["name"]), filters[0], timeout)


def environment_of(program: Program) -> dict[str, str]:
    """Return the environment of a program, as its tests' properties change it.

    :raises SystemExit: when a property is of a kind that no test here has
    """
    environment = dict(os.environ)
    for entry in program.environment:
        name, _, value = entry.partition("=")
        environment[name] = value
    for change in program.changes:
        match = re.fullmatch(r"(\w+)=path_list_prepend:(.*)", change)
        if match is None:
            raise SystemExit(f"{program.path}: the property ENVIRONMENT_MODIFICATION={change} is not known")
        name, folder = match.groups()
        environment[name] = f"{folder}:{environment[name]}" if environment.get(name) else folder
    return environment


def outcomes_of(report: Path, cases: Sequence[Case]) -> list[Outcome]:
    """Read what a program reported of its cases; those that it does not name have failed."""
    reported = {}
    for element in ElementTree.parse(report).getroot().iter("testcase"):
        reported[f"{element.get('classname')}.{element.get('name')}"] = element
    outcomes = []
    for case in cases:
        outcome = Outcome(case)
        found = reported.get(case.filter)
        if found is None:
            outcome.failure = "the program does not report this case"
        else:
            failures = [failure.get("message") or "" for failure in found.findall("failure")]
            outcome.seconds = float(found.get("time") or 0)
            outcome.failure = "\n".join(failures) if failures else None
            outcome.is_skipped = found.find("skipped") is not None or found.get("result") == "skipped"
        outcomes.append(outcome)
    return outcomes


def run_batch(program: Program, cases: Sequence[Case]) -> list[Outcome]:
    """Run cases in one process, and again those behind one at which it ended early."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [program.path, f"{FILTER}{':'.join(case.filter for case in cases)}", "--gtest_also_run_disabled_tests",
                   f"--gtest_output=xml:{report}"]  # fmt: skip
        # A case may take its limit, but then not all of them: the limit of the whole is that of the slowest and a share
        # of the others'.
        limit = max(case.timeout for case in cases) + sum(case.timeout for case in cases) / 20
        begin = time.monotonic()
        try:
            done = subprocess.run(command, cwd=program.folder, env=environment_of(program), capture_output=True,
                                  timeout=limit, check=False)  # fmt: skip
            code, said = f"exit code {done.returncode}", done.stdout + done.stderr
            is_well = done.returncode == 0
        except subprocess.TimeoutExpired as timeout:
            code, said, is_well = f"no end within {limit:.0f} s", (timeout.stdout or b"") + (timeout.stderr or b""), False
        text = said.decode(errors="replace")
        if report.exists():
            outcomes = outcomes_of(report, cases)
            if not is_well and all(outcome.failure is None for outcome in outcomes):
                # A leak is found at the end, after every case has passed.
                outcomes[-1].failure = f"{code} after the last of {len(cases)} cases\n{text[-OUTPUT_SHOWN:]}"
            if not is_well:
                print(text[-OUTPUT_SHOWN:], flush=True)
            return outcomes
    started = STARTED.findall(text)
    at = next((index for index, case in enumerate(cases) if started and case.filter == started[-1]), 0)
    print(text[-OUTPUT_SHOWN:], flush=True)
    failed = Outcome(cases[at], time.monotonic() - begin, f"{code}\n{text[-OUTPUT_SHOWN:]}")
    # What had passed before is told by nobody: it runs again with the rest, without the case that ends everything.
    rest = [case for index, case in enumerate(cases) if index != at]
    return [failed, *(run_batch(program, rest) if rest else [])]


def batches_of(tests: Sequence[dict[str, object]], limit: float) -> tuple[list[tuple[Program, list[Case]]], list[str]]:
    """Put cases together; return the batches, those of the largest programs first, and the names of all other tests."""
    by_program: dict[Program, list[Case]] = {}
    others = []
    for test in tests:
        found = case_of(test, limit)
        if found is None:
            others.append(str(test["name"]))
        else:
            by_program.setdefault(found[0], []).append(found[1])
    batches = []
    for program, cases in sorted(by_program.items(), key=lambda entry: -len(entry[1])):
        batches += [(program, cases[begin : begin + BATCH]) for begin in range(0, len(cases), BATCH)]
    return batches, others


def run_by_ctest(build: Path, names: Sequence[str], options: Sequence[str], junit: Path) -> int:
    """Run tests by ctest, chosen by their names."""
    if not names:
        return 0
    pattern = "|".join(f"^{re.escape(name)}$" for name in names).replace(r"\-", "-")
    return subprocess.run(["ctest", "--test-dir", build, "--output-on-failure", "--no-tests=error", "--output-junit",
                           junit, *options, "--tests-regex", pattern], check=False).returncode  # fmt: skip


def write_junit(path: Path, outcomes: Sequence[Outcome], by_ctest: Path) -> None:
    """Write all results, and those of ctest behind them."""
    suites = ElementTree.Element("testsuites")
    failed, skipped = (sum(chosen) for chosen in zip(*((o.failure is not None, o.is_skipped) for o in outcomes),
                                                     strict=True)) if outcomes else (0, 0)  # fmt: skip
    suite = ElementTree.SubElement(suites, "testsuite", name="batches", tests=str(len(outcomes)), failures=str(failed),
                            skipped=str(skipped))  # fmt: skip
    for outcome in outcomes:
        case = ElementTree.SubElement(suite, "testcase", name=outcome.case.name, classname=outcome.case.name,
                               time=f"{outcome.seconds:.3f}")  # fmt: skip
        if outcome.failure is not None:
            printable = re.sub(r"[^\t\n\x20-\ud7ff\ue000-\ufffd]", "?", outcome.failure)
            ElementTree.SubElement(case, "failure", message=printable[:2000]).text = printable
        elif outcome.is_skipped:
            ElementTree.SubElement(case, "skipped")
    if by_ctest.exists():
        root = ElementTree.parse(by_ctest).getroot()
        suites.extend([root] if root.tag == "testsuite" else list(root))
    ElementTree.ElementTree(suites).write(path, encoding="unicode")


def split_at_dashes(words: list[str]) -> tuple[list[str], list[str]]:
    """Return what stands before and behind `--`."""
    at = words.index("--") if "--" in words else len(words)
    return words[:at], words[at + 1 :]


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--junit", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes side by side")
    parser.add_argument("--timeout", type=float, default=300, help="longest time of a test, s (default 300)")
    own, choice = split_at_dashes(sys.argv[1:])
    options = parser.parse_args(own)

    listed = subprocess.run(["ctest", "--test-dir", options.build, "--show-only=json-v1", *choice],
                            capture_output=True, text=True, check=True).stdout  # fmt: skip
    tests = json.loads(listed)["tests"]
    if not tests:
        sys.stderr.write("no test was chosen\n")
        return 2
    batches, others = batches_of(tests, options.timeout)
    outcomes: list[Outcome] = []
    done, total = 0, sum(len(cases) for _, cases in batches)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        running = {pool.submit(run_batch, *batch): batch for batch in batches}
        for future in concurrent.futures.as_completed(running):
            program, cases = running[future]
            outcomes += future.result()
            done += len(cases)
            bad = sum(outcome.failure is not None for outcome in future.result())
            print(f"[{done}/{total}] {Path(program.path).name}: {len(cases)} cases, {bad} failed", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        by_ctest = Path(folder) / "ctest.xml"
        code = run_by_ctest(options.build, others,
                            ["--parallel", str(options.jobs), "--timeout", f"{options.timeout:.0f}"], by_ctest)  # fmt: skip
        write_junit(options.junit, outcomes, by_ctest)
    return 1 if code != 0 or any(outcome.failure is not None for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
