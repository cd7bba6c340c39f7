"""Recipe of Spack: `spack repo add scripts/packaging/spack && spack install ringworld`."""

from pathlib import Path

from spack.package import *


class Ringworld(CMakePackage):
    """Ring attention and Large World Model training, simulated and measured on MPI."""

    # The recipe is part of what it builds: the checkout that holds it is the source.
    git = Path(__file__).resolve().parents[5].as_uri()

    license("Apache-2.0")

    version("main", branch="main")

    variant("kokkos", default=True, description="Portable kernels by Kokkos")
    variant("openmp", default=True, description="Several threads a rank")
    variant("cuda", default=False, description="Kernels for NVIDIA GPUs")
    gpus = ("80", "86", "89", "90", "90a", "100")
    variant(
        "cuda_arch", default="80,90a,100", multi=True, values=gpus,
        description="GPUs that kernels are compiled for", when="+cuda",
    )
    variant("nccl", default=False, description="Device memory travels by NCCL", when="+cuda")
    variant("sentencepiece", default=True, description="Tokenizers of SentencePiece")
    variant("icu", default=True, description="Tokenizers of Hugging Face models")
    variant("hwloc", default=True, description="Know sockets, NUMA nodes and bound CPUs")
    variant("video", default=True, description="Read and write video by FFmpeg")
    variant("caliper", default=False, description="Show the regions of a run to Caliper")
    variant("simgrid", default=False, description="For ranks that SimGrid simulates, in the place of MPI's")
    variant("bench", default=False, description="Build the benchmarks of the kernels, which are not installed")
    variant("tests", default=False, description="Build the tests")

    conflicts("+cuda", when="+simgrid", msg="simulated ranks compute nothing")
    conflicts("+kokkos", when="+simgrid", msg="simulated ranks compute nothing")
    conflicts("+openmp", when="+simgrid", msg="SimGrid runs ranks one after another")
    conflicts("%gcc@:11", msg="C++20 of GCC 12 is needed")

    depends_on("c", type="build")
    depends_on("cxx", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("ninja", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("help2man", type="build")
    depends_on("mpi", when="~simgrid")
    depends_on("hdf5@1.10: +mpi", when="~simgrid")
    depends_on("hdf5@1.10: ~mpi", when="+simgrid")
    depends_on("simgrid@3.32: +smpi", when="+simgrid")
    depends_on("boost", when="+simgrid")
    depends_on("openblas")
    depends_on("onednn@2.6: cpu_runtime=omp")
    depends_on("fmt@9:")
    depends_on("cli11")
    depends_on("tomlplusplus")
    depends_on("nlohmann-json")
    depends_on("zlib-api")
    depends_on("random123")
    depends_on("libpng")
    depends_on("jpeg")
    depends_on("giflib@5:")
    depends_on("kokkos@3.4:", when="+kokkos")
    depends_on("kokkos +openmp", when="+kokkos +openmp")
    depends_on("cuda@12:", when="+cuda")
    for gpu in gpus:  # NCCL's recipe wants to know them as well
        depends_on(f"nccl cuda_arch={gpu}", when=f"+nccl cuda_arch={gpu}")
    depends_on("sentencepiece", when="+sentencepiece")
    depends_on("icu4c", when="+icu")
    depends_on("hwloc@2:", when="+hwloc")
    depends_on("ffmpeg@4.4:", when="+video")
    depends_on("caliper@2.5:", when="+caliper")
    depends_on("googletest +gmock", when="+tests")
    depends_on("benchmark", when="+bench")

    generator("ninja")

    def cmake_args(self):
        """Every option is said: nothing depends on what happens to be on the machine."""
        options = {
            "RINGWORLD_ENABLE_KOKKOS": "kokkos",
            "RINGWORLD_ENABLE_OPENMP": "openmp",
            "RINGWORLD_ENABLE_CUDA": "cuda",
            "RINGWORLD_ENABLE_NCCL": "nccl",
            "RINGWORLD_ENABLE_SENTENCEPIECE": "sentencepiece",
            "RINGWORLD_ENABLE_ICU": "icu",
            "RINGWORLD_ENABLE_HWLOC": "hwloc",
            "RINGWORLD_ENABLE_FFMPEG": "video",
            "RINGWORLD_ENABLE_CALIPER": "caliper",
            "RINGWORLD_ENABLE_SIMGRID": "simgrid",
            "RINGWORLD_BUILD_BENCH": "bench",
            "RINGWORLD_BUILD_TESTS": "tests",
        }
        arguments = [self.define_from_variant(option, variant) for option, variant in options.items()]
        arguments.append(self.define("RINGWORLD_UNITY_BUILD", True))  # a package is built from nothing
        if self.spec.satisfies("+cuda"):
            arguments.append(self.define("RINGWORLD_CUDA_ARCHITECTURES", self.spec.variants["cuda_arch"].value))
        return arguments

    @run_after("install")
    @on_package_attributes(run_tests=True)
    def check_installed(self):
        """The program starts and knows itself."""
        if self.spec.satisfies("~simgrid"):
            Executable(self.prefix.bin.ringworld)("--version")
