"""The sections of the report, in reading order.

A new section is a new module here with `section(run) -> Section | None`, added to a tuple below. It returns None where
the question does not arise (the file is of another kind), and a `Section` with `missing` where the reader would
expect an answer and the file has none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from ringworld_analysis.content import Section
from ringworld_analysis.run import Run
from ringworld_analysis.sections import (
    efficiency,
    error,
    evaluation,
    links,
    memory,
    needle,
    other_rows,
    overlap,
    prediction,
    scaling,
    schedules,
    simulated_stages,
    throughput,
    training,
    vqgan,
    which_schedule,
    wire,
)

Builder = Callable[[Run], Optional[Section]]

ATTENTION_SECTIONS: tuple[Builder, ...] = (
    throughput.section,
    efficiency.section,
    scaling.section,
    memory.section,
    overlap.section,
    schedules.section,
    which_schedule.section,
    error.section,
    wire.section,
    prediction.section,
)
OTHER_SECTIONS: tuple[Builder, ...] = (
    links.section,
    evaluation.section,
    needle.section,
    training.section,
    vqgan.section,
    simulated_stages.section,
    other_rows.section,
)


def builders_for(run: Run) -> tuple[Builder, ...]:
    """Return the sections that a run's files may have: a record of training alone has nothing to say of a sweep."""
    if not run.has_other_tables:
        return ATTENTION_SECTIONS
    return (*OTHER_SECTIONS, *(ATTENTION_SECTIONS if len(run.attention) else ()))
