"""What a report found, as a terminal shows it."""

from __future__ import annotations

import io

import pytest
from ringworld_analysis import console
from ringworld_analysis.content import Finding


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_finding_is_a_sentence_with_a_sign() -> None:
    text = console.render([Finding("**12** of 12 rows are valid.", "good"), Finding("See `netlab.sh`.", "warn")])
    assert text == "  ok 12 of 12 rows are valid.\n  !  See netlab.sh."


def test_long_sentences_are_wrapped_under_their_first_word() -> None:
    lines = console.render([Finding("word " * 60)]).splitlines()
    assert len(lines) == 4 and all(len(line) <= console.WIDTH for line in lines)
    assert lines[0].startswith("  -  word") and lines[1].startswith("     word")


def test_colours_are_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert console.is_coloured(Terminal())
    assert not console.is_coloured(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not console.is_coloured(Terminal())
    bad = Finding("wrong", "bad")
    assert "\033[31m" in console.render([bad], coloured=True)
    assert "\033" not in console.render([bad])
