# ringworld_module(name SOURCES ... DEPENDS module ... PRIVATE library ...)
# One static library a module: `ringworld_<name>`. Headers are included as "<module>/<file>.hpp" from src/, and as
# "kernels/<family>/<file>.hpp" from the root.
include(GNUInstallDirs)
set(RINGWORLD_INSTALL_INCLUDEDIR ${CMAKE_INSTALL_INCLUDEDIR}/ringworld)
set(RINGWORLD_INSTALL_CMAKEDIR ${CMAKE_INSTALL_LIBDIR}/cmake/Ringworld)

function(ringworld_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;PRIVATE" ${ARGN})
  add_library(ringworld_${name} STATIC ${arg_SOURCES})
  add_library(ringworld::${name} ALIAS ringworld_${name})
  # Kernels stay apart: their files are compiled for different processors.
  string(FIND "${CMAKE_CURRENT_SOURCE_DIR}/" "${PROJECT_SOURCE_DIR}/src/" place)
  if(RINGWORLD_UNITY_BUILD AND place EQUAL 0)
    set_target_properties(ringworld_${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0)
  endif()
  target_include_directories(ringworld_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
    $<INSTALL_INTERFACE:${RINGWORLD_INSTALL_INCLUDEDIR}>)
  list(TRANSFORM arg_DEPENDS PREPEND ringworld_ OUTPUT_VARIABLE modules)
  target_link_libraries(ringworld_${name} PUBLIC ${modules} PRIVATE $<BUILD_INTERFACE:ringworld_options> ${arg_PRIVATE})
  set_target_properties(ringworld_${name} PROPERTIES EXPORT_NAME ${name})
  install(TARGETS ringworld_${name} EXPORT RingworldTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endfunction()

# ringworld_kernel_family(name SOURCES ... [DEPENDS module ...] [PRIVATE library ...])
# A module in kernels/<name>: its own sources, and of each backend of this build (RINGWORLD_BACKENDS) the file
# <backend>/<backend>_<name>.cpp or .cu, where the backend has this family. RINGWORLD_LIBRARIES_OF_<backend> are linked.
function(ringworld_kernel_family name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;PRIVATE" ${ARGN})
  set(of_nvidia "")
  foreach(backend IN LISTS RINGWORLD_BACKENDS)
    set(stem ${backend}/${backend}_${name})
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${stem}.cpp)
      list(APPEND arg_SOURCES ${stem}.cpp)
    elseif(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${stem}.cu)
      list(APPEND of_nvidia ${stem}.cu)
    else()
      continue()
    endif()
    list(APPEND arg_PRIVATE ${RINGWORLD_LIBRARIES_OF_${backend}})
  endforeach()
  ringworld_module(${name} SOURCES ${arg_SOURCES} DEPENDS core device elementwise ${arg_DEPENDS} PRIVATE ${arg_PRIVATE})
  if(of_nvidia)
    ringworld_cuda_sources(ringworld_${name} FILES ${of_nvidia})
  endif()
endfunction()
