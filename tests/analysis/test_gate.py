"""The gate: what it calls slower, when it asks for more, and what it refuses."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from ringworld_analysis import cli, gate
from ringworld_analysis.errors import InputError

BASE, CANDIDATE = Path("base"), Path("candidate")


class Machine:
    """Stands for two builds on a machine with noise: some runs are much longer than the kernel takes."""

    def __init__(self, factor: float, spread: float, seed: int, disturbed: float = 0.1) -> None:
        self.factor, self.spread, self.disturbed = factor, spread, disturbed
        self.random = np.random.default_rng(seed)
        self.runs: list[Path] = []

    def __call__(self, folder: Path, program: str, chosen: str) -> Mapping[str, float]:
        self.runs.append(folder)
        seconds = 1e-3 * (self.factor if folder == CANDIDATE else 1.0)
        seconds *= float(np.exp(self.random.normal(0, self.spread)))
        return {"kernel": seconds * (2.0 if self.random.random() < self.disturbed else 1.0)}


def verdicts(factor: float, spread: float, count: int = 100) -> list[str]:
    plan = gate.Plan({"bench_x": "."})
    return [gate.judge(BASE, CANDIDATE, plan, Machine(factor, spread, seed))[0].verdict for seed in range(count)]


def test_equal_builds_pass_on_a_noisy_machine() -> None:
    for spread in (0.003, 0.015, 0.1):
        assert verdicts(1.0, spread).count("slower") <= 2, spread


def test_a_build_that_is_slower_by_5_percent_fails() -> None:
    assert verdicts(1.05, 0.015).count("slower") >= 95


def test_a_faster_build_passes() -> None:
    assert "slower" not in verdicts(0.9, 0.01, 20)


def test_builds_take_turns_and_neither_is_always_first() -> None:
    machine = Machine(1.0, 0.001, 1, disturbed=0)
    gate.judge(BASE, CANDIDATE, gate.Plan({"bench_x": "."}, pairs=4), machine)
    assert machine.runs == [BASE, CANDIDATE, CANDIDATE, BASE] * 2


def test_what_is_undecided_gets_more_pairs_and_then_passes() -> None:
    machine = Machine(1.0, 0.2, 3)
    judged = gate.judge(BASE, CANDIDATE, gate.Plan({"bench_x": "."}, pairs=4, most_pairs=12), machine)
    assert len(machine.runs) == 24 and judged[0].verdict == "noise"
    assert gate.render(judged, 0.025).endswith("OK: none slower by more than 2.5 %; 1 of 1 lost in noise")


# ---- the command line ------------------------------------------------------------------------------------------------


def fake_build(folder: Path, seconds: float, label: str = "threads=1") -> Path:
    """Write a folder with a benchmark program that always says the same."""
    folder.mkdir()
    program = folder / "bench_x"
    program.write_text(
        f"""#!/bin/sh
[ "$RINGWORLD_BENCH_ROOFS" = off ] || exit 3
echo '{{"benchmarks": [{{"name": "k/real_time", "label": "{label}", "seconds": 9.0, "cpu_seconds": {seconds}}}]}}'
"""
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder


@pytest.mark.parametrize(("seconds", "label", "code"), [(1.04, "threads=1", 1), (1.02, "threads=1", 0),
                                                        (1.04, "threads=2", 0)])  # fmt: skip
def test_the_exit_code_says_whether_it_is_slower(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seconds: float, label: str, code: int
) -> None:
    """With more threads than one the wall time decides, which is equal here."""
    a, b = fake_build(tmp_path / "a", 1.0, label), fake_build(tmp_path / "b", seconds, label)
    assert cli.main(["gate", str(a), str(b), "--case", "bench_x=.", "--pairs", "2"]) == code
    assert ("FAILED: 1 slower" if code else "OK: none slower") in capsys.readouterr().out


def test_what_cannot_be_run_is_refused(tmp_path: Path) -> None:
    a = fake_build(tmp_path / "a", 1.0)
    with pytest.raises(InputError, match="bench_y: cannot be run"):
        gate.judge(a, a, gate.Plan({"bench_y": "."}))
    (a / "bench_x").write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    with pytest.raises(InputError, match="bench_x: broken"):
        gate.judge(a, a, gate.Plan({"bench_x": "."}))
