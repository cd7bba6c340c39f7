"""Two runs side by side: the ratio of times point by point, and whether it stays inside its limits.

Rows are about the same point when they agree in every key column of their table; rows that differ in one are never
held against each other. After ReFrame, a reference is (value, lower, upper, unit) with limits as fractions of the
value. "Faster" fails as well unless it is allowed: a result that leaves its range upwards needs an explanation (less
work done? another machine?) and then a new reference.

Where a file has the raw times of a point, its ratio has an interval (`intervals`), and a ratio outside its limits
counts only when the interval excludes that both runs are equally fast.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ringworld_analysis import formatting
from ringworld_analysis.errors import InputError
from ringworld_analysis.intervals import FALSE_ALARMS, RatioDraws, draw_ratios, repeats_to_decide
from ringworld_analysis.reading import ATTENTION, CELLS, SAMPLES, SIMULATED_STEPS, STEPS, VIDEO_NEEDLES, Source
from ringworld_analysis.table import Column, Row, Table

FAILURES = ("slower", "faster", "not valid", "missing")
UNMATCHED = ("missing", "new", "no reference")
#: Verdicts of points that were held against a reference.
COMPARED = ("same", "slower", "faster", "noise")
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


#: What `compare` judges; all are in seconds. A record is judged by those of these tables that it has.
MEASURES = (
    Measure(ATTENTION, "step_time"),
    Measure(STEPS, "step_time", over="step"),
    Measure(SIMULATED_STEPS, "step_time"),
    Measure(CELLS, "seconds"),
    Measure(VIDEO_NEEDLES, "seconds"),
)
UNIT = "s"


@dataclass(frozen=True)
class Limits:
    """Changes of a time that pass, as fractions of the reference: a gain `lower` <= 0 and a loss `upper` >= 0."""

    lower: float
    upper: float

    def judge(self, ratio: float, interval: tuple[float, float] | None = None) -> str:
        """Return same, slower, faster, noise or not valid for a time over its reference.

        :param interval: of the ratio, where repeats tell it; without one the ratio alone decides
        """
        if not math.isfinite(ratio):
            return "not valid"
        low, high = interval or (ratio, ratio)
        if ratio > 1 + self.upper:
            return "slower" if low > 1 else "noise"
        if ratio < 1 + self.lower:
            return "faster" if high < 1 else "noise"
        if interval is None:
            return "same"
        return "same" if 1 + self.lower <= low and high <= 1 + self.upper else "noise"

    def repeats_to_decide(self, interval: tuple[float, float], repeats: int) -> int:
        """Return the repeats that would tell a change as large as the nearer limit from noise; 0 for limits of 0."""
        return repeats_to_decide(interval, repeats, min(self.upper, -self.lower))


@dataclass(frozen=True)
class Outcome:
    """One point of the two runs."""

    point: Point
    verdict: str
    reference: float = math.nan
    """Time of the point in A; NaN where A has none that is valid."""
    measured: float = math.nan
    interval: tuple[float, float] | None = None
    """Of the ratio, where both files have the raw times of repeats."""
    repeats_needed: int = 0
    """Repeats that would decide a verdict `noise`; 0 where the verdict is another."""
    reason: str = ""
    noisy: tuple[str, ...] = ()
    """Which of A and B ended with a median that is not known to 2 %, as the record says."""

    @property
    def ratio(self) -> float:
        """Time over its reference; NaN where one of the two is missing."""
        return self.measured / self.reference


@dataclass(frozen=True)
class Comparison:
    """One table of both runs."""

    measure: Measure
    keys: tuple[str, ...]
    """Columns that name a point, in file order."""
    outcomes: list[Outcome]
    units: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    overall: Outcome | None = None
    """Geometric mean of the ratios of a table with several compared points: it finds what is small at each point."""


def compare(base: Source, new: Source, limits: Limits) -> list[Comparison]:
    """Judge every point of either file, table by table.

    :raises InputError: when there is nothing to compare, in all or in a table that both files have rows of; when a
        table lacks a column, or has a key that the other file cannot tell.
    """
    pairings = []
    for measure in MEASURES:
        before, after = _table(base, measure), _table(new, measure)
        if any(table is not None and len(table) for table in (before, after)):
            pairings.append(_pair(base, new, before, after, measure))
    count = sum(pair.draws is not None for pairing in pairings for pair in pairing.pairs)
    # A file of a hundred points would raise five false alarms if each were judged alone (Bonferroni).
    found = [_judge(pairing, limits, FALSE_ALARMS / 2 / max(count, 1)) for pairing in pairings]
    # A point that B measured in vain was compared too: it fails.
    verdicts = {outcome.verdict for comparison in found for outcome in comparison.outcomes}
    if not verdicts & {*COMPARED, "not valid"}:
        raise InputError(
            f"{base.path} and {new.path} have no row to compare; judged are "
            + ", ".join(f"{measure.column} of {measure.table}" for measure in MEASURES)
        )
    return found


def failed(comparisons: Sequence[Comparison], allow_missing: bool = False, allow_faster: bool = False) -> list[Outcome]:
    """Return the outcomes that make the check fail."""
    allowed = [*(["missing"] * allow_missing), *(["faster"] * allow_faster)]
    return [
        outcome
        for comparison in comparisons
        for outcome in (*comparison.outcomes, *([comparison.overall] if comparison.overall else []))
        if outcome.verdict in FAILURES and outcome.verdict not in allowed
    ]


def timings_by_point(source: Source, measure: Measure) -> tuple[tuple[str, ...], dict[Point, float]]:
    """Return the names of the keys of a record's table, and the time of each valid point: its last row's.

    :raises InputError: when the table lacks a column.
    """
    table = _table(source, measure)
    keys = tuple(name for name in table.keys if name != measure.over) if table is not None else ()
    points = _by_point(source, table, keys, measure)
    valid = {point: _valid(timings) for point, timings in points.items()}
    return keys, {point: timings[-1].seconds for point, timings in valid.items() if timings}


# ---- one table -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Timing:
    """One valid or failed row of a point: its time, and those of its repeats where the file has them."""

    row: Row
    seconds: float
    repeats: Column
    is_valid: bool


@dataclass(frozen=True)
class _Pair:
    """A row of B and what it is held against."""

    outcome: Outcome
    """Without its verdict where `is_compared`."""
    is_compared: bool = False
    draws: RatioDraws | None = None


@dataclass(frozen=True)
class _Pairing:
    comparison: Comparison
    pairs: list[_Pair]


def _table(source: Source, measure: Measure) -> Table | None:
    table = source.attention if measure.table == ATTENTION else source.table(measure.table)
    if table is None:
        return None
    missing = [name for name in (measure.column, "valid", "reason") if name not in table]
    if missing:
        raise InputError(f"{source.path}: {measure.table} lacks the column{'s' * (len(missing) > 1)} "
                         + ", ".join(missing))  # fmt: skip
    return table


def _pair(base: Source, new: Source, before: Table | None, after: Table | None, measure: Measure) -> _Pairing:
    keys, warnings = _shared_keys(base, new, before, after, measure)
    references, measured = _by_point(base, before, keys, measure), _by_point(new, after, keys, measure)
    for source, points in ((base, references), (new, measured)):
        warnings += _repeated_rows(source, measure, keys, points)
    pairs: list[_Pair] = []
    for point, timings in references.items():
        valid, others = _valid(timings), measured.get(point, [])
        if not valid:
            times = [timing.seconds for timing in _valid(others)] or [math.nan]
            reason = timings[-1].row["reason"]
            pairs += [_Pair(Outcome(point, "no reference", measured=time, reason=reason)) for time in times]
            continue
        reference = valid[-1]
        if not others:
            pairs.append(_Pair(Outcome(point, "missing", reference.seconds)))
        elif not _valid(others):
            pairs.append(_Pair(Outcome(point, "not valid", reference.seconds, reason=others[-1].row["reason"])))
        # A point that B measured several times passes when each of them does.
        for timing in _valid(others):
            noisy = tuple(name for name, each in (("A", reference), ("B", timing)) if each.row.get("noisy"))
            outcome = Outcome(point, "", reference.seconds, timing.seconds, noisy=noisy)
            pairs.append(_Pair(outcome, is_compared=True, draws=draw_ratios(reference.repeats, timing.repeats)))
    pairs += [
        _Pair(Outcome(point, "new", measured=timings[-1].seconds))
        for point, timings in measured.items()
        if point not in references
    ]
    if references and measured and not any(pair.is_compared or pair.outcome.verdict == "not valid" for pair in pairs):
        raise InputError(
            f"{base.path} and {new.path} have no point of {measure.table} in common that is valid in the first"
            + _differences(keys, references, measured)
        )
    units = {**(after.units if after is not None else {}), **(before.units if before is not None else {})}
    return _Pairing(Comparison(measure, keys, [], units, warnings), pairs)


def _judge(pairing: _Pairing, limits: Limits, false_alarms: float) -> Comparison:
    outcomes = []
    for pair in pairing.pairs:
        interval = pair.draws.interval(false_alarms) if pair.draws else None
        repeats = pair.draws.repeats if pair.draws else 0
        outcomes.append(_judged(pair.outcome, interval, repeats, limits) if pair.is_compared else pair.outcome)
    compared = [pair for pair in pairing.pairs if pair.is_compared and math.isfinite(pair.outcome.ratio)]
    overall = _overall(compared, limits) if len(compared) > 1 else None
    return replace(pairing.comparison, outcomes=outcomes, overall=overall)


def _judged(outcome: Outcome, interval: tuple[float, float] | None, repeats: int, limits: Limits) -> Outcome:
    verdict = limits.judge(outcome.ratio, interval)
    needed = limits.repeats_to_decide(interval, repeats) if interval and verdict == "noise" else 0
    return replace(outcome, verdict=verdict, interval=interval, repeats_needed=needed)


def _overall(pairs: Sequence[_Pair], limits: Limits) -> Outcome:
    ratio = math.exp(float(np.mean([math.log(pair.outcome.ratio) for pair in pairs])))
    draws = [pair.draws for pair in pairs if pair.draws is not None]
    if len(draws) < len(pairs):
        return _judged(Outcome((), "", 1.0, ratio), None, 0, limits)
    # Each point draws by itself: the same index would make the errors of all points go one way.
    shuffled = [np.random.default_rng(place).permutation(each.ratios) for place, each in enumerate(draws)]
    means = np.exp(np.mean(np.log(shuffled), axis=0))
    together = RatioDraws(means, min(each.repeats for each in draws))
    return _judged(Outcome((), "", 1.0, ratio), together.interval(FALSE_ALARMS / 2), together.repeats, limits)


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
                raise InputError(f"{said}, where it has the values {few(list(map(str, values)))}: measure both with "
                                 "one version of the program")  # fmt: skip
            warnings.append(f"{said} ({few(list(map(str, values)))} there); not compared by it")
        elif name != measure.over:
            keys.append(name)
    if not keys:
        raise InputError(f"{base.path} and {new.path}: {measure.table} has no key column")
    return tuple(keys), warnings


def _by_point(
    source: Source, table: Table | None, keys: tuple[str, ...], measure: Measure
) -> dict[Point, list[_Timing]]:
    """Return the rows of each point, in file order."""
    found: dict[Point, list[_Timing]] = {}
    if table is None:
        return found
    repeats = _repeats_by_row(source) if measure.table == ATTENTION else {}
    for index, (point, row) in enumerate(zip(table.points(keys), table.rows())):
        seconds = float(row[measure.column])
        # A time of zero cannot be a reference, whatever the file says.
        is_valid = bool(row["valid"]) and seconds > 0
        times = repeats.get(index, np.empty(0)) if is_valid else np.empty(0)
        found.setdefault(point, []).append(_Timing(row, seconds, times, is_valid))
    if measure.over:
        return {point: [_merged(timings)] for point, timings in found.items()}
    return found


def _repeats_by_row(source: Source) -> dict[int, Column]:
    """Return the times of the repeats of each row of /attention: those of the slowest rank."""
    samples = source.table(SAMPLES)
    if samples is None:
        return {}
    slowest: dict[int, dict[int, float]] = {}
    columns = (samples[name].tolist() for name in ("attention_row", "repeat", "seconds"))
    for row, repeat, seconds in zip(*columns):
        times = slowest.setdefault(row, {})
        times[repeat] = max(seconds, times.get(repeat, 0.0))
    return {row: np.array(list(times.values())) for row, times in slowest.items()}


def _merged(timings: list[_Timing]) -> _Timing:
    """Return the last row with the median of the valid ones in its place; not valid when none is."""
    times = np.array([timing.seconds for timing in _valid(timings)])
    median = float(np.median(times)) if len(times) else math.nan
    return _Timing(timings[-1].row, median, times, timings[-1].is_valid)


def _valid(timings: list[_Timing]) -> list[_Timing]:
    return [timing for timing in timings if timing.is_valid]


def _repeated_rows(
    source: Source, measure: Measure, keys: tuple[str, ...], points: Mapping[Point, list[_Timing]]
) -> Iterator[str]:
    """Name the points that a file measured more than once."""
    repeated = {point: len(_valid(timings)) for point, timings in points.items() if len(_valid(timings)) > 1}
    varying = [i for i in range(len(keys)) if len({point[i] for point in points}) > 1]
    for point, count in repeated.items():
        named = ", ".join(f"{keys[i]} {write(point[i])}" for i in varying) or "its only point"
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
            a, b = (few(sorted(map(write, of_file))) for of_file in values)
            texts.append(f"{name} is {a} in the first and {b} in the second")
    return f": {'; '.join(texts)}" if texts else ""


# ---- words -----------------------------------------------------------------------------------------------------------


def few(listed: Sequence[str]) -> str:
    """Return a list for a message, cut where it is long."""
    more = len(listed) - MOST_LISTED
    return ", ".join(text or "(empty)" for text in listed[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def write(value: object, unit: str = "") -> str:
    """Return a value of a key column for a message."""
    return formatting.plain(value, unit if unit == "token" else "")
