"""Feeds each check of lint_tree.py good and bad trees: a check that never fails would pass everything."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import lint_tree

GOOD = {
    "src/core/error.hpp": "#pragma once\n",
    "src/comm/ring.hpp": '#pragma once\n#include "core/error.hpp"\n',
    "src/comm/mpi/ring.cpp": '#include "comm/ring.hpp"\n#include <mpi.h>\n',
    "src/device/device.hpp": "#pragma once\n",
    "src/perf/clock.hpp": "#pragma once\n",
    "kernels/attention/attention.hpp": '#pragma once\n#include "core/error.hpp"\n',
    "kernels/attention/kokkos/attention.cpp": '#include <Kokkos_Core.hpp>\n#include "kernels/attention/attention.hpp"\n',
    "kernels/attention/cuda/attention.cu": "#include <cuda_runtime.h>\n",
    "kernels/matmul/cuda/matmul.cpp": "#include <cublas_v2.h>\n",
    "src/comm/nccl/shift.cpp": "#include <cuda_runtime_api.h>\n#include <nccl.h>\n",
    "src/device/cuda/ptx/mma.cuh": '#pragma once\nasm volatile("mma.sync");\n',
    "tests/support/cuda_emulator/runtime.cpp": "#include <cuda_runtime_api.h>\n#include <cublas_v2.h>\n",
    "kernels/elementwise/rows_view.hpp": '#pragma once\n#include "core/error.hpp"\n',
    "kernels/norm/norm.hpp": '#pragma once\n#include "kernels/elementwise/rows_view.hpp"\n',
    "kernels/bench/attention.cpp": '#include "kernels/attention/attention.hpp"\n#include "perf/clock.hpp"\n',
    "src/sequence/sequence_attention.hpp": '#pragma once\n#include "comm/ring.hpp"\n#include "device/device.hpp"\n',
    "src/io/table.hpp": '#pragma once\n#include "comm/ring.hpp"\n',
    "src/io/handle.cpp": "#include <hdf5.h>\n",
    "src/core/hwloc/pages.cpp": "#include <hwloc.h>\n",
    "experiments/attention/rows.hpp": "#pragma once\n",
    "experiments/attention/attention.cpp": '#include "rows.hpp"\n#include "io/table.hpp"\n'
    '#include "sequence/sequence_attention.hpp"\n',
    "tests/support/ranks.hpp": "#pragma once\n",
    "tests/sequence/forward.cpp": '#include "support/ranks.hpp"\n#include "experiments/attention/rows.hpp"\n',
    "docs/network.md": "the net/wo" "rk is at hop/wo" "rk or wo" "rk/main\n",
}


class Tree(unittest.TestCase):
    def findings_of(self, check: str, changed: dict[str, str]) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {**GOOD, **changed}.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return list(lint_tree.CHECKS[check](Path(folder)))

    def assert_found(self, check: str, name: str, text: str, said: str) -> None:
        findings = self.findings_of(check, {name: text})
        self.assertEqual(len(findings), 1, findings)
        self.assertIn(name, findings[0])
        self.assertIn(said, findings[0])

    def test_a_good_tree_passes_every_check(self) -> None:
        for check in lint_tree.CHECKS:
            self.assertEqual(self.findings_of(check, {}), [], check)


class BackendNames(Tree):
    def test_a_backend_is_named_in_its_own_folders_and_in_the_lists_alone(self) -> None:
        said = "names a backend"
        for name in ("src/model/model.cpp", "kernels/norm/norm.cpp", "kernels/bench/norm.cpp", "experiments/info.cpp"):
            self.assert_found("backend_names", name, "if (backend == Backend::cuda) {\n", said)
        self.assert_found("backend_names", "src/device/gpu.hpp", "#pragma once\n// as on CUDA\n", said)
        self.assert_found("backend_names", "kernels/norm/cuda_sums.cpp", "int sums;\n", said)

    def test_homes_lists_tests_and_documents_may_name_it(self) -> None:
        for name in ("kernels/norm/cuda/norm.cu", "kernels/backends/backends.cpp", "src/device/backend.hpp",
                     "src/device/device_kind.hpp", "tests/device/gpu.cpp", "kernels/norm/README.md"):  # fmt: skip
            self.assertEqual(self.findings_of("backend_names", {name: "cuda\n"}), [], name)


class IncludeArrows(Tree):
    def test_a_module_may_not_include_a_later_one(self) -> None:
        include = '#include "comm/ring.hpp"\n'
        self.assert_found("include_arrows", "src/core/log.cpp", include, "core may not include comm")
        self.assert_found("include_arrows", "src/device/x.cpp", include, "device may not include comm")

    def test_device_and_perf_do_not_know_each_other(self) -> None:
        self.assert_found("include_arrows", "src/device/x.cpp", '#include "perf/clock.hpp"\n', "device may not include perf")

    def test_a_kernel_may_include_neither_another_family_nor_the_ring_nor_comm(self) -> None:
        for include, said in {
            "kernels/norm/norm.hpp": "kernels/norm",
            "sequence/sequence_attention.hpp": "sequence",
            "comm/ring.hpp": "comm",
            "io/table.hpp": "io",
        }.items():
            said = f"kernels/attention may not include {said}"
            self.assert_found("include_arrows", "kernels/attention/x.cpp", f'#include "{include}"\n', said)

    def test_what_the_families_share_knows_none_of_them(self) -> None:
        include = '#include "kernels/norm/norm.hpp"\n'
        said = "kernels/elementwise may not include kernels/norm"
        self.assert_found("include_arrows", "kernels/elementwise/x.cpp", include, said)

    def test_the_ring_may_not_include_io(self) -> None:
        self.assert_found("include_arrows", "src/sequence/x.cpp", '#include "io/table.hpp"\n', "sequence may not include io")

    def test_nothing_includes_experiments_but_experiments_and_tests(self) -> None:
        include = '#include "experiments/attention/rows.hpp"\n'
        self.assert_found("include_arrows", "src/sequence/x.cpp", include, "sequence may not include experiments")
        self.assert_found("include_arrows", "kernels/bench/x.cpp", include, "kernels/bench may not include experiments")

    def test_experiments_may_not_include_tests(self) -> None:
        include = '#include "tests/support/ranks.hpp"\n'
        self.assert_found("include_arrows", "experiments/info/x.cpp", include, "experiments/info may not include tests")

    def test_what_an_included_module_may_include_is_not_permitted_by_that(self) -> None:
        include = '#include "device/device.hpp"\n'  # comm may, and probe may include comm
        self.assert_found("include_arrows", "src/probe/x.cpp", include, "probe may not include device")

    def test_no_verb_includes_another_nor_does_what_they_share(self) -> None:
        include = '#include "experiments/attention/rows.hpp"\n'
        for folder in ("check", "common"):
            said = f"experiments/{folder} may not include experiments/attention"
            self.assert_found("include_arrows", f"experiments/{folder}/x.cpp", include, said)
        self.assertEqual(self.findings_of("include_arrows", {"experiments/record_tables.hpp": "#pragma once\n" + include}), [])

    def test_an_unknown_module_is_named(self) -> None:
        self.assert_found("include_arrows", "src/stuff/x.cpp", "\n", "'stuff' is not in the table")

    def test_a_quoted_include_must_name_a_file(self) -> None:
        self.assert_found("include_arrows", "src/core/x.cpp", '#include "fmt/format.h"\n', "names no file")

    def test_a_way_round_by_a_relative_path_is_seen(self) -> None:
        self.assert_found("include_arrows", "src/core/x.cpp", '#include "../comm/ring.hpp"\n', "core may not include comm")


class ThirdPartyHeaders(Tree):
    def test_each_header_stays_with_its_owner(self) -> None:
        for name, header in [
            ("src/comm/x.hpp", "mpi.h"),
            ("src/sequence/x.cpp", "mpi.h"),
            ("tests/sequence/x.cpp", "mpi.h"),
            ("src/core/x.cpp", "hdf5.h"),
            ("src/comm/x.cpp", "H5Fpublic.h"),
            ("kernels/attention/x.hpp", "Kokkos_Core.hpp"),
            ("src/sequence/x.cpp", "Kokkos_Core.hpp"),
            ("src/device/x.hpp", "cuda_runtime.h"),
            ("kernels/attention/host/x.cpp", "cublas_v2.h"),
            ("kernels/attention/cuda/x.cu", "nccl.h"),
            ("src/comm/x.cpp", "nccl.h"),
            ("src/sequence/x.cu", "cuda_bf16.h"),
            ("src/comm/nccl/x.cpp", "cublas_v2.h"),
            ("kernels/attention/x.cuh", "cuda_runtime.h"),
            ("src/core/x.cpp", "hwloc.h"),
            ("kernels/matmul/x.hpp", "cblas.h"),
        ]:
            self.assert_found("third_party_headers", name, f"#pragma once\n#include <{header}>\n", f"<{header}>")

    def test_quotes_do_not_hide_it(self) -> None:
        self.assert_found("third_party_headers", "src/sequence/x.cpp", '#include "mpi.h"\n', "<mpi.h>")


class InlineAssembly(Tree):
    def test_it_stays_in_the_folder_of_ptx(self) -> None:
        for name in ("kernels/norm/cuda/norm.cu", "src/device/cuda/launch.cuh", "src/core/x.cpp"):
            for text in ('asm("nop");', 'asm volatile("nop" ::: "memory");', '__asm__ __volatile__ ("nop");'):
                self.assert_found("inline_assembly", name, f"#pragma once\n{text}\n", "inline assembly belongs to")

    def test_words_that_hold_it_are_no_assembly(self) -> None:
        self.assertEqual(self.findings_of("inline_assembly", {"src/core/x.cpp": "void fasm(int);\n"}), [])


class PragmaOnce(Tree):
    def test_a_header_without_it_is_found(self) -> None:
        self.assert_found("pragma_once", "src/core/x.hpp", "#include <string>\n", "#pragma once")
        self.assert_found("pragma_once", "src/core/x.hpp", "// first\n#pragma once\n", "#pragma once")


class Names(Tree):
    def test_names_that_say_nothing_are_found(self) -> None:
        for name in ("src/core/utils.hpp", "src/misc/x.hpp", "tests/helpers/x.cpp", "src/core/Helper.cpp"):
            self.assert_found("names", name, "#pragma once\n", "says nothing")

    def test_paths_of_one_machine_are_found(self) -> None:
        self.assert_found("names", "README.md", "see /wo" "rk/main/x\n", "a path of one machine")
        self.assert_found("names", "README.md", "cd /wo" "rk\n", "a path of one machine")

    def test_open_ends_are_found(self) -> None:
        self.assert_found("names", "src/core/x.cpp", "\n// TO" "DO later\n", ":2: ")
        self.assert_found("names", "src/core/x.cpp", "// FIX" "ME\n", "an open end")


if __name__ == "__main__":
    unittest.main()
