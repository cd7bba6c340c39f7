"""Every row of every claim with its verdict, mode by mode; modes are never added up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ringworld_analysis.claims import formulas, measurements, predictions, rules, simulations
from ringworld_analysis.claims.fits import fit, known
from ringworld_analysis.claims.manifest import Manifest, Mode
from ringworld_analysis.claims.points import Point, points_of
from ringworld_analysis.claims.records import Pool
from ringworld_analysis.errors import InputError

REPRODUCED, NOT_REPRODUCED, NOT_COMPARABLE, NOT_RUN = "reproduced", "not reproduced", "not comparable", "not run"


@dataclass(frozen=True)
class Verdict:
    """One row of one claim in one mode."""

    id: str
    row: str
    mode: str
    ours: float
    published: float
    tolerance: float
    verdict: str
    reason: str
    computed_from: str

    @property
    def error(self) -> float:
        """Return ours over published, less one, with its sign."""
        return self.ours / self.published - 1 if self.published else math.nan

    @property
    def difference(self) -> float:
        """Return ours less published."""
        return self.ours - self.published

    @property
    def is_calibration(self) -> bool:
        """Tell whether a fit has seen this row."""
        return self.reason.startswith("calibration")


@dataclass(frozen=True)
class Summary:
    """What one mode says of one claim."""

    mode: str
    verdict: str
    reproduced: int
    comparable: int
    why: str


def number(value: float) -> str:
    """Return a value with four digits; empty when it is not a number."""
    return "" if math.isnan(value) else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def judge(manifest: Manifest, pool: Pool | None = None) -> list[Verdict]:
    """Return the verdicts of a manifest: F and P computed here, M and S by rows of runs and simulations.

    :param pool: rows of records; without them M and S have no verdicts
    """
    found: list[Verdict] = []
    records = pool or Pool()
    for mode in manifest.modes.values():
        if mode.rule == "none":
            continue
        if mode.name == "F" and mode.model in formulas.FORMULAS:
            found += _by_formula(manifest, mode)
        elif mode.name == "P":
            found += _by_prediction(manifest, mode)
        elif mode.commands or mode.model in measurements.MEASUREMENTS:
            found += _by_records(manifest, mode, records)
        elif mode.name == "F" and mode.values:
            raise InputError(f"{manifest.path}: mode.F.model: there is no formula {mode.model}")
    return found


def verdict_row(manifest: Manifest, mode: Mode, row: str, ours: float, published: float, computed_from: str) -> Verdict:
    """Judge one comparable row."""
    problem = rules.judge(mode.rule, ours, published, mode.tolerance)
    verdict = NOT_REPRODUCED if problem else REPRODUCED
    return Verdict(manifest.id, row, mode.name, ours, published, mode.tolerance, verdict, problem, computed_from)


def summarize(manifest: Manifest, mode: Mode, rows: Sequence[Verdict]) -> Summary:
    """Return the verdict of a claim in one mode: its share of comparable rows must be reproduced."""
    if mode.rule == "none":
        return Summary(mode.name, NOT_COMPARABLE, 0, 0, f"{mode.reason}: {mode.says}")
    mine = [row for row in rows if row.id == manifest.id and row.mode == mode.name]
    judged = [row for row in mine if row.verdict != NOT_COMPARABLE]
    good = sum(row.verdict == REPRODUCED for row in judged)
    if not judged:
        if mine and not mode.commands and not mode.waits_for:
            return Summary(mode.name, NOT_COMPARABLE, 0, 0, mine[0].reason)
        why = f"waits for {mode.waits_for}" if mode.waits_for else "`claims --run` can run it on this kind of machine"
        return Summary(mode.name, NOT_RUN, 0, 0, why)
    verdict = REPRODUCED if good >= mode.share * len(judged) - 1e-9 else NOT_REPRODUCED
    failed = [row for row in judged if row.verdict != REPRODUCED]
    why = ""
    if failed:
        first = failed[0]
        others = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        values = f"ours {number(first.ours)}, published {number(first.published)}"
        why = f"{first.row}: {first.reason} ({values}){others}"
    return Summary(mode.name, verdict, good, len(judged), why)


def _by_formula(manifest: Manifest, mode: Mode) -> list[Verdict]:
    found = []
    for cell in formulas.cells(manifest, mode):
        source = f"formula {mode.model}"
        if cell.point.reason:
            found.append(_aside(manifest, mode, cell.published, math.nan, cell.point, source))
        else:
            found.append(verdict_row(manifest, mode, cell.point.name, cell.ours, cell.published, source))
    return found


def _by_prediction(manifest: Manifest, mode: Mode) -> list[Verdict]:
    if mode.model not in predictions.PREDICTIONS:
        raise InputError(f"{manifest.path}: mode.P.model: there is no prediction {mode.model}")
    model = predictions.PREDICTIONS[mode.model]
    points = points_of(manifest, mode)
    found, fitted = [], {}
    for point in points:
        if point.reason and not point.is_calibration:
            found.append(_aside(manifest, mode, point.published, math.nan, point, "nothing"))
            continue
        if point.group not in fitted:
            fitted[point.group] = fit(manifest, model, [other for other in points if other.group == point.group])
        parameters = fitted[point.group]
        published = point.published
        if mode.model in predictions.PUBLISHED:
            published = predictions.PUBLISHED[mode.model](point)
        ours = model.predict(manifest, known(point), parameters.values)
        source = f"{mode.model}: {parameters.description}"
        if point.is_calibration:
            found.append(_aside(manifest, mode, published, ours, point, source))
        else:
            found.append(verdict_row(manifest, mode, point.name, ours, published, source))
    return found


def _by_records(manifest: Manifest, mode: Mode, pool: Pool) -> list[Verdict]:
    reader = simulations.SIMULATIONS.get(mode.model) or measurements.MEASUREMENTS.get(mode.model)
    if reader is None:
        raise InputError(f"{manifest.path}: mode.{mode.name}.model: no reader of records is called {mode.model}")
    found = []
    for one in reader(manifest, mode, pool):
        if one.reason:
            found.append(
                Verdict(
                    manifest.id, one.row, mode.name, one.ours, one.published, mode.tolerance, NOT_COMPARABLE,
                    one.reason, one.source,
                )
            )  # fmt: skip
        else:
            found.append(verdict_row(manifest, mode, one.row, one.ours, one.published, one.source))
    return found


def _aside(manifest: Manifest, mode: Mode, published: float, ours: float, point: Point, source: str) -> Verdict:
    return Verdict(
        manifest.id,
        point.name,
        mode.name,
        ours,
        published,
        mode.tolerance,
        NOT_COMPARABLE,
        f"{point.reason}: {point.why}",
        source,
    )
