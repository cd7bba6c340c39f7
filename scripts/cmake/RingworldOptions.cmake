# Language level, warnings and sanitizers of every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

# The libraries can be put into shared ones. That nobody puts another function in the place of ours there is what the
# compiler needs to know to inline as it does in a program.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fno-semantic-interposition>)
endif()

# Paths below the tree are hashed relative to it, so that checkouts of the same text share what they compiled.
find_program(RINGWORLD_CCACHE ccache)
set(RINGWORLD_COMPILER_LAUNCHER "")
if(RINGWORLD_CCACHE)
  set(RINGWORLD_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
    ${RINGWORLD_CCACHE})
  if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${RINGWORLD_COMPILER_LAUNCHER})
  endif()
endif()

add_library(ringworld_warnings INTERFACE)
# nvcc passes each of its two halves what it can read; NVIDIA's headers are full of old-style casts.
# Sources that are compiled as one file see each other's functions and unnamed namespaces, which is no fault of theirs:
# GCC's warnings of it are left to the builds that compile each alone.
set(RINGWORLD_OF_ONE_FILE "$<AND:$<BOOL:$<TARGET_PROPERTY:UNITY_BUILD>>,$<CXX_COMPILER_ID:GNU>>")
target_compile_options(ringworld_warnings INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wnon-virtual-dtor;-Wold-style-cast>"
  "$<$<COMPILE_LANGUAGE:CXX>:$<IF:${RINGWORLD_OF_ONE_FILE},-Wshadow=local;-Wno-subobject-linkage,-Wshadow>>"
  "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra;--expt-relaxed-constexpr;-lineinfo>")
if(RINGWORLD_WARNINGS_AS_ERRORS)
  target_compile_options(ringworld_warnings INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:-Werror>" "$<$<COMPILE_LANGUAGE:CUDA>:--Werror=all-warnings>")
endif()

# Of what ships. The presets of the sanitizers have the flags of release, and here what they change of them.
add_library(ringworld_options INTERFACE)
target_link_libraries(ringworld_options INTERFACE ringworld_warnings)
set(RINGWORLD_SANITIZER_FLAGS "")
if(RINGWORLD_SANITIZE)
  set(RINGWORLD_SANITIZER_FLAGS -O1 -g1 -fsanitize=${RINGWORLD_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  if(RINGWORLD_SANITIZE MATCHES "address.*undefined|undefined.*address")
    # AddressSanitizer finds these as well, where the pointer is used. The checks stand at every access and take a sixth of
    # the time that ordinary code takes to compile, and almost half of that of kernels.
    list(APPEND RINGWORLD_SANITIZER_FLAGS -fno-sanitize=null,object-size,pointer-overflow)
  endif()
  target_compile_options(ringworld_options INTERFACE ${RINGWORLD_SANITIZER_FLAGS})
  target_link_options(ringworld_options INTERFACE -fsanitize=${RINGWORLD_SANITIZE})
endif()

# Of tests. They take most of the time that a build takes, so the compiler is asked for less: little optimisation. What
# looks for faults of memory and for undefined behaviour looks for them in what is tested, and the tests are the same
# objects as in release, which the compiler cache has. A race is between both sides: there tests are checked as well.
add_library(ringworld_test_options INTERFACE)
target_link_libraries(ringworld_test_options INTERFACE ringworld_warnings)
target_compile_options(ringworld_test_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-O1>)
if(RINGWORLD_SANITIZE)
  if(RINGWORLD_SANITIZE MATCHES "thread")
    target_compile_options(ringworld_test_options INTERFACE -g1 -fsanitize=thread -fno-omit-frame-pointer)
  endif()
  target_link_options(ringworld_test_options INTERFACE -fsanitize=${RINGWORLD_SANITIZE})
endif()

# Files named *_avx2.cpp, *_avx512.cpp and *_avx512bf16.cpp are the only ones compiled for more than the baseline, chosen
# at run time by core/isa.hpp. Contraction to FMA is what they are for; nothing else of fast-math is on.
string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" processor)
if(processor MATCHES "x86_64|amd64")
  set(RINGWORLD_TARGET_IS_X86 ON)
else()
  set(RINGWORLD_TARGET_IS_X86 OFF)
endif()

# Sets the per-file flags of this directory's ISA-specific sources.
function(ringworld_isa_flags)
  set(optimized -O3)
  if(RINGWORLD_SANITIZE)  # these files take long to compile with the checks in
    set(optimized -O1)
  endif()
  set(avx512 "${optimized};-ffp-contract=fast;-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mfma;-mprefer-vector-width=512")
  get_property(targets DIRECTORY PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target ${targets})
    get_target_property(sources ${target} SOURCES)
    foreach(source ${sources})
      if(source MATCHES "_portable\\.cpp$")
        set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${optimized};-ffp-contract=fast")
      elseif(source MATCHES "_avx2\\.cpp$")
        set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${optimized};-ffp-contract=fast;-mavx2;-mfma")
      elseif(source MATCHES "_avx512\\.cpp$")
        set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${avx512}")
      elseif(source MATCHES "_avx512bf16\\.cpp$")
        set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${avx512};-mavx512bf16")
      endif()
    endforeach()
  endforeach()
endfunction()
