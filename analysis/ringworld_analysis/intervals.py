"""How sure a ratio of two medians is: its bootstrap interval, and how many repeats would settle it.

The interval is the percentile interval of the bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 13): both sets of times are drawn again with replacement, and the ratio of the medians is taken each time.
It holds what repeats of one run can tell. A neighbour who slows all of a run moves the whole interval, so runs that
are held against each other should take turns on the machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ringworld_analysis.table import Column

DRAWS = 4000
#: Share of comparisons of equal runs that may raise an alarm: half of it at a point, half over all points together.
FALSE_ALARMS = 0.02
#: A single repeat has no spread, so it says nothing of noise.
FEWEST_REPEATS = 2


@dataclass(frozen=True)
class RatioDraws:
    """Ratios of medians, B over A, each of times that were drawn again."""

    ratios: Column
    repeats: int
    """Of the run that has fewer."""

    def interval(self, false_alarms: float) -> tuple[float, float]:
        """Return the ends that a ratio of equal runs leaves with the given probability."""
        low, high = np.quantile(self.ratios, [false_alarms / 2, 1 - false_alarms / 2])
        return float(low), float(high)


def draw_ratios(before: Column, after: Column) -> RatioDraws | None:
    """Draw the ratio of the medians of `after` and `before` again and again; None for too few repeats.

    The draws are the same each time, so that a comparison can be repeated to the digit.
    """
    repeats = min(len(before), len(after))
    if repeats < FEWEST_REPEATS:
        return None
    random = np.random.default_rng(0)
    medians = [
        np.median(times[random.integers(len(times), size=(DRAWS, len(times)))], axis=1) for times in (before, after)
    ]
    return RatioDraws(medians[1] / medians[0], repeats)


def draw_paired_ratios(before: Column, after: Column) -> RatioDraws:
    """Draw the median of the ratios of pairs again and again.

    Two runs that follow each other met the same machine: their ratio is less noisy than that of two medians.

    :param before: as many times as `after`, and at least one
    """
    ratios = after / before
    random = np.random.default_rng(0)
    drawn = ratios[random.integers(len(ratios), size=(DRAWS, len(ratios)))]
    return RatioDraws(np.median(drawn, axis=1), len(ratios))


def repeats_to_decide(interval: tuple[float, float], repeats: int, limit: float) -> int:
    """Return the repeats with which the interval would be narrower than the limit, at the spread that was seen.

    The width of an interval falls with the square root of the repeats.

    :param limit: the change that is to be told from noise, as a fraction of the ratio
    """
    half_width = (interval[1] - interval[0]) / 2
    return max(repeats + 1, math.ceil(repeats * (half_width / limit) ** 2)) if limit > 0 else 0
