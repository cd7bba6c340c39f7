#!/usr/bin/env python3
"""scripts/gpu/measure.sh with programs that hang, crash, test nothing or find no GPU. usage: measure_test.py ROOT"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

ROOT = Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 else Path()
MEASURE = ROOT / "scripts/gpu/measure.sh"

INFO = 'echo "GPU of rank 0"; echo "  name        NVIDIA Test GPU (0000:01:00.0)"'
NO_GPU = 'echo "ringworld: error: this build has CUDA, but no NVIDIA GPU was found on this node" >&2; exit 2'
RAN = 'echo "[==========] {} tests from 2 test suites ran. (1 ms total)"; echo "[  PASSED  ] {} tests.";'
TESTS = RAN.format(5, 4) + 'echo "[  SKIPPED ] 1 test, listed below:"'
ALL_SKIPPED = RAN.format(5, 0) + 'echo "[  SKIPPED ] 5 tests, listed below:"'
NO_TESTS = RAN.format(0, 0)
HANG = "trap '' TERM; while :; do read -r -t 1 _ <> <(:) || :; done"
MAIN_LOOP_HANGS = f'case "${{RINGWORLD_HOPPER_GRID-}} $*" in " "*one_hidden_d64*) {HANG} ;; *) {TESTS} ;; esac'
# A benchmark that was cut while it wrote its third row.
BENCH = """for word in "$@"; do case $word in --benchmark_out=*) to=${word#*=} ;; esac; done
cat >"$to" <<'JSON'
{ "context": {"x": "{"}, "benchmarks": [
 {"name": "forward/cuda/bfloat16/S:16384/D:128/H:32/threads:1/manual_time", "seconds": 0.004, "flop": 2e12},
 {"name": "accumulate/cuda/bfloat16/S:16384/D:128/H:32/threads:1/manual_time", "seconds": 0.0025, "flop": 2e12},
 {"name": "backward/cuda/bfl
JSON
kill -KILL $$"""
BENCH_OF_GRIDS = BENCH.split("cat >")[0] + (
    "case $RINGWORLD_HOPPER_GRID in persistent) seconds=0.0020 ;; tiles) seconds=0.0025 ;; esac; "
    "name=forward/cuda/bfloat16/S:4096/D:64/H:32/threads:1/ring_steps:8/manual_time; "
    'echo "{\\"benchmarks\\": [{\\"name\\": \\"$name\\", \\"seconds\\": $seconds, \\"flop\\": 1}]}" >"$to"'
)
MATMUL = BENCH.split("cat >")[0] + (
    'echo \'{"benchmarks": [{"name": "cuda/bfloat16/square/8192", "seconds": 0.002, "flop": 1.6e12}]}\' >"$to"'
)
PYTORCH = """import json, sys
rows = [{"backend": "flash", "head_size": 128, "context_length": 16384, "forward": 0.005, "backward": 0.01},
        {"backend": "cudnn", "head_size": 128, "context_length": 16384, "error": "no"}]
open(sys.argv[sys.argv.index("--output") + 1], "w").write(json.dumps({"rows": rows}))
"""


class Measurement(unittest.TestCase):
    """One folder with a build of made-up programs."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        self.bin = self.folder / "build/bin"
        self.bin.mkdir(parents=True)
        self.output = self.folder / "output"
        self.program("ringworld", f"case $1 in info) {INFO} ;; esac")
        for name in ("test_device", "test_kernels_attention"):
            self.program(name, TESTS)

    def program(self, name: str, body: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/usr/bin/env bash\n{body}\n")
        path.chmod(0o755)

    def command(self, *arguments: str) -> list[str]:
        return [str(MEASURE), "--build", str(self.bin.parent), "--output", str(self.output), *arguments]

    def measure(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(self.command(*arguments), stdout=subprocess.PIPE, text=True, timeout=120)
        return done.returncode, done.stdout

    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.output / "summary.json").read_text())
        return found

    def outcomes(self) -> dict[str, str]:
        return {step["name"]: step["outcome"] for step in self.summary()["steps"]}

    def test_everything_passes(self) -> None:
        code, text = self.measure("--parts", "smoke")
        self.assertEqual(code, 0, text)
        self.assertIn("NVIDIA Test GPU", text)
        self.assertRegex(text, r"\| smoke \| test_device \| ok \| \d+ \| 4 of 5 \|")
        self.assertEqual(set(self.outcomes().values()), {"ok"})
        self.assertEqual(sorted(path.name for path in self.output.iterdir()), ["results.tar.gz", "summary.json"])
        with tarfile.open(self.output / "results.tar.gz") as packed:
            self.assertIn("results/smoke.test_device.log", packed.getnames())

    def test_a_step_that_hangs_is_cut_and_the_others_run(self) -> None:
        self.program("test_kernels_attention", MAIN_LOOP_HANGS)
        code, text = self.measure("--parts", "smoke", "--step-seconds", "5")
        self.assertEqual(code, 1, text)
        outcomes = self.outcomes()
        self.assertRegex(outcomes.pop("one_hidden_d64"), r"^cut after 1\d s$")  # with five of grace
        self.assertEqual(set(outcomes.values()), {"ok"})
        self.assertEqual(len(outcomes), 8)
        self.assertIn("failed: one_hidden_d64", text)

    def test_a_stage_without_tests_has_failed(self) -> None:
        for body in (NO_TESTS, "true", f"{TESTS}; {NO_TESTS}"):
            self.program("test_device", body)
            code, text = self.measure("--parts", "smoke")
            self.assertEqual(code, 1, text)
            self.assertEqual(self.outcomes()["test_device"], "ran no test")

    def test_skipped_tests_do_not_count_where_there_is_a_gpu(self) -> None:
        self.program("test_device", ALL_SKIPPED)
        self.assertEqual(self.measure("--parts", "smoke")[0], 1)
        self.assertEqual(self.outcomes()["test_device"], "all tests skipped")

    def test_a_crash_is_a_failure_whatever_the_tests_said(self) -> None:
        self.program("test_device", f"{TESTS}; exit 3")
        self.assertEqual(self.measure("--parts", "smoke")[0], 1)
        self.assertEqual(self.outcomes()["test_device"], "exit code 3")

    def test_without_a_gpu_nothing_that_needs_one_starts(self) -> None:
        self.program("ringworld", NO_GPU)
        self.program("test_device", ALL_SKIPPED)
        self.program("test_kernels_attention", ALL_SKIPPED)
        self.program("bench_matmul", f"touch {self.folder}/started")
        code, text = self.measure("--parts", "smoke,speed")
        self.assertEqual(code, 77, text)
        self.assertIn("There is no GPU here", text)
        self.assertEqual(set(self.outcomes().values()), {"no GPU"})
        self.assertFalse((self.folder / "started").exists())
        # Something else that is wrong is not taken for a missing GPU.
        self.program("test_device", NO_TESTS)
        self.assertEqual(self.measure("--parts", "smoke")[0], 1)

    def test_the_call_ends_in_time(self) -> None:
        self.program("test_device", "sleep 60")
        started = time.monotonic()
        code, text = self.measure("--parts", "smoke", "--seconds", "15")
        self.assertLess(time.monotonic() - started, 25)
        self.assertEqual(code, 1, text)
        self.assertTrue(self.outcomes()["test_device"].startswith("cut after"))
        self.assertEqual(self.outcomes()["test_kernels_attention"], "no time left")

    def test_what_is_known_is_on_disk_after_every_step(self) -> None:
        self.program("test_device", f"cp {self.output}/* {self.folder}; {TESTS}")
        enough = self.folder / "enough"
        self.program("test_kernels_attention", f"until [[ -e {enough} ]]; do sleep 0.1; done")
        measuring = subprocess.Popen(self.command("--parts", "smoke"), stdout=subprocess.DEVNULL)
        while not (self.output / "summary.json").exists() or len(self.summary()["steps"]) < 2:
            time.sleep(0.05)
        measuring.kill()  # as whoever lends the machine would
        measuring.wait()
        enough.touch()
        earlier = json.loads((self.folder / "summary.json").read_text())
        self.assertEqual([step["name"] for step in earlier["steps"]], ["info"])
        self.assertEqual([step["name"] for step in self.summary()["steps"]], ["info", "test_device"])
        with tarfile.open(self.output / "results.tar.gz") as packed:
            self.assertIn("results/smoke.info.log", packed.getnames())

    def test_the_table_of_attention(self) -> None:
        self.program("bench_attention", BENCH)
        self.program("bench_matmul", MATMUL)
        for family in ("norm", "rope", "swiglu", "embedding", "loss", "optimizer", "tensor"):
            self.program(f"bench_{family}", "true")
        python = self.folder / "python3"
        pytorch = self.folder / "pytorch.py"
        pytorch.write_text(PYTORCH)
        script = f'[[ $1 != *bench_pytorch.py ]] || set -- {pytorch} "${{@:2}}"; exec {sys.executable} "$@"'
        python.write_text(f"#!/usr/bin/env bash\n{script}\n")
        python.chmod(0o755)
        code, text = self.measure("--parts", "speed", "--python", str(python))
        self.assertEqual(code, 1, text)
        self.assertRegex(self.outcomes()["attention"], r"^killed after \d+ s$")  # what it wrote before counts
        self.assertIn("bf16 matrix product, 8192 x 8192 x 8192: 800 TFLOP/s", text)
        self.assertIn("| forward, whole pass | 128 | 16384 | 4.000 | 500 | 0.62 | 1.25 |  |", text)
        self.assertIn("| forward, kernel alone | 128 | 16384 | 2.500 | 800 | 1.00 | 2.00 |  |", text)
        for build in ("under", "after"):
            line = f"| forward, kernel alone | 128 | 16384 | 1 | softmax {build} the product before | 2.500 | 1.000 |"
            self.assertIn(line, text)

    def test_the_table_of_grids(self) -> None:
        self.program("bench_attention", BENCH_OF_GRIDS)
        self.program("compute-sanitizer", "true")
        self.program("mpirun", "true")
        text = self.measure("--parts", "deep", "--step-seconds", "5")[1]
        self.assertEqual(self.outcomes()["grid_persistent"], "ok")
        self.assertEqual(self.outcomes()["grid_tiles"], "ok")
        self.assertIn("| forward, whole pass | 64 | 4096 | 8 | persistent grid | 2.000 | 1.000 |", text)
        self.assertIn("| forward, whole pass | 64 | 4096 | 8 | a block for each tile | 2.500 | 1.250 |", text)

    def test_the_table_of_records(self) -> None:
        point: dict[str, object] = {"context_length": 1048576, "ranks": 1, "pass": "forward_backward"}
        point |= {"step_time": 16.0, "reason": ""}
        point |= {"flops_per_second_per_rank": 5e14, "error": 1e-3, "error_tolerance": 1e-2, "outcome": "ok"}
        point |= {"probe_rows": 9, "probe_wrong_rows": 0, "peak_bytes": 3 << 30, "peak_bytes_model": 3 << 30}
        stage: dict[str, object] = {"context_length": 32768, "ranks": 1, "steps": 10}
        stage |= {"tokens_per_second": 1e5, "mfu_measured_peak": 0.4}
        stage |= {f"{name}_share": 0.2 for name in ("attention", "product", "elementwise", "communication", "idle")}
        stage |= {"peak_bytes": 3 << 30, "peak_bytes_model": 2 << 30, "outcome": "ok", "reason": ""}
        common = {"part": "deep", "outcome": "ok", "seconds": 9, "lines": []}
        files = []
        for number, steps in enumerate(
            [
                [{**common, "name": "million", "records": [point]}],
                [
                    {**common, "name": "train", "records": [stage]},
                    {**common, "name": "memcheck", "lines": ["========= ERROR SUMMARY: 0 errors"]},
                ],
            ]
        ):
            files.append(self.folder / f"{number}.json")
            files[-1].write_text(json.dumps({"gpu": "NVIDIA Test GPU", "steps": steps}))
        command = [sys.executable, "-B", str(ROOT / "scripts/gpu/summarize.py"), *map(str, files)]
        text = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        self.assertIn(
            "S = 1048576, P = 1, forward_backward, 16.000 s, 500 TFLOP/s a rank, error 1.0e-03 of 1.0e-02", text
        )
        self.assertIn("0 of 9 rows wrong, memory 3.00 GiB, 1.000 of the formula, ok", text)
        self.assertIn("100000 tokens/s, 0.40 of the product's rate, shares attention 0.20, product 0.20", text)
        self.assertIn("memory 3.00 GiB, 1.500 of the formula", text)
        self.assertIn("memcheck: ========= ERROR SUMMARY: 0 errors", text)
        # Figures of two GPUs do not go into one table.
        files[0].write_text(files[0].read_text().replace("Test GPU", "Other GPU"))
        self.assertEqual(subprocess.run(command, stderr=subprocess.DEVNULL).returncode, 1)

    def test_the_limits_of_a_part_add_up(self) -> None:
        sums: dict[str, int] = {}
        for line in self.measure("--list")[1].splitlines():
            part, _, _, limit = line.split("\t")
            sums[part] = sums.get(part, 0) + int(limit)
        self.assertLessEqual(sums["smoke"], 4 * 60)
        self.assertLessEqual(sums["speed"], 8 * 60)
        self.assertLessEqual(sums["deep"], 9 * 60)

    def test_bad_usage(self) -> None:
        for arguments in (["--parts", "fast"], ["--seconds", "soon"], ["--build", "nowhere"]):
            done = subprocess.run([str(MEASURE), *arguments], stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn(arguments[1], done.stderr)


if __name__ == "__main__":
    unittest.main()
