"""Tests of scripts/lib/ctest_in_batches.py on a build tree of one program that behaves as its cases are named."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = f"""#!{sys.executable}
import os, sys, time
flags = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
report, starts = flags["--gtest_output"].removeprefix("xml:"), os.environ["STARTS"]
with open(starts, "a") as file:
    file.write("start\\n")
lines, code = [], 0
for name in flags["--gtest_filter"].split(":"):
    print("[ RUN      ]", name, flush=True)
    suite, case = name.split(".")
    inside = ""
    if case == "crashes":
        os.abort()
    if case == "hangs":
        time.sleep(60)
    if case == "fails":
        inside, code = '<failure message="Expected equality"/>', 1
    if case == "skips":
        inside = '<skipped message="no GPU"/>'
    if case == "leaks":
        code = 23
    lines.append(f'<testcase classname="{{suite}}" name="{{case}}" time="0.5">{{inside}}</testcase>')
open(report, "w").write("<testsuites><testsuite>" + "".join(lines) + "</testsuite></testsuites>")
sys.exit(code)
"""


class Batches(unittest.TestCase):
    """What comes of one run."""

    def run_cases(
        self, cases: Sequence[str], others: str = "", choice: Sequence[str] = ()
    ) -> tuple[int, dict[str, str], int]:
        """Return the exit code, what became of each case, and how often the program was started."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            program, starts = folder / "program", folder / "starts"
            program.write_text(PROGRAM)
            program.chmod(0o755)
            lines = [others]
            for case in cases:
                lines.append(f'add_test([=[p.{case}]=] "{program}" "--gtest_filter={case}" '
                             '"--gtest_also_run_disabled_tests")')  # fmt: skip
                lines.append(f'set_tests_properties([=[p.{case}]=] PROPERTIES TIMEOUT 2 WORKING_DIRECTORY "{folder}" '
                             f'ENVIRONMENT "STARTS={starts}")')  # fmt: skip
            (folder / "CTestTestfile.cmake").write_text("\n".join(lines))
            runner = ROOT / "scripts/lib/ctest_in_batches.py"
            done = subprocess.run([sys.executable, runner, folder, "--junit", folder / "junit.xml", "--", *choice],
                                  capture_output=True, text=True, check=False)  # fmt: skip
            found = {}
            for element in ElementTree.parse(folder / "junit.xml").getroot().iter("testcase"):
                kinds = [child.tag for child in element if child.tag in ("failure", "skipped")]
                found[str(element.get("name"))] = kinds[0] if kinds else "passed"
            return done.returncode, found, len(starts.read_text().splitlines()) if starts.exists() else 0

    def test_cases_share_a_process(self) -> None:
        """Many cases, one start, each under its own name."""
        code, found, starts = self.run_cases(["Good.one", "Good.two", "Good.skips"])
        self.assertEqual((code, starts), (0, 1))
        self.assertEqual(found, {"p.Good.one": "passed", "p.Good.two": "passed", "p.Good.skips": "skipped"})

    def test_a_failure_is_that_of_its_case(self) -> None:
        """The others have passed."""
        code, found, _ = self.run_cases(["Good.one", "Bad.fails", "Good.two"])
        self.assertEqual(code, 1)
        self.assertEqual(found, {"p.Good.one": "passed", "p.Bad.fails": "failure", "p.Good.two": "passed"})

    def test_a_crash_is_that_of_its_case(self) -> None:
        """What it kept from being told runs again."""
        for way in ("crashes", "hangs"):
            with self.subTest(way):
                code, found, starts = self.run_cases(["Good.one", f"Bad.{way}", "Good.two", "Bad.fails"])
                self.assertEqual((code, starts), (1, 2))
                self.assertEqual(found, {"p.Good.one": "passed", f"p.Bad.{way}": "failure", "p.Good.two": "passed",
                                         "p.Bad.fails": "failure"})  # fmt: skip

    def test_a_failure_after_all_cases_counts(self) -> None:
        """A leak, say."""
        code, found, _ = self.run_cases(["Good.one", "Good.leaks"])
        self.assertEqual(code, 1)
        self.assertIn("failure", found.values())

    def test_other_tests_are_left_to_ctest(self) -> None:
        """They pass and fail as ever."""
        code, found, starts = self.run_cases(["Good.one"], 'add_test(yes "true")\nadd_test(no "false")')
        self.assertEqual((code, starts), (1, 1))
        self.assertEqual(found, {"p.Good.one": "passed", "yes": "passed", "no": "failure"})

    def test_options_of_ctest_choose(self) -> None:
        """By name, here."""
        code, found, _ = self.run_cases(["Good.one", "Bad.fails"], choice=["--tests-regex", "Good"])
        self.assertEqual((code, found), (0, {"p.Good.one": "passed"}))


if __name__ == "__main__":
    unittest.main()
