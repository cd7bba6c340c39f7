"""The references of scripts/reframe judge: a figure outside of them fails its test, too fast as well as too slow."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REFRAME = ROOT / "build" / "reframe" / "venv" / "bin" / "reframe"


def run_attention_rate(folder: Path, reference: str) -> subprocess.CompletedProcess[str]:
    """Run the test of attention's rate by a copy of scripts/reframe that has another reference for it."""
    checks = folder / "scripts" / "reframe"
    shutil.copytree(ROOT / "scripts" / "reframe", checks)
    references = checks / "references.py"
    text = references.read_text()
    assert text.count("(1e9, None, None, ") == 1
    references.write_text(text.replace("(1e9, None, None, ", f"({reference}, "))
    program = os.environ.get("RINGWORLD_BIN", str(ROOT / "build" / "release" / "bin" / "ringworld"))
    command: list[str | Path] = [
        REFRAME, "--config-file", checks / "settings.py", "--checkpath", checks / "ringworld_checks.py", "--prefix", folder,
        "--name", "AttentionRate", "--filter-expr", "ranks == 1", "--run", "--nocolor",
    ]  # fmt: skip
    return subprocess.run(command, env=os.environ | {"RINGWORLD_BIN": program}, capture_output=True, text=True,
                          timeout=120, check=False)  # fmt: skip


@pytest.mark.parametrize(
    ("reference", "passes"),
    [("1e9, None, None", True), ("1e15, -0.1, 0.1", False), ("1.0, -0.1, 0.1", False)],
    ids=["open", "too slow", "too fast"],
)
def test_a_figure_outside_its_reference_fails(tmp_path: Path, reference: str, passes: bool) -> None:
    if not REFRAME.exists():
        pytest.skip("ReFrame is not installed: scripts/reframe/run.sh installs it")
    done = run_attention_rate(tmp_path, reference)
    assert "Ran 1/1 test case" in done.stdout, done.stdout
    assert (done.returncode == 0) == passes, done.stdout + done.stderr
    assert ("failed to meet references: attention_rate=" in done.stdout) == (not passes), done.stdout
