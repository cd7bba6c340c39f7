#!/usr/bin/env python3
"""Counts what an extension touches. usage: lint_seams.py ROOT [NAME ...]

tests/lint/seams holds a sample patch for each axis along which the program is to grow. Each must still apply, and may
touch so many files outside tests/; for a backend, files in folders of its name and build files do not count. Prints one
line a patch; exit code 1 when one is missing, does not apply, or touches more. NAME: these patches only.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PATCHES = PurePosixPath("tests/lint/seams")


@dataclass(frozen=True)
class Axis:
    """One way to grow, and the number of files outside tests/ that it may touch."""

    name: str
    limit: int
    own_folder: str = ""
    """Files in folders of this name are the extension itself, and its lines in build files name them."""


AXES = (
    Axis("schedule", 4),
    # The makers and the list of backends.
    Axis("backend", 2, own_folder="fake"),
    Axis("task", 4),
    Axis("key_column", 1),
    Axis("weight_format", 2),
)


def touched(patch: str) -> list[str]:
    """Return the files that a patch makes, changes, renames or removes."""
    names: list[str] = []
    for before, after in re.findall(r"^--- (\S+).*\n\+\+\+ (\S+)", patch, re.MULTILINE):
        names += [name.split("/", 1)[1] for name in (before, after) if name != "/dev/null"]
    names += re.findall(r"^rename (?:from|to) (\S+)", patch, re.MULTILINE)
    return sorted(set(names))


def counted(axis: Axis, files: Sequence[str]) -> list[str]:
    """Return the files that count against the limit."""
    kept = []
    for name in files:
        path = PurePosixPath(name)
        is_build_file = path.name == "CMakeLists.txt" or path.suffix == ".cmake"
        is_its_own = bool(axis.own_folder) and (is_build_file or axis.own_folder in path.parts[:-1])
        if path.parts[0] != "tests" and not is_its_own:
            kept.append(name)
    return kept


def why_not_applied(root: Path, patch: Path) -> str:
    """Return git's first complaint; empty when the patch applies. `root` may be a checkout or an unpacked archive."""
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # A repository that happens to lie above an unpacked archive is none of our business.
    surroundings["GIT_CEILING_DIRECTORIES"] = str(root.resolve().parent)
    done = subprocess.run(
        ["git", "apply", "--check", str(patch.resolve())], cwd=root, env=surroundings, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["git apply failed"])[0]


def judge(root: Path, axis: Axis) -> tuple[bool, str]:
    """Return whether an axis is as open as it should be, and a line that says so."""
    path = root / PATCHES / f"{axis.name}.patch"
    if not path.exists():
        return False, f"{axis.name}: FAILED: there is no {PATCHES / path.name}"
    files = touched(path.read_text(encoding="utf-8"))
    if not files:
        return False, f"{axis.name}: FAILED: the patch touches no file"
    complaint = why_not_applied(root, path)
    if complaint:
        return False, f"{axis.name}: FAILED: the patch no longer applies: {complaint}"
    counting = counted(axis, files)
    line = f"{len(counting)} of at most {axis.limit} files ({', '.join(counting)})"
    if len(counting) > axis.limit:
        return False, f"{axis.name}: FAILED: touches {line}"
    return True, f"{axis.name}: touches {line}"


def main(arguments: Sequence[str]) -> int:
    root, names = Path(arguments[0]), arguments[1:]
    unknown = set(names) - {axis.name for axis in AXES}
    if unknown:
        print(f"lint_seams: no such patch: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    verdicts = [judge(root, axis) for axis in AXES if not names or axis.name in names]
    for _, line in verdicts:
        print(line)
    return 0 if all(is_good for is_good, _ in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
