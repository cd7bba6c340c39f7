#!/usr/bin/env python3
"""Tests of lint_seams.py on a small tree that is no repository."""

from __future__ import annotations

import contextlib
import difflib
import io
import tempfile
import unittest
from pathlib import Path

import lint_seams


def diff(name: str, old: str | None, new: str) -> str:
    lines = difflib.unified_diff(
        [] if old is None else old.splitlines(True), new.splitlines(True), "/dev/null" if old is None else f"a/{name}",
        f"b/{name}",
    )  # fmt: skip
    return "".join(lines)


class Seams(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        (self.root / "tests/lint/seams").mkdir(parents=True)
        self.write("src/rows.hpp", "one\ntwo\n")
        self.write("src/CMakeLists.txt", "sources\n")

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def patch(self, name: str, *parts: str) -> None:
        self.write(f"tests/lint/seams/{name}.patch", "".join(parts))

    def lint(self, *names: str) -> tuple[int, str]:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            code = lint_seams.main([str(self.root), *names])
        return code, printed.getvalue()

    def test_counts_files_outside_tests(self) -> None:
        tests = (diff(f"tests/test_{number}.py", None, "new\n") for number in range(5))
        self.patch("key_column", diff("src/rows.hpp", "one\ntwo\n", "one\nthree\ntwo\n"), *tests)
        self.assertEqual(self.lint("key_column"), (0, "key_column: touches 1 of at most 1 files (src/rows.hpp)\n"))

    def test_refuses_one_file_too_many(self) -> None:
        self.patch("key_column", diff("src/rows.hpp", "one\ntwo\n", "one\n"), diff("src/more.hpp", None, "new\n"))
        code, line = self.lint("key_column")
        self.assertEqual(code, 1)
        self.assertIn("FAILED: touches 2 of at most 1 files (src/more.hpp, src/rows.hpp)", line)

    def test_refuses_a_patch_that_no_longer_applies(self) -> None:
        self.patch("key_column", diff("src/rows.hpp", "one\nold\n", "one\n"))
        code, line = self.lint("key_column")
        self.assertEqual(code, 1)
        self.assertIn("FAILED: the patch no longer applies: error: patch failed: src/rows.hpp:1", line)

    def test_refuses_a_file_that_is_there_already(self) -> None:
        self.patch("weight_format", diff("src/rows.hpp", None, "new\n"))
        self.assertEqual(self.lint("weight_format")[0], 1)

    def test_refuses_missing_and_empty_patches(self) -> None:
        self.patch("key_column", "nothing\n")
        code, lines = self.lint()
        self.assertEqual(code, 1)
        self.assertEqual(lines.count("FAILED"), len(lint_seams.AXES))
        self.assertIn("schedule: FAILED: there is no tests/lint/seams/schedule.patch", lines)
        self.assertIn("key_column: FAILED: the patch touches no file", lines)

    def test_a_backend_may_have_folders_of_its_own(self) -> None:
        own = [f"kernels/{family}/fake/ops.cpp" for family in ("norm", "rope", "swiglu")]
        build = diff("src/CMakeLists.txt", "sources\n", "sources\nmore\n")
        row = diff("src/rows.hpp", "one\ntwo\n", "one\nsample\ntwo\n")
        self.patch("backend", *(diff(name, None, "new\n") for name in own), build, row)
        self.assertEqual(self.lint("backend"), (0, "backend: touches 1 of at most 2 files (src/rows.hpp)\n"))
        others = (diff(f"src/other_{number}.cpp", None, "sample\n") for number in range(2))
        self.patch("backend", *others, row)
        self.assertEqual(self.lint("backend")[0], 1)

    def test_does_not_know_other_names(self) -> None:
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(self.lint("sample")[0], 2)


if __name__ == "__main__":
    unittest.main()
