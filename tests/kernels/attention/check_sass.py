#!/usr/bin/env python3
"""Checks the machine code of the Hopper attention kernels. usage: check_sass.py CUOBJDUMP OBJECT ...

Nothing of this shows in a result, and all of it in speed or in a hang. Of each kernel:

* the products run on the tensor cores of a warpgroup (HGMMA), and the compiler did not wait after each of them (it does
  so, and says C7510 to C7514 in passing, where it cannot follow the registers);
* registers move from the producer to the consumers (USETMAXREG; dropped with C7508), no more than the block starts
  with: a consumer that asks for more waits for ever;
* no loop with products uses local memory (LDL, STL): no register is spilled there;
* the exponentials (MUFU) of a tile run beside a product, where EXPECTED says so: between the wait that leaves one under
  way and the wait for that one, in every loop with products;
* there are as many loops with products as EXPECTED says, none has more instructions than it says (the forward pass has a
  loop for tiles that the mask cuts and a shorter one for whole tiles), and none more moves to uniform registers (R2UR).

Prints two lines a kernel. Exit code 1 when something is amiss, CUOBJDUMP included.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

FUNCTION = re.compile(r"^\s*Function\s*:\s*(\S+)", re.MULTILINE)
REGISTERS = re.compile(r"^\s*Function\s+(\S+?):\s*\n\s*REG:(\d+)", re.MULTILINE)
INSTRUCTION = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+(@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)\s*([^;]*?)\s*;", re.MULTILINE)
ADDRESS = re.compile(r"0x([0-9a-f]+)")
INSTRUCTION_BYTES = 16

# Kernels that multiply; the others of these objects only gather numbers. A forward kernel may say by a third parameter
# whether the softmax of a tile runs under the product of the tile before.
KERNEL = re.compile(r"\d((?:persistent_)?forward|backward)_kernelILi(\d+)ELb([01])E(?:Lb([01])E)?")

# A pass over a tile is at least four products long. Where the compiler serialises, each of them is waited for.
PRODUCTS_A_WAIT = 3.0


class Variant(NamedTuple):
    """The template arguments of a kernel."""

    direction: str
    head_size: int
    has_documents: bool
    overlaps: bool = False


@dataclass(frozen=True)
class Expected:
    """What a kernel is held to. The bounds are some percent above what nvcc 13.0 makes of it."""

    consumers: int  # warpgroups beside the producer
    instructions: tuple[int, ...]  # of each loop with products, at most; the longest loop first
    moves: int  # R2UR of such a loop, at most
    exponentials: int = 0  # beside a product, at least


def expected_of_forward(head_size: int, has_documents: bool) -> dict[Variant, Expected]:
    """Both grids have the same loops, over tiles that the mask cuts and over whole tiles."""
    bounds = {
        (64, False): (715, 570),
        (64, True): (815, 730),
        (128, False): (755, 610),
        (128, True): (845, 770),
    }
    return {
        Variant(direction, head_size, has_documents, overlaps): Expected(
            consumers=3 if head_size == 64 else 2,
            instructions=bounds[head_size, has_documents],
            moves=2,
            exponentials=60 if overlaps else 0,
        )
        for direction in ("forward", "persistent_forward")
        for overlaps in (False, True)
    }


EXPECTED = {
    **expected_of_forward(64, has_documents=False),
    **expected_of_forward(64, has_documents=True),
    **expected_of_forward(128, has_documents=False),
    **expected_of_forward(128, has_documents=True),
    Variant("backward", 64, False): Expected(consumers=2, instructions=(1065,), moves=6, exponentials=60),
    Variant("backward", 64, True): Expected(consumers=2, instructions=(1215,), moves=6, exponentials=60),
    Variant("backward", 128, False): Expected(consumers=2, instructions=(640,), moves=7, exponentials=30),
    Variant("backward", 128, True): Expected(consumers=2, instructions=(720,), moves=7, exponentials=30),
}


@dataclass(frozen=True)
class Instruction:
    """A line of a listing."""

    address: int
    predicate: str
    opcode: str
    operands: str

    @property
    def name(self) -> str:
        """The opcode without its modifiers."""
        return self.opcode.split(".")[0]

    @property
    def next(self) -> int:
        """The address that follows."""
        return self.address + INSTRUCTION_BYTES

    @property
    def target(self) -> int | None:
        """Where a branch goes, if it does."""
        found = ADDRESS.search(self.operands)
        return int(found[1], 16) if self.name == "BRA" and found else None

    @property
    def is_wait(self) -> bool:
        """Whether it waits for products."""
        return self.opcode.startswith("WARPGROUP.DEPBAR")


class Code(tuple[Instruction, ...]):
    """Instructions that follow each other."""

    def count(self, *names: str) -> int:
        """How many instructions have one of these names."""
        return sum(instruction.name in names for instruction in self)

    def waits(self) -> int:
        """How many instructions wait for products."""
        return sum(instruction.is_wait for instruction in self)

    def shortest_pass(self) -> int:
        """The fewest instructions from the first to the last: what no mask and no rare case adds to."""
        fewest = {self[0].address: 1}
        for instruction in self:
            here = fewest.get(instruction.address)
            if here is None:
                continue  # nothing but a branch back leads here
            followers = [] if instruction.opcode == "BRA" and not instruction.predicate else [instruction.next]
            if instruction.target is not None and instruction.target > instruction.address:
                followers.append(instruction.target)
            for follower in followers:
                fewest[follower] = min(fewest.get(follower, here + 1), here + 1)
        return fewest[self[-1].address]

    def exponentials_beside_a_product(self) -> int:
        """MUFU of a loop between a wait that leaves a product under way and the next wait."""
        waits = [index for index, instruction in enumerate(self) if instruction.is_wait]
        most = 0
        for number, index in enumerate(waits):
            if self[index].operands.endswith("0x1"):
                # A loop: what follows its last wait is what comes before its first.
                end = waits[(number + 1) % len(waits)]
                between = self[index:end] if end > index else self[index:] + self[:end]
                most = max(most, Code(between).count("MUFU"))
        return most


@dataclass(frozen=True)
class Kernel:
    """A function of a listing."""

    name: str
    variant: Variant
    registers: int  # of a thread at launch
    code: Code

    def loops(self) -> list[Code]:
        """The innermost loops with products. A span with an EXIT is none: a rare case goes back from behind it."""
        place = {instruction.address: index for index, instruction in enumerate(self.code)}
        spans = [
            Code(self.code[place[instruction.target] : index + 1])
            for index, instruction in enumerate(self.code)
            if instruction.target is not None and instruction.target <= instruction.address
        ]
        spans = [span for span in spans if span.count("HGMMA") and not span.count("EXIT")]
        return [span for span in spans if not any(other != span and set(other) <= set(span) for other in spans)]

    def register_shares(self) -> list[int]:
        """Of a producer and of a consumer, as USETMAXREG asks for them; less than two where it is missing."""
        found = {}
        for instruction in self.code:
            if instruction.name == "USETMAXREG":
                found[instruction.opcode.split(".")[1]] = int(ADDRESS.findall(instruction.operands)[-1], 16)
        return [found[kind] for kind in ("DEALLOC", "TRY_ALLOC") if kind in found]


def kernels_of(listing: str) -> Iterator[Kernel]:
    """The functions that multiply, of what `cuobjdump --dump-resource-usage --dump-sass` prints."""
    registers = {name: int(count) for name, count in REGISTERS.findall(listing)}
    starts = list(FUNCTION.finditer(listing))
    for index, start in enumerate(starts):
        end = starts[index + 1].start() if index + 1 < len(starts) else len(listing)
        if named := KERNEL.search(start[1]):
            lines = INSTRUCTION.findall(listing, start.end(), end)
            yield Kernel(
                name=start[1],
                variant=Variant(named[1], int(named[2]), named[3] == "1", named[4] == "1"),
                registers=registers.get(start[1], 0),
                code=Code(Instruction(int(at, 16), predicate, *rest) for at, predicate, *rest in lines),
            )


def faults_of(kernel: Kernel, expected: Expected) -> Iterator[str]:
    """What is amiss with a kernel."""
    products = kernel.code.count("HGMMA")
    if products == 0:
        yield "no HGMMA: the products do not run on the warpgroup's tensor cores"
    elif products < PRODUCTS_A_WAIT * kernel.code.waits():
        yield f"{kernel.code.waits()} waits for {products} products: the compiler serialised them"
    yield from register_faults_of(kernel, expected.consumers)
    loops = sorted(kernel.loops(), key=len, reverse=True)
    if len(loops) != len(expected.instructions):
        yield f"{len(loops)} loops with products, not {len(expected.instructions)}"
    for loop, most in zip(loops, expected.instructions, strict=False):
        if spills := loop.count("LDL", "STL"):
            yield f"{spills} instructions on local memory in a loop: registers are spilled"
        if len(loop) > most:
            yield f"{len(loop)} instructions in a loop, more than {most}"
        if (moves := loop.count("R2UR")) > expected.moves:
            yield f"{moves} R2UR in a loop, more than {expected.moves}"
        if (beside := loop.exponentials_beside_a_product()) < expected.exponentials:
            yield f"{beside} exponentials beside a product, less than {expected.exponentials}"


def register_faults_of(kernel: Kernel, consumers: int) -> Iterator[str]:
    """As the assertion in kernels/attention/cuda/hopper/shapes.hpp, of what was built."""
    shares = kernel.register_shares()
    if len(shares) < 2:
        yield "no USETMAXREG: the consumers do not get the producer's registers"
        return
    producer, consumer = shares
    owned = (1 + consumers) * kernel.registers
    wanted = producer + consumers * consumer
    if wanted > owned:
        yield (
            f"{producer} + {consumers} * {consumer} = {wanted} registers are asked for and the block starts with "
            f"{1 + consumers} * {kernel.registers} = {owned}: it hangs"
        )


def lines_of(kernel: Kernel) -> Iterator[str]:
    """What is printed of a kernel."""
    shares = "/".join(map(str, reversed(kernel.register_shares())))
    yield (
        f"{kernel.name}: {len(kernel.code)} instructions, {kernel.code.count('HGMMA')} HGMMA, "
        f"{kernel.code.waits()} waits, {kernel.code.count('LDL', 'STL')} on local memory, "
        f"registers {kernel.registers} to {shares}"
    )
    for loop in kernel.loops():
        yield (
            f"  loop: {len(loop)} instructions, {loop.shortest_pass()} on the shortest way, "
            f"{loop.count('HGMMA')} HGMMA, {loop.count('MUFU')} MUFU "
            f"({loop.exponentials_beside_a_product()} beside a product), "
            f"{loop.count('R2UR')} R2UR, {loop.count('LDL', 'STL')} on local memory"
        )


def check(listing: str) -> tuple[list[str], list[str]]:
    """What to print, and what is amiss."""
    report: list[str] = []
    faults: list[str] = []
    found: set[Variant] = set()
    for kernel in kernels_of(listing):
        report += lines_of(kernel)
        found.add(kernel.variant)
        expected = EXPECTED.get(kernel.variant)
        of_kernel = faults_of(kernel, expected) if expected else ["not in the table of what is expected"]
        faults += [f"{kernel.name}: {fault}" for fault in of_kernel]
    faults += [f"missing: {variant}" for variant in EXPECTED if variant not in found]
    return report, faults


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    tool = shutil.which(arguments[0])
    if tool is None:
        print(f"FAULT no {arguments[0]} here: run scripts/setup.sh --dev, which brings it, and configure again")
        return 1
    listing = "".join(
        subprocess.run(
            [tool, "--dump-resource-usage", "--dump-sass", path], capture_output=True, check=True, text=True
        ).stdout
        for path in arguments[1:]
    )
    report, faults = check(listing)
    print("\n".join(report + [f"FAULT {fault}" for fault in faults]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
