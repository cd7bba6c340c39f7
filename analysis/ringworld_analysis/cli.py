"""The command line. Exit codes: 0 ok, 1 a check failed, 2 bad usage or input."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ringworld_analysis import __version__
from ringworld_analysis.errors import InputError

OK, CHECK_FAILED, BAD_INPUT = 0, 1, 2
#: What the gate measures: the kernels in which a model spends its time, in sizes for short runs.
DEFAULT_CASES = (
    ("bench_attention", "^(forward|backward)/host/float32/S:1024/D:64/H:1/threads:1/"),
    ("bench_matmul", "^host/float32/square/1024x1024x1024/threads:1/"),
    ("bench_rope", "^half_split/host/float32/T:32768/H:8/D:64/"),
    ("bench_loss", "^(forward|backward)/host/float32/T:65536/V:512/"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        _keep_what_is_read(options)
        return _VERBS[options.verb](options)
    except InputError as problem:
        print(f"ringworld_analysis: error: {problem}", file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:  # the reader of our output, such as `head`, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _report(options: argparse.Namespace) -> int:
    # Imported here so that `compare` does not wait for matplotlib.
    from ringworld_analysis import console, report, run

    page, found = report.write_and_tell(run.load(options.files), options.output, options.title)
    if options.findings:
        print(console.render(found, console.is_coloured(sys.stdout)))
    print(f"The report: {page}" if options.findings else page)
    return OK


def _compare(options: argparse.Namespace) -> int:
    from ringworld_analysis import compare, compare_text
    from ringworld_analysis.reading import read_source

    lower = -options.threshold if options.lower is None else options.lower
    upper = options.threshold if options.upper is None else options.upper
    limits, allowed = compare.Limits(lower, upper), compare_text.Allowed(options.allow_missing, options.allow_faster)
    base, new = (read_source(path, needs_attention=False) for path in (options.base, options.new))
    comparisons = compare.compare(base, new, limits)
    print(compare_text.render(base, new, comparisons, limits, allowed))
    if options.csv is not None:
        try:
            options.csv.write_text(compare_text.to_data(comparisons, limits).to_csv(), encoding="utf-8")
        except OSError as problem:
            raise InputError(f"{options.csv}: cannot be written ({problem.strerror})") from problem
    return CHECK_FAILED if compare.failed(comparisons, allowed.missing, allowed.faster) else OK


def _history(options: argparse.Namespace) -> int:
    from ringworld_analysis import history
    from ringworld_analysis.reading import read_source

    found = history.trace([read_source(path, needs_attention=False) for path in options.files], options.smallest)
    print(history.render(found))
    if options.output is not None:
        print(history.write(found, options.output))
    return OK


def _gate(options: argparse.Namespace) -> int:
    from ringworld_analysis import gate

    cases = dict(options.case or DEFAULT_CASES)
    plan = gate.Plan(cases, options.limit, options.pairs, max(options.pairs, options.most_pairs), options.seconds)
    judged = gate.judge(options.base, options.candidate, plan)
    print(gate.render(judged, plan.limit))
    return CHECK_FAILED if any(each.verdict == gate.FAILING for each in judged) else OK


def _roofline(options: argparse.Namespace) -> int:
    from ringworld_analysis import benchmarks, roofline

    print(roofline.write(benchmarks.read(options.files), options.output))
    return OK


def _fold(options: argparse.Namespace) -> int:
    from ringworld_analysis import journal

    for path in options.files:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        print(f"{path}: {journal.fold(path)} rows came from its journal")
    return OK


def _claims(options: argparse.Namespace) -> int:
    from ringworld_analysis.claims import command, runner

    limits = None
    if options.run:
        limits = runner.Limits(
            seconds=options.seconds, only=tuple(options.only or ()), modes=tuple(options.modes.split(",")),
            program=options.program, simulated=options.simulated, is_busy_allowed=options.allow_busy,
        )  # fmt: skip
    outputs = command.Outputs(options.output, options.page, options.readme, options.kernel_rates)
    print(command.run(options.manifests, options.record, outputs, limits))
    return OK


def _platform(options: argparse.Namespace) -> int:
    from ringworld_analysis import platform

    text = platform.calibrate(options.links, options.bench, options.devices_per_node)
    try:
        options.output.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise InputError(f"{options.output}: cannot be written ({problem.strerror})") from problem
    print(f"{text}-> {options.output}")
    return OK


def _keep_what_is_read(options: argparse.Namespace) -> None:
    """Refuse an output that is one of the inputs.

    :raises InputError: that names it
    """
    given = vars(options)
    read = [given.get(name) or [] for name in ("files", "base", "new", "record", "links", "bench")]
    inputs = [path for entry in read for path in (entry if isinstance(entry, list) else [entry])]
    for name in ("output", "csv"):
        path = given.get(name)
        if not isinstance(path, Path) or not path.is_file():
            continue
        if any(other.exists() and path.samefile(other) for other in inputs):
            raise InputError(f"{path}: is read, and --{name} would replace it; give another name")


_VERBS = {"report": _report, "compare": _compare, "history": _history, "gate": _gate, "roofline": _roofline,
          "fold": _fold, "claims": _claims, "platform": _platform}  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ringworld_analysis", description="Report pages and regression checks from Ringworld's HDF5 records."
    )
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(dest="verb", required=True)

    report = verbs.add_parser("report", help="write one HTML page, and each figure as PNG and its numbers as CSV")
    report.add_argument("files", nargs="+", type=Path, metavar="RUN.h5", help="one sweep, or one spread over files")
    report.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder to write; made if need be")
    report.add_argument("--title", default="Ringworld report", help="heading of the page")
    report.add_argument("--findings", action="store_true", help="also print the summary of the page, in words")

    compare = verbs.add_parser(
        "compare", help="hold the times of one run against another; exit code 1 when a point leaves its limits"
    )
    compare.add_argument("base", type=Path, metavar="A.h5", help="the reference")
    compare.add_argument("new", type=Path, metavar="B.h5", help="the run to judge")
    compare.add_argument(
        "--threshold", type=_fraction, default=0.1, metavar="X",
        help="largest relative change of a time that passes, either way (default 0.1)",
    )  # fmt: skip
    compare.add_argument("--lower", type=_lower, metavar="X", help="limit for faster, -1 to 0 (default -threshold)")
    compare.add_argument("--upper", type=_fraction, metavar="X", help="limit for slower, >= 0 (default threshold)")
    compare.add_argument("--allow-missing", action="store_true", help="points that B does not have do not fail")
    compare.add_argument("--allow-faster", action="store_true", help="points that became faster do not fail")
    compare.add_argument("--csv", type=Path, metavar="FILE", help="write the comparison as CSV too")

    history = verbs.add_parser(
        "history", help="follow the times of each point through many records: where did they change?"
    )
    history.add_argument("files", nargs="+", type=Path, metavar="RUN.h5", help="records of one machine, in any order")
    history.add_argument("--output", type=Path, metavar="DIR", help="folder for a page with figures, and history.csv")
    history.add_argument(
        "--smallest", type=_fraction, default=0.02, metavar="X",
        help="smallest relative change of a level that counts (default 0.02)",
    )  # fmt: skip

    gate = verbs.add_parser(
        "gate", help="run the benchmarks of two builds in turns; exit code 1 when the second is slower"
    )
    gate.add_argument("base", type=Path, metavar="A", help="folder of the reference's programs: build/release/bin")
    gate.add_argument("candidate", type=Path, metavar="B", help="folder of the programs to judge")
    gate.add_argument(
        "--case", type=_case, action="append", metavar="PROGRAM=FILTER",
        help="cases of a program, such as bench_norm=^forward/host/; may be repeated (default: attention and matmul)",
    )  # fmt: skip
    gate.add_argument(
        "--limit", type=_fraction, default=0.025, metavar="X", help="largest slowdown that passes (default 0.025)"
    )
    gate.add_argument("--pairs", type=_count, default=8, help="runs of each build between verdicts (default 8)")
    gate.add_argument("--most-pairs", type=_count, default=32, help="runs of each build at most (default 32)")
    gate.add_argument("--seconds", type=float, default=0.1, help="that a run repeats each case (default 0.1)")

    roofline = verbs.add_parser("roofline", help="plot the benchmarks of kernels under their measured roofs")
    roofline.add_argument(
        "files", nargs="+", type=Path, metavar="BENCH.json", help="written by bench_* with --benchmark_out=BENCH.json"
    )
    roofline.add_argument("-o", "--output", required=True, type=Path, metavar="FILE.png", help="picture to write")

    fold = verbs.add_parser("fold", help="bring what a killed job committed last into the tables of its record")
    fold.add_argument("files", nargs="+", type=Path, metavar="RUN.h5", help="records that no job writes")

    claims = verbs.add_parser("claims", help="judge claims of papers by formula, run, simulation and prediction")
    claims.add_argument(
        "--manifests", type=Path, default=Path("experiments/claims"), metavar="DIR",
        help="folder of *.toml (default experiments/claims)",
    )  # fmt: skip
    claims.add_argument("--output", type=Path, metavar="FILE.h5", help="write every verdict row")
    claims.add_argument("--page", type=Path, metavar="FILE.html", help="write one page with figures")
    claims.add_argument("--readme", type=Path, metavar="FILE.md", help="write the table between its two markers")
    claims.add_argument(
        "--record", type=Path, nargs="+", default=[], metavar="RUN.h5",
        help="records of attention, measured or simulated, that judge before the tables kept in DIR/records",
    )  # fmt: skip
    claims.add_argument("--run", action="store_true", help="first run the commands of the manifests that can run here")
    claims.add_argument(
        "--seconds", type=float, default=120.0, metavar="S", help="with --run: longest time of a command (default 120)"
    )
    claims.add_argument("--only", nargs="+", metavar="ID", help="with --run: these manifests alone")
    claims.add_argument(
        "--modes", default="F,M,S", metavar="LIST", help="with --run: these modes alone (default F,M,S)"
    )
    claims.add_argument("--allow-busy", action="store_true", help="with --run: measure although others use the cores")
    claims.add_argument("--program", type=Path, default=Path("build/release/bin/ringworld"), metavar="FILE",
                        help="program for real ranks (default build/release/bin/ringworld)")  # fmt: skip
    claims.add_argument("--simulated", type=Path, default=Path("build/simulated/bin/ringworld"), metavar="FILE",
                        help="program for simulated ranks (default build/simulated/bin/ringworld)")  # fmt: skip
    claims.add_argument("--kernel-rates", type=Path, metavar="DIR", help="write rates of published kernels as TOML")

    platform = verbs.add_parser("platform", help="write a platform for scripts/simulate.sh from measurements")
    actions = platform.add_subparsers(dest="action", required=True)
    calibrate = actions.add_parser("calibrate", help="take its links from hops between real ranks")
    calibrate.add_argument(
        "links", nargs="+", type=Path, metavar="LINKS.h5|RATES.toml",
        help="records of `info --links`: of ranks on one node, of one rank a node; or of `attention --rates-output`",
    )  # fmt: skip
    calibrate.add_argument(
        "--bench", nargs="*", default=[], type=Path, metavar="BENCH.json",
        help="output of bench_* with --benchmark_out, for the peak of a device",
    )  # fmt: skip
    calibrate.add_argument("--devices-per-node", type=int, default=1, metavar="N", help="devices of a node (default 1)")
    calibrate.add_argument("--output", required=True, type=Path, metavar="FILE.toml", help="platform to write")
    return parser


def _case(text: str) -> tuple[str, str]:
    program, sign, chosen = text.partition("=")
    if not sign or not chosen:
        raise argparse.ArgumentTypeError(f"'{text}' is not PROGRAM=FILTER")
    return program, chosen


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a fraction >= 0")
    return value


def _lower(text: str) -> float:
    value = float(text)
    if not -1 <= value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not between -1 and 0")
    return value
