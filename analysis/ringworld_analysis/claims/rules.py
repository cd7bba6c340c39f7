"""The rules by which a row is reproduced or not. Each returns the empty string, or what is wrong."""

from __future__ import annotations

import math

_ROUNDING = 1e-9


def judge(rule: str, ours: float, published: float, tolerance: float) -> str:
    """Return why a row is not reproduced; empty when it is.

    absolute: |ours - published| <= tolerance.
    relative: |ours / published - 1| <= tolerance.
    equal: the same value.
    order: ours is the ratio of two times and published that of the source; both on the same side of 1.
    upper_bound: ours is a bound; published may not beat it, and ours is at most tolerance times published (0: any).
    lower_bound: ours is the least possible; published is at most tolerance above it.
    share_of_bound: published is a bound that ours may not beat, and ours reaches 1 - tolerance of it.
    """
    if not (math.isfinite(ours) and math.isfinite(published)):
        return "ours is not a number"
    room = tolerance * (1 + _ROUNDING) + _ROUNDING * abs(published)
    if rule == "absolute":
        return "" if abs(ours - published) <= room else f"off by more than {tolerance:g}"
    if rule == "relative":
        return (
            ""
            if abs(ours / published - 1) <= tolerance * (1 + _ROUNDING) + _ROUNDING
            else f"off by more than {100 * tolerance:g} %"
        )
    if rule == "equal":
        return "" if ours == published else "is another value"
    if rule == "order":
        return "" if (ours < 1) == (published < 1) else "the other one is faster"
    if rule == "upper_bound":
        if published > ours * (1 + _ROUNDING):
            return "published beats the bound"
        return "" if not tolerance or ours <= tolerance * published else "the bound is far above what is published"
    if rule == "lower_bound":
        if published < ours * (1 - _ROUNDING):
            return "published is below the least possible"
        return "" if published <= ours * (1 + tolerance) else "published is far above the bound"
    if rule == "share_of_bound":
        if ours > published * (1 + _ROUNDING):
            return "ours beats its bound"
        return "" if ours >= published * (1 - tolerance) else "ours does not reach its share of the bound"
    raise ValueError(f"unknown rule {rule}")
