"""Runs LWM's stages on simulated ranks: hours a stage, and what each assumption moves.

usage: stages.py --ranks 256 --platform tpu_v4 --output RECORD.h5 [--stages text|vision] [--contexts 32K,1M]
                 [--efficiency 0.5] [--with NAME=VALUE]... [--vary "NAME=VALUE[;VALUE...] [NAME=...]"]...

The first run has every value as given, by --with or else as LWM's files say; each --vary then changes one of them, or
several at once: efficiency (of kernels, as a share of the device's peak), link (factor on the bandwidth of every link),
mesh (dp,fsdp,tp,sp of every stage), micro_batch (sequences that go through the model at once), layout, schedule,
ulysses, head_groups, recomputation. Each run is one of
`ringworld sweep --simulate`, and all go into one record, which goes on where it was left;
`ringworld_analysis report RECORD.h5` shows it.

Exit code: 0 every run ended well, 1 one did not, 2 bad usage.
"""

from __future__ import annotations

import argparse
import itertools
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
PLATFORMS = ROOT / "scripts" / "simulate" / "platforms"
CONFIGURATIONS = {"text": "lwm_text_1m.toml", "vision": "lwm_vision_1m.toml"}
IN_FILES = ("micro_batch",)
FLAGS = ("mesh", "layout", "schedule", "ulysses", "head_groups", "recomputation")
UNITS = {"K": 1 << 10, "M": 1 << 20}
Point = dict[str, str]


def fail(text: str) -> NoReturn:
    sys.stderr.write(f"stages: {text}\n")
    raise SystemExit(2)


def tokens(text: str) -> int:
    """Return the number of tokens that 32K, 1M or 4096 says."""
    found = re.fullmatch(r"(\d+)([KM]?)", text)
    if found is None:
        fail(f"--contexts: '{text}' is no number of tokens, as 32K")
    return int(found[1]) * UNITS.get(found[2], 1)


def only(configuration: str, contexts: list[int]) -> str:
    """Return the configuration with the stages of these contexts alone."""
    head, *stages = re.split(r"(?m)^(?=\[\[stage\]\])", configuration)
    found = [int(length) for text in stages for length in re.findall(r"(?m)^context_length = (\d+)$", text)]
    for length in contexts:
        if length not in found:
            fail(f"--contexts: no stage has {length} tokens; stages have {', '.join(map(str, found))}")
    return head + "".join(text for text, length in zip(stages, found, strict=True) if length in contexts)


def scaled(platform: str, factor: float) -> str:
    """Return the platform with the bandwidth of every link times a factor."""
    return re.sub(
        r"(?m)^((?:between_)?bytes_per_second *= *)([0-9.e+]+)",
        lambda line: f"{line[1]}{float(line[2]) * factor:g}",
        platform,
    )


def assignments(flag: str, text: str) -> list[tuple[str, list[str]]]:
    """Return the names of a flag with the values that each is to take."""
    known = ("efficiency", "link", *IN_FILES, *FLAGS)
    found = []
    for word in text.split():
        name, equals, values = word.partition("=")
        if not equals or name not in known:
            fail(f"{flag} {text}: give NAME=VALUE, where NAME is one of {', '.join(known)}")
        found.append((name, values.split(";")))
    return found


def points(base: Point, varied: list[str]) -> Iterator[Point]:
    """Yield the values of each run."""
    yield base
    for text in varied:
        names, values = zip(*assignments("--vary", text), strict=True)
        for each in itertools.product(*values):
            yield base | dict(zip(names, each, strict=True))


def number(point: Point, name: str) -> float:
    try:
        value = float(point[name])
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        fail(f"{name}={point[name]}: give a number above 0")
    return value


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--ranks", type=int, required=True)
    parser.add_argument("--platform", required=True, help="tpu_v4, dgx_h100, ... or a TOML file of that form")
    parser.add_argument("--output", type=Path, required=True, help="record of all runs")
    parser.add_argument("--stages", choices=sorted(CONFIGURATIONS), default="text")
    parser.add_argument("--contexts", default="", help="stages with these context lengths; all by default")
    parser.add_argument("--efficiency", default="0.5", help="FLOP/s of every kernel over the device's peak")
    parser.add_argument("--layers-simulated", default="2,4")
    parser.add_argument("--with", action="append", default=[], dest="given", metavar="NAME=VALUE")
    parser.add_argument("--vary", action="append", default=[], metavar="NAME=VALUE[;VALUE...]")
    options = parser.parse_args(arguments)
    source = Path(options.platform) if Path(options.platform).is_file() else PLATFORMS / f"{options.platform}.toml"
    if not source.is_file():
        fail(f"there is no platform '{options.platform}'")
    platform = source.read_text(encoding="utf-8")
    peak = re.search(r"(?m)^peak_flops_per_second *= *([0-9.e+]+)", platform)
    if peak is None:
        fail(f"{source}: peak_flops_per_second is missing")
    configuration = (ROOT / "experiments/train/config" / CONFIGURATIONS[options.stages]).read_text(encoding="utf-8")
    if options.contexts:
        configuration = only(configuration, [tokens(text) for text in options.contexts.split(",")])
    base: Point = {"efficiency": options.efficiency, "link": "1", **dict.fromkeys((*IN_FILES, *FLAGS), "")}
    base |= {name: values[0] for text in options.given for name, values in assignments("--with", text)}
    wanted = list(points(base, options.vary))
    for point in wanted:  # all of them, before the first is run
        number(point, "link")
        number(point, "efficiency")
    # What the runs read lies beside the record: --resume compares it by content.
    folder = Path(f"{options.output}.inputs")
    folder.mkdir(parents=True, exist_ok=True)
    code = 0
    for number_of_run, point in enumerate(wanted, start=1):
        factor = number(point, "link")
        network = folder / (source.name if factor == 1 else f"{source.stem}_links_x{factor:g}.toml")
        network.write_text(platform if factor == 1 else scaled(platform, factor), encoding="utf-8")
        settings = folder / f"{'_'.join([options.stages, *(f'{name}_{point[name]}' for name in IN_FILES if point[name])])}.toml"
        lines = "".join(f"{name} = {point[name]}\n" for name in IN_FILES if point[name])
        settings.write_text(configuration.replace("[[stage]]\n", f"[[stage]]\n{lines}"), encoding="utf-8")
        lists = {"rates": f"{float(peak[1]) * number(point, 'efficiency'):g}", **{name: point[name] for name in FLAGS}}
        lists["mesh"] = f'"{point["mesh"]}"' if point["mesh"] else ""  # one mesh, not a list of four numbers
        flags = [word for name, text in lists.items() if text for word in (f"--{name.replace('_', '-')}", text)]
        command = [
            str(ROOT / "scripts/simulate.sh"), "-n", str(options.ranks), "--platform", str(network), "sweep", "--simulate",
            "--stages", str(settings), "--layers-simulated", options.layers_simulated, *flags, "--output",
            str(options.output), *(["--resume"] if options.output.exists() else []),
        ]  # fmt: skip
        print(f"== {number_of_run}/{len(wanted)}: {shlex.join(command)}", flush=True)
        ended = subprocess.run(command, check=False).returncode
        if ended not in (0, 1):
            return ended
        code = max(code, ended)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
