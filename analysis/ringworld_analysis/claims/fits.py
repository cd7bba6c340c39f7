"""Fits that see the calibration points of a claim and nothing else of what is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ringworld_analysis.claims.manifest import Manifest
from ringworld_analysis.claims.points import Point
from ringworld_analysis.errors import InputError
from ringworld_analysis.predictor import fitting

Predict = Callable[[Manifest, "Known", Sequence[float]], float]


@dataclass(frozen=True)
class Known:
    """What a model is told of a point: no value that is judged."""

    column: str
    keys: Mapping[str, object]

    def text(self, name: str) -> str:
        """Return a column of words."""
        return str(self.keys[name])

    def number(self, name: str) -> float:
        """Return a column of numbers."""
        value = self.keys[name]
        if not isinstance(value, (int, float)):
            raise InputError(f"column {name}: {value!r} is not a number")
        return float(value)

    def count(self, name: str) -> int:
        """Return a column of whole numbers."""
        return int(self.number(name))


@dataclass(frozen=True)
class Model:
    """A prediction with named positive parameters, and where the search for them begins."""

    predict: Predict
    parameters: tuple[str, ...] = ()
    start: tuple[float, ...] = ()


@dataclass(frozen=True)
class Fitted:
    """The parameters of a group of points and what they were found from."""

    values: tuple[float, ...]
    description: str


def known(point: Point) -> Known:
    """Return what a model may see of a point."""
    return Known(point.column, point.keys)


def fit(manifest: Manifest, model: Model, points: Sequence[Point]) -> Fitted:
    """Find the parameters of one group; only its calibration points are handed to the search.

    :raises InputError: when there are more parameters than calibration points, or more than half of the points are
        calibration points
    """
    if not model.parameters:
        return Fitted((), "nothing fitted")
    seen = [point for point in points if point.is_calibration]
    judged = [point for point in points if point.is_calibration or not point.reason]
    if len(seen) < len(model.parameters):
        raise InputError(f"{manifest.path}: {len(model.parameters)} parameters and {len(seen)} calibration points")
    if 2 * len(seen) > len(judged):
        raise InputError(f"{manifest.path}: more than half of the points are calibration points")
    shown = [(known(point), point.published) for point in seen]

    def cost(values: Sequence[float]) -> float:
        return sum(fitting.log_error(model.predict(manifest, what, values), value) for what, value in shown)

    found = fitting.minimize(cost, model.start)
    parameters = ", ".join(f"{name} = {value:.4g}" for name, value in zip(model.parameters, found))
    return Fitted(tuple(found), f"{parameters}, fitted to {'; '.join(point.name for point in seen)}")
