"""The verb `claims`: judge all manifests, and write what was asked for."""

from __future__ import annotations

from pathlib import Path

from ringworld_analysis.claims import manifest, overview, page, store
from ringworld_analysis.claims.verdicts import Verdict, judge


def run(folder: Path, output: Path | None, html: Path | None, readme: Path | None) -> str:
    """Judge by formula and prediction, write, and return the table of targets.

    :raises InputError: when a manifest or an output file cannot be used
    """
    manifests = manifest.read_all(folder)
    rows: list[Verdict] = [row for one in manifests for row in judge(one)]
    table = overview.markdown(manifests, rows)
    if output is not None:
        store.write(rows, output)
    if html is not None:
        page.write(manifests, rows, html)
    if readme is not None:
        overview.update(readme, table)
    return table
