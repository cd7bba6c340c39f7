"""The verb `claims`: judge all manifests, and write what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ringworld_analysis.claims import kernel_rates, manifest, overview, page, records, runner, store
from ringworld_analysis.claims.manifest import Manifest
from ringworld_analysis.claims.records import Pool
from ringworld_analysis.claims.verdicts import Verdict, judge


@dataclass(frozen=True)
class Outputs:
    """What is written beside the table; None: not wanted."""

    verdicts: Path | None = None
    page: Path | None = None
    readme: Path | None = None
    kernel_rates: Path | None = None


def pool_of(folder: Path, given: Sequence[Path] = ()) -> Pool:
    """Return the rows that judge: those of the given records, then those kept beside the manifests.

    :raises InputError: when a file cannot be read
    """
    rows = [row for path in given for row in records.read_record(path)]
    return Pool([*rows, *records.read_kept(folder / records.FOLDER)])


def verdicts_of(manifests: Sequence[Manifest], pool: Pool) -> list[Verdict]:
    """Return the verdicts of all manifests."""
    return [row for one in manifests for row in judge(one, pool)]


def run(folder: Path, given: Sequence[Path], outputs: Outputs, limits: runner.Limits | None = None) -> str:
    """Judge, after a run of the manifests' commands if limits are given; write, and return the table of targets.

    :raises InputError: when a manifest, a record or an output file cannot be used
    """
    manifests = manifest.read_all(folder)
    if outputs.kernel_rates is not None:
        kernel_rates.write_all(manifests, outputs.kernel_rates)
    if limits is not None:
        runner.run(manifests, folder, limits)
    rows = verdicts_of(manifests, pool_of(folder, given))
    table = overview.markdown(manifests, rows)
    if outputs.verdicts is not None:
        store.write(rows, outputs.verdicts)
    if outputs.page is not None:
        page.write(manifests, rows, outputs.page)
    if outputs.readme is not None:
        overview.update(outputs.readme, table)
    return table
