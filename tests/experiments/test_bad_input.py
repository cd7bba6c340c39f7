"""What a user can get wrong: one clear line on stderr, exit code 2, at once, alone and under mpirun."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import launch
from problem import Problem, write_tensors

TIMEOUT = 30
ALONE = None  # without a launcher
GOOD = Problem(16, 1, heads=4, kv_heads=2, head_size=16)


@dataclass(frozen=True)
class Mistake:
    """A command line, and what its error has to say."""

    name: str
    arguments: str  # words; {folder} is where the files of `files_of` lie
    says: tuple[str, ...]  # regular expressions, case ignored, each to be found in the line


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of good and bad files."""
    launch.program()
    made = tmp_path_factory.mktemp("bad_input")
    write_inputs(made)
    configurations = {
        "unknown_key.toml": "context_lenght = [64]\n",
        "dashed_key.toml": "context-length = [64]\n",
        "malformed.toml": "context_length = [64]\nheads = 4\nlayout = [\n",
        "wrong_type.toml": 'context_length = [64]\nrepeats = "many"\n',
        "nested.toml": "[attention]\ncontext_length = 64\n",
    }
    for name, text in configurations.items():
        (made / name).write_text(text)
    (made / "is_a_directory.h5").mkdir()
    (made / "a_file").write_text("text\n")
    return made


def write_inputs(made: Path) -> None:
    good = GOOD.tensors()
    write_tensors(made / "good.h5", good)
    for name in ("q", "k", "v"):
        write_tensors(made / f"no_{name}.h5", {other: tensor for other, tensor in good.items() if other != name})
    changed: dict[str, Callable[[], dict[str, NDArray[Any]]]] = {
        "q_of_3_dimensions": lambda: {"q": good["q"][0]},
        "k_of_2_dimensions": lambda: {"k": good["k"][0, :, 0]},
        "short_k": lambda: {"k": good["k"][:, :-1]},
        "v_of_more_heads": lambda: {"v": good["q"]},
        "short_dout": lambda: {"dout": good["dout"][:, 1:]},
        "dout_of_kv_heads": lambda: {"dout": good["k"]},
        "flat_segment_ids": lambda: {"segment_ids": np.zeros(16, dtype=np.int32)},
        "short_segment_ids": lambda: {"segment_ids": np.zeros((1, 15), dtype=np.int32)},
        "float_segment_ids": lambda: {"segment_ids": np.zeros((1, 16), dtype=np.float32)},
        "wide_segment_ids": lambda: {"segment_ids": np.full((1, 16), 2**40)},
        "int_q": lambda: {"q": good["q"].astype(np.int32)},
        "complex_v": lambda: {"v": good["v"].astype(np.complex64)},
        "bool_dout": lambda: {"dout": good["dout"] > 0},
        "no_tokens": lambda: {name: tensor[:, :0] for name, tensor in good.items()},
    }
    for name, change in changed.items():
        write_tensors(made / f"{name}.h5", {**good, **change()})
    write_tensors(made / "head_size_20.h5", Problem(16, 1, 4, 2, 20).tensors())
    write_tensors(
        made / "heads_5_kv_heads_2.h5", {**good, "q": np.ones((1, 16, 5, 16)), "dout": np.ones((1, 16, 5, 16))}
    )
    whole = (made / "good.h5").read_bytes()
    (made / "truncated.h5").write_bytes(whole[: len(whole) // 2])
    (made / "empty.h5").write_bytes(b"")
    (made / "text.h5").write_text("these are no tensors\n" * 100)


VERIFY = "verify --output {folder}/out.h5"
SWEEP = "attention --context-length 64 --heads 4 --kv-heads 2 --head-size 16 --repeats 1"
ATTENTION = SWEEP + " --output {folder}/record.h5"
INPUT = VERIFY + " --input {folder}/"

ABSENT_CUDA = ("cuda", "not in this build|not built", "RINGWORLD_ENABLE_CUDA|choose")

MISTAKES = [
    # the program
    Mistake("no verb", "", ("no verb", "attention", "verify")),
    Mistake("unknown verb", "atention --context-length 64", ("'atention'", "did you mean 'attention'")),
    # flags and keys
    Mistake(
        "unknown flag", ATTENTION + " --context-lenght 64", ("--context-lenght", "did you mean '--context-length'")
    ),
    Mistake("unknown flag of verify", INPUT + "good.h5 --layot zigzag", ("--layot", "did you mean '--layout'")),
    Mistake("unknown flag with equals", ATTENTION + " --repeat=3", ("--repeat'", "did you mean '--repeats'")),
    Mistake("a word that belongs to no flag", ATTENTION + " zigzag", ("'zigzag'",)),
    Mistake("flag given twice", ATTENTION + " --seed 1 --seed 2", ("--seed",)),
    Mistake("flag without its value", ATTENTION + " --layout", ("--layout",)),
    Mistake(
        "missing config", "attention --config {folder}/absent.toml", (r"absent\.toml", "no such file|not be opened")
    ),
    Mistake("config is a directory", "attention --config {folder}", ("{folder}",)),
    Mistake(
        "unknown key",
        ATTENTION + " --config {folder}/unknown_key.toml",
        (r"unknown_key\.toml", "'context_lenght'", "did you mean 'context_length'"),
    ),
    Mistake(
        "key with a dash",
        ATTENTION + " --config {folder}/dashed_key.toml",
        (r"dashed_key\.toml", "'context-length'", "did you mean 'context_length'"),
    ),
    Mistake("malformed config", ATTENTION + " --config {folder}/malformed.toml", (r"malformed\.toml:[34]\b",)),
    Mistake(
        "text for a number", "attention --config {folder}/wrong_type.toml", (r"wrong_type\.toml", "repeats", "many")
    ),
    Mistake("table in a config", "attention --config {folder}/nested.toml", (r"nested\.toml", "attention")),
    # values of attention
    Mistake("unknown kind of inputs", ATTENTION + " --inputs prob", ("'prob'", "did you mean 'probe'")),
    Mistake(
        "inputs that the probe does not have",
        "attention --heads 1 --head-size 16 --context-length 4M --inputs probe",
        ("--inputs probe", "heads of 16", "4194304 tokens", "--head-size"),
    ),
    Mistake("check of nothing", "check --context-length 0", ("--context-length", "at least 1")),
    Mistake("check of no bytes", "check --link-bytes 0", ("--link-bytes", "at least 1")),
    Mistake("unknown flag of check", "check --quik", ("--quik", "did you mean '--quick'")),
    Mistake("no number", ATTENTION + " --warmup many", ("--warmup", "'many'")),
    Mistake("number with a rest", ATTENTION + " --warmup 3x", ("--warmup", "'3x'")),
    Mistake("number out of range", ATTENTION + " --seed 99999999999999999999", ("--seed", "9999")),
    Mistake("list with a hole", ATTENTION + " --batch 1,,2", ("--batch",)),
    Mistake("empty value", ATTENTION + " --layout=", ("--layout",)),
    Mistake("no truth value", ATTENTION + " --causal maybe", ("--causal", "'maybe'")),
    Mistake("zero repeats", ATTENTION.replace("--repeats 1", "--repeats 0"), ("--repeats", "0")),
    Mistake(
        "a length beyond counting", ATTENTION.replace("--context-length 64", "--context-length 4611686018427387904"),
        ("--context-length 4611686018427387904", "elements"),
    ),
    Mistake("heads beyond counting", ATTENTION.replace("--heads 4", "--heads 9223372036854775800"), ("--heads", "more than")),
    Mistake("rates that nobody measures", ATTENTION + " --rates-output {folder}/rates.toml", ("--rates-output", "--predict")),
    Mistake(
        "one file for two outputs", ATTENTION + " --predict --rates-output {folder}/record.h5",
        ("--rates-output", "--output", "record.h5"),
    ),
    Mistake("zero heads", ATTENTION.replace("--heads 4", "--heads 0"), ("--heads", "0")),
    Mistake("zero tokens", ATTENTION.replace("--context-length 64", "--context-length 0"), ("--context-length", "0")),
    Mistake("negative warmup", ATTENTION + " --warmup -1", ("--warmup", "-1")),
    Mistake("negative batch", ATTENTION + " --batch -2", ("--batch", "-2")),
    Mistake("negative repeats", ATTENTION.replace("--repeats 1", "--repeats -3"), ("--repeats", "-3")),
    Mistake(
        "negative context length",
        ATTENTION.replace("--context-length 64", "--context-length 64,-64"),
        ("--context-length", "-64"),
    ),
    Mistake("negative kv heads", ATTENTION.replace("--kv-heads 2", "--kv-heads -2"), ("--kv-heads", "-2")),
    Mistake("negative time limit", ATTENTION + " --time-limit -0.5", ("--time-limit", r"-0\.5")),
    Mistake("negative timeout", ATTENTION + " --timeout -0.5", ("--timeout", r"-0\.5")),
    Mistake("negative memory limit", ATTENTION + " --memory-limit -1", ("--memory-limit", "-1")),
    Mistake("negative ranks", ATTENTION + " --ranks -1", (r"--ranks,?:? *-1", r"^(?!.*mpirun -n -1)")),
    Mistake("more ranks than the job", ATTENTION + " --ranks 1,16", ("--ranks", "16")),
    Mistake("head size", ATTENTION.replace("--head-size 16", "--head-size 20"), ("head.size", "20", "16 or 24")),
    Mistake("kv heads", ATTENTION.replace("--kv-heads 2", "--kv-heads 3"), ("--heads", "4", "--kv-heads", "3")),
    Mistake("unknown layout", ATTENTION + " --layout zigzag,stripped", ("'stripped'", "did you mean 'striped'")),
    Mistake("unknown backend", ATTENTION + " --backend hots", ("'hots'", "did you mean 'host'")),
    Mistake("unknown dtype", ATTENTION + " --dtype float16", ("'float16'", "did you mean 'b?float(32|16)'")),
    Mistake("unknown wire dtype", ATTENTION + " --wire-dtype bf16", ("'bf16'", "did you mean 'bfloat16'")),
    Mistake("unknown pass", ATTENTION + " --pass forwards", ("'forwards'", "did you mean 'forward'")),
    Mistake("unknown rotation", ATTENTION + " --backward-rotation vk", ("'vk'", "did you mean 'kv'")),
    Mistake("unknown schedule", ATTENTION + " --schedule rings", ("'rings'", "did you mean 'ring'")),
    Mistake("ulysses", ATTENTION + " --ulysses 3", ("--schedule ring --ulysses 3: ", "nearest that does is [12]$")),
    Mistake("no ulysses", ATTENTION + " --ulysses 0", ("--ulysses 0: ulysses 0 must be at least 1",)),
    Mistake("a window of a ring", ATTENTION + " --window 2", ("--window 2: .*double_ring, not to ring",)),
    Mistake("negative window", ATTENTION + " --schedule double_ring --window -1", ("--window -1", "not be negative")),
    Mistake("window", ATTENTION + " --schedule double_ring --window 9", ("--window 9: ", "that does is [1-4]$")),
    Mistake("head groups of a ring", ATTENTION + " --head-groups 2", ("--head-groups 2: .*all_gather, not to ring",)),
    Mistake(
        "head groups", ATTENTION + " --schedule all_gather --head-groups 3", ("--head-groups 3: ", "is 2$")
    ),
    Mistake("trim of a striped layout", ATTENTION + " --trim true --layout striped", ("--trim: ", "zigzag", "striped")),
    Mistake(
        "trim with queries",
        ATTENTION + " --trim true --pass backward --backward-rotation q",
        ("--trim", "--backward-rotation q"),
    ),
    Mistake(
        "a schedule that has no point",
        ATTENTION + " --schedule ring,all_gather --trim true",
        ("--schedule all_gather --trim: ", "ring, not to all_gather"),
    ),
    Mistake(
        "absent backend",
        ATTENTION + " --backend cuda",
        ABSENT_CUDA,
    ),
    # files of attention
    Mistake("record in no directory", SWEEP + " --output {folder}/absent/record.h5", (r"absent",)),
    Mistake("record is a directory", SWEEP + " --output {folder}/is_a_directory.h5", (r"is_a_directory\.h5", "direc")),
    Mistake("record below a file", SWEEP + " --output {folder}/a_file/record.h5", ("a_file",)),
    Mistake("empty output", SWEEP + " --output=", ("--output",)),
    Mistake("resume what is no HDF5", SWEEP + " --resume --output {folder}/text.h5", (r"text\.h5",)),
    Mistake("resume a truncated file", SWEEP + " --resume --output {folder}/truncated.h5", (r"truncated\.h5",)),
    Mistake("resume what is no record", SWEEP + " --resume --output {folder}/good.h5", (r"good\.h5", "record")),
    # files of verify
    Mistake("no input", VERIFY, ("--input",)),
    Mistake("no output", "verify --input {folder}/good.h5", ("--output",)),
    Mistake("missing input", INPUT + "absent.h5", (r"absent\.h5", "no such file")),
    Mistake("input is a directory", INPUT + "is_a_directory.h5", (r"is_a_directory\.h5",)),
    Mistake("truncated input", INPUT + "truncated.h5", (r"truncated\.h5", "truncated")),
    Mistake("empty input", INPUT + "empty.h5", (r"empty\.h5", "HDF5")),
    Mistake("input that is no HDF5", INPUT + "text.h5", (r"text\.h5", "HDF5")),
    Mistake("no q", INPUT + "no_q.h5", (r"no_q\.h5", "'/?q'")),
    Mistake("no k", INPUT + "no_k.h5", (r"no_k\.h5", "'/?k'")),
    Mistake("no v", INPUT + "no_v.h5", (r"no_v\.h5", "'/?v'")),
    Mistake("q of 3 dimensions", INPUT + "q_of_3_dimensions.h5", (r"_3_dimensions\.h5", r"\bq\b", "dimension|shape")),
    Mistake("k of 2 dimensions", INPUT + "k_of_2_dimensions.h5", (r"_2_dimensions\.h5", r"\bk\b", "dimension|shape")),
    Mistake("short k", INPUT + "short_k.h5", (r"short_k\.h5", r"\bk\b", r"\(1, 15, 2, 16\)", r"\(1, 16, 2, 16\)")),
    Mistake("v of more heads", INPUT + "v_of_more_heads.h5", (r"\bv\b", r"\(1, 16, 4, 16\)", r"\(1, 16, 2, 16\)")),
    Mistake("short dout", INPUT + "short_dout.h5", (r"\bdout\b", r"\(1, 15, 4, 16\)", r"\(1, 16, 4, 16\)")),
    Mistake("dout of kv heads", INPUT + "dout_of_kv_heads.h5", (r"\bdout\b", r"\(1, 16, 2, 16\)", r"\(1, 16, 4, 16\)")),
    Mistake("flat segment ids", INPUT + "flat_segment_ids.h5", ("segment_ids", r"\(16\)", r"\(1, 16\)")),
    Mistake("short segment ids", INPUT + "short_segment_ids.h5", ("segment_ids", r"\(1, 15\)", r"\(1, 16\)")),
    Mistake("float segment ids", INPUT + "float_segment_ids.h5", ("segment_ids", "float32", "int32")),
    Mistake("wide segment ids", INPUT + "wide_segment_ids.h5", ("segment_ids", str(2**40), r"\(0, 0\)", r"\bint32\b")),
    Mistake("integers for q", INPUT + "int_q.h5", (r"\bq\b", "int32", "float32")),
    Mistake("complex numbers for v", INPUT + "complex_v.h5", (r"\bv\b", "compound", "float32")),
    Mistake("truth values for dout", INPUT + "bool_dout.h5", (r"\bdout\b", "bool", "float32")),
    Mistake("no tokens", INPUT + "no_tokens.h5", (r"no_tokens\.h5", r"\bq\b")),
    Mistake("head size of a file", INPUT + "head_size_20.h5", ("head.size", "20", "16 or 24")),
    Mistake("kv heads of a file", INPUT + "heads_5_kv_heads_2.h5", ("heads", r"\b5\b", r"\b2\b")),
    Mistake(
        "verify with an absent backend",
        INPUT + "good.h5 --backend cuda",
        ABSENT_CUDA,
    ),
    Mistake("verify with ulysses", INPUT + "good.h5 --ulysses 3", ("--ulysses 3: ", "nearest that does is [12]$")),
    Mistake("verify with an unknown layout", INPUT + "good.h5 --layout zag", ("'zag'", "did you mean 'zigzag'")),
    Mistake("verify with an unknown dtype", INPUT + "good.h5 --dtype fp32", ("'fp32'", "did you mean '")),
    Mistake("output is the input", "verify --input {folder}/good.h5 --output {folder}/good.h5", (r"good\.h5", "same")),
    Mistake(
        "output in no directory",
        "verify --input {folder}/good.h5 --output {folder}/absent/out.h5",
        (r"absent/out\.h5", "directory"),
    ),
    Mistake(
        "output is a directory",
        "verify --input {folder}/good.h5 --output {folder}/is_a_directory.h5",
        (r"is_a_directory\.h5", "directory"),
    ),
]


def check(mistake: Mistake, ranks: int | None, folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    words = [word.format(folder=folder) for word in mistake.arguments.split()]
    finished = launch.run(ranks, *words, timeout=TIMEOUT, cwd=folder)
    assert finished.code == 2, str(finished)
    assert len(finished.errors) == 1, str(finished)
    line = finished.errors[0][len(launch.ERROR_PREFIX) :]
    expressions = [expression.replace("{folder}", re.escape(str(folder))) for expression in mistake.says]
    unsaid = [expression for expression in expressions if not re.search(expression, line, re.IGNORECASE)]
    assert unsaid == [], f"not in the error\n{finished}"
    assert "rank " not in line, f"the error names a rank, though all ranks met it\n{finished}"
    if ranks is ALONE:
        assert finished.stderr.count("\n") == 1, str(finished)
    assert finished.stdout == "" or ranks is not ALONE, str(finished)
    after = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert after == before, "files were written or changed"


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name.replace(" ", "_"))
def test_alone(mistake: Mistake, folder: Path) -> None:
    check(mistake, ALONE, folder)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name.replace(" ", "_"))
def test_under_mpirun(mistake: Mistake, folder: Path) -> None:
    check(mistake, 4, folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("verb", ["verify --input {folder}/good.h5", SWEEP])
def test_a_folder_without_permission_to_write(verb: str, folder: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    words = [word.format(folder=folder) for word in verb.split()]
    finished = launch.run(2, *words, "--output", closed / "out.h5", timeout=TIMEOUT)
    assert finished.code == 2, str(finished)
    assert len(finished.errors) == 1, str(finished)
    assert "closed/out.h5" in finished.errors[0]


@pytest.mark.parametrize(
    "arguments", ["--help", "-h", "--version", "attention --help", "verify --help", "info --help"]
)
@pytest.mark.parametrize("ranks", [ALONE, 3])
def test_help_is_no_mistake(arguments: str, ranks: int | None) -> None:
    finished = launch.run(ranks, *arguments.split(), timeout=TIMEOUT)
    assert finished.code == 0, str(finished)
    assert finished.stderr == ""
    first_line = finished.stdout.splitlines()[0]
    assert finished.stdout.count(first_line) == 1, "the help was printed by more than one rank"


def test_help_of_attention_names_every_flag_with_its_default() -> None:
    text = launch.run_successfully(ALONE, "attention", "--help").stdout
    flags = """--context-length --ranks --layout --heads --kv-heads --head-size --batch --dtype --wire-dtype --causal
        --pass --backend --backward-rotation --warmup --repeats --timeout --time-limit --memory-limit --overlap-probe --inputs
        --polling --threads
        --schedule --ulysses --window --head-groups --trim --dry-run
        --seed --resume --output --config"""
    missing = [flag for flag in flags.split() if not re.search(rf"{flag}\b", text)]
    assert missing == []
    assert re.search(r"--timeout\b[^-]*\[s\][^-]*default 600", text)
    assert re.search(r"--time-limit\b[^-]*\[s\][^-]*default 0", text)
