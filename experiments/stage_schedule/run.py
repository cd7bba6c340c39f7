#!/usr/bin/env python3
"""Progressive against direct training, and two ablations: trains, asks for needles, and prints the table.

    experiments/stage_schedule/run.py --output DIR [--quick] [--seeds 1,2,3] [--only progressive,direct_tokens]

Everything that is done is skipped, so a killed run goes on where it was: a training run from its last checkpoint, an
evaluation from its last cell. DIR holds one record and one model a training run, `needles.h5`, and `table.md`; give all
records to `python -m ringworld_analysis report`.

    progressive       the stages of experiments/train/config/needle.toml: what the demo trains
    direct, equal X   the longest context from the first step on, with as many tokens, as much work (FLOP) or as much
                      time as the progressive run of the same seed took, at the best of several learning rates
    theta fixed       as progressive, the rotary base left at that of the first stage
    packed, masked    as progressive, four documents a row from the second stage on, attention within each only
    packed, open      the same with attention across documents, as LWM's released code has it

Progressive training is asked at every length, at the trained RoPE theta and beyond the trained length at a scaled one;
the others at the longest trained length and twice it.
"""

from __future__ import annotations

import argparse
import functools
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path.insert(0, str(REPOSITORY / "analysis"))

from ringworld_analysis import formatting, wilson  # noqa: E402
from ringworld_analysis.journal import open_record  # noqa: E402

MPI_ENVIRONMENT = REPOSITORY / "scripts" / "lib" / "mpi_environment.sh"


@dataclass(frozen=True)
class Plan:
    """What is run: the full study, or the quick one that only shows that everything works."""

    progressive: Path
    direct: Path
    learning_rates: tuple[float, ...]
    """Tried for direct training, in as much time as progressive training took with the first seed."""
    lengths: tuple[int, ...]
    """Trained ones, the longest last. A single needle is asked for at all of them."""
    needles: str
    """Several needles, asked for at the two longest."""
    trials: int
    haystack: str


CONFIGURATIONS = HERE / "config"
FULL = Plan(
    REPOSITORY / "experiments" / "train" / "config" / "needle.toml", CONFIGURATIONS / "direct.toml",
    (1e-3, 2e-3, 4e-3), (64, 128, 256, 512, 1024, 2048), "4/4,8/4,16/8", 40, "kjv",
)  # fmt: skip
QUICK = Plan(
    CONFIGURATIONS / "quick" / "progressive.toml", CONFIGURATIONS / "quick" / "direct.toml",
    (2e-3, 4e-3), (64, 128), "2/2", 4, "synthetic",
)  # fmt: skip


def fix_theta(text: str) -> str:
    """Return a schedule whose stages all have the rotary base of the first."""
    first = re.search(r"^rope_theta = (.*)$", text, flags=re.MULTILINE)
    if first is None:
        sys.exit("stage_schedule: the progressive schedule has no rope_theta")
    return re.sub(r"^rope_theta = .*$", f"rope_theta = {first[1]}", text, flags=re.MULTILINE)


def pack(text: str, *, is_masked: bool) -> str:
    """Return a schedule with four documents a sequence from the second stage on."""
    head, first, *later = text.split("[stage.data]\n")
    keys = f"documents_per_sequence = 4\nattends_within_documents = {str(is_masked).lower()}\n"
    return "[stage.data]\n".join([head, first, *(keys + stage for stage in later)])


#: What is compared with progressive training, and how the table calls it.
COMPARISONS = {
    "direct_tokens": "direct, equal tokens", "direct_seconds": "direct, equal time", "direct_flop": "direct, equal work",
    "theta_fixed": "theta fixed", "packed": "packed, masked", "packed_open": "packed, open",
}  # fmt: skip
#: How an ablation changes the text of the progressive schedule.
ABLATIONS: dict[str, Callable[[str], str]] = {
    "theta_fixed": fix_theta,
    "packed": functools.partial(pack, is_masked=True),
    "packed_open": functools.partial(pack, is_masked=False),
}


@dataclass(frozen=True)
class Totals:
    """What a training run took."""

    tokens: float
    flop: float
    seconds: float
    answer_loss: float


@dataclass
class Study:
    """A folder of runs."""

    plan: Plan
    output: Path
    program: Path
    ranks: int
    seeds: list[int]
    only: tuple[str, ...]
    """Names of the comparisons that are run beside progressive training."""
    done: int = field(default=0)

    def run(self) -> int:
        """Run what is not done yet; return the exit code."""
        self.output.mkdir(parents=True, exist_ok=True)
        for seed in self.seeds:
            if not self.train("progressive", "progressive", seed, self.plan.progressive) or not self.ask("progressive", seed):
                return 1
        for name in self.only:
            for seed in self.seeds:
                if self.train(name, COMPARISONS[name], seed, self.configure(name, seed)) and not self.ask(name, seed):
                    return 1
            self.write_table()
        print((self.output / "table.md").read_text(encoding="utf-8"))
        return 0

    def configure(self, name: str, seed: int) -> Path:
        """Write the configuration of a comparison."""
        if name in ABLATIONS:
            path = self.output / f"{name}.toml"
            path.write_text(ABLATIONS[name](self.plan.progressive.read_text(encoding="utf-8")), encoding="utf-8")
            return path
        return self.direct(name.removeprefix("direct_"), seed, self.tuned_rate)

    def write_table(self) -> None:
        """Write what is known so far, after each schedule: a study takes long."""
        (self.output / "table.md").write_text("\n".join(self.table()) + "\n", encoding="utf-8")

    # ---- training ----------------------------------------------------------------------------------------------------

    def record(self, name: str, seed: int) -> Path:
        """Return the record of a training run."""
        return self.output / f"train-{name}-seed-{seed}.h5"

    def train(self, name: str, schedule: str, seed: int, configuration: Path) -> bool:
        """Train to the end; tell whether it got there. A stage that misses its gate is a result, not a mistake."""
        record, model = self.record(name, seed), self.output / f"model-{name}-seed-{seed}.h5"
        if is_finished(record):
            return True
        code = self.program_run(
            f"train {name}, seed {seed}", "train", "--config", configuration, "--stages", schedule, "--seed", seed,
            "--checkpoint", model, "--output", record, "--resume",
        )  # fmt: skip
        if code not in (0, 1):
            sys.exit(f"stage_schedule: training {name} with seed {seed} ended with exit code {code}")
        return code == 0

    @functools.cached_property
    def tuned_rate(self) -> float:
        """The learning rate at which direct training, given equal time, ends with the smallest loss of the answers."""
        losses, seed = {}, self.seeds[0]
        for rate in self.plan.learning_rates:
            name = f"tune_{rate:g}"
            self.train(name, COMPARISONS["direct_seconds"], seed, self.direct("seconds", seed, rate, name))
            losses[rate] = totals(self.record(name, seed)).answer_loss
        best = min(losses, key=lambda rate: losses[rate] if math.isfinite(losses[rate]) else math.inf)
        said = ", ".join(f"{rate:g}: {loss:.3f}" for rate, loss in losses.items())
        print(f"stage_schedule: answer loss of direct training by learning rate: {said}; {best:g} is taken", flush=True)
        for kind in ("train", "model"):  # this run is the first seed's share of the comparison at equal time
            path = self.output / f"{kind}-direct_seconds-seed-{seed}.h5"
            if not path.exists():
                path.hardlink_to(self.output / f"{kind}-tune_{best:g}-seed-{seed}.h5")
        return best

    def direct(self, budget: str, seed: int, rate: float, name: str = "") -> Path:
        """Write the configuration of direct training with the budget that the progressive run used."""
        progressive = self.record("progressive", seed)
        spent, last = totals(progressive), last_steps(progressive)
        per_step = {"tokens": last.tokens, "flop": last.flop, "seconds": last.seconds}[budget]
        steps = max(1, round(getattr(spent, budget) / per_step))
        text = self.plan.direct.read_text(encoding="utf-8")
        for key, value in (("steps", f"{steps}"), ("learning_rate", f"{rate:g}")):
            text, count = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
            if count != 1:
                sys.exit(f"stage_schedule: direct.toml needs exactly one line '{key} = ...', it has {count}")
        path = self.output / f"{name or f'direct_{budget}'}-seed-{seed}.toml"
        path.write_text(text, encoding="utf-8")
        return path

    # ---- needles -----------------------------------------------------------------------------------------------------

    def ask(self, name: str, seed: int) -> bool:
        """Ask a model for needles; what the record holds already is skipped by the program."""
        model = self.output / f"model-{name}-seed-{seed}.h5"
        marker = self.output / f"{model.stem}.asked"
        if marker.exists() and marker.stat().st_mtime >= model.stat().st_mtime:
            return True
        plan, longest = self.plan, self.plan.lengths[-1]
        questions: list[tuple[tuple[int, ...], str, str]] = [
            ((longest,), f"1/1,{plan.needles}", "stage"),
            ((2 * longest,), f"1/1,{plan.needles}", "stage,scaled"),
        ]
        if name == "progressive":
            questions = [(plan.lengths[:-1], "1/1", "stage"), (plan.lengths[-2:-1], plan.needles, "stage"), *questions]
        for lengths, needles, theta in questions:
            code = self.program_run(
                f"needle {model.stem}: {needles} at {', '.join(map(str, lengths))}", "needle", "--checkpoint", model,
                "--context-length", ",".join(map(str, lengths)), "--needles", needles, "--trials", plan.trials,
                "--rope-theta", theta, "--haystack", plan.haystack, "--output", self.output / "needles.h5", "--resume",
            )  # fmt: skip
            if code != 0:
                return False
        marker.touch()
        return True

    def program_run(self, what: str, *arguments: object) -> int:
        """Run the program under the launcher, its output going to DIR/NAME.log; return its exit code."""
        self.done += 1
        print(f"stage_schedule: [{self.done}] {what}", flush=True)
        words = [str(self.program), *map(str, arguments)]
        if self.ranks > 1:
            words = ["mpirun", "-n", str(self.ranks), *words]
        script = 'source "$1"; prepare_mpi "$2"; shift 2; exec "$@"'
        with (self.output / "log.txt").open("a", encoding="utf-8") as log:
            log.write(f"\n$ {' '.join(words)}\n")
            log.flush()
            finished = subprocess.run(
                ["bash", "-c", script, "bash", str(MPI_ENVIRONMENT), str(self.ranks), *words],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
        if finished.returncode != 0:
            print(f"stage_schedule: exit code {finished.returncode}; see {self.output / 'log.txt'}", flush=True)
        return finished.returncode

    # ---- the table ---------------------------------------------------------------------------------------------------

    def table(self) -> Iterator[str]:
        """Yield the lines of the table: a row a schedule, right answers with their intervals, all seeds added up."""
        with open_record(self.output / "needles.h5") as file:
            cells = file["/needle/cells"][:]
        cells = cells[cells["valid"].astype(bool)]
        longest = self.plan.lengths[-1]
        kinds = [(1, 1), tuple(map(int, self.plan.needles.split(",")[-1].split("/")))]
        asked = (("stage", longest), ("stage", 2 * longest), ("scaled", 2 * longest))
        columns = [(mode, length, kind) for mode, length in asked for kind in kinds]
        heads = [
            f"{planted}/{of} at {formatting.tokens(length)}{', θ scaled' if mode == 'scaled' else ''}"
            for mode, length, (planted, of) in columns
        ]
        yield " | ".join(["| schedule", "seeds", "tokens", "work", "time", *heads]) + " |"
        yield "|" + "---|" * (5 + len(heads))
        for name, schedule in {"progressive": "progressive", **COMPARISONS}.items():
            spent = [totals(self.record(name, seed)) for seed in self.seeds if is_finished(self.record(name, seed))]
            if not spent:
                continue
            rows = cells[cells["stages"] == schedule.encode()]
            entries = [share(rows, *column) for column in columns]
            mean = Totals(*(float(np.mean([getattr(one, key) for one in spent]))
                            for key in ("tokens", "flop", "seconds", "answer_loss")))  # fmt: skip
            budget = [formatting.si(mean.tokens, ""), formatting.si(mean.flop, "FLOP"), formatting.si(mean.seconds, "s")]
            yield " | ".join([f"| {schedule}", str(len(spent)), *budget, *entries]) + " |"


def share(rows: np.ndarray, mode: str, length: int, kind: tuple[int, ...]) -> str:
    """Write the share of right answers in some cells, with its 95 % Wilson interval."""
    chosen = rows[
        (rows["theta_mode"] == mode.encode()) & (rows["context_length"] == length)
        & (rows["needles_planted"] == kind[0]) & (rows["needles_asked"] == kind[1])
    ]  # fmt: skip
    hits, trials = int(chosen["hits"].sum()), int(chosen["trials"].sum())
    if trials == 0:
        return "-"
    low, high = wilson.interval(hits, trials)
    return f"{hits / trials:.2f} ({low:.2f} to {high:.2f})"


def is_finished(record: Path) -> bool:
    """Tell whether the last run that wrote to a record came to its end."""
    if not record.exists():
        return False
    with open_record(record) as file:
        if "provenance" not in file:
            return False
        group = file["provenance"]
        runs = [group, *(group[name] for name in sorted(group) if name.startswith("resume_"))]
        last = max(runs, key=lambda run: str(run.attrs.get("utc_start", "")))
        return bool(last.attrs.get("utc_end", ""))


def totals(record: Path) -> Totals:
    """Add up a training run."""
    with open_record(record) as file:
        stages, steps, terms = (file[f"/training/{name}"][:] for name in ("stages", "steps", "terms"))
    last = stages[-1]
    answers = terms[(terms["term"] == b"answer") & (terms["stage"] == last["stage"])]
    tail = answers["step"] >= last["steps"] - max(1, last["steps"] // 10)
    return Totals(
        float(stages["tokens"].sum()), float(stages["flop_causal"].sum()), float(steps["step_time"].sum()),
        float(np.nanmean(answers["loss"][tail])),
    )  # fmt: skip


def last_steps(record: Path) -> Totals:
    """Return what one step of the last stage takes; the time is the median."""
    with open_record(record) as file:
        steps, terms = file["/training/steps"][:], file["/training/terms"][:]
    last = steps[steps["stage"] == steps["stage"].max()]
    answers = terms[(terms["term"] == b"answer") & (terms["stage"] == steps["stage"].max())]
    tokens, flop, seconds = (float(np.median(last[key])) for key in ("tokens", "flop_causal", "step_time"))
    return Totals(tokens, flop, seconds, float(np.median(answers["loss"])))


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True, type=Path, help="folder of the runs; made if need be")
    parser.add_argument("--quick", action="store_true", help="tiny stages: a minute for one seed, and no result worth a table")
    parser.add_argument("--seeds", default="1,2,3", help="seeds of training, comma-separated (default 1,2,3)")
    parser.add_argument("--only", default=",".join(COMPARISONS), help=f"what to compare with (default {','.join(COMPARISONS)})")
    parser.add_argument("--ranks", type=int, default=2, help="ranks of every run (default 2)")
    parser.add_argument("--program", type=Path, default=REPOSITORY / "build" / "release" / "bin" / "ringworld")
    options = parser.parse_args(arguments)
    if not re.fullmatch(r"\d+(,\d+)*", options.seeds):
        parser.error(f"--seeds: '{options.seeds}' is no list of whole numbers")
    if options.ranks < 1:
        parser.error(f"--ranks: {options.ranks} must be at least 1")
    if not options.program.is_file():
        parser.error(f"--program: {options.program} does not exist; build it with scripts/setup.sh")
    seeds, only = [int(word) for word in options.seeds.split(",")], tuple(options.only.split(","))
    for name in only:
        if name not in COMPARISONS:
            parser.error(f"--only: '{name}' is none of {', '.join(COMPARISONS)}")
    return Study(QUICK if options.quick else FULL, options.output, options.program, options.ranks, seeds, only).run()


if __name__ == "__main__":
    sys.exit(main())
