"""A comparison for people, as text with a line a point, and for programs, as CSV."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ringworld_analysis import formatting
from ringworld_analysis.compare import FAILURES, UNIT, UNMATCHED, Comparison, Limits, Outcome, failed, few, write
from ringworld_analysis.content import DataSet
from ringworld_analysis.reading import Source
from ringworld_analysis.roles import OLD_FORMAT


@dataclass(frozen=True)
class Allowed:
    """What does not make a comparison fail."""

    missing: bool = False
    faster: bool = False


def render(base: Source, new: Source, comparisons: Sequence[Comparison], limits: Limits, allowed: Allowed) -> str:
    """Return the comparison as text: origin of both runs, a line a point, a verdict."""
    lines = [f"A  {_origin(base)}", f"B  {_origin(new)}"]
    lines += [f"warning: {text}" for text in _warnings(base, new)]
    for comparison in comparisons:
        lines += _render_table(comparison, limits)
    outcomes = [outcome for comparison in comparisons for outcome in comparison.outcomes]
    bad = failed(comparisons, allowed.missing, allowed.faster)
    if bad:
        of_points = [(kind, sum(outcome.verdict == kind for outcome in bad if outcome.point)) for kind in FAILURES]
        said = [f"{count} {kind}" for kind, count in of_points if count]
        said += [f"{outcome.verdict} over all points" for outcome in bad if not outcome.point]
        return "\n".join([*lines, "FAILED: " + ", ".join(said)])
    decided = "no change beyond the limits" if _noisy(outcomes) else "every point inside its limits"
    counts = [(kind, sum(outcome.verdict == kind for outcome in outcomes)) for kind in UNMATCHED]
    said = [f"{count} {kind}" for kind, count in counts if count]
    if said and not _noisy(outcomes):
        decided = "every compared point inside its limits"
    return "\n".join([*lines, "; ".join([f"OK: {decided}", *_noise(outcomes), *([", ".join(said)] if said else [])])])


def to_data(comparisons: Sequence[Comparison], limits: Limits) -> DataSet:
    """Return the comparison as a data set; a column that is no key of a table is empty in its rows."""
    keys = list(dict.fromkeys(name for comparison in comparisons for name in comparison.keys))
    names = ("table", *keys, "column", "reference", "lower", "upper", "unit", "measured", "ratio", "ratio_low",
             "ratio_high", "repeats_needed", "verdict", "noisy", "reason")  # fmt: skip
    rows = []
    for comparison in comparisons:
        for outcome in comparison.outcomes:
            point = dict(zip(comparison.keys, outcome.point))
            numbers = (outcome.measured, outcome.ratio, *(outcome.interval or (math.nan, math.nan)))
            rows.append([comparison.measure.table, *(point.get(name, "") for name in keys), comparison.measure.column,
                         _number(outcome.reference), limits.lower, limits.upper, UNIT, *map(_number, numbers),
                         outcome.repeats_needed or "", outcome.verdict, " ".join(outcome.noisy),
                         outcome.reason])  # fmt: skip
    return DataSet("compare", names, rows)


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else ""


# ---- one table -------------------------------------------------------------------------------------------------------


def _render_table(comparison: Comparison, limits: Limits) -> list[str]:
    measure, keys, outcomes = comparison.measure, comparison.keys, comparison.outcomes
    what = f"median of {measure.column} over {measure.over}" if measure.over else measure.column
    lines = [
        "",
        f"reference: {what} of {measure.table} of A, lower {100 * limits.lower:+.1f} %, upper "
        f"{100 * limits.upper:+.1f} %, unit {UNIT}",
    ]
    lines += [f"warning: {text}" for text in comparison.warnings]

    def cell(index: int, outcome: Outcome) -> str:
        return write(outcome.point[index], comparison.units.get(keys[index], ""))

    varying = [i for i in range(len(keys)) if len({outcome.point[i] for outcome in outcomes}) > 1]
    same = [i for i in range(len(keys)) if i not in varying]
    if same:
        lines.append("all points: " + ", ".join(f"{keys[i]} {cell(i, outcomes[0])}".rstrip() for i in same))
    head = [*(keys[i] for i in varying), "A", "B", "B/A", "interval", "verdict"]
    body = [[*(cell(i, outcome) for i in varying), *_cells(outcome)] for outcome in outcomes]
    lines += ["", *_align(head, body), ""]
    return lines + _summary(comparison)


def _summary(comparison: Comparison) -> list[str]:
    ratios = [outcome.ratio for outcome in comparison.outcomes if math.isfinite(outcome.ratio) and outcome.ratio > 0]
    if not ratios:
        return []
    overall = comparison.overall
    mean = overall.ratio if overall else ratios[0]
    interval = f" ({_interval(overall)}, {overall.verdict})" if overall and overall.interval else ""
    return [
        f"{formatting.counted(len(ratios), 'point')} compared: geometric mean of B/A {mean:.3f}{interval}, "
        f"smallest {min(ratios):.3f}, largest {max(ratios):.3f}"
    ]


def _cells(outcome: Outcome) -> list[str]:
    verdict = outcome.verdict
    if outcome.repeats_needed:
        verdict += f": about {outcome.repeats_needed} repeats would decide"
    if outcome.noisy:
        verdict += f" (noisy: {' and '.join(outcome.noisy)})"
    if outcome.reason:
        verdict += f": {outcome.reason}"
    return [
        formatting.si(outcome.reference, "s") if math.isfinite(outcome.reference) else "-",
        formatting.si(outcome.measured, "s") if math.isfinite(outcome.measured) else "-",
        f"{outcome.ratio:.3f}" if math.isfinite(outcome.ratio) else "-",
        _interval(outcome) if outcome.interval else "-",
        verdict,
    ]


def _interval(outcome: Outcome) -> str:
    low, high = outcome.interval or (math.nan, math.nan)
    return f"{low:.3f} to {high:.3f}"


# ---- words -----------------------------------------------------------------------------------------------------------


def _noisy(outcomes: Sequence[Outcome]) -> int:
    return sum(outcome.verdict == "noise" for outcome in outcomes)


def _noise(outcomes: Sequence[Outcome]) -> list[str]:
    """Say how many points are undecided, and what would decide all of them."""
    count = _noisy(outcomes)
    if not count:
        return []
    needed = max(outcome.repeats_needed for outcome in outcomes)
    more = f" (about {needed} repeats would decide)" if needed else ""
    return [f"{formatting.counted(count, 'point')} lost in noise{more}"]


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
    """Say where the machines differ: then ratios compare machines, not revisions. And where keys are not told."""
    texts = [f"{source.path}: {OLD_FORMAT}" for source in (base, new) if not source.has_roles]
    for column in ("host", "cpu"):
        values = []
        for source in (base, new):
            table = source.provenance.find_table("ranks") if source.provenance else None
            values.append(set(map(str, table[column].tolist())) if table is not None and column in table else None)
        if values[0] is not None and values[1] is not None and values[0] != values[1]:
            texts.append(f"{column} differs: A {few(sorted(values[0]))}; B {few(sorted(values[1]))}")
    return texts


def _align(head: list[str], body: list[list[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head) - 1)]
    return ["  ".join([*(cell.rjust(w) for cell, w in zip(line, widths)), line[-1]]) for line in [head, *body]]
