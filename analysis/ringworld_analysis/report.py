"""The report: one self-contained page, and each figure and data set as a file beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ringworld_analysis import __version__, formatting, markup
from ringworld_analysis.assets import asset
from ringworld_analysis.content import DataSet, Finding, Grid, Section
from ringworld_analysis.definitions import DEFINITIONS
from ringworld_analysis.errors import InputError
from ringworld_analysis.reading import Source
from ringworld_analysis.roles import OLD_FORMAT
from ringworld_analysis.run import PASS_ORDER, Run, ordered
from ringworld_analysis.sections import builders_for

_ADDED = ("source", "file", "pass_label")


def write(run: Run, folder: Path, title: str = "Ringworld report") -> Path:
    """Write index.html, *.png and *.csv; return the path of the page.

    :raises InputError: when the folder cannot be made or written.
    """
    return write_and_tell(run, folder, title)[0]


def write_and_tell(run: Run, folder: Path, title: str = "Ringworld report") -> tuple[Path, list[Finding]]:
    """Do the same; return what was found as well."""
    sections = [part for part in (build(run) for build in builders_for(run)) if part is not None]
    files: dict[str, bytes] = {"index.html": page(run, sections, title).encode("utf-8")}
    for part in sections:
        files.update({f"{picture.name}.png": picture.png for picture in part.pictures})
        files.update({f"{data.name}.csv": data.to_csv().encode("utf-8") for data in part.data})
    if _has_attention(run):
        files["attention.csv"] = _all_rows(run).to_csv().encode("utf-8")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as problem:
        raise InputError(f"{folder}: cannot write the report ({problem.strerror})") from problem
    return folder / "index.html", _findings(run, sections)


def page(run: Run, sections: list[Section], title: str) -> str:
    """Return the whole page as HTML."""
    links = [("summary", "Summary"), *((part.key, part.title) for part in sections)]
    links += [("rows", "All rows")] if _has_attention(run) else []
    links += [("definitions", "Definitions"), ("provenance", "Provenance")]
    return markup.render(
        title=title, subtitle=_subtitle(run), links=links, scope=_scope(run), found=_findings(run, sections),
        invalid=_invalid_grid(run) if len(run.invalid) else None, sections=sections, has_rows=_has_attention(run),
        definitions=DEFINITIONS, sources=run.sources, style=asset("page.css"), script=asset("page.js"),
        version=__version__, **_rows(run),
    )  # fmt: skip


def _has_attention(run: Run) -> bool:
    """Tell whether the page should speak of the attention sweep, be it empty."""
    return len(run.attention) > 0 or not run.has_other_tables


def _subtitle(run: Run) -> str:
    parts = [", ".join(source.label for source in run.sources)]
    for source in run.sources[:1]:
        if source.provenance is None:
            continue
        when = source.provenance.find("utc_start")
        revision = source.provenance.find("git_revision")
        parts += [f"started {when}"] if when else []
        is_dirty = source.provenance.find("git_is_dirty") == "true"
        parts += [f"revision {revision}{' with local changes' if is_dirty else ''}"] if revision else []
    return " · ".join(parts)


def _findings(run: Run, sections: list[Section]) -> list[Finding]:
    total, invalid = len(run.attention), len(run.invalid)
    counts = f"**{total - invalid}** of {formatting.counted(total, 'row')} {'is' if total == 1 else 'are'} valid"
    if not _has_attention(run):
        first = _other_finding(run)
    elif not total:
        first = Finding("`/attention` has no rows: the run ended before its first point was complete.", "bad")
    elif invalid:
        first = Finding(f"{counts}; the other {invalid} and the reasons are listed below and never plotted.", "warn")
    elif (simulated := len(run.simulated)) == total:
        first = Finding(f"{counts}.", "good")
    else:
        checked = f"each of the {total - simulated} measured results" if simulated else "each result"
        first = Finding(f"{counts}: {checked} was checked against exact attention.", "good")
    found = [first, *_simulated_findings(run), *_noisy_findings(run)]
    found += [finding for part in sections for finding in part.findings]
    if run.repeated_points:
        found.append(
            Finding(
                f"{formatting.counted(run.repeated_points, 'valid row')} left out of the figures because a later row "
                "measured the same point.",
                "warn",
            )
        )
    found += [finding for source in run.sources for finding in _origin_findings(source)]
    missing = [f"{part.title} ({part.missing})" for part in sections if part.missing]
    if missing:
        found.append(Finding(f"Not in this report: {'; '.join(missing)}", "warn"))
    return found


def _simulated_findings(run: Run) -> list[Finding]:
    """Say which rows are no measurements."""
    rows = run.simulated
    if not len(rows):
        return []
    rates = ", ".join(str(name) for name in rows.distinct("rates"))
    networks = ", ".join(str(name) or "real messages" for name in rows.distinct("platform"))
    return [
        Finding(
            f"**{formatting.counted(len(rows), 'row')} {'is' if len(rows) == 1 else 'are'} simulated**, not measured: "
            f"kernels took the time of rates ({rates}) on the network {networks}. Nothing was computed, so no result "
            "was checked.", "warn",
        )
    ]  # fmt: skip


def _noisy_findings(run: Run) -> list[Finding]:
    """Say which medians are not known well."""
    if "noisy" not in run.attention or not len(run.attention):
        return []
    rows = run.attention.take(run.attention["noisy"].astype(bool))
    if not len(rows):
        return []
    counted = formatting.counted(len(rows), "row")
    return [
        Finding(
            f"**{counted} of {len(run.attention)} {'is' if len(rows) == 1 else 'are'} noisy**: the median of the "
            "repeats is not known to 2 %. `--repeats auto` with a longer `--repeat-seconds`, or a quieter machine, "
            "tells it better.",
            "warn",
        )
    ]


def _other_finding(run: Run) -> Finding:
    """Say how many rows of other verbs are valid."""
    tables = [(name, run.records(name)) for name in run.other_tables]
    found = [(name, table) for name, table in tables if table is not None]
    invalid = sum(int(np.count_nonzero(~table["valid"].astype(bool))) for _, table in found if "valid" in table)
    rows = ", ".join(f"{formatting.counted(len(table), 'row')} of `{name}`" for name, table in found)
    if invalid:
        return Finding(f"{rows}; {invalid} not valid and never plotted.", "warn")
    return Finding(f"{rows}, all valid.", "good")


def _origin_findings(source: Source) -> list[Finding]:
    """Say what the file itself warns of: an old format, a run cut short, rows by different builds."""
    findings = [] if source.has_roles else [Finding(f"{source.label}: {OLD_FORMAT}.")]
    if source.provenance is None:
        return findings
    resumed = [node for name, node in source.provenance.children.items() if name.startswith("resume_")]
    runs = [source.provenance, *sorted(resumed, key=lambda node: node.values.get("utc_start", ""))]
    if runs[-1].values.get("utc_end") == "":
        findings.append(Finding(f"{source.label}: the run did not reach its end (`utc_end` is empty).", "warn"))
    revisions = {node.values["git_revision"] for node in runs if "git_revision" in node.values}
    if len(revisions) > 1:
        findings.append(Finding(f"{source.label}: rows were made by {len(revisions)} different revisions.", "warn"))
    return findings


def _scope(run: Run) -> str:
    table = run.attention
    if not len(table):
        return "" if run.has_other_tables else "The sweep is empty."

    def spread(noun: str, values: list[Any], plural: str = "") -> str:
        texts = [str(value) for value in values]
        joined = texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
        return f"{noun if len(texts) == 1 else plural or noun + 's'} {joined}"

    parts = [
        spread("context length", [formatting.tokens(value) for value in table.distinct("context_length")]),
        spread("ring size", table.distinct("ranks")),
        spread("layout", table.distinct("layout")),
        spread("pass", ordered(table.distinct("pass"), PASS_ORDER), "passes"),
        spread("dtype", table.distinct("dtype")),
        spread("backend", table.distinct("backend")),
    ]
    same = [
        f"{name} {table.distinct(name)[0]}"
        for name in ("heads", "kv_heads", "head_size", "batch")
        if len(table.distinct(name)) == 1
    ]
    masks = {True: "causal mask", False: "no mask"}
    same += [" and ".join(masks[bool(value)] for value in table.distinct("causal"))]
    first = "; ".join(parts)
    return f"{first[0].upper()}{first[1:]}; {', '.join(same)}."


def _invalid_grid(run: Run) -> Grid:
    rows = [
        [row["context_length"], row["ranks"], row["layout"], row["pass_label"], run.describe(row),
         row["reason"] or "no reason given"]
        for row in run.invalid.rows()
    ]  # fmt: skip
    return Grid(
        "Rows that are not valid", ("context_length", "ranks", "layout", "pass", "configuration", "reason"), rows,
        {"context_length": "token"}, caption="From `valid` and `reason` of `/attention`.",
    )  # fmt: skip


def _rows(run: Run) -> dict[str, Any]:
    """Return what is the same in every row, and a grid of the rest; no grid where there are no rows."""
    table = run.attention
    if not len(table):
        return {"same": [], "rows": None}
    names = [name for name in table.names if name not in _ADDED]
    if len(run.sources) > 1:
        labels = np.array([source.label for source in run.sources])
        table = table.with_column("file", labels[table["source"]])
        names.insert(0, "file")
    same = [name for name in names if len(table) > 1 and len(np.unique(table[name])) == 1]
    varying = [name for name in names if name not in same]
    first = table.rows()[0]
    shown = [(name, formatting.plain(first[name], table.units.get(name, "")) or "(empty)") for name in same]
    cells = [[row[name] for name in varying] for row in table.rows()]
    invalid = frozenset(np.flatnonzero(~table["valid"].astype(bool)).tolist())
    rows = Grid(
        "Rows", varying, cells, table.units, table.meanings,
        "Click a column head to sort; hover over it for its meaning. Rows that are not valid are marked. All "
        "columns with full digits are in `attention.csv`.",
        invalid,
    )  # fmt: skip
    return {"same": shown, "rows": rows}


def _all_rows(run: Run) -> DataSet:
    names = [name for name in run.attention.names if name not in _ADDED]
    labels = [source.label for source in run.sources]
    rows = [[labels[row["source"]], *(row[name] for name in names)] for row in run.attention.rows()]
    return DataSet("attention", ["file", *names], rows)
