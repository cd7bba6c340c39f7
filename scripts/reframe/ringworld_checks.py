"""Ringworld under ReFrame: sanity first (every check of a verb passed), then figures of merit against references.

scripts/reframe/run.sh runs these. The figures are the last lines of each verb: `FOM name value unit key=value ... valid=yes`.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import reframe as rfm
import reframe.utility.sanity as sn
from reframe.core.builtins import parameter, run_before, sanity_function, variable

sys.path.insert(0, str(Path(__file__).resolve().parent))
from references import REFERENCES

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("RINGWORLD_BIN", str(ROOT / "build" / "release" / "bin" / "ringworld"))


class Verb(rfm.RunOnlyRegressionTest):
    """A verb of the program on a number of ranks."""

    valid_systems = ["*"]
    valid_prog_environs = ["*"]
    executable = PROGRAM
    ranks = parameter([1, 2])
    verb = variable(str)
    figures = variable(list, value=[])
    time_limit = "10m"

    @run_before("run")
    def say_what_runs(self) -> None:
        """Set the command line; ReFrame fixes it here."""
        self.num_tasks = self.ranks
        self.executable_opts = [self.verb, *self.arguments()]

    @run_before("performance")
    def choose_references(self) -> None:
        """Take those of this system, or the open ones, and a function for each figure."""
        known = REFERENCES.get(self.verb, {})
        name = self.current_system.name
        self.reference = {name: known.get(name, known.get("generic", {}))}
        self.perf_variables = {
            figure: sn.make_performance_function(self.best_of(figure), unit)
            for figure, (_, _, _, unit) in known.get("generic", {}).items()
        }

    @sn.deferrable
    def best_of(self, figure: str) -> Any:
        """Return the last value of a figure."""
        text = (Path(self.stagedir) / str(self.stdout)).read_text(encoding="utf-8")
        return float(re.findall(rf"^FOM {figure} (\S+)", text, re.MULTILINE)[-1])

    @sanity_function
    def every_figure_is_valid(self) -> Any:
        """Hold the verb to its own checks."""
        return sn.all([
            sn.assert_found(r"^FOM \w+ \S+ \S+ .*valid=yes$", self.stdout),
            sn.assert_not_found(r"valid=no$", self.stdout),
        ])

    def arguments(self) -> list[str]:
        """Return the flags of the verb."""
        raise NotImplementedError


@rfm.simple_test
class CheckExactness(Verb):
    """Every exchange is exact here."""

    verb = "check"

    def arguments(self) -> list[str]:
        """Return the flags of the verb."""
        return ["--quick", "--context-length", "257", "--link-bytes", "64K"]


@rfm.simple_test
class AttentionRate(Verb):
    """Ring attention, causal, zigzag."""

    verb = "attention"

    def arguments(self) -> list[str]:
        """Return the flags of the verb."""
        return ["--context-length", "4K", "--heads", "4", "--output", "attention.h5"]


@rfm.simple_test
class TrainRate(Verb):
    """Four short stages of training."""

    verb = "train"

    def arguments(self) -> list[str]:
        """Return the flags of the verb."""
        config = ROOT / "experiments" / "train" / "config" / "quick.toml"
        return ["--config", str(config), "--output", "train.h5", "--checkpoint", "model.h5"]
