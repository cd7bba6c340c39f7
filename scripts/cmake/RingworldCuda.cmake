# The NVIDIA device: the CUDA language, or in its place the emulator of tests/support/cuda_emulator, which lets the C++
# compiler build .cu files and the CPU run them.
#
# Links as `ringworld_cuda_runtime` in either case. RINGWORLD_CUDA_ARCHITECTURES takes CMake's CUDA_ARCHITECTURES; 90a
# brings the kernels that only Hopper can run (RINGWORLD_CUDA_HOPPER).
set(RINGWORLD_CUDA_ARCHITECTURES "80;90a;100" CACHE STRING "GPU architectures that CUDA kernels are compiled for")

if(RINGWORLD_EMULATE_CUDA)
  if(NOT RINGWORLD_ENABLE_CUDA)
    message(FATAL_ERROR "RINGWORLD_EMULATE_CUDA emulates what RINGWORLD_ENABLE_CUDA builds: set both")
  endif()
  add_subdirectory(${PROJECT_SOURCE_DIR}/tests/support/cuda_emulator)
  if(RINGWORLD_ENABLE_NCCL)
    add_subdirectory(${PROJECT_SOURCE_DIR}/tests/support/cuda_emulator/nccl)
  endif()
elseif(RINGWORLD_ENABLE_CUDA)
  find_program(RINGWORLD_NVCC nvcc HINTS ${CUDAToolkit_BIN_DIR} /usr/local/cuda/bin)
  if(RINGWORLD_NVCC AND NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
    set(CMAKE_CUDA_COMPILER ${RINGWORLD_NVCC})
  endif()
  if(RINGWORLD_COMPILER_LAUNCHER AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${RINGWORLD_COMPILER_LAUNCHER})
  endif()
  # The compiler check needs an architecture that every toolkit has; targets get theirs below.
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80)
  endif()
  enable_language(CUDA)
  # CMake 3.25.1 knows C++20 for nvcc, but not its flag.
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
  endif()
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  set(CMAKE_CUDA_EXTENSIONS OFF)
  set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
endif()

set(RINGWORLD_CUDA_HOPPER OFF)
if(RINGWORLD_ENABLE_CUDA AND (RINGWORLD_EMULATE_CUDA OR "90a" IN_LIST RINGWORLD_CUDA_ARCHITECTURES))
  set(RINGWORLD_CUDA_HOPPER ON)
endif()

# ringworld_cuda_sources(target FILES file.cu ... [ARCHITECTURES 90a ...])
# Adds CUDA sources to a target, compiled for RINGWORLD_CUDA_ARCHITECTURES unless the call names others; in an emulated
# build they are C++. Files with architectures of their own see the target's include directories and definitions.
function(ringworld_cuda_sources target)
  cmake_parse_arguments(arg "" "" "FILES;ARCHITECTURES" ${ARGN})
  list(TRANSFORM arg_FILES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  target_link_libraries(${target} PRIVATE ringworld_cuda_runtime)
  if(RINGWORLD_EMULATE_CUDA)
    # nvcc includes its runtime's header by itself.
    set_source_files_properties(${arg_FILES} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-include;cuda_runtime.h")
    # Ahead of the project's own headers, some of which have twins here.
    target_include_directories(${target} BEFORE PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/cuda_emulator/include)
    target_sources(${target} PRIVATE ${arg_FILES})
  elseif(NOT arg_ARCHITECTURES)
    target_sources(${target} PRIVATE ${arg_FILES})
    set_target_properties(${target} PROPERTIES CUDA_ARCHITECTURES "${RINGWORLD_CUDA_ARCHITECTURES}")
  else()
    list(JOIN arg_ARCHITECTURES "_" suffix)
    set(objects ${target}_sm_${suffix})
    add_library(${objects} OBJECT ${arg_FILES})
    set_target_properties(${objects} PROPERTIES CUDA_ARCHITECTURES "${arg_ARCHITECTURES}")
    target_include_directories(${objects} PRIVATE $<TARGET_PROPERTY:${target},INCLUDE_DIRECTORIES>)
    target_compile_definitions(${objects} PRIVATE $<TARGET_PROPERTY:${target},COMPILE_DEFINITIONS>)
    target_link_libraries(${objects} PRIVATE ringworld_options ringworld_cuda_runtime)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${objects}>)
  endif()
endfunction()
