"""What packages and CI say of this project is what it says itself. usage: packaging_test.py ROOT"""

from __future__ import annotations

import re
import subprocess
import sys
import types
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(sys.argv.pop(1)).resolve()
PACKAGING = ROOT / "scripts" / "packaging"
EASYCONFIGS = PACKAGING / "easybuild"
#: Options for developers: a package never sets them.
NOT_FOR_PACKAGES = {"RINGWORLD_EMULATE_CUDA", "RINGWORLD_WARNINGS_AS_ERRORS"}


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def options() -> set[str]:
    """Return the options of the build."""
    sources = text_of("CMakeLists.txt") + text_of("scripts/cmake/RingworldDependencies.cmake")
    return set(re.findall(r"^option\((RINGWORLD_\w+)", sources, re.MULTILINE))


def project_version() -> str:
    found = re.search(r"project\(ringworld VERSION (\S+)", text_of("CMakeLists.txt"))
    assert found
    return found[1]


def easyconfig(path: Path) -> dict[str, Any]:
    """Return what a file of EasyBuild sets."""
    values: dict[str, Any] = {
        "SOURCELOWER_TAR_GZ": "ringworld.tar.gz", "GITHUB_SOURCE": "", "SHLIB_EXT": "so",
        "SYSTEM": {"name": "system", "version": "system"},
    }  # fmt: skip
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), values)
    return values


class Recipe:
    """Stands for Spack while its recipe is read: notes what the recipe declares."""

    def __init__(self) -> None:
        self.variants: set[str] = set()
        self.dependencies: list[str] = []
        self.flags: dict[str, Any] = {}
        module = types.ModuleType("spack.package")
        decorate = lambda *_, **__: lambda function: function  # noqa: E731
        nothing = lambda *_, **__: None  # noqa: E731
        known: dict[str, Any] = {
            "CMakePackage": object, "run_after": decorate, "on_package_attributes": decorate, "license": nothing,
            "version": nothing, "conflicts": nothing, "generator": nothing, "Executable": nothing,
            "variant": lambda name, **_: self.variants.add(name),
            "depends_on": lambda spec, **_: self.dependencies.append(spec),
        }  # fmt: skip
        module.__dict__.update(known, __all__=list(known))
        path = PACKAGING / "spack/packages/ringworld/package.py"
        with mock.patch.dict(sys.modules, {"spack": types.ModuleType("spack"), "spack.package": module}):
            names: dict[str, Any] = {"__file__": str(path)}
            exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
        package = names["Ringworld"]()
        self.git: str = package.git
        package.define_from_variant = self.flags.__setitem__
        package.define = self.flags.__setitem__
        package.spec = mock.MagicMock()
        package.cmake_args()


class Packages(unittest.TestCase):
    def test_spack_says_every_option_by_a_variant_that_it_has(self) -> None:
        recipe = Recipe()
        arch = recipe.flags.pop("RINGWORLD_CUDA_ARCHITECTURES")
        self.assertTrue(arch)
        self.assertIs(recipe.flags.pop("RINGWORLD_UNITY_BUILD"), True)
        self.assertEqual({*recipe.flags, "RINGWORLD_UNITY_BUILD"}, options() - NOT_FOR_PACKAGES)
        self.assertLessEqual(set(recipe.flags.values()), recipe.variants)
        wanted = {"cuda", "nccl", "kokkos", "openmp", "sentencepiece", "simgrid", "tests"}
        self.assertLessEqual(wanted, recipe.variants)

    def test_spack_depends_on_what_setup_names(self) -> None:
        names = {re.split(r"[@+~ ]", spec)[0] for spec in Recipe().dependencies}
        lines = re.search(r"library_dependencies=\((.*?)\n\)", text_of("scripts/lib/dependencies.sh"), re.DOTALL)
        assert lines
        for spec in re.findall(r'\|([^|"]+)"', lines[1]):
            name = re.split(r"[@+~ ]", spec)[0]
            self.assertIn({"openmpi": "mpi", "libjpeg-turbo": "jpeg"}.get(name, name), names)

    def test_spack_asks_nccl_for_the_gpus_of_the_kernels(self) -> None:
        given = {spec.partition("cuda_arch=")[2] for spec in Recipe().dependencies if spec.startswith("nccl ")}
        self.assertIn("90a", given)

    def test_spack_builds_the_checkout_that_holds_the_recipe(self) -> None:
        self.assertEqual(Recipe().git, ROOT.as_uri())

    def test_easybuild_files_are_named_as_they_say_and_set_options_that_there_are(self) -> None:
        for path in EASYCONFIGS.glob("*.eb"):
            values = easyconfig(path)
            chain = values["toolchain"]
            self.assertEqual(path.stem, f"{values['name']}-{values['version']}-{chain['name']}-{chain['version']}")
            if values["name"] != "Ringworld":  # which has no release to take a checksum of
                self.assertRegex(values["checksums"][0], "^[0-9a-f]{64}$")
        (path,) = EASYCONFIGS.glob("Ringworld-*.eb")
        self.assertIn(path.name, text_of("scripts/packaging/README.md"))
        values = easyconfig(path)
        self.assertEqual(values["version"], project_version())
        given = dict(re.findall(r"-D(RINGWORLD_\w+)=(ON|OFF)", values["configopts"]))
        self.assertLessEqual(set(given), options())

    def test_easybuild_finds_what_its_file_depends_on(self) -> None:
        python = ROOT / ".venv/bin/python"
        look = "import easybuild.framework, easybuild.easyblocks"
        if not python.exists() or subprocess.run([python, "-c", look], capture_output=True, check=False).returncode != 0:
            self.skipTest("EasyBuild is not installed (scripts/setup.sh --dev)")
        (path,) = EASYCONFIGS.glob("Ringworld-*.eb")
        found = subprocess.run([python, "-B", ROOT / "tests/scripts/resolve_easyconfigs.py", path],
                               capture_output=True, text=True, check=False)  # fmt: skip
        self.assertEqual(found.returncode, 0, found.stderr[-1000:])
        modules = found.stdout.split()
        self.assertEqual(modules[-1].replace("/", "-"), path.stem)
        names = {module.split("/")[0] for module in modules}
        self.assertLessEqual({name for name, *_ in easyconfig(path)["dependencies"]}, names)

    def test_containers_call_the_one_script(self) -> None:
        for name in ("Containerfile", "ringworld.def"):
            self.assertIn("scripts/packaging/containers/install.sh /usr/src/ringworld",
                          (PACKAGING / "containers" / name).read_text())  # fmt: skip
        subprocess.run(["bash", "-n", str(PACKAGING / "containers/install.sh")], check=True)

    def test_citation_has_the_version_of_the_build(self) -> None:
        self.assertIn(f"\nversion: {project_version()}\n", text_of("CITATION.cff"))


class ContinuousIntegration(unittest.TestCase):
    def test_files_call_stages_that_there_are(self) -> None:
        known = set(re.findall(r"^stage_(\w+)\(\)", text_of("scripts/test.sh"), re.MULTILINE))
        called = [set(re.findall(r"--stage (\w+)", text_of(name))) for name in (".github/workflows/ci.yml",
                                                                              ".gitlab-ci.yml")]  # fmt: skip
        self.assertLessEqual(called[0], known)
        self.assertEqual(called[0], called[1])
        # What needs an hour or a compiler that CI machines lack stays out.
        self.assertEqual(known - called[0], {"soak", "cuda"})


if __name__ == "__main__":
    unittest.main()
