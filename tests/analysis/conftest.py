"""Makes the package importable from the checkout, and one typical run and its report for all tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "analysis"), str(HERE)]

from ringworld_analysis import cli  # noqa: E402

import synthetic  # noqa: E402


@pytest.fixture(scope="session")
def typical_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic.typical(tmp_path_factory.mktemp("run") / "run.h5")


@pytest.fixture(scope="session")
def typical_report(typical_run: Path) -> Path:
    folder = typical_run.parent / "report"
    assert cli.main(["report", str(typical_run), "--output", str(folder)]) == 0
    return folder
