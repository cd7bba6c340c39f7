"""Two panels a claim and mode: published against ours, and the error of each row with its sign."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ringworld_analysis import drawing
from ringworld_analysis.claims.manifest import Manifest
from ringworld_analysis.claims.verdicts import NOT_REPRODUCED, REPRODUCED, Verdict
from ringworld_analysis.content import Picture

_GOOD, _BAD, _SEEN = "#2a7f62", "#c1272d", "#8a8f98"


def picture(manifest: Manifest, mode: str, rows: Sequence[Verdict]) -> Picture | None:
    """Draw a mode of a claim; None when fewer than two rows have both values."""
    drawn = [row for row in rows if math.isfinite(row.ours) and math.isfinite(row.published) and row.published > 0]
    if len(drawn) < 2:
        return None
    groups = (
        ("reproduced", _GOOD, "o", [row for row in drawn if row.verdict == REPRODUCED]),
        ("not reproduced", _BAD, "X", [row for row in drawn if row.verdict == NOT_REPRODUCED]),
        ("calibration: the fit saw it, no verdict", _SEEN, "s", [row for row in drawn if row.is_calibration]),
    )
    unit = manifest.modes[mode].unit or manifest.unit
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
                    [100 * row.error for row in part], **look,
                )  # fmt: skip
        values = [value for row in drawn for value in (row.ours, row.published) if value > 0]
        ends = (min(values) * 0.9, max(values) * 1.1)
        left.plot(ends, ends, color="black", linewidth=0.8)
        if max(values) > 20 * min(values):
            left.set_xscale("log")
            left.set_yscale("log")
        left.set_xlabel(f"published [{unit}]")
        left.set_ylabel(f"ours [{unit}]")
        left.set_title("On the line: equal")
        right.axhline(0, color="black", linewidth=0.8)
        if manifest.modes[mode].rule == "relative":
            limit = 100 * manifest.modes[mode].tolerance
            right.axhspan(-limit, limit, color=_GOOD, alpha=0.12, linewidth=0)
        right.set_xlabel("row of the published table")
        right.set_ylabel("ours / published - 1 [%]")
        right.set_title("Error with its sign; band: tolerance")
        drawing.legend(figure, handles)
        png, width = drawing.to_png(figure)
    name = f"{manifest.id}_{mode.lower()}"
    return Picture(name, "", "", "", png, width, name)
