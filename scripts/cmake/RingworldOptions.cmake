# Language level, warnings and sanitizers of every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

find_program(RINGWORLD_CCACHE ccache)
if(RINGWORLD_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${RINGWORLD_CCACHE})
endif()

add_library(ringworld_options INTERFACE)
target_compile_options(ringworld_options INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wold-style-cast)
if(RINGWORLD_WARNINGS_AS_ERRORS)
  target_compile_options(ringworld_options INTERFACE -Werror)
endif()
if(RINGWORLD_SANITIZE)
  target_compile_options(ringworld_options INTERFACE -fsanitize=${RINGWORLD_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(ringworld_options INTERFACE -fsanitize=${RINGWORLD_SANITIZE})
endif()
