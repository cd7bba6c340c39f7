"""Many records of one machine over time: the series of each point, and where its level changed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ringworld_analysis import __version__, drawing, formatting, markup
from ringworld_analysis.assets import asset
from ringworld_analysis.changes import FEWEST, Levels, find_levels
from ringworld_analysis.compare import MEASURES, Measure, timings_by_point
from ringworld_analysis.content import DataSet, Finding, Grid, Picture, Section
from ringworld_analysis.errors import InputError
from ringworld_analysis.reading import Source
from ringworld_analysis.table import Column

#: Panels of one figure; points with the largest changes come first.
MOST_PANELS = 24
COLUMNS_OF_PANELS = 4
NO_CHANGE = "#4477aa"


@dataclass(frozen=True)
class Series:
    """The times of one point over the records that have it as valid, oldest first."""

    measure: Measure
    point: Mapping[str, object]
    """Values of the key columns."""
    sources: Sequence[Source]
    seconds: Column
    levels: Levels

    @property
    def largest_change(self) -> float:
        """Return the largest |log ratio| of two levels."""
        return max((abs(math.log(change.ratio)) for change in self.levels.changes), default=0.0)


@dataclass(frozen=True)
class History:
    """All series of some records."""

    sources: Sequence[Source]
    """Oldest first."""
    series: Sequence[Series]
    """The largest change first."""
    short: int
    """Points that too few records have."""


def trace(sources: Sequence[Source], smallest: float) -> History:
    """Follow every point through the records.

    :param smallest: smallest change of a level that counts, as a fraction
    :raises InputError: when two records say the same start, when one does not say any, or no point has enough records.
    """
    ordered = sorted(sources, key=_start)
    for one, other in zip(ordered, ordered[1:]):
        if _start(one) == _start(other):
            raise InputError(f"{one.path} and {other.path} both started at {_start(one)}: is one a copy?")
    series, short = [], 0
    for measure in MEASURES:
        for point, found in _by_point(ordered, measure).items():
            if len(found) < 2 * FEWEST:
                short += 1
                continue
            seconds = np.array([time for _, time in found])
            of_point = [source for source, _ in found]
            series.append(Series(measure, dict(point), of_point, seconds, find_levels(seconds, smallest)))
    if not series:
        raise InputError(
            f"no point is valid in {2 * FEWEST} of the {len(sources)} records: two levels of {FEWEST} records each are "
            "the least that a change shows in"
        )
    return History(ordered, sorted(series, key=lambda each: -each.largest_change), short)


def _start(source: Source) -> str:
    start = source.provenance.find("utc_start") if source.provenance else None
    if not start:
        raise InputError(f"{source.path}: /provenance does not say when the run started (utc_start)")
    return start


def _by_point(
    sources: Sequence[Source], measure: Measure
) -> dict[tuple[tuple[str, object], ...], list[tuple[Source, float]]]:
    """Return (record, time) of each point; keys that a record lacks make another point."""
    found: dict[tuple[tuple[str, object], ...], list[tuple[Source, float]]] = {}
    for source in sources:
        keys, timings = timings_by_point(source, measure)
        for point, seconds in timings.items():
            found.setdefault(tuple(zip(keys, point)), []).append((source, seconds))
    return found


# ---- words and files -------------------------------------------------------------------------------------------------


def write(history: History, folder: Path, title: str = "Ringworld over time") -> Path:
    """Write index.html, the figures and history.csv; return the path of the page.

    :raises InputError: when the folder cannot be made or written.
    """
    section = _section(history)
    page = markup.render(
        title=title, subtitle=_subtitle(history), links=[("summary", "Summary"), (section.key, section.title),
        ("provenance", "Provenance")], scope=_scope(history), found=list(_findings(history)), invalid=None,
        sections=[section], has_rows=False, definitions=(), sources=history.sources, style=asset("page.css"),
        script=asset("page.js"), version=__version__, same=(), rows=None,
    )  # fmt: skip
    files = {"index.html": page.encode("utf-8"), "history.csv": _data(history).to_csv().encode("utf-8")}
    files |= {f"{picture.name}.png": picture.png for picture in section.pictures}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as problem:
        raise InputError(f"{folder}: cannot write the history ({problem.strerror})") from problem
    return folder / "index.html"


def render(history: History) -> str:
    """Return the changes as text, a line each, and a last line that says how many there are."""
    lines = []
    for series in history.series:
        for change in series.levels.changes:
            source = series.sources[change.at]
            lines.append(
                f"{_way(change.ratio)}  {_start(source)}  revision {_revision(source)}  "
                f"{series.measure.table} {series.measure.column}: {_describe(series, history)}"
            )
    counted = formatting.counted(sum(len(series.levels.changes) for series in history.series), "change")
    lines.append(
        f"{counted} in {formatting.counted(len(history.series), 'series', 'series')} over "
        f"{formatting.counted(len(history.sources), 'record')}"
    )
    return "\n".join(lines)


def _way(ratio: float) -> str:
    return f"{'slower' if ratio > 1 else 'faster'} {ratio:.3f} times"


def _subtitle(history: History) -> str:
    return f"{formatting.counted(len(history.sources), 'record')} from {_start(history.sources[0])} to " + _start(
        history.sources[-1]
    )


def _scope(history: History) -> str:
    return (
        "Each point that the records have in common, over time. A level is the median of at least "
        f"{FEWEST} records; where the levels of a series change, so that neither noise nor single slow runs "
        "explain it, the line is cut."
    )


def _findings(history: History) -> Iterator[Finding]:
    changed = [series for series in history.series if series.levels.changes]
    if not changed:
        yield Finding(
            f"None of {formatting.counted(len(history.series), 'series', 'series')} changed its level.", "good"
        )
    slower = [series for series in changed if series.levels.levels[-1] > series.levels.levels[-2]]
    if slower:
        worst = max(slower, key=lambda series: series.levels.levels[-1] / series.levels.levels[-2])
        ratio = worst.levels.levels[-1] / worst.levels.levels[-2]
        source = worst.sources[worst.levels.changes[-1].at]
        yield Finding(
            f"**{formatting.counted(len(slower), 'series', 'series')}** became slower last, at most {ratio:.3f} times: "
            f"{_describe(worst, history)}, since {_start(source)}, revision {_revision(source)}.", "bad",
        )  # fmt: skip
    faster = len(changed) - len(slower)
    if faster:
        yield Finding(f"**{formatting.counted(faster, 'series', 'series')}** became faster last.", "good")
    tables = [source.provenance.find_table("ranks") for source in history.sources if source.provenance]
    hosts = {str(host) for table in tables if table is not None and "host" in table for host in table["host"].tolist()}
    if len(hosts) > 1:
        yield Finding(f"The records come from {len(hosts)} hosts: a change may be one of the machine.", "warn")
    if history.short:
        yield Finding(
            f"{formatting.counted(history.short, 'point')} of fewer than {2 * FEWEST} records left out.", "warn"
        )


def _revision(source: Source) -> str:
    return (source.provenance.find("git_revision") if source.provenance else None) or "unknown"


def _describe(series: Series, history: History) -> str:
    """Name a point by the keys in which the series differ."""
    names = [
        name for name in series.point
        if len({str(other.point.get(name)) for other in history.series if other.measure == series.measure}) > 1
    ]  # fmt: skip
    return ", ".join(f"{name} {series.point[name]}" for name in names) or "its only point"


def _section(history: History) -> Section:
    shown = history.series[:MOST_PANELS]
    png, width = _draw(shown, history)
    caption = (
        "Dots are medians of a record, lines the level; a cut in red became slower, in green faster. The axis counts "
        "records, oldest first."
    )
    if len(history.series) > len(shown):
        caption += f" The {len(history.series) - len(shown)} series with the smallest changes are in the table only."
    picture = Picture(
        "history", "Time of each point over the records", caption,
        "the times that `compare` judges, and `utc_start` of `/provenance`", png, width, "history",
    )  # fmt: skip
    return Section("history", "Over time", "", [picture], [_grid(history)], [_data(history)])


def _draw(shown: Sequence[Series], history: History) -> tuple[bytes, int]:
    columns = min(COLUMNS_OF_PANELS, len(shown))
    with drawing.style():
        figure, axes = drawing.panels(math.ceil(len(shown) / columns), columns, width=2.7, height=1.9)
        for series, panel in zip(shown, axes.ravel()):
            _draw_series(panel, series, history)
        for panel in axes.ravel()[len(shown) :]:
            panel.set_visible(False)
        return drawing.to_png(figure)


def _draw_series(axes: Axes, series: Series, history: History) -> None:
    places = np.array([history.sources.index(source) for source in series.sources])
    scale, unit = formatting.si_scale(float(series.seconds.max()))
    axes.plot(places, series.seconds / scale, "o", color=drawing.GREY, markersize=3, alpha=0.8)
    for begin, end, level in series.levels.bounds(len(places)):
        axes.plot(places[[begin, end - 1]], [level / scale] * 2, color=NO_CHANGE, linewidth=2)
    for change in series.levels.changes:
        middle = (places[change.at - 1] + places[change.at]) / 2
        axes.axvline(middle, color=drawing.LIMIT if change.ratio > 1 else "#228833", linewidth=1.2)
    axes.set_title(_broken(_describe(series, history)), fontsize=7.5)
    axes.set_ylabel(f"{series.measure.column} [{unit}s]", fontsize=7.5)
    axes.set_xlabel("record", fontsize=7.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(bottom=0, top=1.15 * float(series.seconds.max()) / scale)


def _broken(text: str, width: int = 34) -> str:
    lines = [""]
    for part in text.split(", "):
        joined = f"{lines[-1]}, {part}" if lines[-1] else part
        lines = [*lines[:-1], joined] if len(joined) <= width else [*lines, part]
    return "\n".join(lines)


def _grid(history: History) -> Grid:
    rows: list[list[object]] = []
    for series in history.series:
        for change, before, after in zip(series.levels.changes, series.levels.levels, series.levels.levels[1:]):
            source, last = series.sources[change.at], series.sources[change.at - 1]
            rows.append([series.measure.table, _describe(series, history), change.ratio, before, after, _start(source),
                         _revision(last), _revision(source)])  # fmt: skip
    columns = ("table", "point", "ratio", "before", "after", "since", "last revision before", "first revision after")
    meanings = {
        "ratio": "new level over the old one: above 1 is slower",
        "since": "start of the first record of the new level",
    }
    return Grid("Changes", columns, rows, {"before": "s", "after": "s"}, meanings, "" if rows else "There are none.")


def _data(history: History) -> DataSet:
    keys = list(dict.fromkeys(name for series in history.series for name in series.point))
    rows = []
    for series in history.series:
        for begin, end, level in series.levels.bounds(len(series.seconds)):
            rows += [
                [series.measure.table, *(series.point.get(name, "") for name in keys), _start(series.sources[index]),
                 _revision(series.sources[index]), float(series.seconds[index]), level]
                for index in range(begin, end)
            ]  # fmt: skip
    return DataSet("history", ("table", *keys, "utc_start", "git_revision", "seconds", "level"), rows)
