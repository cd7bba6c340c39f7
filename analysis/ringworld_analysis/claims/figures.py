"""Two panels a claim and mode: published against ours, and the error of each row with its sign."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.ticker import MaxNLocator

from ringworld_analysis import drawing
from ringworld_analysis.claims.manifest import Manifest
from ringworld_analysis.claims.overview import word
from ringworld_analysis.claims.verdicts import NOT_REPRODUCED, REPRODUCED, Verdict
from ringworld_analysis.content import Picture

_GOOD, _BAD, _SEEN = "#2a7f62", "#c1272d", "#8a8f98"
#: What the line of the left panel says, by rule.
_LINES = {
    "upper_bound": "Ours is a bound: published on or left of the line",
    "lower_bound": "Ours is the least: published on or right of the line",
    "share_of_bound": "Published is a bound: ours on or below the line",
    "order": "Good: both on the same side of 1",
}


def picture(manifest: Manifest, mode: str, rows: Sequence[Verdict]) -> Picture | None:
    """Draw a mode of a claim; None when fewer than two rows have both values."""
    drawn = [row for row in rows if math.isfinite(row.ours) and math.isfinite(row.published) and row.published > 0]
    if len(drawn) < 2:
        return None
    groups = (
        (word(mode, REPRODUCED), _GOOD, "o", [row for row in drawn if row.verdict == REPRODUCED]),
        (word(mode, NOT_REPRODUCED), _BAD, "X", [row for row in drawn if row.verdict == NOT_REPRODUCED]),
        ("calibration: the fit saw it, no verdict", _SEEN, "s", [row for row in drawn if row.is_calibration]),
    )
    rule, tolerance = manifest.modes[mode].rule, manifest.modes[mode].tolerance
    unit = manifest.modes[mode].unit or manifest.unit
    # What is judged by its difference is drawn as one: relative to a small value it says nothing.
    is_difference = rule == "absolute"
    errors = [row.difference if is_difference else 100 * row.error for row in drawn]
    with drawing.style():
        figure, grid = drawing.panels(1, 2, width=4.0, height=2.6)
        left, right = grid[0]
        handles: list[Any] = []
        for name, colour, marker, part in groups:
            if part:
                look = {"color": colour, "marker": marker, "linestyle": "none", "markersize": 5.5}
                handles += left.plot(
                    [row.published for row in part], [row.ours for row in part], label=f"{name} ({len(part)})", **look
                )
                right.plot(
                    [drawn.index(row) + 1 for row in part],
                    [errors[drawn.index(row)] for row in part], **look,
                )  # fmt: skip
        values = [value for row in drawn for value in (row.ours, row.published) if value > 0]
        ends = (min(values) * 0.9, max(values) * 1.1)
        left.plot(ends, ends, color="black", linewidth=0.8)
        if rule == "order":
            left.axhline(1, color="black", linewidth=0.8)
            left.axvline(1, color="black", linewidth=0.8)
        # Shares of nothing have no place on a logarithmic axis.
        if max(values) > 20 * min(values) and not (is_difference and unit.startswith("%")):
            left.set_xscale("log")
            left.set_yscale("log")
        left.set_xlabel(f"published [{unit}]")
        left.set_ylabel(f"ours [{unit}]")
        left.set_title(_LINES.get(rule, "On the line: equal"))
        right.axhline(0, color="black", linewidth=0.8)
        bands = {
            "relative": (-100 * tolerance, 100 * tolerance), "absolute": (-tolerance, tolerance),
            "share_of_bound": (-100 * tolerance, 0.0), "lower_bound": (100 / (1 + tolerance) - 100, 0.0),
        }  # fmt: skip
        if rule in bands:
            right.axhspan(*bands[rule], color=_GOOD, alpha=0.12, linewidth=0)
        right.set_xlabel("row, in the order of the list below")
        right.xaxis.set_major_locator(MaxNLocator(integer=True))
        right.set_ylabel(f"ours - published [{unit}]" if is_difference else "ours / published - 1 [%]")
        right.set_title("Error with its sign" + ("; band: what is allowed" if rule in bands else ""))
        drawing.legend(figure, handles)
        png, width = drawing.to_png(figure)
    name = f"{manifest.id}_{mode.lower()}"
    return Picture(name, "", "", "", png, width, name)
