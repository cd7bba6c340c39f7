"""A fit of a few positive rates to a few points, by the downhill simplex of Nelder and Mead on their logarithms."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

_STEPS = 600
_FIRST_STEP = 0.4


def minimize(cost: Callable[[Sequence[float]], float], start: Sequence[float]) -> list[float]:
    """Return the positive parameters at which `cost` is least; deterministic."""
    count = len(start)

    def at(point: Sequence[float]) -> float:
        return cost([math.exp(min(value, 700.0)) for value in point])

    origin = [math.log(value) for value in start]
    points = [origin] + [
        [value + (_FIRST_STEP if place == axis else 0.0) for place, value in enumerate(origin)] for axis in range(count)
    ]
    costs = [at(point) for point in points]
    for _ in range(_STEPS):
        order = sorted(range(count + 1), key=lambda index: costs[index])
        points, costs = [points[index] for index in order], [costs[index] for index in order]
        centre = [sum(point[axis] for point in points[:-1]) / count for axis in range(count)]

        def moved(share: float, centre: list[float] = centre, worst: list[float] = points[-1]) -> list[float]:
            return [middle + share * (middle - value) for middle, value in zip(centre, worst)]

        trial = moved(1.0)
        trial_cost = at(trial)
        if trial_cost < costs[0]:
            far = moved(2.0)
            far_cost = at(far)
            points[-1], costs[-1] = (far, far_cost) if far_cost < trial_cost else (trial, trial_cost)
        elif trial_cost < costs[-2]:
            points[-1], costs[-1] = trial, trial_cost
        else:
            near = moved(-0.5)
            near_cost = at(near)
            if near_cost < costs[-1]:
                points[-1], costs[-1] = near, near_cost
            else:
                for index in range(1, count + 1):
                    points[index] = [(a + b) / 2 for a, b in zip(points[0], points[index])]
                    costs[index] = at(points[index])
    best = min(range(count + 1), key=lambda index: costs[index])
    return [math.exp(value) for value in points[best]]


def log_error(predicted: float, published: float) -> float:
    """Return the squared logarithm of a ratio: 10 % too high and 10 % too low weigh the same."""
    return math.log(predicted / published) ** 2


def interpolate(table: dict[int, float], length: int) -> float:
    """Return a rate between measured lengths, linear in the logarithm of the length; the nearest one outside."""
    lengths = sorted(table)
    if length <= lengths[0]:
        return table[lengths[0]]
    for low, high in zip(lengths, lengths[1:]):
        if length <= high:
            share = math.log(length / low) / math.log(high / low)
            return table[low] * (1 - share) + table[high] * share
    return table[lengths[-1]]
