"""Two runs side by side: the ratio of step times point by point, and whether it stays inside its limits.

After ReFrame, a reference is (value, lower, upper, unit) with limits as fractions of the value. "Too fast" fails as
well: a result that leaves its range upwards needs an explanation (less work done? another machine?) and then a new
reference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ringworld_analysis import formatting
from ringworld_analysis.content import DataSet
from ringworld_analysis.errors import InputError
from ringworld_analysis.reading import Source
from ringworld_analysis.run import POINT
from ringworld_analysis.table import Row

FAILURES = ("slower", "too fast", "not valid", "missing")


@dataclass(frozen=True)
class Reference:
    """What a value is held against: within [value (1 + lower), value (1 + upper)]."""

    value: float
    lower: float
    upper: float
    unit: str

    def judge(self, value: float) -> str:
        """Return ok, slower or too fast for a time."""
        if not math.isfinite(value):
            return "not valid"
        if value > self.value * (1 + self.upper):
            return "slower"
        return "too fast" if value < self.value * (1 + self.lower) else "ok"


@dataclass(frozen=True)
class Outcome:
    """One point of the two runs."""

    point: tuple[Any, ...]
    verdict: str
    reference: Reference | None = None
    measured: Row | None = None
    reason: str = ""

    @property
    def ratio(self) -> float:
        """Step time over its reference; NaN where one of the two is missing."""
        if self.reference is None or self.measured is None:
            return math.nan
        return float(self.measured["step_time"]) / self.reference.value


def compare(base: Source, new: Source, lower: float, upper: float) -> list[Outcome]:
    """Judge every point of either file.

    :param lower: largest gain that passes, negative: -0.1 allows 10 % less time
    :param upper: largest loss that passes: 0.1 allows 10 % more time
    :raises InputError: when no point of `base` can serve as a reference
    """
    before, after = _by_point(base), _by_point(new)
    outcomes = []
    for point, row in before.items():
        if not row["valid"]:
            outcomes.append(Outcome(point, "no reference", None, after.get(point), row["reason"]))
            continue
        reference = Reference(row["step_time"], lower, upper, "s")
        other = after.get(point)
        if other is None:
            outcomes.append(Outcome(point, "missing", reference))
        elif not other["valid"]:
            outcomes.append(Outcome(point, "not valid", reference, None, other["reason"]))
        else:
            outcomes.append(Outcome(point, reference.judge(other["step_time"]), reference, other))
    outcomes += [Outcome(point, "new", None, row) for point, row in after.items() if point not in before]
    if not any(outcome.reference and outcome.point in after for outcome in outcomes):
        raise InputError(f"{base.path} and {new.path} have no point in common that is valid in the first")
    return outcomes


def failed(outcomes: list[Outcome], allow_missing: bool = False) -> list[Outcome]:
    """Return the outcomes that make the check fail."""
    return [
        outcome
        for outcome in outcomes
        if outcome.verdict in FAILURES and not (allow_missing and outcome.verdict == "missing")
    ]


def render(base: Source, new: Source, outcomes: list[Outcome], lower: float, upper: float, allow_missing: bool) -> str:
    """Return the comparison as text: origin of both runs, a line a point, a verdict."""
    lines = [f"A  {_origin(base)}", f"B  {_origin(new)}"]
    lines.append(f"reference: step_time of A, lower {100 * lower:+.1f} %, upper {100 * upper:+.1f} %, unit s")
    lines += [f"warning: {text}" for text in _warnings(base, new)]
    same = [
        index
        for index, name in enumerate(POINT)
        if name not in ("context_length", "ranks", "layout", "pass") and len({o.point[index] for o in outcomes}) == 1
    ]
    if same:
        lines.append("all points: " + ", ".join(f"{POINT[i]} {_write(POINT[i], outcomes[0].point[i])}" for i in same))
    shown = [index for index in range(len(POINT)) if index not in same]
    head = [*(POINT[index] for index in shown), "A", "B", "B/A", "spread of B", "verdict"]
    body = [[*(_write(POINT[i], outcome.point[i]) for i in shown), *_cells(outcome)] for outcome in outcomes]
    lines += ["", *_align(head, body), ""]
    ratios = [outcome.ratio for outcome in outcomes if math.isfinite(outcome.ratio) and outcome.ratio > 0]
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        lines.append(
            f"{formatting.counted(len(ratios), 'point')} compared: geometric mean of B/A {mean:.3f}, "
            f"smallest {min(ratios):.3f}, largest {max(ratios):.3f}"
        )
    bad = failed(outcomes, allow_missing)
    if bad:
        kinds = [(kind, sum(outcome.verdict == kind for outcome in bad)) for kind in FAILURES]
        lines.append("FAILED: " + ", ".join(f"{count} {kind}" for kind, count in kinds if count))
    else:
        lines.append("OK: every point inside its limits")
    return "\n".join(lines)


def to_data(outcomes: list[Outcome]) -> DataSet:
    """Return the comparison as a data set."""
    names = (*POINT, "reference", "lower", "upper", "unit", "step_time", "ratio", "verdict", "reason")
    rows = []
    for outcome in outcomes:
        reference = outcome.reference
        limits = (reference.value, reference.lower, reference.upper, reference.unit) if reference else ("", "", "", "")
        measured = outcome.measured["step_time"] if outcome.measured else ""
        ratio = outcome.ratio if math.isfinite(outcome.ratio) else ""
        rows.append([*outcome.point, *limits, measured, ratio, outcome.verdict, outcome.reason])
    return DataSet("compare", names, rows)


def _by_point(source: Source) -> dict[tuple[Any, ...], Row]:
    """Index rows by point; the last valid row of a point counts, else the last."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in source.attention.rows():
        point = tuple(row[name] for name in POINT)
        # A time of zero cannot be a reference, whatever the file says.
        row["valid"] = bool(row["valid"]) and row["step_time"] > 0
        if point not in found or row["valid"] or not found[point]["valid"]:
            found[point] = row
    return found


def _origin(source: Source) -> str:
    parts = [str(source.path)]
    if source.provenance is not None:
        revision = source.provenance.find("git_revision")
        if revision:
            is_dirty = source.provenance.find("git_is_dirty") == "true"
            parts.append(f"revision {revision}{' (dirty)' if is_dirty else ''}")
        when = source.provenance.find("utc_start")
        parts += [f"started {when}"] if when else []
    return ", ".join(parts)


def _warnings(base: Source, new: Source) -> list[str]:
    """Say where the machines differ: then ratios compare machines, not revisions."""
    texts = []
    for column in ("host", "cpu"):
        values = []
        for source in (base, new):
            table = source.provenance.find_table("ranks") if source.provenance else None
            values.append(set(map(str, table[column].tolist())) if table is not None and column in table else None)
        if values[0] is not None and values[1] is not None and values[0] != values[1]:
            texts.append(f"{column} differs: A {_few(values[0])}; B {_few(values[1])}")
    return texts


def _few(values: set[str]) -> str:
    listed = sorted(values)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")


def _cells(outcome: Outcome) -> list[str]:
    before = formatting.si(outcome.reference.value, "s") if outcome.reference else "-"
    if outcome.measured is None:
        return [before, "-", "-", "-", outcome.verdict + (f": {outcome.reason}" if outcome.reason else "")]
    row = outcome.measured
    spread = (row["step_time_max"] - row["step_time_min"]) / row["step_time"] if row["step_time"] > 0 else math.nan
    return [
        before,
        formatting.si(row["step_time"], "s"),
        f"{outcome.ratio:.3f}" if math.isfinite(outcome.ratio) else "-",
        f"{100 * spread:.1f} %",
        outcome.verdict,
    ]


def _write(name: str, value: object) -> str:
    return formatting.plain(value, "token" if name == "context_length" else "")


def _align(head: list[str], body: list[list[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head) - 1)]
    return ["  ".join([*(cell.rjust(w) for cell, w in zip(line, widths)), line[-1]]) for line in [head, *body]]
