#!/usr/bin/env python3
"""Checks of the source tree that no compiler makes. usage: lint_tree.py CHECK ROOT

CHECK is include_arrows, third_party_headers, inline_assembly, pragma_once, backend_names or names. Prints one line a
finding; exit code 1 when there is one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

# Modules in layer order, and all that each may include: nothing is permitted because something else is.
# "kernels" is every family (kernels/attention, kernels/matmul, ...); a family may not include another, but all may
# include kernels/contract, what every family is, and kernels/elementwise, what the element-wise families share.
# "experiments" are main.cpp and what is beside it, "verb" every folder of it but common: no verb includes another.
SYSTEM = ("core", "perf", "device", "comm", "io", "tensors", "kernels", "kernels/backends", "sequence", "probe", "tokens",
          "model", "data", "cards", "media", "eval", "tasks", "generation", "train", "vqgan")  # fmt: skip
MODULES: dict[str, tuple[str, ...]] = {
    "core": (),
    "perf": ("core",),
    "device": ("core",),
    "comm": ("core", "device"),
    "io": ("core", "comm"),
    "tensors": ("core", "comm", "io"),
    "kernels/contract": ("device",),
    "kernels/elementwise": ("core", "device"),
    "kernels": ("core", "device", "kernels/contract", "kernels/elementwise"),
    "kernels/backends": ("core", "device", "kernels", "kernels/contract", "kernels/elementwise"),
    "kernels/bench": ("core", "perf", "device", "kernels"),
    "sequence": ("core", "perf", "device", "comm", "kernels"),
    "probe": ("core", "comm", "kernels", "sequence"),
    "tokens": ("core", "io", "tensors"),
    "model": ("core", "device", "comm", "kernels", "kernels/elementwise", "sequence", "tokens"),
    "data": ("core", "tokens"),
    "cards": ("core", "tokens", "data"),
    "media": ("core", "data"),
    "eval": ("core", "device", "comm", "tokens", "model", "data"),
    "tasks": ("core", "io", "tensors", "tokens", "data", "cards", "eval"),
    "generation": ("core", "comm", "tokens", "model", "data", "tasks"),
    "train": ("core", "device", "comm", "io", "tensors", "kernels", "tokens", "model", "data", "tasks"),
    "vqgan": ("core", "device", "comm", "io", "tensors", "kernels", "tokens", "data", "train"),
    "experiments/common": SYSTEM,
    "verb": (*SYSTEM, "experiments", "experiments/common"),
    "experiments": (*SYSTEM, "experiments/common", "verb"),
    "tests": (*SYSTEM, "kernels/bench", "kernels/contract", "kernels/elementwise", "experiments", "experiments/common", "verb"),
}

# The twins of NVIDIA's headers that let .cu files run on the CPU.
EMULATOR = "tests/support/cuda_emulator"

# Third-party headers, and the folders that own them.
OWNERS: list[tuple[str, re.Pattern[str], tuple[str, ...]]] = [
    ("MPI", re.compile(r"mpi(-ext)?\.h"), ("src/comm/mpi", "tests/*/mpi", EMULATOR)),
    ("HDF5", re.compile(r"(hdf5(_hl)?|H5[A-Za-z]*)\.h"), ("src/io", "tests/io")),
    ("zlib", re.compile(r"zlib\.h"), ("src/io",)),
    ("libpng", re.compile(r"png\.h"), ("src/media",)),
    ("libjpeg", re.compile(r"(jpeglib|jerror)\.h"), ("src/media",)),
    ("giflib", re.compile(r"gif_lib\.h"), ("src/media",)),
    ("FFmpeg", re.compile(r"lib(av(codec|format|util)|swscale)/.*\.h"), ("src/media/ffmpeg",)),
    ("Kokkos", re.compile(r"Kokkos_.*\.hpp|KokkosExp_.*\.hpp"), ("src/device/kokkos", "kernels/*/kokkos")),
    ("NCCL", re.compile(r"nccl.*\.h"), ("src/comm/nccl", "tests/comm/nccl", EMULATOR)),
    ("cuBLAS", re.compile(r"cublas.*\.h"), ("kernels/*/cuda", EMULATOR)),
    ("CUDA", re.compile(r"(?!cublas)(cuda|curand|cutlass|cute|cub|nvtx3?|thrust|mma)([/_A-Za-z0-9]*)(\.h|\.hpp|\.cuh)?"),
     ("src/*/cuda", "kernels/*/cuda", "tests/*/cuda", "tests/kernels/*/cuda", "src/comm/nccl", "tests/comm/nccl",
      EMULATOR)),
    ("SimGrid", re.compile(r"(simgrid|smpi|xbt)/.*"), ("src/core/simgrid",)),
    ("hwloc", re.compile(r"hwloc(/.*)?\.h"), ("src/core/hwloc",)),
    ("SentencePiece", re.compile(r"sentencepiece_.*\.h"), ("src/tokens/sentencepiece", "tests/tokens/sentencepiece")),
    ("ICU", re.compile(r"unicode/.*\.h"), ("src/tokens/icu",)),
    ("oneDNN", re.compile(r"(oneapi/dnnl/)?dnnl.*\.(h|hpp)"), ("kernels/*/host",)),
    ("BLAS", re.compile(r"(cblas|openblas.*|lapacke)\.h"), ("kernels/*/host", "src/perf")),
]

SOURCES = ("src", "kernels", "experiments", "tests")
HEADER_SUFFIXES = {".hpp", ".h", ".cuh"}
CODE_SUFFIXES = HEADER_SUFFIXES | {".cpp", ".c", ".cu"}
QUOTED = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
ASSEMBLY = re.compile(r"\b(asm|__asm|__asm__)\s*(volatile|__volatile__|goto)?\s*\(")
ASSEMBLY_FOLDER = "src/device/cuda/ptx"
ANY_INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]', re.MULTILINE)

# The backend that has most to say of itself is named where it is at home, and in the lists of backends, devices and
# transports: everyone else asks those lists. In the files below the name is an interface of its own.
BACKEND_NAME = re.compile(r"cuda", re.IGNORECASE)
BACKEND_HOMES = ("src/*/cuda", "kernels/*/cuda", "src/comm/nccl", "kernels/backends")
BACKEND_NAME_ALLOWED = {
    "src/device/backend.hpp": "the list of backends",
    "src/device/device_kind.hpp": "the list of devices",
    "src/device/device.hpp": "the functions that each device's folder defines",
    "src/device/device.cpp": "which of them belongs to a kind",
    "src/comm/transport.hpp": "the name of a transport that users know, and of an environment variable",
    "src/comm/mpi/device_support_queried.cpp": "MPI's own function, which has it in its name",
    "src/comm/mpi/device_support.hpp": "the same function, as the source of an answer",
    "src/io/recorded_environment.cpp": "names of environment variables",
    "kernels/attention/gpu_path.cpp": "which kernels a GPU runs, in words",
    "kernels/attention/gpu_path.hpp": "the same",
    "experiments/train/config/gpu_200m.toml": "a command line",
}

# Written in two halves, so that this file passes its own check.
BANNED_TEXT = [
    (re.compile(r"(?<![\w.])/wo" r"rk(?![\w.-])"), "a path of one machine"),
    (re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b"), "an open end"),
]
BANNED_NAMES = {"utils", "util", "misc", "helpers", "helper"}
LEFT_OUT = {".git", ".venv", "build", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"}


def tracked_files(root: Path) -> list[PurePosixPath]:
    """What git tracks; in an unpacked archive, every file but the generated ones."""
    try:
        listed = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "--full-name", "."], capture_output=True, check=True
        ).stdout
        top = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--show-toplevel"], capture_output=True, check=True, text=True
        ).stdout.rstrip("\n")
        if Path(top).resolve() == root.resolve():
            names = [PurePosixPath(name.decode()) for name in listed.split(b"\0") if name]
            return [name for name in names if (root / name).is_file()]
    except (OSError, subprocess.CalledProcessError):
        pass
    return sorted(
        PurePosixPath(path.relative_to(root).as_posix())
        for path in root.rglob("*")
        if path.is_file() and not LEFT_OUT & set(path.relative_to(root).parts)
    )


def code_files(root: Path, suffixes: set[str]) -> list[PurePosixPath]:
    """Every source file, tracked or not: a build compiles either."""
    return sorted(
        PurePosixPath(path.relative_to(root).as_posix())
        for folder in SOURCES
        for path in (root / folder).rglob("*")
        if path.is_file() and path.suffix in suffixes
    )


def read(root: Path, name: PurePosixPath) -> str:
    return (root / name).read_text(encoding="utf-8", errors="replace")


def line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def module_of(name: PurePosixPath) -> str:
    """core, kernels/attention, kernels/bench, experiments/train, tests, ..."""
    parts = name.parts
    if parts[0] == "src":
        return parts[1]
    if parts[0] in ("kernels", "experiments") and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0]


def kind_of(module: str) -> str:
    """The entry of MODULES that a module falls under; itself if there is none."""
    if module not in MODULES and module.startswith("kernels/"):
        return "kernels"
    if module not in MODULES and module.startswith("experiments/"):
        return "verb"
    return module


def is_permitted(module: str, included: str) -> bool:
    return module == included or kind_of(included) in MODULES[kind_of(module)]


def resolve(root: Path, name: PurePosixPath, include: str) -> PurePosixPath | None:
    """The file that a quoted include names: beside the includer, or from src/, tests/ or the root."""
    for base in (root / name.parent, root / "src", root, root / "tests"):
        candidate = (base / include).resolve()
        if candidate.is_file() and candidate.is_relative_to(root.resolve()):
            return PurePosixPath(candidate.relative_to(root.resolve()).as_posix())
    return None


def include_arrows(root: Path) -> Iterator[str]:
    for name in code_files(root, CODE_SUFFIXES):
        module = module_of(name)
        if kind_of(module) not in MODULES:
            yield f"{name}: module '{module}' is not in the table of tests/lint/lint_tree.py"
            continue
        text = read(root, name)
        for match in QUOTED.finditer(text):
            where = f"{name}:{line_of(text, match.start(1))}"
            target = resolve(root, name, match[1])
            if target is None:
                yield f'{where}: "{match[1]}" names no file of the tree; third-party headers go in angle brackets'
            elif not is_permitted(module, module_of(target)):
                yield f"{where}: {module} may not include {module_of(target)} ({match[1]})"


def is_inside(name: PurePosixPath, folder: str) -> bool:
    wanted = PurePosixPath(folder).parts
    return len(name.parts) > len(wanted) and PurePosixPath(*name.parts[: len(wanted)]).match(folder)


def third_party_headers(root: Path) -> Iterator[str]:
    for name in code_files(root, CODE_SUFFIXES):
        text = read(root, name)
        for match in ANY_INCLUDE.finditer(text):
            for library, pattern, folders in OWNERS:
                if not pattern.fullmatch(match[1]) or resolve(root, name, match[1]) is not None:
                    continue
                if not any(is_inside(name, folder) for folder in folders):
                    where = f"{name}:{line_of(text, match.start(1))}"
                    yield f"{where}: <{match[1]}> belongs to {library}, which only {', '.join(folders)} may include"


def inline_assembly(root: Path) -> Iterator[str]:
    for name in code_files(root, CODE_SUFFIXES):
        text = read(root, name)
        if not is_inside(name, ASSEMBLY_FOLDER):
            for match in ASSEMBLY.finditer(text):
                yield f"{name}:{line_of(text, match.start())}: inline assembly belongs to {ASSEMBLY_FOLDER}"


def pragma_once(root: Path) -> Iterator[str]:
    for name in code_files(root, HEADER_SUFFIXES):
        if not read(root, name).startswith("#pragma once\n"):
            yield f"{name}:1: a header starts with #pragma once"


def backend_names(root: Path) -> Iterator[str]:
    for name in tracked_files(root):
        is_build_file = name.name == "CMakeLists.txt"
        if name.parts[0] not in ("src", "kernels", "experiments") or name.suffix == ".md" or is_build_file:
            continue
        if str(name) in BACKEND_NAME_ALLOWED or any(is_inside(name, folder) for folder in BACKEND_HOMES):
            continue
        if BACKEND_NAME.search(str(name)):
            yield f"{name}: the name of a file names a backend; only {', '.join(BACKEND_HOMES)} may"
        text = read(root, name)
        for match in BACKEND_NAME.finditer(text):
            where = f"{name}:{line_of(text, match.start())}"
            yield f"{where}: '{match[0]}' names a backend; ask src/device/backend.hpp or device_kind.hpp instead"


def names(root: Path) -> Iterator[str]:
    for name in tracked_files(root):
        for part in name.parts:
            if part.split(".")[0].lower() in BANNED_NAMES:
                yield f"{name}: '{part}' says nothing about what is in it"
        content = (root / name).read_bytes()
        if b"\0" in content:
            continue
        text = content.decode("utf-8", errors="replace")
        for pattern, what in BANNED_TEXT:
            for match in pattern.finditer(text):
                yield f"{name}:{line_of(text, match.start())}: '{match[0]}' is {what}"


CHECKS: dict[str, Callable[[Path], Iterator[str]]] = {
    "include_arrows": include_arrows,
    "third_party_headers": third_party_headers,
    "inline_assembly": inline_assembly,
    "pragma_once": pragma_once,
    "backend_names": backend_names,
    "names": names,
}


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] not in CHECKS:
        print(__doc__, file=sys.stderr)
        return 2
    findings = list(CHECKS[arguments[0]](Path(arguments[1])))
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
