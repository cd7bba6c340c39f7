"""Two runs side by side: the ratio of times point by point, and whether it stays inside its limits.

Rows are about the same point when they agree in every key column of their table; rows that differ in one are never
held against each other. After ReFrame, a reference is (value, lower, upper, unit) with limits as fractions of the
value. "Too fast" fails as well: a result that leaves its range upwards needs an explanation (less work done? another
machine?) and then a new reference.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ringworld_analysis import formatting
from ringworld_analysis.content import DataSet
from ringworld_analysis.errors import InputError
from ringworld_analysis.reading import ATTENTION, CELLS, STEPS, VIDEO_NEEDLES, Source
from ringworld_analysis.roles import OLD_FORMAT
from ringworld_analysis.table import Row, Table

FAILURES = ("slower", "too fast", "not valid", "missing")
UNMATCHED = ("missing", "new", "no reference")
#: Values that a message lists at most.
MOST_LISTED = 6

Point = tuple[Any, ...]


@dataclass(frozen=True)
class Measure:
    """A column that is judged. It is a time: less is better."""

    table: str
    column: str
    over: str = ""
    """Key over which the median is taken before anything is compared: a single step says little of a machine."""
    spread: tuple[str, str] = ("", "")
    """Columns with the smallest and the largest of the repeats, where the table has them."""


#: What `compare` judges; all are in seconds. A record is judged by those of these tables that it has.
MEASURES = (
    Measure(ATTENTION, "step_time", spread=("step_time_min", "step_time_max")),
    Measure(STEPS, "step_time", over="step"),
    Measure(CELLS, "seconds"),
    Measure(VIDEO_NEEDLES, "seconds"),
)
UNIT = "s"


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

    point: Point
    verdict: str
    reference: Reference | None = None
    measured: float = math.nan
    spread: float = math.nan
    """(largest - smallest) / measured, over repeats."""
    reason: str = ""

    @property
    def ratio(self) -> float:
        """Time over its reference; NaN where one of the two is missing."""
        return self.measured / self.reference.value if self.reference else math.nan


@dataclass(frozen=True)
class Comparison:
    """One table of both runs."""

    measure: Measure
    keys: tuple[str, ...]
    """Columns that name a point, in file order."""
    outcomes: list[Outcome]
    units: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()


def compare(base: Source, new: Source, lower: float, upper: float) -> list[Comparison]:
    """Judge every point of either file, table by table.

    :param lower: largest gain that passes, negative: -0.1 allows 10 % less time
    :param upper: largest loss that passes: 0.1 allows 10 % more time
    :raises InputError: when there is nothing to compare, in all or in a table that both files have rows of; when a
        table lacks a column, or has a key that the other file cannot tell.
    """
    found = []
    for measure in MEASURES:
        before, after = _table(base, measure), _table(new, measure)
        if any(table is not None and len(table) for table in (before, after)):
            found.append(_compare_table(base, new, before, after, measure, lower, upper))
    # A point that B measured in vain was compared too: it fails.
    verdicts = {outcome.verdict for comparison in found for outcome in comparison.outcomes}
    if not verdicts & {"ok", "slower", "too fast", "not valid"}:
        raise InputError(
            f"{base.path} and {new.path} have no row to compare; judged are "
            + ", ".join(f"{measure.column} of {measure.table}" for measure in MEASURES)
        )
    return found


def failed(comparisons: Sequence[Comparison], allow_missing: bool = False) -> list[Outcome]:
    """Return the outcomes that make the check fail."""
    return [
        outcome
        for comparison in comparisons
        for outcome in comparison.outcomes
        if outcome.verdict in FAILURES and not (allow_missing and outcome.verdict == "missing")
    ]


def render(
    base: Source, new: Source, comparisons: Sequence[Comparison], lower: float, upper: float, allow_missing: bool
) -> str:
    """Return the comparison as text: origin of both runs, a line a point, a verdict."""
    lines = [f"A  {_origin(base)}", f"B  {_origin(new)}"]
    lines += [f"warning: {text}" for text in _warnings(base, new)]
    for comparison in comparisons:
        lines += _render_table(comparison, lower, upper)
    outcomes = [outcome for comparison in comparisons for outcome in comparison.outcomes]
    bad = failed(comparisons, allow_missing)
    if bad:
        kinds = [(kind, sum(outcome.verdict == kind for outcome in bad)) for kind in FAILURES]
        lines.append("FAILED: " + ", ".join(f"{count} {kind}" for kind, count in kinds if count))
        return "\n".join(lines)
    counts = [(kind, sum(outcome.verdict == kind for outcome in outcomes)) for kind in UNMATCHED]
    unmatched = ", ".join(f"{count} {kind}" for kind, count in counts if count)
    lines.append(
        f"OK: every compared point inside its limits; {unmatched}" if unmatched else "OK: every point inside its limits"
    )
    return "\n".join(lines)


def to_data(comparisons: Sequence[Comparison]) -> DataSet:
    """Return the comparison as a data set; a column that is no key of a table is empty in its rows."""
    keys = list(dict.fromkeys(name for comparison in comparisons for name in comparison.keys))
    names = ("table", *keys, "column", "reference", "lower", "upper", "unit", "measured", "ratio", "verdict", "reason")
    rows = []
    for comparison in comparisons:
        for outcome in comparison.outcomes:
            reference, point = outcome.reference, dict(zip(comparison.keys, outcome.point))
            limits = (reference.value, reference.lower, reference.upper) if reference else ("", "", "")
            numbers = [number if math.isfinite(number) else "" for number in (outcome.measured, outcome.ratio)]
            rows.append([comparison.measure.table, *(point.get(name, "") for name in keys), comparison.measure.column,
                         *limits, UNIT, *numbers, outcome.verdict, outcome.reason])  # fmt: skip
    return DataSet("compare", names, rows)


# ---- one table -------------------------------------------------------------------------------------------------------


def _table(source: Source, measure: Measure) -> Table | None:
    table = source.attention if measure.table == ATTENTION else source.table(measure.table)
    if table is None:
        return None
    missing = [name for name in (measure.column, "valid", "reason") if name not in table]
    if missing:
        raise InputError(f"{source.path}: {measure.table} lacks the column{'s' * (len(missing) > 1)} "
                         + ", ".join(missing))  # fmt: skip
    return table


def _compare_table(
    base: Source, new: Source, before: Table | None, after: Table | None, measure: Measure, lower: float, upper: float
) -> Comparison:
    keys, warnings = _shared_keys(base, new, before, after, measure)
    references, measured = _by_point(before, keys, measure), _by_point(after, keys, measure)
    for source, points in ((base, references), (new, measured)):
        warnings += _repeats(source, measure, keys, points)
    outcomes: list[Outcome] = []
    for point, rows in references.items():
        valid, others = _valid(rows), measured.get(point, [])
        if not valid:
            times = [row[measure.column] for row in _valid(others)] or [math.nan]
            outcomes += [Outcome(point, "no reference", None, time, reason=rows[-1]["reason"]) for time in times]
            continue
        reference = Reference(valid[-1][measure.column], lower, upper, UNIT)
        if not others:
            outcomes.append(Outcome(point, "missing", reference))
        elif not _valid(others):
            outcomes.append(Outcome(point, "not valid", reference, reason=others[-1]["reason"]))
        # A point that B measured several times passes when each of them does.
        for row in _valid(others):
            time = float(row[measure.column])
            outcomes.append(Outcome(point, reference.judge(time), reference, time, _spread(row, measure)))
    for point, rows in measured.items():
        if point not in references:
            row = rows[-1]
            outcomes.append(Outcome(point, "new", None, float(row[measure.column]), _spread(row, measure)))
    if references and measured and not any(outcome.reference and outcome.verdict != "missing" for outcome in outcomes):
        raise InputError(
            f"{base.path} and {new.path} have no point of {measure.table} in common that is valid in the first"
            + _differences(keys, references, measured)
        )
    units = {**(after.units if after is not None else {}), **(before.units if before is not None else {})}
    return Comparison(measure, keys, outcomes, units, warnings)


def _shared_keys(
    base: Source, new: Source, before: Table | None, after: Table | None, measure: Measure
) -> tuple[tuple[str, ...], list[str]]:
    """Return the columns that are a key in either file, and what has to be said of those that one file lacks.

    A key that one file lacks is left out when the other has one value of it: no two rows are told apart by it.
    """
    keys: list[str] = []
    warnings: list[str] = []
    tables = [(source, table) for source, table in ((base, before), (new, after)) if table is not None]
    for name in dict.fromkeys(key for _, table in tables for key in table.keys):
        lacking = [source for source, table in tables if name not in table]
        if lacking:
            source, table = next((source, table) for source, table in tables if name in table)
            values = table.distinct(name) if len(table) else []
            said = f"{lacking[0].path} has no column {name}, a key of {measure.table} in {source.path}"
            if len(values) > 1:
                raise InputError(f"{said}, where it has the values {_few(list(map(str, values)))}: measure both with "
                                 "one version of the program")  # fmt: skip
            warnings.append(f"{said} ({_few(list(map(str, values)))} there); not compared by it")
        elif name != measure.over:
            keys.append(name)
    if not keys:
        raise InputError(f"{base.path} and {new.path}: {measure.table} has no key column")
    return tuple(keys), warnings


def _by_point(table: Table | None, keys: tuple[str, ...], measure: Measure) -> dict[Point, list[Row]]:
    """Return the rows of each point, in file order."""
    found: dict[Point, list[Row]] = {}
    if table is None:
        return found
    for point, row in zip(table.points(keys), table.rows()):
        # A time of zero cannot be a reference, whatever the file says.
        row["valid"] = bool(row["valid"]) and row[measure.column] > 0
        found.setdefault(point, []).append(row)
    if measure.over:
        return {point: [_median(rows, measure)] for point, rows in found.items()}
    return found


def _median(rows: list[Row], measure: Measure) -> Row:
    """Return the last row with the median of the valid ones in its place; not valid when the last one is not."""
    valid = _valid(rows)
    return {**rows[-1], measure.column: float(np.median([row[measure.column] for row in valid])) if valid else math.nan}


def _valid(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["valid"]]


def _spread(row: Row, measure: Measure) -> float:
    least, most = measure.spread
    if least not in row or most not in row or not row[measure.column] > 0:
        return math.nan
    return float((row[most] - row[least]) / row[measure.column])


def _repeats(
    source: Source, measure: Measure, keys: tuple[str, ...], points: Mapping[Point, list[Row]]
) -> Iterator[str]:
    """Name the points that a file measured more than once."""
    repeated = {point: len(_valid(rows)) for point, rows in points.items() if len(_valid(rows)) > 1}
    varying = [i for i in range(len(keys)) if len({point[i] for point in points}) > 1]
    for point, count in repeated.items():
        named = ", ".join(f"{keys[i]} {_write(point[i])}" for i in varying) or "its only point"
        yield (
            f"{source.path}: {measure.table}: {count} valid rows of one point ({named}): the last is the reference "
            "in A, each is judged in B"
        )


def _differences(keys: tuple[str, ...], before: Mapping[Point, Any], after: Mapping[Point, Any]) -> str:
    """Say which keys have no value in common: it is for them that nothing matches."""
    texts = []
    for index, name in enumerate(keys):
        values = [{point[index] for point in points} for points in (before, after)]
        if not values[0] & values[1]:
            a, b = (_few(sorted(map(_write, of_file))) for of_file in values)
            texts.append(f"{name} is {a} in the first and {b} in the second")
    return f": {'; '.join(texts)}" if texts else ""


def _render_table(comparison: Comparison, lower: float, upper: float) -> list[str]:
    measure, keys, outcomes = comparison.measure, comparison.keys, comparison.outcomes
    what = f"median of {measure.column} over {measure.over}" if measure.over else measure.column
    lines = [
        "",
        f"reference: {what} of {measure.table} of A, lower {100 * lower:+.1f} %, upper {100 * upper:+.1f} %, "
        f"unit {UNIT}",
    ]
    lines += [f"warning: {text}" for text in comparison.warnings]

    def write(index: int, outcome: Outcome) -> str:
        return _write(outcome.point[index], comparison.units.get(keys[index], ""))

    varying = [i for i in range(len(keys)) if len({outcome.point[i] for outcome in outcomes}) > 1]
    same = [i for i in range(len(keys)) if i not in varying]
    if same:
        lines.append("all points: " + ", ".join(f"{keys[i]} {write(i, outcomes[0])}".rstrip() for i in same))
    head = [*(keys[i] for i in varying), "A", "B", "B/A", "spread of B", "verdict"]
    body = [[*(write(i, outcome) for i in varying), *_cells(outcome)] for outcome in outcomes]
    lines += ["", *_align(head, body), ""]
    ratios = [outcome.ratio for outcome in outcomes if math.isfinite(outcome.ratio) and outcome.ratio > 0]
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        lines.append(
            f"{formatting.counted(len(ratios), 'point')} compared: geometric mean of B/A {mean:.3f}, "
            f"smallest {min(ratios):.3f}, largest {max(ratios):.3f}"
        )
    return lines


def _cells(outcome: Outcome) -> list[str]:
    return [
        formatting.si(outcome.reference.value, "s") if outcome.reference else "-",
        formatting.si(outcome.measured, "s") if math.isfinite(outcome.measured) else "-",
        f"{outcome.ratio:.3f}" if math.isfinite(outcome.ratio) else "-",
        f"{100 * outcome.spread:.1f} %" if math.isfinite(outcome.spread) else "-",
        outcome.verdict + (f": {outcome.reason}" if outcome.reason else ""),
    ]


# ---- words -----------------------------------------------------------------------------------------------------------


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
            texts.append(f"{column} differs: A {_few(sorted(values[0]))}; B {_few(sorted(values[1]))}")
    return texts


def _few(listed: Sequence[str]) -> str:
    more = len(listed) - MOST_LISTED
    return ", ".join(text or "(empty)" for text in listed[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def _write(value: object, unit: str = "") -> str:
    return formatting.plain(value, unit if unit == "token" else "")


def _align(head: list[str], body: list[list[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head) - 1)]
    return ["  ".join([*(cell.rjust(w) for cell, w in zip(line, widths)), line[-1]]) for line in [head, *body]]
