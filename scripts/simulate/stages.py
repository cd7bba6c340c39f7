"""Runs LWM's stages on simulated ranks: hours a stage, and what each assumption moves.

usage: stages.py --ranks 256 --platform tpu_v4 --output FOLDER [--stages text|vision] [--contexts 32K,1M]
                 [--efficiency 0.5] [--vary NAME=VALUE[;VALUE...]]...

The first run has every value as given; then one is varied at a time: efficiency (of kernels, as a share of the device's
peak), link (factor on the bandwidth of every link), mesh (dp,fsdp,tp,sp of every stage), layout, schedule, recomputation.
Each run leaves a record in FOLDER; `ringworld_analysis report FOLDER/*.h5` puts them into one table.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLATFORMS = ROOT / "scripts" / "simulate" / "platforms"
CONFIGURATIONS = {"text": "lwm_text_1m.toml", "vision": "lwm_vision_1m.toml"}
FLAGS = ("mesh", "layout", "schedule", "recomputation")
UNITS = {"K": 1 << 10, "M": 1 << 20}
Point = dict[str, str]


def fail(text: str) -> None:
    sys.stderr.write(f"stages: {text}\n")
    raise SystemExit(2)


def tokens(text: str) -> int:
    """Return the number of tokens that 32K, 1M or 4096 says."""
    found = re.fullmatch(r"(\d+)([KM]?)", text)
    if found is None:
        fail(f"--contexts: '{text}' is no number of tokens, as 32K")
        raise AssertionError
    return int(found[1]) * UNITS.get(found[2], 1)


def only(configuration: str, contexts: list[int]) -> str:
    """Return the configuration with the stages of these contexts alone."""
    head, *stages = re.split(r"(?m)^(?=\[\[stage\]\])", configuration)
    kept = [text for text in stages if any(re.search(rf"(?m)^context_length = {length}$", text) for length in contexts)]
    if not kept:
        fail("--contexts: no stage has one of these")
    return head + "".join(kept)


def scaled(platform: str, factor: float) -> str:
    """Return the platform with the bandwidth of every link times a factor."""
    return re.sub(
        r"(?m)^((?:between_)?bytes_per_second *= *)([0-9.e+]+)",
        lambda line: f"{line[1]}{float(line[2]) * factor:g}",
        platform,
    )


def points(base: Point, varied: list[str]) -> Iterator[tuple[str, Point]]:
    """Yield a name and the values of each run."""
    yield "as_given", base
    for text in varied:
        name, equals, values = text.partition("=")
        if not equals or name not in base:
            fail(f"--vary {text}: give NAME=VALUE, where NAME is one of {', '.join(base)}")
        for value in values.split(";"):
            yield re.sub(r"[^\w.]+", "-", f"{name}_{value}"), base | {name: value}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--ranks", type=int, required=True)
    parser.add_argument("--platform", required=True, help="tpu_v4, dgx_h100, ... or a TOML file of that form")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--stages", choices=sorted(CONFIGURATIONS), default="text")
    parser.add_argument("--contexts", default="", help="stages with these context lengths; all by default")
    parser.add_argument("--efficiency", default="0.5", help="FLOP/s of every kernel over the device's peak")
    parser.add_argument("--layers-simulated", default="2,4")
    parser.add_argument("--vary", action="append", default=[], metavar="NAME=VALUE[;VALUE...]")
    given = parser.parse_args(arguments)
    source = Path(given.platform) if Path(given.platform).is_file() else PLATFORMS / f"{given.platform}.toml"
    if not source.is_file():
        fail(f"there is no platform '{given.platform}'")
    platform = source.read_text(encoding="utf-8")
    peak = re.search(r"(?m)^peak_flops_per_second *= *([0-9.e+]+)", platform)
    if peak is None:
        fail(f"{source}: peak_flops_per_second is missing")
        return 2
    configuration = (ROOT / "experiments/train/config" / CONFIGURATIONS[given.stages]).read_text(encoding="utf-8")
    if given.contexts:
        configuration = only(configuration, [tokens(text) for text in given.contexts.split(",")])
    given.output.mkdir(parents=True, exist_ok=True)
    settings = given.output / f"{given.stages}.toml"
    settings.write_text(configuration, encoding="utf-8")
    base: Point = {"efficiency": given.efficiency, "link": "1", **dict.fromkeys(FLAGS, "")}
    for name, values in points(base, given.vary):
        try:
            efficiency, factor = float(values["efficiency"]), float(values["link"])
        except ValueError:
            fail(f"{name}: efficiency and link are numbers")
            return 2
        network = given.output / (source.name if factor == 1 else f"{source.stem}_links_x{factor:g}.toml")
        network.write_text(platform if factor == 1 else scaled(platform, factor), encoding="utf-8")
        flags = [word for flag in FLAGS if values[flag] for word in (f"--{flag}", values[flag])]
        record = given.output / f"{given.stages}_{source.stem}_{given.ranks}_{name}.h5"
        print(f"== {record.name}", flush=True)
        done = subprocess.run(
            [str(ROOT / "scripts/simulate.sh"), "-n", str(given.ranks), "--platform", str(network), "train", "--config",
             str(settings), "--backend", "simulated", "--rates", f"{float(peak[1]) * efficiency:g}",
             "--layers-simulated", given.layers_simulated, *flags, "--output", str(record)],
            check=False,
        )  # fmt: skip
        if done.returncode != 0:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
