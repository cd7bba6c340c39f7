#!/usr/bin/env python3
"""Tests of check_sass.py: listings with one fault each, and some without."""

from __future__ import annotations

import contextlib
import io
import unittest

import check_sass

NAMES = [
    f"_ZN9ringworld4cuda6hopper{kernel}_kernelILi{size}ELb{documents}ELb{overlaps}EEEvT_"
    for kernel in ("14forward", "25persistent_forward")
    for size in (64, 128)
    for documents in (0, 1)
    for overlaps in (0, 1)
] + [
    f"_ZN9ringworld4cuda6hopper15backward_kernelILi{size}ELb{documents}EEEvT_"
    for size in (64, 128)
    for documents in (0, 1)
]  # fmt: skip
FORWARD, OVERLAPPING, PERSISTENT, BACKWARD = NAMES[4], NAMES[5], NAMES[13], NAMES[18]

REGISTERS = {3: (128, 0xA0), 2: (168, 0xF0)}  # at launch and of a consumer, by the number of consumers
PRODUCT = "HGMMA.64x128x16.F32.BF16 R24, gdesc[UR8], R24"
EXPONENTIALS = ["MUFU.EX2 R9, R9"] * 66
WAIT_FOR_S = "WARPGROUP.DEPBAR.LE gsb0, 0x1"
WAIT_FOR_O = "WARPGROUP.DEPBAR.LE gsb0, 0x0"
# A step: two products of four instructions each, and what is done beside the second.
STEP = [*[PRODUCT] * 8, WAIT_FOR_S, *EXPONENTIALS, WAIT_FOR_O]


def body_of(step: list[str], consumers: int = 2, producer: int = 24, cut: list[str] | None = None) -> list[str]:
    """A kernel whose consumers repeat a step, after another one if there is one, and whose producer has nothing to do."""
    return [
        "BRA <producer>",
        f"USETMAXREG.TRY_ALLOC.CTAPOOL UP0, {REGISTERS[consumers][1]:#x}",
        *(["<cut>:", *cut, "@!P0 BRA <cut>"] if cut else []),
        "<step>:",
        *step,
        "@!P0 BRA <step>",
        "EXIT",
        "<producer>:",
        f"USETMAXREG.DEALLOC.CTAPOOL {producer:#x}",
        "EXIT",
        "LDL R4, [R1]",  # a rare case, which lies behind the function and goes back into the loop
        "BRA <step>",
    ]


def consumers_of(name: str) -> int:
    return 3 if "forward" in name and "Li64E" in name else 2


def kernel_of(name: str, step: list[str], cut: list[str] | None = None) -> list[str]:
    """A kernel as its name asks for: the forward pass has two loops, of which the first is longer."""
    return body_of(step, consumers_of(name), cut=(cut or [*step, "FMUL R1, R2, R3"]) if "forward" in name else None)


GOOD = {name: kernel_of(name, STEP) for name in NAMES}


def listing_of(bodies: dict[str, list[str]], registers: dict[str, int] | None = None) -> str:
    """As cuobjdump prints it."""
    lines = ["Resource usage:", " Common:", "  GLOBAL:0"]
    for name in bodies:
        count = (registers or {}).get(name, REGISTERS[consumers_of(name)][0])
        lines += [f" Function {name}:", f"  REG:{count} STACK:0 SHARED:1024 LOCAL:0 CONSTANT[0]:1792"]
    lines.append("\tcode for sm_90a")
    for name, body in bodies.items():
        lines.append(f"\t\tFunction : {name}")
        labels: dict[str, int] = {}
        instructions: list[str] = []
        for text in body:
            if text.endswith(">:"):
                labels[text[:-1]] = 16 * len(instructions)
            else:
                instructions.append(text)
        for index, line in enumerate(instructions):
            text = line
            for label, address in labels.items():
                text = text.replace(label, f"{address:#x}")
            lines.append(f"        /*{16 * index:04x}*/                   {text} ;   /* 0x000000000000794d */")
            lines.append("                                                      /* 0x000fea0003800000 */")
    return "\n".join(lines)


def faults_with(name: str, body: list[str], registers: dict[str, int] | None = None) -> list[str]:
    return check_sass.check(listing_of(GOOD | {name: body}, registers))[1]


class CheckSass(unittest.TestCase):
    def assert_only_fault(self, faults: list[str], pattern: str) -> None:
        self.assertEqual(len(faults), 1, faults)
        self.assertRegex(faults[0], pattern)

    def test_good_code_passes(self) -> None:
        report, faults = check_sass.check(listing_of(GOOD | {"summarize": ["LDL R1, [R2]"]}))
        self.assertEqual(faults, [])
        self.assertEqual(len(report), 16 * 3 + 4 * 2)
        of_backward = next(at for at, line in enumerate(report) if line.startswith(BACKWARD))
        self.assertIn(
            "84 instructions, 8 HGMMA, 2 waits, 1 on local memory, registers 168 to 240/24", report[of_backward]
        )
        self.assertIn(
            "loop: 77 instructions, 77 on the shortest way, 8 HGMMA, 66 MUFU (66 beside a product), 0 R2UR",
            report[of_backward + 1],
        )
        of_forward = next(at for at, line in enumerate(report) if line.startswith(PERSISTENT))
        self.assertIn("162 instructions, 16 HGMMA, 4 waits", report[of_forward])
        self.assertEqual([line.split()[1] for line in report[of_forward + 1 : of_forward + 3]], ["78", "77"])

    def test_spills_in_a_loop_are_found(self) -> None:
        for spill in ("STL.64 [R1], R2", "@P0 LDL.LU R2, [R1+0x8]"):
            self.assert_only_fault(
                faults_with(NAMES[17], body_of([*STEP, spill])),
                "backward_kernelILi64ELb1.*1 instructions on local memory",
            )
            for cut, step in (([*STEP, spill, "NOP"], STEP), ([*STEP, "NOP", "NOP"], [*STEP, spill])):
                self.assert_only_fault(
                    faults_with(PERSISTENT, kernel_of(PERSISTENT, step, cut)),
                    "25persistent_forward_kernelILi128ELb0ELb1.*1 instructions on local memory",
                )

    def test_spills_outside_are_none_of_a_loop(self) -> None:
        self.assertEqual(faults_with(BACKWARD, ["STL [R1], R2", *GOOD[BACKWARD]]), [])

    def test_other_matrix_instructions_do_not_count(self) -> None:
        faults = faults_with(BACKWARD, [text.replace("HGMMA.64x128x16", "HMMA.16816") for text in GOOD[BACKWARD]])
        self.assertRegex(faults[0], "no HGMMA")
        self.assertRegex(faults[1], "0 loops with products, not 1")

    def test_serialised_products_are_found(self) -> None:
        step = [line for text in STEP for line in ([text, WAIT_FOR_O] if text == PRODUCT else [text])]
        self.assert_only_fault(faults_with(BACKWARD, body_of(step)), "10 waits for 8 products")

    def test_ignored_register_shares_are_found(self) -> None:
        for missing in ("DEALLOC", "TRY_ALLOC"):
            body = [text if missing not in text else "NOP" for text in GOOD[BACKWARD]]
            self.assert_only_fault(faults_with(BACKWARD, body), "no USETMAXREG")

    def test_shares_that_a_block_does_not_own_are_found(self) -> None:
        self.assert_only_fault(
            faults_with(BACKWARD, body_of(STEP, producer=32)),
            r"32 \+ 2 \* 240 = 512 registers are asked for and the block starts with 3 \* 168 = 504: it hangs",
        )
        self.assert_only_fault(faults_with(FORWARD, GOOD[FORWARD], {FORWARD: 160}), r"3 \* 160 = 480: it hangs")
        # Four warpgroups: 32 + 3 * 160 is what they start with.
        self.assertEqual(faults_with(NAMES[0], body_of(STEP, consumers=3, producer=32, cut=STEP)), [])

    def test_a_wait_above_the_exponentials_is_found(self) -> None:
        late = [*[PRODUCT] * 8, WAIT_FOR_S, *EXPONENTIALS[:7], WAIT_FOR_O, *EXPONENTIALS[7:]]
        self.assert_only_fault(faults_with(BACKWARD, body_of(late)), "7 exponentials beside a product, less than 30")
        for name in (OVERLAPPING, PERSISTENT):
            # Each of the two loops is looked at.
            for cut, step in ((late, STEP), (STEP, late)):
                both = GOOD | {name: kernel_of(name, step, [*cut, "NOP"])}
                self.assert_only_fault(
                    check_sass.check(listing_of(both))[1], f"{name}.*7 exponentials beside a product"
                )
        both[FORWARD] = kernel_of(FORWARD, late)
        self.assertEqual(len(check_sass.check(listing_of(both))[1]), 1)

    def test_masked_tiles_without_a_loop_of_their_own_are_found(self) -> None:
        self.assert_only_fault(faults_with(PERSISTENT, body_of(STEP)), "1 loops with products, not 2")

    def test_a_loop_may_begin_between_the_waits(self) -> None:
        turned = [PRODUCT, *EXPONENTIALS[:20], WAIT_FOR_O, *[PRODUCT] * 7, WAIT_FOR_S, *EXPONENTIALS[20:]]
        self.assertEqual(faults_with(BACKWARD, body_of(turned)), [])

    def test_instructions_of_a_loop_are_bounded(self) -> None:
        def step_of(count: int) -> list[str]:
            return [*STEP, *["FMUL R1, R2, R3"] * (count - len(STEP) - 1)]

        (most,) = check_sass.EXPECTED[check_sass.Variant("backward", 128, False)].instructions
        self.assertEqual(faults_with(BACKWARD, body_of(step_of(most))), [])
        self.assert_only_fault(
            faults_with(BACKWARD, body_of(step_of(most + 1))), f"{most + 1} instructions in a loop, more than {most}"
        )
        variant = check_sass.Variant("persistent_forward", 128, False, overlaps=True)
        cut, whole = check_sass.EXPECTED[variant].instructions
        self.assertEqual(faults_with(PERSISTENT, kernel_of(PERSISTENT, step_of(whole), step_of(cut))), [])
        for longer in ((whole + 1, cut), (whole, cut + 1)):
            self.assert_only_fault(
                faults_with(PERSISTENT, kernel_of(PERSISTENT, *map(step_of, longer))), "instructions in a loop"
            )

    def test_moves_to_uniform_registers_are_bounded(self) -> None:
        most = check_sass.EXPECTED[check_sass.Variant("backward", 128, False)].moves
        self.assertEqual(faults_with(BACKWARD, body_of([*STEP, *["R2UR UR4, R5"] * most])), [])
        faults = faults_with(BACKWARD, body_of([*STEP, *["@P0 R2UR UR4, R5"] * (most + 1)]))
        self.assert_only_fault(faults, f"{most + 1} R2UR in a loop, more than {most}")

    def test_the_shortest_way_leaves_out_what_is_jumped_over(self) -> None:
        # The eight products are jumped over from 0x30 by a branch that may be taken to the one after them, at 0xc0.
        body = body_of([PRODUCT, "@P1 BRA 0xc0", *[PRODUCT] * 8, WAIT_FOR_S, *EXPONENTIALS, WAIT_FOR_O])
        kernel = next(check_sass.kernels_of(listing_of({FORWARD: body})))
        self.assertEqual([len(loop) for loop in kernel.loops()], [79])
        self.assertEqual(kernel.loops()[0].shortest_pass(), 71)

    def test_missing_and_unknown_kernels_are_found(self) -> None:
        some = {name: body for name, body in GOOD.items() if name != FORWARD}
        self.assert_only_fault(check_sass.check(listing_of(some))[1], "missing: .*forward.*128.*False")
        other = GOOD | {BACKWARD.replace("Li128E", "Li256E"): GOOD[BACKWARD]}
        self.assert_only_fault(check_sass.check(listing_of(other))[1], "256.*not in the table")
        plain = {name: body for name, body in GOOD.items() if name != OVERLAPPING}
        self.assert_only_fault(check_sass.check(listing_of(plain))[1], "missing: .*overlaps=True")

    def test_without_the_tool_the_check_fails(self) -> None:
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            code = check_sass.main(["no_such_cuobjdump", "object.o"])
        self.assertEqual(code, 1)
        self.assertRegex(output.getvalue(), r"run scripts/setup\.sh --dev")


if __name__ == "__main__":
    unittest.main()
