"""The template of the page, page.html.jinja, and its filters. It escapes all that it is given."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from html import escape
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ringworld_analysis import formatting
from ringworld_analysis.content import Grid
from ringworld_analysis.reading import Node
from ringworld_analysis.table import Table

_VERDICTS = {"note": "", "good": "ok", "warn": "take care", "bad": "problem"}
#: Values of the provenance that are longer are shown as text of their own.
_LONGEST_VALUE = 400


def render(**content: Any) -> str:  # noqa: ANN401 - a template takes anything
    """Return the page."""
    environment = Environment(
        loader=PackageLoader("ringworld_analysis", "."), autoescape=True, undefined=StrictUndefined,
        keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters.update(
        prose=prose, plain=formatting.plain, percent=_percent, base64=_base64, number_columns=_number_columns,
        short_values=_short_values, long_values=_long_values, as_grid=_as_grid,
    )  # fmt: skip
    return environment.get_template("page.html.jinja").render(verdicts=_VERDICTS, **content)


def prose(text: str) -> Markup:
    """Escape a text; `code` and **bold** are the only marks it may carry."""
    safe = escape(text, quote=False)
    safe = re.sub(r"`([^`]+)`", r"<code>\1</code>", safe)
    return Markup(re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", safe))


def _percent(share: float) -> str:
    return f"{100 * share:.3f}%"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _number_columns(grid: Grid) -> list[bool]:
    """Tell for each column whether all its values are numbers."""
    return [
        bool(grid.rows)
        and all(isinstance(row[index], (int, float)) and not isinstance(row[index], bool) for row in grid.rows)
        for index in range(len(grid.columns))
    ]


def _is_short(value: str) -> bool:
    return "\n" not in value and len(value) <= _LONGEST_VALUE


def _short_values(node: Node) -> Sequence[tuple[str, str]]:
    return [(name, value) for name, value in node.values.items() if _is_short(value)]


def _long_values(node: Node) -> Sequence[tuple[str, str]]:
    return [(name, value) for name, value in node.values.items() if not _is_short(value)]


def _as_grid(table: Table, title: str) -> Grid:
    rows = [[value if not isinstance(value, list) else str(value) for value in row.values()] for row in table.rows()]
    return Grid(title, table.names, rows, table.units, table.meanings)
