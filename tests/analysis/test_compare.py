"""Verdicts and exit codes of the comparison."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from ringworld_analysis import cli
from ringworld_analysis.compare import Limits

import synthetic
from synthetic import Row


def sweep() -> list[Row]:
    return synthetic.attention_rows((2048, 4096), (1, 2), ("fp32",), ("forward",))


def changed(factor: float, count: int = 1) -> list[Row]:
    rows = sweep()
    for row in rows[:count]:
        for name in ("step_time", "step_time_min", "step_time_max"):
            row[name] *= factor
    return rows


def verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], base: list[Row], new: list[Row], *options: str
) -> tuple[int, str]:
    a = synthetic.write_run(tmp_path / "a.h5", base)
    b = synthetic.write_run(tmp_path / "b.h5", new)
    code = cli.main(["compare", str(a), str(b), *options])
    return code, capsys.readouterr().out


def test_equal_runs_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = verdict(tmp_path, capsys, sweep(), sweep())
    assert code == 0
    assert "geometric mean of B/A 1.000" in text
    assert text.rstrip().endswith("OK: every point inside its limits")


def test_slower_beyond_the_threshold_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = verdict(tmp_path, capsys, sweep(), changed(1.2, 2))
    assert code == 1
    assert "FAILED: 2 slower" in text
    assert "1.200" in text


def test_faster_fails_unless_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = verdict(tmp_path, capsys, sweep(), changed(0.5))
    assert code == 1
    assert "FAILED: 1 faster" in text
    assert verdict(tmp_path, capsys, sweep(), changed(0.5), "--allow-faster")[0] == 0


def test_change_inside_the_threshold_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict(tmp_path, capsys, sweep(), changed(1.08))[0] == 0
    assert verdict(tmp_path, capsys, sweep(), changed(1.2), "--threshold", "0.25")[0] == 0


def test_limits_can_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict(tmp_path, capsys, sweep(), changed(0.6), "--lower", "-0.5")[0] == 0
    assert verdict(tmp_path, capsys, sweep(), changed(1.06), "--upper", "0.05")[0] == 1


def test_missing_point_fails_unless_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = verdict(tmp_path, capsys, sweep(), sweep()[1:])
    assert code == 1
    assert "1 missing" in text
    assert verdict(tmp_path, capsys, sweep(), sweep()[1:], "--allow-missing")[0] == 0


def test_point_that_became_invalid_fails_and_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = sweep()
    new[3] = synthetic.invalidate(new[3], "error is NaN")
    code, text = verdict(tmp_path, capsys, sweep(), new)
    assert code == 1
    assert "not valid: error is NaN" in text


def test_new_points_and_invalid_references_do_not_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = sweep()[:-1]
    base[0] = synthetic.invalidate(base[0], "timeout", measured=False)
    code, text = verdict(tmp_path, capsys, base, sweep())
    assert code == 0
    assert "no reference" in text
    assert "new" in text


def test_runs_without_a_common_point_are_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict(tmp_path, capsys, sweep(), synthetic.attention_rows((8192,)))[0] == 2


def test_other_machine_is_warned_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = synthetic.write_run(tmp_path / "a.h5", sweep(), host="node0001")
    b = synthetic.write_run(tmp_path / "b.h5", sweep(), host="node0002")
    assert cli.main(["compare", str(a), str(b)]) == 0
    assert "warning: host differs: A node0001; B node0002" in capsys.readouterr().out


def test_csv_has_reference_and_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verdict(tmp_path, capsys, sweep(), changed(1.5), "--csv", str(tmp_path / "c.csv"))
    lines = (tmp_path / "c.csv").read_text().splitlines()
    assert lines[0].endswith(
        "column,reference,lower,upper,unit,measured,ratio,ratio_low,ratio_high,repeats_needed,verdict,noisy,reason"
    )
    assert sum(",slower," in line for line in lines) == 1


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(1.0, "same"), (1.1, "same"), (1.11, "slower"), (0.8, "same"), (0.79, "faster"), (float("nan"), "not valid")],
)
def test_limits_are_inclusive(ratio: float, expected: str) -> None:
    assert Limits(-0.2, 0.1).judge(ratio) == expected


@pytest.mark.parametrize(
    ("ratio", "interval", "expected"),
    [
        (1.2, (1.15, 1.25), "slower"),
        (1.2, (1.01, 1.4), "slower"),
        (1.2, (0.99, 1.4), "noise"),
        (0.8, (0.7, 0.9), "faster"),
        (0.8, (0.7, 1.01), "noise"),
        (1.01, (0.96, 1.06), "same"),
        (1.01, (0.96, 1.11), "noise"),
        (1.09, (1.05, 1.12), "noise"),
        (0.95, (0.89, 1.0), "noise"),
    ],
)
def test_a_change_counts_where_its_interval_excludes_equality(
    ratio: float, interval: tuple[float, float], expected: str
) -> None:
    assert Limits(-0.1, 0.1).judge(ratio, interval) == expected


# ---- intervals from repeats ------------------------------------------------------------------------------------------


def noisy(path: Path, spread: float, seed: int, factor: float = 1.0, repeats: int = 7, count: int = 12) -> Path:
    """Write a sweep whose repeats are spread about the time that is true for both runs."""
    rng = np.random.default_rng(seed)
    rows, samples = [], []
    for index, row in enumerate(sweep()[:count]):
        times = row["step_time"] * factor * np.exp(rng.normal(0, spread, repeats))
        median = float(np.median(times))
        rows.append({**row, "repeats": repeats, "step_time": median})
        for repeat, seconds in enumerate(times):
            # The slowest rank decides; the others have waited for it.
            shares = [1.0, *[0.5] * (row["ranks"] - 1)]
            samples += [
                {"attention_row": index, "repeat": repeat, "rank": rank, "seconds": float(seconds) * share}
                for rank, share in enumerate(shares)
            ]
    return synthetic.write_run(path, rows, samples=samples)


def judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], factor: float, spread: float, **kind: int
) -> tuple[int, str]:
    a = noisy(tmp_path / "a.h5", spread, 1, **kind)
    b = noisy(tmp_path / "b.h5", spread, 2, factor, **kind)
    code = cli.main(["compare", str(a), str(b)])
    return code, capsys.readouterr().out


def test_a_large_change_that_the_noise_could_make_does_not_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = judged(tmp_path, capsys, 1.0, 0.5)
    assert code == 0, text
    assert re.search(r"noise: about \d+ repeats would decide", text)
    assert re.search(r"OK: no change beyond the limits; \d+ points lost in noise", text)


def test_a_change_beyond_the_noise_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = judged(tmp_path, capsys, 1.25, 0.02)
    assert code == 1
    assert "FAILED: 12 slower, slower over all points" in text


def test_a_change_that_no_single_point_shows_is_found_over_all_points(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = judged(tmp_path, capsys, 1.2, 0.18)
    assert code == 1
    assert "slower over all points" in text
    assert "noise" in text


@pytest.mark.parametrize("seed", range(20))
def test_equal_runs_raise_no_alarm(tmp_path: Path, seed: int) -> None:
    a, b = (noisy(tmp_path / f"{name}.h5", 0.2, 2 * seed + place) for place, name in enumerate("ab"))
    assert cli.main(["compare", str(a), str(b), "--threshold", "0.02"]) == 0


def test_more_repeats_decide_as_promised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = judged(tmp_path, capsys, 1.15, 0.1, repeats=3, count=2)[1]
    needed = max(int(count) for count in re.findall(r"about (\d+) repeats would decide", text))
    assert needed > 3
    code, text = judged(tmp_path, capsys, 1.15, 0.1, repeats=2 * needed, count=2)
    assert (code, "noise" in text) == (1, False), text


def test_the_slowest_rank_of_a_repeat_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = judged(tmp_path, capsys, 1.0, 0.001)[1]
    overall = re.search(r"geometric mean of B/A ([\d.]+) \(([\d.]+) to ([\d.]+), same\)", text)
    assert overall is not None, text
    mean, low, high = map(float, overall.groups())
    assert low <= mean <= high
    assert high - low < 0.002


def test_a_point_whose_median_was_not_known_is_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = [{**row, "noisy": index == 0} for index, row in enumerate(sweep())]
    text = verdict(tmp_path, capsys, [{**row, "noisy": False} for row in sweep()], new)[1]
    assert text.count("(noisy: B)") == 1 and "noisy: A" not in text
