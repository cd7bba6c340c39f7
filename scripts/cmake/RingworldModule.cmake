# ringworld_module(name SOURCES ... DEPENDS module ... PRIVATE library ...)
# One static library a module: `ringworld_<name>`. Headers are included as "<module>/<file>.hpp" from src/, and as
# "kernels/<family>/<file>.hpp" from the root.
function(ringworld_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;PRIVATE" ${ARGN})
  add_library(ringworld_${name} STATIC ${arg_SOURCES})
  add_library(ringworld::${name} ALIAS ringworld_${name})
  target_include_directories(ringworld_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR})
  list(TRANSFORM arg_DEPENDS PREPEND ringworld_ OUTPUT_VARIABLE modules)
  target_link_libraries(ringworld_${name} PUBLIC ${modules} PRIVATE ringworld_options ${arg_PRIVATE})
endfunction()
