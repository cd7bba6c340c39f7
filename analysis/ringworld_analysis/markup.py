"""HTML of the parts of a page. Everything from a file is escaped here and nowhere else."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from html import escape

from ringworld_analysis import formatting
from ringworld_analysis.content import Finding, Grid, Picture, Section, Spot
from ringworld_analysis.reading import Node
from ringworld_analysis.table import Table

_VERDICTS = {"note": "", "good": "ok", "warn": "take care", "bad": "problem"}


def prose(text: str) -> str:
    """Escape a text; `code` and **bold** are the only marks it may carry."""
    safe = escape(text, quote=False)
    safe = re.sub(r"`([^`]+)`", r"<code>\1</code>", safe)
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", safe)


def findings(found: Sequence[Finding]) -> str:
    """Return the list at the top of the page."""
    items = []
    for finding in found:
        kind = _VERDICTS[finding.verdict]
        label = f'<span class="kind">{kind}</span>' if kind else ""
        items.append(f'<li class="{finding.verdict}">{label}{prose(finding.text)}</li>')
    return f'<ul class="findings">{"".join(items)}</ul>'


def section(part: Section) -> str:
    """Return one section of the report."""
    html = [f'<section id="{escape(part.key)}"><h2>{escape(part.title)}</h2>']
    if part.intro:
        html.append(f"<p>{prose(part.intro)}</p>")
    if part.missing:
        html.append(f'<p class="missing">{prose(part.missing)}</p>')
    html += [picture(item) for item in part.pictures]
    html += [grid(item) for item in part.grids]
    return "".join([*html, "</section>"])


def picture(item: Picture) -> str:
    """Return a figure with its caption; a folded one opens on a click."""
    code = base64.b64encode(item.png).decode("ascii")
    image = f'<img width="{item.width}" alt="{escape(item.title)}" src="data:image/png;base64,{code}">'
    if item.spots:
        image = f'<div class="spotted" style="max-width:{item.width}px">{image}{"".join(map(_spot, item.spots))}</div>'
    body = (
        f'<figure id="{escape(item.name)}">{image}<figcaption>{prose(item.caption)}'
        f'<span class="from">From {prose(item.columns)}. Numbers: <code>{escape(item.data)}.csv</code>; picture: '
        f"<code>{escape(item.name)}.png</code>.</span></figcaption></figure>"
    )
    title = escape(item.title, quote=False)
    if item.is_folded:
        return f"<details><summary>{title}</summary>{body}</details>"
    return f"<h3>{title}</h3>{body}"


def _spot(item: Spot) -> str:
    place = f"left:{100 * item.left:.3f}%;top:{100 * item.top:.3f}%"
    extent = f"width:{100 * item.width:.3f}%;height:{100 * item.height:.3f}%"
    return f'<span class="spot" title="{escape(item.text)}" style="{place};{extent}"></span>'


def grid(item: Grid) -> str:
    """Return a table that sorts by a click on its heads and scrolls in its own frame."""
    heads, kinds = [], []
    for index, name in enumerate(item.columns):
        is_number = bool(item.rows) and all(
            isinstance(row[index], (int, float)) and not isinstance(row[index], bool) for row in item.rows
        )
        kinds.append(is_number)
        heads.append(
            f'<th class="sortable{" number" if is_number else ""}" tabindex="0" scope="col" '
            f'title="{escape(item.meanings.get(name, ""))}">{escape(name)}</th>'
        )
    lines = []
    for number, row in enumerate(item.rows):
        cells = []
        for name, value, is_number in zip(item.columns, row, kinds):
            shown = formatting.plain(value, item.units.get(name, ""))
            if is_number:
                hover = f' title="{value}"' if item.units.get(name) == "B" else ""
                cells.append(f'<td class="number" data-value="{value}"{hover}>{escape(shown)}</td>')
            else:
                cells.append(f"<td{' class=text' if len(shown) > 36 else ''}>{escape(shown)}</td>")
        lines.append(f"<tr{' class=marked' if number in item.marked else ''}>{''.join(cells)}</tr>")
    title = f"<h3>{escape(item.title)}</h3>" if item.title else ""
    caption = f'<p class="soft">{prose(item.caption)}</p>' if item.caption else ""
    return (
        f'{title}{caption}<div class="scroll"><table><thead><tr>{"".join(heads)}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def table_grid(title: str, table: Table, caption: str = "") -> Grid:
    """Turn any table of a file into a grid."""
    rows = [[value if not isinstance(value, list) else str(value) for value in row.values()] for row in table.rows()]
    return Grid(title, table.names, rows, table.units, table.meanings, caption)


def pairs(values: Sequence[tuple[str, str]]) -> str:
    """Return a list of names and values."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in values)
    return f'<dl class="pairs">{items}</dl>'


def terms(values: Sequence[tuple[str, str, str]]) -> str:
    """Return a list of terms, formulas and explanations."""
    items = "".join(
        f"<dt>{escape(name)}</dt><dd><code>{escape(formula)}</code><br>{escape(text)}</dd>"
        for name, formula, text in values
    )
    return f'<dl class="terms">{items}</dl>'


def node(item: Node, depth: int = 3) -> str:
    """Return a provenance group: short values as a list, long ones as text, tables as tables, then groups inside."""
    short = [(name, value) for name, value in item.values.items() if "\n" not in value and len(value) <= 400]
    long = [(name, value) for name, value in item.values.items() if "\n" in value or len(value) > 400]
    level = min(depth + 1, 6)
    html = [pairs(short)] if short else []
    for name, value in long:
        html.append(f"<h{level}>{escape(name)}</h{level}><pre>{escape(value)}</pre>")
    html += [grid(table_grid(name, table)) for name, table in item.tables.items()]
    for name, child in item.children.items():
        html.append(f"<h{level}>{escape(name)}</h{level}>{node(child, depth + 1)}")
    return "".join(html)
