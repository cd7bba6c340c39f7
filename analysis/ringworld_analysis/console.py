"""What a report found, in words, for a terminal or a log."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Sequence
from typing import TextIO

from ringworld_analysis.content import Finding

WIDTH = 100
_SIGNS = {"good": ("ok", "32"), "warn": ("! ", "33"), "bad": ("X ", "31"), "note": ("- ", "")}
_EMPHASIS = re.compile(r"\*\*(.+?)\*\*")


def is_coloured(stream: TextIO) -> bool:
    """Tell whether to use colours: on a terminal, unless NO_COLOR (no-color.org) is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def render(findings: Sequence[Finding], coloured: bool = False) -> str:
    """Return a line or more for each finding: its sign, then the sentence."""
    return "\n".join(_render(finding, coloured) for finding in findings)


def _render(finding: Finding, coloured: bool) -> str:
    sign, colour = _SIGNS[finding.verdict]
    text = _EMPHASIS.sub(r"\1", finding.text).replace("`", "")
    lines = textwrap.wrap(text, WIDTH - 5, break_long_words=False, break_on_hyphens=False)
    painted = f"\033[{colour}m{sign}\033[0m" if coloured and colour else sign
    return "\n".join([f"  {painted} {lines[0]}", *(f"     {line}" for line in lines[1:])])
