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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _VERBS[options.verb](options)
    except InputError as problem:
        print(f"ringworld_analysis: error: {problem}", file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:  # the reader of our output, such as `head`, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _report(options: argparse.Namespace) -> int:
    # Imported here so that `compare` does not wait for matplotlib.
    from ringworld_analysis import report, run

    print(report.write(run.load(options.files), options.output, options.title))
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
    from ringworld_analysis.claims import command

    print(command.run(options.manifests, options.output, options.page, options.readme))
    return OK


_VERBS = {"report": _report, "compare": _compare, "history": _history, "roofline": _roofline, "fold": _fold,
          "claims": _claims}  # fmt: skip


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

    roofline = verbs.add_parser("roofline", help="plot the benchmarks of kernels under their measured roofs")
    roofline.add_argument(
        "files", nargs="+", type=Path, metavar="BENCH.json", help="written by bench_* with --benchmark_out=BENCH.json"
    )
    roofline.add_argument("-o", "--output", required=True, type=Path, metavar="FILE.png", help="picture to write")

    fold = verbs.add_parser("fold", help="bring what a killed job committed last into the tables of its record")
    fold.add_argument("files", nargs="+", type=Path, metavar="RUN.h5", help="records that no job writes")

    claims = verbs.add_parser("claims", help="judge claims of papers by formula and by prediction")
    claims.add_argument(
        "--manifests", type=Path, default=Path("experiments/claims"), metavar="DIR",
        help="folder of *.toml (default experiments/claims)",
    )  # fmt: skip
    claims.add_argument("--output", type=Path, metavar="FILE.h5", help="write every verdict row")
    claims.add_argument("--page", type=Path, metavar="FILE.html", help="write one page with figures")
    claims.add_argument("--readme", type=Path, metavar="FILE.md", help="write the table between its two markers")
    return parser


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
