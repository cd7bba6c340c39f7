"""One line a target: what each mode says of it. The table of the README is made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ringworld_analysis.claims.manifest import Manifest
from ringworld_analysis.claims.verdicts import NOT_COMPARABLE, NOT_RUN, Summary, Verdict, summarize
from ringworld_analysis.errors import InputError

SHOWN_MODES = ("F", "M", "S", "P")
BEGIN, END = "<!-- claims:begin -->", "<!-- claims:end -->"
#: A prediction or a simulation is no run of a machine: only F and M can be reproduced.
_WORDS = {
    ("P", "reproduced"): "within tolerance",
    ("P", "not reproduced"): "not within tolerance",
    ("S", "reproduced"): "agrees",
    ("S", "not reproduced"): "does not agree",
}
_SHORT = {NOT_RUN: "not run", NOT_COMPARABLE: "not comparable"}


def word(mode: str, verdict: str) -> str:
    """Return a verdict in the words of its mode: nothing but a formula and a run is called reproduced."""
    return _WORDS.get((mode, verdict), verdict)


def summaries(manifest: Manifest, rows: Sequence[Verdict]) -> dict[str, Summary]:
    """Return what each mode of a manifest says."""
    return {name: summarize(manifest, mode, rows) for name, mode in manifest.modes.items()}


def cell(summary: Summary | None) -> str:
    """Return the verdict of one mode in a few words: nothing but a formula and a run is called reproduced."""
    if summary is None:
        return ""
    if summary.verdict in _SHORT:
        return _SHORT[summary.verdict]
    return f"{word(summary.mode, summary.verdict)}, {summary.reproduced} of {summary.comparable}"


def remark(manifest: Manifest, found: Mapping[str, Summary]) -> str:
    """Return why a claim has no better verdict."""
    parts = []
    for name, one in found.items():
        if name in SHOWN_MODES and one.verdict == "not reproduced":
            parts.append(f"{name}: {one.why}")
    parts += [f"{name}: {one.why}" for name, one in found.items() if one.verdict in _SHORT and one.why]
    return "; ".join(parts)


def markdown(manifests: Sequence[Manifest], rows: Sequence[Verdict]) -> str:
    """Return the table as Markdown."""
    lines = [
        "| # | claim | F: formula | M: measured | S: simulated | P: predicted | remark |",
        "|---|---|---|---|---|---|---|",
    ]
    for manifest in manifests:
        found = summaries(manifest, rows)
        cells = [cell(found.get(mode)) for mode in SHOWN_MODES]
        lines.append(f"| {manifest.target} | {manifest.title} | {' | '.join(cells)} | {remark(manifest, found)} |")
    return "\n".join(lines)


def update(path: Path, table: str) -> None:
    """Put the table between the two markers of a Markdown file.

    :raises InputError: when the file cannot be read or written, or lacks a marker
    """
    try:
        text = path.read_text(encoding="utf-8")
        if text.count(BEGIN) != 1 or text.count(END) != 1:
            raise InputError(f"{path}: needs the lines {BEGIN} and {END} once each")
        head, rest = text.split(BEGIN)
        path.write_text(f"{head}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    except OSError as problem:
        raise InputError(f"{path}: {problem.strerror}") from problem
