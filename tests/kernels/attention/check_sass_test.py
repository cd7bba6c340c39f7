#!/usr/bin/env python3
"""Tests of check_sass.py: listings with one fault each, and one without."""

from __future__ import annotations

import unittest

import check_sass

NAMES = [
    f"_ZN9ringworld4cuda6hopper{length}{name}_kernelILi{size}ELb{documents}EEEvT_"
    for length, name in ((14, "forward"), (15, "backward"))
    for size in (64, 128)
    for documents in (0, 1)
]

GOOD = [
    "USETMAXREG.TRY_ALLOC.CTAPOOL UP0, 0xf0",
    "HGMMA.64x128x16.F32.BF16 R24, gdesc[UR8], RZ, !UPT",
    "HGMMA.64x128x16.F32.BF16 R24, gdesc[UR8], R24",
    "HGMMA.64x128x16.F32.BF16 R24, gdesc[UR8], R24, gsb0",
    "WARPGROUP.DEPBAR.LE gsb0, 0x0",
    "@!P0 BRA 0x870",
    "USETMAXREG.DEALLOC.CTAPOOL 0x20",
]


def listing_of(bodies: dict[str, list[str]]) -> str:
    lines = ["\tcode for sm_90a"]
    for name, body in bodies.items():
        lines.append(f"\t\tFunction : {name}")
        for index, text in enumerate(body):
            lines.append(f"        /*{16 * index:04x}*/                   {text} ;   /* 0x000000000000794d */")
            lines.append("                                                      /* 0x000fea0003800000 */")
    return "\n".join(lines)


def faults_with(body: list[str]) -> list[str]:
    bodies = {name: GOOD for name in NAMES}
    bodies[NAMES[5]] = body
    return check_sass.check(listing_of(bodies))[1]


class CheckSass(unittest.TestCase):
    def test_good_code_passes(self) -> None:
        report, faults = check_sass.check(listing_of({name: GOOD for name in NAMES} | {"summarize": ["LDL R1, [R2]"]}))
        self.assertEqual(faults, [])
        self.assertEqual(len(report), 8)
        self.assertIn("7 instructions, 3 HGMMA, 1 waits, 0 on local memory", report[0])

    def test_spills_are_found(self) -> None:
        for spill in ("STL.64 [R1], R2", "@P0 LDL.LU R2, [R1+0x8]"):
            self.assertRegex(faults_with([*GOOD, spill])[0], "backward_kernelILi64ELb1.*local memory")

    def test_other_matrix_instructions_do_not_count(self) -> None:
        body = [text.replace("HGMMA.64x128x16", "HMMA.16816") for text in GOOD]
        self.assertRegex(faults_with(body)[0], "no HGMMA")

    def test_serialised_products_are_found(self) -> None:
        body = [line for text in GOOD for line in ([text, GOOD[4]] if text.startswith("HGMMA") else [text])]
        self.assertRegex(faults_with(body)[0], "4 waits for 3 products")

    def test_ignored_register_shares_are_found(self) -> None:
        self.assertRegex(faults_with(GOOD[1:])[0], "no USETMAXREG")

    def test_missing_kernels_are_found(self) -> None:
        self.assertRegex(check_sass.check(listing_of({NAMES[0]: GOOD}))[1][0], "1 kernels found, expected 8")


if __name__ == "__main__":
    unittest.main()
