"""What `netlab.sh schedules` concludes, from measurements that are made up."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "netlab"))

from schedule_verdicts import (
    FAIL,
    LOADED,
    PASS,
    Calibration,
    Case,
    Crossing,
    Overlap,
    judge_hidden,
    judge_link,
    read_overlap,
    write_verdicts,
)

CALIBRATION = Calibration(fraction=0.8, room=0.1, attempts=3)
RING = Case("ring", "ring")


def overlap(communication: float, beside: float, hidden: float) -> Overlap:
    exposed = (1 - hidden) * min(communication, beside)
    return Overlap(both=beside + exposed, compute=beside, communication=communication, beside=beside)


def test_compute_is_set_anew_until_communication_has_its_share() -> None:
    asked: list[float] = []

    def measure(seconds: float) -> Overlap:
        # The link was faster when compute was chosen: 0.48 s, and now it is 0.6.
        asked.append(seconds)
        return overlap(0.6, seconds, 1.0)

    found = CALIBRATION.run(0.6, measure)
    assert asked == pytest.approx([0.6, 0.75])
    assert found.ratio == pytest.approx(0.8)
    assert judge_hidden(RING, found, CALIBRATION, 0.9).verdict == PASS


def test_a_machine_whose_speed_jumps_is_called_loaded_and_nothing_is_said_of_the_schedule() -> None:
    link = iter([1.0, 2.0, 1.0, 2.0])
    asked: list[float] = []

    def measure(seconds: float) -> Overlap:
        asked.append(seconds)
        return overlap(next(link), seconds, 1.0)

    verdict = judge_hidden(RING, CALIBRATION.run(1.0, measure), CALIBRATION, 0.9)
    assert len(asked) == 3
    assert verdict.verdict == LOADED
    assert "the machine was loaded" in verdict.says
    assert "t_comm / t_compute is 0.40 after 3 attempts" in verdict.says


def test_what_hides_too_little_fails() -> None:
    assert judge_hidden(RING, overlap(0.8, 1.0, 0.89), CALIBRATION, 0.9).verdict == FAIL
    assert judge_hidden(RING, overlap(0.8, 1.0, 0.91), CALIBRATION, 0.9).verdict == PASS
    assert judge_hidden(Case("broadcast", "broadcast", hides=False), overlap(0.8, 1.0, 0.1), CALIBRATION, 0.9) is None


def test_the_null_test_is_recorded_as_a_result() -> None:
    ring = Crossing(0.5, 1000)
    bytes_, time = judge_link("bidirectional", Crossing(0.52, 1000), ring, 1.0, 0.1)
    assert (bytes_.verdict, time.verdict) == (PASS, PASS)
    assert "gains nothing over a port that all share" in time.says
    # Half the time would mean that the two directions did not share the port.
    _, gained = judge_link("bidirectional", Crossing(0.25, 1000), ring, 1.0, 0.1)
    assert gained.verdict == FAIL
    assert "gains nothing" not in gained.says


def test_bytes_have_to_be_exact_and_times_nearly() -> None:
    ring = Crossing(0.6, 3000)
    assert [one.verdict for one in judge_link("double_ring", Crossing(0.42, 2000), ring, 2 / 3, 0.1)] == [PASS, PASS]
    assert [one.verdict for one in judge_link("double_ring", Crossing(0.45, 2001), ring, 2 / 3, 0.1)] == [FAIL, FAIL]


def record(path: Path) -> Path:
    """Write one row of a double ring over 2 hosts x 2 ranks: its outer hop takes 0.8 of a window of two steps."""
    attention = np.array([(b"ring", 1, True, b""), (b"double_ring", 1, True, b"")],
                         dtype=[("schedule", "S16"), ("head_groups", "i8"), ("valid", "?"),
                                ("reason", "S8")])  # fmt: skip
    points = np.array([(0, 0, 4, 3), (1, 12, 4, 3)],
                      dtype=[("attention_row", "i8"), ("first", "i8"), ("ranks", "i8"), ("steps", "i8")])  # fmt: skip
    steps = {"t_compute": (1.0, 1.0, 1.0), "t_comm": (0.1, 1.5, 0.0), "t_both": (1.0, 1.2, 1.0)}
    with h5py.File(path, "w") as file:
        file["attention"] = attention
        file["overlap/points"] = points
        for name, of_rank in steps.items():
            file[f"overlap/{name}"] = np.array([np.nan] * 12 + list(of_rank) * 4, dtype=np.float32)
    return path


def test_the_outer_hop_is_held_against_the_blocks_of_its_window(tmp_path: Path) -> None:
    case = Case("double_ring", "double_ring", has_windows=True)
    found = read_overlap(record(tmp_path / "r.h5"), case, ranks_per_host=2)
    assert found.beside == pytest.approx(2.0)
    assert found.ratio == pytest.approx(0.8)
    assert found.hidden == pytest.approx(1 - 0.2 / 1.6)
    assert case.steps_beside(4, 2) == 2
    assert RING.steps_beside(4, 2) == 3


def test_verdicts_lie_in_the_record(tmp_path: Path) -> None:
    path = record(tmp_path / "r.h5")
    verdicts = judge_link("bidirectional", Crossing(0.5, 1000), Crossing(0.5, 1000), 1.0, 0.1)
    write_verdicts(path, verdicts, {"link_rate": "200mbit"})
    write_verdicts(path, verdicts, {"link_rate": "100mbit"})
    with h5py.File(path) as file:
        table = file["netlab/verdicts"]
        assert table.attrs["link_rate"] == "100mbit"
        assert [row["says"].decode() for row in table[()]] == [one.says for one in verdicts]
        assert set(table.dtype.names) == {field.name for field in dataclasses.fields(verdicts[0])}
