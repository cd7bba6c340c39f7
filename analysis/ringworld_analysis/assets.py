"""Files that lie beside the modules: style and script of a page."""

from __future__ import annotations

from importlib import resources


def asset(name: str) -> str:
    """Return the text of a file of this package."""
    return (resources.files("ringworld_analysis") / name).read_text(encoding="utf-8")
