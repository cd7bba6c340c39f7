"""What `netlab.sh schedules` makes of its records: how much a schedule hides, and one line a claim."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np

PASS, FAIL, LOADED = "PASS", "FAIL", "LOADED"


@dataclasses.dataclass(frozen=True)
class Case:
    """A schedule as it is given to the program."""

    name: str
    schedule: str
    head_groups: int = 1
    hides: bool = True
    """Whether 90 % are wanted."""
    has_windows: bool = False
    """Whether the link is used beside the blocks of one host's ranks only: by the outer ring of a double ring."""

    @property
    def flags(self) -> tuple[str, ...]:
        """Return the flags of the program."""
        return ("--schedule", self.schedule, "--head-groups", str(self.head_groups))

    def steps_beside(self, ranks: int, ranks_per_host: int) -> int:
        """Return the number of the first steps whose blocks are computed while something crosses the link."""
        return ranks - ranks_per_host if self.has_windows else ranks - 1


@dataclasses.dataclass(frozen=True)
class Crossing:
    """Seconds of a forward pass that computes nothing, the fastest of the repeats, and its bytes on the link."""

    seconds: float
    link_bytes: int


@dataclasses.dataclass(frozen=True)
class Overlap:
    """Seconds of a forward pass on the slowest rank: whole, and with either half of the work switched off."""

    both: float
    compute: float
    communication: float
    beside: float
    """Compute of the steps that have a transfer beside them."""

    @property
    def ratio(self) -> float:
        """Return t_comm / t_compute."""
        return self.communication / self.beside

    @property
    def hidden(self) -> float:
        """Return the share of the communication that compute hid, of what it could hide."""
        return 1 - (self.both - self.compute) / min(self.communication, self.beside)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One claim, what was found, and what was wanted."""

    schedule: str
    measure: str
    value: float
    wanted: float
    verdict: str
    says: str


def is_of(row: np.void, case: Case) -> bool:
    """Tell whether a row of /attention is one of this schedule."""
    return bool(row["schedule"].decode() == case.schedule and row["head_groups"] == case.head_groups)


def read_crossing(path: Path, case: Case) -> Crossing:
    """Return the time of the last row of a schedule, and its bytes on the link."""
    with h5py.File(path, "r") as record:
        row = [row for row in record["/attention"] if is_of(row, case)][-1]
        return Crossing(float(row["step_time_min"]), int(row["wire_bytes_between_nodes"]))


def read_overlap(path: Path, case: Case, ranks_per_host: int) -> Overlap:
    """Return the overlap probe of the last row of a schedule.

    :raises SystemExit: when the row is not valid
    """
    with h5py.File(path, "r") as record:
        index, row = [pair for pair in enumerate(record["/attention"]) if is_of(pair[1], case)][-1]
        if not row["valid"]:
            raise SystemExit(f"netlab schedules: {case.name}: {row['reason'].decode()}")
        point = next(point for point in record["/overlap/points"] if point["attention_row"] == index)
        shape = (int(point["ranks"]), int(point["steps"]))
        first, count = int(point["first"]), shape[0] * shape[1]
        compute, comm, both = (
            record[f"/overlap/{name}"][first : first + count].reshape(shape).astype(float)
            for name in ("t_compute", "t_comm", "t_both")
        )
    is_beside = ~np.isnan(comm)
    if case.has_windows:
        is_beside[:, case.steps_beside(shape[0], ranks_per_host) :] = False
    return Overlap(
        both=float(both.sum(axis=1).max()),
        compute=float(compute.sum(axis=1).max()),
        communication=float(np.nansum(comm, axis=1).max()),
        beside=float(np.where(is_beside, compute, 0).sum(axis=1).max()),
    )


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Compute is made as long as it has to be for t_comm / t_compute to be `fraction`, within `room` of it."""

    fraction: float
    room: float
    attempts: int

    def fits(self, ratio: float) -> bool:
        """Tell whether a measured ratio is the one that is wanted."""
        return abs(ratio - self.fraction) <= self.room

    def run(self, seconds: float, measure: Callable[[float], Overlap]) -> Overlap:
        """Measure until the ratio fits, each time with the compute that the measurement before asks for.

        :param seconds: of compute, to begin with
        :param measure: runs the pass with so many seconds of compute
        :returns: the last measurement, whose ratio does not fit when the attempts were used up
        """
        found = measure(seconds)
        for _ in range(self.attempts - 1):
            if self.fits(found.ratio):
                break
            seconds *= found.ratio / self.fraction
            found = measure(seconds)
        return found


def judge_hidden(case: Case, found: Overlap, calibration: Calibration, wanted: float) -> Verdict | None:
    """Judge what a schedule hides; None where nothing is wanted of it."""
    if not case.hides:
        return None
    if not calibration.fits(found.ratio):
        low, high = calibration.fraction - calibration.room, calibration.fraction + calibration.room
        return Verdict(
            case.name, "hidden", found.hidden, wanted, LOADED,
            f"{case.name}: t_comm / t_compute is {found.ratio:.2f} after {calibration.attempts} attempts, {low:.2f} to "
            f"{high:.2f} is needed: the machine was loaded, nothing is said of what is hidden",
        )  # fmt: skip
    return Verdict(
        case.name, "hidden", found.hidden, wanted, PASS if found.hidden >= wanted else FAIL,
        f"{case.name}: hides {found.hidden:.1%} of its communication at t_comm / t_compute = {found.ratio:.2f}, "
        f"at least {wanted:.0%} wanted",
    )  # fmt: skip


def judge_link(name: str, found: Crossing, ring: Crossing, expected: float, tolerance: float) -> list[Verdict]:
    """Judge bytes that cross the link, exactly, and their time, within a share of it, each as a ratio to the ring's.

    A schedule of which 1 is expected is a null test: over a link that all ranks of a host share it gains nothing.
    """
    verdicts = []
    for what, value, room in (
        ("bytes", found.link_bytes / ring.link_bytes, 1e-9),
        ("time", found.seconds / ring.seconds, tolerance),
    ):
        is_right = abs(value / expected - 1) <= room
        gains = ": it gains nothing over a port that all share" if is_right and expected == 1 else ""
        verdicts.append(
            Verdict(
                name, f"{what} of ring", value, expected, PASS if is_right else FAIL,
                f"{name}: {what} {value:.3f} of the ring's, {expected:.3f} expected{gains}",
            )
        )  # fmt: skip
    return verdicts


def write_verdicts(path: Path, verdicts: Sequence[Verdict], setting: dict[str, object]) -> None:
    """Add the verdicts to a record of `ringworld attention`, as /netlab/verdicts."""
    columns = {
        "schedule": "S48", "measure": "S16", "value": "f8", "wanted": "f8", "verdict": "S8", "says": "S240",
    }  # fmt: skip
    rows = np.array(
        [tuple(value.encode() if isinstance(value, str) else value for value in dataclasses.astuple(one))
         for one in verdicts],
        dtype=list(columns.items()),
    )  # fmt: skip
    with h5py.File(path, "a") as record:
        group = record.require_group("netlab")
        if "verdicts" in group:
            del group["verdicts"]
        table = group.create_dataset("verdicts", data=rows)
        table.attrs.update(setting)
