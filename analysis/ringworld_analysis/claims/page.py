"""The page of claims: one self-contained HTML file."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ringworld_analysis import markup
from ringworld_analysis.claims import figures, overview
from ringworld_analysis.claims.manifest import Manifest, Mode
from ringworld_analysis.claims.verdicts import NOT_COMPARABLE, NOT_REPRODUCED, REPRODUCED, Verdict, number
from ringworld_analysis.errors import InputError

MODE_NAMES = {"F": "formula", "M": "measured", "S": "simulated", "P": "predicted", "Q": "needs weights"}
_EVIDENCE = {
    "primary": "the work itself",
    "authors": "the authors' repository or documentation",
    "digitised": "read off a figure",
    "secondary": "another text about the work",
    "recalled": "memory, which judges nothing",
}


def write(manifests: Sequence[Manifest], rows: Sequence[Verdict], path: Path) -> None:
    """Write the page.

    :raises InputError: when the file cannot be written
    """
    try:
        path.write_text(render(manifests, rows), encoding="utf-8")
    except OSError as problem:
        raise InputError(f"{path}: cannot be written ({problem.strerror})") from problem


def render(manifests: Sequence[Manifest], rows: Sequence[Verdict]) -> str:
    """Return the page as HTML."""
    environment = Environment(
        loader=PackageLoader("ringworld_analysis", "claims"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters.update(number=number, prose=markup.prose)
    style = (resources.files("ringworld_analysis") / "page.css").read_text(encoding="utf-8")
    sections = [_section(manifest, [row for row in rows if row.id == manifest.id]) for manifest in manifests]
    return environment.get_template("claims.html.jinja").render(
        style=style, sections=sections, modes=MODE_NAMES, shown=overview.SHOWN_MODES,
        quality=_quality(manifests, rows), sums=[_sum(mode, sections) for mode in overview.SHOWN_MODES],
        evidence=_EVIDENCE,
    )  # fmt: skip


def _sum(mode: str, sections: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the claims that hold in a mode, those that do not, and those without a verdict."""
    found = [
        (section["manifest"], part["summary"].verdict)
        for section in sections
        for part in section["parts"]
        if part["mode"].name == mode
    ]
    good, bad = ([one for one, verdict in found if verdict == wanted] for wanted in (REPRODUCED, NOT_REPRODUCED))
    return {
        "mode": mode, "good": good, "bad": bad,
        "open": [one for one, verdict in found if verdict not in (REPRODUCED, NOT_REPRODUCED)],
        "good_word": overview.word(mode, REPRODUCED), "bad_word": overview.word(mode, NOT_REPRODUCED),
    }  # fmt: skip


def _section(manifest: Manifest, rows: Sequence[Verdict]) -> dict[str, Any]:
    found = overview.summaries(manifest, rows)
    parts = []
    for name, mode in manifest.modes.items():
        mine = [row for row in rows if row.mode == name]
        picture = figures.picture(manifest, name, mine)
        parts.append({
            "mode": mode, "summary": found[name], "cell": overview.cell(found[name]),
            "rows": [(row, _error(mode, row), _verdict(row)) for row in mine],
            "picture": base64.b64encode(picture.png).decode("ascii") if picture else "",
            "width": picture.width if picture else 0,
            "sources": _sources(mine),
        })  # fmt: skip
    cells = {
        name: (overview.cell(found.get(name)), found[name].verdict if name in found else "") for name in MODE_NAMES
    }
    return {"manifest": manifest, "parts": parts, "cells": cells, "remark": overview.remark(manifest, found)}


def _quality(manifests: Sequence[Manifest], rows: Sequence[Verdict]) -> dict[str, float]:
    """Return how far predicted times and rates are from published ones: all that no fit has seen, good or bad.

    Bounds and losses in points of a per cent have no relative error and are not among them.
    """
    relative = {one.id for one in manifests if "P" in one.modes and one.modes["P"].rule == "relative"}
    errors = sorted(
        abs(row.error) for row in rows if row.mode == "P" and row.verdict != NOT_COMPARABLE and row.id in relative
    )
    if not errors:
        return {"count": 0, "median": math.nan, "ninety": math.nan}
    return {
        "count": len(errors), "median": errors[len(errors) // 2], "ninety": errors[math.ceil(0.9 * len(errors)) - 1]
    }  # fmt: skip


def _error(mode: Mode, row: Verdict) -> str:
    """Return how far a row is off, as its rule judges it."""
    if math.isnan(row.ours) or math.isnan(row.published):
        return ""
    if mode.rule == "absolute":
        return f"{row.difference:+.4g}"
    return "" if math.isnan(row.error) else f"{100 * row.error:+.1f} %"


def _verdict(row: Verdict) -> str:
    return "calibration, no verdict" if row.is_calibration else overview.word(row.mode, row.verdict)


def _sources(rows: Sequence[Verdict]) -> list[str]:
    """Return what the values of ours came from; of rows of one file the file alone."""
    found = {row.computed_from for row in rows if row.verdict != NOT_COMPARABLE}
    of_files = {re.sub(r", row \d+( of [\w/]+)?", "", text) for text in found}
    return sorted(dict.fromkeys(" / ".join(dict.fromkeys(re.split(" / | against ", text))) for text in of_files))
