"""Makes the launcher and the checkpoints of the experiments' tests importable; says how long to go on.

RINGWORLD_SOAK_KILLS and RINGWORLD_SOAK_INPUTS are the numbers of kills and of mutated inputs over all tests of a file;
without them a short form runs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "experiments"), str(HERE.parents[1] / "analysis")]


@pytest.fixture(scope="session")
def kills() -> int:
    return int(os.environ.get("RINGWORLD_SOAK_KILLS", "24"))


@pytest.fixture(scope="session")
def mutated_inputs() -> int:
    return int(os.environ.get("RINGWORLD_SOAK_INPUTS", "72"))
