"""Claims of papers: verdicts as they are known, and rules that cannot be talked up."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from ringworld_analysis import cli
from ringworld_analysis.claims import command, manifest, overview, page, verdicts
from ringworld_analysis.claims.verdicts import NOT_COMPARABLE, REPRODUCED, Verdict

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "experiments" / "claims"


@pytest.fixture(scope="module")
def manifests() -> dict[str, manifest.Manifest]:
    return {one.id: one for one in manifest.read_all(FOLDER)}


def judged(one: manifest.Manifest, mode: str) -> tuple[int, int]:
    summary = verdicts.summarize(one, one.modes[mode], verdicts.judge(one))
    return summary.reproduced, summary.comparable


@pytest.mark.parametrize(
    ("name", "mode", "expected"),
    [
        ("ring_cost_ratio", "F", (54, 54)),
        ("striped_speedup", "F", (137, 137)),
        ("ring_overlap_threshold", "F", (8, 10)),
        ("ring_max_context", "F", (8, 13)),
        ("lwm_schedule", "F", (10, 10)),
        ("pass_kv_or_q", "F", (12, 12)),
        ("context_parallel_methods", "P", (48, 48)),
        ("nemo_context_parallel", "P", (13, 13)),
        ("million_token_prefill", "P", (7, 7)),
    ],
)
def test_known_verdicts(
    manifests: dict[str, manifest.Manifest], name: str, mode: str, expected: tuple[int, int]
) -> None:
    assert judged(manifests[name], mode) == expected


def test_predictions_are_as_good_as_they_say(manifests: dict[str, manifest.Manifest]) -> None:
    errors = sorted(
        abs(row.error)
        for one in manifests.values()
        for row in verdicts.judge(one)
        if row.mode == "P" and row.verdict != NOT_COMPARABLE and ", fitted to " in row.computed_from
    )
    assert len(errors) > 200
    assert np.median(errors) <= 0.03
    assert np.quantile(errors, 0.9) <= 0.10


def test_every_target_has_a_line(manifests: dict[str, manifest.Manifest]) -> None:
    assert sorted(one.target for one in manifests.values()) == list(range(1, 27))


def test_what_a_fit_has_seen_has_no_verdict(manifests: dict[str, manifest.Manifest]) -> None:
    seen = [row for one in manifests.values() for row in verdicts.judge(one) if row.is_calibration]
    assert len(seen) > 30
    assert {row.verdict for row in seen} == {NOT_COMPARABLE}


def changed(tmp_path: Path, name: str, old: str, new: str) -> list[Verdict]:
    text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    assert text.count(old) == 1, text.count(old)
    path = tmp_path / f"{name}.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return verdicts.judge(manifest.read_all(tmp_path)[0])


def test_a_published_value_that_is_changed_loses_its_verdict(
    tmp_path: Path, manifests: dict[str, manifest.Manifest]
) -> None:
    text = (FOLDER / "lwm_cache_memory.toml").read_text(encoding="utf-8")
    rows = [row for row in verdicts.judge(manifests["lwm_cache_memory"]) if row.mode == "F"]
    assert {row.verdict for row in rows} == {REPRODUCED}
    published = re.search(r"\[published\](.*)", text, re.S)
    assert published is not None
    number = re.findall(r"(?<![\w.])(\d+\.?\d*)(?=\s*[,\]])", published.group(1))[-1]
    whole = published.group(1)
    place = text.rindex(number)
    assert whole
    path = tmp_path / "lwm_cache_memory.toml"
    path.write_text(text[:place] + str(4 * float(number)) + text[place + len(number) :], encoding="utf-8")
    after = [row for row in verdicts.judge(manifest.read_all(tmp_path)[0]) if row.mode == "F"]
    assert {row.verdict for row in after} != {REPRODUCED}


@pytest.mark.parametrize(
    ("old", "new"), [('id = "lwm_cache_memory"', 'id = "lwm_cache_memory"\nsurprise = 1'), ("target = 20", "")]
)
def test_a_manifest_with_an_unknown_or_missing_key_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str
) -> None:
    text = (FOLDER / "lwm_cache_memory.toml").read_text(encoding="utf-8")
    (tmp_path / "lwm_cache_memory.toml").write_text(text.replace(old, new), encoding="utf-8")
    assert cli.main(["claims", "--manifests", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "lwm_cache_memory.toml" in said
    assert "surprise" in said or "target" in said


def test_page_record_and_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{overview.BEGIN}\nold\n{overview.END}\nafter\n", encoding="utf-8")
    code = cli.main(["claims", "--manifests", str(FOLDER), "--output", str(tmp_path / "c.h5"), "--page",
                     str(tmp_path / "c.html"), "--readme", str(readme)])  # fmt: skip
    assert code == 0
    table = capsys.readouterr().out.strip()
    text = readme.read_text(encoding="utf-8")
    assert table in text
    assert text.startswith("before")
    assert text.endswith("after\n")
    assert "old" not in text.split(overview.END)[0].splitlines()
    with h5py.File(tmp_path / "c.h5") as file:
        rows = file["claims/verdicts"][()]
    assert len(rows) > 500
    html = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["']?https?:""", html), "the page needs nothing from elsewhere"


def test_the_table_of_the_readme_is_up_to_date() -> None:
    manifests = manifest.read_all(FOLDER)
    table = overview.markdown(manifests, command.verdicts_of(manifests, command.pool_of(FOLDER)))
    text = (ROOT / "experiments" / "claims" / "README.md").read_text(encoding="utf-8")
    shown = text.split(overview.BEGIN)[1].split(overview.END)[0].strip()
    assert shown == table, "write it anew: python -m ringworld_analysis claims --readme experiments/claims/README.md"


def test_the_page_counts_every_prediction_that_no_fit_has_seen(manifests: dict[str, manifest.Manifest]) -> None:
    everything = list(manifests.values())
    quality = page._quality(everything, [row for one in everything for row in verdicts.judge(one)])
    # 258 values of eleven tables and the two of LWM's step, which miss by a third.
    assert quality["count"] == 260
    assert quality["median"] <= 0.03
    assert quality["ninety"] <= 0.10
