"""The sections of the report, in reading order.

A new section is a new module here with `section(run) -> Section | None`, added to `SECTIONS`. It returns None where
the question does not arise (the file is of another kind), and a `Section` with `missing` where the reader would
expect an answer and the file has none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from ringworld_analysis.content import Section
from ringworld_analysis.run import Run
from ringworld_analysis.sections import efficiency, error, memory, overlap, throughput, wire

Builder = Callable[[Run], Optional[Section]]

SECTIONS: tuple[Builder, ...] = (
    throughput.section,
    efficiency.section,
    memory.section,
    overlap.section,
    error.section,
    wire.section,
)
