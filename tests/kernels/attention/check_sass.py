#!/usr/bin/env python3
"""Checks the machine code of the Hopper attention kernels. usage: check_sass.py CUOBJDUMP OBJECT ...

Of each kernel: the products run on the tensor cores of a warpgroup (HGMMA), the compiler did not wait after each of
them (it does so, and says C7510 to C7514 in passing, where it cannot follow the registers), no register lives in local
memory (LDL, STL), and registers move from the producer to the consumers (USETMAXREG; dropped with C7508). Prints a
line a kernel; exit code 1 when something is amiss, 77 when there is no CUOBJDUMP.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

FUNCTION = re.compile(r"^\s*Function\s*:\s*(\S+)", re.MULTILINE)
INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)", re.MULTILINE)

# Kernels that multiply; the others of these objects only gather numbers.
MULTIPLIES = re.compile(r"(forward|backward)_kernel")
KERNELS_EXPECTED = 8  # two passes, two head sizes, with and without documents

# A pass over a tile is at least four products long. Where the compiler serialises, each of them is waited for.
PRODUCTS_A_WAIT = 3.0


@dataclass(frozen=True)
class Kernel:
    name: str
    opcodes: list[str]

    def count(self, *names: str) -> int:
        return sum(opcode.split(".")[0] in names for opcode in self.opcodes)

    def waits(self) -> int:
        return sum(opcode.startswith("WARPGROUP.DEPBAR") for opcode in self.opcodes)

    def has(self, opcode: str) -> bool:
        return any(own.startswith(opcode) for own in self.opcodes)


def kernels_of(listing: str) -> Iterator[Kernel]:
    """The functions of what `cuobjdump --dump-sass` prints."""
    starts = list(FUNCTION.finditer(listing))
    for index, start in enumerate(starts):
        end = starts[index + 1].start() if index + 1 < len(starts) else len(listing)
        yield Kernel(start[1], INSTRUCTION.findall(listing, start.end(), end))


def faults_of(kernel: Kernel) -> Iterator[str]:
    spills = kernel.count("LDL", "STL")
    if spills:
        yield f"{spills} instructions on local memory: registers are spilled"
    products = kernel.count("HGMMA")
    if products == 0:
        yield "no HGMMA: the products do not run on the warpgroup's tensor cores"
    elif products < PRODUCTS_A_WAIT * kernel.waits():
        yield f"{kernel.waits()} waits for {products} products: the compiler serialised them"
    if not (kernel.has("USETMAXREG.TRY_ALLOC") and kernel.has("USETMAXREG.DEALLOC")):
        yield "no USETMAXREG: the consumers do not get the producer's registers"


def check(listing: str) -> tuple[list[str], list[str]]:
    """What to print, and what is amiss."""
    report: list[str] = []
    faults: list[str] = []
    kernels = [kernel for kernel in kernels_of(listing) if MULTIPLIES.search(kernel.name)]
    for kernel in kernels:
        report.append(
            f"{kernel.name}: {len(kernel.opcodes)} instructions, {kernel.count('HGMMA')} HGMMA, "
            f"{kernel.waits()} waits, {kernel.count('LDL', 'STL')} on local memory"
        )
        faults += [f"{kernel.name}: {fault}" for fault in faults_of(kernel)]
    if len(kernels) != KERNELS_EXPECTED:
        faults.append(f"{len(kernels)} kernels found, expected {KERNELS_EXPECTED}")
    return report, faults


def main(arguments: list[str]) -> int:
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    tool = shutil.which(arguments[0])
    if tool is None:
        print(f"skipped: no {arguments[0]} here (CUDA toolkit, package cuda-cuobjdump)")
        return 77
    listing = "".join(
        subprocess.run([tool, "--dump-sass", path], capture_output=True, check=True, text=True).stdout
        for path in arguments[1:]
    )
    report, faults = check(listing)
    print("\n".join(report + [f"FAULT {fault}" for fault in faults]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
